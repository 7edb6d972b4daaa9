//! The shapes of the API, for the answers and for the OpenAPI document.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::page::{Page, Row};
use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, DebtState, Line, PublicState};
use crate::domain::party;
use crate::domain::transfer::Share;
use crate::store::cases::OpenCase;
use crate::store::hunts::{self, Hunt, Reason};
use crate::wire;

/// A request for a notice. (It is read field by field, in `request.rs`, so that every wrong field
/// is reported at once; this is its description.)
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "kind": "top_up", "service": "refezione", "external_id": "TU-50004-17",
    "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
    "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U",
              "email": "mario@example.org"},
    "amount_cents": 5000, "description": "Ricarica mensa 50004"
}))]
pub(super) struct NoticeRequest {
    /// What the money is for.
    kind: Kind,
    /// The code of one of the creditor's services.
    #[schema(max_length = 35)]
    service: String,
    /// Your own id, unique within the creditor: the same one with the same content answers 200 with
    /// the notice that exists, with other content 409.
    #[schema(max_length = 70)]
    external_id: Option<String>,
    /// The child whose meals are paid.
    child: Child,
    /// Who owes the money and receives the messages.
    payer: Payer,
    /// Whole cents, within the limits of the service.
    #[schema(minimum = 1, maximum = 99_999_999_999_i64)]
    amount_cents: i64,
    /// The text on the notice, without personal data. Left out: the service and the child's code.
    #[schema(max_length = 140)]
    description: Option<String>,
    /// The day by which it should be paid. Left out: after the days set for the service.
    #[schema(format = Date)]
    due_on: Option<String>,
    /// The day before which nobody can see or pay it.
    #[schema(format = Date)]
    publish_on: Option<String>,
    /// The month of an invoice, YYYY-MM; only with kind invoice.
    #[schema(example = "2026-10")]
    period: Option<String>,
    /// The meals of an invoice, which add up to the amount; only with kind invoice.
    #[schema(min_items = 1, max_items = 200)]
    lines: Option<Vec<InvoiceLine>>,
    /// Who receives the money; left out, all of it goes to the creditor's own account.
    #[schema(min_items = 1, max_items = 5)]
    transfers: Option<Vec<Transfer>>,
    /// Names and texts of your own that pagoPA carries along, 1 to 15; without personal data.
    metadata: Option<BTreeMap<String, String>>,
}

/// A line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"on": "2026-10-01", "description": "Pranzo", "quantity": 1, "unit_cents": 450}))]
pub(super) struct InvoiceLine {
    /// The day of the meal.
    #[schema(format = Date)]
    on: String,
    /// What it was, without personal data.
    #[schema(max_length = 70)]
    description: String,
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: i64,
    /// The price of one in whole cents; negative for what is given back.
    #[schema(minimum = -100_000_000_i64, maximum = 100_000_000_i64)]
    unit_cents: i64,
}

impl InvoiceLine {
    fn of(line: &Line) -> InvoiceLine {
        InvoiceLine {
            on: line.on.to_string(),
            description: line.description.clone(),
            quantity: line.quantity,
            unit_cents: line.unit.get(),
        }
    }
}

/// A part of the amount for one body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transfer {
    /// The fiscal code of the body, eleven digits.
    creditor: String,
    /// The account; needed for a body that is not served here, else its registered account is taken.
    iban: Option<String>,
    /// Whole cents; all transfers add up to the amount.
    #[schema(minimum = 1, maximum = 99_999_999_999_i64)]
    amount_cents: i64,
    /// The taxonomy code; left out, that of the service.
    #[schema(example = "9/0107101TS/")]
    category: Option<String>,
    /// The text of the credit; left out, the description of the notice.
    #[schema(max_length = 140)]
    description: Option<String>,
}

/// What changes of an open notice; what is left out stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"amount_cents": 5500, "due_on": "2027-01-31"}))]
pub(super) struct NoticeChange {
    /// Whole cents, within the limits of the service.
    #[schema(minimum = 1, maximum = 99_999_999_999_i64)]
    amount_cents: Option<i64>,
    /// Needed with a new amount when the notice has transfers.
    #[schema(min_items = 1, max_items = 5)]
    transfers: Option<Vec<Transfer>>,
    /// The day by which it should be paid.
    #[schema(format = Date)]
    due_on: Option<String>,
    /// The text on the notice, without personal data.
    #[schema(max_length = 140)]
    description: Option<String>,
}

/// How a notice was paid off pagoPA.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"means": "cash", "reference": "R-2026-118", "paid_at": "2026-11-20T09:30:00Z"}))]
pub(super) struct SettledElsewhere {
    /// cash, pos, bank_transfer or other.
    means: String,
    /// Your own reference, such as the number of a receipt.
    #[schema(max_length = 70)]
    reference: Option<String>,
    /// An instant with its offset.
    #[schema(format = DateTime)]
    paid_at: String,
}

impl SettledElsewhere {
    fn of(state: &DebtState) -> Option<SettledElsewhere> {
        let DebtState::Settled { elsewhere, .. } = state else {
            return None;
        };
        Some(SettledElsewhere {
            means: elsewhere.means.as_str().to_owned(),
            reference: elsewhere.reference.clone(),
            paid_at: elsewhere.paid_at.to_string(),
        })
    }
}

impl Transfer {
    fn of(share: &Share) -> Transfer {
        Transfer {
            creditor: share.creditor.to_string(),
            iban: share.iban.as_ref().map(|iban| iban.as_str().to_owned()),
            amount_cents: share.amount.get(),
            category: share.category.clone(),
            description: share.description.clone(),
        }
    }
}

/// What the money is for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Credit bought before the meals are eaten.
    TopUp,
    /// Meals that were eaten, paid afterwards.
    Invoice,
}

impl From<DebtKind> for Kind {
    fn from(kind: DebtKind) -> Kind {
        match kind {
            DebtKind::TopUp => Kind::TopUp,
            DebtKind::Invoice => Kind::Invoice,
        }
    }
}

/// A child.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Child {
    /// The code in the meal system.
    #[schema(max_length = 35)]
    code: String,
    /// Given and family name.
    #[schema(max_length = 70)]
    name: String,
    /// Fiscal code.
    fiscal_code: String,
}

/// A payer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Payer {
    /// Given and family name.
    #[schema(max_length = 70)]
    name: String,
    /// Fiscal code of a person, or of a body.
    fiscal_code: String,
    /// E-mail address.
    #[schema(max_length = 256)]
    email: String,
    /// Where the payer lives, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
}

/// A postal address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Address {
    #[schema(max_length = 70)]
    street: Option<String>,
    #[schema(max_length = 16)]
    number: Option<String>,
    #[schema(max_length = 16)]
    postal_code: Option<String>,
    #[schema(max_length = 35)]
    city: Option<String>,
    #[schema(max_length = 35)]
    province: Option<String>,
    /// Two capitals of ISO 3166-1.
    #[schema(example = "IT")]
    country: Option<String>,
}

impl Address {
    fn of(address: &party::Address) -> Address {
        Address {
            street: address.street.clone(),
            number: address.number.clone(),
            postal_code: address.postal_code.clone(),
            city: address.city.clone(),
            province: address.province.clone(),
            country: address.country.as_ref().map(|c| c.as_str().to_owned()),
        }
    }
}

/// Where a notice stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Can be paid.
    Open,
    /// Was paid.
    Paid,
    /// Was withdrawn.
    Cancelled,
    /// Its last day has passed.
    Expired,
}

impl From<PublicState> for State {
    fn from(state: PublicState) -> State {
        match state {
            PublicState::Open => State::Open,
            PublicState::Paid => State::Paid,
            PublicState::Cancelled => State::Cancelled,
            PublicState::Expired => State::Expired,
        }
    }
}

/// A notice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notice {
    id: String,
    /// The 18 digits on the notice; a string, because JavaScript's numbers would lose digits.
    notice_number: String,
    iuv: String,
    state: State,
    kind: Kind,
    service: String,
    external_id: Option<String>,
    child: Child,
    payer: Payer,
    amount_cents: i64,
    description: String,
    /// A day.
    #[schema(format = Date)]
    due_on: String,
    /// A day.
    #[schema(format = Date)]
    publish_on: Option<String>,
    /// The month of an invoice.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<String>,
    /// The meals of an invoice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<InvoiceLine>,
    /// Who receives the money, when it was said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transfers: Vec<Transfer>,
    /// What is carried along.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    /// How it was paid off pagoPA, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_elsewhere: Option<SettledElsewhere>,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    links: Links,
}

/// Where to go from here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Links {
    /// This notice.
    #[serde(rename = "self")]
    this: String,
    /// The printed notice, while it can be paid.
    pdf: String,
    /// The page where the parent pays: send a browser there, with `?return_url=` and an address of
    /// yours to come back to. Null when the gateway has no pages.
    pay: Option<String>,
}

impl Notice {
    /// A debt as the portal sees it on this day.
    pub(super) fn of(debt: &Debt, today: Day, to: &wire::links::Links) -> Notice {
        let order = &debt.order;
        let this = to.notice(&debt.id);
        Notice {
            id: debt.id.to_string(),
            notice_number: debt.notice.to_string(),
            iuv: debt.notice.iuv().to_string(),
            state: debt.public_state(today).into(),
            kind: order.kind.into(),
            service: order.service.clone(),
            external_id: order.external_id.clone(),
            child: Child {
                code: order.child.code.clone(),
                name: order.child.name.clone(),
                fiscal_code: order.child.fiscal_code.as_str().to_owned(),
            },
            payer: Payer {
                name: order.payer.name.clone(),
                fiscal_code: order.payer.fiscal_code.as_str().to_owned(),
                email: order.payer.email.as_str().to_owned(),
                address: order.payer.address.as_ref().map(Address::of),
            },
            amount_cents: order.amount.get(),
            description: order.description.clone(),
            due_on: order.due_on.to_string(),
            publish_on: order.publish_on.map(|day| day.to_string()),
            period: order.invoice.as_ref().map(|i| i.period.to_string()),
            lines: match &order.invoice {
                Some(invoice) => invoice.lines.iter().map(InvoiceLine::of).collect(),
                None => vec![],
            },
            transfers: order.shares.as_slice().iter().map(Transfer::of).collect(),
            metadata: order.metadata.clone(),
            paid_elsewhere: SettledElsewhere::of(&debt.state),
            created_at: debt.created_at.to_string(),
            links: Links {
                pdf: format!("{this}/pdf"),
                this,
                pay: to.pay(debt, today),
            },
        }
    }
}

impl Row for Notice {
    const PAGE: &'static str = "A page of notices.";
}

/// A page of notices.
pub(super) type NoticePage = Page<Notice>;

/// What waits for the finance office.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Exception {
    id: String,
    /// A stable code.
    code: &'static str,
    /// A sentence in Italian.
    message: &'static str,
    /// The facts, without personal data.
    detail: String,
    /// The id of the payment, ledger entry or document it is about.
    subject: String,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    opened_at: String,
    state: &'static str,
}

impl Exception {
    /// A case as finance sees it.
    pub(super) fn of(open: OpenCase) -> Exception {
        Exception {
            id: open.id.to_string(),
            code: open.case.code.as_str(),
            message: open.case.code.message(),
            detail: open.case.detail,
            subject: open.case.subject,
            opened_at: open.opened_at.to_string(),
            state: "open",
        }
    }
}

impl Row for Exception {
    const PAGE: &'static str = "A page of exceptions.";
}

/// A page of exceptions.
pub(super) type ExceptionPage = Page<Exception>;

/// Why a receipt is looked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HuntReason {
    /// Somebody was about to pay the notice, and no receipt came; perhaps it was never paid.
    Activated,
    /// A reporting flow has a row for it: it was paid.
    FlowRow,
}

/// Where the hunt for a receipt stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HuntState {
    /// It goes on.
    Searching,
    /// The receipt is recorded.
    Found,
    /// Nothing more to look for: the node's receipt came, or it was never paid.
    Ended,
    /// It was paid, and the receipt is nowhere: there is an exception for it.
    Missing,
}

/// A receipt that is looked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceiptHunt {
    id: String,
    /// The notice, when it is one of yours.
    notice_number: Option<String>,
    iuv: String,
    /// The receipt's id, when a reporting flow names it.
    receipt_id: Option<String>,
    reason: HuntReason,
    state: HuntState,
    /// Questions so far.
    attempts: i64,
    /// Since when it is looked for: an instant in UTC.
    #[schema(format = DateTime)]
    wanted_at: String,
    /// Not before this instant again; nothing when the hunt is over.
    #[schema(format = DateTime)]
    next_try_at: Option<String>,
    /// What came of the last question.
    last_error: Option<String>,
}

impl ReceiptHunt {
    /// A hunt as finance sees it.
    pub(super) fn of(hunt: Hunt) -> ReceiptHunt {
        let is_over = hunt.state != hunts::State::Searching;
        ReceiptHunt {
            id: hunt.id.to_string(),
            notice_number: hunt.notice.map(|notice| notice.to_string()),
            iuv: hunt.iuv,
            receipt_id: Some(hunt.iur).filter(|iur| !iur.is_empty()),
            reason: match hunt.reason {
                Reason::Activated => HuntReason::Activated,
                Reason::FlowRow => HuntReason::FlowRow,
            },
            state: match hunt.state {
                hunts::State::Searching => HuntState::Searching,
                hunts::State::Found => HuntState::Found,
                hunts::State::Ended => HuntState::Ended,
                hunts::State::Missing => HuntState::Missing,
            },
            attempts: hunt.attempts,
            wanted_at: hunt.wanted_at.to_string(),
            next_try_at: (!is_over).then(|| hunt.next_try_at.to_string()),
            last_error: hunt.last_error,
        }
    }
}

impl Row for ReceiptHunt {
    const PAGE: &'static str = "A page of receipts that are looked for.";
}

/// A page of receipts that are looked for.
pub(super) type ReceiptHuntPage = Page<ReceiptHunt>;

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// `urn:pagomensa:problem:` and the code.
    r#type: String,
    /// A sentence in the caller's language.
    title: String,
    status: u16,
    /// A stable code.
    code: String,
    /// The facts of this occurrence.
    detail: Option<String>,
    /// The request's id.
    instance: Option<String>,
    /// Every wrong field.
    errors: Option<Vec<FieldProblem>>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// The field, such as `child.fiscal_code`.
    field: String,
    /// A stable code.
    code: String,
    /// A sentence in the caller's language.
    message: String,
}
