//! `/top-up-links`: the portal sends a parent to a page on which a top-up is chosen.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::common::{Denied, Repeatable, Speaker, WrongBody};
use super::notices::respond;
use super::request::{CODE, EMAIL, NAME, WORD, fiscal_code};
use super::schema::ProblemBody;
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::desk::top_ups::TopUpLink;
use crate::domain::creditor::Creditor;
use crate::domain::day::Instant;
use crate::domain::ids::TopUpLinkId;
use crate::domain::link::Prefix;
use crate::domain::party::Email;
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::fields::Form;
use crate::web::problem::Problem;
use crate::web::wrong::Wrong;
use crate::wire::digest::sha256;
use crate::wire::links::Links;

/// Longest `return_url`.
const ADDRESS: usize = 1_000;

/// A request for a page on which a top-up is chosen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
    "payer": {"name": "Mario Rossi"},
    "services": ["refezione"]
}))]
pub(super) struct TopUpLinkRequest {
    /// The child whose meals are paid.
    child: TopUpChild,
    /// Who is sent there.
    payer: TopUpPayer,
    /// The codes of the services to choose from; left out, all of the creditor's.
    #[schema(min_items = 1)]
    services: Option<Vec<String>>,
    /// Where the parent can come back to, below one of the addresses that are registered for the
    /// creditor (`return_urls`).
    #[schema(max_length = 1000)]
    return_url: Option<String>,
}

/// A child.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopUpChild {
    /// The code in the meal system.
    #[schema(max_length = 35)]
    code: String,
    /// Given and family name.
    #[schema(max_length = 70)]
    name: String,
    /// Fiscal code; left out, the page asks for it.
    fiscal_code: Option<String>,
}

/// A payer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopUpPayer {
    /// Given and family name.
    #[schema(max_length = 70)]
    name: String,
    /// Fiscal code; left out, the page asks for it.
    fiscal_code: Option<String>,
    /// E-mail address; left out, the page asks for it.
    #[schema(max_length = 256)]
    email: Option<String>,
}

/// A page on which a top-up is chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopUpLinkBody {
    id: String,
    /// Send the browser there, with 303.
    url: String,
    /// Until when it works: an instant in UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Make a page on which a parent chooses a top-up
///
/// The link holds no personal data. What the parent chooses becomes a notice of the kind `top_up`, whose
/// payment page comes next; one link serves several top-ups until it expires.
#[utoipa::path(
    post,
    path = "/top-up-links",
    tag = "notices",
    params(Repeatable, Speaker),
    request_body = TopUpLinkRequest,
    responses(
        (status = 201, description = "Send the browser to url", body = TopUpLinkBody),
        Denied,
        WrongBody,
        (status = 422, description = "Fields are missing or wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 501, description = "The gateway has no pages", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let key = idempotency_key(&headers)?;
    let json = web.json(&headers, body).await?;
    if web.links.signer().is_none() {
        return Err(Problem::no_pages());
    }
    let now = web.clock.now();
    let expires_at = now.plus_seconds(web.pay.top_up_hours.saturating_mul(3_600));
    let id = TopUpLinkId::new(web.desk.ids().next(now));
    let link = read(&json.value, &creditor, id, now, expires_at)?;
    let links = web.links.clone();
    let print = |link: &TopUpLink| print(link, &links);
    let request_sha256 = sha256(format!("POST /top-up-links {}", json.sha256).as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let done = web.desk.keep_top_up_link(link, repeat, now).await?;
    Ok(respond(done.answer(print)))
}

fn print(link: &TopUpLink, links: &Links) -> Answer {
    let url = links.top_up(&link.creditor, &link.id, link.expires_at);
    let body = TopUpLinkBody {
        id: link.id.to_string(),
        url: url.unwrap_or_default(),
        expires_at: link.expires_at.to_string(),
    };
    Answer {
        http_status: 201,
        body: serde_json::to_string(&body).unwrap_or_default(),
    }
}

/// Reads a request.
///
/// # Errors
/// 422 with every wrong field.
fn read(
    value: &Value,
    creditor: &Creditor,
    id: TopUpLinkId,
    created_at: Instant,
    expires_at: Instant,
) -> Result<TopUpLink, Problem> {
    let mut form = Form::default();
    let mut root = form.root(value);
    let mut child = root.object(&mut form, "child");
    let child_code = child.text(&mut form, "code", CODE).map(str::to_owned);
    let child_name = child.text(&mut form, "name", NAME).map(str::to_owned);
    let child_fiscal_code = child.optional_parsed(&mut form, "fiscal_code", WORD, fiscal_code);
    child.end(&mut form);
    let mut payer = root.object(&mut form, "payer");
    let payer_name = payer.text(&mut form, "name", NAME).map(str::to_owned);
    let payer_fiscal_code = payer.optional_parsed(&mut form, "fiscal_code", WORD, fiscal_code);
    let payer_email = payer.optional_parsed(&mut form, "email", EMAIL, |text| {
        Email::parse(text).map_err(|_| Wrong::Email)
    });
    payer.end(&mut form);
    let services = match root.list(&mut form, "services") {
        None => creditor.services.keys().cloned().collect(),
        Some(codes) => {
            let mut chosen: Vec<String> = vec![];
            for (index, code) in codes.iter().enumerate() {
                match code
                    .as_str()
                    .filter(|code| creditor.services.contains_key(*code))
                {
                    Some(code) if chosen.iter().any(|other| other == code) => {
                        form.wrong(format!("services[{index}]"), Wrong::Twice);
                    }
                    Some(code) => chosen.push(code.to_owned()),
                    None => form.wrong(format!("services[{index}]"), Wrong::NotOffered),
                }
            }
            if codes.is_empty() {
                form.wrong("services".to_owned(), Wrong::Required);
            }
            chosen
        }
    };
    let return_url = root.optional_parsed(&mut form, "return_url", ADDRESS, |text| {
        Prefix::admit(&creditor.return_urls, text).ok_or(Wrong::NotAReturnUrl)
    });
    root.end(&mut form);
    form.finish()?;
    let link = || {
        Some(TopUpLink {
            id,
            creditor: creditor.code.clone(),
            child_code: child_code?,
            child_name: child_name?,
            child_fiscal_code,
            payer_name: payer_name?,
            payer_fiscal_code,
            payer_email,
            services,
            return_url,
            created_at,
            expires_at,
        })
    };
    // Every field that is missing was reported by finish, so a link can always be made here.
    link().ok_or_else(|| Problem::invalid_fields(vec![]))
}
