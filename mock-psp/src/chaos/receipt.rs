//! What can happen to the delivery of a receipt.

use serde::{Deserialize, Serialize};

use super::plan::{FAULTS_MAX, one};
use crate::problem::FieldError;

/// Most copies of one receipt, and most receipts one can be held back for.
const COUNT_MAX: u32 = 49;

/// What happens to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptFault {
    pub(crate) fault: Kind,
    /// How many deliveries meet it.
    #[serde(default = "one")]
    pub(crate) times: u32,
    /// How many further copies are sent, or how many later receipts go first.
    #[serde(default = "one")]
    pub(crate) count: u32,
}

/// The kinds of trouble a delivery can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// None: so that a shuffled plan strikes here and there.
    None,
    /// The receipt never leaves the node.
    NotSent,
    /// It arrives and is answered; the answer is lost on its way back.
    ReplyLost,
    /// The answer comes after the node's patience: for the node a timeout. Nobody has to wait for it.
    ReplyLate,
    /// It is sent again right after its answer, `count` times.
    Duplicate,
    /// `count` copies of it are sent at the same moment.
    Parallel,
    /// It is kept back until `count` later receipts have been sent, or its hour has come. A retry
    /// goes as always.
    Held,
}

/// What the plan holds for the next delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiptTrouble {
    NotSent,
    ReplyLost,
    ReplyLate,
    Duplicate { count: u32 },
    Parallel { count: u32 },
    Held { count: u32 },
}

impl ReceiptFault {
    pub(crate) fn trouble(&self) -> Option<ReceiptTrouble> {
        let count = self.count;
        match self.fault {
            Kind::None => None,
            Kind::NotSent => Some(ReceiptTrouble::NotSent),
            Kind::ReplyLost => Some(ReceiptTrouble::ReplyLost),
            Kind::ReplyLate => Some(ReceiptTrouble::ReplyLate),
            Kind::Duplicate => Some(ReceiptTrouble::Duplicate { count }),
            Kind::Parallel => Some(ReceiptTrouble::Parallel { count }),
            Kind::Held => Some(ReceiptTrouble::Held { count }),
        }
    }
}

/// What is wrong with the numbers of a list of such faults.
pub(super) fn errors(faults: &[ReceiptFault]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| {
        errors.push(FieldError::new(field, "out_of_range", message));
    };
    let deliveries: u64 = faults.iter().map(|fault| u64::from(fault.times)).sum();
    let most = u64::try_from(FAULTS_MAX).unwrap_or(u64::MAX);
    if faults.len() > FAULTS_MAX || deliveries > most {
        let message = format!("must speak of at most {FAULTS_MAX} deliveries");
        wrong("receipts", message);
    }
    for (index, fault) in faults.iter().enumerate().take(FAULTS_MAX) {
        if fault.times == 0 {
            let message = "must be at least 1".to_owned();
            wrong(&format!("receipts[{index}].times"), message);
        }
        if !(1..=COUNT_MAX).contains(&fault.count) {
            let message = format!("must be 1 to {COUNT_MAX}");
            wrong(&format!("receipts[{index}].count"), message);
        }
    }
    errors
}
