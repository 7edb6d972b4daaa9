//! How fast a service of pagoPA may be called.

use crate::domain::day::Instant;

/// So many calls in any window of so many seconds, and no more than a few of them at once.
///
/// A token bucket that holds `burst` and is filled evenly with the rest: what is saved up and what
/// flows in during one window are together never more than `calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in one window.
    pub calls: i64,
    /// The window in seconds.
    pub seconds: i64,
    /// Calls at once, at least one and at most `calls`.
    pub burst: i64,
}

/// What a rate allows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Calls that may be made now.
    pub(super) calls: i64,
    /// What is written down for them.
    pub(super) free_at: Instant,
}

impl Rate {
    /// The time of one call in milliseconds.
    pub(super) fn interval(self) -> i64 {
        let even = self.calls.saturating_sub(self.burst).max(0) + 1;
        (self.seconds.saturating_mul(1_000) + even - 1) / even
    }

    /// The instant from which the present is counted: never further ahead than an empty bucket, so
    /// that a clock that was wrong does not stop the calls for long.
    pub(super) fn level(self, free_at: Option<Instant>, now: Instant) -> Instant {
        let empty = now.plus_millis(self.interval().saturating_mul(self.burst));
        free_at.unwrap_or(now).max(now).min(empty)
    }

    pub(super) fn share(self, free_at: Option<Instant>, now: Instant, wanted: i64) -> Share {
        let interval = self.interval().max(1);
        let level = self.level(free_at, now);
        let ahead = level.as_millis() - now.as_millis();
        let left = (interval.saturating_mul(self.burst) - ahead) / interval;
        let calls = left.min(wanted).max(0);
        Share {
            calls,
            free_at: level.plus_millis(interval.saturating_mul(calls)),
        }
    }

    /// When so many calls (at most a burst) will be allowed together.
    pub(super) fn ready_at(self, free_at: Instant, wanted: i64) -> Instant {
        let wanted = wanted.clamp(1, self.burst);
        free_at.plus_millis(-self.interval().saturating_mul(self.burst - wanted))
    }
}
