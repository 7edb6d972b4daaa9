//! `/statements`: what was asked for and what was paid, of a child or a payer, as JSON or CSV.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{Denied, Speaker, WrongQuery};
use super::query::{Fields, Query};
use super::request;
use super::schema::ProblemBody;
use crate::desk::accounts::{Statement, is_due};
use crate::desk::keys::Scope;
use crate::domain::day::Day;
use crate::domain::money::Cents;
use crate::domain::party::FiscalCode;
use crate::store::accounts::{Line, Subject};
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};

/// A statement of account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "subject": "50004", "from": "2026-01-01", "to": "2026-12-31",
    "issued_cents": 10000, "paid_cents": 5000, "due_cents": 5000,
    "lines": [{
        "notice_id": "019d2f0e-6d11-7000-9a01-d9b21c6f3a55", "notice_number": "302000000000000153",
        "child_code": "50004", "service": "refezione", "description": "Ricarica mensa 50004",
        "created_on": "2026-11-20", "due_on": "2026-12-31", "amount_cents": 5000, "state": "paid",
        "paid_on": "2026-11-20", "paid_cents": 5000, "means": "pagopa", "reference": "c110729d258c"
    }]
}))]
pub(super) struct StatementOfAccount {
    /// The child's code, or the payer's fiscal code.
    subject: String,
    /// The first day.
    #[schema(format = Date)]
    from: String,
    /// The last day.
    #[schema(format = Date)]
    to: String,
    /// Asked for within these days, without what was withdrawn or has expired unpaid.
    issued_cents: i64,
    /// Paid within these days, over our rails or elsewhere.
    paid_cents: i64,
    /// What can be paid today, whenever it was asked for.
    due_cents: i64,
    /// Notices created or paid within these days, and those that are open now.
    lines: Vec<StatementLine>,
}

/// A notice in a statement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatementLine {
    notice_id: String,
    notice_number: String,
    child_code: String,
    service: String,
    description: String,
    /// A day.
    #[schema(format = Date)]
    created_on: String,
    /// A day.
    #[schema(format = Date)]
    due_on: String,
    amount_cents: i64,
    /// `open`, `paid`, `cancelled` or `expired`.
    state: String,
    /// A day.
    #[schema(format = Date)]
    paid_on: Option<String>,
    paid_cents: Option<i64>,
    /// The rail, or the means by which it was settled elsewhere.
    means: Option<String>,
    /// The rail's name for the payment.
    reference: Option<String>,
}

/// What a payer has paid in a year, for the tax return.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "payer_fiscal_code": "RSSMRA80A01H501U", "year": 2026, "basis": "confirmed",
    "total_cents": 5000,
    "children": [{"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M", "paid_cents": 5000}],
    "payments": [{
        "child_code": "50004", "service": "refezione", "notice_number": "302000000000000153",
        "paid_on": "2026-11-20", "amount_cents": 5000, "means": "pagopa", "reference": "c110729d258c"
    }]
}))]
pub(super) struct YearlyStatement {
    payer_fiscal_code: String,
    year: i32,
    /// `confirmed`: every payment has its receipt. (Whether the money has reached the bank is not
    /// asked.)
    basis: &'static str,
    total_cents: i64,
    children: Vec<YearlyChild>,
    payments: Vec<YearlyPayment>,
}

/// What was paid for a child.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct YearlyChild {
    code: String,
    name: String,
    fiscal_code: String,
    paid_cents: i64,
}

/// A payment by a traceable means.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct YearlyPayment {
    child_code: String,
    service: String,
    notice_number: String,
    /// A day.
    #[schema(format = Date)]
    paid_on: String,
    amount_cents: i64,
    means: String,
    reference: String,
}

impl StatementLine {
    fn of(line: &Line, today: Day) -> StatementLine {
        let state = match line.state.as_str() {
            "open" if !is_due(line, today) => "expired",
            state => state,
        };
        let (paid_on, paid, means, reference) = match (&line.payment, &line.elsewhere) {
            (Some(paid), _) => (
                Some(paid.paid_at.day_in_rome()),
                Some(paid.amount),
                Some(paid.channel.as_str().to_owned()),
                Some(paid.reference.clone()),
            ),
            (None, Some((means, at))) => (
                Some(at.day_in_rome()),
                Some(line.amount),
                Some(means.clone()),
                None,
            ),
            (None, None) => (None, None, None, None),
        };
        StatementLine {
            notice_id: line.notice.clone(),
            notice_number: line.number.clone(),
            child_code: line.child_code.clone(),
            service: line.service.clone(),
            description: line.description.clone(),
            created_on: line.created_at.day_in_rome().to_string(),
            due_on: line.due_on.to_string(),
            amount_cents: line.amount.get(),
            state: state.to_owned(),
            paid_on: paid_on.map(|day| day.to_string()),
            paid_cents: paid.map(Cents::get),
            means,
            reference,
        }
    }
}

/// What is asked of a statement beside whose it is.
struct Wish {
    from: Day,
    to: Day,
    is_csv: bool,
}

fn wish(fields: Fields, today: Day) -> Result<Wish, Problem> {
    let mut query = Query::read(fields)?;
    let from = query.day("from");
    let to = query.day("to");
    let format = format(&mut query);
    query.finish()?;
    let year = today.to_string();
    let first = format!("{}-01-01", year.get(..4).unwrap_or("1970"));
    let wish = Wish {
        from: from.or(Day::parse(&first).ok()).unwrap_or(today),
        to: to.unwrap_or(today),
        is_csv: format,
    };
    if wish.to < wish.from {
        return Err(Problem::invalid_fields(vec![FieldError {
            field: "to".to_owned(),
            wrong: Wrong::NotOffered,
        }]));
    }
    Ok(wish)
}

fn format(query: &mut Query) -> bool {
    let format = query.word("format", |text| match text {
        "json" => Some(false),
        "csv" => Some(true),
        _ => None,
    });
    format.unwrap_or(false)
}

/// Rows for an Italian spreadsheet: a mark of UTF-8, semicolons, amounts with a comma. A text that a
/// spreadsheet would take for a formula gets an apostrophe before it.
fn csv(name: &str, rows: &[Vec<String>]) -> Response {
    let mut text = String::from('\u{feff}');
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(";"));
        text.push_str("\r\n");
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    let media = HeaderValue::from_static("text/csv; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

fn euro(cents: i64) -> String {
    let text = Cents::new(cents).to_string();
    text.replace('.', ",")
}

fn show(subject: &str, wish: &Wish, statement: &Statement, today: Day) -> Response {
    let lines: Vec<StatementLine> = statement
        .lines
        .iter()
        .map(|line| StatementLine::of(line, today))
        .collect();
    if !wish.is_csv {
        return Json(StatementOfAccount {
            subject: subject.to_owned(),
            from: wish.from.to_string(),
            to: wish.to.to_string(),
            issued_cents: statement.issued.get(),
            paid_cents: statement.paid.get(),
            due_cents: statement.due.get(),
            lines,
        })
        .into_response();
    }
    let head = [
        "Avviso",
        "Utente",
        "Servizio",
        "Descrizione",
        "Emesso il",
        "Scadenza",
        "Importo",
        "Stato",
        "Pagato il",
        "Pagato",
        "Mezzo",
        "Riferimento",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines.into_iter().map(|line| {
        vec![
            line.notice_number,
            line.child_code,
            line.service,
            line.description,
            line.created_on,
            line.due_on,
            euro(line.amount_cents),
            line.state,
            line.paid_on.unwrap_or_default(),
            line.paid_cents.map(euro).unwrap_or_default(),
            line.means.unwrap_or_default(),
            line.reference.unwrap_or_default(),
        ]
    }));
    csv("estratto-conto", &rows)
}

/// The statement of a child
#[utoipa::path(
    get,
    path = "/statements/children/{code}",
    tag = "statements",
    params(
        ("code" = String, Path, description = "The child's code"),
        ("from" = Option<String>, Query, description = "The first day; the first of this year when left out"),
        ("to" = Option<String>, Query, description = "The last day; today when left out"),
        ("format" = Option<String>, Query, description = "json or csv (for an Italian spreadsheet); json when left out"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The statement; of a child that nobody knows an empty one", body = StatementOfAccount),
        Denied,
        WrongQuery,
        (status = 409, description = "More than 5000 lines: ask for fewer days", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_child(
    State(web): State<Web>,
    Path(code): Path<String>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::StatementsRead).await?;
    let today = web.clock.now().day_in_rome();
    let wish = wish(fields, today)?;
    if code.chars().count() > request::CODE {
        return Err(Problem::not_found());
    }
    let days = (wish.from, wish.to);
    let statement = web
        .desk
        .statement(&creditor.code, Subject::Child(&code), days, today)
        .await?;
    Ok(show(&code, &wish, &statement, today))
}

/// The statement of a payer
#[utoipa::path(
    get,
    path = "/statements/payers/{fiscal_code}",
    tag = "statements",
    params(
        ("fiscal_code" = String, Path, description = "The payer's fiscal code"),
        ("from" = Option<String>, Query, description = "The first day; the first of this year when left out"),
        ("to" = Option<String>, Query, description = "The last day; today when left out"),
        ("format" = Option<String>, Query, description = "json or csv (for an Italian spreadsheet); json when left out"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The statement; of a payer that nobody knows an empty one", body = StatementOfAccount),
        Denied,
        WrongQuery,
        (status = 404, description = "That is no fiscal code", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "More than 5000 lines: ask for fewer days", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_payer(
    State(web): State<Web>,
    Path(code): Path<String>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::StatementsRead).await?;
    let today = web.clock.now().day_in_rome();
    let wish = wish(fields, today)?;
    let code = FiscalCode::parse(&code).map_err(|_| Problem::not_found())?;
    let days = (wish.from, wish.to);
    let statement = web
        .desk
        .statement(&creditor.code, Subject::Payer(code.as_str()), days, today)
        .await?;
    Ok(show(code.as_str(), &wish, &statement, today))
}

/// What a payer has paid in a year, for the tax return
///
/// Payments by a traceable means, by the day on which they were made in Italy, that closed a notice of this
/// payer. Not among them: a second payment of the same notice, and what was settled elsewhere.
#[utoipa::path(
    get,
    path = "/statements/payers/{fiscal_code}/years/{year}",
    tag = "statements",
    params(
        ("fiscal_code" = String, Path, description = "The payer's fiscal code"),
        ("year" = u32, Path, description = "The year"),
        ("format" = Option<String>, Query, description = "json or csv (for an Italian spreadsheet); json when left out"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The statement", body = YearlyStatement),
        Denied,
        WrongQuery,
        (status = 404, description = "That is no fiscal code, or no year", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "More than 5000 lines", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_year(
    State(web): State<Web>,
    Path((code, year)): Path<(String, String)>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::StatementsRead).await?;
    let mut query = Query::read(fields)?;
    let is_csv = format(&mut query);
    query.finish()?;
    let code = FiscalCode::parse(&code).map_err(|_| Problem::not_found())?;
    let day = |tail: &str| Day::parse(&format!("{year}-{tail}")).map_err(|_| Problem::not_found());
    let days = (day("01-01")?, day("12-31")?);
    let number: i32 = year.parse().map_err(|_| Problem::not_found())?;
    let lines = web
        .desk
        .paid_in_year(&creditor.code, code.as_str(), days)
        .await?;
    let mut children: BTreeMap<String, YearlyChild> = BTreeMap::new();
    let mut payments = vec![];
    let mut total: i64 = 0;
    for line in lines {
        let Some(paid) = line.payment else { continue };
        let cents = paid.amount.get();
        let child = children
            .entry(line.child_code.clone())
            .or_insert_with(|| YearlyChild {
                code: line.child_code.clone(),
                name: String::new(),
                fiscal_code: String::new(),
                paid_cents: 0,
            });
        // The last notice says how the child is called now.
        child.name = line.child_name;
        child.fiscal_code = line.child_fiscal_code;
        child.paid_cents = child.paid_cents.saturating_add(cents);
        total = total.saturating_add(cents);
        payments.push(YearlyPayment {
            child_code: line.child_code,
            service: line.service,
            notice_number: line.number,
            paid_on: paid.paid_at.day_in_rome().to_string(),
            amount_cents: cents,
            means: paid.channel.as_str().to_owned(),
            reference: paid.reference,
        });
    }
    if !is_csv {
        return Ok(Json(YearlyStatement {
            payer_fiscal_code: code.as_str().to_owned(),
            year: number,
            basis: "confirmed",
            total_cents: total,
            children: children.into_values().collect(),
            payments,
        })
        .into_response());
    }
    let head = [
        "Codice fiscale pagatore",
        "Utente",
        "Nome",
        "Codice fiscale utente",
        "Servizio",
        "Avviso",
        "Pagato il",
        "Importo",
        "Mezzo",
        "Riferimento",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for payment in payments {
        let child = children.get(&payment.child_code).cloned();
        let (name, fiscal_code) = child.map(|c| (c.name, c.fiscal_code)).unwrap_or_default();
        rows.push(vec![
            code.as_str().to_owned(),
            payment.child_code,
            name,
            fiscal_code,
            payment.service,
            payment.notice_number,
            payment.paid_on,
            euro(payment.amount_cents),
            payment.means,
            payment.reference,
        ]);
    }
    Ok(csv(&format!("pagamenti-{number}"), &rows))
}
