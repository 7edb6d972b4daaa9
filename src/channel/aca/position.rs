//! What the archive must hold for a debt, as `paCreatePosition` says it.
//!
//! * **Open and published**: the position with its amount. The number is always sent: left out, the
//!   archive would put a 3 before the IUV, which is wrong for the aux digits 0, 1 and 2.
//! * **Not yet published**: not before its day.
//! * **Several beneficiaries**: the archive takes one account, and stand-in would credit all of it
//!   there; so such a notice is told, and never offered for stand-in.
//! * **Cancelled, expired, paid**: amount 0, which closes the position. `switchToExpired` is sent
//!   with the first message, so that the archive closes by itself what has a last day; but an update
//!   does not change it, and a day can be moved, so we do not rely on it.
//! * **Paid through pagoPA**: nothing is said, because pagoPA knows it and no state of the archive
//!   would be another. Only what had been owed before the payment came is closed: closing what is
//!   closed is answered 409 and hurts nobody, while a notice left open could be paid twice.

use serde::Serialize;

use crate::domain::creditor::Creditor;
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Debt, PublicState};
use crate::domain::party::PartyKind;
use crate::domain::text::cut;
use crate::wire::digest::sha256;

/// Years after its due day for which a notice that never expires is held by the archive, which
/// wants a last day: the ordinary limitation of a debt (civil code, art. 2946).
const LIMITATION_DAYS: i32 = 10 * 366;
/// Longest description; the archive takes 255, but what stands behind it 140.
const DESCRIPTION: usize = 140;

/// What is to be done for a debt now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// The archive is told.
    Tell(Message),
    /// It is told on the day of publication.
    Wait(Instant),
}

/// A message to the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The JSON.
    pub body: Vec<u8>,
    /// SHA-256 of it.
    pub digest: String,
    /// Whether it closes the position.
    pub closes: bool,
}

/// `NewDebtPositionRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    pa_fiscal_code: &'a str,
    entity_type: &'static str,
    entity_fiscal_code: &'a str,
    entity_full_name: &'a str,
    iuv: &'a str,
    nav: &'a str,
    amount: i64,
    description: &'a str,
    expiration_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    iban: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_iban: Option<&'a str>,
    switch_to_expired: bool,
    pay_stand_in: bool,
}

/// What the archive must hear of a debt on this day.
///
/// # Errors
/// The message cannot be written.
pub(super) fn act(debt: &Debt, creditor: &Creditor, today: Day) -> Result<Act, serde_json::Error> {
    let order = &debt.order;
    let is_open = match debt.public_state(today) {
        PublicState::Open => true,
        PublicState::Paid | PublicState::Cancelled | PublicState::Expired => false,
    };
    if let Some(day) = order.publish_on
        && is_open
        && today < day
    {
        return Ok(Act::Wait(day.begins()));
    }
    let expires = order.payable_until != Day::NEVER;
    let last_day = match expires {
        true => order.payable_until,
        false => order.due_on.plus_days(LIMITATION_DAYS),
    };
    let is_undivided = debt
        .split()
        .iter()
        .all(|(beneficiary, _)| *beneficiary == debt.creditor);
    let iuv = debt.notice.iuv();
    let account =
        |iban: Option<&crate::domain::iban::Iban>| iban.map(|iban| iban.as_str().to_owned());
    let (bank, postal) = (
        account(creditor.accounts.bank()),
        account(creditor.accounts.postal()),
    );
    let request = Request {
        pa_fiscal_code: debt.creditor.as_str(),
        entity_type: match order.payer.fiscal_code.kind() {
            PartyKind::Person => "F",
            PartyKind::Body => "G",
        },
        entity_fiscal_code: order.payer.fiscal_code.as_str(),
        entity_full_name: &order.payer.name,
        iuv: iuv.as_str(),
        nav: debt.notice.as_str(),
        amount: if is_open { order.amount.get() } else { 0 },
        description: cut(&order.description, DESCRIPTION),
        expiration_date: last_day.ends().to_string(),
        iban: bank.as_deref(),
        postal_iban: postal.as_deref(),
        switch_to_expired: expires,
        pay_stand_in: creditor.stand_in && is_undivided,
    };
    let body = serde_json::to_vec(&request)?;
    Ok(Act::Tell(Message {
        digest: sha256(&body),
        body,
        closes: !is_open,
    }))
}
