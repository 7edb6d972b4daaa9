//! Demand (`paDemandPaymentNotice`): a parent without a notice stands at a PSP's counter and tops up
//! by the service catalogue. We open a debt, and answer with its notice as to a verify.
//!
//! The data of the service are an XML document whose form the creditor and the catalogue agree on;
//! ours is `wsdl/top-up.xsd`. A counter knows the child's code and fiscal code; who the parents are
//! and where to write to them is taken from the child's last notice when the counter does not say.

use super::Door;
use super::fault::Fault;
use super::notice::Payable;
use super::wire::{self, Demand, limited};
use crate::desk::debts::DueDay;
use crate::desk::once::Done;
use crate::domain::creditor::{Creditor, Service};
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Debt, DebtKind, Order, PublicState};
use crate::domain::money::Cents;
use crate::domain::party::{Child, Email, FiscalCode, Payer};
use crate::domain::privacy;
use crate::domain::refusal::Refusal;
use crate::domain::text::is_one_line;
use crate::domain::transfer::Shares;
use crate::store::debts::Filter;
use crate::wire::Malformed;
use crate::wire::xml::{self, Element};

/// The namespace of the catalogue's data.
const SERVICE: &str = "http://PuntoAccessoPSP.spcoop.gov.it/GeneralService";
/// How many of the child's last notices are looked at.
const RECENT: i64 = 20;

/// What the counter says.
#[derive(Debug, PartialEq, Eq)]
struct TopUp {
    amount: Cents,
    child_code: String,
    child_fiscal_code: FiscalCode,
    child_name: Option<String>,
    payer_name: Option<String>,
    payer_fiscal_code: Option<FiscalCode>,
    payer_email: Option<Email>,
    description: Option<String>,
}

impl Door {
    /// Answers a demand: the notice of a top-up that is now open.
    ///
    /// # Errors
    /// The fault to say.
    pub(super) async fn demand(&self, element: &Element, now: Instant) -> Result<Payable, Fault> {
        let demand = wire::demand(element)?;
        let creditor = self.owner(&demand.head, None)?;
        let service = creditor
            .in_catalogue(&demand.service, &demand.subject)
            .ok_or_else(|| Fault::semantic("the service is not offered at a PSP's counter"))?;
        let top_up = read(&demand).map_err(|malformed| Fault::data(&malformed))?;
        if top_up.amount < service.min || top_up.amount > service.max {
            return Err(Fault::semantic(&format!(
                "the amount must be {} to {}",
                service.min, service.max
            )));
        }
        let today = now.day_in_rome();
        let listed = self
            .desk
            .debts(
                &creditor.code,
                &Filter {
                    child: Some(top_up.child_code.clone()),
                    limit: RECENT,
                    ..Filter::default()
                },
                today,
            )
            .await?;
        let recent: Vec<Debt> = listed.into_iter().filter_map(|row| row.debt).collect();
        let order = order(service, top_up, &recent, today)?;
        // The node asks again when our answer was lost: the same notice, not another one.
        let open = recent
            .into_iter()
            .find(|debt| debt.order == order && debt.public_state(today) == PublicState::Open);
        let debt = match open {
            Some(debt) => debt,
            None => self.open(&creditor, order, now).await?,
        };
        Ok(Payable {
            creditor,
            debt,
            transfer_type: None,
        })
    }

    async fn open(&self, creditor: &Creditor, order: Order, now: Instant) -> Result<Debt, Fault> {
        let due = DueDay::Default;
        match self.desk.open_debt(creditor, order, due, None, now).await? {
            Done::First(opening) => Ok(opening.debt),
            // Without a key nothing is ever answered again.
            Done::Again(_) => Err(Fault::system("temporarily unavailable")),
        }
    }
}

/// The order for a top-up; what the counter does not know is taken from the child's last notice.
fn order(service: &Service, top_up: TopUp, recent: &[Debt], today: Day) -> Result<Order, Fault> {
    let last = recent
        .first()
        .map(|debt| &debt.order)
        .filter(|order| order.child.fiscal_code == top_up.child_fiscal_code);
    if last.is_none() && !recent.is_empty() {
        // Another child has this code: whoever mistyped it must not pay for a stranger.
        return Err(Fault::from(Refusal::Unknown));
    }
    let missing = |name: &str| Fault::semantic(&format!("{name} is needed for a first top-up"));
    let child = Child {
        name: top_up
            .child_name
            .or_else(|| last.map(|order| order.child.name.clone()))
            .ok_or_else(|| missing("childName"))?,
        code: top_up.child_code,
        fiscal_code: top_up.child_fiscal_code,
    };
    let payer = Payer {
        name: top_up
            .payer_name
            .or_else(|| last.map(|order| order.payer.name.clone()))
            .ok_or_else(|| missing("payerName"))?,
        fiscal_code: top_up
            .payer_fiscal_code
            .or_else(|| last.map(|order| order.payer.fiscal_code.clone()))
            .ok_or_else(|| missing("payerFiscalCode"))?,
        email: top_up
            .payer_email
            .or_else(|| last.map(|order| order.payer.email.clone()))
            .ok_or_else(|| missing("payerEmail"))?,
        address: last.and_then(|order| order.payer.address.clone()),
    };
    let description = top_up
        .description
        .filter(|text| !privacy::tells(text, &child, &payer))
        .unwrap_or_else(|| privacy::plain_description(&service.name, &child));
    let due_on = today.plus_days(service.due_days);
    Ok(Order {
        kind: DebtKind::TopUp,
        service: service.code.clone(),
        external_id: None,
        child,
        payer,
        amount: top_up.amount,
        shares: Shares::whole(),
        metadata: std::collections::BTreeMap::new(),
        description,
        due_on,
        publish_on: None,
        invoice: None,
        payable_until: if service.payable_after_due {
            Day::NEVER
        } else {
            due_on
        },
    })
}

/// Reads the data of the service (`wsdl/top-up.xsd`).
fn read(demand: &Demand) -> Result<TopUp, Malformed> {
    let root = xml::parse(&demand.data)?;
    let wrong = |element: &Element, expected: &str, found: &str| Malformed {
        path: format!("datiSpecificiServizioRequest/{}", element.name),
        offset: element.offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    if root.name != "service" || root.namespace.as_deref() != Some(SERVICE) {
        return Err(wrong(
            &root,
            &format!("service in {SERVICE}"),
            "another element",
        ));
    }
    fn field<'e, T, E>(
        root: &'e Element,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&'e str) -> Result<T, E>,
    ) -> Result<Option<T>, Malformed> {
        let mut all = root.children.iter().filter(|child| child.name == name);
        let wrong = |offset, found: &str| Malformed {
            path: format!("datiSpecificiServizioRequest/service/{name}"),
            offset,
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(second)) => Err(wrong(second.offset, "a second one")),
            (Some(one), None) => parse(one.text.trim())
                .map(Some)
                .map_err(|_| wrong(one.offset, "another value")),
        }
    }
    let line = |limit| {
        move |text: &str| match limited(text, limit) {
            Ok(text) if is_one_line(&text) => Ok(text),
            _ => Err(()),
        }
    };
    const FIELDS: [&str; 8] = [
        "amount",
        "childCode",
        "childFiscalCode",
        "childName",
        "payerName",
        "payerFiscalCode",
        "payerEmail",
        "description",
    ];
    if let Some(other) = root
        .children
        .iter()
        .find(|c| !FIELDS.contains(&c.name.as_str()))
    {
        return Err(wrong(other, "an element of the top-up", "another one"));
    }
    let missing = |name: &str| wrong(&root, name, "nothing");
    let amount = "euro with two decimals, such as 10.00";
    let person = "a fiscal code";
    Ok(TopUp {
        amount: field(&root, "amount", amount, Cents::parse_point)?
            .ok_or_else(|| missing("amount"))?,
        child_code: field(&root, "childCode", "1 to 35 characters", line(35))?
            .ok_or_else(|| missing("childCode"))?,
        child_fiscal_code: field(&root, "childFiscalCode", person, FiscalCode::parse)?
            .ok_or_else(|| missing("childFiscalCode"))?,
        child_name: field(&root, "childName", "1 to 70 characters", line(70))?,
        payer_name: field(&root, "payerName", "1 to 70 characters", line(70))?,
        payer_fiscal_code: field(&root, "payerFiscalCode", person, FiscalCode::parse)?,
        payer_email: field(&root, "payerEmail", "an e-mail address", Email::parse)?,
        description: field(&root, "description", "1 to 140 characters", line(140))?,
    })
}
