//! The ledger as people see it: balances first, then the movements.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::api::ChildQuery;
use super::entry;
use super::store::{Balance, Booked};
use crate::clock;
use crate::money::euro;
use crate::town::{Shared, Town};
use crate::web::extract::Params;
use crate::web::page::{Failure, Step, render};

/// Most rows of each table.
const ROWS_MAX: i64 = 200;

#[derive(Template)]
#[template(path = "ledger.html")]
struct Page {
    step: Step,
    child: String,
    balances: Vec<BalanceRow>,
    movements: Vec<MovementRow>,
    is_cut: bool,
}

struct BalanceRow {
    child: String,
    creditor: String,
    service: String,
    balance: String,
    is_negative: bool,
}

struct MovementRow {
    paid_at: String,
    child: String,
    kind: String,
    channel: String,
    amount: String,
    is_negative: bool,
    reference: String,
}

/// `GET /ledger?child=`
pub(super) async fn show(
    State(town): State<Shared>,
    query: Result<Params<ChildQuery>, crate::problem::Problem>,
) -> Result<Response, Failure> {
    let Params(query) = query?;
    let child = query.child.trim();
    let balances = town.database.balances(child, ROWS_MAX).await?;
    let movements = town.database.latest(child, ROWS_MAX).await?;
    let page = Page {
        step: if balances.is_empty() {
            Step::Ledger
        } else {
            Step::Balance
        },
        child: child.to_owned(),
        is_cut: i64::try_from(movements.len()).unwrap_or(i64::MAX) >= ROWS_MAX,
        balances: balances
            .into_iter()
            .map(|balance| balance_row(&town, balance))
            .collect(),
        movements: movements
            .into_iter()
            .map(|booked| movement_row(&town, booked))
            .collect(),
    };
    Ok(render(StatusCode::OK, &page))
}

fn balance_row(town: &Town, balance: Balance) -> BalanceRow {
    let creditor = town.config.creditor(&balance.creditor);
    BalanceRow {
        creditor: creditor.map_or(balance.creditor, |creditor| creditor.name.clone()),
        child: balance.child,
        service: balance.service,
        balance: euro(balance.balance_cents),
        is_negative: balance.balance_cents < 0,
    }
}

fn movement_row(town: &Town, booked: Booked) -> MovementRow {
    let entry = booked.entry;
    let paid_at = entry::instant(&entry.paid_at);
    MovementRow {
        paid_at: paid_at.map_or(entry.paid_at, |at| {
            clock::italian_moment(town.clock.local(at))
        }),
        child: entry.child,
        kind: kind_in_italian(&entry.kind).to_owned(),
        channel: channel_in_italian(&entry.channel).to_owned(),
        amount: euro(entry.amount_cents),
        is_negative: entry.amount_cents < 0,
        reference: entry.reference,
    }
}

fn kind_in_italian(kind: &str) -> &str {
    match kind {
        "credit" => "Accredito",
        "fee" => "Commissione",
        "reversal" => "Storno",
        other => other,
    }
}

fn channel_in_italian(channel: &str) -> &str {
    match channel {
        "pagopa" => "pagoPA",
        "sdd" => "Addebito diretto",
        "mav" => "MAV",
        "cash" => "Contanti",
        "pos" => "POS",
        "voucher" => "Buono",
        other => other,
    }
}
