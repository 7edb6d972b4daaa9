//! The addresses of ours that others are given: in answers, messages and on paper.

use crate::domain::day::{Day, Instant};
use crate::domain::debt::Debt;
use crate::domain::ids::{DebtId, TopUpLinkId};
use crate::domain::party::CreditorCode;

use super::token::{Kind, Signer, Ticket};

/// Makes addresses.
#[derive(Debug, Clone)]
pub struct Links {
    public_url: String,
    signer: Option<Signer>,
    days: i32,
}

impl Links {
    /// Addresses below `public_url`; those of pages for parents only with a signer, and for so many
    /// days after the day by which the money is due.
    pub fn new(public_url: &str, signer: Option<Signer>, days: i32) -> Links {
        Links {
            public_url: public_url.trim_end_matches('/').to_owned(),
            signer,
            days,
        }
    }

    /// What makes and reads the tokens of pages for parents, when there are any.
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// An address of ours from its path.
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// A notice in the API.
    pub fn notice(&self, id: &DebtId) -> String {
        self.absolute(&format!("/api/v1/notices/{id}"))
    }

    /// The payment page of a notice: the same address until its due day has passed, then each day
    /// another, so that a portal that asks again has one that works.
    pub fn pay(&self, debt: &Debt, today: Day) -> Option<String> {
        self.pay_path(debt, today).map(|path| self.absolute(&path))
    }

    /// The same without our host, for a redirect.
    pub fn pay_path(&self, debt: &Debt, today: Day) -> Option<String> {
        let last = debt.order.due_on.max(today).plus_days(self.days);
        let token = self.signer.as_ref()?.print(&Ticket {
            kind: Kind::Notice,
            creditor: debt.creditor.clone(),
            id: debt.id.to_string(),
            ends: last.ends(),
        })?;
        Some(format!("/pay/{token}"))
    }

    /// The page on which a top-up is chosen.
    pub fn top_up(
        &self,
        creditor: &CreditorCode,
        id: &TopUpLinkId,
        ends: Instant,
    ) -> Option<String> {
        let token = self.signer.as_ref()?.print(&Ticket {
            kind: Kind::TopUp,
            creditor: creditor.clone(),
            id: id.to_string(),
            ends,
        })?;
        Some(self.absolute(&format!("/top-up/{token}")))
    }
}
