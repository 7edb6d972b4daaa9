//! The receipts GPD keeps: those of stand-in payments, which were paid from the archive of notices.
//! One of them is the XML of `paSendRTV2Request` as it went to pagoPA's own station.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::Caller;
use super::rate::Service;
use super::refusal::Refusal;
use crate::psp::{Head, Paid, send_document};
use crate::town::Shared;
use crate::web::extract::Params;

/// Largest page, and the size of a page nobody asked for.
const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 20;
/// pagoPA as the broker of the archive's positions.
const PLATFORM_BROKER: &str = "15376371009";
const PLATFORM_STATION: &str = "15376371009_01";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListQuery {
    page_num: usize,
    page_size: Option<usize>,
    debtor: Option<String>,
    from: Option<String>,
    to: Option<String>,
    segregation_codes: Option<String>,
    debtor_or_iuv: Option<String>,
}

/// `GET …/payments/{cf}/receipts?pageNum=&pageSize=&debtor=&from=&to=&debtorOrIuv=`
pub(super) async fn list(
    State(town): State<Shared>,
    caller: Caller,
    Path(creditor): Path<String>,
    query: Result<Params<ListQuery>, crate::problem::Problem>,
) -> Result<Response, Refusal> {
    caller.admit(&town, Service::Gpd)?;
    let bad = |detail: &str| Refusal::problem(StatusCode::BAD_REQUEST, "BAD REQUEST", detail);
    let Params(query) = query.map_err(|problem| bad(&problem.detail))?;
    let size = query.page_size.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(bad("pageSize must be 1 to 100"));
    }
    let filter = Filter::read(&query).map_err(|detail| bad(&detail))?;
    let mut found = town.database.stand_in_payments(&creditor).await?;
    found.retain(|paid| filter.matches(paid));
    let pages = found.len().div_ceil(size);
    if found.is_empty() {
        let detail = format!(
            "Not found receipts for Organization Fiscal Code {creditor} and page {}",
            query.page_num
        );
        let title = "Not found the receipts";
        return Err(Refusal::problem(StatusCode::NOT_FOUND, title, detail));
    }
    if query.page_num >= pages {
        let detail = "The page number is too big for the filtered elements";
        let title = "Not enough elements";
        return Err(Refusal::problem(StatusCode::BAD_REQUEST, title, detail));
    }
    let from = query.page_num.saturating_mul(size);
    let results: Vec<Value> = found.iter().skip(from).take(size).map(line).collect();
    Ok(Json(json!({
        "currentPageNumber": query.page_num,
        "length": results.len(),
        "totalPages": pages,
        "results": results,
    }))
    .into_response())
}

fn line(paid: &Paid) -> Value {
    json!({
        "organizationFiscalCode": paid.creditor,
        "iuv": paid.iuv,
        "debtor": paid.debtor,
        "paymentDateTime": paid.paid_at,
        "status": "PAID",
    })
}

/// What a list is narrowed to.
struct Filter<'a> {
    debtor: Option<&'a str>,
    start: Option<&'a str>,
    codes: Option<Vec<&'a str>>,
    from: Option<DateTime>,
    to: Option<DateTime>,
}

impl<'a> Filter<'a> {
    fn read(query: &'a ListQuery) -> Result<Self, String> {
        let moment = |name: &str, text: &'a Option<String>, end: bool| match text.as_deref() {
            None => Ok(None),
            Some(text) => moment(text, end)
                .map(Some)
                .ok_or_else(|| format!("{name} must be a day or a local date and time")),
        };
        Ok(Filter {
            debtor: query.debtor.as_deref(),
            start: query.debtor_or_iuv.as_deref(),
            codes: query
                .segregation_codes
                .as_deref()
                .map(segregation_codes)
                .transpose()?,
            from: moment("from", &query.from, false)?,
            to: moment("to", &query.to, true)?,
        })
    }

    fn matches(&self, paid: &Paid) -> bool {
        let at: Option<DateTime> = paid.paid_at.parse().ok();
        let starts = |start| paid.debtor.starts_with(start) || paid.iuv.starts_with(start);
        self.debtor.is_none_or(|debtor| debtor == paid.debtor)
            && self.start.is_none_or(starts)
            && self.codes.as_ref().is_none_or(|codes| may_see(codes, paid))
            && self.from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && self.to.is_none_or(|to| at.is_some_and(|at| at <= to))
    }
}

/// A whole day, or a moment of the wall clock.
fn moment(text: &str, is_end: bool) -> Option<DateTime> {
    let day = Date::strptime("%Y-%m-%d", text);
    match day {
        Ok(day) if is_end => day.to_datetime(jiff::civil::Time::MAX).into(),
        Ok(day) => day.to_datetime(jiff::civil::Time::MIN).into(),
        Err(_) => DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok(),
    }
}

/// `\d{2}(,\d{2})*`
fn segregation_codes(text: &str) -> Result<Vec<&str>, String> {
    let codes: Vec<&str> = text.split(',').collect();
    let is_code = |code: &&str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_digit());
    if codes.iter().all(is_code) {
        Ok(codes)
    } else {
        Err("segregationCodes must be two digits, with commas between several".to_owned())
    }
}

/// Whether the notice carries one of the segregation codes.
fn may_see(codes: &[&str], paid: &Paid) -> bool {
    codes.iter().any(|code| paid.iuv.starts_with(code))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DocumentQuery {
    segregation_codes: Option<String>,
}

/// `GET …/payments/{cf}/receipts/{iuv}`
pub(super) async fn document(
    State(town): State<Shared>,
    caller: Caller,
    Path((creditor, iuv)): Path<(String, String)>,
    query: Result<Params<DocumentQuery>, crate::problem::Problem>,
) -> Result<Response, Refusal> {
    caller.admit(&town, Service::Gpd)?;
    let bad = |detail: &str| Refusal::problem(StatusCode::BAD_REQUEST, "BAD REQUEST", detail);
    let Params(query) = query.map_err(|problem| bad(&problem.detail))?;
    let codes = query.segregation_codes.as_deref().map(segregation_codes);
    let codes = codes.transpose().map_err(|detail| bad(&detail))?;
    let mut found = town.database.stand_in_payments(&creditor).await?;
    found.retain(|paid| paid.iuv == iuv);
    let Some(paid) = found.pop() else {
        let detail =
            format!("Not found a receipt for Organization Fiscal Code {creditor} and IUV {iuv}");
        let title = "Not found the receipt";
        return Err(Refusal::problem(StatusCode::NOT_FOUND, title, detail));
    };
    if codes.is_some_and(|codes| !may_see(&codes, &paid)) {
        let detail = format!(
            "The caller does not have proper authorization to access IUV with the following \
             segregation code {} [Organization Fiscal Code={creditor}, IUV={iuv}]",
            iuv.get(..2).unwrap_or_default()
        );
        let title = "The receipt retrieve is forbidden";
        return Err(Refusal::problem(StatusCode::FORBIDDEN, title, detail));
    }
    let head = Head {
        id_pa: creditor,
        broker: PLATFORM_BROKER.to_owned(),
        station: PLATFORM_STATION.to_owned(),
    };
    let xml = send_document(&head, paid.tree()?);
    Ok(([(header::CONTENT_TYPE, "application/xml")], xml).into_response())
}
