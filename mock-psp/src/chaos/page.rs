//! The plan of faults for people: what it can hold, what is left of it, and a form to change it.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{adopt, plan::Plan};
use crate::problem::Problem;
use crate::town::Shared;
use crate::web::extract;
use crate::web::page::{Failure, Step, render};

#[derive(Template)]
#[template(path = "chaos.html")]
struct ChaosPage {
    step: Step,
    plan: String,
    errors: Vec<String>,
}

/// `GET /chaos/guide`
pub(super) async fn show(State(town): State<Shared>) -> Response {
    let plan = town.chaos.plan.lock().await.clone();
    let page = ChaosPage {
        step: Step::Home,
        plan: serde_json::to_string_pretty(&plan).unwrap_or_default(),
        errors: Vec::new(),
    };
    render(StatusCode::OK, &page)
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    plan: String,
    /// Present where the plan shall be taken away.
    clear: Option<String>,
}

/// `POST /chaos/guide`
pub(super) async fn apply(
    State(town): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let fields = extract::form::<Fields>(request, &town).await?;
    let read = match fields.clear {
        Some(_) => Ok(Plan::default()),
        None => extract::json(fields.plan.as_bytes()),
    };
    let adopted = match read {
        Ok(plan) => adopt(&town, plan).await,
        Err(problem) => Err(problem),
    };
    Ok(match adopted {
        Ok(_) => Redirect::to("/chaos/guide").into_response(),
        Err(problem) if problem.status.is_client_error() => {
            let page = ChaosPage {
                step: Step::Home,
                plan: fields.plan,
                errors: sentences(&problem),
            };
            render(problem.status, &page)
        }
        Err(problem) => return Err(problem.into()),
    })
}

/// What is wrong, one line each.
fn sentences(problem: &Problem) -> Vec<String> {
    if problem.errors.is_empty() {
        return vec![problem.detail.clone()];
    }
    let errors = problem.errors.iter();
    errors
        .map(|error| format!("{}: {}", error.field, error.message))
        .collect()
}
