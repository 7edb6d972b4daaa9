//! The portal's pages: the form, what becomes of it, and the notice.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::form::{AMOUNTS_CENTS, FormErrors, TopUp};
use super::gateway::Answer;
use super::notice::{Notice, is_id};
use crate::clock::italian_day;
use crate::config::Creditor;
use crate::money::euro;
use crate::outbound::CallError;
use crate::psp::grouped;
use crate::town::{Shared, Town};
use crate::web::extract;
use crate::web::page::{Failure, Step, render};

/// How many of the notices made here the form lists.
const RECENT_MAX: i64 = 5;

const NO_ANSWER: &str = "Il servizio dei pagamenti non risponde. Riprova tra poco.";
const NO_KEY: &str = "Il servizio dei pagamenti non riconosce questo portale.";

#[derive(Template)]
#[template(path = "portal.html")]
struct FormPage<'a> {
    step: Step,
    creditors: &'a [Creditor],
    fields: TopUp,
    child_inputs: Vec<Input>,
    payer_inputs: Vec<Input>,
    amounts: Vec<AmountChoice>,
    errors: FormErrors,
    recent: Vec<RecentNotice>,
}

/// One text input with what stands beside it.
struct Input {
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    value: String,
    error: Option<String>,
}

struct AmountChoice {
    cents: String,
    label: String,
    is_chosen: bool,
}

struct RecentNotice {
    address: String,
    number: String,
    child_name: String,
    amount: String,
}

/// `GET /portal`
pub(super) async fn form(State(town): State<Shared>) -> Result<Response, Failure> {
    let creditor = town.config.creditors.first();
    let creditor = creditor.map_or("", |creditor| creditor.fiscal_code.as_str());
    let fields = TopUp::of_the_demo_family(creditor);
    show_form(&town, StatusCode::OK, fields, FormErrors::default()).await
}

async fn show_form(
    town: &Town,
    status: StatusCode,
    fields: TopUp,
    errors: FormErrors,
) -> Result<Response, Failure> {
    let recent = town.database.recent_notices(RECENT_MAX).await?;
    let input = |id, label, hint, value: &String| Input {
        id,
        label,
        hint,
        kind: if id == "payer_email" { "email" } else { "text" },
        autocomplete: match id {
            "payer_name" => "name",
            "payer_email" => "email",
            _ => "off",
        },
        value: value.clone(),
        error: errors.beside(id).map(str::to_owned),
    };
    let page = FormPage {
        step: Step::TopUp,
        creditors: &town.config.creditors,
        child_inputs: vec![
            input(
                "child_code",
                "Codice",
                "Il codice assegnato dalla mensa",
                &fields.child_code,
            ),
            input("child_name", "Nome e cognome", "", &fields.child_name),
            input(
                "child_fiscal_code",
                "Codice fiscale",
                "",
                &fields.child_fiscal_code,
            ),
        ],
        payer_inputs: vec![
            input("payer_name", "Nome e cognome", "", &fields.payer_name),
            input(
                "payer_fiscal_code",
                "Codice fiscale",
                "",
                &fields.payer_fiscal_code,
            ),
            input(
                "payer_email",
                "E-mail",
                "Per le comunicazioni sul pagamento",
                &fields.payer_email,
            ),
        ],
        amounts: AMOUNTS_CENTS
            .into_iter()
            .map(|cents| AmountChoice {
                cents: cents.to_string(),
                label: format!("{} €", cents / 100),
                is_chosen: fields.amount_cents == cents.to_string(),
            })
            .collect(),
        fields,
        errors,
        recent: recent
            .into_iter()
            .map(|made| RecentNotice {
                address: address(&made.creditor, &made.id),
                number: grouped(&made.notice_number),
                child_name: made.child_name,
                amount: euro(made.amount_cents),
            })
            .collect(),
    };
    Ok(render(status, &page))
}

/// `POST /portal/top-ups`
pub(super) async fn create(
    State(town): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let fields: TopUp = extract::form(request, &town).await?;
    let fields = fields.tidied();
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(creditor) = town.config.creditor(&fields.creditor) else {
        let errors = FormErrors::field("creditor", "Scegli l’ente a cui pagare.");
        return show_form(&town, unprocessable, fields, errors).await;
    };
    let Some(notice) = fields.notice(town.clock.today()) else {
        let errors = FormErrors::field("amount_cents", "Scegli uno degli importi proposti.");
        return show_form(&town, unprocessable, fields, errors).await;
    };
    let key = Uuid::now_v7().to_string();
    match town.gateway.create_notice(creditor, &key, &notice).await {
        Ok(Answer::Done(value)) => match Notice::read(&value) {
            Some(mut notice) => {
                notice.child_code.clone_from(&fields.child_code);
                notice.child_name.clone_from(&fields.child_name);
                let (code, now) = (&creditor.fiscal_code, town.clock.instant());
                town.database.remember_notice(code, &notice, now).await?;
                Ok(Redirect::to(&address(code, &notice.id)).into_response())
            }
            None => Err(unreadable()),
        },
        Ok(Answer::Refused(401 | 403, _)) => {
            show_form(
                &town,
                StatusCode::BAD_GATEWAY,
                fields,
                FormErrors::other(NO_KEY),
            )
            .await
        }
        Ok(Answer::Refused(status, refusal)) => {
            let (is_ours, conflicts) = ((400..500).contains(&status), status == 409);
            let status = if is_ours {
                unprocessable
            } else {
                StatusCode::BAD_GATEWAY
            };
            let errors = FormErrors::of(&refusal);
            show_form(&town, status, fields.after_refusal(conflicts), errors).await
        }
        Err(error) => {
            log(&error);
            show_form(
                &town,
                StatusCode::BAD_GATEWAY,
                fields,
                FormErrors::other(NO_ANSWER),
            )
            .await
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    step: Step,
    number: String,
    counter: String,
    amount: String,
    creditor: String,
    fiscal_code: String,
    state: String,
    is_open: bool,
    is_paid: bool,
    description: String,
    due_on: Option<String>,
    child: String,
}

/// `GET /portal/notices/{creditor}/{id}`
pub(super) async fn notice(
    State(town): State<Shared>,
    Path((creditor, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let creditor = town.config.creditor(&creditor).filter(|_| is_id(&id));
    let creditor = creditor.ok_or_else(Failure::not_found)?;
    let answer = town.gateway.notice(creditor, &id).await.map_err(|error| {
        log(&error);
        Failure::new(
            StatusCode::BAD_GATEWAY,
            "Servizio non disponibile",
            NO_ANSWER,
        )
    })?;
    let value = match answer {
        Answer::Done(value) => value,
        Answer::Refused(404, _) => return Err(Failure::not_found()),
        Answer::Refused(401 | 403, _) => {
            return Err(Failure::new(
                StatusCode::BAD_GATEWAY,
                "Accesso rifiutato",
                NO_KEY,
            ));
        }
        Answer::Refused(status, _) => {
            let text = format!("Il servizio dei pagamenti ha risposto con un errore ({status}).");
            return Err(Failure::new(
                StatusCode::BAD_GATEWAY,
                "Avviso non disponibile",
                text,
            ));
        }
    };
    let notice = Notice::read(&value).ok_or_else(unreadable)?;
    let fiscal_code = &creditor.fiscal_code;
    let is_paid = notice.state == "paid";
    let page = NoticePage {
        step: if is_paid { Step::Balance } else { Step::Pay },
        number: grouped(&notice.notice_number),
        counter: format!(
            "/psp?notice_number={}&fiscal_code={fiscal_code}",
            notice
                .notice_number
                .chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        ),
        amount: euro(notice.amount_cents),
        creditor: creditor.name.clone(),
        fiscal_code: fiscal_code.clone(),
        is_open: notice.state == "open",
        is_paid,
        state: state_in_italian(&notice.state).to_owned(),
        description: notice.description,
        due_on: notice.due_on.map(italian_day),
        child: notice.child_code,
    };
    Ok(render(StatusCode::OK, &page))
}

fn address(creditor: &str, id: &str) -> String {
    format!("/portal/notices/{creditor}/{id}")
}

fn unreadable() -> Failure {
    let text = "Il servizio dei pagamenti ha risposto in un modo che il portale non capisce.";
    Failure::new(StatusCode::BAD_GATEWAY, "Risposta non valida", text)
}

fn log(error: &CallError) {
    tracing::warn!(%error, "the portal could not reach the gateway");
}

fn state_in_italian(state: &str) -> &str {
    match state {
        "open" => "Da pagare",
        "paid" => "Pagato",
        "cancelled" => "Annullato",
        "expired" => "Scaduto",
        other => other,
    }
}
