//! The node for people: its queue, and buttons that move its clock, probe a station, change its
//! certificate.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::api::{self, ADVANCE_MAX_S, ReceiptsQuery};
use super::store::Delivery;
use super::{certificate, queue};
use crate::clock;
use crate::config::Creditor;
use crate::problem::Problem;
use crate::psp::{self, grouped};
use crate::town::{Shared, Town};
use crate::web::extract::{self, Params};
use crate::web::page::{Failure, Step, render};

/// Most rows of the table.
const ROWS_MAX: i64 = 200;

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage<'a> {
    step: Step,
    message: Option<Message>,
    /// Name of the certificate in use; none in plain HTTP.
    certificate: Option<String>,
    creditors: &'a [Creditor],
    now: String,
    is_ahead: bool,
    state: String,
    counts: Vec<(&'static str, i64)>,
    rows: Vec<Row>,
    is_cut: bool,
}

/// What the last button led to.
struct Message {
    is_good: bool,
    text: String,
}

struct Row {
    id: i64,
    receipt_id: String,
    notice_number: String,
    recipient: String,
    is_copy: bool,
    state: String,
    is_good: bool,
    is_bad: bool,
    can_requeue: bool,
    attempts: i64,
    next_try: Option<String>,
    error: Option<String>,
}

/// `GET /node?state=`
pub(super) async fn show(
    State(town): State<Shared>,
    query: Result<Params<ReceiptsQuery>, Problem>,
) -> Result<Response, Failure> {
    let Params(query) = query?;
    page(&town, StatusCode::OK, query, None).await
}

async fn page(
    town: &Town,
    status: StatusCode,
    query: ReceiptsQuery,
    message: Option<Message>,
) -> Result<Response, Failure> {
    let found = town.database.deliveries(&query.filter()?, ROWS_MAX).await?;
    let counts = town.database.delivery_counts().await?;
    let count = |state: &str| {
        let counted = counts.iter().find(|(name, _)| name == state);
        counted.map_or(0, |(_, count)| *count)
    };
    let page = NodePage {
        step: Step::Home,
        now: clock::italian_moment(town.clock.now()),
        is_ahead: town.clock.ahead_s() > 0,
        state: query.state,
        counts: vec![
            ("In attesa", count("PENDING")),
            ("Consegnate", count("NOTIFIED")),
            ("Sospese", count("SUSPENDED")),
        ],
        message,
        certificate: town.node.identity(),
        creditors: &town.config.creditors,
        is_cut: i64::try_from(found.len()).unwrap_or(i64::MAX) >= ROWS_MAX,
        rows: found.into_iter().map(|owed| row(town, owed)).collect(),
    };
    Ok(render(status, &page))
}

fn row(town: &Town, owed: Delivery) -> Row {
    let creditor = town.config.creditor(&owed.recipient);
    let is_refused = owed.outcome.as_deref() == Some("KO");
    let state = match owed.state.as_str() {
        "NOTIFIED" if is_refused => "Consegnata, rifiutata dall’ente".to_owned(),
        "NOTIFIED" => "Consegnata".to_owned(),
        "SUSPENDED" => "Sospesa".to_owned(),
        _ if owed.held_for > 0 => format!("Trattenuta: prima ne passano {}", owed.held_for),
        _ => "In attesa".to_owned(),
    };
    let moment = |ms| {
        let at = Timestamp::from_millisecond(ms).ok()?;
        Some(clock::italian_moment(town.clock.local(at)))
    };
    Row {
        id: owed.id,
        is_copy: owed.recipient != owed.creditor,
        recipient: creditor.map_or(owed.recipient, |creditor| creditor.name.clone()),
        receipt_id: owed.receipt_id,
        notice_number: grouped(&owed.notice_number),
        is_good: owed.state == "NOTIFIED" && !is_refused,
        is_bad: is_refused || owed.state == "SUSPENDED",
        can_requeue: owed.state != "NOTIFIED",
        attempts: owed.attempts,
        next_try: owed.next_try_ms.and_then(moment),
        error: owed.fault_code.or(owed.last_error),
        state,
    }
}

/// What a button of the page asks for: one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    advance_s: i64,
    requeue: Option<i64>,
    probe: Option<String>,
    certificate: Option<String>,
}

/// `POST /node`: the page's buttons; back to the page when all is done.
pub(super) async fn act(State(town): State<Shared>, request: Request) -> Result<Response, Failure> {
    let fields = extract::form::<Fields>(request, &town).await?;
    if let Some(id) = fields.requeue {
        queue::requeue(&town, id).await?;
    }
    let seconds = fields.advance_s.clamp(0, ADVANCE_MAX_S);
    if seconds > 0 {
        queue::advance(&town, seconds).await?;
    }
    if let Some(name) = fields.certificate
        && let Err(problem) = certificate::switch(&town, &name).await
    {
        let message = Message {
            is_good: false,
            text: format!("Il certificato non cambia: {}.", problem.detail),
        };
        return page(
            &town,
            problem.status,
            ReceiptsQuery::default(),
            Some(message),
        )
        .await;
    }
    let probed = fields.probe.as_deref();
    if let Some(creditor) = probed.and_then(|code| town.config.creditor(code)) {
        let is_well = api::is_available(&psp::probe(&town, creditor).await);
        let message = Message {
            is_good: is_well,
            text: if is_well {
                format!("La stazione di {} risponde come deve.", creditor.name)
            } else {
                format!("La stazione di {} non risponde come deve.", creditor.name)
            },
        };
        return page(
            &town,
            StatusCode::OK,
            ReceiptsQuery::default(),
            Some(message),
        )
        .await;
    }
    Ok(Redirect::to("/node").into_response())
}
