//! Types for identifiers, so that one cannot be taken for another.

use std::fmt;

/// Declares a newtype over text for an identifier that we make ourselves.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that was made by [`crate::clock::Ids`] or read from the store.
            pub fn new(text: impl Into<String>) -> $name {
                $name(text.into())
            }

            /// Reads an id that came from outside: 36 characters, hexadecimal digits and hyphens.
            pub fn parse(text: &str) -> Option<$name> {
                let is_id = text.len() == 36
                    && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
                is_id.then(|| $name(text.to_owned()))
            }

            /// The text, for a column, a link or a message.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A debt, and the notice that asks for it: they are one to one.
    DebtId
}
id! {
    /// A payment that arrived, whatever became of it.
    PaymentId
}
id! {
    /// An entry of the meal ledger: its idempotency key on the other side.
    EntryId
}
id! {
    /// Bytes that came in or went out, kept as they were.
    DocumentId
}
id! {
    /// A request and its reply at one of our doors.
    ExchangeId
}
id! {
    /// An exception that waits for a person of the finance office.
    CaseId
}
id! {
    /// An API key's row (not the key).
    KeyId
}
id! {
    /// An attempt to pay at Checkout; its `idCart`.
    CheckoutId
}
id! {
    /// A link under which a parent chooses a top-up.
    TopUpLinkId
}
id! {
    /// A receipt that is looked for.
    HuntId
}
id! {
    /// A file of notices.
    BatchId
}
id! {
    /// A mail that is owed to somebody.
    MailId
}
id! {
    /// Something that has happened.
    EventId
}
id! {
    /// Where a portal wants to be called.
    EndpointId
}
id! {
    /// An event that an endpoint is owed.
    DeliveryId
}
