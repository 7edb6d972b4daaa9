//! Why a call is turned down: a normal answer, not an error.
//!
//! The order of the variants is the order in which a door checks: the first that applies is the
//! answer. Every door maps all of them in one `match`, so that a new refusal does not compile until
//! each door knows what to say.

/// Every reason for which the business says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// The broker in the message is not one we work for.
    #[error("the broker is not served here")]
    WrongBroker,
    /// The station is not ours, or not tied to that creditor.
    #[error("the station is not tied to this creditor")]
    WrongStation,
    /// The creditor is not served here, or differs from the one of the notice.
    #[error("the creditor is not served here")]
    WrongCreditor,
    /// No such notice, or not yet published.
    #[error("the notice is unknown")]
    Unknown,
    /// Paid already, through whatever channel.
    #[error("the notice is paid already")]
    AlreadyPaid,
    /// Withdrawn by the creditor.
    #[error("the notice was cancelled")]
    Cancelled,
    /// Past its last day of payment.
    #[error("the notice has expired")]
    Expired,
    /// A reference that is known already, with other content.
    #[error("the reference is known already with other content")]
    Conflict,
    /// A reference that is known already, with the same content, where the creditor wants it
    /// refused.
    #[error("the reference is known already")]
    Repeated,
    /// A message whose parts do not agree, where the creditor wants it refused.
    #[error("the message does not agree with itself")]
    Inconsistent,
    /// A message with elements that the schema does not know, where the creditor wants it refused.
    #[error("the message holds unknown elements")]
    UnknownElements,
}

impl Refusal {
    /// All refusals, for the tables of the doors and their tests.
    pub const ALL: [Refusal; 11] = [
        Refusal::WrongBroker,
        Refusal::WrongStation,
        Refusal::WrongCreditor,
        Refusal::Unknown,
        Refusal::AlreadyPaid,
        Refusal::Cancelled,
        Refusal::Expired,
        Refusal::Conflict,
        Refusal::Repeated,
        Refusal::Inconsistent,
        Refusal::UnknownElements,
    ];
}
