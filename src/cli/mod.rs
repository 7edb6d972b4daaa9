//! The operator's verbs. Each has `--help`, and an exit status that a script can use: 0 done,
//! 1 not done, 2 the words are wrong.

mod audit;
mod capped;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod doorway;
mod jobs;
mod keys;
mod qualify;
mod serve;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::Config;
use crate::store::Store;
use crate::store::migrate::Schema;

/// What a command ends with.
pub type Outcome = Result<ExitCode, Box<dyn Error>>;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole town in one process: gateway, simulated node, PSP counter and meal ledger
    #[cfg(feature = "demo")]
    Demo(demo::Options),
    /// Run the gateway
    Serve(Configured),
    /// Check the configuration, the database and the certificates, and report every mistake
    Check(Reported),
    /// Bring the database's schema up to date
    Migrate(Reported),
    /// Make, list and revoke keys of the REST API
    #[command(subcommand)]
    Keys(keys::Keys),
    /// List the background jobs, or run one now
    #[command(subcommand)]
    Job(jobs::Jobs),
    /// Prove, search and show the journal of events, or erase messages in it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Run pagoPA's test plan for a creditor's station, and write the evidence to be sent
    Qualify(Box<qualify::Options>),
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct Configured {
    /// The configuration file; without it the defaults and PAGOMENSA__SECTION__KEY variables count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the configuration is, and how to answer.
#[derive(Debug, Clone, Args)]
pub struct Reported {
    #[command(flatten)]
    configured: Configured,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

impl Configured {
    fn load(&self) -> Result<Config, Box<dyn Error>> {
        Ok(Config::load(self.config.as_deref().map(Path::new))?)
    }
}

/// The configuration and the store, whose schema must be that of this program. A verb that is used
/// beside a gateway makes no database and changes no schema: an older program may still serve on it.
async fn open(configured: &Configured) -> Result<(Config, Store), Box<dyn Error>> {
    let config = configured.load()?;
    if Store::is_missing(&config.database) {
        return Err("there is no database yet: run pagomensa migrate".into());
    }
    let store = Store::open(&config.database).await?;
    must_be_current(store.schema().await?)?;
    Ok((config, store))
}

/// Says what is to be done about a schema that is not that of this program.
fn must_be_current(schema: Schema) -> Result<(), Box<dyn Error>> {
    match schema {
        Schema::Current => Ok(()),
        Schema::None => Err("the database is empty: run pagomensa migrate".into()),
        Schema::Behind => Err("the schema is not up to date: run pagomensa migrate".into()),
        Schema::Ahead => Err("the schema is of a newer or an altered program".into()),
    }
}

/// Runs a command.
///
/// # Errors
/// What kept it from its end; to be printed with its causes.
pub async fn run(command: Command) -> Outcome {
    match command {
        #[cfg(feature = "demo")]
        Command::Demo(options) => Box::pin(demo::run(options)).await,
        Command::Serve(configured) => Box::pin(serve::command(&configured.load()?)).await,
        Command::Check(reported) => check::run(&reported).await,
        Command::Migrate(reported) => {
            let config = reported.configured.load()?;
            let store = Store::open(&config.database).await?;
            store.migrate().await?;
            let line = "The database is up to date.".to_owned();
            answer(reported.json, &json!({ "schema": "current" }), &[line])?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(command) => keys::run(command).await,
        Command::Job(command) => jobs::run(command).await,
        Command::Audit(command) => Box::pin(audit::run(command)).await,
        Command::Qualify(options) => Box::pin(qualify::run(*options)).await,
    }
}

/// Prints an error with its causes, and gives the exit status for it.
pub fn fail(error: &dyn Error) -> ExitCode {
    let mut text = format!("pagomensa: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!("\n  because {source}"));
        cause = source.source();
    }
    // When standard error is closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// Prints a line on standard output.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints JSON, or lines for people.
fn answer(json: bool, value: &Value, lines: &[String]) -> std::io::Result<()> {
    if json {
        return say(&value.to_string());
    }
    for line in lines {
        say(line)?;
    }
    Ok(())
}
