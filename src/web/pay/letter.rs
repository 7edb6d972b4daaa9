//! The mail with a notice, for a payer who asked for it on its page.

use askama::Template;

use super::failure::Failure;
use super::notice::{Asked, Facts};
use super::tongue::Tongue;
use super::words::Words;
use crate::desk::mails::Enclosure;
use crate::domain::mail::{Mail, MailKind};
use crate::web::Web;

#[derive(Template)]
#[template(path = "pay/letter.html")]
struct LetterPage<'a> {
    tongue: Tongue,
    words: &'static Words,
    facts: &'a Facts,
    creditor: &'a str,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "pay/letter.txt")]
struct LetterText<'a> {
    words: &'static Words,
    facts: &'a Facts,
    creditor: &'a str,
    link: &'a str,
}

/// Writes the mail down; once a day for a notice, however often it is asked for.
///
/// # Errors
/// Nothing was written down.
pub(super) async fn send(web: &Web, asked: &Asked) -> Result<(), Failure> {
    let now = web.clock.now();
    let today = now.day_in_rome();
    let tongue = asked.visit.tongue;
    let words = tongue.words();
    let (creditor, debt) = (&asked.creditor, &asked.debt);
    let facts = asked.facts();
    let link = web.links.pay(debt, today).unwrap_or_default();
    let text = LetterText {
        words,
        facts: &facts,
        creditor: &creditor.name,
        link: &link,
    };
    let html = LetterPage {
        tongue,
        words,
        facts: &facts,
        creditor: &creditor.name,
        link: &link,
    };
    let drawn = text.render().and_then(|text| Ok((text, html.render()?)));
    let (text, html) = drawn.map_err(|error| {
        tracing::error!(%error, "a mail cannot be written");
        Failure::Unavailable
    })?;
    let printer = web.printer.clone();
    let (for_whom, what) = (creditor.clone(), debt.clone());
    let language = tongue.on_paper();
    let printed =
        tokio::task::spawn_blocking(move || printer.notice(&for_whom, &what, language)).await;
    let bytes = match printed {
        Ok(Ok(bytes)) => bytes,
        _ => {
            tracing::error!(notice = %debt.id, "a notice cannot be printed for its mail");
            return Err(Failure::Unavailable);
        }
    };
    let mail = Mail {
        creditor: creditor.code.clone(),
        kind: MailKind::Notice,
        identity: format!("{} {today} {}", debt.id, debt.order.amount.get()),
        debt: Some(debt.id.clone()),
        to: debt.order.payer.email.clone(),
        language: tongue.in_mails(),
        subject: format!("{} {}", words.mail_subject, debt.notice),
        text,
        html,
        attachments: vec![],
    };
    let enclosure = Enclosure {
        name: format!("avviso-{}.pdf", debt.notice),
        media_type: "application/pdf",
        bytes,
    };
    web.desk.mails().send(mail, vec![enclosure], now).await?;
    Ok(())
}
