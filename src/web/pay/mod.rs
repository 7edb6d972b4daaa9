//! The pages for parents: the payment page of a notice, and the page on which a top-up is chosen.
//!
//! They work without JavaScript and without cookies; with JavaScript the page that waits for a
//! confirmation updates by itself. What a page changes it changes by POST, then it sends the browser on
//! to another page.

mod assets;
mod choice;
mod events;
mod failure;
mod frame;
mod letter;
mod notice;
mod qr;
mod tongue;
mod top_up;
mod visit;
mod words;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use tower_http::csrf::CsrfLayer;

use super::Web;

/// What the pages need besides the desk.
#[derive(Debug, Clone)]
pub struct Pay {
    /// Hours for which a link to choose a top-up works.
    pub top_up_hours: i64,
    /// Whether mails are delivered, so that a notice can be sent by one.
    pub has_mail: bool,
}

/// The routes; none but the assets when there is no key for links.
pub(super) fn router(web: Web) -> Router {
    if web.links.signer().is_none() {
        return Router::new();
    }
    let pages = Router::new()
        .route("/pay/{token}", get(notice::show))
        .route("/pay/{token}/events", get(events::events))
        .route("/pay/{token}/notice", get(notice::notice))
        .route("/pay/{token}/notice.pdf", get(notice::notice_pdf))
        .route("/pay/{token}/receipt.pdf", get(notice::receipt_pdf))
        .route("/pay/{token}/checkout", post(notice::checkout))
        .route("/pay/{token}/mail", post(notice::mail))
        .route(
            "/pay/{token}/delete",
            get(notice::ask_delete).post(notice::delete),
        )
        .route("/top-up/{token}", get(top_up::show).post(top_up::choose))
        .layer(CsrfLayer::new())
        .layer(from_fn(failure::dress))
        .with_state(web);
    pages.merge(assets::router())
}
