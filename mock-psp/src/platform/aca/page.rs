//! The archive for people: the positions, the last changed first.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::PositionsQuery;
use super::store::{AcaState, Position};
use crate::clock;
use crate::money::euro;
use crate::problem::Problem;
use crate::psp::grouped;
use crate::town::{Shared, Town};
use crate::web::extract::Params;
use crate::web::page::{Failure, Step, render};

/// Most rows of the table.
const ROWS_MAX: i64 = 200;

#[derive(Template)]
#[template(path = "aca.html")]
struct AcaPage {
    step: Step,
    query: PositionsQuery,
    rows: Vec<Row>,
    is_cut: bool,
}

struct Row {
    number: String,
    creditor: String,
    amount: String,
    state: &'static str,
    is_payable: bool,
    debtor: String,
    description: String,
    expires: String,
    calls: i64,
}

/// `GET /aca?fiscal_code=&nav=`
pub(in crate::platform) async fn show(
    State(town): State<Shared>,
    query: Result<Params<PositionsQuery>, Problem>,
) -> Result<Response, Failure> {
    let Params(query) = query?;
    let nav: String = query.nav.split_whitespace().collect();
    let now = town.clock.now();
    let found = town
        .database
        .positions(query.fiscal_code.trim(), &nav, now, ROWS_MAX)
        .await?;
    let page = AcaPage {
        step: Step::Home,
        query,
        is_cut: i64::try_from(found.len()).unwrap_or(i64::MAX) >= ROWS_MAX,
        rows: found.into_iter().map(|found| row(&town, found)).collect(),
    };
    Ok(render(StatusCode::OK, &page))
}

fn row(town: &Town, position: Position) -> Row {
    let creditor = town.config.creditor(&position.creditor);
    let expires = position.expires_at.parse();
    Row {
        number: grouped(&position.nav),
        creditor: creditor.map_or(position.creditor, |creditor| creditor.name.clone()),
        amount: euro(position.amount_cents),
        state: match position.state {
            AcaState::Valid if position.pay_stand_in => "Pagabile",
            AcaState::Valid => "Valida, non pagabile in stand-in",
            AcaState::Expired => "Scaduta",
            AcaState::Invalid => "Chiusa dall’ente",
            AcaState::Paid => "Pagata in stand-in",
        },
        is_payable: position.state == AcaState::Valid && position.pay_stand_in,
        debtor: position.entity_full_name,
        description: position.description,
        expires: expires.map_or(position.expires_at, clock::italian_moment),
        calls: position.calls,
    }
}
