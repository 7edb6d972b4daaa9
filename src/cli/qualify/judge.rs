//! The expectations of the cases 01 to 03, held against the journal's own bytes.

use super::cases::{Case, Check, Receipt, Slip, Transfer, Verdict};
use super::gateway::{Exchange, Message};
use crate::domain::money::Cents;
use crate::wire::digest::sha256;
use crate::wire::soap;
use crate::wire::xml::Element;

/// What 98 of 100 answers must keep within, in microseconds (pagoPA, service levels of creditors).
const PROMPT_US: i64 = 2_000_000;

/// All that a case is judged by.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub case: Case,
    pub notice: &'a Slip,
    /// Whose journal it is.
    pub creditor: &'a str,
    /// Who issued the notice.
    pub issuer: &'a str,
    /// Who must get what.
    pub shares: &'a [(&'a str, Cents)],
    pub exchanges: &'a [Exchange],
    /// Where the notice stands; nothing for the second beneficiary, who has none.
    pub state: Option<&'a str>,
    /// What the second beneficiary's finance office was told of the payment.
    pub told: &'a [String],
}

/// The checks of a case, and the receipt when one was taken.
pub(super) fn judge(facts: &Facts<'_>) -> (Vec<Check>, Option<Receipt>) {
    let mut checks = vec![];
    let receipt = match facts.case {
        Case::Verify => {
            verify(facts, &mut checks);
            None
        }
        Case::Secondary => secondary(facts, &mut checks),
        _ => payment(facts, &mut checks),
    };
    record(facts, &mut checks);
    (checks, receipt)
}

fn check(expected: impl Into<String>, is_met: bool, found: impl Into<String>) -> Check {
    Check {
        expected: expected.into(),
        found: found.into(),
        verdict: if is_met {
            Verdict::Met
        } else {
            Verdict::NotMet
        },
    }
}

/// A message whose bytes are those of the journal, read.
fn element(message: Option<&Message>) -> Option<Element> {
    let text = &message.filter(|message| is_whole(message))?.text;
    soap::body(text.as_bytes()).ok()
}

/// Whether the text is byte for byte what the journal kept.
pub(super) fn is_whole(message: &Message) -> bool {
    message.erased_at.is_none() && sha256(message.text.as_bytes()) == message.sha256
}

fn at<'e>(element: &'e Element, path: &str) -> Option<&'e Element> {
    path.split('/').try_fold(element, |at, name| at.child(name))
}

fn text(element: &Element, path: &str) -> String {
    at(element, path).map_or_else(String::new, |found| found.text.clone())
}

fn cents(element: &Element, path: &str) -> Option<Cents> {
    Cents::parse_point(&text(element, path)).ok()
}

/// The exchange of an operation that was answered OK, with both messages; and a check that says so.
/// A KO before it (a wrong try of the tester) does not matter, one without any OK does.
fn answered(
    facts: &Facts<'_>,
    operation: &str,
    checks: &mut Vec<Check>,
) -> Option<(Element, Element)> {
    let tries: Vec<&Exchange> = facts
        .exchanges
        .iter()
        .filter(|exchange| exchange.operation.starts_with(operation))
        .collect();
    let expected = format!("{operation} con risposta OK");
    let good = tries.iter().find(|exchange| exchange.outcome == "OK");
    let (Some(good), Some(last)) = (good, tries.last()) else {
        checks.push(match tries.last() {
            Some(last) => check(
                expected,
                false,
                format!("risposta {} (HTTP {})", last.outcome, last.http_status),
            ),
            None => Check {
                expected,
                found: "nessuno scambio nel giornale".to_owned(),
                verdict: Verdict::Missing,
            },
        });
        return None;
    };
    let messages = element(good.request.as_ref()).zip(element(good.reply.as_ref()));
    let said = messages.as_ref().map(|(_, reply)| text(reply, "outcome"));
    let found = match said.as_deref() {
        Some("OK") => format!(
            "OK, scambi nel giornale: {} (ultimo: {})",
            tries.len(),
            last.outcome
        ),
        Some(other) => format!("la risposta dice «{other}»"),
        None => "il messaggio non si legge: cancellato, o non è quello del giornale".to_owned(),
    };
    let is_ok = said.as_deref() == Some("OK");
    checks.push(check(expected, is_ok, found));
    messages.filter(|_| is_ok)
}

fn verify(facts: &Facts<'_>, checks: &mut Vec<Check>) {
    let Some((request, reply)) = answered(facts, "paVerifyPaymentNotice", checks) else {
        return;
    };
    addressed(facts, &request, checks);
    let option = "paymentList/paymentOptionDescription";
    let options = at(&reply, "paymentList").map_or(0, |list| list.children.len());
    let kind = text(&reply, &format!("{option}/options"));
    checks.push(check(
        "Una sola opzione di pagamento, EQ",
        options == 1 && kind == "EQ",
        format!("{options}, {kind}"),
    ));
    amount(
        facts,
        "Importo dell’avviso",
        cents(&reply, &format!("{option}/amount")),
        checks,
    );
    for (expected, path) in [
        ("Data di scadenza", format!("{option}/dueDate")),
        ("Descrizione del pagamento", "paymentDescription".to_owned()),
        ("Denominazione dell’ente", "companyName".to_owned()),
    ] {
        let found = text(&reply, &path);
        checks.push(check(expected, !found.is_empty(), or_nothing(found)));
    }
    let postal = text(&reply, &format!("{option}/allCCP"));
    let is_said = matches!(postal.as_str(), "true" | "false" | "1" | "0");
    checks.push(check("allCCP valorizzato", is_said, or_nothing(postal)));
    let code = text(&reply, "fiscalCodePA");
    checks.push(check(
        format!("Codice fiscale dell’ente {}", facts.issuer),
        code == facts.issuer,
        or_nothing(code),
    ));
    if let Some(state) = facts.state {
        checks.push(check(
            "La verifica non cambia l’avviso, che resta pagabile",
            state == "open",
            in_italian(state),
        ));
    }
}

fn payment(facts: &Facts<'_>, checks: &mut Vec<Check>) -> Option<Receipt> {
    if let Some((request, reply)) = answered(facts, "paGetPayment", checks) {
        addressed(facts, &request, checks);
        if let Some(data) = at(&reply, "data") {
            amount(
                facts,
                "Importo da pagare",
                cents(data, "paymentAmount"),
                checks,
            );
            let due = text(data, "dueDate");
            checks.push(check("Data di scadenza", !due.is_empty(), or_nothing(due)));
            shared_out(
                "transferList della risposta",
                facts,
                &transfers(data),
                checks,
            );
        } else {
            checks.push(check("Dati del pagamento", false, "mancano"));
        }
    }
    let (request, _) = answered(facts, "paSendRT", checks)?;
    let receipt = received(facts, &request, checks)?;
    shared_out(
        "transferList della ricevuta",
        facts,
        &receipt.transfers,
        checks,
    );
    if let Some(state) = facts.state {
        checks.push(check(
            "L’avviso è pagato in archivio",
            state == "paid",
            in_italian(state),
        ));
    }
    Some(receipt)
}

fn secondary(facts: &Facts<'_>, checks: &mut Vec<Check>) -> Option<Receipt> {
    let (request, _) = answered(facts, "paSendRT", checks)?;
    let receipt = received(facts, &request, checks)?;
    shared_out(
        "transferList della ricevuta",
        facts,
        &receipt.transfers,
        checks,
    );
    let due = facts
        .shares
        .iter()
        .filter(|(code, _)| *code == facts.creditor);
    let due: i64 = due.map(|(_, cents)| cents.get()).sum();
    let own = format!("di cui propri {} €", Cents::new(due).in_italian());
    let is_told = facts.told.iter().any(|told| told.contains(&own));
    let found = match facts.told {
        [] => "nessuna segnalazione aperta «secondary_beneficiary» per l’avviso".to_owned(),
        told => told.join("; "),
    };
    checks.push(Check {
        expected: format!(
            "Il secondo beneficiario conta solo il proprio versamento, {} €",
            Cents::new(due).in_italian()
        ),
        found,
        verdict: match (is_told, facts.told) {
            (true, _) => Verdict::Met,
            (false, []) => Verdict::Missing,
            (false, _) => Verdict::NotMet,
        },
    });
    Some(receipt)
}

/// Whom the message is for, and of which notice it speaks.
fn addressed(facts: &Facts<'_>, request: &Element, checks: &mut Vec<Check>) {
    let found = [
        text(request, "idPA"),
        text(request, "qrCode/fiscalCode"),
        text(request, "qrCode/noticeNumber"),
    ];
    let wanted = [facts.creditor, facts.issuer, &facts.notice.number];
    checks.push(check(
        format!("La richiesta è per l’ente {} e l’avviso", facts.creditor),
        found == wanted,
        found.join(", "),
    ));
}

fn amount(facts: &Facts<'_>, what: &str, found: Option<Cents>, checks: &mut Vec<Check>) {
    let due = Cents::new(facts.notice.amount_cents);
    checks.push(check(
        format!("{what}: {} €", due.in_italian()),
        found == Some(due),
        found.map_or_else(
            || "manca".to_owned(),
            |found| format!("{} €", found.in_italian()),
        ),
    ));
}

/// The receipt as it was taken.
fn received(facts: &Facts<'_>, request: &Element, checks: &mut Vec<Check>) -> Option<Receipt> {
    let Some(receipt) = at(request, "receipt") else {
        checks.push(check("Ricevuta nel messaggio", false, "manca"));
        return None;
    };
    let said = [
        text(request, "idPA"),
        text(receipt, "fiscalCode"),
        text(receipt, "noticeNumber"),
        text(receipt, "creditorReferenceId"),
        text(receipt, "outcome"),
    ];
    let wanted = [
        facts.creditor,
        facts.issuer,
        &facts.notice.number,
        &facts.notice.iuv,
        "OK",
    ];
    checks.push(check(
        format!(
            "La ricevuta è per l’ente {}, con avviso, IUV ed esito OK",
            facts.creditor
        ),
        said == wanted,
        said.join(", "),
    ));
    amount(
        facts,
        "Importo pagato",
        cents(receipt, "paymentAmount"),
        checks,
    );
    let id = text(receipt, "receiptId");
    checks.push(check("receiptId", !id.is_empty(), or_nothing(id.clone())));
    Some(Receipt {
        id,
        iuv: text(receipt, "creditorReferenceId"),
        paid_on: text(receipt, "paymentDateTime").chars().take(10).collect(),
        transfers: transfers(receipt),
        company: text(receipt, "companyName"),
        broker: text(request, "idBrokerPA"),
        station: text(request, "idStation"),
        psp: text(receipt, "idPSP"),
        psp_name: text(receipt, "PSPCompanyName"),
        psp_fiscal_code: text(receipt, "pspFiscalCode"),
    })
}

/// The transfers; one that cannot be read has the index 0, which is never right.
fn transfers(parent: &Element) -> Vec<Transfer> {
    let list = at(parent, "transferList");
    list.into_iter()
        .flat_map(|list| &list.children)
        .map(|transfer| Transfer {
            index: text(transfer, "idTransfer").parse().unwrap_or(0),
            creditor: text(transfer, "fiscalCodePA"),
            cents: cents(transfer, "transferAmount").map_or(-1, Cents::get),
        })
        .collect()
}

/// The transfers are numbered from 1, for the beneficiaries, and add up.
fn shared_out(what: &str, facts: &Facts<'_>, found: &[Transfer], checks: &mut Vec<Check>) {
    let wanted: Vec<Transfer> = (1_u8..)
        .zip(facts.shares)
        .map(|(index, (creditor, cents))| Transfer {
            index,
            creditor: (*creditor).to_owned(),
            cents: cents.get(),
        })
        .collect();
    let tell = |transfers: &[Transfer]| {
        let tell = |t: &Transfer| {
            format!(
                "{}: {} € a {}",
                t.index,
                Cents::new(t.cents).in_italian(),
                t.creditor
            )
        };
        transfers.iter().map(tell).collect::<Vec<_>>().join("; ")
    };
    checks.push(check(
        format!("{what}: {}", tell(&wanted)),
        found == wanted,
        or_nothing(tell(found)),
    ));
}

/// The state of a notice as the page tells it.
fn in_italian(state: &str) -> &str {
    match state {
        "open" => "pagabile",
        "paid" => "pagato",
        "cancelled" => "annullato",
        "expired" => "scaduto",
        other => other,
    }
}

fn or_nothing(text: String) -> String {
    if text.is_empty() {
        "manca".to_owned()
    } else {
        text
    }
}

/// What holds for the exchanges whatever the case: the bytes are the journal's, the answers are prompt.
fn record(facts: &Facts<'_>, checks: &mut Vec<Check>) {
    let messages: Vec<&Message> = facts
        .exchanges
        .iter()
        .flat_map(|exchange| exchange.request.iter().chain(&exchange.reply))
        .collect();
    if facts.exchanges.is_empty() {
        return;
    }
    let whole = messages.iter().filter(|message| is_whole(message)).count();
    checks.push(check(
        "Ogni messaggio ha l’impronta SHA-256 registrata nel giornale",
        whole == messages.len() && whole > 0,
        format!("{whole} su {}", messages.len()),
    ));
    let slowest = facts
        .exchanges
        .iter()
        .map(|exchange| exchange.duration_us)
        .max();
    let prompt = facts
        .exchanges
        .iter()
        .filter(|exchange| exchange.duration_us <= PROMPT_US)
        .count();
    checks.push(Check {
        expected: "Risposte entro 2 secondi (livello di servizio, non condiziona l’esito)"
            .to_owned(),
        found: format!(
            "{prompt} su {}, la più lenta {}",
            facts.exchanges.len(),
            seconds(slowest.unwrap_or(0))
        ),
        verdict: Verdict::Noted,
    });
}

/// A duration for people: `0,012 s`.
pub(super) fn seconds(micros: i64) -> String {
    let millis = micros.max(0) / 1_000;
    format!("{},{:03} s", millis / 1_000, millis % 1_000)
}
