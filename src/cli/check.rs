//! `pagomensa check`: the doctor. It looks at everything and reports every mistake in one run.

use std::error::Error;
use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, Reported, answer, serve};
use crate::config::{Config, ConfigError};
use crate::store::Store;

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
            what: "ledger token",
            wrong: mistakes(config.ledger_token().map(drop)),
        },
        Finding {
            what: "node certificates",
            wrong: serve::try_tls(&config)
                .map_err(|error| chain(&error))
                .err()
                .into_iter()
                .collect(),
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

async fn database(config: &Config) -> Result<(), String> {
    let store = Store::open(&config.database)
        .await
        .map_err(|error| chain(&error))?;
    store.ping().await.map_err(|error| chain(&error))
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
