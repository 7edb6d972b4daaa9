//! What all pages have around them, and how a page becomes an answer.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::failure::Failure;
use super::tongue::Tongue;
use super::visit::Visit;
use super::{assets, words::Words};
use crate::web::problem::ForPeople;

/// What a page's template needs of its surroundings.
#[derive(Debug)]
pub(super) struct Frame {
    pub tongue: Tongue,
    pub words: &'static Words,
    /// The creditor's name; empty where no creditor is known.
    pub creditor: String,
    pub assets: &'static str,
    /// The page in each language.
    pub languages: Vec<Language>,
    /// The way back to the portal.
    pub back: Option<String>,
    /// Where the state of the notice is told, when the page waits for it.
    pub events: Option<String>,
}

/// An item of the switch.
#[derive(Debug)]
pub(super) struct Language {
    pub tag: &'static str,
    pub name: &'static str,
    pub address: String,
    pub is_current: bool,
}

impl Frame {
    pub(super) fn new(visit: &Visit, creditor: &str) -> Frame {
        let languages = Tongue::ALL.map(|tongue| Language {
            tag: tongue.tag(),
            name: tongue.name(),
            address: visit.translated(tongue),
            is_current: tongue == visit.tongue,
        });
        Frame {
            tongue: visit.tongue,
            words: visit.tongue.words(),
            creditor: creditor.to_owned(),
            assets: assets::folder(),
            languages: languages.into(),
            back: visit.back.clone(),
            events: None,
        }
    }
}

/// Marks a page whose form may lead to another host: to its origin and to https in general.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeadsAway;

/// A page as an answer.
pub(super) fn page(status: StatusCode, tongue: Tongue, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let mut response = (status, Html(text)).into_response();
            response.headers_mut().insert(
                header::CONTENT_LANGUAGE,
                HeaderValue::from_static(tongue.tag()),
            );
            response.extensions_mut().insert(ForPeople);
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be drawn");
            Failure::Unavailable.into_response()
        }
    }
}

/// Goes on to another address with a GET.
pub(super) fn see_other(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
