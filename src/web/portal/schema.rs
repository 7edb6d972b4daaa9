//! The shapes of the API, for the answers and for the OpenAPI document.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, PublicState};
use crate::store::cases::OpenCase;

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
}

/// What the money is for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Credit bought before the meals are eaten.
    TopUp,
}

impl From<DebtKind> for Kind {
    fn from(kind: DebtKind) -> Kind {
        match kind {
            DebtKind::TopUp => Kind::TopUp,
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
}

impl Notice {
    /// A debt as the portal sees it on this day.
    pub(super) fn of(debt: &Debt, today: Day, public_url: &str) -> Notice {
        let order = &debt.order;
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
            },
            amount_cents: order.amount.get(),
            description: order.description.clone(),
            due_on: order.due_on.to_string(),
            publish_on: order.publish_on.map(|day| day.to_string()),
            created_at: debt.created_at.to_string(),
            links: Links {
                this: format!(
                    "{}/api/v1/notices/{}",
                    public_url.trim_end_matches('/'),
                    debt.id
                ),
            },
        }
    }
}

/// A page of notices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticePage {
    pub data: Vec<Notice>,
    /// Where the next page begins; nothing on the last one.
    pub next_cursor: Option<String>,
}

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
    pub(super) fn of(open: &OpenCase) -> Exception {
        Exception {
            id: open.id.to_string(),
            code: open.case.code.as_str(),
            message: open.case.code.message(),
            detail: open.case.detail.clone(),
            subject: open.case.subject.clone(),
            opened_at: open.opened_at.to_string(),
            state: "open",
        }
    }
}

/// A page of exceptions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExceptionPage {
    pub data: Vec<Exception>,
    /// Where the next page begins; nothing on the last one.
    pub next_cursor: Option<String>,
}

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
