//! The payment page of a notice: each state has its own.

use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use super::failure::Failure;
use super::frame::{Frame, LeadsAway, page, see_other};
use super::letter;
use super::qr::{self, Drawing};
use super::visit::Visit;
use super::words::Words;
use crate::desk::DeskError;
use crate::desk::checkouts::{Back, CheckoutError};
use crate::domain::checkout::Returned;
use crate::domain::creditor::Creditor;
use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, DebtState, Means, PublicState};
use crate::domain::ids::DebtId;
use crate::domain::link::Prefix;
use crate::web::Web;
use crate::web::print::print;
use crate::wire::token::Kind;

/// What a good token opens.
#[derive(Debug)]
pub(super) struct Asked {
    pub visit: Visit,
    pub creditor: Arc<Creditor>,
    pub debt: Debt,
    path: String,
}

impl Asked {
    /// Reads the token and what it opens.
    ///
    /// # Errors
    /// The token, the notice or the way back is not as it should be.
    pub(super) async fn of(
        web: &Web,
        token: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Asked, Failure> {
        let mut visit = Visit::of(uri, headers);
        let signer = web.links.signer().ok_or(Failure::NotFound)?;
        let now = web.clock.now();
        let ticket = signer.read(Kind::Notice, token, now)?;
        let creditor = web.desk.register().get(&ticket.creditor);
        let creditor = creditor.ok_or(Failure::NotFound)?.clone();
        let id = DebtId::new(ticket.id);
        let debt = web.desk.debt(&creditor.code, &id).await?;
        let today = now.day_in_rome();
        if debt.order.publish_on.is_some_and(|day| today < day) {
            return Err(Failure::NotFound);
        }
        if let Some(back) = visit.field("return_url") {
            let back = Prefix::admit(&creditor.return_urls, back);
            visit.back = Some(back.ok_or(Failure::WrongReturn)?);
        }
        Ok(Asked {
            visit,
            creditor,
            debt,
            path: format!("/pay/{token}"),
        })
    }

    fn state(&self, today: Day) -> PublicState {
        self.debt.public_state(today)
    }

    /// Another page of the same notice.
    fn to(&self, more: &str) -> String {
        self.visit.to(&format!("{}{more}", self.path), None)
    }

    /// Back to the notice's page.
    fn home(&self) -> Response {
        see_other(&self.to(""))
    }

    /// By which way a browser came back from the last attempt to pay at Checkout.
    async fn way_back(&self, web: &Web) -> Result<Option<Returned>, Failure> {
        let attempt = web.checkouts.latest(&self.debt.id).await?;
        Ok(attempt.and_then(|attempt| attempt.returned.map(|(way, _)| way)))
    }

    fn frame(&self) -> Frame {
        Frame::new(&self.visit, &self.creditor.name)
    }

    pub(super) fn facts(&self) -> Facts {
        let tongue = self.visit.tongue;
        let order = &self.debt.order;
        let service = self.creditor.services.get(&order.service);
        Facts {
            amount: tongue.money(order.amount),
            initials: initials(&order.child.name),
            child_code: order.child.code.clone(),
            service: service.map_or_else(|| order.service.clone(), |s| s.name.clone()),
            description: order.description.clone(),
            due_on: tongue.day(order.due_on),
            due_iso: order.due_on.to_string(),
            number: in_groups(self.debt.notice.as_str()),
            creditor_code: self.creditor.code.to_string(),
        }
    }

    /// A notice that its parent asked for may be given up by the parent; what is owed may not.
    fn is_deletable(&self) -> bool {
        self.debt.order.kind == DebtKind::TopUp
    }
}

/// What is told of a notice on its pages.
#[derive(Debug)]
pub(super) struct Facts {
    pub amount: String,
    pub initials: String,
    pub child_code: String,
    pub service: String,
    pub description: String,
    pub due_on: String,
    pub due_iso: String,
    pub number: String,
    pub creditor_code: String,
}

/// The first letters of a name: `Giulia Rossi` is `G. R.`
pub(super) fn initials(name: &str) -> String {
    let letters = name
        .split_whitespace()
        .filter_map(|word| word.chars().next());
    let letters: Vec<String> = letters
        .map(|letter| format!("{}.", letter.to_uppercase()))
        .collect();
    letters.join("\u{a0}")
}

/// Digits in groups of four, as they are printed.
fn in_groups(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("\u{a0}")
}

/// An address that its owner knows again and nobody else reads: `m…@example.org`.
fn masked(email: &str) -> String {
    let (name, host) = email.split_once('@').unwrap_or((email, ""));
    let first: String = name.chars().take(1).collect();
    format!("{first}…@{host}")
}

#[derive(Template)]
#[template(path = "pay/open.html")]
struct OpenPage {
    frame: Frame,
    facts: Facts,
    /// What came of an attempt to pay.
    message: Option<&'static str>,
    /// Where *pay online* leads.
    checkout: Option<String>,
    notice: String,
    delete: Option<String>,
}

#[derive(Template)]
#[template(path = "pay/notice.html")]
struct NoticePage {
    frame: Frame,
    facts: Facts,
    drawing: Drawing,
    pdf: String,
    mail: Option<Mail>,
    is_sent: bool,
    delete: Option<String>,
    home: String,
}

struct Mail {
    action: String,
    address: String,
}

#[derive(Template)]
#[template(path = "pay/waiting.html")]
struct WaitingPage {
    frame: Frame,
    facts: Facts,
    again: String,
    home: String,
}

#[derive(Template)]
#[template(path = "pay/done.html")]
struct DonePage {
    frame: Frame,
    facts: Facts,
    heading: &'static str,
    hint: &'static str,
    icon: &'static str,
    tone: &'static str,
    /// What else is known, with its label.
    rows: Vec<(&'static str, String)>,
    receipt: Option<String>,
}

#[derive(Template)]
#[template(path = "pay/delete.html")]
struct DeletePage {
    frame: Frame,
    facts: Facts,
    action: String,
    home: String,
}

/// The page of a notice, in its state.
pub(super) async fn show(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let today = web.clock.now().day_in_rome();
    if asked.state(today) != PublicState::Open {
        return Ok(done(&asked));
    }
    let frame = asked.frame();
    let words = frame.words;
    let message = match asked.visit.field("outcome") {
        Some("waiting") => return Ok(waiting(&asked)),
        Some("back") => match asked.way_back(&web).await? {
            Some(Returned::Ok | Returned::Waiting) => return Ok(waiting(&asked)),
            Some(Returned::Cancel) => Some(words.turned_back),
            Some(Returned::Error) => Some(words.went_wrong),
            None => None,
        },
        Some("running") => Some(words.checkout_running),
        Some("down") => Some(words.checkout_down),
        _ => None,
    };
    let template = OpenPage {
        facts: asked.facts(),
        message,
        checkout: web.checkouts.is_enabled().then(|| asked.to("/checkout")),
        notice: asked.to("/notice"),
        delete: asked.is_deletable().then(|| asked.to("/delete")),
        frame,
    };
    let mut response = page(StatusCode::OK, asked.visit.tongue, &template);
    response.extensions_mut().insert(LeadsAway);
    Ok(response)
}

/// The payer came back from Checkout, which proves nothing: the receipt does.
fn waiting(asked: &Asked) -> Response {
    let mut frame = asked.frame();
    frame.events = Some(asked.to("/events"));
    let template = WaitingPage {
        frame,
        facts: asked.facts(),
        again: asked.visit.to(&asked.path, Some(("outcome", "waiting"))),
        home: asked.to(""),
    };
    page(StatusCode::OK, asked.visit.tongue, &template)
}

/// The page of a notice that cannot be paid any more.
fn done(asked: &Asked) -> Response {
    let frame = asked.frame();
    let words = frame.words;
    let tongue = asked.visit.tongue;
    let day = |at: crate::domain::day::Instant| tongue.day(at.day_in_rome());
    let mut receipt = None;
    let (heading, hint, icon, tone, rows) = match &asked.debt.state {
        DebtState::Paid { at, .. } => {
            receipt = Some(asked.to("/receipt.pdf"));
            let rows = vec![(words.paid_on, day(*at))];
            (words.paid, words.paid_hint, "it-check-circle", "good", rows)
        }
        DebtState::Settled { elsewhere, .. } => {
            let rows = vec![
                (words.settled_on, day(elsewhere.paid_at)),
                (words.settled_by, means(words, elsewhere.means).to_owned()),
            ];
            (
                words.settled,
                words.settled_hint,
                "it-check-circle",
                "good",
                rows,
            )
        }
        DebtState::Cancelled { .. } => (
            words.cancelled,
            words.cancelled_hint,
            "it-close-circle",
            "calm",
            vec![],
        ),
        DebtState::Open | DebtState::Expired { .. } => {
            let last = tongue.day(asked.debt.order.payable_until);
            let rows = vec![(words.ended_on, last)];
            (words.expired, words.expired_hint, "it-clock", "calm", rows)
        }
    };
    let template = DonePage {
        frame,
        facts: asked.facts(),
        heading,
        hint,
        icon,
        tone,
        rows,
        receipt,
    };
    page(StatusCode::OK, tongue, &template)
}

fn means(words: &Words, means: Means) -> &'static str {
    match means {
        Means::Cash => words.by_cash,
        Means::Pos => words.by_pos,
        Means::BankTransfer => words.by_transfer,
        Means::Other => words.by_other,
    }
}

/// The notice for a counter: its QR code, its numbers, its PDF.
pub(super) async fn notice(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    if asked.state(web.clock.now().day_in_rome()) != PublicState::Open {
        return Ok(asked.home());
    }
    let drawing = qr::draw(&asked.debt).map_err(|error| {
        tracing::error!(%error, "a QR code cannot be drawn");
        Failure::Unavailable
    })?;
    let template = NoticePage {
        frame: asked.frame(),
        facts: asked.facts(),
        drawing,
        pdf: asked.to("/notice.pdf"),
        mail: web.pay.has_mail.then(|| Mail {
            action: asked.to("/mail"),
            address: masked(asked.debt.order.payer.email.as_str()),
        }),
        is_sent: asked.visit.field("done") == Some("mail"),
        delete: asked.is_deletable().then(|| asked.to("/delete")),
        home: asked.to(""),
    };
    Ok(page(StatusCode::OK, asked.visit.tongue, &template))
}

/// The notice as a PDF.
pub(super) async fn notice_pdf(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    if asked.state(web.clock.now().day_in_rome()) != PublicState::Open {
        return Ok(asked.home());
    }
    let name = format!("avviso-{}", asked.debt.notice);
    let language = asked.visit.tongue.on_paper();
    print(&web.printer, &headers, &name, move |printer| {
        printer.notice(&asked.creditor, &asked.debt, language)
    })
    .await
    .map_err(|_| Failure::Unavailable)
}

/// The receipt as a PDF.
pub(super) async fn receipt_pdf(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let DebtState::Paid { payment, .. } = &asked.debt.state else {
        return Ok(asked.home());
    };
    let proof = web.desk.proof(&asked.creditor, payment).await?;
    let name = format!("ricevuta-{}", asked.debt.notice);
    print(&web.printer, &headers, &name, move |printer| {
        printer.receipt(&asked.creditor, &proof)
    })
    .await
    .map_err(|_| Failure::Unavailable)
}

/// On to pagoPA's payment page.
pub(super) async fn checkout(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    if asked.state(web.clock.now().day_in_rome()) != PublicState::Open {
        return Ok(asked.home());
    }
    let page = asked.visit.to(&asked.path, Some(("outcome", "back")));
    let notices = [asked.debt.id.clone()];
    let opened = web
        .checkouts
        .open(&asked.creditor, &notices, Back::Page(page));
    let outcome = match opened.await {
        Ok(checkout) => return Ok(see_other(checkout.redirect_url())),
        Err(CheckoutError::Disabled) => return Err(Failure::NotFound),
        // Paid, withdrawn or expired meanwhile: its page says which.
        Err(CheckoutError::NotPayable(_)) => return Ok(asked.home()),
        Err(CheckoutError::Running) => "running",
        Err(CheckoutError::Desk(error)) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "nobody is sent to Checkout"
            );
            "down"
        }
    };
    let address = asked.visit.to(&asked.path, Some(("outcome", outcome)));
    Ok(see_other(&address))
}

/// Sends the notice to its payer.
pub(super) async fn mail(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    if asked.state(web.clock.now().day_in_rome()) != PublicState::Open {
        return Ok(asked.home());
    }
    if !web.pay.has_mail {
        return Err(Failure::NotFound);
    }
    letter::send(&web, &asked).await?;
    let path = format!("{}/notice", asked.path);
    Ok(see_other(&asked.visit.to(&path, Some(("done", "mail")))))
}

/// Asks whether the notice should be given up.
pub(super) async fn ask_delete(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let is_open = asked.state(web.clock.now().day_in_rome()) == PublicState::Open;
    if !is_open || !asked.is_deletable() {
        return Ok(asked.home());
    }
    let template = DeletePage {
        frame: asked.frame(),
        facts: asked.facts(),
        action: asked.to("/delete"),
        home: asked.to(""),
    };
    Ok(page(StatusCode::OK, asked.visit.tongue, &template))
}

/// Gives the notice up; one that was paid meanwhile stays paid, and its page says so.
pub(super) async fn delete(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let now = web.clock.now();
    if asked.state(now.day_in_rome()) == PublicState::Open && asked.is_deletable() {
        let cancelled = web
            .desk
            .cancel_debt(&asked.creditor.code, &asked.debt.id, None, now);
        match cancelled.await {
            Ok(_) | Err(DeskError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(asked.home())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_shortened() {
        let table = [
            ("Giulia Rossi", "G.\u{a0}R."),
            ("  élodie  de la Cruz ", "É.\u{a0}D.\u{a0}L.\u{a0}C."),
            ("", ""),
        ];
        for (name, expected) in table {
            assert_eq!(initials(name), expected);
        }
        assert_eq!(masked("mario@example.org"), "m…@example.org");
        assert_eq!(in_groups("302000000000000153").split('\u{a0}').count(), 5);
    }
}
