//! What a hunt asks, and of whom.

use reqwest::Method;

use crate::domain::payment::Origin;
use crate::platform::Ask;
use crate::store::hunts::{self, By, Hunt};

/// Where a receipt that is found by this comes from.
pub(super) fn origin(by: By) -> Origin {
    match by {
        By::ReceiptId => Origin::BizEvents,
        By::Iuv => Origin::Gpd,
    }
}

/// The call that asks a hunt's question.
pub(super) fn question(hunt: &Hunt) -> Ask {
    let (operation, path): (_, Vec<&str>) = match hunt.ask {
        hunts::Ask::Iur => (
            "getOrganizationReceiptIur",
            vec![
                "organizations",
                hunt.creditor.as_str(),
                "receipts",
                &hunt.iur,
            ],
        ),
        hunts::Ask::IurAndIuv => (
            "getOrganizationReceiptIuvIur",
            vec![
                "organizations",
                hunt.creditor.as_str(),
                "receipts",
                &hunt.iur,
                "paymentoptions",
                &hunt.iuv,
            ],
        ),
        hunts::Ask::Iuv => (
            "getReceiptByIUV",
            vec!["payments", hunt.creditor.as_str(), "receipts", &hunt.iuv],
        ),
    };
    Ask {
        operation,
        method: Method::GET,
        path: path.into_iter().map(str::to_owned).collect(),
        body: None,
        creditor: hunt.creditor.to_string(),
        notice: hunt.notice.map(|notice| notice.to_string()),
        reference: Some(hunt.iur.clone()).filter(|iur| !iur.is_empty()),
        iuv: Some(hunt.iuv.clone()),
    }
}
