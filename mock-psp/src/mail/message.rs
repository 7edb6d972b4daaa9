//! A message (RFC 5322, MIME) as its reader sees it. Read by a library that is not the gateway's.

use mail_parser::{MessageParser, MimeHeaders};

/// What a message says.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) reply_to: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    pub(super) files: Vec<File>,
}

/// A file that came with it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// Reads a message; what cannot be read is left empty.
    pub(super) fn read(raw: &[u8]) -> Message {
        let Some(read) = MessageParser::default().parse(raw) else {
            return Message::default();
        };
        let address = |address: Option<&mail_parser::Address<'_>>| {
            let first = address.and_then(|address| address.first());
            let email = first.and_then(|first| first.address()).unwrap_or_default();
            match first.and_then(|first| first.name()) {
                Some(name) => format!("{name} <{email}>"),
                None => email.to_owned(),
            }
        };
        Message {
            id: read.message_id().unwrap_or_default().to_owned(),
            from: address(read.from()),
            reply_to: address(read.reply_to()),
            subject: read.subject().unwrap_or_default().to_owned(),
            text: read.body_text(0).unwrap_or_default().into_owned(),
            html: read.body_html(0).unwrap_or_default().into_owned(),
            files: read
                .attachments()
                .map(|part| File {
                    name: part.attachment_name().unwrap_or_default().to_owned(),
                    media_type: part.content_type().map_or_else(String::new, |kind| {
                        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
                    }),
                    bytes: part.contents().to_vec(),
                })
                .collect(),
        }
    }
}
