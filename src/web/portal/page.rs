//! A page of a list: its rows, and where the next one begins.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::query::Limit;

/// What stands in a list.
pub(super) trait Row: ToSchema {
    /// What a page of them is, for the OpenAPI document.
    const PAGE: &'static str;
}

/// A page of rows. (Its schema is written by hand: the derived one of a type with a parameter could
/// not be named after the rows, as in `NoticePage`.)
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts what was found up to [`Limit::and_one`], and tells the rows of the page; `cursor` names
    /// a row after which the next page begins.
    pub(super) fn of<F>(
        found: Vec<F>,
        limit: Limit,
        cursor: impl Fn(&F) -> String,
        tell: impl Fn(F) -> T,
    ) -> Page<T> {
        Page::of_some(found, limit, cursor, |row| Some(tell(row)))
    }

    /// The same where rows may have nothing to tell: they keep their place, so that pages still join.
    pub(super) fn of_some<F>(
        mut found: Vec<F>,
        limit: Limit,
        cursor: impl Fn(&F) -> String,
        tell: impl Fn(F) -> Option<T>,
    ) -> Page<T> {
        let rows = limit.rows();
        let has_more = found.len() > rows;
        found.truncate(rows);
        let next_cursor = found.last().filter(|_| has_more).map(cursor);
        Page {
            data: found.into_iter().filter_map(tell).collect(),
            next_cursor,
        }
    }
}

impl<T: Row> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Where the next page begins; nothing on the last one."));
        ObjectBuilder::new()
            .description(Some(T::PAGE))
            .property(
                "data",
                ArrayBuilder::new().items(Ref::from_schema_name(T::name())),
            )
            .required("data")
            .property("next_cursor", cursor)
            .into()
    }
}

impl<T: Row> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
