//! Days of the Italian calendar and instants in UTC.
//!
//! A deadline is a *day* in Europe/Rome; what happened is an *instant* in UTC. Both have one text
//! form of fixed width, so that the order of the texts is the order of time, in a column too.

use std::fmt;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// A calendar day, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(civil::Date);

/// A moment, to the millisecond, written `2026-11-20T10:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Timestamp);

/// The text is not a day or an instant of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected}")]
pub struct TimeError {
    /// The form that was expected.
    pub expected: &'static str,
}

/// 0001-01-01T00:00:00.000Z.
const FIRST_MILLIS: i64 = -62_135_596_800_000;
/// 9999-12-30T21:59:59.999Z: a day before the end of the calendar, so that it is a day in Rome too.
const LAST_MILLIS: i64 = 253_402_207_199_999;

const DAY: TimeError = TimeError {
    expected: "day of the form YYYY-MM-DD",
};
const INSTANT: TimeError = TimeError {
    expected: "instant of the form YYYY-MM-DDThh:mm:ss",
};

impl Day {
    /// The last day of all, for a debt that stays payable for ever.
    pub const NEVER: Day = Day(civil::Date::constant(9999, 12, 31));

    /// Reads exactly `YYYY-MM-DD`.
    ///
    /// # Errors
    /// Another form, or a day that does not exist.
    ///
    /// ```
    /// use pagomensa::domain::day::Day;
    /// assert!(Day::parse("2026-12-31").is_ok());
    /// assert!(Day::parse("2026-02-29").is_err());
    /// assert!(Day::parse("31/12/2026").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Day, TimeError> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(DAY);
        }
        text.parse().map(Day).map_err(|_| DAY)
    }

    /// Reads `xsd:date`, which may carry an offset (`2025-05-13+02:00`, `2025-05-13Z`); the offset
    /// is dropped, since the day is what the sender meant.
    ///
    /// # Errors
    /// Not an `xsd:date` of four-digit years.
    pub fn parse_xsd(text: &str) -> Result<Day, TimeError> {
        let (day, offset) = text.split_at_checked(10).ok_or(DAY)?;
        if is_offset(offset) {
            Day::parse(day)
        } else {
            Err(DAY)
        }
    }

    /// The day so many days later (or earlier), within the calendar.
    pub fn plus_days(self, days: i32) -> Day {
        self.0
            .checked_add(jiff::Span::new().days(days))
            .map_or(Day::NEVER, Day)
    }

    /// The instant at which the day begins in Italy.
    pub fn start_in_rome(self) -> Instant {
        // Midnight exists on every day in Rome: the clocks change at two and at three.
        let start = self.0.to_zoned(rome()).map(|start| start.timestamp());
        Instant::from_millis(start.map_or(LAST_MILLIS, Timestamp::as_millisecond))
    }
}

impl Day {
    /// When this day begins in Italy.
    pub fn begins(self) -> Instant {
        self.0
            .to_zoned(rome())
            .map_or(Instant::from_millis(LAST_MILLIS), |midnight| {
                Instant::from_millis(midnight.timestamp().as_millisecond())
            })
    }

    /// The last second of this day in Italy.
    ///
    /// ```
    /// use pagomensa::domain::day::Day;
    /// let day = Day::parse("2026-12-31").unwrap();
    /// assert_eq!(day.ends().to_string(), "2026-12-31T22:59:59.000Z");
    /// ```
    pub fn ends(self) -> Instant {
        self.plus_days(1).begins().plus_seconds(-1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z, cut to the years 1 to 9999: every instant has one
    /// text of 24 characters.
    pub fn from_millis(millis: i64) -> Instant {
        let millis = millis.clamp(FIRST_MILLIS, LAST_MILLIS);
        Instant(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Reads the fixed form written by `Display`.
    ///
    /// # Errors
    /// Any other form.
    pub fn parse(text: &str) -> Result<Instant, TimeError> {
        if text.len() != 24 || !text.ends_with('Z') {
            return Err(INSTANT);
        }
        text.parse().map(Instant).map_err(|_| INSTANT)
    }

    /// Reads an instant of RFC 3339, which always has an offset.
    ///
    /// # Errors
    /// Not such an instant.
    pub fn parse_rfc3339(text: &str) -> Result<Instant, TimeError> {
        let clock = text.get(11..).unwrap_or_default();
        if clock.contains(['Z', '+', '-']) {
            Instant::parse_xsd_in_rome(text)
        } else {
            Err(INSTANT)
        }
    }

    /// Reads `xsd:dateTime`. Without an offset it is Italian time, as pagoPA writes
    /// `paymentDateTime`; the repeated hour of October is read as its first pass.
    ///
    /// # Errors
    /// Not an `xsd:dateTime`.
    pub fn parse_xsd_in_rome(text: &str) -> Result<Instant, TimeError> {
        if !text.is_ascii() || text.as_bytes().get(10) != Some(&b'T') {
            return Err(INSTANT);
        }
        let clock = text.get(11..).unwrap_or_default();
        let local = !clock.contains(['Z', '+', '-']);
        let instant = if local {
            let moment: civil::DateTime = text.parse().map_err(|_| INSTANT)?;
            rome()
                .to_ambiguous_zoned(moment)
                .compatible()
                .map_err(|_| INSTANT)?
                .timestamp()
        } else {
            text.parse().map_err(|_| INSTANT)?
        };
        let millis = instant.as_millisecond();
        if (FIRST_MILLIS..=LAST_MILLIS).contains(&millis) {
            Ok(Instant::from_millis(millis))
        } else {
            Err(INSTANT)
        }
    }

    /// Reads the date of an HTTP header (`Sat, 21 Nov 2026 10:00:00 GMT`).
    ///
    /// # Errors
    /// Any other form.
    pub fn parse_http(text: &str) -> Result<Instant, TimeError> {
        jiff::fmt::rfc2822::parse(text)
            .map(|moment| Instant::from_millis(moment.timestamp().as_millisecond()))
            .map_err(|_| INSTANT)
    }

    /// The instant so many milliseconds later.
    pub fn plus_millis(self, millis: i64) -> Instant {
        Instant::from_millis(self.as_millis().saturating_add(millis))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The day it is in Italy.
    pub fn day_in_rome(self) -> Day {
        Day(self.0.to_zoned(rome()).date())
    }

    /// The wall clock in Italy, for people: `20/11/2026 12:00:00`.
    ///
    /// ```
    /// use pagomensa::domain::day::Instant;
    /// let noon = Instant::parse("2026-11-20T11:00:00.000Z").unwrap();
    /// assert_eq!(noon.clock_in_rome(), "20/11/2026 12:00:00");
    /// ```
    pub fn clock_in_rome(self) -> String {
        let local = self.0.to_zoned(rome());
        local.strftime("%d/%m/%Y %H:%M:%S").to_string()
    }

    /// The same time of day in Italy so many months later (or earlier); the last day of a month
    /// that is too short.
    pub fn plus_months(self, months: i32) -> Instant {
        let later = self
            .0
            .to_zoned(rome())
            .checked_add(jiff::Span::new().months(months.clamp(-100_000, 100_000)));
        let millis = match later {
            Ok(later) => later.timestamp().as_millisecond(),
            Err(_) if months < 0 => FIRST_MILLIS,
            Err(_) => LAST_MILLIS,
        };
        Instant::from_millis(millis)
    }

    /// The instant so many seconds later.
    pub fn plus_seconds(self, seconds: i64) -> Instant {
        Instant::from_millis(
            self.as_millis()
                .saturating_add(seconds.saturating_mul(1_000)),
        )
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Europe/Rome; the time-zone table is compiled in, so it is always found.
fn rome() -> TimeZone {
    TimeZone::get("Europe/Rome").unwrap_or(TimeZone::UTC)
}

/// Nothing, `Z`, or `±hh:mm`.
fn is_offset(text: &str) -> bool {
    match text.as_bytes() {
        [] | b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_strictly() {
        for good in ["2026-01-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(Day::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "2026-1-1",
            "2026-02-29",
            "20260101",
            "2026-01-01 ",
            "",
            "2026/01/01",
            "+026-01-01",
        ] {
            assert!(Day::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_xsd_date_may_carry_an_offset() {
        for text in [
            "2025-05-13",
            "2025-05-13Z",
            "2025-05-13+02:00",
            "2025-05-13-11:00",
        ] {
            assert_eq!(
                Day::parse_xsd(text).unwrap().to_string(),
                "2025-05-13",
                "{text}"
            );
        }
        for bad in [
            "2025-05-13T00:00:00",
            "2025-05-13+2",
            "2025-05-1",
            "",
            "è025-05-13",
        ] {
            assert!(Day::parse_xsd(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn italian_time_becomes_utc() {
        let table = [
            ("2026-01-15T12:00:00", "2026-01-15T11:00:00.000Z"),
            ("2026-07-15T12:00:00.5", "2026-07-15T10:00:00.500Z"),
            ("2026-07-15T12:00:00Z", "2026-07-15T12:00:00.000Z"),
            ("2026-07-15T12:00:00+05:00", "2026-07-15T07:00:00.000Z"),
            ("2027-03-28T02:30:00", "2027-03-28T01:30:00.000Z"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"),
        ];
        for (text, expected) in table {
            let read = Instant::parse_xsd_in_rome(text).unwrap();
            assert_eq!(read.to_string(), expected, "{text}");
        }
        for bad in [
            "2026-01-15",
            "2026-01-15T",
            "2026-01-15 12:00:00",
            "yesterday",
            "",
        ] {
            assert!(Instant::parse_xsd_in_rome(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn midnight_belongs_to_rome() {
        let late = Instant::parse("2026-07-14T22:30:00.000Z").unwrap();
        assert_eq!(late.day_in_rome().to_string(), "2026-07-15");
    }

    #[test]
    fn a_day_begins_at_midnight_in_rome() {
        for (day, start) in [
            ("2026-01-15", "2026-01-14T23:00:00.000Z"),
            ("2026-07-15", "2026-07-14T22:00:00.000Z"),
            ("2027-03-28", "2027-03-27T23:00:00.000Z"),
            ("2027-03-29", "2027-03-28T22:00:00.000Z"),
        ] {
            let day = Day::parse(day).unwrap();
            assert_eq!(day.start_in_rome().to_string(), start);
            assert_eq!(day.start_in_rome().day_in_rome(), day);
        }
        assert_eq!(Day::NEVER.start_in_rome().to_string().len(), 24);
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |text| Instant::parse(text).unwrap();
        for (months, from, to) in [
            (24, "2026-11-20T11:00:00.000Z", "2028-11-20T11:00:00.000Z"),
            (1, "2026-01-31T11:00:00.000Z", "2026-02-28T11:00:00.000Z"),
            (-6, "2026-11-20T11:00:00.000Z", "2026-05-20T10:00:00.000Z"),
        ] {
            assert_eq!(at(from).plus_months(months), at(to));
        }
        for months in [i32::MIN, i32::MAX] {
            let far = at("2026-11-20T11:00:00.000Z").plus_months(months);
            assert_eq!(far.to_string().len(), 24);
        }
    }

    #[test]
    fn years_outside_the_calendar_are_no_instants() {
        for bad in [
            "0000-01-01T00:00:00",
            "0001-01-01T00:00:00",
            "-0001-01-01T00:00:00",
            "9999-12-31T23:59:59",
        ] {
            assert!(Instant::parse_xsd_in_rome(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_instant_has_one_text_and_is_read_back(millis: i64) {
            let instant = Instant::from_millis(millis);
            let text = instant.to_string();
            proptest::prop_assert_eq!(text.len(), 24);
            proptest::prop_assert_eq!(Instant::parse(&text), Ok(instant));
            proptest::prop_assert_eq!(instant.plus_seconds(millis).to_string().len(), 24);
            proptest::prop_assert_eq!(instant.day_in_rome().to_string().len(), 10);
        }
    }

    #[test]
    fn an_instant_has_one_width() {
        assert_eq!(
            Instant::from_millis(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert!(Instant::parse("2026-01-01T00:00:00Z").is_err());
    }
}
