//! The configuration: compiled-in defaults, then a file, then `PAGOMENSA__SECTION__KEY`.
//!
//! `config/pagomensa.toml` is the default and the manual. Reading is strict about keys and types;
//! [`Config::register`] then checks the meaning and reports every mistake at once.

mod creditors;
mod journal;
mod letterhead;
mod list;
mod mail;
mod network;
mod node;
mod operators;
mod pagopa;
mod pay;
mod portal;
mod services;

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub use creditors::{CreditorConfig, NumberingConfig, ReceiptsConfig, RepeatedConfig};
pub use journal::{Journal, Retention};
use list::list;
pub use mail::{CreditorMail, Mail, Security};
pub use network::{BARE, Network, NetworkError, is_bare};
pub use node::{Node, Proxy, ProxyFormat, Tls};
pub use operators::OperatorConfig;
pub use pagopa::{Aca, Checkout, ReceiptSearch};
pub use pay::Pay;
pub use portal::{Rates, Webhooks};
pub use services::{CatalogueConfig, ServiceConfig};

/// The text of `config/pagomensa.toml`.
pub const DEFAULTS: &str = include_str!("../config/pagomensa.toml");

/// Everything that can be set; the meaning of each key stands in `config/pagomensa.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The REST API and the pages.
    pub web: Web,
    /// The pages for parents.
    pub pay: Pay,
    /// The node's door.
    pub node: Node,
    /// The store.
    pub database: Database,
    /// The desk.
    pub desk: Desk,
    /// The meal ledger.
    pub ledger: Ledger,
    /// pagoPA's archive of notices.
    pub aca: Aca,
    /// pagoPA's payment page.
    pub checkout: Checkout,
    /// The receipt hunter.
    pub receipt_search: ReceiptSearch,
    /// Mails to payers.
    pub mail: Mail,
    /// What portals are told of.
    pub webhooks: Webhooks,
    /// How much portals may ask.
    pub rates: Rates,
    /// The journal of exchanges.
    pub journal: Journal,
    /// The jobs.
    pub jobs: Jobs,
    /// The metrics.
    pub metrics: Metrics,
    /// The log.
    pub log: Log,
    /// The creditors.
    #[serde(default)]
    pub creditors: Vec<CreditorConfig>,
    /// The companies that run canteens for creditors.
    #[serde(default)]
    pub operators: Vec<OperatorConfig>,
}

/// Section `[web]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Address and port.
    pub listen: String,
    /// Base of the links in answers.
    pub public_url: String,
    /// Largest body in KiB.
    pub body_limit_kib: usize,
    /// Largest file of notices in KiB.
    pub batch_limit_kib: usize,
    /// Longest request in seconds.
    pub timeout_s: u64,
    /// Open connections, at most.
    pub connections: usize,
    /// Open connections of one address, at most.
    pub connections_per_address: usize,
    /// Addresses that speak for many.
    #[serde(deserialize_with = "list")]
    pub shared_addresses: Vec<Network>,
}

/// Section `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`; may hold a password, so it is never printed.
    pub url: SecretString,
    /// Reading connections.
    pub readers: u32,
    /// Longest wait for a connection in seconds.
    pub acquire_timeout_s: u64,
}

/// Section `[desk]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    /// Receipts in one transaction, at most.
    pub batch_limit: usize,
    /// Receipts that may wait.
    pub queue_limit: usize,
}

/// Section `[ledger]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Whether credits are delivered.
    pub enabled: bool,
    /// Base address.
    pub url: String,
    /// Bearer token.
    pub token: SecretString,
    /// File with the bearer token.
    pub token_file: PathBuf,
    /// Longest call in seconds.
    pub timeout_s: u64,
    /// Accounts served at the same time.
    pub in_flight: usize,
    /// Seconds between two looks.
    pub every_s: u64,
    /// Pauses before the next try in seconds.
    #[serde(deserialize_with = "list")]
    pub retry_pauses_s: Vec<i64>,
}

/// Section `[jobs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Seconds between two closings of expired notices.
    pub expire_every_s: u64,
    /// Seconds between two looks for files of notices.
    pub batches_every_s: u64,
    /// Seconds between two looks for reminders.
    pub reminders_every_s: u64,
    /// Seconds between two clean-ups.
    pub housekeeping_every_s: u64,
    /// Hours an idempotency key is remembered.
    pub idempotency_hours: i64,
}

/// Section `[metrics]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Whether there is a page with the metrics.
    pub enabled: bool,
    /// Who may read it.
    #[serde(deserialize_with = "list")]
    pub addresses: Vec<Network>,
}

/// Section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Levels by target.
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For a log collector.
    Json,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key, such as `creditors[0].bank_iban`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read, a key is unknown, or a value has the wrong type.
    #[error("the configuration cannot be read{}: {message}", file.as_ref().map(|f| format!(" ({})", f.display())).unwrap_or_default())]
    Unreadable {
        /// The file that was given, if one was.
        file: Option<PathBuf>,
        /// What is wrong.
        message: String,
    },
    /// It can be read but says something impossible.
    #[error("the configuration has {} mistake(s):{}", .0.len(), .0.iter().map(|m| format!("\n  {m}")).collect::<String>())]
    Mistakes(Vec<Mistake>),
}

impl Config {
    /// Reads the defaults, then the file, then the environment.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`]: a file that is missing or not TOML, an unknown key, a value of
    /// the wrong type.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        let environment = config::Environment::with_prefix("PAGOMENSA")
            .prefix_separator("__")
            .separator("__");
        Config::read(file, Some(environment), None)
    }

    /// Reads the defaults with a text over them; the environment is left out.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn with(overrides: &str) -> Result<Config, ConfigError> {
        Config::read(None, None, Some(overrides))
    }

    fn read(
        file: Option<&Path>,
        environment: Option<config::Environment>,
        overrides: Option<&str>,
    ) -> Result<Config, ConfigError> {
        let toml = |text: &str| config::File::from_str(text, config::FileFormat::Toml);
        let mut builder = config::Config::builder().add_source(toml(DEFAULTS));
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        if let Some(overrides) = overrides {
            builder = builder.add_source(toml(overrides));
        }
        if let Some(environment) = environment {
            builder = builder.add_source(environment);
        }
        builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| ConfigError::Unreadable {
                file: file.map(Path::to_owned),
                message: error.to_string(),
            })
    }

    /// The ledger's token, from its file when one is named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ledger_token(&self) -> Result<SecretString, ConfigError> {
        secret(
            "ledger.token_file",
            &self.ledger.token_file,
            &self.ledger.token,
        )
    }

    /// The password of the mail server, from its file when one is named.
    ///
    /// # Errors
    /// The file cannot be read, or there is a user without a password.
    pub fn mail_password(&self) -> Result<SecretString, ConfigError> {
        let mail = &self.mail;
        needed(
            mail.enabled && !mail.user.is_empty(),
            "mail.password_file",
            &mail.password_file,
            &mail.password,
        )
    }

    /// The subscription key of the archive, from its file when one is named.
    ///
    /// # Errors
    /// The file cannot be read, or the archive is told and there is no key.
    pub fn aca_key(&self) -> Result<SecretString, ConfigError> {
        let aca = &self.aca;
        needed(
            aca.enabled,
            "aca.subscription_key_file",
            &aca.subscription_key_file,
            &aca.subscription_key,
        )
    }

    /// The subscription key of BizEvents, from its file when one is named.
    ///
    /// # Errors
    /// The file cannot be read, or receipts are looked for and there is no key.
    pub fn bizevents_key(&self) -> Result<SecretString, ConfigError> {
        let search = &self.receipt_search;
        needed(
            search.enabled,
            "receipt_search.bizevents_key_file",
            &search.bizevents_key_file,
            &search.bizevents_key,
        )
    }

    /// The subscription key of GPD, from its file when one is named.
    ///
    /// # Errors
    /// The file cannot be read, or receipts are looked for and there is no key.
    pub fn gpd_key(&self) -> Result<SecretString, ConfigError> {
        let search = &self.receipt_search;
        needed(
            search.enabled,
            "receipt_search.gpd_key_file",
            &search.gpd_key_file,
            &search.gpd_key,
        )
    }
}

/// The same for a secret without which what is enabled cannot work.
fn needed(
    enabled: bool,
    key: &str,
    file: &Path,
    value: &SecretString,
) -> Result<SecretString, ConfigError> {
    let read = secret(key, file, value)?;
    if enabled && read.expose_secret().is_empty() {
        return Err(ConfigError::Mistakes(vec![Mistake {
            key: key.trim_end_matches("_file").to_owned(),
            message: format!("is not set, and neither is {key}"),
        }]));
    }
    Ok(read)
}

/// A secret, from its file when one is named.
fn secret(key: &str, file: &Path, value: &SecretString) -> Result<SecretString, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(value.clone());
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(SecretString::from(text.trim().to_owned())),
        Err(error) => Err(ConfigError::Mistakes(vec![Mistake {
            key: key.to_owned(),
            message: format!("{}: {error}", file.display()),
        }])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_defaults_are_complete_and_right() {
        let config = Config::with("").unwrap();
        assert!(config.register().unwrap().iter().next().is_none());
        assert_eq!(config.log.format, LogFormat::Text);
    }

    #[test]
    fn the_production_example_is_right() {
        let config = Config::with(include_str!("../config/production.example.toml")).unwrap();
        assert_eq!(config.register().unwrap().iter().count(), 1);
    }

    #[test]
    fn an_unknown_key_or_a_wrong_value_is_refused() {
        for text in [
            "[web]\nlisten_on = \"x\"",
            "[nonsense]\na = 1",
            // The rules of `[creditors.receipts]` stand elsewhere than the search for lost ones.
            "[receipts]\nenabled = true",
            "[web]\ntimeout_s = \"soon\"",
            "[web]\nshared_addresses = [\"10.0.0.0/33\"]",
        ] {
            assert!(Config::with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_keeps_leading_zeros_and_overrides_the_file() {
        let source = config::Environment::with_prefix("PAGOMENSA")
            .prefix_separator("__")
            .separator("__")
            .source(Some(
                [
                    ("PAGOMENSA__LEDGER__TOKEN", "00743110157"),
                    ("PAGOMENSA__WEB__TIMEOUT_S", "7"),
                    ("PAGOMENSA__LEDGER__RETRY_PAUSES_S", "1, 2,3"),
                    ("PAGOMENSA__NODE__TLS__ALLOWED_SUBJECTS", "one,two"),
                    ("PAGOMENSA__NODE__TLS__ENABLED", "false"),
                    ("PAGOMENSA__WEB__SHARED_ADDRESSES", "10.1.2.3, 10.2.0.0/16"),
                ]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ));
        let config = Config::read(None, Some(source), Some("[web]\ntimeout_s = 3")).unwrap();
        assert_eq!(config.ledger.token.expose_secret(), "00743110157");
        assert_eq!(config.web.timeout_s, 7);
        assert_eq!(config.ledger.retry_pauses_s, [1, 2, 3]);
        assert_eq!(config.node.tls.allowed_subjects, ["one", "two"]);
        assert!(!config.node.tls.enabled);
        let shared = ["10.1.2.3", "10.2.0.0/16"].map(|text| text.parse().unwrap());
        assert_eq!(config.web.shared_addresses, shared);
    }

    #[test]
    fn the_journal_is_kept_for_the_time_of_the_law() {
        for key in ["reads", "receipts", "outbound", "refused"] {
            let with = |months| {
                let text = format!("[journal.retention]\n{key}_months = {months}");
                Config::with(&text).unwrap().register()
            };
            assert!(with(24).is_ok());
            for months in [23, 0, -1] {
                let Err(ConfigError::Mistakes(mistakes)) = with(months) else {
                    panic!("{key}_months = {months} is taken");
                };
                let expected = format!("journal.retention.{key}_months");
                assert_eq!(mistakes.len(), 1);
                assert_eq!(mistakes.first().map(|m| &m.key), Some(&expected));
            }
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config::with(
            "[ledger]\ntoken = \"geheim\"\n[database]\nurl = \"postgres://u:geheim@h/d\"",
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
