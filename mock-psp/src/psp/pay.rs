//! One payment: verify, get, receipt, and what the node makes of each reply.
//!
//! Once the amount is known the payment is made, and with it every receipt the node owes is in its
//! queue: one for the creditor of the notice, and a copy for each further beneficiary whose station
//! is registered for broadcast. The first try of each happens here, so that its exchange can be told.

use serde::Serialize;

use super::exchange::{Exchange, Fault, Mischief, exchange};
use super::messages::{self, Head, Notice, Wish};
use super::order::{Order, Version};
use super::payments::Paid;
use super::receipt::{Facts, first_version, verified_cents};
use crate::config::Creditor;
use crate::node::{Delivery, NewDelivery, queue};
use crate::platform::Position;
use crate::town::{Shared, Town};
use crate::verdict::Operation;
use crate::verdict::xml::Node;

/// How a payment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Payment {
    /// KO as soon as one exchange went wrong, be it the last one.
    pub(crate) outcome: Outcome,
    /// Why, where it is KO.
    pub(crate) fault: Option<Fault>,
    /// Whether the money is paid, which it is before the receipt arrives.
    pub(crate) paid: bool,
    pub(crate) receipt_id: String,
    /// What was paid; unknown where the creditor never said what it wants.
    pub(crate) amount_cents: Option<i64>,
    pub(crate) exchanges: Vec<Exchange>,
    /// The receipts the node owes for it, as they stand now.
    pub(crate) deliveries: Vec<Delivery>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    Ok,
    Ko,
}

/// Runs an order to its end; everything that can go wrong is part of the answer.
pub(crate) async fn pay(town: &Shared, order: Order) -> Payment {
    let mut counter = Counter::new(town, &order);
    let mut fault = counter.run().await.err();
    let ids: Vec<i64> = counter.deliveries.iter().map(|owed| owed.id).collect();
    let mut deliveries = Vec::new();
    for id in ids {
        match town.database.delivery(id).await {
            Ok(found) => deliveries.extend(found),
            Err(error) => fault = Some(Fault::of_the_world(&error)),
        }
    }
    Payment {
        outcome: if fault.is_none() {
            Outcome::Ok
        } else {
            Outcome::Ko
        },
        fault,
        paid: !deliveries.is_empty(),
        amount_cents: counter.amount_cents.or(order.amount_cents),
        exchanges: counter.exchanges,
        deliveries,
        receipt_id: order.receipt_id,
    }
}

/// Asks the creditor what is due, and leaves it at that.
pub(crate) async fn verify(town: &Shared, order: Order) -> Payment {
    let mut counter = Counter::new(town, &order);
    let fault = counter.ask().await.err();
    Payment {
        outcome: if fault.is_none() {
            Outcome::Ok
        } else {
            Outcome::Ko
        },
        fault,
        paid: false,
        amount_cents: counter.amount_cents,
        exchanges: counter.exchanges,
        deliveries: Vec::new(),
        receipt_id: order.receipt_id,
    }
}

/// Begins a payment and leaves it there: verify and get.
pub(crate) async fn activate(town: &Shared, order: Order) -> Payment {
    let mut counter = Counter::new(town, &order);
    let mut fault = counter.ask().await.err();
    if fault.is_none() {
        fault = counter.get().await.err();
    }
    Payment {
        outcome: if fault.is_none() {
            Outcome::Ok
        } else {
            Outcome::Ko
        },
        fault,
        paid: false,
        amount_cents: counter.amount_cents,
        exchanges: counter.exchanges,
        deliveries: Vec::new(),
        receipt_id: order.receipt_id,
    }
}

/// The head of a message to a creditor's own station.
pub(crate) fn head_of(creditor: &Creditor) -> Head {
    Head {
        id_pa: creditor.fiscal_code.clone(),
        broker: creditor.broker.clone(),
        station: creditor.station.clone(),
    }
}

/// The creditor of that fiscal code, or the node's refusal.
pub(crate) fn creditor<'a>(town: &'a Town, fiscal_code: &str) -> Result<&'a Creditor, Fault> {
    town.config
        .creditor(fiscal_code)
        .ok_or_else(|| Fault::of_the_node("PPT_DOMINIO_SCONOSCIUTO", "Ente sconosciuto"))
}

/// A payment while it runs.
struct Counter<'a> {
    town: &'a Shared,
    order: &'a Order,
    amount_cents: Option<i64>,
    exchanges: Vec<Exchange>,
    deliveries: Vec<Delivery>,
}

impl<'a> Counter<'a> {
    fn new(town: &'a Shared, order: &'a Order) -> Self {
        Counter {
            town,
            order,
            amount_cents: None,
            exchanges: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// The station the order is for: the creditor's own, unless it says otherwise.
    fn head(&self, creditor: &Creditor) -> Head {
        let order = self.order;
        let chosen = |over: &Option<String>, own: &str| over.as_deref().unwrap_or(own).to_owned();
        Head {
            id_pa: chosen(&order.id_pa, &creditor.fiscal_code),
            broker: chosen(&order.broker, &creditor.broker),
            station: chosen(&order.station, &creditor.station),
        }
    }

    fn notice(&self) -> Notice<'a> {
        Notice {
            fiscal_code: &self.order.fiscal_code,
            number: &self.order.notice_number,
        }
    }

    /// The verify alone.
    async fn ask(&mut self) -> Result<(), Fault> {
        let creditor = creditor(self.town, &self.order.fiscal_code)?;
        let request = messages::verify(&self.head(creditor), self.notice());
        let verified = self.call(Operation::VerifyPaymentNotice, request).await?;
        self.amount_cents = verified_cents(&verified);
        Ok(())
    }

    /// The get alone, after the verify.
    async fn get(&mut self) -> Result<Node, Fault> {
        let order = self.order;
        let creditor = creditor(self.town, &order.fiscal_code)?;
        let wish = Wish {
            version: order.get_version,
            amount_cents: self.amount_cents,
            payment_note: order.payment_note.as_deref(),
            transfer_type: order.transfer_type,
        };
        let operation = match order.get_version {
            Version::V1 => Operation::GetPayment,
            Version::V2 => Operation::GetPaymentV2,
        };
        let request = messages::get(&self.head(creditor), self.notice(), wish);
        self.call(operation, request).await
    }

    async fn run(&mut self) -> Result<(), Fault> {
        let order = self.order;
        let creditor = creditor(self.town, &order.fiscal_code)?;
        let (head, notice) = (self.head(creditor), self.notice());
        let position = self.position().await?;

        let mut verified = None;
        if order.verifies {
            let request = messages::verify(&head, notice);
            verified = Some(self.call(Operation::VerifyPaymentNotice, request).await?);
        }
        let asked_cents = verified.as_ref().and_then(verified_cents);
        self.amount_cents = order.amount_cents.or(asked_cents);
        let mut got = None;
        if order.gets {
            let wish = Wish {
                version: order.get_version,
                amount_cents: asked_cents,
                payment_note: order.payment_note.as_deref(),
                transfer_type: order.transfer_type,
            };
            let operation = match order.get_version {
                Version::V1 => Operation::GetPayment,
                Version::V2 => Operation::GetPaymentV2,
            };
            let request = messages::get(&head, notice, wish);
            got = Some(self.call(operation, request).await?);
        }
        let facts = Facts {
            order,
            creditor,
            verified: verified.as_ref(),
            data: got.as_ref().and_then(|reply| reply.child("data")),
            position: position.as_ref(),
            now: self.town.clock.now(),
        };
        self.amount_cents = facts.amount_cents();
        // A legal reply always says the amount, and without any reply the order must.
        let amount_cents = self
            .amount_cents
            .ok_or_else(|| Fault::of_the_node("PPT_SEMANTICA", "Importo sconosciuto"))?;
        let receipt = facts.receipt(amount_cents);
        let paid = Paid::of(order, &receipt, amount_cents);
        let owed = self.owed(&head, &receipt)?;
        let kept = self.town.database.keep_payment(
            &paid,
            &owed,
            position.as_ref(),
            self.town.clock.instant(),
        );
        self.deliveries = kept
            .await
            .map_err(|error| Fault::of_the_world(&error))?
            .ok_or_else(|| Fault::of_the_node("PPT_PAGAMENTO_DUPLICATO", "Pagamento concluso"))?;
        self.deliver_all().await
    }

    /// The position of the archive a stand-in payment is made from.
    async fn position(&self) -> Result<Option<Position>, Fault> {
        if !self.order.stand_in {
            return Ok(None);
        }
        let (creditor, nav) = (&self.order.fiscal_code, &self.order.notice_number);
        let today = self.town.clock.now();
        let found = self.town.database.payable_position(creditor, nav, today);
        let found = found.await.map_err(|error| Fault::of_the_world(&error))?;
        found.map(Some).ok_or_else(|| Fault {
            description: Some("the archive of notices holds no payable position".to_owned()),
            ..Fault::of_the_node(
                "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE",
                "L'avviso non si può pagare in stand-in",
            )
        })
    }

    /// The receipts the node owes: the creditor's, then the copies.
    fn owed(&self, head: &Head, receipt: &Node) -> Result<Vec<NewDelivery>, Fault> {
        let order = self.order;
        let version = order.receipt_version;
        let receipt = match version {
            Version::V2 => receipt.clone(),
            Version::V1 => first_version(receipt).ok_or_else(|| {
                let string = "Una marca da bollo chiede la ricevuta V2";
                Fault::of_the_node("PPT_SEMANTICA", string)
            })?,
        };
        let delivery = |head: &Head| NewDelivery {
            creditor: order.fiscal_code.clone(),
            recipient: head.id_pa.clone(),
            receipt_id: order.receipt_id.clone(),
            notice_number: order.notice_number.clone(),
            version,
            message: messages::send(head, version, receipt.clone()),
        };
        let mut owed = vec![delivery(head)];
        let transfers = receipt.child("transferList").map(|list| &list.children);
        let mut told = vec![order.fiscal_code.as_str()];
        for transfer in transfers.into_iter().flatten() {
            let code = transfer.text_of("fiscalCodePA").unwrap_or_default();
            let secondary = self.town.config.creditor(code);
            if let Some(secondary) = secondary.filter(|secondary| secondary.broadcast)
                && !told.contains(&code)
            {
                told.push(code);
                owed.push(delivery(&head_of(secondary)));
            }
        }
        Ok(owed)
    }

    /// The first try of every receipt; then those that were held back until now.
    async fn deliver_all(&mut self) -> Result<(), Fault> {
        let mut result = Ok(());
        for (index, owed) in self.deliveries.clone().iter().enumerate() {
            let delivered = self.deliver(owed, index == 0).await;
            result = result.and(delivered);
        }
        let passed = self.deliveries.iter().map(|owed| owed.id).collect();
        let released = queue::release(self.town, passed).await;
        released.map_err(|error| Fault::of_the_world(&error))?;
        result
    }

    /// Sends a receipt as often as the order says; a copy is sent once.
    async fn deliver(&mut self, owed: &Delivery, is_own: bool) -> Result<(), Fault> {
        let times = if is_own { self.order.times } else { 1 };
        if self.order.parallel && times > 1 {
            let tried = queue::first_try(self.town, owed, times.saturating_sub(1)).await;
            return self.told(tried);
        }
        for time in 0..times {
            let fate = self.town.chaos.next_receipt_fate().await;
            if fate.drop_reply {
                // Whatever the reply was, the node never saw it.
                let _lost = self.send(owed, Mischief::ReplyDropped).await;
            }
            if time == 0 {
                let tried = queue::first_try(self.town, owed, 0).await;
                self.told(tried)?;
            } else {
                let request = owed.message.clone();
                self.call(owed.operation(), request).await?;
            }
            if fate.duplicate {
                self.send(owed, Mischief::Duplicate).await?;
            }
        }
        Ok(())
    }

    fn told(&mut self, tried: Result<queue::Attempt, sqlx::Error>) -> Result<(), Fault> {
        let tried = tried.map_err(|error| Fault::of_the_world(&error))?;
        self.exchanges.extend(tried.exchanges);
        tried.result
    }

    async fn send(&mut self, owed: &Delivery, chaos: Mischief) -> Result<Node, Fault> {
        let request = owed.message.clone();
        let (exchange, result) = exchange(self.town, owed.operation(), request, Some(chaos)).await;
        self.exchanges.push(exchange);
        result
    }

    /// One exchange: it is recorded whatever happens, and only a legal OK comes back.
    async fn call(&mut self, operation: Operation, request: String) -> Result<Node, Fault> {
        let (exchange, result) = exchange(self.town, operation, request, None).await;
        self.exchanges.push(exchange);
        result
    }
}
