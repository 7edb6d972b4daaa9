//! Transfers (*versamenti*): how one payment is split between the bodies that benefit from it.
//!
//! A debt without shares goes whole to its creditor. With shares, one to five bodies receive a part
//! each, and the parts add up to the whole (pagoPA `paForNode.xsd`, `transferList`).

use super::creditor::{Account, Register, SCHOOL_MEALS, TransferType};
use super::debt::Debt;
use super::iban::Iban;
use super::money::Cents;
use super::party::CreditorCode;

/// Most shares of one debt (pagoPA: five transfers).
pub const MOST: usize = 5;

/// A part of a debt for one body, as the portal ordered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Who receives it.
    pub creditor: CreditorCode,
    /// Into which account; without one, into the account that the receiver has in our register.
    pub iban: Option<Iban>,
    /// How much.
    pub amount: Cents,
    /// The taxonomy of pagoPA; without one, that of the debt's service.
    pub category: Option<String>,
    /// The text of the credit, 1–140 characters; without one, that of the debt.
    pub description: Option<String>,
}

/// Why shares cannot be those of a debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// None, or more than five.
    #[error("a payment has 1 to {MOST} transfers")]
    Number,
    /// One of them is not above zero.
    #[error("a transfer must be above zero")]
    Amount,
    /// They do not add up to what is owed.
    #[error("the transfers do not add up to the amount")]
    Sum,
}

/// The shares of a debt: none (all of it to its creditor), or up to five that add up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares(Vec<Share>);

impl Shares {
    /// All of it to the creditor of the debt.
    pub fn whole() -> Shares {
        Shares::default()
    }

    /// Shares that make up `total`.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn of(shares: Vec<Share>, total: Cents) -> Result<Shares, ShareError> {
        if !(1..=MOST).contains(&shares.len()) {
            return Err(ShareError::Number);
        }
        if shares.iter().any(|share| share.amount <= Cents::new(0)) {
            return Err(ShareError::Amount);
        }
        let shares = Shares(shares);
        if shares.make_up(total) {
            Ok(shares)
        } else {
            Err(ShareError::Sum)
        }
    }

    /// Whether they make up this amount; without shares any amount is whole.
    pub fn make_up(&self, total: Cents) -> bool {
        let mut parts = self.0.iter().map(|share| share.amount);
        let sum = parts.try_fold(Cents::new(0), Cents::checked_add);
        self.0.is_empty() || sum == Some(total)
    }

    /// The shares in their order; none when all of it goes to the creditor.
    pub fn as_slice(&self) -> &[Share] {
        &self.0
    }
}

/// What each body receives: the beneficiary and its cents.
pub type Split = Vec<(CreditorCode, Cents)>;

impl Debt {
    /// Who receives how much when the debt is paid as it was ordered.
    pub fn split(&self) -> Split {
        match self.order.shares.as_slice() {
            [] => vec![(self.creditor.clone(), self.order.amount)],
            shares => shares
                .iter()
                .map(|share| (share.creditor.clone(), share.amount))
                .collect(),
        }
    }
}

/// A transfer, ready to be told to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Who receives it.
    pub creditor: &'a CreditorCode,
    /// The receiver's name, when it is in our register.
    pub name: Option<&'a str>,
    /// How much.
    pub amount: Cents,
    /// Into which account, and the one to name beside it.
    pub account: Account<'a>,
    /// The taxonomy.
    pub category: &'a str,
    /// The text of the credit, before it is cut to its limit.
    pub remittance: String,
}

/// The transfers of a debt for this kind of payment, in the order of their `idTransfer`; nothing
/// when a receiver has no account that we know.
pub fn transfers<'a>(
    debt: &'a Debt,
    register: &'a Register,
    kind: Option<TransferType>,
) -> Option<Vec<Transfer<'a>>> {
    let order = &debt.order;
    let owner = register.get(&debt.creditor)?;
    let category = owner
        .services
        .get(&order.service)
        .map_or(SCHOOL_MEALS, |service| service.taxonomy.as_str());
    let remittance = |amount: Cents, text: &str| {
        // SANP: the causale of the single credit, so that the treasurer's line names the IUV.
        format!("/RFB/{}/{amount}/TXT/{text}", debt.notice.iuv())
    };
    let shares = order.shares.as_slice();
    if shares.is_empty() {
        return Some(vec![Transfer {
            creditor: &owner.code,
            name: Some(&owner.name),
            amount: order.amount,
            account: owner.accounts.choose(kind),
            category,
            remittance: remittance(order.amount, &order.description),
        }]);
    }
    let transfer = |(index, share): (usize, &'a Share)| {
        let receiver = register.get(&share.creditor);
        let accounts = receiver.map(|creditor| &creditor.accounts);
        let account = match (&share.iban, accounts) {
            (None, accounts) => accounts?.choose(kind),
            (Some(iban), None) => Account {
                iban,
                support: None,
            },
            // The account that was asked for stays, but where the kind of payment needs the postal
            // one (SANP: the first transfer of a POSTAL payment).
            (Some(iban), Some(accounts)) => match kind {
                Some(TransferType::Postal) if index == 0 => Account {
                    iban: accounts.postal().unwrap_or(iban),
                    support: None,
                },
                Some(TransferType::PagoPa) => Account {
                    iban,
                    support: accounts.postal(),
                },
                Some(TransferType::Postal) | None => Account {
                    iban,
                    support: None,
                },
            },
        };
        Some(Transfer {
            creditor: &share.creditor,
            name: receiver.map(|creditor| creditor.name.as_str()),
            amount: share.amount,
            account,
            category: share.category.as_deref().unwrap_or(category),
            remittance: remittance(
                share.amount,
                share.description.as_deref().unwrap_or(&order.description),
            ),
        })
    };
    shares.iter().enumerate().map(transfer).collect()
}

/// Whether every transfer of a debt can go to a postal account (`allCCP`).
pub fn all_postal(debt: &Debt, register: &Register) -> bool {
    let has_postal = |code: &CreditorCode| {
        register
            .get(code)
            .is_some_and(|creditor| creditor.accounts.postal().is_some())
    };
    match debt.order.shares.as_slice() {
        [] => has_postal(&debt.creditor),
        shares => shares.iter().all(|share| match &share.iban {
            Some(iban) => iban.is_postal(),
            None => has_postal(&share.creditor),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(cents: i64) -> Share {
        Share {
            creditor: CreditorCode::parse("77777777777").unwrap(),
            iban: None,
            amount: Cents::new(cents),
            category: None,
            description: None,
        }
    }

    /// cents of the shares, cents of the debt → what is wrong
    #[test]
    fn shares_add_up() {
        let table: [(&[i64], i64, Option<ShareError>); 7] = [
            (&[5_000], 5_000, None),
            (&[4_800, 200], 5_000, None),
            (&[1, 1, 1, 1, 1], 5, None),
            (&[], 5_000, Some(ShareError::Number)),
            (&[1, 1, 1, 1, 1, 1], 6, Some(ShareError::Number)),
            (&[5_001, -1], 5_000, Some(ShareError::Amount)),
            (&[4_800, 201], 5_000, Some(ShareError::Sum)),
        ];
        for (cents, total, wrong) in table {
            let shares = cents.iter().copied().map(share).collect();
            assert_eq!(
                Shares::of(shares, Cents::new(total)).err(),
                wrong,
                "{cents:?}"
            );
        }
    }
}
