//! One message to the creditor's station and what the node makes of the reply.

use std::time::Instant;

use serde::Serialize;

use crate::outbound::{CallError, Reply};
use crate::town::Town;
use crate::verdict::xml::Node;
use crate::verdict::{self, Operation, Verdict};

/// Why a payment did not go through: the creditor's own fault, or the node's word for a creditor
/// that did not answer as it must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) code: String,
    pub(crate) string: String,
    pub(crate) description: Option<String>,
}

/// One message and its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Exchange {
    pub(crate) operation: Operation,
    /// Nothing where there was no reply.
    pub(crate) http_status: Option<u16>,
    pub(crate) duration_ms: u64,
    pub(crate) request: String,
    pub(crate) response: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) fault_code: Option<String>,
    pub(crate) verdict: Verdict,
    /// What the plan of faults did to it.
    pub(crate) chaos: Option<Mischief>,
}

/// What the plan of faults did to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mischief {
    /// The node behaved as if the reply had been lost, and sends again at once.
    ReplyDropped,
    /// The receipt had been sent and answered already.
    Duplicate,
    /// The receipt was sent several times at the same moment.
    Parallel,
    /// The receipt never left the node.
    NotSent,
    /// The receipt arrived and was answered, the answer did not reach the node.
    ReplyLost,
    /// The answer came when the node no longer waited.
    ReplyLate,
}

impl Exchange {
    /// A well-formed answer with outcome KO: the creditor renounces.
    pub(crate) fn is_refusal(&self) -> bool {
        self.verdict.legal && self.outcome.as_deref() == Some("KO")
    }
}

/// Sends one message: the exchange is told whatever happens, and only a legal OK comes back.
pub(crate) async fn exchange(
    town: &Town,
    operation: Operation,
    request: String,
    chaos: Option<Mischief>,
) -> (Exchange, Result<Node, Fault>) {
    tokio::time::sleep(town.chaos.node_delay().await).await;
    let started = Instant::now();
    let reply = match chaos {
        Some(Mischief::NotSent) => Err(CallError::Unreachable("it was never sent".to_owned())),
        _ => town.node.call(operation, request.clone()).await,
    };
    let reply = match chaos {
        Some(Mischief::ReplyLost) => reply.and(Err(CallError::Unreachable("it was lost".into()))),
        Some(Mischief::ReplyLate) => reply.and(Err(CallError::Timeout)),
        _ => reply,
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut exchange = Exchange {
        operation,
        http_status: None,
        duration_ms,
        request,
        response: None,
        outcome: None,
        fault_code: None,
        verdict: Verdict::of(Vec::new()),
        chaos,
    };
    let result = match reply {
        Err(error) => {
            exchange.verdict = Verdict::of(vec![error.to_string()]);
            Err(Fault::of_no_reply(&error))
        }
        Ok(reply) => exchange.judge(&reply),
    };
    (exchange, result)
}

impl Exchange {
    fn judge(&mut self, reply: &Reply) -> Result<Node, Fault> {
        let content_type = reply.content_type.as_deref();
        let (root, verdict) =
            verdict::read(self.operation, reply.status, content_type, &reply.body);
        self.http_status = Some(reply.status);
        self.response = Some(String::from_utf8_lossy(&reply.body).into_owned());
        self.verdict = verdict;
        let outcome = root.as_ref().and_then(|root| root.text_of("outcome"));
        self.outcome = outcome.map(str::to_owned);
        let fault = root.as_ref().and_then(Fault::of_the_creditor);
        self.fault_code = fault.as_ref().map(|fault| fault.code.clone());
        match (root, fault) {
            (Some(_), Some(fault)) if self.verdict.legal => Err(fault),
            (Some(root), None) if self.verdict.legal => Ok(root),
            _ => Err(Fault::of_an_illegal_reply(&self.verdict)),
        }
    }
}

impl Fault {
    pub(crate) fn of_the_node(code: &str, string: &str) -> Self {
        Fault {
            code: code.to_owned(),
            string: string.to_owned(),
            description: None,
        }
    }

    /// The node's own failure.
    pub(crate) fn of_the_world(error: &sqlx::Error) -> Self {
        tracing::error!(%error, "the world's database failed");
        Fault::of_the_node("PPT_SYSTEM_ERROR", "Errore generico")
    }

    fn of_no_reply(error: &CallError) -> Self {
        let code = match error {
            CallError::Timeout => "PPT_STAZIONE_INT_PA_TIMEOUT",
            CallError::Unreachable(_) => "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE",
            CallError::TooLarge => "PPT_STAZIONE_INT_PA_ERRORE_RESPONSE",
        };
        Fault {
            description: Some(error.to_string()),
            ..Fault::of_the_node(code, "La stazione dell'ente non ha risposto")
        }
    }

    fn of_an_illegal_reply(verdict: &Verdict) -> Self {
        let code = "PPT_STAZIONE_INT_PA_ERRORE_RESPONSE";
        Fault {
            description: Some(verdict.problems.join("; ")),
            ..Fault::of_the_node(code, "La risposta della stazione dell'ente non è valida")
        }
    }

    /// The fault inside a reply, where there is one.
    fn of_the_creditor(reply: &Node) -> Option<Self> {
        let fault = reply.child("fault")?;
        let text = |name| fault.text_of(name).map(str::to_owned);
        Some(Fault {
            code: text("faultCode").unwrap_or_default(),
            string: text("faultString").unwrap_or_default(),
            description: text("description"),
        })
    }
}
