//! The receipt for the parent: who paid what to whom, when, and by which proof.

use krilla::tagging::Tag;

use super::PdfError;
use super::face::Face;
use super::front::{LEFT, LOGO, RIGHT};
use super::grouped;
use super::paper::{Area, Ink, Paper, Role, Sheet, Style};
use crate::desk::payments::Proof;
use crate::domain::creditor::Creditor;
use krilla::image::Image;

const LABEL: Style = Style::new(Face::Regular, 320).ink(Ink::Grey);
const VALUE: Style = Style::new(Face::Bold, 350);
const CODE: Style = Style::new(Face::Mono, 320);
/// Where the values stand.
const VALUES: i32 = 7_400;

pub(super) fn print(
    creditor: &Creditor,
    proof: &Proof,
    logo: Option<&Image>,
    paper: &mut Paper,
) -> Result<(), PdfError> {
    paper.page("Ricevuta di pagamento", |sheet| {
        head(creditor, logo, sheet);
        let payment = &proof.payment;
        let at = payment.paid_at.clock_in_rome();
        let amount = format!("{} Euro", payment.amount.in_italian());
        let strong = Style::new(Face::Bold, 900);
        sheet.line(Role::Text, (LEFT, 7_000), RIGHT - LEFT, strong, &amount);
        let when = format!("pagati il {at}");
        let style = Style::new(Face::Bold, 440);
        sheet.line(Role::Text, (LEFT, 7_700), RIGHT - LEFT, style, &when);
        sheet.open(Tag::Table);
        let mut y = 9_200;
        for (label, value, style) in rows(creditor, proof) {
            y = row(sheet, y, label, &value, style);
        }
        sheet.close();
        foot(proof, sheet, y + 700);
        Ok(())
    })
}

fn head(creditor: &Creditor, logo: Option<&Image>, sheet: &mut Sheet<'_>) {
    let title = Style::new(Face::Bold, 740);
    sheet.line(
        Role::Title,
        (LEFT, 1_800),
        15_000,
        title,
        "Ricevuta di pagamento",
    );
    let body = Style::new(Face::Regular, 350);
    let mut y = 2_500;
    for (style, text) in [
        (VALUE, Some(&creditor.name)),
        (body, creditor.office.as_ref()),
        (body, creditor.letterhead.contacts.as_ref()),
    ] {
        if let Some(text) = text {
            let area = Area {
                x: LEFT,
                y,
                width: 15_000,
                height: 860,
            };
            y = sheet.text(Role::Text, None, area, style, text) + 60;
        }
    }
    if let Some(logo) = logo {
        sheet.picture(LOGO, logo, &format!("Logo: {}", creditor.name));
    }
}

/// What the receipt says, line by line.
fn rows(creditor: &Creditor, proof: &Proof) -> Vec<(&'static str, String, Style)> {
    let payment = &proof.payment;
    let mut rows = vec![];
    if let Some(debt) = &proof.debt {
        let order = &debt.order;
        let service = creditor.services.get(&order.service);
        let service = service.map_or(&order.service, |service| &service.name);
        rows.extend([
            ("Oggetto del pagamento", order.description.clone(), VALUE),
            ("Servizio", service.clone(), VALUE),
            (
                "Alunno",
                format!("{} (codice {})", order.child.name, order.child.code),
                VALUE,
            ),
            (
                "Cod. Fiscale alunno",
                order.child.fiscal_code.as_str().to_owned(),
                CODE,
            ),
            ("Intestatario dell'avviso", order.payer.name.clone(), VALUE),
            (
                "Cod. Fiscale intestatario",
                order.payer.fiscal_code.as_str().to_owned(),
                CODE,
            ),
        ]);
    }
    if let Some(payer) = &payment.payer {
        rows.push(("Pagato da (Cod. Fiscale)", payer.as_str().to_owned(), CODE));
    }
    rows.push(("Ente creditore", creditor.name.clone(), VALUE));
    rows.push(("Cod. Fiscale Ente", creditor.code.to_string(), CODE));
    if payment.own != payment.amount {
        let own = format!("{} Euro", payment.own.in_italian());
        rows.push(("Di cui a favore dell'Ente", own, VALUE));
    }
    rows.extend([
        (
            "Prestatore del servizio di pagamento",
            proof.psp_name.clone(),
            VALUE,
        ),
        ("Codice Avviso", grouped(payment.notice.as_str()), CODE),
        ("IUV", payment.notice.iuv().as_str().to_owned(), CODE),
        (
            "Identificativo ricevuta pagoPA",
            payment.reference.clone(),
            CODE,
        ),
    ]);
    rows
}

fn row(sheet: &mut Sheet<'_>, y: i32, label: &str, value: &str, style: Style) -> i32 {
    sheet.open(Tag::TR);
    sheet.open_row_head();
    sheet.line(Role::Cell, (LEFT, y), VALUES - LEFT - 200, LABEL, label);
    sheet.close();
    sheet.open(Tag::TD);
    let area = Area {
        x: VALUES,
        y: y - style.size,
        width: RIGHT - VALUES,
        height: 900,
    };
    let end = sheet.text(Role::Cell, None, area, style, value) + style.size;
    sheet.close();
    sheet.close();
    let rule = Area {
        x: LEFT,
        y: end - 170,
        width: RIGHT - LEFT,
        height: 12,
    };
    sheet.block(rule, Ink::Light);
    end + 370
}

fn foot(proof: &Proof, sheet: &mut Sheet<'_>, y: i32) {
    let mut text = "Documento riferito all'importo dovuto all'Ente: le eventuali commissioni del \
                    prestatore del servizio di pagamento non sono comprese."
        .to_owned();
    if proof.payment.channel.is_traceable() {
        text.push_str(
            " Il pagamento è stato eseguito tramite pagoPA, con un mezzo tracciabile (art. 1, \
             comma 679, legge 27 dicembre 2019, n. 160).",
        );
    }
    let area = Area {
        x: LEFT,
        y,
        width: RIGHT - LEFT,
        height: 2_000,
    };
    sheet.text(Role::Text, None, area, LABEL, &text);
}
