//! What a debt is for, and where it stands.

use crate::domain::day::Instant;
use crate::domain::ids::PaymentId;

/// What the money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtKind {
    /// Credit bought before the meals are eaten.
    TopUp,
    /// Meals that were eaten, paid afterwards.
    Invoice,
}

impl DebtKind {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            DebtKind::TopUp => "top_up",
            DebtKind::Invoice => "invoice",
        }
    }

    /// The kind written as [`DebtKind::as_str`] writes it.
    pub fn parse(text: &str) -> Option<DebtKind> {
        match text {
            "top_up" => Some(DebtKind::TopUp),
            "invoice" => Some(DebtKind::Invoice),
            _ => None,
        }
    }
}

/// Where a debt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebtState {
    /// It can be paid, as long as its last day has not passed.
    Open,
    /// It was paid.
    Paid {
        /// By which payment.
        payment: PaymentId,
        /// When that payment was recorded.
        at: Instant,
    },
    /// The creditor says that it was settled off the rails.
    Settled {
        /// How.
        elsewhere: Elsewhere,
        /// When we were told.
        at: Instant,
    },
    /// The creditor withdrew it.
    Cancelled {
        /// When.
        at: Instant,
    },
    /// Its last day passed and it was closed.
    Expired {
        /// When it was closed.
        at: Instant,
    },
}

/// How a debt was settled off the rails, as its creditor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// By what means.
    pub means: Means,
    /// The creditor's own reference, such as the number of a receipt; 1–70 characters.
    pub reference: Option<String>,
    /// When it was paid.
    pub paid_at: Instant,
}

/// Means of payment that are not ours to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Notes and coins.
    Cash,
    /// A card at a terminal of the creditor.
    Pos,
    /// A bank transfer to the creditor.
    BankTransfer,
    /// Anything else.
    Other,
}

impl Means {
    /// All means.
    pub const ALL: [Means; 4] = [Means::Cash, Means::Pos, Means::BankTransfer, Means::Other];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Cash => "cash",
            Means::Pos => "pos",
            Means::BankTransfer => "bank_transfer",
            Means::Other => "other",
        }
    }

    /// The means written as [`Means::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Means> {
        Means::ALL.into_iter().find(|means| means.as_str() == text)
    }
}

/// The state the portal sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicState {
    /// Can be paid.
    Open,
    /// Was paid.
    Paid,
    /// Withdrawn.
    Cancelled,
    /// Its last day has passed.
    Expired,
}

impl PublicState {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            PublicState::Open => "open",
            PublicState::Paid => "paid",
            PublicState::Cancelled => "cancelled",
            PublicState::Expired => "expired",
        }
    }

    /// The state written as [`PublicState::as_str`] writes it.
    pub fn parse(text: &str) -> Option<PublicState> {
        [
            PublicState::Open,
            PublicState::Paid,
            PublicState::Cancelled,
            PublicState::Expired,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}
