//! A mail server that keeps what it is sent: SMTP on a port of its own, the messages at `/mail` for
//! people and at `GET /mail/messages` for programs.
//!
//! `POST /mail/trouble {"mode": "down" | "busy" | "refuse" | "lost", "times": n}` makes the next
//! deliveries fail; without `times` all of them do, until the mode is `none`.

mod message;
mod page;
mod smtp;
mod store;
#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem::{FieldError, Problem};
use crate::town::{Shared, Town};
use crate::web::extract::{JsonBody, Params};

pub(crate) use smtp::serve;

/// Name of the setting that holds the trouble.
const SETTING: &str = "mail_trouble";
/// Most messages in one answer.
const MESSAGES_MAX: i64 = 200;

/// How the server misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Not at all.
    #[default]
    None,
    /// It closes every connection at once.
    Down,
    /// It refuses every recipient for now (451).
    Busy,
    /// It refuses every recipient for good (550).
    Refuse,
    /// It keeps the message and breaks off before it says so.
    Lost,
}

/// What shall go wrong, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trouble {
    mode: Mode,
    /// Deliveries that meet it; all of them when left out.
    #[serde(default)]
    times: Option<u32>,
}

impl Town {
    /// What the next delivery meets; one of its times is used up.
    async fn next_mail_trouble(&self) -> Mode {
        let _turn = self.mail_turn.lock().await;
        let trouble: Option<Trouble> = self.database.setting(SETTING).await.unwrap_or_default();
        let Some(trouble) = trouble else {
            return Mode::None;
        };
        match trouble.times {
            None => trouble.mode,
            Some(0) => Mode::None,
            Some(times) => {
                let left = Trouble {
                    times: Some(times - 1),
                    ..trouble
                };
                if let Err(error) = self.database.keep_setting(SETTING, &left).await {
                    tracing::error!(%error, "the mail server's trouble could not be kept");
                }
                trouble.mode
            }
        }
    }
}

/// `/mail`
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/mail", get(page::list))
        .route("/mail/{id}", get(page::read))
        .route("/mail/messages", get(messages).delete(clear))
        .route("/mail/trouble", post(trouble))
}

#[derive(Debug, Deserialize)]
struct MessagesQuery {
    #[serde(default)]
    to: String,
}

/// `GET /mail/messages?to=`: newest first.
async fn messages(
    State(town): State<Shared>,
    query: Result<Params<MessagesQuery>, Problem>,
) -> Result<Json<Value>, Problem> {
    let Params(query) = query?;
    let found = town.database.mails(query.to.trim(), MESSAGES_MAX).await?;
    let data: Vec<Value> = found
        .iter()
        .map(|kept| {
            let read = message::Message::read(&kept.raw);
            json!({
                "id": kept.id,
                "from": kept.sender,
                "to": kept.recipient,
                "message_id": read.id,
                "subject": read.subject,
                "reply_to": read.reply_to,
                "header_from": read.from,
                "text": read.text,
                "html": read.html,
                "attachments": read.files.iter().map(|file| json!({
                    "name": file.name,
                    "type": file.media_type,
                    "bytes": file.bytes.len(),
                })).collect::<Vec<_>>(),
                "received_at": kept.received_at,
            })
        })
        .collect();
    Ok(Json(json!({ "data": data })))
}

/// `DELETE /mail/messages`
async fn clear(State(town): State<Shared>) -> Result<Json<Value>, Problem> {
    town.database.forget_mails().await?;
    Ok(Json(json!({ "data": [] })))
}

/// `POST /mail/trouble`
async fn trouble(
    State(town): State<Shared>,
    JsonBody(trouble): JsonBody<Trouble>,
) -> Result<Json<Trouble>, Problem> {
    if trouble.times == Some(0) {
        let error = FieldError::new("times", "out_of_range", "must be at least 1");
        return Err(Problem::fields(vec![error]));
    }
    let _turn = town.mail_turn.lock().await;
    town.database.keep_setting(SETTING, &trouble).await?;
    Ok(Json(trouble))
}
