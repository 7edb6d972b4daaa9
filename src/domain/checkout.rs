//! Attempts to pay at Checkout, pagoPA's payment page.
//!
//! An attempt never changes a debt. That the browser came back says nothing, and that it did not
//! come back says nothing either: the receipt decides (SANP; handbook of Checkout, outcome mapping).

use super::day::Instant;
use super::debt::PublicState;

/// Notices in one cart, at most (Checkout OpenAPI, `paymentNotices`).
pub const MOST: usize = 5;
/// How long Checkout keeps a cart that no browser has opened, in seconds.
pub const KEPT_S: i64 = 600;
/// Longest `companyName` and `description` of a cart, in characters (Checkout OpenAPI).
pub const TEXT: usize = 140;

/// What came of asking for a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// No answer was written down, or not yet.
    Nothing,
    /// There is a cart.
    Open,
    /// The node lets the notices not be paid now: a payment is running, or was just made.
    Running,
    /// Checkout did not take what we sent.
    Refused,
    /// There was no good answer.
    Down,
}

impl Asked {
    const ALL: [Asked; 5] = [
        Asked::Nothing,
        Asked::Open,
        Asked::Running,
        Asked::Refused,
        Asked::Down,
    ];

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Asked::Nothing => "asked",
            Asked::Open => "open",
            Asked::Running => "running",
            Asked::Refused => "refused",
            Asked::Down => "down",
        }
    }

    /// The state written as [`Asked::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Asked> {
        Asked::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// By which of its addresses a browser came back. It proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Checkout says that it was paid.
    Ok,
    /// Checkout says that the payment was taken in charge and is not decided.
    Waiting,
    /// The payer turned back.
    Cancel,
    /// Anything else; with version 1 of the API a payment taken in charge too.
    Error,
}

impl Returned {
    const ALL: [Returned; 4] = [
        Returned::Ok,
        Returned::Waiting,
        Returned::Cancel,
        Returned::Error,
    ];

    /// The word in the address and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Returned::Ok => "ok",
            Returned::Waiting => "waiting",
            Returned::Cancel => "cancel",
            Returned::Error => "error",
        }
    }

    /// The way written as [`Returned::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Returned> {
        Returned::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

/// Where an attempt stands, as the portal sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its page can be opened.
    Open,
    /// All of its notices are paid, in this attempt or elsewhere.
    Paid,
    /// Its page cannot be opened any more. A payment begun there may still arrive.
    Expired,
    /// No page came of it.
    Failed,
}

impl Standing {
    /// Where an attempt stands now: the notices decide, then the clock.
    pub fn of(
        asked: Asked,
        expires_at: Option<Instant>,
        notices: impl IntoIterator<Item = PublicState>,
        now: Instant,
    ) -> Standing {
        let mut notices = notices.into_iter().peekable();
        if notices.peek().is_some() && notices.all(|state| state == PublicState::Paid) {
            return Standing::Paid;
        }
        match (asked, expires_at) {
            (Asked::Open, Some(end)) if now < end => Standing::Open,
            (Asked::Open, _) => Standing::Expired,
            _ => Standing::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notices_decide_and_then_the_clock() {
        use PublicState::{Cancelled, Open, Paid};
        let at = Instant::from_millis;
        let table: [(Asked, &[PublicState], i64, Standing); 8] = [
            (Asked::Open, &[Open], 599_999, Standing::Open),
            (Asked::Open, &[Open], 600_000, Standing::Expired),
            (Asked::Open, &[Paid, Open], 0, Standing::Open),
            (Asked::Open, &[Paid, Paid], 900_000, Standing::Paid),
            (Asked::Open, &[Paid, Cancelled], 900_000, Standing::Expired),
            (Asked::Down, &[Paid], 0, Standing::Paid),
            (Asked::Down, &[Open], 0, Standing::Failed),
            (Asked::Nothing, &[], 0, Standing::Failed),
        ];
        for (asked, notices, now, expected) in table {
            let standing = Standing::of(asked, Some(at(600_000)), notices.iter().copied(), at(now));
            assert_eq!(standing, expected, "{asked:?} {notices:?} {now}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in Asked::ALL {
            assert_eq!(Asked::parse(state.as_str()), Some(state));
        }
        for way in Returned::ALL {
            assert_eq!(Returned::parse(way.as_str()), Some(way));
        }
    }
}
