//! The messages for people, the newest first.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::message::Message;
use crate::clock;
use crate::town::Shared;
use crate::web::page::{Failure, Step, render};

/// Most rows of the table.
const ROWS_MAX: i64 = 200;

#[derive(Template)]
#[template(path = "mails.html")]
struct Mails {
    step: Step,
    rows: Vec<Row>,
}

struct Row {
    id: i64,
    recipient: String,
    subject: String,
    received: String,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Shown {
    step: Step,
    recipient: String,
    received: String,
    message: Message,
}

/// `GET /mail`
pub(super) async fn list(State(town): State<Shared>) -> Result<Response, Failure> {
    let found = town.database.mails("", ROWS_MAX).await?;
    let rows = found.into_iter().map(|kept| Row {
        id: kept.id,
        subject: Message::read(&kept.raw).subject,
        received: moment(kept.received_at),
        recipient: kept.recipient,
    });
    let page = Mails {
        step: Step::Home,
        rows: rows.collect(),
    };
    Ok(render(StatusCode::OK, &page))
}

/// `GET /mail/{id}`: its text; the HTML of a stranger is not shown as a page of ours.
pub(super) async fn read(
    State(town): State<Shared>,
    Path(id): Path<i64>,
) -> Result<Response, Failure> {
    let kept = town
        .database
        .mail(id)
        .await?
        .ok_or_else(Failure::not_found)?;
    let page = Shown {
        step: Step::Home,
        message: Message::read(&kept.raw),
        received: moment(kept.received_at),
        recipient: kept.recipient,
    };
    Ok(render(StatusCode::OK, &page))
}

fn moment(text: String) -> String {
    text.parse().map_or(text, clock::italian_moment)
}
