//! One visit of a parent: the language, and the way back to the portal. Both travel in the address, so
//! that the pages need no cookie.

use axum::http::{HeaderMap, Uri};
use url::form_urlencoded::{self, Serializer};

use super::tongue::Tongue;

/// A visit.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// The language of the page.
    pub tongue: Tongue,
    /// The language that was chosen by hand.
    chosen: Option<Tongue>,
    path: String,
    fields: Vec<(String, String)>,
    /// The portal's address to come back to, once it was found to be the portal's.
    pub back: Option<String>,
}

impl Visit {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Visit {
        let query = uri.query().unwrap_or_default();
        let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let mut visit = Visit {
            tongue: Tongue::of(headers),
            chosen: None,
            path: uri.path().to_owned(),
            fields,
            back: None,
        };
        visit.chosen = visit.field("lang").and_then(Tongue::parse);
        visit.tongue = visit.chosen.unwrap_or(visit.tongue);
        visit
    }

    /// The first field of this name in the query.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// An address of ours within the same visit, perhaps with one more field.
    pub(super) fn to(&self, path: &str, more: Option<(&str, &str)>) -> String {
        self.address(path, self.chosen, more)
    }

    /// This page in another language.
    pub(super) fn translated(&self, tongue: Tongue) -> String {
        let kept = ["outcome", "done"];
        let more = self
            .fields
            .iter()
            .find(|(name, _)| kept.contains(&name.as_str()));
        let more = more.map(|(name, value)| (name.as_str(), value.as_str()));
        self.address(&self.path, Some(tongue), more)
    }

    fn address(&self, path: &str, tongue: Option<Tongue>, more: Option<(&str, &str)>) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(tongue) = tongue {
            query.append_pair("lang", tongue.tag());
        }
        if let Some(back) = &self.back {
            query.append_pair("return_url", back);
        }
        if let Some((name, value)) = more {
            query.append_pair(name, value);
        }
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}
