//! A mail as a message (RFC 5322), with its text, its HTML and its files.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::config::Config;
use crate::domain::day::Instant;
use crate::domain::mail::{Attachment, OwedMail};

/// In whose name mails are sent.
#[derive(Debug)]
pub(super) struct Senders {
    general: Sender,
    own: HashMap<String, Sender>,
}

#[derive(Debug, Clone)]
struct Sender {
    from: Option<Mailbox>,
    reply_to: Option<Mailbox>,
}

impl Senders {
    /// Those of a configuration that was reviewed: what is no address is left out.
    pub(super) fn of(config: &Config) -> Senders {
        let read = |text: &String| text.parse::<Mailbox>().ok();
        let general = Sender {
            from: read(&config.mail.from),
            reply_to: read(&config.mail.reply_to),
        };
        let own = config.creditors.iter().map(|creditor| {
            let mail = &creditor.mail;
            let sender = Sender {
                from: mail.from.as_ref().and_then(read).or(general.from.clone()),
                reply_to: match &mail.reply_to {
                    Some(text) => read(text),
                    // Answers to a creditor's own sender belong to that creditor.
                    None if mail.from.is_some() => None,
                    None => general.reply_to.clone(),
                },
            };
            (creditor.fiscal_code.clone(), sender)
        });
        Senders {
            own: own.collect(),
            general: general.clone(),
        }
    }

    fn for_creditor(&self, code: &str) -> &Sender {
        self.own.get(code).unwrap_or(&self.general)
    }
}

/// Writes the message of a mail with its files.
///
/// # Errors
/// Why it cannot be written, without any address.
pub(super) fn letter(
    owed: &OwedMail,
    files: Vec<(Attachment, Vec<u8>)>,
    senders: &Senders,
    now: Instant,
) -> Result<Message, String> {
    let mail = &owed.mail;
    let sender = senders.for_creditor(mail.creditor.as_str());
    let from = sender.from.clone().ok_or("there is no sender")?;
    let to: Address = mail
        .to
        .as_str()
        .parse()
        .map_err(|_| "the address cannot be used")?;
    let id = format!("<{}@{}>", owed.id, from.email.domain());
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut message = Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(mail.subject.as_str())
        .message_id(Some(id))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    if let Some(reply_to) = &sender.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    let words = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
    let body = if files.is_empty() {
        words
    } else {
        let mut all = MultiPart::mixed().multipart(words);
        for (file, bytes) in files {
            all = all.singlepart(part(&file, bytes)?);
        }
        all
    };
    let mut message = message
        .multipart(body)
        .map_err(|_| "the message cannot be written")?;
    let headers = message.headers_mut();
    // RFC 3834: nobody's out-of-office note should answer it.
    for (name, value) in [
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", mail.language.as_str()),
    ] {
        let name = HeaderName::new_from_ascii(name.to_owned())
            .map_err(|_| "the message cannot be written")?;
        headers.insert_raw(HeaderValue::new(name, value.to_owned()));
    }
    Ok(message)
}

fn part(file: &Attachment, bytes: Vec<u8>) -> Result<SinglePart, String> {
    let kind =
        ContentType::parse(&file.media_type).map_err(|_| "a file that goes with it has no type")?;
    Ok(Part::new(file.name.clone()).body(bytes, kind))
}
