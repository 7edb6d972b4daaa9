//! Time and chance: the only room where the system's clock and random bytes may be asked for.
//!
//! A request asks for *now* once and hands it down. Tests hold a clock that stands still until it
//! is moved, and ids that count.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::day::Instant;

/// Where *now* comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock moved by hand, for tests: milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at this instant until it is moved.
    pub fn standing_at(instant: Instant) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(instant.as_millis())))
    }

    /// The present instant, to the millisecond.
    pub fn now(&self) -> Instant {
        match self {
            Clock::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Clock::Manual(millis) => Instant::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward (or, with a negative number, back); the system's clock stays.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Clock::Manual(millis) = self {
            millis.fetch_add(seconds.saturating_mul(1_000), Ordering::SeqCst);
        }
    }
}

/// Measures how long something took; never goes back, whatever the clock does.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    /// Microseconds since the start.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

/// Where ids and secrets come from.
#[derive(Debug, Clone, Default)]
pub struct Ids(Arc<Source>);

#[derive(Debug, Default)]
struct Source {
    /// The millisecond and the place within it of the last id, so that ids never go back.
    last: Mutex<(i64, u16)>,
    /// Counts instead of random bytes, for tests that want the same ids each time.
    counting: Option<AtomicI64>,
}

impl Ids {
    /// Ids from a counter instead of random bytes; for tests.
    pub fn counting() -> Ids {
        Ids(Arc::new(Source {
            counting: Some(AtomicI64::new(1)),
            ..Source::default()
        }))
    }

    /// A new id: a UUID version 7 (RFC 9562), so that ids sort by time and lie side by side in an
    /// index. Within one millisecond they count upwards.
    pub fn next(&self, now: Instant) -> String {
        let (millis, place) = self.0.step(now.as_millis());
        let [place_high, place_low] = place.to_be_bytes();
        let mut bytes = [0_u8; 10];
        let [first, second, chance @ ..] = &mut bytes;
        (*first, *second) = (place_high, place_low);
        self.fill(chance);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &bytes)
            .into_uuid()
            .to_string()
    }

    /// Random bytes for a key or a password.
    pub fn secret<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&self, bytes: &mut [u8]) {
        if let Some(counter) = &self.0.counting {
            let count = counter.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            for (byte, digit) in bytes.iter_mut().rev().zip(count.iter().rev()) {
                *byte = *digit;
            }
            return;
        }
        if openssl::rand::rand_bytes(bytes).is_err() {
            // Without random bytes no key and no id can be trusted: stopping is the safe answer.
            std::process::abort();
        }
    }
}

impl Source {
    /// The millisecond and the place (12 bits) for the next id.
    fn step(&self, now: i64) -> (i64, u16) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match *last {
            (millis, _) if now > millis => (now, 0),
            (millis, 0x0FFF) => (millis + 1, 0),
            (millis, place) => (millis, place + 1),
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_go_back() {
        let now = Instant::parse("2026-11-20T10:00:00.000Z").unwrap();
        for ids in [Ids::default(), Ids::counting()] {
            let made: Vec<String> = (0..10_000).map(|_| ids.next(now)).collect();
            assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn ids_go_on_when_the_clock_steps_back() {
        let ids = Ids::default();
        let late = ids.next(Instant::from_millis(2_000));
        let early = ids.next(Instant::from_millis(1_000));
        assert!(early > late);
    }

    #[test]
    fn a_standing_clock_moves_by_hand() {
        let clock = Clock::standing_at(Instant::from_millis(0));
        clock.advance_seconds(60);
        assert_eq!(clock.now(), Instant::from_millis(60_000));
    }
}
