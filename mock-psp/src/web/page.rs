//! What the pages share: rendering, the step the reader has reached, errors for people, the home.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::problem::Problem;
use crate::town::Shared;

/// Where the reader stands on the way from the top-up to the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before or beside the way.
    Home,
    /// 1: ask for a top-up in the portal.
    TopUp,
    /// 2, without a notice in hand.
    Counter,
    /// 2: pay the notice at the counter.
    Pay,
    /// 3, while there is nothing to see.
    Ledger,
    /// 3: see the balance.
    Balance,
}

impl Step {
    /// The number shown, zero beside the way.
    fn number(self) -> u8 {
        match self {
            Step::Home => 0,
            Step::TopUp => 1,
            Step::Counter | Step::Pay => 2,
            Step::Ledger | Step::Balance => 3,
        }
    }

    /// Whether the reader stands on this step of the list.
    pub(crate) fn is_at(self, number: u8) -> bool {
        self.number() == number
    }

    /// Whether the reader has done this step: coming straight to the counter or to the ledger does
    /// not mean that there was a top-up.
    pub(crate) fn is_past(self, number: u8) -> bool {
        match self {
            Step::Pay | Step::Balance => self.number() > number,
            Step::Home | Step::TopUp | Step::Counter | Step::Ledger => false,
        }
    }

    /// The class of a step of the list.
    pub(crate) fn state_of(self, number: u8) -> &'static str {
        if self.is_at(number) {
            "current"
        } else if self.is_past(number) {
            "done"
        } else {
            "ahead"
        }
    }
}

/// Renders a page; a template that fails is our fault.
pub(crate) fn render(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that says why there is nothing to see.
#[derive(Debug, Template)]
#[template(path = "failure.html")]
pub(crate) struct Failure {
    step: Step,
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Failure {
            step: Step::Home,
            status,
            title,
            text: text.into(),
        }
    }

    /// 404
    pub(crate) fn not_found() -> Self {
        let text = "L’indirizzo non esiste, o non esiste più.";
        Failure::new(StatusCode::NOT_FOUND, "Pagina non trovata", text)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the world's database failed");
        let text = "La memoria del mondo simulato non risponde. Riprova tra poco.";
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Servizio non disponibile",
            text,
        )
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let text = "La richiesta non si può leggere. Torna indietro e riprova.";
        Failure::new(problem.status, "Richiesta non valida", text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        render(self.status, &self)
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    step: Step,
    gateway_web: &'a str,
}

/// `GET /`
pub(crate) async fn home(State(town): State<Shared>) -> Response {
    let page = Home {
        step: Step::Home,
        gateway_web: &town.config.gateway_web,
    };
    render(StatusCode::OK, &page)
}
