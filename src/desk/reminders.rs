//! Reminders to payers: found by their due day, written as mails, each once for a notice and a moment.

use quick_xml::escape::escape;

use super::{Desk, DeskError};
use crate::domain::creditor::Creditor;
use crate::domain::day::{Day, Instant};
use crate::domain::debt::Debt;
use crate::domain::mail::{Language, Mail, MailKind};
use crate::domain::party::CreditorCode;
use crate::domain::reminder::{LATE_DAYS, is_due};
use crate::store::{StoreError, debts};
use crate::wire::links::Links;

/// Whom a creditor reminds, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The creditor.
    pub creditor: CreditorCode,
    /// Days after the due day; before it when negative.
    pub moments: Vec<i32>,
    /// In which language.
    pub language: Language,
}

impl Desk {
    /// Writes the reminders of a creditor that are due now, at most about `limit`, each with the way to
    /// the payment page when there are pages; whether there may be more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn remind(
        &self,
        plan: &Plan,
        links: &Links,
        now: Instant,
        limit: i64,
    ) -> Result<bool, DeskError> {
        let Some(creditor) = self.register.get(&plan.creditor).cloned() else {
            return Ok(false);
        };
        let today = now.day_in_rome();
        let mails = self.mails();
        let mut is_more = false;
        for moment in &plan.moments {
            for late in 0..=LATE_DAYS {
                let due_on = today.plus_days(-moment - late);
                let mut tx = self.store.write().await?;
                let code = &plan.creditor;
                let open = debts::unreminded(&mut tx, code, due_on, *moment, limit).await?;
                let mut written = 0;
                for debt in open.iter().filter(|debt| is_due(debt, *moment, today)) {
                    let mail = mail(
                        &creditor,
                        debt,
                        *moment,
                        plan.language,
                        links.pay(debt, today),
                    );
                    mails.owe(&mut tx, &mail, now).await?;
                    written += 1;
                }
                tx.commit().await.map_err(StoreError::from)?;
                if written > 0 {
                    mails.ring();
                }
                // What is not to be reminded stays in the list, and must not keep us here for ever.
                is_more |= written > 0 && i64::try_from(open.len()).is_ok_and(|n| n >= limit);
            }
        }
        Ok(is_more)
    }
}

/// The words of a reminder in one language.
struct Words {
    subject: &'static str,
    late_subject: &'static str,
    greeting: &'static str,
    open: &'static str,
    late: &'static str,
    labels: [&'static str; 4],
    pay: &'static str,
    paid: &'static str,
}

fn words(language: Language) -> Words {
    match language {
        Language::Italian => Words {
            subject: "Promemoria: avviso di pagamento in scadenza il",
            late_subject: "Promemoria: avviso di pagamento scaduto il",
            greeting: "Gentile genitore,",
            open: "l’avviso di pagamento qui sotto non risulta ancora pagato.",
            late: "l’avviso di pagamento qui sotto è scaduto e non risulta ancora pagato.",
            labels: ["Causale", "Importo", "Scadenza", "Codice avviso"],
            pay: "Paga online",
            paid: "Se hai già pagato, non tenere conto di questo messaggio.",
        },
        Language::German => Words {
            subject: "Erinnerung: Zahlungsmitteilung fällig am",
            late_subject: "Erinnerung: Zahlungsmitteilung, fällig gewesen am",
            greeting: "Liebe Eltern,",
            open: "die folgende Zahlungsmitteilung ist noch nicht bezahlt.",
            late: "die folgende Zahlungsmitteilung ist überfällig und noch nicht bezahlt.",
            labels: ["Zahlungsgrund", "Betrag", "Fälligkeit", "Mitteilungsnummer"],
            pay: "Online bezahlen",
            paid: "Falls Sie schon bezahlt haben, betrachten Sie diese Nachricht als gegenstandslos.",
        },
        Language::English => Words {
            subject: "Reminder: payment notice due on",
            late_subject: "Reminder: payment notice that was due on",
            greeting: "Dear parent,",
            open: "the payment notice below is not paid yet.",
            late: "the payment notice below is past its due day and not paid yet.",
            labels: ["Reason", "Amount", "Due on", "Notice number"],
            pay: "Pay online",
            paid: "If you have paid already, please ignore this message.",
        },
    }
}

/// The mail for a debt at a moment. The subject, which stands on locked screens, names nobody.
fn mail(
    creditor: &Creditor,
    debt: &Debt,
    moment: i32,
    language: Language,
    link: Option<String>,
) -> Mail {
    let words = words(language);
    let order = &debt.order;
    let due_on = written(order.due_on, language);
    let (subject, says) = match moment > 0 {
        true => (words.late_subject, words.late),
        false => (words.subject, words.open),
    };
    let amount = match language {
        Language::Italian | Language::German => order.amount.in_italian(),
        Language::English => order.amount.to_string(),
    };
    let values = [
        order.description.clone(),
        format!("{amount} €"),
        due_on.clone(),
        grouped(debt.notice.as_str()),
    ];
    let mut text = format!("{}\n\n{says}\n\n", words.greeting);
    let mut rows = String::new();
    for (label, value) in words.labels.iter().zip(&values) {
        text.push_str(&format!("{label}: {value}\n"));
        let value = escape(value.as_str());
        rows.push_str(&format!(
            "<tr><th scope=\"row\" align=\"left\">{label}</th><td>{value}</td></tr>\n"
        ));
    }
    let mut button = String::new();
    if let Some(link) = link {
        text.push_str(&format!("\n{}: {link}\n", words.pay));
        let link = escape(link.as_str());
        button = format!("<p><a href=\"{link}\">{}</a></p>\n", words.pay);
    }
    text.push_str(&format!("\n{}\n\n{}\n", words.paid, creditor.name));
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{subject} \
         {due_on}</title></head>\n<body>\n<p>{}</p>\n<p>{says}</p>\n<table>\n{rows}</table>\n\
         {button}<p>{}</p>\n<p>{}</p>\n</body>\n</html>\n",
        language.as_str(),
        words.greeting,
        words.paid,
        escape(creditor.name.as_str()),
    );
    Mail {
        creditor: debt.creditor.clone(),
        kind: MailKind::Reminder,
        identity: format!("{}{moment:+}", debt.id),
        debt: Some(debt.id.clone()),
        to: order.payer.email.clone(),
        language,
        subject: format!("{subject} {due_on}"),
        text,
        html,
        attachments: vec![],
    }
}

/// A day as it is written in a language.
fn written(day: Day, language: Language) -> String {
    let text = day.to_string();
    let parts: Vec<&str> = text.split('-').collect();
    match (language, parts.as_slice()) {
        (Language::Italian, [year, month, day]) => format!("{day}/{month}/{year}"),
        (Language::German, [year, month, day]) => format!("{day}.{month}.{year}"),
        _ => text,
    }
}

/// A notice number in groups of four digits, as it stands on the notice.
fn grouped(number: &str) -> String {
    let mut text = String::new();
    for (place, digit) in number.chars().enumerate() {
        if place > 0 && place.is_multiple_of(4) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
