//! How often each service may be called: a sliding window per service, as the API manager counts.
//!
//! The rates are kept in `world.db`. The calls themselves are not: a restart opens every window.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::{FieldError, Problem};
use crate::town::Shared;
use crate::web::extract::JsonBody;

/// Name of the setting that holds the rates.
pub(crate) const SETTING: &str = "rates";
/// Most calls a window may allow, and its longest length in seconds (a day).
const CALLS_MAX: u32 = 1_000_000;
const SECONDS_MAX: u32 = 86_400;

/// A service with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Aca,
    BizEvents,
    Gpd,
    Checkout,
}

/// So many calls within so many seconds. No call at all closes the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    pub(crate) calls: u32,
    pub(crate) per_s: u32,
}

/// The rates in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rates {
    pub(crate) aca: Rate,
    pub(crate) bizevents: Rate,
    pub(crate) gpd: Rate,
    pub(crate) checkout: Rate,
}

impl Default for Rates {
    /// ACA and Checkout: the platform's policy. BizEvents: the stricter of the two published figures. GPD has
    /// none that is published and gets that of ACA.
    fn default() -> Self {
        let often = Rate {
            calls: 150,
            per_s: 10,
        };
        Rates {
            aca: often,
            bizevents: Rate {
                calls: 10,
                per_s: 3_600,
            },
            gpd: often,
            checkout: often,
        }
    }
}

impl Rates {
    fn of(&self, service: Service) -> Rate {
        match service {
            Service::Aca => self.aca,
            Service::BizEvents => self.bizevents,
            Service::Gpd => self.gpd,
            Service::Checkout => self.checkout,
        }
    }

    fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (name, rate) in [
            ("aca", self.aca),
            ("bizevents", self.bizevents),
            ("gpd", self.gpd),
            ("checkout", self.checkout),
        ] {
            let mut check = |is_right: bool, field: &str, message: String| {
                if !is_right {
                    let field = format!("{name}.{field}");
                    errors.push(FieldError::new(&field, "out_of_range", message));
                }
            };
            let message = format!("must be at most {CALLS_MAX}");
            check(rate.calls <= CALLS_MAX, "calls", message);
            let message = format!("must be 1 to {SECONDS_MAX}");
            check((1..=SECONDS_MAX).contains(&rate.per_s), "per_s", message);
        }
        errors
    }
}

/// The windows of the services.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rates: Rates,
    aca: VecDeque<Timestamp>,
    bizevents: VecDeque<Timestamp>,
    gpd: VecDeque<Timestamp>,
    checkout: VecDeque<Timestamp>,
}

impl Meter {
    pub(crate) fn new(rates: Rates) -> Self {
        Meter {
            inner: Mutex::new(Inner {
                rates,
                ..Inner::default()
            }),
        }
    }

    /// Counts a call, or says after how many seconds it may come again.
    pub(crate) fn admit(&self, service: Service, now: Timestamp) -> Result<(), i64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = inner.rates.of(service);
        let window = match service {
            Service::Aca => &mut inner.aca,
            Service::BizEvents => &mut inner.bizevents,
            Service::Gpd => &mut inner.gpd,
            Service::Checkout => &mut inner.checkout,
        };
        let length = i64::from(rate.per_s);
        let age = |call: &Timestamp| now.duration_since(*call).as_secs();
        while window.front().is_some_and(|call| age(call) >= length) {
            window.pop_front();
        }
        if window.len() < usize::try_from(rate.calls).unwrap_or(usize::MAX) {
            window.push_back(now);
            return Ok(());
        }
        let wait = window.front().map_or(length, |first| length - age(first));
        Err(wait.max(1))
    }

    fn set(&self, rates: Rates) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner {
            rates,
            ..Inner::default()
        };
    }

    fn rates(&self) -> Rates {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.rates
    }
}

/// `GET /rates`
pub(super) async fn show(State(town): State<Shared>) -> Json<Rates> {
    Json(town.meter.rates())
}

/// `POST /rates`: what is missing gets its default; every window starts anew.
pub(super) async fn set(
    State(town): State<Shared>,
    JsonBody(rates): JsonBody<Rates>,
) -> Result<Response, Problem> {
    let errors = rates.errors();
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    town.database.keep_setting(SETTING, &rates).await?;
    town.meter.set(rates);
    Ok(Json(rates).into_response())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_window_slides_and_says_when_the_next_call_may_come() {
        let meter = Meter::new(Rates {
            aca: Rate {
                calls: 2,
                per_s: 10,
            },
            ..Rates::default()
        });
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(meter.admit(Service::Aca, at(100)), Ok(()));
        assert_eq!(meter.admit(Service::Aca, at(104)), Ok(()));
        assert_eq!(meter.admit(Service::Aca, at(105)), Err(5));
        assert_eq!(meter.admit(Service::Gpd, at(105)), Ok(()), "its own window");
        assert_eq!(meter.admit(Service::Aca, at(110)), Ok(()));
        assert_eq!(meter.admit(Service::Aca, at(110)), Err(4));
    }
}
