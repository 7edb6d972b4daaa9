//! One payment: verify, get, receipt, and what the node makes of each reply.

use std::time::Instant;

use serde::Serialize;

use super::messages::{self, Head, Notice};
use super::order::Order;
use super::payments::Paid;
use super::receipt::{Facts, verified_cents};
use crate::outbound::CallError;
use crate::town::Town;
use crate::verdict::xml::Node;
use crate::verdict::{self, Operation, Verdict};

/// How a payment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Payment {
    pub(crate) outcome: Outcome,
    /// Why, where it is KO.
    pub(crate) fault: Option<Fault>,
    pub(crate) receipt_id: String,
    /// What was paid; unknown where the creditor never said what it wants.
    pub(crate) amount_cents: Option<i64>,
    pub(crate) exchanges: Vec<Exchange>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    Ok,
    Ko,
}

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

/// What the plan of faults did to a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mischief {
    /// The node behaved as if the reply had been lost.
    ReplyDropped,
    /// The receipt had been sent and answered already.
    Duplicate,
}

/// Runs an order to its end; everything that can go wrong is part of the answer.
pub(crate) async fn pay(town: &Town, order: Order) -> Payment {
    let mut counter = Counter {
        town,
        order: &order,
        amount_cents: None,
        exchanges: Vec::new(),
    };
    let fault = counter.run().await.err();
    Payment {
        outcome: if fault.is_none() {
            Outcome::Ok
        } else {
            Outcome::Ko
        },
        fault,
        amount_cents: counter.amount_cents.or(order.amount_cents),
        exchanges: counter.exchanges,
        receipt_id: order.receipt_id,
    }
}

/// A payment while it runs.
struct Counter<'a> {
    town: &'a Town,
    order: &'a Order,
    amount_cents: Option<i64>,
    exchanges: Vec<Exchange>,
}

impl Counter<'_> {
    async fn run(&mut self) -> Result<(), Fault> {
        let order = self.order;
        let creditor = self
            .town
            .config
            .creditor(&order.fiscal_code)
            .ok_or_else(|| Fault::of_the_node("PPT_DOMINIO_SCONOSCIUTO", "Ente sconosciuto"))?;
        let chosen = |over: &Option<String>, own: &str| over.as_deref().unwrap_or(own).to_owned();
        let head = Head {
            id_pa: chosen(&order.id_pa, &creditor.fiscal_code),
            broker: chosen(&order.broker, &creditor.broker),
            station: chosen(&order.station, &creditor.station),
        };
        let notice = Notice {
            fiscal_code: &order.fiscal_code,
            number: &order.notice_number,
        };

        let mut verified = None;
        if order.verifies {
            let request = messages::verify(&head, notice);
            verified = Some(
                self.call(Operation::VerifyPaymentNotice, request, None)
                    .await?,
            );
        }
        let asked_cents = verified.as_ref().and_then(verified_cents);
        self.amount_cents = order.amount_cents.or(asked_cents);
        let mut got = None;
        if order.gets {
            let request = messages::get(&head, notice, asked_cents, order.transfer_type);
            got = Some(self.call(Operation::GetPaymentV2, request, None).await?);
        }
        let facts = Facts {
            order,
            creditor,
            verified: verified.as_ref(),
            data: got.as_ref().and_then(|reply| reply.child("data")),
            now: self.town.clock.now(),
        };
        self.amount_cents = facts.amount_cents();
        // A legal reply always says the amount, and without any reply the order must.
        let amount_cents = self
            .amount_cents
            .ok_or_else(|| Fault::of_the_node("PPT_SEMANTICA", "Importo sconosciuto"))?;
        let receipt = facts.receipt(amount_cents);
        let paid = Paid::of(order, &receipt, amount_cents);
        if let Err(error) = self.town.database.keep_payment(&paid).await {
            tracing::error!(%error, "a payment could not be kept");
            return Err(Fault::of_the_node("PPT_SYSTEM_ERROR", "Errore generico"));
        }
        let request = messages::send(&head, receipt);
        for _ in 0..order.times {
            self.deliver(&request).await?;
        }
        Ok(())
    }

    /// Sends the receipt once, or as often as the plan of faults wants.
    async fn deliver(&mut self, request: &str) -> Result<(), Fault> {
        let fate = self.town.chaos.next_receipt_fate();
        let operation = Operation::SendRtV2;
        if fate.drop_reply {
            // Whatever the reply was, the node never saw it.
            let _lost = self
                .call(operation, request.to_owned(), Some(Mischief::ReplyDropped))
                .await;
        }
        self.call(operation, request.to_owned(), None).await?;
        if fate.duplicate {
            self.call(operation, request.to_owned(), Some(Mischief::Duplicate))
                .await?;
        }
        Ok(())
    }

    /// One exchange: it is recorded whatever happens, and only a legal OK comes back.
    async fn call(
        &mut self,
        operation: Operation,
        request: String,
        chaos: Option<Mischief>,
    ) -> Result<Node, Fault> {
        tokio::time::sleep(self.town.chaos.node_delay()).await;
        let started = Instant::now();
        let reply = self.town.node.call(operation, request.clone()).await;
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
            Ok(reply) => {
                let content_type = reply.content_type.as_deref();
                let (root, verdict) =
                    verdict::read(operation, reply.status, content_type, &reply.body);
                exchange.http_status = Some(reply.status);
                exchange.response = Some(String::from_utf8_lossy(&reply.body).into_owned());
                exchange.verdict = verdict;
                let outcome = root.as_ref().and_then(|root| root.text_of("outcome"));
                exchange.outcome = outcome.map(str::to_owned);
                let fault = root.as_ref().and_then(Fault::of_the_creditor);
                exchange.fault_code = fault.as_ref().map(|fault| fault.code.clone());
                match (root, fault) {
                    (Some(_), Some(fault)) if exchange.verdict.legal => Err(fault),
                    (Some(root), None) if exchange.verdict.legal => Ok(root),
                    _ => Err(Fault::of_an_illegal_reply(&exchange.verdict)),
                }
            }
        };
        self.exchanges.push(exchange);
        result
    }
}

impl Fault {
    fn of_the_node(code: &str, string: &str) -> Self {
        Fault {
            code: code.to_owned(),
            string: string.to_owned(),
            description: None,
        }
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
