//! The only place of the world that asks for the time. Days and hours are those of Rome. The world's
//! time can be moved ahead, so that what takes two days can be watched in a minute.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Rome's time zone, loaded once, and how far the world is ahead.
#[derive(Debug)]
pub(crate) struct Clock {
    rome: TimeZone,
    ahead_s: AtomicI64,
}

impl Clock {
    /// Fails only where the built-in time zone database lacks Rome.
    pub(crate) fn new(ahead_s: i64) -> Result<Self, jiff::Error> {
        Ok(Clock {
            rome: TimeZone::get("Europe/Rome")?,
            ahead_s: AtomicI64::new(ahead_s),
        })
    }

    /// By how many seconds the world is ahead of the machine.
    pub(crate) fn ahead_s(&self) -> i64 {
        self.ahead_s.load(Ordering::Relaxed)
    }

    /// Sets by how many seconds the world is ahead.
    pub(crate) fn set_ahead_s(&self, seconds: i64) {
        self.ahead_s.store(seconds, Ordering::Relaxed);
    }

    /// The wall clock in Rome, whole seconds.
    pub(crate) fn now(&self) -> DateTime {
        let now = self.local(self.instant());
        now.with().subsec_nanosecond(0).build().unwrap_or(now)
    }

    /// The instant, for what is stored.
    pub(crate) fn instant(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(SignedDuration::from_secs(self.ahead_s()))
            .unwrap_or(now)
    }

    /// Today in Rome.
    pub(crate) fn today(&self) -> Date {
        self.now().date()
    }

    /// The wall clock in Rome at an instant.
    pub(crate) fn local(&self, instant: Timestamp) -> DateTime {
        instant.to_zoned(self.rome.clone()).datetime()
    }
}

/// `20/11/2026`
pub(crate) fn italian_day(day: Date) -> String {
    format!("{:02}/{:02}/{:04}", day.day(), day.month(), day.year())
}

/// `20/11/2026 alle 10:15`
pub(crate) fn italian_moment(moment: DateTime) -> String {
    format!(
        "{} alle {:02}:{:02}",
        italian_day(moment.date()),
        moment.hour(),
        moment.minute()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_payment_is_the_day_in_rome() {
        let clock = Clock::new(0).unwrap();
        let cases = [
            ("2026-11-20T22:59:59Z", "2026-11-20T23:59:59"),
            ("2026-11-20T23:00:00Z", "2026-11-21T00:00:00"),
            ("2026-07-01T22:00:00Z", "2026-07-02T00:00:00"),
        ];
        for (instant, local) in cases {
            let instant: Timestamp = instant.parse().unwrap();
            assert_eq!(clock.local(instant).to_string(), local);
        }
        assert_eq!(clock.now().subsec_nanosecond(), 0);
    }

    #[test]
    fn moments_are_written_for_italian_readers() {
        let moment: DateTime = "2026-01-05T08:03:00".parse().unwrap();
        assert_eq!(italian_moment(moment), "05/01/2026 alle 08:03");
    }
}
