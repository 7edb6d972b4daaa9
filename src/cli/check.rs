//! `pagomensa check`: the doctor. It looks at everything and reports every mistake in one run.

use std::error::Error;
use std::process::ExitCode;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Outcome, Reported, answer};
use crate::channel::checkout;
use crate::channel::node::tls;
use crate::channel::notice_pdf::Press;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::domain::day::Instant;
use crate::mail::reach;
use crate::metrics::Credential;
use crate::store::Store;
use crate::store::migrate::Schema;

/// What was looked at, and what is wrong with it.
#[derive(Default)]
struct Finding {
    what: &'static str,
    wrong: Vec<String>,
    /// What will be wrong soon.
    warnings: Vec<String>,
    /// What is worth knowing.
    notes: Vec<String>,
    /// The same for programs.
    details: Vec<Value>,
}

impl Finding {
    fn of(what: &'static str, wrong: Vec<String>) -> Finding {
        Finding {
            what,
            wrong,
            ..Finding::default()
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![];
        if self.wrong.is_empty() && self.warnings.is_empty() {
            lines.push(format!("ok      {}", self.what));
        }
        for (word, texts) in [
            ("WRONG  ", &self.wrong),
            ("WARNING", &self.warnings),
            ("       ", &self.notes),
        ] {
            lines.extend(texts.iter().map(|t| format!("{word} {}: {t}", self.what)));
        }
        lines
    }

    fn value(&self) -> Value {
        let mut value = json!({ "checked": self.what, "mistakes": self.wrong });
        if let Some(value) = value.as_object_mut() {
            if !self.warnings.is_empty() {
                value.insert("warnings".to_owned(), json!(self.warnings));
            }
            if !self.details.is_empty() {
                value.insert("certificates".to_owned(), json!(self.details));
            }
        }
        value
    }
}

pub(super) async fn run(reported: &Reported) -> Outcome {
    let config = match reported.configured.load() {
        Ok(config) => config,
        Err(error) => {
            let wrong = vec![chain(error.as_ref())];
            return tell(reported.json, &[Finding::of("configuration", wrong)]);
        }
    };
    let (credentials, wrong) = certificates(&config);
    let mut shown = Finding::of("node certificates", wrong);
    for credential in &credentials {
        judge(credential, Clock::System.now(), &mut shown);
    }
    let findings = [
        Finding::of("configuration", mistakes(config.register().map(drop))),
        Finding::of("creditors", creditors(&config)),
        Finding::of("letterheads", letterheads(&config)),
        Finding::of("ledger token", token(&config)),
        Finding::of("links of the pages", mistakes(config.link_key().map(drop))),
        archive(&config),
        hunter(&config),
        mail(&config).await,
        checkout(&config).await,
        shown,
        Finding::of(
            "database",
            database(&config).await.err().into_iter().collect(),
        ),
    ];
    tell(reported.json, &findings)
}

fn tell(json: bool, findings: &[Finding]) -> Outcome {
    let is_well = findings.iter().all(|finding| finding.wrong.is_empty());
    let values: Vec<Value> = findings.iter().map(Finding::value).collect();
    let lines: Vec<String> = findings.iter().flat_map(Finding::lines).collect();
    answer(json, &json!({ "ok": is_well, "findings": values }), &lines)?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn mistakes(checked: Result<(), ConfigError>) -> Vec<String> {
    match checked {
        Ok(()) => vec![],
        Err(ConfigError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        Err(error @ ConfigError::Unreadable { .. }) => vec![error.to_string()],
    }
}

/// What the creditors' papers show, drawn once.
fn letterheads(config: &Config) -> Vec<String> {
    // Mistakes of the register are told already.
    let Ok(register) = config.register() else {
        return vec![];
    };
    Press::new(&register)
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect()
}

fn creditors(config: &Config) -> Vec<String> {
    if config.creditors.is_empty() {
        vec!["there is none: add a [[creditors]] section".to_owned()]
    } else {
        vec![]
    }
}

fn token(config: &Config) -> Vec<String> {
    let keys = "ledger.token and ledger.token_file";
    secret(config.ledger.enabled, keys, config.ledger_token())
}

fn archive(config: &Config) -> Finding {
    let aca = &config.aca;
    let keys = "aca.subscription_key and aca.subscription_key_file";
    Finding {
        warnings: bare(aca.enabled, &[("aca.url", &aca.url)]),
        ..Finding::of("archive (ACA)", secret(aca.enabled, keys, config.aca_key()))
    }
}

fn hunter(config: &Config) -> Finding {
    let search = &config.receipt_search;
    let enabled = search.enabled;
    let bizevents = "receipt_search.bizevents_key and receipt_search.bizevents_key_file";
    let gpd = "receipt_search.gpd_key and receipt_search.gpd_key_file";
    let mut wrong = secret(enabled, bizevents, config.bizevents_key());
    wrong.extend(secret(enabled, gpd, config.gpd_key()));
    let addresses = [
        (
            "receipt_search.bizevents_url",
            search.bizevents_url.as_str(),
        ),
        ("receipt_search.gpd_url", &search.gpd_url),
    ];
    Finding {
        warnings: bare(enabled, &addresses),
        ..Finding::of("receipt hunter", wrong)
    }
}

/// Whether the mail server would talk to us; nothing is sent.
async fn mail(config: &Config) -> Finding {
    let wrong = match config.mail.enabled {
        true => match reach(config).await {
            Ok(()) => vec![],
            Err(error) => vec![chain(&error)],
        },
        false => vec![],
    };
    Finding::of("mail server", wrong)
}

/// Whether payers can be sent to Checkout: it answers, and nobody on the way can send them elsewhere.
async fn checkout(config: &Config) -> Finding {
    let section = &config.checkout;
    let what = "Checkout";
    if !section.enabled {
        return Finding::of(what, vec![]);
    }
    let mut wrong: Vec<String> = checkout::reach(section).await.err().into_iter().collect();
    if config::is_bare(&section.url) {
        wrong.push(format!(
            "checkout.url ({}) is not https: payers could be sent anywhere",
            section.url
        ));
    }
    let mut finding = Finding::of(what, wrong);
    let without = config.creditors.iter().filter(|c| c.return_urls.is_empty());
    finding.notes.extend(without.map(|creditor| {
        format!(
            "{} has no return_urls: its portal cannot use POST /checkouts",
            creditor.fiscal_code
        )
    }));
    finding
}

/// The addresses, by their keys, on the way to which a secret can be read.
fn bare(enabled: bool, addresses: &[(&str, &str)]) -> Vec<String> {
    addresses
        .iter()
        .filter(|(_, url)| enabled && config::is_bare(url))
        .map(|(key, url)| format!("{key} ({url}): {}", config::BARE))
        .collect()
}

/// What is wrong with a secret that stands under these keys.
fn secret(enabled: bool, keys: &str, read: Result<SecretString, ConfigError>) -> Vec<String> {
    match read {
        Ok(secret) if enabled && secret.expose_secret().is_empty() => {
            vec![format!("{keys} are not set")]
        }
        read => mistakes(read.map(drop)),
    }
}

fn certificates(config: &Config) -> (Vec<Credential>, Vec<String>) {
    let tls = &config.node.tls;
    let files = [
        ("certificate_file", &tls.certificate_file),
        ("key_file", &tls.key_file),
        ("client_ca_file", &tls.client_ca_file),
    ];
    let is_needed = tls::is_needed(&config.node);
    let missing: Vec<String> = files
        .iter()
        .filter(|(key, _)| is_needed && (tls.enabled || *key == "client_ca_file"))
        .filter_map(|(key, file)| {
            if file.as_os_str().is_empty() {
                Some(format!("node.tls.{key} is not set"))
            } else if !file.exists() {
                Some(format!("node.tls.{key}: {} does not exist", file.display()))
            } else {
                None
            }
        })
        .collect();
    if !missing.is_empty() {
        return (vec![], missing);
    }
    match tls::inspect(&config.node) {
        Ok((found, wrong)) => (found, wrong.iter().map(|error| chain(error)).collect()),
        Err(error) => (vec![], vec![chain(&error)]),
    }
}

/// What is wrong with the dates of a certificate, or will soon be.
fn judge(credential: &Credential, now: Instant, found: &mut Finding) {
    let days = credential.days_left(now);
    let (role, subject) = (credential.role, credential.subject.as_str());
    let (from, to) = (credential.not_before, credential.not_after);
    if now >= to {
        found
            .wrong
            .push(format!("{role} {subject} has ended on {to}"));
    } else if now < from {
        found
            .wrong
            .push(format!("{role} {subject} begins to hold on {from}"));
    } else if days < tls::WARN_DAYS {
        let warning = format!("{role} {subject} ends on {to}, in {days} days");
        found.warnings.push(warning);
    } else {
        let line = format!("{role} {subject} ends on {to}, in {days} days");
        found.notes.push(line);
    }
    found.details.push(json!({
        "role": role,
        "subject": subject,
        "not_before": from.to_string(),
        "not_after": to.to_string(),
        "days_left": days,
    }));
}

/// Looks, and makes nothing: neither a file nor a schema.
async fn database(config: &Config) -> Result<(), String> {
    let behind = "the schema is not up to date: run pagomensa migrate (serve does it too)";
    if Store::is_missing(&config.database) {
        return Err(format!("there is none yet; {behind}"));
    }
    let store = Store::open(&config.database)
        .await
        .map_err(|error| chain(&error))?;
    store.ping().await.map_err(|error| chain(&error))?;
    match store.schema().await.map_err(|error| chain(&error))? {
        Schema::Current => Ok(()),
        Schema::None | Schema::Behind => Err(behind.to_owned()),
        Schema::Ahead => Err("the schema is of a newer or an altered program".to_owned()),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
