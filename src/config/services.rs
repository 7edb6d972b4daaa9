//! The sections `[[creditors.services]]`: what can be paid.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::creditors::Review;
use crate::domain::creditor::{Catalogue, SCHOOL_MEALS, Service};
use crate::domain::money::Cents;
use crate::domain::text::is_taxonomy;

/// One `[[creditors.services]]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its code.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// The taxonomy of pagoPA.
    #[serde(default = "school_meals")]
    pub taxonomy: String,
    /// The smallest top-up in cents.
    pub min_cents: i64,
    /// The largest top-up in cents.
    pub max_cents: i64,
    /// Days to the due day.
    pub due_days: i32,
    /// Whether it can be paid later.
    pub payable_after_due: bool,
    /// Its place in the catalogue of services.
    pub catalogue: Option<CatalogueConfig>,
}

/// `[creditors.services.catalogue]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueConfig {
    /// `idServizio`.
    pub service: String,
    /// `idSoggettoServizio`.
    pub subject: String,
}

fn school_meals() -> String {
    SCHOOL_MEALS.to_owned()
}

/// The services of a creditor, by code.
pub(super) fn services(
    sections: &[ServiceConfig],
    key: &str,
    review: &mut Review,
) -> BTreeMap<String, Service> {
    let mut services = BTreeMap::new();
    let mut places = vec![];
    for (index, section) in sections.iter().enumerate() {
        let key = format!("{key}.services[{index}]");
        if let Some(service) = service(section, &key, review) {
            if let Some(place) = &service.catalogue {
                if places.contains(place) {
                    review.wrong(&format!("{key}.catalogue"), "stands twice");
                }
                places.push(place.clone());
            }
            if services.insert(service.code.clone(), service).is_some() {
                review.wrong(&format!("{key}.code"), "stands twice");
            }
        }
    }
    services
}

fn service(section: &ServiceConfig, key: &str, review: &mut Review) -> Option<Service> {
    review.text(&format!("{key}.code"), &section.code, 35);
    review.text(&format!("{key}.name"), &section.name, 140);
    if !is_taxonomy(&section.taxonomy) {
        review.wrong(
            &format!("{key}.taxonomy"),
            "is not of the form 9/0107101TS/",
        );
    }
    let min = review.take(&format!("{key}.min_cents"), Cents::due(section.min_cents));
    let max = review.take(&format!("{key}.max_cents"), Cents::due(section.max_cents));
    if min > max && max.is_some() {
        review.wrong(&format!("{key}.max_cents"), "is below min_cents");
    }
    if !(0..=3_650).contains(&section.due_days) {
        review.wrong(&format!("{key}.due_days"), "must be 0 to 3650");
    }
    let catalogue = section.catalogue.as_ref().map(|place| {
        for (name, text) in [("service", &place.service), ("subject", &place.subject)] {
            if text.len() != 5 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
                review.wrong(
                    &format!("{key}.catalogue.{name}"),
                    "must have five letters or digits",
                );
            }
        }
        Catalogue {
            service: place.service.clone(),
            subject: place.subject.clone(),
        }
    });
    Some(Service {
        code: section.code.clone(),
        name: section.name.clone(),
        taxonomy: section.taxonomy.clone(),
        min: min?,
        max: max?,
        due_days: section.due_days,
        payable_after_due: section.payable_after_due,
        catalogue,
    })
}
