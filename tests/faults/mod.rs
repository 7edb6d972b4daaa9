//! Faults to survive: the real program under load, killed, starved and lied to, and a checker that
//! says afterwards whether the money is right.
//!
//! Each test is short by default. What takes minutes, root or special tools is the same code with
//! larger numbers, or a test that is ignored, run by a script of `tests/scripts/`.

mod canary;
mod certs;
mod checker;
mod clock;
mod cluster;
mod crowd;
mod disk;
mod hostile;
mod kill;
mod load;
mod mismatch;
mod outage;
#[cfg(feature = "failpoints")]
mod points;
mod proxy;
mod stage;
mod stop;
mod storm;
mod tired_ledger;

pub use stage::ports;

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A number from the environment, for the long form of a test.
fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a whole number, not {text}")),
        Err(_) => default,
    }
}

/// Says what was measured, past the capture of the test runner.
fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "measured: {line}");
}

/// What a limit allows. A machine that does much else at the same time is given twice as long, and
/// five seconds more at the least, unless `PAGOMENSA_STRICT` is set, as in the long forms. More would
/// be longer than the client of the tests itself waits, and so would forbid nothing.
fn allowed(limit: Duration) -> Duration {
    if std::env::var_os("PAGOMENSA_STRICT").is_some() {
        return limit;
    }
    limit + limit.max(Duration::from_secs(5))
}

/// Fails when something took longer than it may.
fn limit(what: &str, took: Duration, limit: Duration) {
    assert!(
        took <= allowed(limit),
        "{what} took {took:?}, and may take {limit:?}"
    );
}

/// Waits until this holds, and fails when it does not come to that.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "in two minutes it did not come to this: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Numbers by chance (splitmix64) from a seed that is printed: `PAGOMENSA_SEED` gives the same again.
struct Chance(Mutex<u64>);

impl Chance {
    fn new() -> Chance {
        let seed = std::env::var("PAGOMENSA_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
                u64::from(since.subsec_nanos())
            });
        eprintln!("PAGOMENSA_SEED={seed}");
        Chance(Mutex::new(seed))
    }

    /// A number below this one.
    fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
