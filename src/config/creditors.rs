//! The sections `[[creditors]]`, and the register of creditors that they make.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Config, ConfigError, Mistake};
use crate::domain::creditor::{Accounts, Creditor, Register, Service};
use crate::domain::iban::Iban;
use crate::domain::money::Cents;
use crate::domain::notice::{Numbering, TwoDigits};
use crate::domain::party::CreditorCode;

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
    /// Account at a bank.
    pub bank_iban: Option<String>,
    /// Account at Poste Italiane.
    pub postal_iban: Option<String>,
    /// First place of the sequence of notice numbers.
    #[serde(default = "one")]
    pub first_number: i64,
    /// How notice numbers are built.
    pub numbering: NumberingConfig,
    /// What can be paid.
    pub services: Vec<ServiceConfig>,
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

/// One `[[creditors.services]]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its code.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// The taxonomy of pagoPA.
    pub taxonomy: String,
    /// The smallest top-up in cents.
    pub min_cents: i64,
    /// The largest top-up in cents.
    pub max_cents: i64,
    /// Days to the due day.
    pub due_days: i32,
    /// Whether it can be paid later.
    pub payable_after_due: bool,
}

fn one() -> i64 {
    1
}

fn three() -> u8 {
    3
}

/// Collects what is wrong, with the key it is wrong at.
struct Review {
    mistakes: Vec<Mistake>,
}

impl Review {
    /// The value, or nothing and a mistake.
    fn take<T, E: std::fmt::Display>(&mut self, key: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.wrong(key, error)).ok()
    }

    fn wrong(&mut self, key: &str, message: impl std::fmt::Display) {
        self.mistakes.push(Mistake {
            key: key.to_owned(),
            message: message.to_string(),
        });
    }

    fn text(&mut self, key: &str, text: &str, limit: usize) {
        let length = text.chars().count();
        if length == 0 || length > limit || !crate::domain::text::is_one_line(text) {
            self.wrong(key, format!("must have 1 to {limit} printable characters"));
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
        for (name, value) in [
            ("desk.batch_limit", self.desk.batch_limit),
            ("desk.queue_limit", self.desk.queue_limit),
            ("journal.queue_limit", self.journal.queue_limit),
            ("ledger.in_flight", self.ledger.in_flight),
        ] {
            if value == 0 {
                review.wrong(name, "must be at least 1");
            }
        }
        if self.ledger.retry_pauses_s.is_empty()
            || self.ledger.retry_pauses_s.iter().any(|pause| *pause < 1)
        {
            review.wrong(
                "ledger.retry_pauses_s",
                "needs pauses of at least one second",
            );
        }
        if review.mistakes.is_empty() {
            Ok(Register::new(creditors))
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
    let numbering = numbering(&section.numbering, &format!("{key}.numbering"), review);
    let accounts = accounts(section, key, review);
    let first_number = u64::try_from(section.first_number);
    let first_number = review.take(&format!("{key}.first_number"), first_number);
    let services = services(section, key, review);
    Some(Creditor {
        code: code?,
        name: section.name.clone(),
        office: section.office.clone(),
        broker: section.broker.clone(),
        stations: section.stations.clone(),
        numbering: numbering?,
        first_number: first_number?,
        accounts: accounts?,
        services,
    })
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

fn services(section: &CreditorConfig, key: &str, review: &mut Review) -> BTreeMap<String, Service> {
    let mut services = BTreeMap::new();
    for (index, service) in section.services.iter().enumerate() {
        let key = format!("{key}.services[{index}]");
        review.text(&format!("{key}.code"), &service.code, 35);
        review.text(&format!("{key}.name"), &service.name, 140);
        review.text(&format!("{key}.taxonomy"), &service.taxonomy, 140);
        let min = review.take(&format!("{key}.min_cents"), Cents::due(service.min_cents));
        let max = review.take(&format!("{key}.max_cents"), Cents::due(service.max_cents));
        if min > max && max.is_some() {
            review.wrong(&format!("{key}.max_cents"), "is below min_cents");
        }
        if !(0..=3_650).contains(&service.due_days) {
            review.wrong(&format!("{key}.due_days"), "must be 0 to 3650");
        }
        if let Some((min, max)) = min.zip(max)
            && services
                .insert(
                    service.code.clone(),
                    Service {
                        code: service.code.clone(),
                        name: service.name.clone(),
                        taxonomy: service.taxonomy.clone(),
                        min,
                        max,
                        due_days: service.due_days,
                        payable_after_due: service.payable_after_due,
                    },
                )
                .is_some()
        {
            review.wrong(&format!("{key}.code"), "stands twice");
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "creditors[0].numbering.segregation",
            "creditors[0].services[0].min_cents",
            "creditors[0].services[0].due_days",
            "ledger.retry_pauses_s",
        ] {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
    }
}
