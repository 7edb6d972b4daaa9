//! Mails that are owed: written down with whatever causes them, delivered by a job.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Desk, DeskError};
use crate::clock::Ids;
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, MailId};
use crate::domain::mail::{Attachment, Mail};
use crate::store::documents::Document;
use crate::store::{Conn, Store, StoreError, documents, mails};
use crate::wire::digest::sha256;

/// Where mails are written down; cheap to clone.
#[derive(Debug, Clone)]
pub struct Mails {
    store: Store,
    ids: Ids,
    owed: Arc<Notify>,
}

/// A file for a mail, not yet in the store.
#[derive(Debug, Clone)]
pub struct Enclosure {
    /// Its name for the reader, such as `avviso.pdf`.
    pub name: String,
    /// Its type, such as `application/pdf`.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Mails {
    /// Writes down a mail in the transaction of what causes it; false when the same was written down
    /// before. After the commit, [`Mails::ring`].
    ///
    /// # Errors
    /// The store failed.
    pub async fn owe(
        &self,
        conn: &mut Conn,
        mail: &Mail,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let id = MailId::new(self.ids.next(now));
        mails::owe(conn, &id, mail, now).await
    }

    /// Writes down a mail that nothing else causes, with files that are stored beside it; false when
    /// the same was written down before, and then nothing is stored.
    ///
    /// # Errors
    /// The store failed.
    pub async fn send(
        &self,
        mut mail: Mail,
        enclosures: Vec<Enclosure>,
        now: Instant,
    ) -> Result<bool, DeskError> {
        let papers: Vec<Document> = enclosures
            .into_iter()
            .map(|file| {
                let id = DocumentId::new(self.ids.next(now));
                mail.attachments.push(Attachment {
                    document: id.clone(),
                    name: file.name,
                    media_type: file.media_type.to_owned(),
                });
                Document {
                    id,
                    kind: "mail_attachment",
                    sha256: sha256(&file.bytes),
                    bytes: file.bytes,
                    stored_at: now,
                }
            })
            .collect();
        let mut tx = self.store.write().await?;
        documents::insert(&mut tx, &papers).await?;
        if !self.owe(&mut tx, &mail, now).await? {
            return Ok(false);
        }
        tx.commit().await.map_err(StoreError::from)?;
        self.ring();
        Ok(true)
    }

    /// Wakes the job that delivers.
    pub fn ring(&self) {
        self.owed.notify_one();
    }

    /// Rings when a mail was written down.
    pub fn owed(&self) -> &Arc<Notify> {
        &self.owed
    }
}

impl Desk {
    /// Where mails are written down.
    pub fn mails(&self) -> Mails {
        Mails {
            store: self.store.clone(),
            ids: self.ids.clone(),
            owed: self.mail.clone(),
        }
    }
}
