//! The sections `[[operators]]`: companies that run canteens for creditors.

use serde::Deserialize;

use super::creditors::Review;
use crate::domain::creditor::Operator;
use crate::domain::party::CreditorCode;

/// One `[[operators]]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// Eleven digits.
    pub fiscal_code: String,
    /// 1–140 characters.
    pub name: String,
    /// Fiscal codes of the creditors it works for.
    pub creditors: Vec<String>,
}

/// The operator of a section; `known` are the codes of the creditors.
pub(super) fn operator(
    section: &OperatorConfig,
    key: &str,
    known: &[&str],
    review: &mut Review,
) -> Option<Operator> {
    let code = review.take(
        &format!("{key}.fiscal_code"),
        CreditorCode::parse(&section.fiscal_code),
    );
    review.text(&format!("{key}.name"), &section.name, 140);
    let mut creditors = vec![];
    for (index, text) in section.creditors.iter().enumerate() {
        let key = format!("{key}.creditors[{index}]");
        if !known.contains(&text.as_str()) {
            review.wrong(
                &key,
                format!("{text} is not a creditor of this configuration"),
            );
        }
        creditors.extend(review.take(&key, CreditorCode::parse(text)));
    }
    Some(Operator {
        code: code?,
        name: section.name.clone(),
        creditors,
    })
}
