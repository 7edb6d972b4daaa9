//! How much one key may ask, and how often one address may be wrong.
//!
//! Counted in this process alone and forgotten with it: it protects the others who ask, and is no
//! account of anything. The node's door never passes here.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::clock::Clock;
use crate::config::{Network, Rates};
use crate::domain::day::Instant;
use crate::wire::digest::sha256;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
/// Callers that are remembered before those who have their whole measure again are forgotten.
const REMEMBERED: usize = 10_000;

/// The limits of the REST API.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    clock: Clock,
    shared: Arc<Vec<Network>>,
    keys: Option<Bucket>,
    failures: Option<Bucket>,
}

/// So many at once, and then one each so many microseconds: for each caller the instant up to which
/// he has used his measure (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Clone)]
struct Bucket {
    burst: i64,
    interval_us: i64,
    used: Arc<Mutex<HashMap<String, i64>>>,
}

/// What is left of somebody's measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    remaining: i64,
    /// Seconds until all of it is there again.
    reset_s: i64,
    /// Seconds until there is some again; 0 when there is now.
    retry_s: i64,
}

impl Bucket {
    fn new(per_minute: u32, burst: u32) -> Option<Bucket> {
        (per_minute > 0).then(|| Bucket {
            burst: i64::from(burst.max(1)),
            interval_us: 60_000_000 / i64::from(per_minute),
            used: Arc::default(),
        })
    }

    fn limit(&self) -> i64 {
        self.burst
    }

    /// Looks at what is left, and takes one of it when `takes` and there is one.
    fn look(&self, who: &str, now: Instant, takes: bool) -> Left {
        let now = now.as_millis().saturating_mul(1_000);
        let whole = self.burst.saturating_mul(self.interval_us);
        // Nobody panics while holding it.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was wrong must not stop anybody for longer than a whole measure.
        let level = used.get(who).copied().unwrap_or(now);
        let level = level.clamp(now, now.saturating_add(whole));
        let next = level.saturating_add(self.interval_us);
        let is_free = next - now <= whole;
        let after = if is_free && takes { next } else { level };
        if after > now {
            if used.len() >= REMEMBERED && !used.contains_key(who) {
                used.retain(|_, level| *level > now);
            }
            used.insert(who.to_owned(), after);
        }
        let seconds = |micros: i64| micros.max(0).div_euclid(1_000_000) + 1;
        Left {
            remaining: (whole - (after - now)) / self.interval_us.max(1),
            reset_s: seconds(after - now),
            retry_s: match is_free {
                true => 0,
                false => seconds(next - now - whole),
            },
        }
    }
}

impl Limits {
    pub(super) fn new(clock: Clock, rates: &Rates, shared: Vec<Network>) -> Limits {
        Limits {
            clock,
            shared: Arc::new(shared),
            keys: Bucket::new(rates.requests_per_minute, rates.burst),
            failures: Bucket::new(rates.failures_per_minute, rates.failures_per_minute),
        }
    }

    /// The address of a caller, when it speaks for him alone.
    fn address(&self, request: &Request) -> Option<String> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        let address = peer.ip().to_canonical();
        let is_shared = self.shared.iter().any(|network| network.contains(address));
        (!is_shared).then(|| match address {
            IpAddr::V4(address) => address.to_string(),
            // One customer has a whole network of these.
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
        })
    }
}

/// Lets a request pass, or answers 429. A key counts once it is known to be one: nobody can use up
/// somebody else's measure.
pub(super) async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let now = limits.clock.now();
    let address = limits.address(&request);
    let failures = limits.failures.as_ref().zip(address.as_deref());
    if let Some((bucket, address)) = failures {
        let left = bucket.look(address, now, false);
        if left.retry_s > 0 {
            return refusal(left, None);
        }
    }
    let key = request.headers().get(header::AUTHORIZATION);
    let key = key.map(|key| sha256(key.as_bytes()));
    let keys = limits.keys.as_ref().zip(key.as_deref());
    if let Some((bucket, key)) = keys {
        let left = bucket.look(key, now, false);
        if left.retry_s > 0 {
            return refusal(left, Some(bucket.limit()));
        }
    }
    let mut response = next.run(request).await;
    let is_stranger = response.status() == StatusCode::UNAUTHORIZED;
    if is_stranger {
        if let Some((bucket, address)) = failures {
            bucket.look(address, now, true);
        }
    } else if let Some((bucket, key)) = keys {
        let left = bucket.look(key, now, true);
        tell(&mut response, left, bucket.limit());
    }
    response
}

fn refusal(left: Left, limit: Option<i64>) -> Response {
    let mut response = Problem::too_many_requests().into_response();
    let retry = HeaderValue::from(left.retry_s);
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    if let Some(limit) = limit {
        tell(&mut response, left, limit);
    }
    response
}

/// Says what is left, in the headers of draft-ietf-httpapi-ratelimit-headers-07.
fn tell(response: &mut Response, left: Left, limit: i64) {
    let headers = response.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(left.remaining));
    headers.insert(RESET, HeaderValue::from(left.reset_s));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whoever asks whenever never gets more than a burst and what flows in meanwhile.
        #[test]
        fn nobody_gets_more_than_his_measure(
            per_minute in 1_u32..600,
            burst in 1_u32..50,
            pauses in proptest::collection::vec(0_i64..2_000, 1..300),
        ) {
            let bucket = Bucket::new(per_minute, burst).unwrap();
            let mut now = 0;
            let mut taken: Vec<i64> = vec![];
            for pause in pauses {
                now += pause;
                let left = bucket.look("a", Instant::from_millis(now), true);
                if left.retry_s == 0 {
                    taken.push(now);
                } else {
                    let then = Instant::from_millis(now + left.retry_s * 1_000);
                    prop_assert_eq!(bucket.look("a", then, false).retry_s, 0);
                }
            }
            for (index, start) in taken.iter().enumerate() {
                for (count, end) in taken[index..].iter().enumerate() {
                    let flown = (end - start) * i64::from(per_minute) / 60_000 + 1;
                    let most = i64::from(burst) + flown;
                    prop_assert!(i64::try_from(count).unwrap() < most + 1);
                }
            }
        }
    }
}
