//! `pagomensa keys`: the keys of the REST API.

use std::process::ExitCode;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::json;

use super::{Outcome, Reported, answer, must_be_current, open};
use crate::clock::{Clock, Ids};
use crate::desk::keys::{NewKey, Role, Scope, create_as};
use crate::domain::party::CreditorCode;
use crate::store::migrate::Schema;
use crate::store::{Store, keys};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key; it is printed once and never again
    Create(New),
    /// List keys, without their secrets
    List(Reported),
    /// Revoke a key by its public part
    Revoke(Revocation),
}

/// What a key is for.
#[derive(Debug, Args)]
pub struct New {
    #[command(flatten)]
    reported: Reported,
    #[command(flatten)]
    owner: Owner,
    /// What the key is for, in your own words
    #[arg(long)]
    name: String,
    /// What the key may do; when left out everything a portal needs, which is all but audit. May be
    /// repeated
    #[arg(long = "scope", value_parser = PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)))]
    scopes: Vec<String>,
}

/// Whose a key is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Owner {
    /// The fiscal code of the creditor whose data the key opens
    #[arg(long, value_name = "FISCAL_CODE")]
    creditor: Option<String>,
    /// The fiscal code of the operator: the key opens the data of every creditor it works for, and
    /// each request names one in the header Pagomensa-Creditor
    #[arg(long, value_name = "FISCAL_CODE")]
    operator: Option<String>,
}

/// Which key to revoke.
#[derive(Debug, Args)]
pub struct Revocation {
    #[command(flatten)]
    reported: Reported,
    /// The public part: the sixteen digits after pm_
    prefix: String,
}

pub(super) async fn run(command: Keys) -> Outcome {
    match command {
        Keys::Create(new) => make(new).await,
        Keys::List(reported) => list(&reported).await,
        Keys::Revoke(revocation) => revoke(&revocation).await,
    }
}

async fn make(new: New) -> Outcome {
    let config = new.reported.configured.load()?;
    let register = config.register()?;
    let (role, text) = match (&new.owner.creditor, &new.owner.operator) {
        (Some(code), _) => (Role::Creditor, code.as_str()),
        (None, code) => (Role::Operator, code.as_deref().unwrap_or_default()),
    };
    let owner = CreditorCode::parse(text)?;
    let is_known = match role {
        Role::Creditor => register.get(&owner).is_some(),
        Role::Operator => register.operator(&owner).is_some(),
    };
    if !is_known {
        return Err(format!("the configuration has no {} {owner}", role.as_str()).into());
    }
    let scopes: Vec<Scope> = if new.scopes.is_empty() {
        Scope::USUAL.to_vec()
    } else {
        new.scopes.iter().filter_map(|s| Scope::parse(s)).collect()
    };
    let store = Store::open(&config.database).await?;
    match store.schema().await? {
        // The first verb of an installation may make its database; nobody serves on it yet.
        Schema::None => store.migrate().await?,
        schema => must_be_current(schema)?,
    }
    let wanted = NewKey {
        creditor: &owner,
        name: &new.name,
        scopes: &scopes,
    };
    let now = Clock::System.now();
    let key = create_as(role, &store, &Ids::default(), &wanted, now).await?;
    answer(
        new.reported.json,
        &json!({ "key": key, role.as_str(): owner.as_str() }),
        std::slice::from_ref(&key),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn list(reported: &Reported) -> Outcome {
    let (_, store) = open(&reported.configured).await?;
    let mut conn = store.read().await?;
    let rows = keys::list(&mut conn).await?;
    let values: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "prefix": row.prefix,
                row.role.as_str(): row.creditor.as_str(),
                "name": row.name,
                "scopes": row.scopes.split(' ').collect::<Vec<_>>(),
                "created_at": row.created_at.to_string(),
                "revoked_at": row.revoked_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let state = row
                .revoked_at
                .map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"));
            format!(
                "pm_{}  {} {}  {}  {}  [{}]",
                row.prefix,
                row.role.as_str(),
                row.creditor,
                state,
                row.name,
                row.scopes
            )
        })
        .collect();
    let lines = if lines.is_empty() {
        vec!["There are no keys. Make one with: pagomensa keys create".to_owned()]
    } else {
        lines
    };
    answer(reported.json, &json!(values), &lines)?;
    Ok(ExitCode::SUCCESS)
}

async fn revoke(revocation: &Revocation) -> Outcome {
    let (_, store) = open(&revocation.reported.configured).await?;
    let prefix = revocation.prefix.trim_start_matches("pm_");
    let prefix = prefix.split('_').next().unwrap_or_default();
    let mut tx = store.write().await?;
    let revoked = keys::revoke(&mut tx, prefix, Clock::System.now()).await?;
    tx.commit().await?;
    let line = if revoked {
        format!("The key pm_{prefix}_… is revoked.")
    } else {
        format!("There is no active key pm_{prefix}_….")
    };
    answer(
        revocation.reported.json,
        &json!({ "prefix": prefix, "revoked": revoked }),
        &[line],
    )?;
    Ok(if revoked {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
