//! Statements over many rows that come as one value, and several of them sent together.
//!
//! A row of placeholders for each row of values would be another text for each number of rows, each
//! to be prepared; hundreds of values would pass through the driver one by one, and SQLite looks for
//! the name of each placeholder among all others. One JSON text instead is one value and one
//! statement, whatever the number of rows. Both engines read `jsonb_each(jsonb(text))`.

use serde::Serialize;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, AssertSqlSafe, Either, Executor};

use futures_util::TryStreamExt;

use super::{Conn, StoreError};

/// Declares statements over sheets of rows as statics and lists them with `sheets()`.
macro_rules! sheets {
    ($($(#[$doc:meta])* $name:ident = ($head:expr, $row:expr, $tail:expr);)*) => {
        $($(#[$doc])* pub(super) static $name: std::sync::LazyLock<$crate::store::sheet::Sheet> =
            std::sync::LazyLock::new(|| $crate::store::sheet::Sheet::new($head, $row, $tail));)*

        /// The statements over sheets of this file, by name.
        pub(crate) fn sheets() -> Vec<(&'static str, &'static $crate::store::sheet::Sheet)> {
            vec![$((stringify!($name), &*$name)),*]
        }
    };
}

pub(crate) use sheets;

/// One statement over any number of rows.
#[derive(Debug)]
pub struct Sheet {
    template: String,
    text: String,
}

/// The place of the rows in a template.
const ROWS: &str = "$rows";
/// The place of the number of rows in a template. The limit takes no row away: it tells PostgreSQL
/// how many there are. It would guess a hundred, and rather go through a whole table than look for
/// each by its key.
const COUNT: &str = "$count";
/// The place of the bytes in a template.
const BYTES: &str = "$bytes";

impl Sheet {
    /// `row` is one row of values with `?` for each that is bound, in order, always a text: a number
    /// is `CAST(? AS BIGINT)`. Bytes that were bound are `Row::bytes`.
    pub fn new(head: &str, row: &str, tail: &str) -> Sheet {
        let mut template = format!("{head} SELECT ");
        for (at, part) in row.split('?').enumerate() {
            if at > 0 {
                template.push_str(&format!("r.value ->> {}", at - 1));
            }
            template.push_str(part);
        }
        // Without a condition SQLite would read the ON of a conflict as that of a join.
        template.push_str(&format!(
            " FROM (SELECT value FROM jsonb_each(jsonb(CAST({ROWS} AS TEXT))) \
             LIMIT CAST({COUNT} AS BIGINT)) AS r WHERE r.value IS NOT NULL{tail}"
        ));
        let text = numbered(&template, 1);
        Sheet { template, text }
    }

    /// The statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn has_bytes(&self) -> bool {
        self.template.contains(BYTES)
    }

    /// The statement with placeholders from this number on.
    fn numbered(&self, first: usize) -> String {
        numbered(&self.template, first)
    }
}

fn numbered(template: &str, first: usize) -> String {
    template
        .replace(ROWS, &format!("${first}"))
        .replace(COUNT, &format!("${}", first + 1))
        .replace(BYTES, &format!("${}", first + 2))
}

/// The rows of a sheet: `{"0":["a",1,null],"1":[…]}`, and bytes, which JSON cannot hold.
#[derive(Debug, Default)]
pub(super) struct Rows {
    json: Vec<u8>,
    bytes: Vec<u8>,
    count: usize,
    failure: Option<serde_json::Error>,
}

/// A row that is being written.
#[derive(Debug)]
pub(super) struct Row<'r> {
    rows: &'r mut Rows,
    is_empty: bool,
}

impl Rows {
    /// One row for each of these things.
    pub(super) fn of<T>(
        things: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Row<'_>, T),
    ) -> Rows {
        let mut rows = Rows::default();
        for thing in things {
            let open = if rows.count == 0 { "{" } else { "," };
            let key = format!("{open}\"{}\":[", rows.count);
            rows.json.extend_from_slice(key.as_bytes());
            rows.count += 1;
            write(
                &mut Row {
                    rows: &mut rows,
                    is_empty: true,
                },
                thing,
            );
            rows.json.push(b']');
        }
        rows
    }

    fn bind(mut self, arguments: &mut AnyArguments, has_bytes: bool) -> Result<(), StoreError> {
        if let Some(failure) = self.failure {
            return Err(sqlx::Error::Encode(failure.into()).into());
        }
        self.json.push(b'}');
        let json =
            String::from_utf8(self.json).map_err(|error| sqlx::Error::Encode(error.into()))?;
        arguments.add(json).map_err(sqlx::Error::Encode)?;
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        arguments.add(count).map_err(sqlx::Error::Encode)?;
        if has_bytes {
            // Of a blob without any byte SQLite's substr makes nothing at all instead of an empty one.
            if self.bytes.is_empty() {
                self.bytes.push(0);
            }
            arguments.add(self.bytes).map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }
}

impl Row<'_> {
    /// The next value: a text, a number, or nothing.
    pub(super) fn bind(&mut self, value: impl Serialize) -> &mut Self {
        if !self.is_empty {
            self.rows.json.push(b',');
        }
        self.is_empty = false;
        if let Err(failure) = serde_json::to_writer(&mut self.rows.json, &value) {
            self.rows.failure = Some(failure);
        }
        self
    }

    /// The next two values: where these bytes begin among all bytes of the sheet, and how many they
    /// are, as `substr(CAST($bytes AS blob), CAST(? AS INTEGER), CAST(? AS INTEGER))` wants it.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let start = self.rows.bytes.len() + 1;
        self.rows.bytes.extend_from_slice(bytes);
        self.bind(start).bind(bytes.len())
    }
}

/// Statements with their rows, in order.
#[derive(Debug, Default)]
pub(super) struct Bundle(Vec<(&'static Sheet, Rows)>);

impl Bundle {
    /// With one statement.
    pub(super) fn of(sheet: &'static Sheet, rows: Rows) -> Bundle {
        Bundle::default().and(sheet, rows)
    }

    /// And another one after it.
    pub(super) fn and(mut self, sheet: &'static Sheet, rows: Rows) -> Bundle {
        self.0.push((sheet, rows));
        self
    }

    /// Runs them, those without rows left out; the rows that each gives back.
    ///
    /// On SQLite they are one text, sent to the thread of the connection once: to hand over a
    /// statement and wait for its end takes longer than most statements. PostgreSQL takes one at a
    /// time.
    ///
    /// # Errors
    /// The database failed at one of them; those after it were not run.
    pub(super) async fn run(self, conn: &mut Conn) -> Result<Vec<Vec<AnyRow>>, StoreError> {
        let mut results: Vec<Vec<AnyRow>> = self.0.iter().map(|_| vec![]).collect();
        let parts = self.0.into_iter().zip(&mut results);
        let parts = parts.filter(|((_, rows), _)| rows.count > 0);
        if conn.backend_name() == "SQLite" {
            let (mut sql, mut arguments) = (String::new(), AnyArguments::default());
            let mut open = vec![];
            for ((sheet, rows), result) in parts {
                match arguments.len() {
                    0 => sql.push_str(sheet.text()),
                    bound => sql.push_str(&sheet.numbered(bound + 1)),
                }
                sql.push(';');
                rows.bind(&mut arguments, sheet.has_bytes())?;
                open.push(result);
            }
            if open.is_empty() {
                return Ok(results);
            }
            let mut open = open.into_iter();
            let mut current = open.next();
            let mut steps = conn.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments));
            while let Some(step) = steps.try_next().await? {
                match step {
                    Either::Left(_) => current = open.next(),
                    Either::Right(row) => {
                        if let Some(rows) = &mut current {
                            rows.push(row);
                        }
                    }
                }
            }
        } else {
            for ((sheet, rows), result) in parts {
                let mut arguments = AnyArguments::default();
                rows.bind(&mut arguments, sheet.has_bytes())?;
                *result = sqlx::query_with(sheet.text(), arguments)
                    .fetch_all(&mut *conn)
                    .await?;
            }
        }
        Ok(results)
    }
}
