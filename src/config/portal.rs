//! The sections about the portals: `[webhooks]` and `[rates]`.

use serde::Deserialize;

use super::list;

/// Section `[webhooks]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether portals are called.
    pub enabled: bool,
    /// Whether an endpoint may lead into a private network.
    pub private_addresses: bool,
    /// Longest call in seconds.
    pub timeout_s: u64,
    /// Endpoints that are called at the same time.
    pub in_flight: usize,
    /// Seconds between two looks.
    pub every_s: u64,
    /// Milliseconds for which events are gathered.
    pub gather_ms: u64,
    /// Pauses before the next try in seconds.
    #[serde(deserialize_with = "list")]
    pub retry_pauses_s: Vec<i64>,
    /// Hours after which a delivery is given up.
    pub give_up_h: i64,
    /// Hours of failure after which an endpoint is not called any more.
    pub disable_after_h: i64,
    /// Days for which deliveries that have ended are kept.
    pub keep_days: i64,
}

/// Section `[rates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Requests of one key in a minute; 0 for no limit.
    pub requests_per_minute: u32,
    /// Requests of one key at once, at most.
    pub burst: u32,
    /// Wrong keys of one address in a minute; 0 for no limit.
    pub failures_per_minute: u32,
}
