//! Verify and get: what is due now for a notice. Both only read.

use std::sync::Arc;

use super::Door;
use super::fault::Fault;
use super::wire::{self, Head, Verify};
use crate::domain::creditor::{Creditor, TransferType};
use crate::domain::day::Instant;
use crate::domain::debt::Debt;
use crate::domain::party::CreditorCode;
use crate::domain::refusal::Refusal;
use crate::wire::xml::Element;

/// A notice that can be paid now.
#[derive(Debug)]
pub(super) struct Payable {
    pub creditor: Arc<Creditor>,
    pub debt: Debt,
    pub transfer_type: Option<TransferType>,
}

impl Door {
    /// Answers a verify.
    ///
    /// # Errors
    /// The fault to say.
    pub(super) async fn verify(&self, element: &Element, now: Instant) -> Result<Payable, Fault> {
        self.payable(wire::verify(element)?, None, now).await
    }

    /// Answers a get.
    ///
    /// # Errors
    /// The fault to say.
    pub(super) async fn get(&self, element: &Element, now: Instant) -> Result<Payable, Fault> {
        let get = wire::get(element)?;
        self.payable(get.verify, get.transfer_type, now).await
    }

    async fn payable(
        &self,
        verify: Verify,
        transfer_type: Option<TransferType>,
        now: Instant,
    ) -> Result<Payable, Fault> {
        let creditor = self.owner(&verify.head, Some(&verify.creditor))?;
        let debt = self
            .desk
            .debt_of_notice(&creditor.code, &verify.notice)
            .await?
            .ok_or(Refusal::Unknown)?;
        debt.quote(now.day_in_rome())?;
        Ok(Payable {
            creditor,
            debt,
            transfer_type,
        })
    }

    /// The creditor that a message is for; `named` is the one whose notice it asks for.
    pub(super) fn owner(
        &self,
        head: &Head,
        named: Option<&CreditorCode>,
    ) -> Result<Arc<Creditor>, Refusal> {
        let register = self.desk.register();
        // An idPA that cannot be a fiscal code is checked last, like any other unknown one.
        let pa = CreditorCode::parse(&head.pa);
        let nobody = CreditorCode::nobody();
        let creditor =
            register.addressed(head.addressee(pa.as_ref().ok().or(named).unwrap_or(&nobody)))?;
        if pa.is_err() || named.is_some_and(|named| pa.as_ref() != Ok(named)) {
            return Err(Refusal::WrongCreditor);
        }
        Ok(creditor.clone())
    }
}
