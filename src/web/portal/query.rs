//! Reading the query of a list.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;

use crate::domain::day::Day;
use crate::domain::ids::DebtId;
use crate::domain::text::is_one_line;
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};

/// Rows on a page, unless fewer are asked for.
const PAGE: u32 = 50;
/// Rows on a page, at most.
const PAGE_LIMIT: u32 = 200;

/// The fields of a query, as they are taken out of a request.
pub(super) type Fields = Result<axum::extract::Query<BTreeMap<String, String>>, QueryRejection>;

/// The number of rows on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(u32);

impl Limit {
    /// One more row than a page has: it says whether there is another page.
    pub(super) fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }

    pub(super) fn rows(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The query of a list while it is read.
#[derive(Debug)]
pub(super) struct Query {
    rest: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Query {
    /// The query of a request, still unread.
    ///
    /// # Errors
    /// 400 when it is no list of names and values.
    pub(super) fn read(fields: Fields) -> Result<Query, Problem> {
        let axum::extract::Query(rest) = fields.map_err(|_| Problem::malformed_query())?;
        Ok(Query {
            rest,
            errors: vec![],
        })
    }

    fn take(&mut self, field: &str) -> Option<String> {
        self.rest.remove(field).filter(|text| !text.is_empty())
    }

    /// A text of at most `limit` characters on one line, when it is given and not empty.
    pub(super) fn text(&mut self, field: &str, limit: usize) -> Option<String> {
        let text = self.take(field)?;
        if text.chars().count() > limit {
            self.wrong(field, Wrong::TooLong(limit));
        } else if !is_one_line(&text) {
            self.wrong(field, Wrong::NotOneLine);
        }
        Some(text)
    }

    /// Where the page begins: the id of the last row of the page before.
    pub(super) fn cursor(&mut self) -> Option<String> {
        self.word("cursor", DebtId::parse)
            .map(|id| id.as_str().to_owned())
    }

    /// A word that must be one of a set.
    pub(super) fn word<T>(&mut self, field: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.take(field)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.wrong(field, Wrong::NotOffered);
        }
        parsed
    }

    /// A day of the form YYYY-MM-DD.
    pub(super) fn day(&mut self, field: &str) -> Option<Day> {
        let day = Day::parse(&self.take(field)?);
        if day.is_err() {
            self.wrong(field, Wrong::Day);
        }
        day.ok()
    }

    /// The number of rows on a page.
    pub(super) fn limit(&mut self) -> Limit {
        Limit(match self.take("limit").map(|text| text.parse::<u32>()) {
            None => PAGE,
            Some(Ok(limit)) if (1..=PAGE_LIMIT).contains(&limit) => limit,
            Some(_) => {
                self.wrong("limit", Wrong::NotANumber(PAGE_LIMIT));
                PAGE
            }
        })
    }

    fn wrong(&mut self, field: &str, wrong: Wrong) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            wrong,
        });
    }

    /// Nothing when everything was right.
    ///
    /// # Errors
    /// 422 with every wrong or unknown field.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for field in std::mem::take(&mut self.rest).into_keys() {
            self.wrong(&field, Wrong::Unknown);
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_fields(self.errors))
        }
    }
}
