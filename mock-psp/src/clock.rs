//! The only place of the world that asks for the time. Days and hours are those of Rome.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Rome's time zone, loaded once.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    rome: TimeZone,
}

impl Clock {
    /// Fails only where the built-in time zone database lacks Rome.
    pub(crate) fn new() -> Result<Self, jiff::Error> {
        Ok(Clock {
            rome: TimeZone::get("Europe/Rome")?,
        })
    }

    /// The wall clock in Rome, whole seconds.
    pub(crate) fn now(&self) -> DateTime {
        let now = Zoned::now().with_time_zone(self.rome.clone()).datetime();
        now.with().subsec_nanosecond(0).build().unwrap_or(now)
    }

    /// The instant, for what is stored.
    pub(crate) fn instant(&self) -> Timestamp {
        Timestamp::now()
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
        let clock = Clock::new().unwrap();
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
