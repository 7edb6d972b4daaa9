//! The first page of a notice: who, what, how much, by when, where, and the parts to pay with.

use super::face::Face;
use super::paper::{Area, Ink, Paper, Role, Sheet, Style};
use super::words::{self, Words};
use super::{Notice, PdfError, codes, grouped, on_paper};
use crate::domain::print::{Language, PostalSlip};

/// The margin on all sides (annex 2, margins: 10 mm).
pub(super) const LEFT: i32 = 1_000;
/// Where the sheet ends to the right.
pub(super) const RIGHT: i32 = 20_000;
/// Where the right one of two columns begins.
const MIDDLE: i32 = 10_800;
/// The side of both codes (annex 2: 25 mm).
pub(super) const CODE_SIDE: i32 = 2_500;

/// Where the logo stands (annex 2: 30 mm).
pub(super) const LOGO: Area = Area {
    x: 17_000,
    y: LEFT,
    width: 3_000,
    height: 3_000,
};

const HEADING: Style = Style::new(Face::Bold, 340);
pub(super) const LABEL: Style = Style::new(Face::Regular, 265);
pub(super) const VALUE: Style = Style::new(Face::Bold, 340);
pub(super) const NUMBER: Style = Style::new(Face::Mono, 320);
const BODY: Style = Style::new(Face::Regular, 320);
const SECOND: Style = Style::new(Face::Regular, 290).ink(Ink::Grey);

pub(super) fn print(notice: &Notice<'_>, paper: &mut Paper) -> Result<(), PdfError> {
    paper.page(&notice.debt.order.description, |sheet| {
        head(notice, sheet, Role::Title);
        parties(notice, sheet);
        how_much(notice, sheet);
        where_to_pay(notice, sheet);
        choose(notice, sheet);
        banks(notice, sheet)?;
        if let Some(postal) = notice.slip() {
            slip(notice, postal, sheet)?;
        }
        Ok(())
    })
}

impl Notice<'_> {
    /// What the postal slip needs, when one may be printed: its line has ten digits for the cents.
    pub(super) fn slip(&self) -> Option<&PostalSlip> {
        let fits = self.debt.order.amount.get() <= 9_999_999_999;
        self.creditor.letterhead.postal.as_ref().filter(|_| fits)
    }
}

/// The head of every page: what this is, what it is for, and the creditor's logo.
pub(super) fn head(notice: &Notice<'_>, sheet: &mut Sheet<'_>, role: Role) {
    let mark = Style::new(Face::Bold, 600).ink(Ink::Blue);
    sheet.line(Role::Ornament, (LEFT, 1_600), 4_000, mark, "pagoPA");
    let name = Style::new(Face::Bold, 420);
    sheet.line(
        Role::Text,
        (3_700, 1_600),
        11_000,
        name,
        &words::NOTICE.both(notice.language),
    );
    let width = match notice.logo {
        Some(_) => 15_400,
        None => RIGHT - LEFT,
    };
    let area = Area {
        x: LEFT,
        y: 2_000,
        width,
        height: 2_000,
    };
    let title = Style::new(Face::Bold, 640);
    sheet.text(role, None, area, title, &notice.debt.order.description);
    if let Some(logo) = notice.logo {
        let words = format!("Logo: {}", notice.creditor.name);
        sheet.picture(LOGO, logo, &words);
    }
}

/// The creditor, and whom the notice is for.
fn parties(notice: &Notice<'_>, sheet: &mut Sheet<'_>) {
    let (creditor, payer) = (notice.creditor, &notice.debt.order.payer);
    let column = |x| Area {
        x,
        y: 4_500,
        width: 9_200,
        height: 20,
    };
    let code = |sheet: &mut Sheet<'_>, x, words: &Words, code: &str| {
        sheet.block(column(x), Ink::Black);
        sheet.line(
            Role::Heading,
            (x, 5_050),
            5_200,
            HEADING,
            &words.both(notice.language),
        );
        let text = format!("{} {code}", words::CODE.it);
        sheet.line_to(Role::Text, (x + 9_200, 5_050), 4_000, LABEL, &text);
    };
    code(sheet, LEFT, &words::CREDITOR, creditor.code.as_str());
    let mut y = 5_300;
    let mut below = |sheet: &mut Sheet<'_>, x, height, style, text: &str| {
        y = sheet.text(
            Role::Text,
            None,
            Area {
                x,
                y,
                width: 9_200,
                height,
            },
            style,
            text,
        ) + 60;
    };
    let strong = Style::new(Face::Bold, 420);
    below(sheet, LEFT, 1_010, strong, &creditor.name);
    if let Some(office) = &creditor.office {
        below(sheet, LEFT, 780, BODY, office);
    }
    if let Some(contacts) = &creditor.letterhead.contacts {
        below(sheet, LEFT, 780, BODY, contacts);
    }
    code(sheet, MIDDLE, &words::ADDRESSEE, payer.fiscal_code.as_str());
    let mut y = 5_300;
    let mut below = |sheet: &mut Sheet<'_>, height, style, text: &str| {
        let area = Area {
            x: MIDDLE,
            y,
            width: 9_200,
            height,
        };
        y = sheet.text(Role::Text, None, area, style, text) + 60;
    };
    below(sheet, 1_010, strong, &payer.name);
    if let Some(address) = &payer.address {
        let join = |parts: &[Option<&str>]| {
            let known: Vec<&str> = parts.iter().flatten().copied().collect();
            known.join(" ")
        };
        let street = join(&[address.street.as_deref(), address.number.as_deref()]);
        let province = address
            .province
            .as_ref()
            .map(|province| format!("({province})"));
        let town = join(&[
            address.postal_code.as_deref(),
            address.city.as_deref(),
            province.as_deref(),
            address
                .country
                .as_ref()
                .map(|country| country.as_str())
                .filter(|code| *code != "IT"),
        ]);
        below(sheet, 780, BODY, &street);
        below(sheet, 780, BODY, &town);
    }
}

/// A heading over a light band, and under it in the second language.
pub(super) fn band(sheet: &mut Sheet<'_>, area: Area, words: &Words, language: Language) {
    sheet.block(area, Ink::Light);
    let baseline = area.y + area.height / 2 + 120;
    let at = (area.x + 200, baseline);
    sheet.line(
        Role::Heading,
        at,
        area.width - 400,
        HEADING,
        &words.both(language),
    );
}

/// A text, and under it the same in the second language.
fn in_both(
    sheet: &mut Sheet<'_>,
    area: Area,
    (it, second): (&str, Option<(&'static str, String)>),
    style: Style,
) -> i32 {
    let y = sheet.text(Role::Text, None, area, style, it);
    let Some((code, text)) = second else {
        return y;
    };
    let area = Area { y: y + 40, ..area };
    let style = Style {
        size: style.size * 9 / 10,
        ..SECOND
    };
    sheet.text(Role::Text, Some(code), area, style, &text)
}

fn pair(words: &Words, language: Language) -> (&'static str, Option<(&'static str, String)>) {
    let second = words.second(language);
    (words.it, second.map(|(code, text)| (code, text.to_owned())))
}

fn how_much(notice: &Notice<'_>, sheet: &mut Sheet<'_>) {
    let language = notice.language;
    let area = Area {
        x: LEFT,
        y: 8_500,
        width: 9_200,
        height: 800,
    };
    band(sheet, area, &words::HOW_MUCH, language);
    let order = &notice.debt.order;
    let amount = format!("{} Euro", order.amount.in_italian());
    let large = Style::new(Face::Bold, 900);
    sheet.line(Role::Text, (LEFT, 10_300), 9_200, large, &amount);
    let by = format!("{} {}", words::BY.both(language), on_paper(order.due_on));
    let strong = Style::new(Face::Bold, 480);
    sheet.line(Role::Text, (LEFT, 11_050), 9_200, strong, &by);
    let mut area = Area {
        x: LEFT,
        y: 11_250,
        width: 9_200,
        height: 500,
    };
    if !notice.parts.instalments.is_empty() {
        let count = notice.parts.instalments.len();
        let text = format!("Puoi pagare per intero oppure in {count} rate.");
        area.y = sheet.text(Role::Text, None, area, VALUE, &text) + 40;
    }
    area.height = 1_600;
    in_both(
        sheet,
        area,
        pair(&words::MAY_CHANGE, language),
        Style::new(Face::Regular, 265),
    );
}

fn where_to_pay(notice: &Notice<'_>, sheet: &mut Sheet<'_>) {
    let language = notice.language;
    let mut area = Area {
        x: MIDDLE,
        y: 8_500,
        width: 9_200,
        height: 800,
    };
    band(sheet, area, &words::WHERE, language);
    let site = notice.creditor.letterhead.pays_online;
    let digital = match site {
        true => &words::DIGITAL_AND_SITE,
        false => &words::DIGITAL,
    };
    area.y = 9_450;
    for (title, words) in [(&words::APP, digital), (&words::IN_TOWN, &words::DESKS)] {
        let name = |text: &str| text.replace("{}", &notice.creditor.name);
        area.height = 450;
        area.y = sheet.text(Role::Text, None, area, VALUE, &title.both(language));
        area.height = 1_200;
        let (it, second) = pair(words, language);
        let second = second.map(|(code, text)| (code, name(&text)));
        area.y = in_both(sheet, area, (&name(it), second), BODY) + 160;
    }
}

fn choose(notice: &Notice<'_>, sheet: &mut Sheet<'_>) {
    let area = Area {
        x: LEFT,
        y: 14_750,
        width: RIGHT - LEFT,
        height: 400,
    };
    sheet.text(
        Role::Text,
        None,
        area,
        LABEL,
        &words::CHOOSE.both(notice.language),
    );
    sheet.cutting_line(15_250);
}

/// A label with its value under it.
pub(super) fn entry(
    sheet: &mut Sheet<'_>,
    (x, y): (i32, i32),
    width: i32,
    (label, value): (&str, &str),
    style: Style,
) {
    sheet.line(Role::Text, (x, y), width, LABEL.ink(Ink::Grey), label);
    sheet.line(Role::Text, (x, y + 410), width, style, value);
}

/// The part for banks, shops and apps, with the QR code.
fn banks(notice: &Notice<'_>, sheet: &mut Sheet<'_>) -> Result<(), PdfError> {
    let (language, order) = (notice.language, &notice.debt.order);
    let top = 15_600;
    part_head(notice, sheet, top, &words::BANKS);
    let letterhead = &notice.creditor.letterhead;
    let scan = match letterhead.cbill {
        Some(_) => &words::SCAN,
        None => &words::SCAN_ONLY,
    };
    let area = Area {
        x: LEFT,
        y: top + 1_100,
        width: 4_200,
        height: 2_300,
    };
    in_both(sheet, area, pair(scan, language), LABEL);
    let text = codes::qr_text(&notice.debt.notice, &notice.creditor.code, order.amount);
    let code = codes::qr(&text)?;
    let words = format!("Codice QR dell'avviso {}", notice.debt.notice);
    sheet.code((5_700, top + 1_200), CODE_SIDE, &code, &words);
    let x = 8_900;
    let amount = format!(
        "{} {} Euro",
        words::AMOUNT.both(language),
        order.amount.in_italian()
    );
    sheet.line(
        Role::Text,
        (x, top + 1_500),
        RIGHT - x,
        Style::new(Face::Bold, 480),
        &amount,
    );
    let names = [
        (words::TO_WHOM, order.payer.name.as_str()),
        (words::WHOSE, &notice.creditor.name),
        (words::SUBJECT, &order.description),
    ];
    let mut y = top + 2_100;
    for (words, value) in names {
        entry(
            sheet,
            (x, y),
            RIGHT - x,
            (&words.both(language), value),
            VALUE,
        );
        y += 900;
    }
    let y = top + 5_000;
    if let Some(cbill) = &letterhead.cbill {
        entry(
            sheet,
            (LEFT, y),
            4_400,
            (&words::CBILL.both(language), cbill),
            NUMBER,
        );
    }
    let number = grouped(notice.debt.notice.as_str());
    entry(
        sheet,
        (5_700, y),
        7_000,
        (&words::NUMBER.both(language), &number),
        NUMBER,
    );
    let code = notice.creditor.code.as_str();
    entry(
        sheet,
        (13_000, y),
        7_000,
        (&words::CREDITOR_CODE.both(language), code),
        NUMBER,
    );
    Ok(())
}

/// The band over a part to pay with: which channel, and by when.
fn part_head(notice: &Notice<'_>, sheet: &mut Sheet<'_>, y: i32, words: &Words) {
    let area = Area {
        x: LEFT,
        y,
        width: RIGHT - LEFT,
        height: 800,
    };
    sheet.block(area, Ink::Light);
    let (language, baseline) = (notice.language, y + 520);
    sheet.line(
        Role::Heading,
        (LEFT + 200, baseline),
        9_300,
        HEADING,
        &words.both(language),
    );
    let due = format!(
        "{}  {} {}",
        words::WHOLE.both(language),
        words::BY.both(language),
        on_paper(notice.debt.order.due_on)
    );
    sheet.line_to(Role::Text, (RIGHT - 200, baseline), 9_000, HEADING, &due);
}

/// The postal slip, with the Data Matrix.
fn slip(notice: &Notice<'_>, postal: &PostalSlip, sheet: &mut Sheet<'_>) -> Result<(), PdfError> {
    let (language, order) = (notice.language, &notice.debt.order);
    let top = 22_200;
    sheet.cutting_line(top - 250);
    part_head(notice, sheet, top, &words::SLIP);
    let account = format!("sul C/C n. {}", postal.account);
    sheet.line(Role::Text, (LEFT, top + 1_400), 8_000, NUMBER, &account);
    let amount = format!("Euro {}", order.amount.in_italian());
    let strong = Style::new(Face::Bold, 480);
    sheet.line_to(Role::Text, (16_600, top + 1_400), 7_000, strong, &amount);
    let wide = 16_600 - LEFT;
    let mut y = top + 2_000;
    for (words, value) in [
        (words::HOLDER, postal.holder.as_str()),
        (words::TO_WHOM, &order.payer.name),
        (words::SUBJECT, &order.description),
    ] {
        entry(
            sheet,
            (LEFT, y),
            wide,
            (&words.both(language), value),
            VALUE,
        );
        y += 900;
    }
    let number = grouped(notice.debt.notice.as_str());
    entry(
        sheet,
        (LEFT, y),
        6_300,
        (&words::NUMBER.both(language), &number),
        NUMBER,
    );
    entry(
        sheet,
        (7_500, y),
        2_200,
        (&words::KIND.both(language), "P1"),
        NUMBER,
    );
    let code = notice.creditor.code.as_str();
    entry(
        sheet,
        (9_900, y),
        6_700,
        (&words::CREDITOR_CODE.both(language), code),
        NUMBER,
    );
    let code = codes::Slip {
        notice: &notice.debt.notice,
        creditor: &notice.creditor.code,
        account: &postal.account,
        amount: order.amount,
        payer: &order.payer.fiscal_code,
        name: &order.payer.name,
        subject: &order.description,
    };
    let words = format!("Data Matrix del bollettino {}", notice.debt.notice);
    sheet.code(
        (RIGHT - CODE_SIDE, top + 1_200),
        CODE_SIDE,
        &code.matrix()?,
        &words,
    );
    let small = Style::new(Face::Regular, 230).ink(Ink::Grey);
    sheet.line(
        Role::Text,
        (LEFT, top + 5_700),
        wide,
        small,
        &postal.authorisation,
    );
    Ok(())
}
