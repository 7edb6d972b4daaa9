//! pagoPA's REST services: one way to call them, at their pace.
//!
//! Every call goes through [`Service::call`]. How many calls are allowed is taken from the store
//! beforehand, in the caller's own transaction, so that neither a restart nor a second process
//! counts anew; a service that says 429, or does not know our key, is left alone until an instant
//! that is in the store too.

mod rate;

use std::time::Duration;

use reqwest::{Client, Method, Response, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use rate::Rate;

use crate::clock::{Clock, Ids, Stopwatch};
use crate::config::{BARE, is_bare};
use crate::desk::Desk;
use crate::desk::journal::{Journal, Outbound, Reply, Subject};
use crate::domain::day::Instant;
use crate::domain::text::{cut, storable};
use crate::store::rates::{self, Pace};
use crate::store::{Conn, StoreError};

/// The header of pagoPA's subscription keys.
const KEY_HEADER: &str = "ocp-apim-subscription-key";
/// Bytes of an answer that are read; the largest receipt has some tens of KiB.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// A service that does not know our key is left alone for so long, in seconds.
const KEY_PAUSE_S: i64 = 300;
/// No service is left alone for longer than this at its own word, in seconds.
const LONGEST_PAUSE_S: i64 = 86_400;
/// What a service is held for while our key is wrong.
pub const WRONG_KEY: &str = "the subscription key is not accepted";
/// What a service is held for while it wants fewer calls.
const TOO_MANY: &str = "the service wants fewer calls";

/// How a service is reached.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// Its name in the store and the log.
    pub name: &'static str,
    /// Base address.
    pub url: &'a str,
    /// The subscription key; empty for a service that asks for none.
    pub key: SecretString,
    /// Longest call.
    pub timeout: Duration,
    /// How fast it may be called.
    pub rate: Rate,
}

/// A service of pagoPA.
#[derive(Debug, Clone)]
pub struct Service {
    name: &'static str,
    url: Url,
    key: SecretString,
    rate: Rate,
    http: Client,
    clock: Clock,
    journal: Journal,
}

/// A service cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for {service} cannot be made")]
pub struct ServiceError {
    /// Which.
    service: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// How many calls may be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance {
    /// So many, and they are counted already.
    Calls(usize),
    /// None before this instant.
    Later(Instant),
    /// None before this instant, because something is wrong.
    Held {
        /// When it is tried again.
        until: Instant,
        /// Whether our key is the reason.
        is_key: bool,
    },
}

/// A question to a service.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is done, in pagoPA's words.
    pub operation: &'static str,
    /// The method.
    pub method: Method,
    /// The path under the base address, piece by piece, not escaped.
    pub path: Vec<String>,
    /// A body of JSON.
    pub body: Option<Vec<u8>>,
    /// Whose data.
    pub creditor: String,
    /// The notice it is about, when it is one.
    pub notice: Option<String>,
    /// The receipt it is about, when it is one.
    pub reference: Option<String>,
    /// The IUV, when the notice does not give it.
    pub iuv: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An answer, whatever it says.
    Came {
        /// The HTTP status.
        status: u16,
        /// Its body.
        bytes: Vec<u8>,
        /// The seconds or the date of `Retry-After`.
        retry_at: Option<Instant>,
        /// Where a redirect leads; it is never followed.
        location: Option<String>,
    },
    /// None, and why.
    Silence(&'static str),
}

impl Service {
    /// A service as the configuration describes it.
    ///
    /// # Errors
    /// The address is none, or the HTTP client cannot be made.
    pub fn new(desk: &Desk, settings: Settings<'_>, clock: Clock) -> Result<Service, ServiceError> {
        let service = settings.name;
        let url = Url::parse(settings.url).map_err(|error| ServiceError {
            service,
            source: error.into(),
        })?;
        if is_bare(settings.url) {
            tracing::warn!(service, "{BARE}");
        }
        let http = Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| ServiceError {
                service,
                source: error.into(),
            })?;
        Ok(Service {
            name: service,
            url,
            key: settings.key,
            rate: settings.rate,
            http,
            clock,
            journal: desk.journal().clone(),
        })
    }

    /// Calls at once, at most.
    pub fn burst(&self) -> i64 {
        self.rate.burst
    }

    /// Takes calls out of the rate, at most `wanted`, in the caller's transaction: they count from
    /// its commit, whether they are made or not.
    ///
    /// # Errors
    /// The store failed, or another process has taken calls meanwhile.
    pub async fn allow(
        &self,
        conn: &mut Conn,
        wanted: usize,
        now: Instant,
    ) -> Result<Allowance, StoreError> {
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let pace = rates::read(conn, self.name).await?;
        if let Some(held) = pace.as_ref().and_then(|pace| held(pace, now)) {
            return Ok(held);
        }
        let free_at = pace.map(|pace| pace.free_at);
        let share = self.rate.share(free_at, now, wanted);
        if share.calls == 0 {
            let level = self.rate.level(free_at, now);
            return Ok(Allowance::Later(self.rate.ready_at(level, wanted)));
        }
        rates::advance(conn, self.name, free_at, share.free_at).await?;
        Ok(Allowance::Calls(usize::try_from(share.calls).unwrap_or(0)))
    }

    /// When `wanted` calls (at most a burst) will be allowed; an instant of the past when they are
    /// now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn ready_at(
        &self,
        conn: &mut Conn,
        wanted: usize,
        now: Instant,
    ) -> Result<Instant, StoreError> {
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let pace = rates::read(conn, self.name).await?;
        Ok(match pace {
            Some(pace) => match held(&pace, now) {
                Some(Allowance::Held { until, .. }) => until,
                _ => self
                    .rate
                    .ready_at(self.rate.level(Some(pace.free_at), now), wanted),
            },
            None => now,
        })
    }

    /// Until when the service is left alone because it does not know our key, if it is.
    ///
    /// # Errors
    /// The store failed.
    pub async fn wrong_key_until(
        &self,
        conn: &mut Conn,
        now: Instant,
    ) -> Result<Option<Instant>, StoreError> {
        let pace = rates::read(conn, self.name).await?;
        Ok(match pace.and_then(|pace| held(&pace, now)) {
            Some(Allowance::Held {
                until,
                is_key: true,
            }) => Some(until),
            _ => None,
        })
    }

    /// Leaves the service alone when an answer asks for it: too many calls, or a key that is not
    /// accepted. Called in the transaction that writes the answer down.
    ///
    /// # Errors
    /// The store failed.
    pub async fn heed(
        &self,
        conn: &mut Conn,
        answer: &Answer,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Answer::Came {
            status, retry_at, ..
        } = answer
        else {
            return Ok(());
        };
        let (until, why) = match status {
            401 | 403 => (now.plus_seconds(KEY_PAUSE_S), WRONG_KEY),
            429 => {
                let longest = now.plus_seconds(LONGEST_PAUSE_S);
                let asked = retry_at.unwrap_or(now.plus_seconds(self.rate.seconds));
                (asked.clamp(now.plus_seconds(1), longest), TOO_MANY)
            }
            _ => return Ok(()),
        };
        tracing::error!(
            service = self.name,
            http_status = status,
            until = %until,
            why,
            "a service of pagoPA is left alone"
        );
        // A hold that ends later than any could is of a clock that was wrong.
        let absurd = now.plus_seconds(2 * LONGEST_PAUSE_S);
        rates::hold(conn, self.name, until, absurd, why).await
    }

    /// Makes one call and notes it in the journal. Everything that goes out to pagoPA's services
    /// passes here.
    pub async fn call(&self, ask: &Ask) -> Answer {
        let (started_at, stopwatch) = (self.clock.now(), Stopwatch::start());
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&ask.path);
        }
        let address = url.to_string();
        let mut request = self.http.request(ask.method.clone(), url);
        if !self.key.expose_secret().is_empty() {
            request = request.header(KEY_HEADER, self.key.expose_secret());
        }
        if let Some(body) = &ask.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let answer = match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => Answer::Silence(reason(&error)),
        };
        let noted = Outbound {
            party: self.name,
            method: match ask.method {
                Method::POST => "POST",
                _ => "GET",
            },
            url: address,
            started_at,
            stopwatch,
            request: ask.body.clone().unwrap_or_default(),
            reply: Reply {
                http_status: answer.status(),
                outcome: match answer.status() {
                    200..=299 => "OK".to_owned(),
                    _ => answer.outcome(),
                },
                bytes: answer.bytes().to_vec(),
            },
            subject: Subject {
                operation: ask.operation.to_owned(),
                creditor: Some(ask.creditor.clone()),
                notice: ask.notice.clone(),
                reference: ask.reference.clone(),
            },
            iuv: ask.iuv.clone(),
        };
        self.journal.note_out(noted).await;
        tracing::info!(
            service = self.name,
            operation = ask.operation,
            creditor = ask.creditor,
            outcome = answer.outcome(),
            "a service of pagoPA was called"
        );
        answer
    }

    async fn read(&self, mut response: Response) -> Answer {
        let status = response.status().as_u16();
        let retry_at = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| retry_at(text.trim(), self.clock.now()));
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok().map(str::to_owned));
        let mut bytes = vec![];
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_LIMIT => {
                    return Answer::Silence("an answer that is too long");
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Answer::Silence(reason(&error)),
            }
        }
        Answer::Came {
            status,
            bytes,
            retry_at,
            location,
        }
    }
}

impl Answer {
    /// The HTTP status; 0 when there was no answer.
    pub fn status(&self) -> u16 {
        match self {
            Answer::Came { status, .. } => *status,
            Answer::Silence(_) => 0,
        }
    }

    /// The body; nothing when there was no answer.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Answer::Came { bytes, .. } => bytes,
            Answer::Silence(_) => &[],
        }
    }

    /// In a word, for a log or a row: the status with the title of a problem, or why there is no
    /// answer. Never a whole body, which may repeat personal data, and no control characters, which
    /// a database may refuse.
    pub fn outcome(&self) -> String {
        match self {
            Answer::Silence(why) => (*why).to_owned(),
            Answer::Came { status, bytes, .. } => {
                let problem: Value = match status {
                    400.. => serde_json::from_slice(bytes).unwrap_or_default(),
                    _ => Value::Null,
                };
                let title = problem.get("title").and_then(Value::as_str);
                let text = format!("HTTP {status} {}", title.unwrap_or_default());
                cut(storable(&text).trim(), 120).to_owned()
            }
        }
    }
}

/// Whether a service is left alone now.
fn held(pace: &Pace, now: Instant) -> Option<Allowance> {
    // One that ends later than any could is of a clock that was wrong.
    let absurd = now.plus_seconds(2 * LONGEST_PAUSE_S);
    let until = pace
        .held_until
        .filter(|until| *until > now && *until < absurd)?;
    Some(Allowance::Held {
        until,
        is_key: pace.held_for.as_deref() == Some(WRONG_KEY),
    })
}

/// The pause before the next try, in milliseconds: after so many tries the pause for them, the last
/// of which repeats, and up to a quarter more by chance, so that what failed together does not come
/// back together.
pub fn pause_ms(pauses_s: &[i64], tries: i64, ids: &Ids) -> i64 {
    let place = usize::try_from(tries).unwrap_or(usize::MAX);
    let pause = pauses_s.get(place).or(pauses_s.last()).copied();
    let pause = pause.unwrap_or(60).saturating_mul(1_000);
    let [chance] = ids.secret::<1>();
    pause.saturating_add(pause / 4 * i64::from(chance) / 255)
}

/// `Retry-After`: seconds, or a date.
fn retry_at(text: &str, now: Instant) -> Option<Instant> {
    match text.parse::<i64>() {
        Ok(seconds) => Some(now.plus_seconds(seconds.max(0))),
        Err(_) => Instant::parse_http(text).ok(),
    }
}

/// Why there was no answer, without the address.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "no answer"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Instant {
        Instant::from_millis(0)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let day = Instant::parse("2026-11-21T10:00:00.000Z").unwrap();
        for (text, expected) in [
            ("30", Some(day.plus_seconds(30))),
            ("-5", Some(day)),
            ("Sat, 21 Nov 2026 10:05:00 GMT", Some(day.plus_seconds(300))),
            ("soon", None),
        ] {
            assert_eq!(retry_at(text, day), expected, "{text}");
        }
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_stop_the_calls() {
        let rate = Rate {
            calls: 10,
            seconds: 3_600,
            burst: 1,
        };
        let share = rate.share(Some(now().plus_seconds(900_000_000)), now(), 1);
        assert_eq!(share.calls, 0);
        let level = rate.level(Some(now().plus_seconds(900_000_000)), now());
        assert_eq!(rate.ready_at(level, 1), now().plus_seconds(360));
    }

    proptest! {
        /// Whoever asks whenever for however much never gets more than the rate in any window.
        #[test]
        fn no_window_has_more_calls_than_the_rate(
            (calls, burst) in (1_i64..200).prop_flat_map(|calls| (Just(calls), 1..=calls)),
            seconds in 1_i64..4_000,
            asks in proptest::collection::vec((0_i64..20_000, 1_i64..100), 1..200),
        ) {
            let rate = Rate { calls, seconds, burst };
            let mut now = now();
            let mut free_at = None;
            let mut made: Vec<(i64, i64)> = vec![];
            for (pause, wanted) in asks {
                now = now.plus_millis(pause);
                let share = rate.share(free_at, now, wanted);
                if share.calls > 0 {
                    free_at = Some(share.free_at);
                    made.push((now.as_millis(), share.calls));
                } else {
                    // What is said to be ready then is ready then.
                    let then = rate.ready_at(rate.level(free_at, now), wanted);
                    prop_assert!(then > now);
                    prop_assert!(rate.share(free_at, then, wanted).calls >= wanted.min(burst));
                }
            }
            for (start, _) in &made {
                let inside: i64 = made
                    .iter()
                    .filter(|(at, _)| (*start..*start + seconds * 1_000).contains(at))
                    .map(|(_, count)| count)
                    .sum();
                prop_assert!(inside <= calls, "{inside} calls in one window of {calls}");
            }
        }
    }

    #[test]
    fn pauses_grow_and_scatter_by_a_quarter() {
        let ids = Ids::default();
        for (tries, least) in [(0, 1_000), (1, 10_000), (7, 10_000)] {
            let pause = pause_ms(&[1, 10], tries, &ids);
            assert!((least..=least * 5 / 4).contains(&pause), "{pause}");
        }
    }
}
