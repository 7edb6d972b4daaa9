//! The node's client certificate and its renewal: pagoPA changes it once a year, so a gateway must
//! trust authority and subject, not one certificate.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openssl::x509::{X509, X509NameRef};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::NodeIdentity;
use crate::problem::{FieldError, Problem};
use crate::psp::CERTIFICATE;
use crate::town::{Shared, Town};
use crate::web::extract::JsonBody;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// `next`, `reload`, or the name of a certificate.
    r#use: String,
}

/// `GET /node/certificate`
pub(super) async fn list(State(town): State<Shared>) -> Json<Value> {
    Json(view(&town).await)
}

/// `POST /node/certificate`: `next` goes round the list, `reload` reads the files of the one in use
/// again. What cannot be used changes nothing.
pub(super) async fn change(
    State(town): State<Shared>,
    JsonBody(change): JsonBody<Change>,
) -> Result<Json<Value>, Problem> {
    switch(&town, &change.r#use).await?;
    Ok(Json(view(&town).await))
}

/// Changes the certificate, or reads it again.
pub(super) async fn switch(town: &Town, to: &str) -> Result<(), Problem> {
    let known = town.node.identities();
    let current = town.node.identity();
    let place = known
        .iter()
        .position(|identity| Some(&identity.name) == current.as_ref());
    let Some(place) = place else {
        let detail = "the node calls in plain HTTP and has no certificate";
        return Err(Problem::new(StatusCode::CONFLICT, "no_certificate", detail));
    };
    let chosen = match to {
        "next" => known.iter().cycle().nth(place + 1),
        "reload" => known.get(place),
        name => known.iter().find(|identity| identity.name == name),
    };
    let Some(chosen) = chosen else {
        let message = "must be next, reload or the name of a certificate";
        let error = FieldError::new("use", "unknown", message);
        return Err(Problem::fields(vec![error]));
    };
    town.node.show(chosen).await.map_err(|error| {
        let detail = format!("the certificate {} cannot be used: {error}", chosen.name);
        Problem::new(StatusCode::CONFLICT, "unusable_certificate", detail)
    })?;
    town.database
        .keep_setting(CERTIFICATE, &chosen.name)
        .await?;
    Ok(())
}

async fn view(town: &Town) -> Value {
    let mut certificates = Vec::new();
    for identity in town.node.identities() {
        certificates.push(described(&identity).await);
    }
    json!({"current": town.node.identity(), "certificates": certificates})
}

/// A certificate as its file says it now.
async fn described(identity: &NodeIdentity) -> Value {
    let pem = tokio::fs::read(&identity.client_cert).await;
    let certificate = pem.ok().and_then(|pem| X509::from_pem(&pem).ok());
    let Some(certificate) = certificate else {
        return json!({"name": identity.name, "readable": false});
    };
    let serial = certificate.serial_number().to_bn();
    let serial = serial.and_then(|serial| Ok(serial.to_hex_str()?.to_string()));
    json!({
        "name": identity.name,
        "readable": true,
        "subject": common_name(certificate.subject_name()),
        "issuer": common_name(certificate.issuer_name()),
        "serial": serial.ok(),
        "not_after": certificate.not_after().to_string(),
    })
}

fn common_name(name: &X509NameRef) -> Option<String> {
    let mut names = name.entries_by_nid(openssl::nid::Nid::COMMONNAME);
    let name = names.next()?.data().to_string();
    name.ok()
}
