//! Reading payments, and what a receipt for the parent says.

use super::{Desk, DeskError};
use crate::domain::creditor::Creditor;
use crate::domain::debt::Debt;
use crate::domain::ids::PaymentId;
use crate::domain::party::CreditorCode;
use crate::store::books::{self, BookedPayment, PaymentFilter};
use crate::store::{debts, documents};
use crate::wire::soap;

/// Everything a receipt for the parent says.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The payment.
    pub payment: BookedPayment,
    /// What was paid for, when it is a debt of this creditor.
    pub debt: Option<Debt>,
    /// The PSP as the receipt names it; its identifier when the receipt is not kept any more.
    pub psp_name: String,
}

impl Desk {
    /// A creditor's payment.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn payment(
        &self,
        creditor: &CreditorCode,
        id: &PaymentId,
    ) -> Result<BookedPayment, DeskError> {
        let mut conn = self.store.read().await?;
        books::by_id(&mut conn, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)
    }

    /// A page of a creditor's payments, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn payments(
        &self,
        creditor: &CreditorCode,
        filter: &PaymentFilter,
    ) -> Result<Vec<BookedPayment>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(books::list(&mut conn, creditor, filter).await?)
    }

    /// What the receipt of a payment says.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn proof(&self, creditor: &Creditor, id: &PaymentId) -> Result<Proof, DeskError> {
        let payment = self.payment(&creditor.code, id).await?;
        let mut conn = self.store.read().await?;
        let debt = match &payment.debt {
            Some(debt) => debts::by_id(&mut conn, &creditor.code, &debt.id).await?,
            None => None,
        };
        let message = documents::read(&mut conn, &payment.document).await?;
        let psp_name = message
            .as_deref()
            .and_then(psp_name)
            .unwrap_or_else(|| payment.psp.clone());
        Ok(Proof {
            payment,
            debt,
            psp_name,
        })
    }
}

/// `PSPCompanyName` of a receipt of the node; nothing when the message is another.
fn psp_name(message: &[u8]) -> Option<String> {
    let request = soap::body(message).ok()?;
    let name = &request.child("receipt")?.child("PSPCompanyName")?.text;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
