//! The messages of Checkout: the request for a cart, and the problem that turns it down.

use serde_json::{Value, json};

use crate::desk::checkouts::Cart;
use crate::domain::checkout::{Returned, TEXT};
use crate::domain::text::cut;

/// Why a cart was turned down with 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// For what we sent: too many notices, or one of them twice.
    Ours,
    /// The node lets it not be paid now.
    Node,
}

/// `CartRequest` (version 1) or `CartRequestV2`. The payer's address is not sent along: Checkout asks
/// whoever pays for it, and that may be somebody else.
pub(super) fn print(cart: &Cart, version: u8) -> Vec<u8> {
    let notices: Vec<Value> = cart
        .items
        .iter()
        .map(|item| {
            json!({
                "noticeNumber": item.notice.as_str(),
                "fiscalCode": cart.creditor.as_str(),
                "amount": item.amount.get(),
                "companyName": cut(&cart.name, TEXT),
                "description": cut(&item.description, TEXT),
            })
        })
        .collect();
    let url = |way: Returned| json!(format!("{}{}", cart.return_base, way.as_str()));
    let mut urls = json!({
        "returnOkUrl": url(Returned::Ok),
        "returnCancelUrl": url(Returned::Cancel),
        "returnErrorUrl": url(Returned::Error),
    });
    if version >= 2
        && let Some(urls) = urls.as_object_mut()
    {
        urls.insert("returnWaitingUrl".to_owned(), url(Returned::Waiting));
    }
    let body = json!({
        "paymentNotices": notices,
        "returnUrls": urls,
        "idCart": cart.id.as_str(),
    });
    body.to_string().into_bytes()
}

/// Reads the problem of a 422. The service has the same status for our own mistakes, which it names,
/// and for what the node says, which it does not.
pub(super) fn refusal(bytes: &[u8]) -> Refusal {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |member| {
        let text = problem.get(member).and_then(Value::as_str);
        text.unwrap_or_default().to_lowercase()
    };
    let says = format!("{} {}", text("title"), text("detail"));
    if says.contains("too many") || says.contains("duplicate") {
        Refusal::Ours
    } else {
        Refusal::Node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::checkouts::Item;
    use crate::domain::ids::CheckoutId;
    use crate::domain::money::Cents;
    use crate::domain::notice::NoticeNumber;
    use crate::domain::party::CreditorCode;

    fn cart(name: &str, description: &str) -> Cart {
        Cart {
            id: CheckoutId::new("c1"),
            creditor: CreditorCode::parse("77777777777").unwrap(),
            name: name.to_owned(),
            items: vec![Item {
                notice: NoticeNumber::parse("302000000000000153").unwrap(),
                amount: Cents::new(5_000),
                description: description.to_owned(),
            }],
            return_base: "https://pay.example.org/checkout/return/t/".to_owned(),
        }
    }

    fn read(cart: &Cart, version: u8) -> Value {
        serde_json::from_slice(&print(cart, version)).unwrap()
    }

    #[test]
    fn the_second_version_has_one_address_more() {
        let cart = cart("Comune", "Ricarica");
        let base = "https://pay.example.org/checkout/return/t/";
        let mut urls = json!({
            "returnOkUrl": format!("{base}ok"),
            "returnCancelUrl": format!("{base}cancel"),
            "returnErrorUrl": format!("{base}error"),
        });
        assert_eq!(read(&cart, 1)["returnUrls"], urls);
        urls["returnWaitingUrl"] = json!(format!("{base}waiting"));
        assert_eq!(read(&cart, 2)["returnUrls"], urls);
        assert_eq!(
            read(&cart, 2)["paymentNotices"][0],
            json!({
                "noticeNumber": "302000000000000153", "fiscalCode": "77777777777", "amount": 5000,
                "companyName": "Comune", "description": "Ricarica",
            })
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "è".repeat(141);
        let notice = &read(&cart(&long, &long), 2)["paymentNotices"][0];
        for member in ["companyName", "description"] {
            assert_eq!(notice[member].as_str().unwrap().chars().count(), 140);
        }
    }

    #[test]
    fn our_mistakes_are_told_from_the_nodes_word() {
        for (title, detail, expected) in [
            (
                "Multiple payment notices not processable",
                "Too many payment notices, expected max 5",
                Refusal::Ours,
            ),
            (
                "Invalid payment info",
                "Duplicate payment notice values found.",
                Refusal::Ours,
            ),
            (
                "Invalid payment info",
                "Invalid payment notice data",
                Refusal::Node,
            ),
        ] {
            let body = json!({"title": title, "detail": detail, "status": 422}).to_string();
            assert_eq!(refusal(body.as_bytes()), expected, "{detail}");
        }
        assert_eq!(refusal(b"<html>"), Refusal::Node);
    }
}
