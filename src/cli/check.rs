//! `pagomensa check`: the doctor. It looks at everything and reports every mistake in one run.

use std::error::Error;
use std::process::ExitCode;

use secrecy::ExposeSecret;
use serde_json::json;

use super::{Outcome, Reported, answer, serve};
use crate::config::{Config, ConfigError};
use crate::store::Store;
use crate::store::migrate::Schema;

/// What was looked at, and what is wrong with it.
struct Finding {
    what: &'static str,
    wrong: Vec<String>,
}

pub(super) async fn run(reported: &Reported) -> Outcome {
    let config = reported.configured.load()?;
    let findings = [
        Finding {
            what: "configuration",
            wrong: mistakes(config.register().map(drop)),
        },
        Finding {
            what: "creditors",
            wrong: creditors(&config),
        },
        Finding {
            what: "ledger token",
            wrong: token(&config),
        },
        Finding {
            what: "node certificates",
            wrong: certificates(&config),
        },
        Finding {
            what: "database",
            wrong: database(&config).await.err().into_iter().collect(),
        },
    ];
    let is_well = findings.iter().all(|finding| finding.wrong.is_empty());
    let values: Vec<_> = findings
        .iter()
        .map(|f| json!({ "checked": f.what, "mistakes": f.wrong }))
        .collect();
    let mut lines = vec![];
    for finding in &findings {
        if finding.wrong.is_empty() {
            lines.push(format!("ok      {}", finding.what));
        }
        for wrong in &finding.wrong {
            lines.push(format!("WRONG   {}: {wrong}", finding.what));
        }
    }
    answer(
        reported.json,
        &json!({ "ok": is_well, "findings": values }),
        &lines,
    )?;
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

fn creditors(config: &Config) -> Vec<String> {
    if config.creditors.is_empty() {
        vec!["there is none: add a [[creditors]] section".to_owned()]
    } else {
        vec![]
    }
}

fn token(config: &Config) -> Vec<String> {
    match config.ledger_token() {
        Ok(token) if config.ledger.enabled && token.expose_secret().is_empty() => {
            vec!["ledger.token and ledger.token_file are not set".to_owned()]
        }
        read => mistakes(read.map(drop)),
    }
}

fn certificates(config: &Config) -> Vec<String> {
    let tls = &config.node.tls;
    if !config.node.enabled || !tls.enabled {
        return vec![];
    }
    let missing: Vec<String> = [
        ("certificate_file", &tls.certificate_file),
        ("key_file", &tls.key_file),
        ("client_ca_file", &tls.client_ca_file),
    ]
    .iter()
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
        return missing;
    }
    let tried = serve::try_tls(config).map_err(|error| chain(&error));
    tried.err().into_iter().collect()
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
        Schema::Behind => Err(behind.to_owned()),
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
