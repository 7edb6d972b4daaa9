//! `CartRequest` and `CartRequestV2`, as the service reads them.

use serde::{Deserialize, Serialize};

use crate::psp::Order;

/// Most notices of a cart.
pub(super) const NOTICES_MAX: usize = 5;

/// Version of the cart API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "v1" => Some(Version::V1),
            "v2" => Some(Version::V2),
            _ => None,
        }
    }
}

/// A cart whose fields have been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(super) version: Version,
    pub(super) id_cart: Option<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) urls: Urls,
}

/// `PaymentNotice`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    pub(super) notice_number: String,
    pub(super) fiscal_code: String,
    pub(super) amount: i32,
    pub(super) company_name: String,
    pub(super) description: String,
}

/// `returnUrls`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Urls {
    #[serde(rename = "returnOkUrl")]
    pub(super) ok: String,
    #[serde(rename = "returnCancelUrl")]
    pub(super) cancel: String,
    #[serde(rename = "returnErrorUrl")]
    pub(super) error: String,
    #[serde(rename = "returnWaitingUrl")]
    pub(super) waiting: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    payment_notices: Vec<Notice>,
    return_urls: Urls,
    id_cart: Option<String>,
    email_notice: Option<String>,
}

impl Cart {
    /// Reads a request; how many notices it has, and whether one stands twice, is judged later.
    pub(super) fn read(body: &[u8], version: Version) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let check = |is_right: bool, field: &str| {
            if is_right {
                Ok(())
            } else {
                Err(format!("{field} is wrong"))
            }
        };
        check(!body.payment_notices.is_empty(), "paymentNotices")?;
        let digits =
            |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let fits = |text: &str| text.chars().count() <= 140;
        for notice in &body.payment_notices {
            check(digits(&notice.notice_number, 18), "noticeNumber")?;
            check(digits(&notice.fiscal_code, 11), "fiscalCode")?;
            check(notice.amount >= 1, "amount")?;
            check(fits(&notice.company_name), "companyName")?;
            check(fits(&notice.description), "description")?;
        }
        let is_email = |text: &String| text.contains('@');
        check(
            body.email_notice.as_ref().is_none_or(is_email),
            "emailNotice",
        )?;
        let urls = &body.return_urls;
        check(is_address(&urls.ok), "returnOkUrl")?;
        check(is_address(&urls.cancel), "returnCancelUrl")?;
        check(is_address(&urls.error), "returnErrorUrl")?;
        let waiting = match version {
            Version::V1 => None,
            Version::V2 => {
                let waiting = urls.waiting.as_deref();
                check(waiting.is_some_and(is_address), "returnWaitingUrl")?;
                urls.waiting.clone()
            }
        };
        Ok(Cart {
            version,
            id_cart: body.id_cart,
            notices: body.payment_notices,
            urls: Urls {
                waiting,
                ..body.return_urls
            },
        })
    }

    /// Whether a notice stands twice.
    pub(super) fn has_one_twice(&self) -> bool {
        let key = |notice: &Notice| (notice.fiscal_code.clone(), notice.notice_number.clone());
        let keys: Vec<_> = self.notices.iter().map(key).collect();
        keys.iter()
            .enumerate()
            .any(|(index, own)| keys.iter().take(index).any(|other| other == own))
    }

    /// What is paid in all, in cents.
    pub(super) fn total_cents(&self) -> i64 {
        self.notices.iter().map(|n| i64::from(n.amount)).sum()
    }
}

impl Notice {
    /// The order for the PSP, with the cart's own name as its note.
    pub(super) fn order(&self, cart: &Cart) -> Order {
        Order::of_cart(
            &self.notice_number,
            &self.fiscal_code,
            cart.id_cart.as_deref(),
        )
    }
}

/// An absolute https address; http on this machine, where the whole town may live.
fn is_address(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else {
        return false;
    };
    let is_near = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_near)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        json!({
            "paymentNotices": [{
                "noticeNumber": "302202600001234518", "fiscalCode": "77777777777",
                "amount": 1000, "companyName": "Comune", "description": "Ricarica",
            }],
            "returnUrls": {
                "returnOkUrl": "https://a.example/ok", "returnCancelUrl": "https://a.example/c",
                "returnErrorUrl": "https://a.example/e", "returnWaitingUrl": "https://a.example/w",
            },
            "idCart": "c1",
        })
    }

    fn read(value: &Value, version: Version) -> Result<Cart, String> {
        Cart::read(value.to_string().as_bytes(), version)
    }

    #[test]
    fn a_cart_is_read_and_a_wrong_one_is_not() {
        let cart = read(&sample(), Version::V2).unwrap();
        assert_eq!(cart.total_cents(), 1_000);
        assert_eq!(cart.urls.waiting.as_deref(), Some("https://a.example/w"));
        assert_eq!(read(&sample(), Version::V1).unwrap().urls.waiting, None);
        for (pointer, wrong) in [
            ("/paymentNotices", json!([])),
            ("/paymentNotices/0/noticeNumber", json!("30220260000123451")),
            ("/paymentNotices/0/fiscalCode", json!("7777777777a")),
            ("/paymentNotices/0/amount", json!(0)),
            ("/paymentNotices/0/amount", json!("10")),
            ("/paymentNotices/0/companyName", json!("x".repeat(141))),
            ("/paymentNotices/0/description", json!(null)),
            ("/returnUrls/returnOkUrl", json!("www.example.org/ok")),
            ("/returnUrls/returnOkUrl", json!("http://a.example/ok")),
            ("/returnUrls/returnWaitingUrl", json!(null)),
        ] {
            let mut value = sample();
            *value.pointer_mut(pointer).unwrap() = wrong;
            assert!(read(&value, Version::V2).is_err(), "{pointer}");
        }
    }

    #[test]
    fn a_notice_that_stands_twice_is_seen() {
        let mut value = sample();
        let again = value["paymentNotices"][0].clone();
        value["paymentNotices"].as_array_mut().unwrap().push(again);
        assert!(read(&value, Version::V1).unwrap().has_one_twice());
        value["paymentNotices"][1]["fiscalCode"] = json!("77777777778");
        assert!(!read(&value, Version::V1).unwrap().has_one_twice());
    }
}
