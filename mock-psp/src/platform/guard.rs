//! What every call passes first: the subscription key, then the rate of its service.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

use super::rate::Service;
use super::refusal::Refusal;
use crate::town::{Shared, Town};

const KEY_HEADER: &str = "ocp-apim-subscription-key";

/// The key a call brought, in its header or in its query.
#[derive(Debug)]
pub(super) struct Caller {
    key: Option<String>,
}

#[derive(Deserialize)]
struct KeyInQuery {
    #[serde(rename = "subscription-key")]
    key: Option<String>,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get(KEY_HEADER);
        let in_header = header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let in_query = || {
            let query = Query::<KeyInQuery>::try_from_uri(&parts.uri);
            query.ok().and_then(|Query(query)| query.key)
        };
        Ok(Caller {
            key: in_header.or_else(in_query),
        })
    }
}

impl Caller {
    /// Lets the call through to the service, or says why not.
    pub(super) fn admit(&self, town: &Town, service: Service) -> Result<(), Refusal> {
        let given = self.key.as_deref().unwrap_or_default().as_bytes();
        let expected = town.config.subscription_key.as_bytes();
        let is_right = given.len() == expected.len()
            && !expected.is_empty()
            && openssl::memcmp::eq(given, expected);
        if !is_right {
            return Err(Refusal::no_subscription(self.key.is_none()));
        }
        town.meter
            .admit(service, town.clock.instant())
            .map_err(Refusal::too_often)
    }
}
