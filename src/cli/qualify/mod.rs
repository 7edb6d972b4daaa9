//! `pagomensa qualify`: pagoPA's test plan for a creditor's station, run over the gateway's public API.
//!
//! It is a client like any portal, so that it tests a gateway wherever it runs. The simulated world
//! plays the PSP, or people do with pagoPA's tools while the command waits; the journal says what
//! happened, and only what it says is judged.

mod cases;
mod evidence;
mod folder;
mod gateway;
mod http;
mod judge;
mod options;
mod page;
mod reconcile;
mod run;
mod watch;
mod world;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use secrecy::SecretString;
use serde_json::{Value, json};

pub(super) use options::Options;

use super::{Outcome, answer, say};
use cases::{Case, Outcome as Ended, Ruling};
use folder::{Folder, State};
use gateway::Gateway;
use options::Plan;
use reconcile::Sheet;
use run::Runner;
use world::World;

use crate::clock::{Clock, Ids};
use crate::wire::digest::hex;

/// Where the key may stand instead of a file.
const KEY: &str = "PAGOMENSA_QUALIFY_KEY";
/// The same for the second beneficiary's.
const SECONDARY_KEY: &str = "PAGOMENSA_QUALIFY_SECONDARY_KEY";
/// Longest file of a key, in bytes.
const KEY_FILE: u64 = 1_000;
/// How long the notices can be paid, in days.
const DUE_DAYS: i32 = 30;

pub(super) async fn run(options: Options) -> Outcome {
    let chosen = match options.case.as_slice() {
        [] => Case::ALL.to_vec(),
        some => some.to_vec(),
    };
    let plan = Plan::of(&options);
    if plan.secondary.as_ref() == Some(&plan.creditor) {
        return wrong_words("--secondary must be another creditor than --creditor");
    }
    let Some((key, source)) = key(options.key_file.as_deref(), KEY)? else {
        return wrong_words(&format!("a key is needed: --key-file FILE, or {KEY}"));
    };
    let sheets = options.flow.iter().map(|path| Sheet::read(path));
    let sheets: Vec<Sheet> = sheets.collect::<Result<_, _>>()?;
    for sheet in &sheets {
        let receiver = &sheet.flow.receiver;
        if *receiver != plan.creditor && Some(receiver) != plan.secondary.as_ref() {
            let id = &sheet.flow.id;
            return Err(format!(
                "the flow {id} pays {receiver}, which is neither --creditor nor --secondary"
            )
            .into());
        }
    }
    let world = options.world.as_ref().map(World::new).transpose()?;
    let gateway = Gateway::new(&options.gateway, &plan.creditor, key, source)?;
    gateway.probe().await?;
    if let Some(world) = &world {
        world.probe().await?;
    }
    let second_key = key_of_secondary(&options, &plan)?;
    let secondary = secondary(&gateway, &plan, &options, second_key).await?;
    let (folder, state) = Folder::open(&options.out)?;
    let now = Clock::System.now();
    let state = match state {
        Some(mut state) => {
            let place = folder.path().display().to_string();
            let continued = state.plan.clone().continued(plan);
            let plan = continued.map_err(|why| {
                format!("{place} holds the evidence of another plan: {why}. Choose another --out")
            })?;
            state.plan = plan;
            state
        }
        None => {
            let run = hex(&Ids::default().secret::<6>());
            let due = now.day_in_rome().plus_days(DUE_DAYS).to_string();
            State::new(plan, run, now.to_string(), due)
        }
    };
    folder.keep(&state)?;
    let runner = Runner {
        gateway,
        secondary,
        world,
        sheets,
        wait_minutes: options.wait,
        is_json: options.json,
        folder,
        state,
        chosen: chosen.clone(),
    };
    let (place, state) = Box::pin(runner.run(options.responsible.as_deref())).await?;
    let lines = lines(&state, &place);
    answer(options.json, &result(&state), &lines)?;
    let passed = |case: &Case| {
        let ruling = state.rulings.get(case);
        ruling.is_some_and(|ruling| ruling.outcome == Ended::Passed)
    };
    Ok(if chosen.iter().all(passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The gateway as the second beneficiary's, when its journal can be read; else why not.
async fn secondary(
    gateway: &Gateway,
    plan: &Plan,
    options: &Options,
    key: Option<(SecretString, String)>,
) -> Result<Result<Gateway, String>, Box<dyn Error>> {
    let Some(code) = &plan.secondary else {
        return Ok(Err("manca il secondo beneficiario (--secondary)".to_owned()));
    };
    let (second, is_own_key) = match key {
        Some((key, source)) => (Gateway::new(&options.gateway, code, key, source)?, true),
        None => (gateway.speaking_for(code), false),
    };
    match second.probe().await {
        Ok(()) => Ok(Ok(second)),
        // Without a key of its own it may well be served by somebody else.
        Err(error) if error.is_closed() && !is_own_key => Ok(Err(format!(
            "il giornale del secondo beneficiario {code} non è leggibile con questa chiave \
             (--secondary-key-file)"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// The results for programs.
fn result(state: &State) -> Value {
    json!({
        "plan": "pagoPA EC-PSP (Nuovo Modello 3) 1.0",
        "started_at": state.started_at,
        "gateway": state.plan.gateway,
        "simulated": state.plan.world.is_some(),
        "creditor": state.plan.creditor,
        "secondary": state.plan.secondary,
        "cases": state.rulings.values().collect::<Vec<&Ruling>>(),
    })
}

/// The results for people.
fn lines(state: &State, place: &Path) -> Vec<String> {
    let mut lines: Vec<String> = state
        .rulings
        .values()
        .map(|ruling| {
            let why = ruling.why.as_ref().map(|why| format!("  {why}"));
            let word = ruling.outcome.word();
            format!(
                "{:<11} {word:<7}{}",
                ruling.case.name(),
                why.unwrap_or_default()
            )
        })
        .collect();
    lines.push(format!(
        "The evidence is in {}",
        place.join("index.html").display()
    ));
    lines
}

fn key_of_secondary(
    options: &Options,
    plan: &Plan,
) -> Result<Option<(SecretString, String)>, Box<dyn Error>> {
    match plan.secondary {
        Some(_) => key(options.secondary_key_file.as_deref(), SECONDARY_KEY),
        None => Ok(None),
    }
}

/// A key and where it came from: the file, else the variable.
fn key(
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<(SecretString, String)>, Box<dyn Error>> {
    let (text, source) = match file {
        Some(path) => {
            let name = path.display().to_string();
            let unreadable = |error| format!("{name} cannot be read: {error}");
            let size = std::fs::metadata(path).map_err(unreadable)?.len();
            if size > KEY_FILE {
                return Err(format!("{name} is too large to be a key").into());
            }
            (std::fs::read_to_string(path).map_err(unreadable)?, name)
        }
        None => match std::env::var(variable) {
            Ok(text) => (text, variable.to_owned()),
            Err(_) => return Ok(None),
        },
    };
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{source} holds no key").into());
    }
    Ok(Some((text.to_owned().into(), source)))
}

/// Says what is wrong with the words.
fn wrong_words(text: &str) -> Outcome {
    writeln!(
        std::io::stderr(),
        "error: {text}\n\nFor more information, try '--help'."
    )?;
    Ok(ExitCode::from(2))
}

/// Says what goes on, to people; beside the answer when that is for a program.
fn tell(is_json: bool, text: &str) -> std::io::Result<()> {
    if is_json {
        writeln!(std::io::stderr(), "{text}")
    } else {
        say(text)
    }
}
