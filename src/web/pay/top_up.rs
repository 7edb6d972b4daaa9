//! The page on which a parent chooses a top-up.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use uuid::Uuid;

use super::choice::{AMOUNTS, Choice, Mistakes, OTHER, offered};
use super::failure::Failure;
use super::frame::{Frame, page, see_other};
use super::notice::initials;
use super::visit::Visit;
use super::words::Words;
use crate::desk::top_ups::TopUpLink;
use crate::domain::creditor::Creditor;
use crate::domain::ids::TopUpLinkId;
use crate::domain::money::Cents;
use crate::web::Web;
use crate::wire::token::Kind;

/// What a good token opens.
struct Asked {
    visit: Visit,
    creditor: Arc<Creditor>,
    link: TopUpLink,
    path: String,
}

impl Asked {
    async fn of(web: &Web, token: &str, uri: &Uri, headers: &HeaderMap) -> Result<Asked, Failure> {
        let mut visit = Visit::of(uri, headers);
        let signer = web.links.signer().ok_or(Failure::NotFound)?;
        let ticket = signer.read(Kind::TopUp, token, web.clock.now())?;
        let creditor = web.desk.register().get(&ticket.creditor);
        let creditor = creditor.ok_or(Failure::NotFound)?.clone();
        let id = TopUpLinkId::new(ticket.id);
        let link = web.desk.top_up_link(&creditor.code, &id).await?;
        if offered(&creditor, &link).is_empty() {
            return Err(Failure::NoService);
        }
        visit.back.clone_from(&link.return_url);
        Ok(Asked {
            visit,
            creditor,
            link,
            path: format!("/top-up/{token}"),
        })
    }

    /// The page, with what was written before and what is wrong with it.
    fn draw(&self, status: StatusCode, choice: &Choice, mistakes: &Mistakes) -> Response {
        let tongue = self.visit.tongue;
        let services = offered(&self.creditor, &self.link);
        let words = tongue.words();
        let limits = |min: Cents, max: Cents| {
            Words::between(words.limits, &tongue.money(min), &tongue.money(max))
        };
        let amounts = AMOUNTS.map(|cents| {
            let amount = Cents::new(cents);
            let is_offered = services.iter().any(|s| (s.min..=s.max).contains(&amount));
            let item = Item {
                value: cents.to_string(),
                label: tongue.money(amount).replace(",00", "").replace(".00", ""),
                hint: String::new(),
                is_chosen: choice.amount == cents.to_string(),
            };
            is_offered.then_some(item)
        });
        let mut amounts: Vec<Item> = amounts.into_iter().flatten().collect();
        amounts.push(Item {
            value: OTHER.to_owned(),
            label: words.other_amount.to_owned(),
            hint: String::new(),
            is_chosen: choice.amount == OTHER,
        });
        let items = services.iter().map(|service| Item {
            value: service.code.clone(),
            label: service.name.clone(),
            hint: limits(service.min, service.max),
            is_chosen: choice.service == service.code,
        });
        let template = TopUpPage {
            initials: initials(&self.link.child_name),
            child_code: self.link.child_code.clone(),
            limits: match services.as_slice() {
                [only] => limits(only.min, only.max),
                _ => String::new(),
            },
            services: items.collect(),
            amounts,
            choice,
            mistakes,
            wants_child_code: self.link.child_fiscal_code.is_none(),
            wants_payer_code: self.link.payer_fiscal_code.is_none(),
            wants_email: self.link.payer_email.is_none(),
            action: self.visit.to(&self.path, None),
            frame: Frame::new(&self.visit, &self.creditor.name),
        };
        page(status, tongue, &template)
    }
}

/// Something to choose.
struct Item {
    value: String,
    label: String,
    hint: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "pay/top_up.html")]
struct TopUpPage<'a> {
    frame: Frame,
    initials: String,
    child_code: String,
    services: Vec<Item>,
    amounts: Vec<Item>,
    limits: String,
    choice: &'a Choice,
    mistakes: &'a Mistakes,
    wants_child_code: bool,
    wants_payer_code: bool,
    wants_email: bool,
    action: String,
}

/// An empty form.
pub(super) async fn show(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let choice = Choice {
        mark: web.desk.ids().next(web.clock.now()),
        ..Choice::default()
    };
    Ok(asked.draw(StatusCode::OK, &choice, &Mistakes::default()))
}

/// A form that was filled in: a notice comes of it, or the form again with what is wrong.
pub(super) async fn choose(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let bytes = web.bytes(body).await.map_err(|_| Failure::BadRequest)?;
    let mut choice = Choice::read(&bytes);
    let now = web.clock.now();
    // A form that did not come from our page is as good as a new one.
    if Uuid::parse_str(&choice.mark).is_err() {
        choice.mark = web.desk.ids().next(now);
    }
    let (creditor, link) = (&asked.creditor, &asked.link);
    let today = now.day_in_rome();
    let order = match choice.order(creditor, link, today, asked.visit.tongue) {
        Ok(order) => order,
        Err(mistakes) => {
            return Ok(asked.draw(StatusCode::UNPROCESSABLE_ENTITY, &choice, &mistakes));
        }
    };
    let chosen = web
        .desk
        .choose_top_up(creditor, &link.id, &choice.mark, order, now);
    let id = chosen.await?;
    let debt = web.desk.debt(&creditor.code, &id).await?;
    let path = web.links.pay_path(&debt, today);
    let path = path.ok_or(Failure::NotFound)?;
    Ok(see_other(&asked.visit.to(&path, None)))
}
