//! Mails to payers and to the creditor's staff: what they say and to whom, never how they travel.

use super::ids::{DebtId, DocumentId, MailId};
use super::party::{CreditorCode, Email};

/// A language in which we write to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Italian, when nothing else is known.
    #[default]
    Italian,
    /// German, as in South Tyrol.
    German,
    /// English.
    English,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 3] = [Language::Italian, Language::German, Language::English];

    /// The tag (RFC 5646) in the store, the API and `lang` attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::Italian => "it",
            Language::German => "de",
            Language::English => "en",
        }
    }

    /// The language written as [`Language::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Language> {
        Language::ALL
            .into_iter()
            .find(|language| language.as_str() == text)
    }
}

/// Why a mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// The notice itself, asked for by the payer.
    Notice,
    /// A receipt, asked for by the payer.
    Receipt,
    /// A notice that is not paid yet, before or after its due day.
    Reminder,
}

impl MailKind {
    /// All kinds.
    pub const ALL: [MailKind; 3] = [MailKind::Notice, MailKind::Receipt, MailKind::Reminder];

    /// The word in the store and in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            MailKind::Notice => "notice",
            MailKind::Receipt => "receipt",
            MailKind::Reminder => "reminder",
        }
    }

    /// The kind written as [`MailKind::as_str`] writes it.
    pub fn parse(text: &str) -> Option<MailKind> {
        MailKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A file that goes with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The bytes, in the store.
    pub document: DocumentId,
    /// Its name for the reader, such as `avviso.pdf`.
    pub name: String,
    /// Its type, such as `application/pdf`.
    pub media_type: String,
}

/// A mail, written and not yet on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// In whose name.
    pub creditor: CreditorCode,
    /// Why.
    pub kind: MailKind,
    /// What makes it this mail and no other: the same again, of the same kind, is not another mail.
    pub identity: String,
    /// The debt it is about.
    pub debt: Option<DebtId>,
    /// To whom: the payer, and nobody else.
    pub to: Email,
    /// Its language.
    pub language: Language,
    /// Its subject, on one line, without personal data.
    pub subject: String,
    /// Its text for readers without HTML.
    pub text: String,
    /// Its text as HTML.
    pub html: String,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
}

/// A mail that is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedMail {
    /// Our id: the left side of its `Message-ID`, the same for every try.
    pub id: MailId,
    /// The mail.
    pub mail: Mail,
    /// Tries so far.
    pub attempts: i64,
    /// When it was written.
    pub created_at: super::day::Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::parse(kind.as_str()), Some(kind));
        }
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
        }
        assert_eq!(Language::parse("fr"), None);
    }
}
