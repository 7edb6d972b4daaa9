//! The node's queue for people, with a button that lets an hour or two days go by.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::api::{ADVANCE_MAX_S, ReceiptsQuery};
use super::queue;
use super::store::Delivery;
use crate::clock;
use crate::problem::Problem;
use crate::psp::grouped;
use crate::town::{Shared, Town};
use crate::web::extract::{self, Params};
use crate::web::page::{Failure, Step, render};

/// Most rows of the table.
const ROWS_MAX: i64 = 200;

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage {
    step: Step,
    now: String,
    is_ahead: bool,
    state: String,
    counts: Vec<(&'static str, i64)>,
    rows: Vec<Row>,
    is_cut: bool,
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
        is_cut: i64::try_from(found.len()).unwrap_or(i64::MAX) >= ROWS_MAX,
        rows: found.into_iter().map(|owed| row(&town, owed)).collect(),
    };
    Ok(render(StatusCode::OK, &page))
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

#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default)]
    advance_s: i64,
    #[serde(default)]
    requeue: Option<i64>,
}

/// `POST /node/advance`: the page's buttons; back to the page when all is done.
pub(super) async fn advance(
    State(town): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let fields = extract::form::<Fields>(request, &town).await?;
    if let Some(id) = fields.requeue {
        queue::requeue(&town, id).await?;
    }
    let seconds = fields.advance_s.clamp(0, ADVANCE_MAX_S);
    if seconds > 0 {
        queue::advance(&town, seconds).await?;
    }
    Ok(Redirect::to("/node").into_response())
}
