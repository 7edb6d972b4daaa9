//! Statements as data: every SQL text of the program can be listed, so that a test can prepare each
//! of them with each engine's own driver.

/// A statement with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// File and constant.
    pub name: String,
    /// The text, with placeholders `$1`, `$2`, …
    pub sql: String,
}

/// Declares statements as constants and lists them as `STATEMENTS`.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)*

        /// The statements of this file, by name.
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// Declares statements over many rows as statics and lists them with `bulks()`.
macro_rules! bulks {
    ($($(#[$doc:meta])* $name:ident = ($head:expr, $row:expr, $tail:expr);)*) => {
        $($(#[$doc])* static $name: std::sync::LazyLock<$crate::store::statement::Bulk> =
            std::sync::LazyLock::new(|| $crate::store::statement::Bulk::new($head, $row, $tail));)*

        /// The statements over many rows of this file, by name.
        pub(crate) fn bulks() -> Vec<(&'static str, &'static $crate::store::statement::Bulk)> {
            vec![$((stringify!($name), &*$name)),*]
        }
    };
}

pub(crate) use {bulks, statements};

statements! {
    /// Whether the database answers.
    PING = "SELECT 1";
}

/// How many rows the texts of a [`Bulk`] have: any number is a sum of these, so that seven texts
/// are prepared and not one for each number of rows.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// One statement over many rows of values.
///
/// Both engines take rows of `VALUES`; neither takes an array that the other would take too.
#[derive(Debug)]
pub struct Bulk {
    texts: [String; SIZES.len()],
}

impl Bulk {
    /// `row` is one row of values with `?` for each placeholder; they are numbered through.
    pub fn new(head: &str, row: &str, tail: &str) -> Bulk {
        Bulk {
            texts: SIZES.map(|rows| {
                let mut sql = head.to_owned();
                let mut number = 0;
                for index in 0..rows {
                    sql.push_str(if index == 0 { " " } else { ", " });
                    for (at, part) in row.split('?').enumerate() {
                        if at > 0 {
                            number += 1;
                            sql.push_str(&format!("${number}"));
                        }
                        sql.push_str(part);
                    }
                }
                sql.push(' ');
                sql.push_str(tail);
                sql
            }),
        }
    }

    /// Cuts rows into pieces for which there is a text.
    pub fn pieces<'a, T>(&'static self, rows: &'a [T]) -> Vec<(&'static str, &'a [T])> {
        let mut pieces = vec![];
        let mut rest = rows;
        for (size, text) in SIZES.iter().zip(&self.texts) {
            while let Some((piece, after)) = rest.split_at_checked(*size) {
                pieces.push((text.as_str(), piece));
                rest = after;
            }
        }
        pieces
    }

    /// All texts.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// Every statement of the program.
pub fn all() -> Vec<Statement> {
    use super::{
        accounts, batches, books, cases, chains, checkouts, debts, documents, entries, events,
        exchanges, hunts, idempotency, keys, leases, lines, mails, payments, positions, rates,
        sequences, top_ups, webhooks,
    };
    let single = [
        ("statement", STATEMENTS),
        ("batches", batches::STATEMENTS),
        ("accounts", accounts::STATEMENTS),
        ("books", books::STATEMENTS),
        ("cases", cases::STATEMENTS),
        ("chains", chains::STATEMENTS),
        ("checkouts", checkouts::STATEMENTS),
        ("debts", debts::STATEMENTS),
        ("documents", documents::STATEMENTS),
        ("entries", entries::STATEMENTS),
        ("events", events::STATEMENTS),
        ("exchanges", exchanges::STATEMENTS),
        ("hunts", hunts::STATEMENTS),
        ("idempotency", idempotency::STATEMENTS),
        ("keys", keys::STATEMENTS),
        ("leases", leases::STATEMENTS),
        ("lines", lines::STATEMENTS),
        ("mails", mails::STATEMENTS),
        ("positions", positions::STATEMENTS),
        ("rates", rates::STATEMENTS),
        ("sequences", sequences::STATEMENTS),
        ("top_ups", top_ups::STATEMENTS),
        ("webhooks", webhooks::STATEMENTS),
    ];
    let many = [
        ("checkouts", checkouts::bulks()),
        ("debts", debts::bulks()),
        ("entries", entries::bulks()),
        ("hunts", hunts::bulks()),
        ("positions", positions::bulks()),
    ];
    let sheets = [
        ("batches", batches::sheets()),
        ("cases", cases::sheets()),
        ("chains", chains::sheets()),
        ("debts", debts::sheets()),
        ("documents", documents::sheets()),
        ("entries", entries::sheets()),
        ("events", events::sheets()),
        ("exchanges", exchanges::sheets()),
        ("payments", payments::sheets()),
        ("webhooks", webhooks::sheets()),
    ];
    let single = single.into_iter().flat_map(|(file, statements)| {
        statements.iter().map(move |(name, sql)| Statement {
            name: format!("{file}::{name}"),
            sql: (*sql).to_owned(),
        })
    });
    let many = many.into_iter().flat_map(|(file, bulks)| {
        bulks.into_iter().flat_map(move |(name, bulk)| {
            bulk.texts().iter().map(move |sql| Statement {
                name: format!("{file}::{name}"),
                sql: sql.clone(),
            })
        })
    });
    let sheets = sheets.into_iter().flat_map(|(file, sheets)| {
        sheets.into_iter().map(move |(name, sheet)| Statement {
            name: format!("{file}::{name}"),
            sql: sheet.text().to_owned(),
        })
    });
    single.chain(many).chain(sheets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_through() {
        let bulk = Bulk::new("INSERT INTO t (a, b) VALUES", "(?, ?)", "RETURNING a");
        assert_eq!(
            bulk.texts()[5],
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) RETURNING a"
        );
    }

    #[test]
    fn every_number_of_rows_has_its_texts() {
        bulks! { TWO = ("INSERT INTO t VALUES", "(?)", ""); }
        let rows: Vec<usize> = (0..200).collect();
        for count in 0..200 {
            let pieces = TWO.pieces(&rows[..count]);
            let again: Vec<usize> = pieces
                .iter()
                .flat_map(|(_, piece)| piece.to_vec())
                .collect();
            assert_eq!(again, rows[..count]);
            for (text, piece) in pieces {
                assert_eq!(text.matches('$').count(), piece.len());
            }
        }
        assert_eq!(bulks().len(), 1);
    }
}
