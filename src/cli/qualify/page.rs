//! `index.html`: the evidence for the people at pagoPA, in Italian, on one page that needs nothing else
//! and can be printed.

use std::fmt::Write as _;

use super::cases::{Case, Check, File, Outcome, Receipt, Ruling, Talk, Verdict};
use super::evidence::in_rome;
use super::folder::{SUMS, State};
use super::judge::seconds;
use crate::domain::money::Cents;

/// Quiet, and readable in print: nothing is said by colour alone.
const STYLE: &str = "\
:root{color-scheme:light}\
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:70rem;margin:0 auto;padding:1.5rem}\
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.5rem;border-top:2px solid #1b1b1b;padding-top:1rem}\
h3{font-size:1rem}a{color:#0b4ea2}a:focus{outline:3px solid #0b4ea2}\
table{border-collapse:collapse;width:100%;margin:1rem 0}caption{text-align:left;font-weight:600;padding:.25rem 0}\
th,td{border:1px solid #767676;padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:break-word}\
thead th{background:#eee}tbody th{font-weight:400}.wide{overflow-x:auto}.sum{font:12px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
.outcome{font-weight:600;border:2px solid #1b1b1b;padding:.5rem .75rem}\
.passed{border-left-width:.6rem;border-color:#1a6b2d}.failed{border-left-width:.6rem;border-color:#a11212}\
.warning{border:2px dashed #a11212;padding:.5rem .75rem}\
@media print{body{max-width:none;padding:0;font-size:10pt}a{color:inherit}section{break-before:page}\
section.whole{break-before:auto}tr{break-inside:avoid}.wide{overflow:visible}}";

/// The page.
pub(super) fn print(state: &State, responsible: Option<&str>, now: &str) -> String {
    let mut page = String::new();
    let plan = &state.plan;
    let rulings: Vec<&Ruling> = state.rulings.values().collect();
    put(
        &mut page,
        "<!DOCTYPE html>\n<html lang=\"it\">\n<head>\n<meta charset=\"utf-8\">\n",
    );
    put(
        &mut page,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    );
    put(
        &mut page,
        &format!(
            "<title>Piano dei test per l’ente {}: evidenze</title>\n",
            escape(&plan.creditor)
        ),
    );
    put(
        &mut page,
        &format!("<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"),
    );
    put(
        &mut page,
        "<h1>Piano dei test per l’ente creditore, pagamento presso PSP: evidenze</h1>\n",
    );
    if plan.world.is_some() {
        put(
            &mut page,
            "<p class=\"warning\">Prova interna: nodo, PSP e flussi di rendicontazione sono simulati. \
             Queste evidenze non valgono per la qualifica presso pagoPA.</p>\n",
        );
    }
    general(&mut page, state, responsible, now);
    summary(&mut page, &rulings);
    put(&mut page, "</section>\n");
    for ruling in rulings {
        section(&mut page, ruling);
    }
    put(
        &mut page,
        &format!(
            "<section class=\"whole\" aria-labelledby=\"nota\">\n<h2 id=\"nota\">Come è fatto questo fascicolo</h2>\n\
             <p>I messaggi sono quelli del Giornale degli Eventi, byte per byte: l’impronta SHA-256 \
             accanto a ciascuno è quella registrata nel giornale. <a href=\"{SUMS}\">{SUMS}</a> contiene le \
             impronte di tutti i file (si verifica con <code>sha256sum -c {SUMS}</code>) e \
             <a href=\"result.json\">result.json</a> gli stessi esiti per i programmi. Le ore sono di \
             Roma. Le persone nei messaggi sono dati di prova.</p>\n</section>\n</main>\n</body>\n</html>\n"
        ),
    );
    page
}

/// The head of the plan: creditor, broker, environment, PSP.
fn general(page: &mut String, state: &State, responsible: Option<&str>, now: &str) {
    let plan = &state.plan;
    let receipt = state
        .rulings
        .values()
        .find_map(|ruling| ruling.receipt.as_ref());
    let told =
        |text: fn(&Receipt) -> String| receipt.map(text).filter(|text| !text.trim().is_empty());
    let blank = || "________________".to_owned();
    let environment = match plan.world {
        Some(_) => "Simulato".to_owned(),
        None => "☐ Test esterno  ☐ Pre-esercizio (da indicare)".to_owned(),
    };
    let rows = [
        (
            "Ente: denominazione",
            told(|r| r.company.clone()).unwrap_or_else(blank),
        ),
        ("Ente: codice fiscale", plan.creditor.clone()),
        (
            "Secondo beneficiario: codice fiscale",
            plan.secondary
                .clone()
                .unwrap_or_else(|| "non indicato".to_owned()),
        ),
        (
            "Intermediario: codice fiscale",
            told(|r| r.broker.clone()).unwrap_or_else(blank),
        ),
        (
            "Stazione",
            told(|r| r.station.clone()).unwrap_or_else(blank),
        ),
        ("Ambiente", environment),
        (
            "Responsabile del piano dei test",
            responsible.map_or_else(blank, str::to_owned),
        ),
        ("Inizio dei test", in_rome(&state.started_at)),
        ("Fascicolo prodotto", in_rome(now)),
        (
            "PSP: denominazione",
            told(|r| format!("{} ({})", r.psp_name, r.psp)).unwrap_or_else(blank),
        ),
        (
            "PSP: codice fiscale",
            told(|r| r.psp_fiscal_code.clone()).unwrap_or_else(blank),
        ),
    ];
    put(
        page,
        "<section class=\"whole\" aria-labelledby=\"dati\">\n<h2 id=\"dati\">Dati generali</h2>\n<table>\n<caption>Ente, intermediario, ambiente e PSP</caption>\n<tbody>\n",
    );
    for (name, value) in rows {
        row_with_head(page, name, &[escape(&value)]);
    }
    put(page, "</tbody>\n</table>\n");
}

fn summary(page: &mut String, rulings: &[&Ruling]) {
    put(page, "<table>\n<caption>Casi di test ed esiti</caption>\n");
    heads(page, &["Caso", "Titolo", "Numero avviso (NAV)", "Esito"]);
    put(page, "<tbody>\n");
    for ruling in rulings {
        let name = ruling.case.name();
        let notice = ruling.notice.as_ref().map_or("–", |notice| &notice.number);
        row_with_head(
            page,
            &format!("<a href=\"#{name}\">{name}</a>"),
            &[
                escape(ruling.case.title()),
                escape(notice),
                outcome(ruling.outcome),
            ],
        );
    }
    put(page, "</tbody>\n</table>\n");
}

fn section(page: &mut String, ruling: &Ruling) {
    let name = ruling.case.name();
    put(
        page,
        &format!(
            "<section aria-labelledby=\"{name}\">\n<h2 id=\"{name}\">{name} – {}</h2>\n",
            escape(ruling.case.title())
        ),
    );
    put(page, &format!("<p>{}</p>\n", escape(ruling.case.asked())));
    let class = match ruling.outcome {
        Outcome::Passed => "outcome passed",
        Outcome::Failed => "outcome failed",
        Outcome::NotRun => "outcome",
    };
    let why = ruling.why.as_ref().map(|why| format!(" – {}", escape(why)));
    put(
        page,
        &format!(
            "<p class=\"{class}\">Esito: {}{}<br>Valutato il {}</p>\n",
            outcome(ruling.outcome),
            why.unwrap_or_default(),
            in_rome(&ruling.judged_at)
        ),
    );
    if let Some(notice) = &ruling.notice {
        let amount = Cents::new(notice.amount_cents).in_italian();
        let (number, iuv) = (escape(&notice.number), escape(&notice.iuv));
        put(
            page,
            &format!("<p>Avviso (NAV) {number}, IUV {iuv}, importo {amount} €</p>\n"),
        );
    }
    checks(page, &ruling.checks);
    exchanges(page, ruling);
    if !ruling.files.is_empty() {
        put(page, "<h3>Allegati</h3>\n<ul>\n");
        for file in &ruling.files {
            put(page, &format!("<li>{}</li>\n", link(file)));
        }
        put(page, "</ul>\n");
    }
    if matches!(ruling.case, Case::Reconcile | Case::ReconcileSecondary) {
        put(
            page,
            "<p>Il piano chiede anche richiesta e risposta con cui il flusso è stato scaricato \
             (elenco dei flussi e flusso) e una schermata del sistema contabile: si allegano a parte.</p>\n",
        );
    }
    put(page, "</section>\n");
}

fn checks(page: &mut String, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    put(
        page,
        "<table>\n<caption>Risultati attesi e trovati</caption>\n",
    );
    heads(page, &["Atteso", "Trovato", "Esito"]);
    put(page, "<tbody>\n");
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Met => "✓ sì",
            Verdict::NotMet => "✗ no",
            Verdict::Missing => "… manca",
            Verdict::Noted => "annotato",
        };
        row_with_head(
            page,
            &escape(&check.expected),
            &[escape(&check.found), verdict.to_owned()],
        );
    }
    put(page, "</tbody>\n</table>\n");
}

fn exchanges(page: &mut String, ruling: &Ruling) {
    if ruling.exchanges.is_empty() {
        return;
    }
    put(
        page,
        "<div class=\"wide\"><table>\n<caption>Scambi con il nodo, dal giornale</caption>\n",
    );
    heads(
        page,
        &[
            "Ora (Roma)",
            "Operazione",
            "Esito",
            "HTTP",
            "Durata",
            "Richiesta",
            "Risposta",
        ],
    );
    put(page, "<tbody>\n");
    for talk in &ruling.exchanges {
        let Talk {
            operation,
            outcome,
            http_status,
            ..
        } = talk;
        row_with_head(
            page,
            &escape(&in_rome(&talk.started_at)),
            &[
                escape(operation),
                escape(outcome),
                http_status.to_string(),
                seconds(talk.duration_us),
                message(talk.request.as_ref()),
                message(talk.reply.as_ref()),
            ],
        );
    }
    put(page, "</tbody>\n</table></div>\n");
}

fn message(file: Option<&File>) -> String {
    let Some(file) = file else {
        return "–".to_owned();
    };
    let place = match &file.path {
        Some(path) => link(path),
        None => "non più disponibile nel giornale".to_owned(),
    };
    let sum = escape(&file.sha256);
    format!("{place}<br><span class=\"sum\">SHA-256 {sum}</span>")
}

fn outcome(outcome: Outcome) -> String {
    let mark = match outcome {
        Outcome::Passed => "✓",
        Outcome::Failed => "✗",
        Outcome::NotRun => "–",
    };
    format!("{mark} {}", outcome.italian())
}

/// A link to a file of the folder, whose names are our own.
fn link(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("<a href=\"{}\">{}</a>", escape(path), escape(name))
}

fn heads(page: &mut String, names: &[&str]) {
    put(page, "<thead><tr>");
    for name in names {
        put(page, &format!("<th scope=\"col\">{}</th>", escape(name)));
    }
    put(page, "</tr></thead>\n");
}

/// A row whose first cell is its head; the cells are HTML already.
fn row_with_head(page: &mut String, head: &str, cells: &[String]) {
    put(page, &format!("<tr><th scope=\"row\">{head}</th>"));
    for cell in cells {
        put(page, &format!("<td>{cell}</td>"));
    }
    put(page, "</tr>\n");
}

fn put(page: &mut String, text: &str) {
    // Writing into a String cannot fail.
    let _ = page.write_str(text);
}

/// Text for HTML, in an element or in an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        assert_eq!(
            escape("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
    }
}
