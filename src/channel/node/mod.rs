//! The door of the pagoPA node: SOAP 1.1 at `POST /node`, over mutual TLS.
//!
//! Source: pagoPA `paForNode.wsdl`, SANP "integrazione tramite API sincrone". A message is
//! dispatched on the root element of its body; the SOAPAction header is not asked, because the
//! node's own tests mix it up. Verify and get change nothing. A receipt is recorded whatever it
//! says, and answered only after the commit; when it cannot be recorded the answer is HTTP 503, so
//! that the node sends it again: a well-formed KO would make the node give the receipt up for ever.

mod demand;
mod fault;
mod guard;
mod notice;
mod receipt;
mod reply;
pub mod tls;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::{Clock, Stopwatch};
use crate::config;
use crate::desk::Desk;
use crate::desk::journal::{Call, Reply, Subject};
use crate::domain::ids::DocumentId;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{Case, CaseCode};
use crate::domain::text::cut;
use crate::point;
use crate::wire::digest::sha256;
use crate::wire::intake::{self, Intake};
use crate::wire::soap::{self, FaultCode};
use crate::wire::xml::Element;

use fault::Fault;
pub use guard::{Guard, SchemaError};
pub use receipt::read_found;
use tls::{Certificates, Gate};
use wire::Operation;

/// Longest wait for a case to be written while the node waits for its answer.
const ALARM_PATIENCE: Duration = Duration::from_secs(1);

/// What the door needs to answer.
#[derive(Debug, Clone)]
pub struct Door {
    desk: Desk,
    clock: Clock,
    config: Arc<config::Node>,
    gate: Arc<Gate>,
    guard: Arc<Guard>,
}

/// The routes of the door. `certificates` judge what a proxy hands on.
pub fn router(
    desk: Desk,
    clock: Clock,
    config: config::Node,
    guard: Arc<Guard>,
    certificates: Option<Certificates>,
) -> Router {
    let door = Door {
        desk,
        clock,
        gate: Arc::new(Gate::new(&config, certificates)),
        config: Arc::new(config),
        guard,
    };
    Router::new()
        .route("/node", post(answer))
        // Whoever registers the address of the listener alone means the same door.
        .route("/", post(answer))
        .fallback(no_address)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::new())
        .with_state(door)
}

/// Who calls here, in the journal.
const PARTY: &str = "pagopa-node";
/// Bytes that are kept of the body of a call that has no address here.
const EVIDENCE: usize = 4 * 1024;

/// A call to an address that there is not: written down all the same.
async fn no_address(State(door): State<Door>, request: Request) -> Response {
    door.turn_away(request, StatusCode::NOT_FOUND).await
}

/// A call with a method that is not offered: written down all the same.
async fn no_method(State(door): State<Door>, request: Request) -> Response {
    door.turn_away(request, StatusCode::METHOD_NOT_ALLOWED)
        .await
}

async fn answer(State(door): State<Door>, request: Request) -> Response {
    let started_at = door.clock.now();
    let stopwatch = Stopwatch::start();
    let (parts, body) = request.into_parts();
    let (peer, stranger) = door.gate.admit(&parts, started_at);
    let limit = door.config.body_limit_kib * 1024;
    let (bytes, refusal) = match (stranger, intake::take(body, limit).await) {
        // Whoever is not the node is not listened to; that somebody knocked is written down.
        (Some(stranger), _) => (vec![], Some(refuse(403, stranger.text()))),
        (None, Intake::Whole(bytes)) => (bytes, None),
        (None, Intake::TooLarge(bytes)) => {
            let limit = door.config.body_limit_kib;
            (
                bytes,
                Some(refuse(413, &format!("a message has at most {limit} KiB"))),
            )
        }
        (None, Intake::Interrupted(bytes)) => {
            (bytes, Some(refuse(400, "the message did not arrive whole")))
        }
    };
    let mut call = Call {
        started_at,
        stopwatch,
        document: DocumentId::new(door.desk.ids().next(started_at)),
        bytes,
        party: PARTY,
        address: None,
        kind: "soap_request",
        peer,
        subject: Subject {
            operation: "unreadable".to_owned(),
            ..Subject::default()
        },
    };
    let mut operation = None;
    let reply = match refusal {
        Some(refusal) => Spoken::Now(refusal),
        None => match soap::body(&call.bytes) {
            Ok(element) => {
                operation = Operation::of(&element);
                door.dispatch(&mut call, &element).await
            }
            Err(malformed) => Spoken::Now(refuse(500, &format!("malformed message: {malformed}"))),
        },
    };
    let reply = match reply {
        Spoken::Recorded(reply) => reply,
        Spoken::Now(reply) => {
            if operation.is_none() {
                door.mourn(&call, reply.http_status).await;
            }
            let entry = call.close(door.desk.ids(), &reply);
            door.desk.journal().note(entry).await;
            reply
        }
    };
    let name = operation.map_or("unknown", Operation::name);
    let (status, outcome) = (reply.http_status, reply.outcome.as_str());
    let metrics = door.desk.metrics();
    metrics.node_call(name, outcome, status, stopwatch.micros());
    tracing::info!(
        operation = name,
        outcome = reply.outcome,
        http_status = reply.http_status,
        duration_us = stopwatch.micros(),
        "the node was answered"
    );
    point::reach("node.answering");
    respond(reply)
}

/// A reply, and whether its exchange is written down already (a receipt's is, with the receipt).
enum Spoken {
    Recorded(Reply),
    Now(Reply),
}

impl Door {
    /// Opens a case when what could not be read seems to be a receipt for a creditor of ours: the
    /// node will try it for two days, in vain, and then give it up.
    async fn mourn(&self, call: &Call, http_status: u16) {
        let text = String::from_utf8_lossy(&call.bytes);
        let between = |open: &str| {
            let (_, rest) = text.split_once(open)?;
            rest.split_once('<').map(|(inside, _)| inside.trim())
        };
        let named = ["<idPA>", "<fiscalCode>"].into_iter().filter_map(between);
        let creditor = named
            .filter_map(|text| CreditorCode::parse(text).ok())
            .find(|code| self.desk.register().get(code).is_some());
        if let Some(creditor) = creditor.filter(|_| text.contains("paSendRT")) {
            let case = Case {
                code: CaseCode::UnreadableReceipt,
                creditor,
                identity: sha256(&call.bytes),
                subject: call.document.to_string(),
                detail: format!("HTTP {http_status}"),
            };
            let opened = self.desk.open_case(case, call.started_at);
            if tokio::time::timeout(ALARM_PATIENCE, opened).await.is_err() {
                tracing::error!("the case of an unreadable receipt could not be opened in time");
            }
        }
    }

    /// Answers a call that is none of the node's with a bare status, and writes it down with the
    /// beginning of its body.
    async fn turn_away(&self, request: Request, status: StatusCode) -> Response {
        let started_at = self.clock.now();
        let stopwatch = Stopwatch::start();
        let address = format!("{} {}", request.method(), request.uri().path());
        let (parts, body) = request.into_parts();
        let (peer, stranger) = self.gate.admit(&parts, started_at);
        let mut bytes = match stranger {
            Some(_) => vec![],
            None => match intake::take(body, EVIDENCE).await {
                Intake::Whole(bytes) | Intake::TooLarge(bytes) | Intake::Interrupted(bytes) => {
                    bytes
                }
            },
        };
        bytes.truncate(EVIDENCE);
        let call = Call {
            started_at,
            stopwatch,
            document: DocumentId::new(self.desk.ids().next(started_at)),
            bytes,
            kind: "soap_request",
            party: PARTY,
            address: Some(address),
            peer,
            subject: Subject {
                operation: "unreadable".to_owned(),
                ..Subject::default()
            },
        };
        let reply = Reply {
            http_status: status.as_u16(),
            outcome: format!("HTTP {}", status.as_u16()),
            bytes: vec![],
        };
        let entry = call.close(self.desk.ids(), &reply);
        self.desk.journal().note(entry).await;
        self.desk.metrics().answer("node", status.as_u16());
        status.into_response()
    }

    async fn dispatch(&self, call: &mut Call, element: &Element) -> Spoken {
        call.subject = wire::subject(element);
        let Some(operation) = Operation::of(element) else {
            let name = cut(&element.name, 35);
            let message = format!("no operation {name} is offered here");
            return Spoken::Now(refuse(500, &message));
        };
        match operation {
            Operation::Verify => {
                let answer = self.bounded(self.verify(element, call.started_at)).await;
                let reply = reply::verify(answer, self.desk.register(), &call.subject);
                Spoken::Now(self.legal(operation, reply, call).await)
            }
            Operation::Get(version) => {
                let answer = self.bounded(self.get(element, call.started_at)).await;
                let reply = reply::get(version, answer, self.desk.register(), &call.subject);
                Spoken::Now(self.legal(operation, reply, call).await)
            }
            Operation::Demand => {
                let answer = self.bounded(self.demand(element, call.started_at)).await;
                if let Ok(payable) = &answer {
                    call.subject.notice = Some(payable.debt.notice.to_string());
                }
                let reply = reply::demand(answer, self.desk.register(), &call.subject);
                Spoken::Now(self.legal(operation, reply, call).await)
            }
            Operation::Receipt(version) => {
                let deadline = Duration::from_secs(self.config.receipt_deadline_s);
                let recorded = self.receipt(version, element, call.clone());
                match tokio::time::timeout(deadline, recorded).await {
                    Ok(spoken) => spoken,
                    Err(_) => Spoken::Now(refuse(503, "the receipt was not recorded in time")),
                }
            }
        }
    }

    /// The reply, when the node would take it; else a system error, an alarm, and a case for the
    /// creditor whose notice cannot be paid.
    async fn legal(&self, operation: Operation, reply: Reply, call: &Call) -> Reply {
        let Err(why) = self.guard.check(&reply.bytes, self.desk.register()) else {
            return reply;
        };
        tracing::error!(
            operation = operation.name(),
            notice = call.subject.notice,
            why,
            "ALARM: a reply that the node would refuse was stopped"
        );
        let creditor = call.subject.creditor.as_deref().unwrap_or_default();
        if let Ok(code) = CreditorCode::parse(creditor)
            && self.desk.register().get(&code).is_some()
        {
            let notice = call.subject.notice.clone().unwrap_or_default();
            let case = Case {
                code: CaseCode::IllegalReply,
                creditor: code,
                identity: notice.clone(),
                subject: notice,
                detail: why,
            };
            let opened = self.desk.open_case(case, call.started_at);
            if tokio::time::timeout(ALARM_PATIENCE, opened).await.is_err() {
                tracing::error!("the case of a stopped reply could not be opened in time");
            }
        }
        reply::system_error(operation, &call.subject)
    }

    /// An answer within our own deadline, or a system error: later the node would not hear it.
    async fn bounded<T>(&self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let deadline = Duration::from_secs(self.config.read_deadline_s);
        tokio::time::timeout(deadline, answer)
            .await
            .unwrap_or_else(|_| Err(Fault::system("no answer in time")))
    }
}

/// A SOAP fault: the message names no operation that we could answer in its own words, or we could
/// not record it.
fn refuse(http_status: u16, text: &str) -> Reply {
    let code = if http_status == 503 {
        FaultCode::Server
    } else {
        FaultCode::Client
    };
    Reply {
        http_status,
        outcome: "soap:Fault".to_owned(),
        bytes: soap::fault(code, text),
    }
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.http_status).unwrap_or(StatusCode::OK);
    let kind = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
    let mut response = (status, kind, reply.bytes).into_response();
    if status == StatusCode::FORBIDDEN {
        // Whoever may not come in does not keep a place either.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
