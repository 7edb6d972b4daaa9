//! The demo's secrets: made on the first start, kept with its data, read by nobody else.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::clock::{Clock, Ids};
use crate::desk::Desk;
use crate::desk::keys::{NewKey, Role, Scope, create, create_as};
use crate::wire::digest::hex;

/// The portals' keys by creditor: those of an earlier start while the database knows them, else new
/// ones.
pub(super) async fn portal_keys(
    data: &Path,
    desk: &Desk,
) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let file = data.join("portal-keys.json");
    let mut keys: BTreeMap<String, String> = fs::read_to_string(&file)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    for creditor in desk.register().iter() {
        let known = match keys.get(creditor.code.as_str()) {
            Some(key) => desk.access(key).await?.is_some(),
            None => false,
        };
        if !known {
            let new = NewKey {
                creditor: &creditor.code,
                name: "demo portal",
                scopes: &Scope::USUAL,
            };
            let key = create(desk.store(), desk.ids(), &new, Clock::System.now()).await?;
            keys.insert(creditor.code.to_string(), key);
        }
    }
    write(&file, &serde_json::to_string_pretty(&keys)?)?;
    Ok(keys)
}

/// The operator's key, with every scope, kept in `operator.key`: for the commands that look into the
/// journal. Empty when the demo has no operator.
pub(super) async fn operator_key(data: &Path, desk: &Desk) -> Result<String, Box<dyn Error>> {
    let Some(operator) = desk.register().operators().next() else {
        return Ok(String::new());
    };
    let file = data.join("operator.key");
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if desk.access(kept.trim()).await?.is_some() {
        return Ok(kept.trim().to_owned());
    }
    let new = NewKey {
        creditor: &operator.code,
        name: "demo operator",
        scopes: &Scope::ALL,
    };
    let now = Clock::System.now();
    let key = create_as(Role::Operator, desk.store(), desk.ids(), &new, now).await?;
    write(&file, &key)?;
    Ok(key)
}

/// A secret the gateway and the simulated world share, kept in a file of that name: the ledger's
/// token, or the key of pagoPA's services.
pub(super) fn secret(data: &Path, name: &str) -> Result<String, Box<dyn Error>> {
    let file = data.join(name);
    if let Ok(secret) = fs::read_to_string(&file)
        && !secret.trim().is_empty()
    {
        return Ok(secret.trim().to_owned());
    }
    let secret = hex(&Ids::default().secret::<24>());
    write(&file, &secret)?;
    Ok(secret)
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}
