//! Errors of the API: RFC 9457 `application/problem+json` with a stable code.
//!
//! A handler returns a [`Problem`]; the layer [`render`] writes it, in the caller's language and
//! with the request's id, so that there is one place where errors become text.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::language::{Language, Text};
use super::wrong::FieldError;
use crate::desk::DeskError;
use crate::domain::refusal::Refusal;
use crate::store::StoreError;

/// Wrong fields that are reported at once, at most.
const ERRORS: usize = 100;

/// Marks an answer as a page for people, which no problem takes the place of.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForPeople;

/// An error on its way out.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: Text,
    detail: Option<String>,
    errors: Vec<FieldError>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, it: &'static str, en: &'static str) -> Problem {
        Problem {
            status,
            code,
            title: Text { it, en },
            detail: None,
            errors: vec![],
        }
    }

    fn with_detail(self, detail: impl Into<String>) -> Problem {
        Problem {
            detail: Some(detail.into()),
            ..self
        }
    }

    pub(super) fn not_found() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "Non trovato.",
            "Not found.",
        )
    }

    pub(super) fn method_not_allowed() -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Il metodo non è previsto per questo indirizzo.",
            "The method is not offered at this address.",
        )
    }

    pub(super) fn unauthorized() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "La chiave manca, è errata o è stata revocata.",
            "The key is missing, wrong or revoked.",
        )
    }

    pub(super) fn too_many_requests() -> Problem {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "Troppe richieste: riprovare tra poco.",
            "Too many requests: try again shortly.",
        )
    }

    pub(super) fn missing_scope(scope: &str) -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "missing_scope",
            "La chiave non permette questa operazione.",
            "The key does not allow this operation.",
        )
        .with_detail(scope)
    }

    pub(super) fn creditor_required() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "creditor_required",
            "La chiave di un gestore richiede un solo ente, nell'intestazione Pagomensa-Creditor.",
            "An operator's key needs one creditor, in the header Pagomensa-Creditor.",
        )
    }

    pub(super) fn not_operated() -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "creditor_not_operated",
            "La chiave non opera per questo ente.",
            "The key does not work for this creditor.",
        )
    }

    pub(super) fn unknown_creditor() -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "unknown_creditor",
            "L'ente della chiave non è più servito qui.",
            "The creditor of the key is not served here any more.",
        )
    }

    pub(super) fn malformed_json(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            "Il contenuto non è JSON corretto.",
            "The body is not correct JSON.",
        )
        .with_detail(detail)
    }

    pub(super) fn not_json() -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Il contenuto deve essere application/json.",
            "The body must be application/json.",
        )
    }

    pub(super) fn not_a_list() -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Il contenuto deve essere application/json, application/x-ndjson o text/csv.",
            "The body must be application/json, application/x-ndjson or text/csv.",
        )
    }

    pub(super) fn wrong_columns(detail: String) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong_columns",
            "Le colonne della tabella non sono quelle previste.",
            "The columns of the table are not the expected ones.",
        )
        .with_detail(detail)
    }

    pub(super) fn empty_file() -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "empty_file",
            "Il file non contiene righe.",
            "There is no row in the file.",
        )
    }

    pub(super) fn too_many_rows(count: usize) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_rows",
            "Il file ha più di 10.000 righe.",
            "The file has more than 10,000 rows.",
        )
        .with_detail(count.to_string())
    }

    pub(super) fn too_large(limit_kib: usize) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "Il contenuto è troppo grande.",
            "The body is too large.",
        )
        .with_detail(format!("{limit_kib} KiB"))
    }

    pub(super) fn malformed_query() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_query",
            "I parametri dell'indirizzo non sono leggibili.",
            "The query of the address cannot be read.",
        )
    }

    pub(super) fn interrupted() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "incomplete_body",
            "Il contenuto non è arrivato per intero.",
            "The body did not arrive whole.",
        )
    }

    pub(super) fn invalid_key() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_idempotency_key",
            "Idempotency-Key deve avere da 1 a 255 caratteri ASCII visibili.",
            "Idempotency-Key must have 1 to 255 visible ASCII characters.",
        )
    }

    pub(super) fn invalid_fields(mut errors: Vec<FieldError>) -> Problem {
        errors.truncate(ERRORS);
        Problem {
            errors,
            ..Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_fields",
                "Alcuni campi mancano o sono errati.",
                "Some fields are missing or wrong.",
            )
        }
    }

    pub(super) fn not_payable(errors: Vec<FieldError>) -> Problem {
        Problem {
            errors,
            ..Problem::new(
                StatusCode::CONFLICT,
                "not_payable",
                "Alcuni avvisi non si possono pagare adesso.",
                "Some notices cannot be paid now.",
            )
        }
    }

    pub(super) fn payment_in_progress() -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "payment_in_progress",
            "Un pagamento è in corso o si è appena concluso: attendere la ricevuta.",
            "A payment is running or was just made: wait for its receipt.",
        )
    }

    pub(super) fn no_pages() -> Problem {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "no_pages",
            "Le pagine per i genitori non sono attive.",
            "The pages for parents are not enabled here.",
        )
    }

    pub(super) fn checkout_disabled() -> Problem {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "checkout_disabled",
            "Il pagamento con Checkout non è attivo.",
            "Payment at Checkout is not enabled here.",
        )
    }

    pub(super) fn checkout_refused() -> Problem {
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "checkout_refused",
            "Checkout non ha accolto la richiesta: riprovare non serve, avvisare chi gestisce il servizio.",
            "Checkout has not taken the request: do not try again, tell whoever runs the service.",
        )
    }

    pub(super) fn checkout_unavailable() -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "checkout_unavailable",
            "Checkout non è disponibile in questo momento. Riprovare tra poco.",
            "Checkout is not available right now. Try again shortly.",
        )
    }

    fn unavailable() -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Il servizio non è disponibile in questo momento. Riprovare tra poco.",
            "The service is not available right now. Try again shortly.",
        )
    }

    pub(super) fn not_taken() -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "not_paid",
            "Il pagamento non è andato a buon fine.",
            "The money was not taken.",
        )
    }

    /// A paper could not be printed.
    pub(super) fn unprinted(error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error, "a paper could not be printed");
        Problem::internal()
    }

    fn internal() -> Problem {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Si è verificato un errore interno.",
            "An internal error occurred.",
        )
    }

    fn unreadable() -> Problem {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unreadable_record",
            "Il dato registrato non è leggibile: riprovare non serve, avvisare chi gestisce il servizio.",
            "What is stored cannot be read: do not try again, tell whoever runs the service.",
        )
    }

    /// For an answer that some layer made without a body of ours.
    fn of_status(status: StatusCode) -> Problem {
        match status {
            StatusCode::NOT_FOUND => Problem::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(),
            StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(),
            status if status.is_server_error() => Problem::internal(),
            status => Problem {
                status,
                ..Problem::new(
                    status,
                    "bad_request",
                    "La richiesta non è corretta.",
                    "The request is not correct.",
                )
            },
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let conflict = |code, it, en| Problem::new(StatusCode::CONFLICT, code, it, en);
        match refusal {
            Refusal::WrongBroker | Refusal::WrongStation | Refusal::WrongCreditor => {
                Problem::unknown_creditor()
            }
            Refusal::Unknown => Problem::not_found(),
            Refusal::AlreadyPaid => conflict(
                "already_paid",
                "L'avviso è già stato pagato.",
                "The notice is paid already.",
            ),
            Refusal::Cancelled => conflict(
                "cancelled",
                "L'avviso è stato annullato.",
                "The notice was cancelled.",
            ),
            Refusal::Expired => {
                conflict("expired", "L'avviso è scaduto.", "The notice has expired.")
            }
            Refusal::Conflict => conflict(
                "reference_conflict",
                "Il riferimento esiste già con altro contenuto.",
                "The reference exists already with other content.",
            ),
            Refusal::Repeated => conflict(
                "repeated",
                "Il riferimento esiste già.",
                "The reference exists already.",
            ),
            Refusal::Inconsistent | Refusal::UnknownElements => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "inconsistent",
                "I dati non concordano tra loro.",
                "The data do not agree with each other.",
            ),
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Problem {
        match error {
            DeskError::Refused(refusal) => Problem::from(refusal),
            DeskError::NotFound => Problem::not_found(),
            DeskError::KeyReused => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_conflict",
                "Questa Idempotency-Key è già stata usata per un'altra richiesta.",
                "This Idempotency-Key was used for another request.",
            ),
            DeskError::ExternalIdTaken => Problem::new(
                StatusCode::CONFLICT,
                "external_id_conflict",
                "external_id appartiene già a un avviso con altro contenuto.",
                "external_id belongs to a notice with other content.",
            ),
            DeskError::TooMany(most) => Problem::new(
                StatusCode::CONFLICT,
                "too_many",
                "Il numero massimo è già raggiunto.",
                "There are as many as there may be.",
            )
            .with_detail(most.to_string()),
            DeskError::Silent => Problem::new(
                StatusCode::CONFLICT,
                "endpoint_disabled",
                "L'indirizzo è disattivato o eliminato.",
                "The endpoint is disabled or deleted.",
            ),
            DeskError::Numbers(_) | DeskError::Overloaded | DeskError::Store(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a request could not be served"
                );
                match error {
                    DeskError::Store(StoreError::Corrupt { .. }) => Problem::unreadable(),
                    _ => Problem::unavailable(),
                }
            }
        }
    }
}

impl IntoResponse for Problem {
    /// An empty answer that carries the problem to the layer [`render`].
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes problems; also for errors that a layer answered without one.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let instance = request
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .map(|id| format!("urn:uuid:{id}"));
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // A page for people says for itself what is wrong.
        _ if response.extensions().get::<ForPeople>().is_some() => return response,
        None if status.is_client_error() || status.is_server_error() => Problem::of_status(status),
        None => return response,
    };
    let errors: Vec<_> = problem
        .errors
        .iter()
        .map(|error| {
            json!({
                "field": error.field,
                "code": error.wrong.code(),
                "message": error.wrong.message(language),
            })
        })
        .collect();
    let mut body = json!({
        "type": format!("urn:pagomensa:problem:{}", problem.code),
        "title": problem.title.in_language(language),
        "status": problem.status.as_u16(),
        "code": problem.code,
    });
    if let Some(body) = body.as_object_mut() {
        body.extend(
            problem
                .detail
                .map(|detail| ("detail".to_owned(), detail.into())),
        );
        body.extend(instance.map(|id| ("instance".to_owned(), id.into())));
        if !errors.is_empty() {
            body.insert("errors".to_owned(), errors.into());
        }
    }
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(
        header::CONTENT_LANGUAGE,
        HeaderValue::from_static(Text { it: "it", en: "en" }.in_language(language)),
    );
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"pagomensa\""),
        );
    }
    if problem.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    *response.body_mut() = Body::from(body.to_string());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every refusal has a status and a code that a portal can tell apart from success.
    #[test]
    fn every_refusal_has_its_problem() {
        for refusal in Refusal::ALL {
            let problem = Problem::from(refusal);
            assert!(problem.status.is_client_error(), "{refusal:?}");
            assert!(!problem.code.is_empty());
        }
    }
}
