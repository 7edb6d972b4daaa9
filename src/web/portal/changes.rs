//! What happens to a notice after it was created: changed, or settled off the rails.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::common::{Denied, Repeatable, Speaker, WrongBody};
use super::notices::{print, respond};
use super::request::{self, WORD};
use super::schema::{Notice, NoticeChange, ProblemBody, SettledElsewhere};
use super::shares;
use crate::desk::DeskError;
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::domain::creditor::{Creditor, Register};
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Change, Debt, Elsewhere, Means};
use crate::domain::ids::DebtId;
use crate::domain::privacy;
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::fields::Form;
use crate::web::problem::Problem;
use crate::web::wrong::Wrong;
use crate::wire::digest::sha256;

/// How often a change is judged again because somebody else was faster.
const TRIES: u32 = 5;

/// Change an open notice
///
/// The next verify and the next get of the node hear the new data. The same change again changes
/// nothing.
#[utoipa::path(
    patch,
    path = "/notices/{id}",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        Speaker,
    ),
    request_body = NoticeChange,
    responses(
        (status = 200, description = "The notice, changed", body = Notice),
        Denied,
        WrongBody,
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is paid, cancelled or expired", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let id = DebtId::parse(&id).ok_or_else(Problem::not_found)?;
    let json = web.json(&headers, body).await?;
    let now = web.clock.now();
    let today = now.day_in_rome();
    let mut tries = 0;
    let debt = loop {
        tries += 1;
        // What is right of a change depends on what is changed: judged on the very row, or again.
        let debt = web.desk.debt(&creditor.code, &id).await?;
        let change = read_change(&json.value, &creditor, web.desk.register(), &debt, today)?;
        match web.desk.change_debt(&debt, &change, now).await {
            Err(DeskError::Store(error)) if error.is_contention() && tries < TRIES => {}
            done => break done?,
        }
    };
    Ok(respond(Answer {
        http_status: 200,
        body: print(&debt, today, &web.links),
    }))
}

fn read_change(
    value: &Value,
    creditor: &Creditor,
    register: &Register,
    debt: &Debt,
    today: Day,
) -> Result<Change, Problem> {
    let order = &debt.order;
    let mut form = Form::default();
    let mut root = form.root(value);
    let service = creditor.services.get(&order.service);
    let amount = if root.has("amount_cents") {
        request::amount(&mut form, &mut root, service, Some(order.amount))
    } else {
        root.skip("amount_cents");
        None
    };
    if order.invoice.is_some() && amount.is_some_and(|amount| amount != order.amount) {
        form.wrong(root.name("amount_cents"), Wrong::Sum);
    }
    let total = amount.unwrap_or(order.amount);
    let shares = shares::shares(&mut form, &mut root, register, Some(total));
    let is_split = !order.shares.as_slice().is_empty();
    if is_split && total != order.amount && !root.has("transfers") {
        form.wrong(root.name("transfers"), Wrong::Required);
    }
    let due_on = request::due_on(&mut form, &mut root, Some(order.due_on), today);
    if let (Some(due), Some(publish)) = (due_on, order.publish_on)
        && due < publish
    {
        form.wrong(root.name("due_on"), Wrong::BeforePublication);
    }
    let description = root
        .optional_text(&mut form, "description", request::DESCRIPTION)
        .map(str::to_owned);
    let nothing = BTreeMap::new();
    let texts = request::private_texts(description.as_deref(), shares.as_ref(), &nothing);
    for (field, text) in texts {
        if text != order.description && privacy::tells(text, &order.child, &order.payer) {
            form.wrong(field, Wrong::PersonalData);
        }
    }
    root.end(&mut form);
    form.finish()?;
    Ok(Change {
        amount,
        shares,
        due_on,
        description,
    })
}

/// Say that a notice was paid off pagoPA
///
/// The node then hears that it is paid, and nobody can pay it a second time. Nothing is posted to
/// the meal ledger: whoever took the money has told it.
#[utoipa::path(
    post,
    path = "/notices/{id}/paid-elsewhere",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        Repeatable,
        Speaker,
    ),
    request_body = SettledElsewhere,
    responses(
        (status = 200, description = "The notice, paid", body = Notice),
        Denied,
        WrongBody,
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is paid already, or cancelled", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn paid_elsewhere(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let id = DebtId::parse(&id).ok_or_else(Problem::not_found)?;
    let key = idempotency_key(&headers)?;
    let json = web.json(&headers, body).await?;
    let now = web.clock.now();
    let today = now.day_in_rome();
    let elsewhere = read_elsewhere(&json.value, now)?;
    let links = web.links.clone();
    let print = |debt: &Debt| Answer {
        http_status: 200,
        body: print(debt, today, &links),
    };
    let request = format!("POST /notices/{id}/paid-elsewhere {}", json.sha256);
    let request_sha256 = sha256(request.as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let done = web
        .desk
        .settle_debt(&creditor.code, &id, &elsewhere, repeat, now)
        .await?;
    Ok(respond(done.answer(print)))
}

fn read_elsewhere(value: &Value, now: Instant) -> Result<Elsewhere, Problem> {
    let mut form = Form::default();
    let mut root = form.root(value);
    let means = root.parsed(&mut form, "means", WORD, |text| {
        Means::parse(text).ok_or(Wrong::NotOffered)
    });
    let reference = root
        .optional_text(&mut form, "reference", request::EXTERNAL_ID)
        .map(str::to_owned);
    let paid_at = root.parsed(
        &mut form,
        "paid_at",
        WORD,
        |text| match Instant::parse_rfc3339(text) {
            Ok(at) if at > now => Err(Wrong::InTheFuture),
            Ok(at) => Ok(at),
            Err(_) => Err(Wrong::Instant),
        },
    );
    root.end(&mut form);
    form.finish()?;
    match (means, paid_at) {
        (Some(means), Some(paid_at)) => Ok(Elsewhere {
            means,
            reference,
            paid_at,
        }),
        // Reported by finish already.
        _ => Err(Problem::invalid_fields(vec![])),
    }
}
