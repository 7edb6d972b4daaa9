//! Events: what has happened, as the portals are told.

use super::day::Instant;
use super::ids::EventId;
use super::party::CreditorCode;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A notice was created.
    NoticeCreated,
    /// Amount, shares, due day or text of an open notice were changed.
    NoticeChanged,
    /// A notice was paid, or settled off the rails.
    NoticePaid,
    /// A notice was withdrawn.
    NoticeCancelled,
    /// The last day of a notice has passed.
    NoticeExpired,
    /// The due day of a notice that can still be paid has passed.
    NoticeOverdue,
    /// A payment was recorded: its receipt is here.
    PaymentConfirmed,
    /// A payment was given back.
    PaymentReversed,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [EventKind; 8] = [
        EventKind::NoticeCreated,
        EventKind::NoticeChanged,
        EventKind::NoticePaid,
        EventKind::NoticeCancelled,
        EventKind::NoticeExpired,
        EventKind::NoticeOverdue,
        EventKind::PaymentConfirmed,
        EventKind::PaymentReversed,
    ];

    /// The `type` in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::NoticeCreated => "notice.created",
            EventKind::NoticeChanged => "notice.changed",
            EventKind::NoticePaid => "notice.paid",
            EventKind::NoticeCancelled => "notice.cancelled",
            EventKind::NoticeExpired => "notice.expired",
            EventKind::NoticeOverdue => "notice.overdue",
            EventKind::PaymentConfirmed => "payment.confirmed",
            EventKind::PaymentReversed => "payment.reversed",
        }
    }

    /// The kind written as [`EventKind::as_str`] writes it.
    pub fn parse(text: &str) -> Option<EventKind> {
        EventKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Our id; the `webhook-id` of every delivery.
    pub id: EventId,
    /// Whose.
    pub creditor: CreditorCode,
    /// What.
    pub kind: EventKind,
    /// When.
    pub created_at: Instant,
    /// What it was about, as it then was: a JSON object that never changes afterwards. Ids, amounts
    /// and states, and nothing of a person but the code of the child.
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_distinct_and_read_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::parse("notice"), None);
    }
}
