//! Section `[mail]`, and `[creditors.mail]`.

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::Deserialize;

use super::creditors::{CreditorConfig, Review};
use super::list;
use crate::domain::mail::Language;
use crate::domain::reminder::FARTHEST;

/// Section `[mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Whether mails are delivered.
    pub enabled: bool,
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is protected.
    pub security: Security,
    /// The user; empty when there is none.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// File with the password.
    pub password_file: PathBuf,
    /// The sender.
    pub from: String,
    /// Where answers go; the sender when empty.
    pub reply_to: String,
    /// Longest step in seconds.
    pub timeout_s: u64,
    /// Connections at the same time.
    pub in_flight: u32,
    /// Seconds between two looks.
    pub every_s: u64,
    /// Pauses before the next try in seconds.
    #[serde(deserialize_with = "list")]
    pub retry_pauses_s: Vec<i64>,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Begins in the clear and must change to TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None at all: a server on this machine only.
    Plain,
}

/// `[creditors.mail]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditorMail {
    /// The sender; that of `[mail]` when left out.
    pub from: Option<String>,
    /// Where answers go; that of `[mail]` when left out.
    pub reply_to: Option<String>,
    /// Days after the due day on which a payer is reminded; before it when negative.
    pub reminder_days: Vec<i32>,
    /// The language of its mails: `it`, `de` or `en`; Italian when left out.
    pub language: Option<String>,
}

impl Review {
    /// Addresses that can be used, a sender for everybody, and no password in the clear.
    pub(super) fn mail(&mut self, mail: &Mail, creditors: &[CreditorConfig]) {
        let mut address = |key: &str, text: &str| {
            if text.parse::<Mailbox>().is_err() {
                self.wrong(key, "is not an address, or a name with an address in <>");
            }
        };
        for (key, text) in [("mail.from", &mail.from), ("mail.reply_to", &mail.reply_to)] {
            if !text.is_empty() {
                address(key, text);
            }
        }
        for (index, creditor) in creditors.iter().enumerate() {
            for (name, text) in [
                ("from", &creditor.mail.from),
                ("reply_to", &creditor.mail.reply_to),
            ] {
                if let Some(text) = text {
                    address(&format!("creditors[{index}].mail.{name}"), text);
                }
            }
        }
        for (index, creditor) in creditors.iter().enumerate() {
            let key = format!("creditors[{index}].mail");
            let days = &creditor.mail.reminder_days;
            if days.len() > 10 || days.iter().any(|day| !(-FARTHEST..=FARTHEST).contains(day)) {
                let message = format!("takes up to 10 numbers from -{FARTHEST} to {FARTHEST}");
                self.wrong(&format!("{key}.reminder_days"), message);
            }
            if let Some(language) = &creditor.mail.language
                && Language::parse(language).is_none()
            {
                self.wrong(&format!("{key}.language"), "is not it, de or en");
            }
        }
        if !mail.enabled {
            return;
        }
        if mail.from.is_empty() {
            self.wrong("mail.from", "needs the address of the sender");
        }
        if mail.host.is_empty() {
            self.wrong("mail.host", "needs the mail server");
        }
        if mail.in_flight == 0 {
            self.wrong("mail.in_flight", "must be at least 1");
        }
        let is_here = matches!(mail.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if mail.security == Security::Plain && !is_here {
            self.wrong(
                "mail.security",
                "plain is for a mail server on this machine: use starttls or tls",
            );
        }
    }
}
