//! `pagomensa job`: the background jobs, from the outside.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Outcome, Reported, answer, open};
use crate::app::App;
use crate::clock::{Clock, Ids};
use crate::job::Progress;
use crate::log;
use crate::store::leases;

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// List the jobs and how their last runs went
    List(Reported),
    /// Run a job now, until it has nothing more to do
    Run(Named),
}

/// Which job.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    reported: Reported,
    /// The name of the job, as listed
    name: String,
}

pub(super) async fn run(command: Jobs) -> Outcome {
    match command {
        Jobs::List(reported) => list(&reported).await,
        Jobs::Run(named) => run_now(&named).await,
    }
}

async fn list(reported: &Reported) -> Outcome {
    let (config, store) = open(&reported.configured).await?;
    let (app, _tasks) = App::over(store, config, Clock::System, Ids::default())?;
    let mut conn = app.desk().store().read().await?;
    let runs = leases::list(&mut conn).await?;
    let mut values = vec![];
    let mut lines = vec![];
    for job in app.jobs() {
        let last = runs.iter().find(|run| run.name == job.name);
        let finished = last
            .and_then(|run| run.finished_at)
            .map(|at| at.to_string());
        let error = last.and_then(|run| run.last_error.clone());
        lines.push(format!(
            "{:<14} every {:>5} s   last finished {}   {}",
            job.name,
            job.every.as_secs(),
            finished.as_deref().unwrap_or("never"),
            error.as_deref().unwrap_or("")
        ));
        values.push(json!({
            "name": job.name,
            "every_s": job.every.as_secs(),
            "finished_at": finished,
            "last_error": error,
        }));
    }
    answer(reported.json, &json!(values), &lines)?;
    Ok(ExitCode::SUCCESS)
}

async fn run_now(named: &Named) -> Outcome {
    let (config, store) = open(&named.reported.configured).await?;
    log::start(&config.log);
    let (app, _tasks) = App::over(store, config, Clock::System, Ids::default())?;
    let Some(job) = app.jobs().iter().find(|job| job.name == named.name) else {
        let sections = [
            ("ledger", "ledger", app.config().ledger.enabled),
            ("aca", "aca", app.config().aca.enabled),
        ];
        let off = sections
            .iter()
            .find(|(job, _, enabled)| *job == named.name && !enabled);
        if let Some((job, section, _)) = off {
            return Err(format!("{job} is switched off ([{section}] enabled = false)").into());
        }
        let names: Vec<&str> = app.jobs().iter().map(|job| job.name).collect();
        return Err(format!(
            "there is no job {}; there are: {}",
            named.name,
            names.join(", ")
        )
        .into());
    };
    let holder = app.holder();
    let until = loop {
        match holder.run(job).await? {
            Some(Progress::More) => {}
            Some(Progress::Rest { until }) => break until.map(|at| at.to_string()),
            Some(Progress::Held { until, why }) => {
                let held = format!("the job {} is held until {until}: {why}", job.name);
                return Err(held.into());
            }
            None => {
                let busy = format!("the job {} runs in another process right now", job.name);
                return Err(busy.into());
            }
        }
    };
    let line = match &until {
        Some(until) => format!("{}: done for now; something is due at {until}.", job.name),
        None => format!("{}: done.", job.name),
    };
    answer(
        named.reported.json,
        &json!({ "job": job.name, "next_due_at": until }),
        &[line],
    )?;
    Ok(ExitCode::SUCCESS)
}
