//! The sections of pagoPA's services that we call: `[aca]`, `[checkout]` and `[receipt_search]`.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::list;

/// Section `[aca]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aca {
    /// Whether the archive is told.
    pub enabled: bool,
    /// Base address.
    pub url: String,
    /// Subscription key.
    pub subscription_key: SecretString,
    /// File with the subscription key.
    pub subscription_key_file: PathBuf,
    /// Longest call in seconds.
    pub timeout_s: u64,
    /// Calls in one window.
    pub rate_calls: i64,
    /// The window in seconds.
    pub rate_seconds: i64,
    /// Seconds between two looks.
    pub every_s: u64,
    /// Pauses before the next try in seconds.
    #[serde(deserialize_with = "list")]
    pub retry_pauses_s: Vec<i64>,
}

/// Section `[checkout]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// Whether payers are sent to Checkout.
    pub enabled: bool,
    /// Base address, without the version.
    pub url: String,
    /// Version of the API: 2, or 1.
    pub version: u8,
    /// Hosts beside that of `url` to which Checkout may send a browser.
    #[serde(deserialize_with = "list")]
    pub redirect_hosts: Vec<String>,
    /// Longest call in seconds.
    pub timeout_s: u64,
    /// Calls in one window.
    pub rate_calls: i64,
    /// The window in seconds.
    pub rate_seconds: i64,
}

/// Section `[receipt_search]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSearch {
    /// Whether receipts are looked for.
    pub enabled: bool,
    /// Base address of BizEvents.
    pub bizevents_url: String,
    /// Subscription key of BizEvents.
    pub bizevents_key: SecretString,
    /// File with the subscription key of BizEvents.
    pub bizevents_key_file: PathBuf,
    /// Base address of the receipts of GPD.
    pub gpd_url: String,
    /// Subscription key of GPD.
    pub gpd_key: SecretString,
    /// File with the subscription key of GPD.
    pub gpd_key_file: PathBuf,
    /// Longest call in seconds.
    pub timeout_s: u64,
    /// Calls in one window, for each of the two services.
    pub rate_calls: i64,
    /// The window in seconds.
    pub rate_seconds: i64,
    /// Seconds between two looks at what is due.
    pub every_s: u64,
    /// Seconds from the end of a payment token to the first look.
    pub grace_s: i64,
    /// Pauses between two looks for the same receipt in seconds.
    #[serde(deserialize_with = "list")]
    pub pauses_s: Vec<i64>,
    /// Pauses after a call that failed in seconds.
    #[serde(deserialize_with = "list")]
    pub retry_pauses_s: Vec<i64>,
    /// Days for which a payment of a reporting flow is looked for.
    pub days: i64,
    /// Days for which an activation is looked for.
    pub activation_days: i64,
}
