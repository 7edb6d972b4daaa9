//! Where portals want to be called: kept, changed and forgotten; and what each is owed.

use std::net::IpAddr;

use reqwest::Url;
use secrecy::SecretString;

use super::once::{Done, Repeat, claim, remember};
use super::{Desk, DeskError, retry};
use crate::clock::Ids;
use crate::domain::address::is_public;
use crate::domain::day::Instant;
use crate::domain::event::EventKind;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::party::CreditorCode;
use crate::store::events::Placed;
use crate::store::webhooks::{self, Debit, Delivery, Endpoint, Listening, State};
use crate::store::{Conn, StoreError};

/// Endpoints of one creditor, at most.
pub const MOST: usize = 10;
/// Hours for which the secret before signs beside the new one.
pub const OVERLAP_HOURS: i64 = 24;
/// Why an endpoint is not called when its owner has said so.
const BY_OWNER: &str = "by_owner";

/// Why an address cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// It is no address of the web, or holds a user, a password or a fragment.
    Form,
    /// It is not https.
    Bare,
    /// It leads into a network that is nobody else's.
    Private,
}

/// Reads the address of an endpoint. With `allows_private` (the demo, or a portal in the same house)
/// it may lead anywhere, and be http on this machine.
///
/// # Errors
/// [`UrlError`].
pub fn read_url(text: &str, allows_private: bool) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::Form)?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() || !is_plain {
        return Err(UrlError::Form);
    }
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let name = host.trim_end_matches('.');
    let is_here = address.is_some_and(|address| address.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost");
    if (is_here || address.is_some_and(|address| !is_public(address))) && !allows_private {
        return Err(UrlError::Private);
    }
    if url.scheme() != "https" && !is_here {
        return Err(UrlError::Bare);
    }
    Ok(url)
}

/// A new secret: `whsec_` and 32 random bytes in Base64, as Standard Webhooks writes it.
fn secret(ids: &Ids) -> SecretString {
    let bytes = openssl::base64::encode_block(&ids.secret::<32>());
    SecretString::from(format!("whsec_{bytes}"))
}

/// What is changed of an endpoint; nothing means that it stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// The address.
    pub url: Option<String>,
    /// What it wants to hear; empty for everything.
    pub kinds: Option<Vec<EventKind>>,
    /// Whether it is called.
    pub is_enabled: Option<bool>,
}

/// Owes events that have just got their place to those who want to hear of them.
pub(super) async fn owe(
    conn: &mut Conn,
    ids: &Ids,
    placed: &[Placed],
    now: Instant,
) -> Result<bool, StoreError> {
    let listening = webhooks::listening(conn).await?;
    let wants = |one: &Listening, event: &Placed| {
        one.creditor == event.creditor && (one.kinds.is_empty() || one.kinds.contains(&event.kind))
    };
    let mut debits = vec![];
    for event in placed {
        for one in listening.iter().filter(|one| wants(one, event)) {
            debits.push(Debit {
                id: DeliveryId::new(ids.next(now)),
                creditor: one.creditor.clone(),
                endpoint: one.id.clone(),
                position: event.position,
            });
        }
    }
    webhooks::owe(conn, &debits, now).await?;
    Ok(!debits.is_empty())
}

impl Desk {
    /// Keeps a new endpoint. Its secret is in the answer, and in no other.
    ///
    /// # Errors
    /// [`DeskError::TooMany`], [`DeskError::KeyReused`], or the store failed.
    pub async fn open_endpoint(
        &self,
        creditor: &CreditorCode,
        url: &str,
        kinds: &[EventKind],
        repeat: Option<Repeat<'_, Endpoint>>,
        now: Instant,
    ) -> Result<Done<Endpoint>, DeskError> {
        let endpoint = Endpoint {
            id: EndpointId::new(self.ids.next(now)),
            creditor: creditor.clone(),
            url: url.to_owned(),
            kinds: kinds.to_vec(),
            secret: secret(&self.ids),
            previous: None,
            created_at: now,
            failing_since: None,
            disabled: None,
        };
        retry(|| Box::pin(self.try_open_endpoint(&endpoint, repeat.as_ref(), now))).await
    }

    async fn try_open_endpoint(
        &self,
        endpoint: &Endpoint,
        repeat: Option<&Repeat<'_, Endpoint>>,
        now: Instant,
    ) -> Result<Done<Endpoint>, DeskError> {
        let creditor = &endpoint.creditor;
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat, now).await? {
            return Ok(Done::Again(answer));
        }
        let most = i64::try_from(MOST).unwrap_or(i64::MAX);
        if webhooks::endpoints(&mut tx, creditor, None, most)
            .await?
            .len()
            >= MOST
        {
            return Err(DeskError::TooMany(MOST));
        }
        webhooks::insert(&mut tx, endpoint).await?;
        remember(&mut tx, creditor, repeat, endpoint).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Done::First(endpoint.clone()))
    }

    /// A creditor's endpoint.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn endpoint(
        &self,
        creditor: &CreditorCode,
        id: &EndpointId,
    ) -> Result<Endpoint, DeskError> {
        let mut conn = self.store.read().await?;
        let found = webhooks::endpoint(&mut conn, creditor, id).await?;
        found.ok_or(DeskError::NotFound)
    }

    /// A page of a creditor's endpoints, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn endpoints(
        &self,
        creditor: &CreditorCode,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Endpoint>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(webhooks::endpoints(&mut conn, creditor, before, limit).await?)
    }

    /// Changes an endpoint. One that is switched off loses what it is owed: the feed of events still
    /// has it.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn change_endpoint(
        &self,
        creditor: &CreditorCode,
        id: &EndpointId,
        change: &EndpointChange,
        now: Instant,
    ) -> Result<Endpoint, DeskError> {
        let mut tx = self.store.write().await?;
        let known = webhooks::endpoint(&mut tx, creditor, id).await?;
        let mut endpoint = known.ok_or(DeskError::NotFound)?;
        if let Some(url) = &change.url {
            endpoint.url.clone_from(url);
        }
        if let Some(kinds) = &change.kinds {
            endpoint.kinds.clone_from(kinds);
        }
        match change.is_enabled {
            Some(true) => {
                endpoint.disabled = None;
                endpoint.failing_since = None;
            }
            Some(false) if endpoint.disabled.is_none() => {
                endpoint.disabled = Some((now, BY_OWNER.to_owned()));
                webhooks::give_up_all(&mut tx, id, now, "the endpoint was disabled").await?;
            }
            Some(false) | None => {}
        }
        if !webhooks::change(&mut tx, &endpoint).await? {
            return Err(DeskError::NotFound);
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(endpoint)
    }

    /// Gives an endpoint a new secret; the one before signs beside it for [`OVERLAP_HOURS`].
    ///
    /// # Errors
    /// [`DeskError::NotFound`], [`DeskError::KeyReused`], or the store failed.
    pub async fn rotate_secret(
        &self,
        creditor: &CreditorCode,
        id: &EndpointId,
        repeat: Option<Repeat<'_, Endpoint>>,
        now: Instant,
    ) -> Result<Done<Endpoint>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat.as_ref(), now).await? {
            return Ok(Done::Again(answer));
        }
        let until = now.plus_seconds(OVERLAP_HOURS * 3_600);
        if !webhooks::rotate(&mut tx, creditor, id, &secret(&self.ids), until).await? {
            return Err(DeskError::NotFound);
        }
        let endpoint = webhooks::endpoint(&mut tx, creditor, id).await?;
        let endpoint = endpoint.ok_or(DeskError::NotFound)?;
        remember(&mut tx, creditor, repeat.as_ref(), &endpoint).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Done::First(endpoint))
    }

    /// Forgets an endpoint with its secrets.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn delete_endpoint(
        &self,
        creditor: &CreditorCode,
        id: &EndpointId,
        now: Instant,
    ) -> Result<(), DeskError> {
        let mut tx = self.store.write().await?;
        if !webhooks::delete(&mut tx, creditor, id, now).await? {
            return Err(DeskError::NotFound);
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// A page of a creditor's deliveries, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliveries(
        &self,
        creditor: &CreditorCode,
        state: Option<State>,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Delivery>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(webhooks::deliveries(&mut conn, creditor, state, before, limit).await?)
    }

    /// Sends a delivery again, whatever became of it.
    ///
    /// # Errors
    /// [`DeskError::NotFound`]; [`DeskError::Silent`] when its endpoint is not called any more;
    /// [`DeskError::KeyReused`]; or the store failed.
    pub async fn resend(
        &self,
        creditor: &CreditorCode,
        id: &DeliveryId,
        repeat: Option<Repeat<'_, Delivery>>,
        now: Instant,
    ) -> Result<Done<Delivery>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat.as_ref(), now).await? {
            return Ok(Done::Again(answer));
        }
        let is_called = webhooks::resend(&mut tx, creditor, id, now).await?;
        let delivery = webhooks::delivery(&mut tx, creditor, id).await?;
        let delivery = delivery.ok_or(DeskError::NotFound)?;
        if !is_called {
            return Err(DeskError::Silent);
        }
        remember(&mut tx, creditor, repeat.as_ref(), &delivery).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.happened.notify_one();
        Ok(Done::First(delivery))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_into_nobodys_house() {
        use UrlError::{Bare, Form, Private};
        for (url, outside, inside) in [
            ("https://portale.example/hook?x=1", Ok(()), Ok(())),
            ("http://portale.example/hook", Err(Bare), Err(Bare)),
            ("http://localhost:8082/hook", Err(Private), Ok(())),
            ("https://localhost./hook", Err(Private), Ok(())),
            ("http://127.0.0.1/", Err(Private), Ok(())),
            ("http://[::1]:1/", Err(Private), Ok(())),
            ("http://2130706433/", Err(Private), Ok(())),
            ("https://10.0.0.1/", Err(Private), Ok(())),
            ("http://10.0.0.1/", Err(Private), Err(Bare)),
            ("https://169.254.169.254/latest", Err(Private), Ok(())),
            ("https://u:p@portale.example/", Err(Form), Err(Form)),
            ("https://portale.example/#a", Err(Form), Err(Form)),
            ("ftp://portale.example/", Err(Form), Err(Form)),
            ("file:///etc/passwd", Err(Form), Err(Form)),
            ("portale", Err(Form), Err(Form)),
            ("", Err(Form), Err(Form)),
        ] {
            assert_eq!(read_url(url, false).map(drop), outside, "{url}");
            assert_eq!(read_url(url, true).map(drop), inside, "{url}");
        }
    }
}
