//! The sections `[[creditors]]`, and the register of creditors that they make.

use serde::Deserialize;

use super::letterhead::{LetterheadConfig, letterhead};
use super::operators::operator;
use super::services::{ServiceConfig, services};
use super::{Config, ConfigError, CreditorMail, Mistake, Retention, is_bare};
use crate::domain::creditor::{Accounts, Creditor, ReceiptPolicy, Register, Repeated};
use crate::domain::iban::Iban;
use crate::domain::link::Prefix;
use crate::domain::notice::{Numbering, TwoDigits};
use crate::domain::party::CreditorCode;
use crate::domain::payment::CaseCode;

/// One `[[creditors]]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditorConfig {
    /// Eleven digits.
    pub fiscal_code: String,
    /// 1–140 characters.
    pub name: String,
    /// 1–140 characters.
    pub office: Option<String>,
    /// 1–35 characters.
    pub broker: String,
    /// 1–35 characters each.
    pub stations: Vec<String>,
    /// Brokers of before a move, 1–35 characters each.
    #[serde(default)]
    pub former_brokers: Vec<String>,
    /// Stations of before a move, 1–35 characters each.
    #[serde(default)]
    pub former_stations: Vec<String>,
    /// Account at a bank.
    pub bank_iban: Option<String>,
    /// Account at Poste Italiane.
    pub postal_iban: Option<String>,
    /// Further accounts that are registered with pagoPA.
    #[serde(default)]
    pub other_ibans: Vec<String>,
    /// In whose name its mails are sent, and when.
    #[serde(default)]
    pub mail: CreditorMail,
    /// What its printed notices show.
    #[serde(default)]
    pub letterhead: LetterheadConfig,
    /// What is done with receipts that are not as they should be.
    #[serde(default)]
    pub receipts: ReceiptsConfig,
    /// Whether its notices may be paid in stand-in, from pagoPA's archive.
    #[serde(default = "yes")]
    pub pay_stand_in: bool,
    /// First place of the sequence of notice numbers.
    #[serde(default = "one")]
    pub first_number: i64,
    /// Addresses below which its portal's pages lie.
    #[serde(default)]
    pub return_urls: Vec<String>,
    /// How notice numbers are built.
    pub numbering: NumberingConfig,
    /// What can be paid.
    pub services: Vec<ServiceConfig>,
}

/// `[creditors.receipts]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiptsConfig {
    /// `ok` or `ko`.
    pub repeated: RepeatedConfig,
    /// Codes of doubts for which a receipt is refused.
    pub refuse: Vec<String>,
}

/// What an identical receipt hears when it comes again.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedConfig {
    /// OK.
    #[default]
    Ok,
    /// `PAA_RECEIPT_DUPLICATA`.
    Ko,
}

/// `[creditors.numbering]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberingConfig {
    /// The aux digit, 0–3.
    #[serde(default = "three")]
    pub aux: u8,
    /// The segregation code, with aux 3.
    pub segregation: Option<String>,
    /// The application code, with aux 0.
    pub application: Option<String>,
}

fn one() -> i64 {
    1
}

fn yes() -> bool {
    true
}

fn three() -> u8 {
    3
}

/// Collects what is wrong, with the key it is wrong at.
pub(super) struct Review {
    mistakes: Vec<Mistake>,
}

impl Review {
    /// The value, or nothing and a mistake.
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|error| self.wrong(key, error)).ok()
    }

    pub(super) fn wrong(&mut self, key: &str, message: impl std::fmt::Display) {
        self.mistakes.push(Mistake {
            key: key.to_owned(),
            message: message.to_string(),
        });
    }

    /// A text on one line of 1 to `limit` characters.
    pub(super) fn text(&mut self, key: &str, text: &str, limit: usize) {
        let length = text.chars().count();
        if length == 0 || length > limit || !crate::domain::text::is_one_line(text) {
            self.wrong(key, format!("must have 1 to {limit} printable characters"));
        }
    }
}

impl Review {
    /// One of the two ends TLS, never both; and a proxy is believed from named addresses only.
    fn proxy(&mut self, node: &super::Node) {
        if node.tls.enabled && node.tls.reload_every_s == 0 {
            self.wrong("node.tls.reload_every_s", "must be at least 1");
        }
        if !node.proxy.enabled {
            return;
        }
        if node.tls.enabled {
            self.wrong(
                "node.proxy.enabled",
                "the door itself ends TLS: turn node.tls.enabled off, or this",
            );
        }
        if node.proxy.addresses.is_empty() {
            self.wrong("node.proxy.addresses", "needs the address of the proxy");
        }
        if axum::http::HeaderName::try_from(&node.proxy.header).is_err() {
            self.wrong("node.proxy.header", "is not the name of a header");
        }
    }

    /// What Checkout asks for: addresses to come back to by https, and an answer before our own
    /// callers give up.
    fn checkout(&mut self, checkout: &super::Checkout, web: &super::Web) {
        if !checkout.enabled {
            return;
        }
        if !matches!(checkout.version, 1 | 2) {
            self.wrong("checkout.version", "must be 1 or 2");
        }
        if checkout.timeout_s == 0 || checkout.timeout_s >= web.timeout_s {
            let message = "must be at least 1, and less than web.timeout_s";
            self.wrong("checkout.timeout_s", message);
        }
        if is_bare(&web.public_url) {
            let message = "Checkout sends browsers back by https only";
            self.wrong("web.public_url", message);
        }
    }
}

impl Config {
    /// The register of creditors.
    ///
    /// # Errors
    /// [`ConfigError::Mistakes`] with every mistake there is, each with its key.
    pub fn register(&self) -> Result<Register, ConfigError> {
        let mut review = Review { mistakes: vec![] };
        let mut seen: Vec<&str> = vec![];
        let mut creditors = vec![];
        for (index, section) in self.creditors.iter().enumerate() {
            let key = format!("creditors[{index}]");
            if seen.contains(&section.fiscal_code.as_str()) {
                review.wrong(&format!("{key}.fiscal_code"), "stands twice");
            }
            seen.push(&section.fiscal_code);
            creditors.extend(creditor(section, &key, &mut review));
        }
        let operators: Vec<_> = self
            .operators
            .iter()
            .enumerate()
            .filter_map(|(index, section)| {
                operator(section, &format!("operators[{index}]"), &seen, &mut review)
            })
            .collect();
        for (name, value) in [
            ("desk.batch_limit", self.desk.batch_limit),
            ("desk.queue_limit", self.desk.queue_limit),
            ("journal.queue_limit", self.journal.queue_limit),
            ("ledger.in_flight", self.ledger.in_flight),
            ("web.connections", self.web.connections),
            (
                "web.connections_per_address",
                self.web.connections_per_address,
            ),
            ("node.connections", self.node.connections),
            (
                "node.connections_per_address",
                self.node.connections_per_address,
            ),
        ] {
            if value == 0 {
                review.wrong(name, "must be at least 1");
            }
        }
        for (name, months) in self.journal.retention.spans() {
            let least = Retention::LEGAL_MINIMUM;
            if months < least {
                review.wrong(name, format!("the law asks for at least {least} months"));
            }
        }
        for (name, pauses) in [
            ("ledger.retry_pauses_s", &self.ledger.retry_pauses_s),
            ("aca.retry_pauses_s", &self.aca.retry_pauses_s),
            ("mail.retry_pauses_s", &self.mail.retry_pauses_s),
            ("receipt_search.pauses_s", &self.receipt_search.pauses_s),
            (
                "receipt_search.retry_pauses_s",
                &self.receipt_search.retry_pauses_s,
            ),
        ] {
            if pauses.is_empty() || pauses.iter().any(|pause| *pause < 1) {
                review.wrong(name, "needs pauses of at least one second");
            }
        }
        for (name, value) in [
            ("checkout.rate_calls", self.checkout.rate_calls),
            ("checkout.rate_seconds", self.checkout.rate_seconds),
            ("aca.rate_calls", self.aca.rate_calls),
            ("aca.rate_seconds", self.aca.rate_seconds),
            ("receipt_search.rate_calls", self.receipt_search.rate_calls),
            (
                "receipt_search.rate_seconds",
                self.receipt_search.rate_seconds,
            ),
            ("receipt_search.days", self.receipt_search.days),
            (
                "receipt_search.activation_days",
                self.receipt_search.activation_days,
            ),
        ] {
            if !(1..=1_000_000).contains(&value) {
                review.wrong(name, "must be 1 to 1000000");
            }
        }
        if !(0..=1_000_000).contains(&self.receipt_search.grace_s) {
            review.wrong("receipt_search.grace_s", "must be 0 to 1000000");
        }
        for (name, enabled, url) in [
            ("aca.url", self.aca.enabled, &self.aca.url),
            ("checkout.url", self.checkout.enabled, &self.checkout.url),
            (
                "receipt_search.bizevents_url",
                self.receipt_search.enabled,
                &self.receipt_search.bizevents_url,
            ),
            (
                "receipt_search.gpd_url",
                self.receipt_search.enabled,
                &self.receipt_search.gpd_url,
            ),
        ] {
            if enabled && !(url.starts_with("https://") || url.starts_with("http://")) {
                review.wrong(name, "must begin with https:// or http://");
            }
        }
        if !(0..=3_650).contains(&self.pay.link_days) {
            review.wrong("pay.link_days", "must be 0 to 3650");
        }
        if !(1..=8_760).contains(&self.pay.top_up_hours) {
            review.wrong("pay.top_up_hours", "must be 1 to 8760");
        }
        review.proxy(&self.node);
        review.mail(&self.mail, &self.creditors);
        review.checkout(&self.checkout, &self.web);
        if review.mistakes.is_empty() {
            Ok(Register::new(creditors).operated_by(operators))
        } else {
            Err(ConfigError::Mistakes(review.mistakes))
        }
    }
}

fn creditor(section: &CreditorConfig, key: &str, review: &mut Review) -> Option<Creditor> {
    let code = review.take(
        &format!("{key}.fiscal_code"),
        CreditorCode::parse(&section.fiscal_code),
    );
    review.text(&format!("{key}.name"), &section.name, 140);
    review.text(&format!("{key}.broker"), &section.broker, 35);
    if let Some(office) = &section.office {
        review.text(&format!("{key}.office"), office, 140);
    }
    if section.stations.is_empty() {
        review.wrong(&format!("{key}.stations"), "needs at least one station");
    }
    for (index, station) in section.stations.iter().enumerate() {
        review.text(&format!("{key}.stations[{index}]"), station, 35);
    }
    for (index, broker) in section.former_brokers.iter().enumerate() {
        review.text(&format!("{key}.former_brokers[{index}]"), broker, 35);
    }
    for (index, station) in section.former_stations.iter().enumerate() {
        review.text(&format!("{key}.former_stations[{index}]"), station, 35);
    }
    let numbering = numbering(&section.numbering, &format!("{key}.numbering"), review);
    let accounts = accounts(section, key, review);
    let first_number = u64::try_from(section.first_number);
    let first_number = review.take(&format!("{key}.first_number"), first_number);
    let services = services(&section.services, key, review);
    let other_ibans = section
        .other_ibans
        .iter()
        .enumerate()
        .filter_map(|(index, iban)| {
            review.take(&format!("{key}.other_ibans[{index}]"), Iban::parse(iban))
        });
    let other_ibans = other_ibans.collect();
    let return_urls = section
        .return_urls
        .iter()
        .enumerate()
        .filter_map(|(index, url)| {
            review.take(&format!("{key}.return_urls[{index}]"), Prefix::parse(url))
        });
    let return_urls = return_urls.collect();
    let receipts = receipts(&section.receipts, key, review);
    let postal = accounts.as_ref().and_then(Accounts::postal);
    let letterhead = letterhead(section, postal, key, review);
    Some(Creditor {
        code: code?,
        name: section.name.clone(),
        office: section.office.clone(),
        broker: section.broker.clone(),
        stations: section.stations.clone(),
        former_brokers: section.former_brokers.clone(),
        former_stations: section.former_stations.clone(),
        numbering: numbering?,
        first_number: first_number?,
        accounts: accounts?,
        other_ibans,
        receipts,
        stand_in: section.pay_stand_in,
        letterhead,
        return_urls,
        services,
    })
}

fn receipts(section: &ReceiptsConfig, key: &str, review: &mut Review) -> ReceiptPolicy {
    let mut refuse = vec![];
    for (index, word) in section.refuse.iter().enumerate() {
        match CaseCode::parse(word).filter(|code| ReceiptPolicy::REFUSABLE.contains(code)) {
            Some(code) => refuse.push(code),
            None => {
                let words = ReceiptPolicy::REFUSABLE.map(CaseCode::as_str).join(", ");
                review.wrong(
                    &format!("{key}.receipts.refuse[{index}]"),
                    format!("{word:?} is none of {words}"),
                );
            }
        }
    }
    ReceiptPolicy {
        repeated: match section.repeated {
            RepeatedConfig::Ok => Repeated::Accepted,
            RepeatedConfig::Ko => Repeated::Refused,
        },
        refuse,
    }
}

fn numbering(section: &NumberingConfig, key: &str, review: &mut Review) -> Option<Numbering> {
    let mut code = |name: &str, value: &Option<String>| {
        let key = format!("{key}.{name}");
        match value {
            Some(text) => review.take(&key, TwoDigits::parse(text)),
            None => {
                review.wrong(&key, format!("is needed with aux {}", section.aux));
                None
            }
        }
    };
    match section.aux {
        0 => code("application", &section.application)
            .map(|application| Numbering::Aux0 { application }),
        1 => Some(Numbering::Aux1),
        2 => Some(Numbering::Aux2),
        3 => code("segregation", &section.segregation)
            .map(|segregation| Numbering::Aux3 { segregation }),
        other => {
            review.wrong(
                &format!("{key}.aux"),
                format!("{other} is not 0, 1, 2 or 3"),
            );
            None
        }
    }
}

fn accounts(section: &CreditorConfig, key: &str, review: &mut Review) -> Option<Accounts> {
    let mut read = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map(|text| review.take(&format!("{key}.{name}"), Iban::parse(text)))
    };
    let bank = read("bank_iban", &section.bank_iban);
    let postal = read("postal_iban", &section.postal_iban);
    if let Some(Some(iban)) = &postal
        && !iban.is_postal()
    {
        review.wrong(
            &format!("{key}.postal_iban"),
            "is not an account at Poste Italiane (ABI 07601)",
        );
    }
    match (bank, postal) {
        (None, None) => {
            review.wrong(key, "needs bank_iban or postal_iban");
            None
        }
        (Some(bank), None) => bank.map(Accounts::Bank),
        (None, Some(postal)) => postal.map(Accounts::Postal),
        (Some(bank), Some(postal)) => bank
            .zip(postal)
            .map(|(bank, postal)| Accounts::Both { bank, postal }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_checkout_needs_is_asked_for() {
        let keys = |text: &str| match Config::with(text).unwrap().register() {
            Ok(_) => vec![],
            Err(ConfigError::Mistakes(mistakes)) => {
                mistakes.into_iter().map(|mistake| mistake.key).collect()
            }
            Err(error) => panic!("{error}"),
        };
        let on = "[checkout]\nenabled = true\n";
        let public = "[web]\npublic_url = \"https://pay.example.org\"\n";
        assert_eq!(keys(&format!("{public}{on}")), [""; 0]);
        let bare = "[web]\npublic_url = \"http://pay.example.org\"\n";
        assert_eq!(keys(bare), [""; 0], "nobody is sent anywhere");
        assert_eq!(keys(&format!("{bare}{on}")), ["web.public_url"]);
        for (line, key) in [
            ("version = 3", "checkout.version"),
            ("timeout_s = 30", "checkout.timeout_s"),
            ("timeout_s = 0", "checkout.timeout_s"),
            ("url = \"api.platform.pagopa.it\"", "checkout.url"),
            ("rate_calls = 0", "checkout.rate_calls"),
        ] {
            assert_eq!(keys(&format!("{public}{on}{line}\n")), [key], "{line}");
        }
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = r#"
            [ledger]
            retry_pauses_s = []
            [[creditors]]
            fiscal_code = "7777"
            name = ""
            broker = "77777777777"
            stations = []
            bank_iban = "IT64Y0542811101000000123456"
            first_number = -1
            return_urls = ["https://a.example/", "portale.example.org"]
            [creditors.numbering]
            aux = 3
            [[creditors.services]]
            code = "refezione"
            name = "Mensa"
            taxonomy = "9/0107101TS/"
            min_cents = 0
            max_cents = 10
            due_days = -1
            payable_after_due = false
        "#;
        let Err(ConfigError::Mistakes(mistakes)) = Config::with(text).unwrap().register() else {
            panic!("the register was accepted");
        };
        let keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
        for key in [
            "creditors[0].fiscal_code",
            "creditors[0].name",
            "creditors[0].stations",
            "creditors[0].bank_iban",
            "creditors[0].first_number",
            "creditors[0].return_urls[1]",
            "creditors[0].numbering.segregation",
            "creditors[0].services[0].min_cents",
            "creditors[0].services[0].due_days",
            "ledger.retry_pauses_s",
        ] {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
    }
}
