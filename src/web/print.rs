//! Papers on their way to a browser. Who prints them is handed in: rails know how, and the web knows
//! no rail.

use std::fmt::Debug;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::desk::payments::Proof;
use crate::domain::creditor::Creditor;
use crate::domain::debt::Debt;
use crate::domain::print::Language;
use crate::wire::digest::sha256;

/// Why nothing was printed: a defect of ours, for the log.
pub type PrintError = Box<dyn std::error::Error + Send + Sync>;

/// Prints papers as PDF. It takes a few milliseconds of the processor and waits for nothing.
pub trait Printer: Debug + Send + Sync {
    /// The payment notice of a debt.
    ///
    /// # Errors
    /// [`PrintError`]: never because of what is printed.
    fn notice(
        &self,
        creditor: &Creditor,
        debt: &Debt,
        language: Language,
    ) -> Result<Vec<u8>, PrintError>;

    /// The receipt of a payment.
    ///
    /// # Errors
    /// [`PrintError`]: never because of what is printed.
    fn receipt(&self, creditor: &Creditor, proof: &Proof) -> Result<Vec<u8>, PrintError>;
}

/// Prints beside the tasks that answer requests, and answers with the paper.
///
/// # Errors
/// 500 when nothing was printed; the reason is in the log.
pub(super) async fn print(
    printer: &Arc<dyn Printer>,
    headers: &HeaderMap,
    name: &str,
    paper: impl FnOnce(&dyn Printer) -> Result<Vec<u8>, PrintError> + Send + 'static,
) -> Result<Response, Problem> {
    let printer = printer.clone();
    let printed = tokio::task::spawn_blocking(move || paper(printer.as_ref())).await;
    let bytes = match printed {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(Problem::unprinted(error.as_ref())),
        Err(error) => return Err(Problem::unprinted(&error)),
    };
    Ok(respond(headers, name, bytes))
}

/// A paper holds a family's data: only its own browser may keep it, and asks each time whether it
/// is still the same.
fn respond(headers: &HeaderMap, name: &str, bytes: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", sha256(&bytes));
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    let kept = [
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
        (header::ETAG, value(&tag)),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let disposition = format!("inline; filename=\"{name}.pdf\"");
    let paper = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/pdf"),
        ),
        (header::CONTENT_DISPOSITION, value(&disposition)),
    ];
    (kept, paper, bytes).into_response()
}
