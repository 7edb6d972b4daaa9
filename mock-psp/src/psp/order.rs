//! What shall be paid, as the JSON door and the counter's form say it.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::CENTS_MAX;
use crate::problem::FieldError;

/// Most times one order sends its receipt.
const TIMES_MAX: u32 = 50;

/// The body of `POST /psp/pay`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PayRequest {
    /// Eighteen digits; blanks are tolerated.
    pub(crate) notice_number: String,
    /// Of the creditor.
    pub(crate) fiscal_code: String,
    /// What is paid instead of what the creditor asks for.
    pub(crate) amount_cents: Option<i64>,
    /// A new one where it is missing.
    pub(crate) receipt_id: Option<String>,
    /// Which account the payer wants to reach.
    pub(crate) transfer_type: Option<TransferType>,
    /// Version of the get request; the second where it is missing.
    pub(crate) get_version: Version,
    /// Version of the receipt; the second where it is missing.
    pub(crate) receipt_version: Version,
    /// What the payer's cart is called; the second version of the receipt repeats it.
    pub(crate) payment_note: Option<String>,
    /// Whether it is paid from the archive of notices, without a word to the creditor.
    pub(crate) stand_in: bool,
    /// Wall clock in Rome; now where it is missing.
    pub(crate) paid_at: Option<String>,
    /// Calls to leave out.
    pub(crate) skip: Vec<Skip>,
    /// Who pays; the debtor where it is missing.
    pub(crate) payer: Option<Payer>,
    /// How many times the receipt is sent.
    pub(crate) times: Option<u32>,
    /// Whether those are sent at the same moment and not one after the other.
    pub(crate) parallel: bool,
    /// Whether the receipt holds an element the contract does not know.
    pub(crate) extra_element: bool,
    /// The body addressed, where it is not the creditor of the notice.
    pub(crate) id_pa: Option<String>,
    /// The broker addressed, where it is not the creditor's.
    pub(crate) broker: Option<String>,
    /// The station addressed, where it is not the creditor's.
    pub(crate) station: Option<String>,
}

/// A call that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Skip {
    Verify,
    Get,
}

/// Version of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    V1,
    #[default]
    V2,
}

/// Which account the payer wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TransferType {
    Postal,
    Pagopa,
}

impl TransferType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            TransferType::Postal => "POSTAL",
            TransferType::Pagopa => "PAGOPA",
        }
    }
}

/// Who stands at the counter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payer {
    pub(crate) name: String,
    pub(crate) fiscal_code: String,
}

/// An order whose fields have been checked.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) notice_number: String,
    pub(crate) fiscal_code: String,
    pub(crate) amount_cents: Option<i64>,
    pub(crate) receipt_id: String,
    pub(crate) transfer_type: Option<TransferType>,
    pub(crate) get_version: Version,
    pub(crate) receipt_version: Version,
    pub(crate) payment_note: Option<String>,
    pub(crate) stand_in: bool,
    pub(crate) paid_at: Option<DateTime>,
    pub(crate) verifies: bool,
    pub(crate) gets: bool,
    pub(crate) payer: Option<Payer>,
    pub(crate) times: u32,
    pub(crate) parallel: bool,
    pub(crate) extra_element: bool,
    pub(crate) id_pa: Option<String>,
    pub(crate) broker: Option<String>,
    pub(crate) station: Option<String>,
}

impl Order {
    /// Checks a request, or names every wrong field.
    pub(crate) fn read(request: PayRequest) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut check = |is_right: bool, field: &str, message: &str| {
            if !is_right {
                errors.push(FieldError::new(field, "invalid", message));
            }
        };
        let notice_number = without_blanks(&request.notice_number);
        let fiscal_code = without_blanks(&request.fiscal_code);
        check(
            is_digits(&notice_number, 18),
            "notice_number",
            "must be 18 digits",
        );
        check(
            is_digits(&fiscal_code, 11),
            "fiscal_code",
            "must be 11 digits",
        );
        // In stand-in the creditor is not asked.
        let asks = |call| !request.stand_in && !request.skip.contains(&call);
        let (verifies, gets) = (asks(Skip::Verify), asks(Skip::Get));
        match request.amount_cents {
            Some(cents) => {
                let is_right = (1..=CENTS_MAX).contains(&cents);
                check(is_right, "amount_cents", "must be 1 to 99999999999");
            }
            None => {
                let message = "is needed when both verify and get are skipped";
                let is_right = verifies || gets || request.stand_in;
                check(is_right, "amount_cents", message);
            }
        }
        let receipt_id = request.receipt_id.unwrap_or_else(new_receipt_id);
        check(
            is_text(&receipt_id, 1, 140),
            "receipt_id",
            "must have 1 to 140 characters",
        );
        let note = request.payment_note.as_deref();
        check(
            note.is_none_or(|note| is_text(note, 1, 210)),
            "payment_note",
            "must have 1 to 210 characters",
        );
        let times = request.times.unwrap_or(1);
        check((1..=TIMES_MAX).contains(&times), "times", "must be 1 to 50");
        let paid_at = request.paid_at.as_deref().map(local_time);
        let message = "must be a local time like 2026-11-20T10:15:30";
        check(paid_at != Some(None), "paid_at", message);
        if let Some(payer) = &request.payer {
            check(
                is_text(&payer.name, 1, 70),
                "payer.name",
                "must have 1 to 70 characters",
            );
            let is_right = is_text(&payer.fiscal_code, 2, 16);
            check(
                is_right,
                "payer.fiscal_code",
                "must have 2 to 16 characters",
            );
        }
        for (field, value) in [
            ("id_pa", &request.id_pa),
            ("broker", &request.broker),
            ("station", &request.station),
        ] {
            let is_right = value.as_deref().is_none_or(|value| is_text(value, 1, 35));
            check(is_right, field, "must have 1 to 35 characters");
        }
        let order = Order {
            notice_number,
            fiscal_code,
            amount_cents: request.amount_cents,
            receipt_id,
            transfer_type: request.transfer_type,
            get_version: request.get_version,
            receipt_version: request.receipt_version,
            payment_note: request.payment_note,
            stand_in: request.stand_in,
            paid_at: paid_at.flatten(),
            verifies,
            gets,
            payer: request.payer,
            times,
            parallel: request.parallel,
            extra_element: request.extra_element,
            id_pa: request.id_pa,
            broker: request.broker,
            station: request.station,
        };
        if errors.is_empty() {
            Ok(order)
        } else {
            Err(errors)
        }
    }

    /// An order of a payer at Checkout: everything as usual, with the cart's name as its note.
    pub(crate) fn of_cart(notice_number: &str, fiscal_code: &str, id_cart: Option<&str>) -> Self {
        Order {
            notice_number: notice_number.to_owned(),
            fiscal_code: fiscal_code.to_owned(),
            amount_cents: None,
            receipt_id: new_receipt_id(),
            transfer_type: None,
            get_version: Version::V2,
            receipt_version: Version::V2,
            payment_note: id_cart.map(str::to_owned),
            stand_in: false,
            paid_at: None,
            verifies: true,
            gets: true,
            payer: None,
            times: 1,
            parallel: false,
            extra_element: false,
            id_pa: None,
            broker: None,
            station: None,
        }
    }

    /// The same order of an amount that is known, with calls left out.
    pub(crate) fn without(self, skip: &[Skip], amount_cents: i64) -> Self {
        Order {
            verifies: self.verifies && !skip.contains(&Skip::Verify),
            gets: self.gets && !skip.contains(&Skip::Get),
            amount_cents: Some(amount_cents),
            ..self
        }
    }

    /// The creditor's reference inside the notice number: without the first digit, or, where that
    /// is 0, without the application code as well.
    pub(crate) fn iuv(&self) -> &str {
        let prefix = if self.notice_number.starts_with('0') {
            3
        } else {
            1
        };
        self.notice_number.get(prefix..).unwrap_or_default()
    }
}

/// A receipt id as the node makes it today: a UUID without dashes.
fn new_receipt_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// A date and time without offset, whole seconds.
fn local_time(text: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok()
}

/// Notice numbers are printed in groups of four.
pub(crate) fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

pub(super) fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn is_text(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Order, Vec<FieldError>> {
        Order::read(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_short_order_gets_its_defaults() {
        let order = read(json!({
            "notice_number": "3022 0260 0001 2345 18", "fiscal_code": " 77777777777 "
        }))
        .unwrap();
        assert_eq!(order.notice_number, "302202600001234518");
        assert_eq!(order.fiscal_code, "77777777777");
        assert!(order.verifies && order.gets && !order.extra_element);
        assert_eq!((order.times, order.amount_cents), (1, None));
        assert_eq!(order.receipt_id.len(), 32);
    }

    #[test]
    fn the_iuv_follows_from_the_notice_number() {
        for (notice_number, iuv) in [
            ("302202600001234518", "02202600001234518"),
            ("201000000000000143", "01000000000000143"),
            ("101000000000000143", "01000000000000143"),
            ("001000000000000141", "000000000000141"),
        ] {
            let order = read(json!({"notice_number": notice_number, "fiscal_code": "77777777777"}));
            assert_eq!(order.unwrap().iuv(), iuv);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = read(json!({
            "notice_number": "30220260000123451", "fiscal_code": "x", "skip": ["verify", "get"],
            "receipt_id": "", "times": 51, "payment_note": "", "paid_at": "2026-11-20T10:15:30+01:00", "payer": {"name": "", "fiscal_code": "x"},
            "id_pa": "", "broker": "", "station": "x".repeat(36)
        }))
        .unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "notice_number",
                "fiscal_code",
                "amount_cents",
                "receipt_id",
                "payment_note",
                "times",
                "paid_at",
                "payer.name",
                "payer.fiscal_code",
                "id_pa",
                "broker",
                "station"
            ]
        );
        let zero = json!({
            "notice_number": "302202600001234518", "fiscal_code": "77777777777", "amount_cents": 0
        });
        assert_eq!(read(zero).unwrap_err()[0].field, "amount_cents");
    }
}
