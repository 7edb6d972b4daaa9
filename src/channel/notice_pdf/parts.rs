//! The pages after the first: the parts in which a debt may be paid, and the meals that it is for.

use krilla::tagging::Tag;

use super::face::Face;
use super::front::{CODE_SIDE, LABEL, LEFT, NUMBER, RIGHT, VALUE, band, entry, head};
use super::paper::{Area, Ink, Paper, Role, Sheet, Style};
use super::words;
use super::{Notice, PdfError, codes, grouped, on_paper};
use crate::domain::debt::Line;
use crate::domain::money::Cents;
use crate::domain::print::{Instalment, PostalSlip};

/// Where the pages begin under their head.
const TOP: i32 = 4_400;
/// Where they end.
const BOTTOM: i32 = 28_700;
/// The height of a part for banks.
const BANK_HEIGHT: i32 = 5_700;
/// The height of a postal slip under it.
const SLIP_HEIGHT: i32 = 5_900;
/// Between two columns.
const GUTTER: i32 = 500;

/// How many instalments stand side by side (annex 2, several instalments): two or three, whichever
/// leaves no gap, and three when both would.
fn columns(count: usize) -> usize {
    match count {
        0 => 1,
        count if count.is_multiple_of(3) || !count.is_multiple_of(2) => 3,
        _ => 2,
    }
}

/// The pages with the instalments.
pub(super) fn instalments(notice: &Notice<'_>, paper: &mut Paper) -> Result<(), PdfError> {
    let all = notice.parts.instalments;
    let columns = columns(all.len());
    let numbered: Vec<(usize, &Instalment)> = all.iter().enumerate().collect();
    let height = match notice.slip() {
        Some(_) => BANK_HEIGHT + SLIP_HEIGHT,
        None => BANK_HEIGHT,
    };
    let rows = usize::try_from((BOTTOM - TOP) / height).unwrap_or(1).max(1);
    for page in numbered.chunks(columns * rows) {
        paper.page("Rate", |sheet| {
            head(notice, sheet, Role::Text);
            let mut y = TOP;
            for row in page.chunks(columns) {
                self::row(notice, sheet, (y, columns), row)?;
                y += height;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn row(
    notice: &Notice<'_>,
    sheet: &mut Sheet<'_>,
    (y, columns): (i32, usize),
    row: &[(usize, &Instalment)],
) -> Result<(), PdfError> {
    let columns = i32::try_from(columns).unwrap_or(1).max(1);
    let width = (RIGHT - LEFT - GUTTER * (columns - 1)) / columns;
    let x = |index: usize| LEFT + i32::try_from(index).unwrap_or(0) * (width + GUTTER);
    for (index, (number, instalment)) in row.iter().enumerate() {
        let place = Area {
            x: x(index),
            y,
            width,
            height: BANK_HEIGHT,
        };
        bank(notice, sheet, place, (number + 1, instalment))?;
    }
    if let Some(postal) = notice.slip() {
        for (index, (number, instalment)) in row.iter().enumerate() {
            let y = y + BANK_HEIGHT;
            let place = Area {
                x: x(index),
                y,
                width,
                height: SLIP_HEIGHT,
            };
            slip(notice, sheet, place, (number + 1, instalment, postal))?;
        }
    }
    sheet.cutting_line(y - 180);
    Ok(())
}

/// What stands over a part: which instalment, and by when.
fn title(
    notice: &Notice<'_>,
    sheet: &mut Sheet<'_>,
    place: Area,
    channel: &words::Words,
    (number, instalment): (usize, &Instalment),
) {
    band(
        sheet,
        Area {
            height: 600,
            ..place
        },
        channel,
        notice.language,
    );
    let due = format!(
        "{} {number} {} {}",
        words::PART.both(notice.language),
        words::BY.both(notice.language),
        on_paper(instalment.due_on)
    );
    sheet.line(
        Role::Text,
        (place.x, place.y + 1_050),
        place.width,
        VALUE,
        &due,
    );
}

/// A small label with its value beside the code.
fn pairs(
    sheet: &mut Sheet<'_>,
    (x, mut y): (i32, i32),
    width: i32,
    pairs: &[(String, &str, Style)],
) {
    for (label, value, style) in pairs {
        entry(sheet, (x, y), width, (label, value), *style);
        y += 820;
    }
}

fn bank(
    notice: &Notice<'_>,
    sheet: &mut Sheet<'_>,
    place: Area,
    (number, instalment): (usize, &Instalment),
) -> Result<(), PdfError> {
    let (language, order) = (notice.language, &notice.debt.order);
    title(notice, sheet, place, &words::BANKS, (number, instalment));
    let code = &notice.creditor.code;
    let text = codes::qr_text(&instalment.notice, code, instalment.amount);
    let words = format!(
        "Codice QR della rata {number}: avviso {}",
        instalment.notice
    );
    let top = place.y + 1_300;
    sheet.code((place.x, top), CODE_SIDE, &codes::qr(&text)?, &words);
    let x = place.x + CODE_SIDE + 300;
    let width = place.width - CODE_SIDE - 300;
    let strong = Style::new(Face::Bold, 420);
    let amount = format!("{} Euro", instalment.amount.in_italian());
    sheet.line(Role::Text, (x, top + 350), width, strong, &amount);
    let digits = grouped(instalment.notice.as_str());
    let mut beside = vec![
        (words::NUMBER.both(language), digits.as_str(), NUMBER),
        (words::CREDITOR_CODE.both(language), code.as_str(), NUMBER),
    ];
    if let Some(cbill) = &notice.creditor.letterhead.cbill {
        beside.push((words::CBILL.both(language), cbill, NUMBER));
    }
    pairs(sheet, (x, top + 850), width, &beside);
    let below = [
        (
            words::TO_WHOM.both(language),
            order.payer.name.as_str(),
            VALUE,
        ),
        (words::SUBJECT.both(language), &order.description, VALUE),
    ];
    // With three side by side the code leaves no room under itself for more than the payer.
    pairs(sheet, (place.x, top + CODE_SIDE + 350), place.width, &below);
    Ok(())
}

fn slip(
    notice: &Notice<'_>,
    sheet: &mut Sheet<'_>,
    place: Area,
    (number, instalment, postal): (usize, &Instalment, &PostalSlip),
) -> Result<(), PdfError> {
    let (language, order) = (notice.language, &notice.debt.order);
    title(notice, sheet, place, &words::SLIP, (number, instalment));
    let code = codes::Slip {
        notice: &instalment.notice,
        creditor: &notice.creditor.code,
        account: &postal.account,
        amount: instalment.amount,
        payer: &order.payer.fiscal_code,
        name: &order.payer.name,
        subject: &order.description,
    };
    let words = format!(
        "Data Matrix della rata {number}: avviso {}",
        instalment.notice
    );
    let top = place.y + 1_300;
    sheet.code((place.x, top), CODE_SIDE, &code.matrix()?, &words);
    let x = place.x + CODE_SIDE + 300;
    let width = place.width - CODE_SIDE - 300;
    let strong = Style::new(Face::Bold, 420);
    let amount = format!("{} Euro", instalment.amount.in_italian());
    sheet.line(Role::Text, (x, top + 350), width, strong, &amount);
    let account = format!("sul C/C n. {}", postal.account);
    sheet.line(Role::Text, (x, top + 750), width, NUMBER, &account);
    let digits = grouped(instalment.notice.as_str());
    let creditor = notice.creditor.code.as_str();
    let beside = [
        (words::NUMBER.both(language), digits.as_str(), NUMBER),
        (words::CREDITOR_CODE.both(language), creditor, NUMBER),
    ];
    pairs(sheet, (x, top + 1_200), width, &beside);
    let below = [
        (words::HOLDER.both(language), postal.holder.as_str(), VALUE),
        (words::TO_WHOM.both(language), &order.payer.name, VALUE),
    ];
    pairs(sheet, (place.x, top + CODE_SIDE + 350), place.width, &below);
    let small = LABEL.ink(Ink::Grey);
    let last = format!("{} P1 · {}", words::KIND.it, postal.authorisation);
    let y = top + CODE_SIDE + 2_000;
    sheet.line(Role::Text, (place.x, y), place.width, small, &last);
    Ok(())
}

/// The columns of the table of meals: where each begins and ends, and whether its values stand at
/// the end.
const TABLE: [(i32, i32, bool); 5] = [
    (LEFT, 3_400, false),
    (3_600, 13_000, false),
    (13_200, 15_000, true),
    (15_200, 17_400, true),
    (17_600, RIGHT, true),
];
/// The height of a row of the table.
const ROW: i32 = 560;

/// What a row of the table says, and how it is written.
struct Row<'a> {
    cells: [&'a str; 5],
    style: Style,
    is_head: bool,
}

/// The pages with the meals, and their sum at the end of the last.
pub(super) fn meals(notice: &Notice<'_>, paper: &mut Paper) -> Result<(), PdfError> {
    let lines = notice.parts.lines;
    let top = TOP + 1_700;
    let rows = usize::try_from((BOTTOM - top) / ROW - 1)
        .unwrap_or(1)
        .max(1);
    let pages = lines.len().div_ceil(rows);
    for (index, page) in lines.chunks(rows).enumerate() {
        paper.page(words::DETAIL.it, |sheet| {
            head(notice, sheet, Role::Text);
            let area = Area {
                x: LEFT,
                y: TOP,
                width: RIGHT - LEFT,
                height: 800,
            };
            band(sheet, area, &words::DETAIL, notice.language);
            sheet.open(Tag::Table);
            let heads = [
                words::DAY,
                words::WHAT,
                words::QUANTITY,
                words::PRICE,
                words::SUM,
            ]
            .map(|words| words.both(notice.language));
            let [a, b, c, d, e] = &heads;
            let head = Row {
                cells: [a, b, c, d, e],
                style: Style::new(Face::Bold, 290),
                is_head: true,
            };
            table_row(sheet, top - 300, &head);
            let mut y = top + 260;
            for line in page {
                meal(sheet, y, line);
                y += ROW;
            }
            if index + 1 == pages {
                let sum = format!("{} Euro", notice.debt.order.amount.in_italian());
                let total = Row {
                    cells: ["", words::SUM.it, "", "", &sum],
                    style: VALUE,
                    is_head: false,
                };
                table_row(sheet, y + 100, &total);
            }
            sheet.close();
            Ok(())
        })?;
    }
    Ok(())
}

fn meal(sheet: &mut Sheet<'_>, y: i32, line: &Line) {
    let day = on_paper(line.on);
    let quantity = line.quantity.to_string();
    let price = line.unit.in_italian();
    let total = line.total().map(Cents::in_italian).unwrap_or_default();
    let row = Row {
        cells: [&day, &line.description, &quantity, &price, &total],
        style: Style::new(Face::Regular, 320),
        is_head: false,
    };
    table_row(sheet, y, &row);
}

fn table_row(sheet: &mut Sheet<'_>, y: i32, row: &Row<'_>) {
    sheet.block(
        Area {
            x: LEFT,
            y: y + 150,
            width: RIGHT - LEFT,
            height: 12,
        },
        Ink::Grey,
    );
    sheet.open(Tag::TR);
    for ((from, to, at_end), text) in TABLE.into_iter().zip(row.cells) {
        match row.is_head {
            true => sheet.open_head(),
            false => sheet.open(Tag::TD),
        }
        match at_end {
            true => sheet.line_to(Role::Cell, (to, y), to - from, row.style, text),
            false => sheet.line(Role::Cell, (from, y), to - from, row.style, text),
        }
        sheet.close();
    }
    sheet.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instalments_stand_in_twos_or_threes() {
        let table = [
            (1, 3),
            (2, 2),
            (3, 3),
            (4, 2),
            (5, 3),
            (6, 3),
            (7, 3),
            (8, 2),
            (12, 3),
        ];
        for (count, expected) in table {
            assert_eq!(columns(count), expected, "{count}");
        }
    }
}
