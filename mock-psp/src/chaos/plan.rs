//! A plan of faults: what it says, and how it is used up.

use serde::{Deserialize, Serialize};

use super::receipt::{self, ReceiptFault};
use crate::problem::FieldError;

/// Most faults one plan may hold, counted with their repetitions when shuffled.
pub(super) const FAULTS_MAX: usize = 10_000;
/// Longest pause a plan may ask for.
const DELAY_MAX_MS: u64 = 60_000;

/// What shall go wrong, until it is used up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Plan {
    /// Where the shuffling starts; the same seed gives the same order.
    pub(crate) seed: u64,
    /// Whether the faults of ledger, archive and receipts come in an order drawn from the seed.
    pub(crate) shuffle: bool,
    /// Faults of the meal ledger, one per entry that is posted.
    pub(crate) ledger: Vec<LedgerFault>,
    /// Faults of the archive of notices, one per call of `paCreatePosition` that passes its key and
    /// its rate. "Booked" means filed.
    pub(crate) aca: Vec<LedgerFault>,
    /// Faults of Checkout's cart API, one per call that passes its rate. "Booked" means kept.
    pub(crate) checkout: Vec<LedgerFault>,
    /// What happens to the deliveries of receipts, one each, retries included.
    pub(crate) receipts: Vec<ReceiptFault>,
    /// Faults between the PSP counter and the gateway.
    pub(crate) node: NodeFaults,
}

/// One way the ledger or the archive misbehaves. With neither status nor body nor drop it is only slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerFault {
    /// Status of the reply; 500 where only a body is asked for.
    #[serde(default)]
    pub(crate) status: Option<u16>,
    /// Whether the entry is booked all the same.
    #[serde(default)]
    pub(crate) when: When,
    /// How many entries meet this fault.
    #[serde(default = "one")]
    pub(crate) times: u32,
    /// What the reply holds; a problem where only a status is asked for.
    #[serde(default)]
    pub(crate) body: Option<FaultBody>,
    /// Pause before the reply.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// Close the connection without a reply.
    #[serde(default)]
    pub(crate) drop_connection: bool,
}

/// When the fault strikes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// Nothing is booked.
    #[default]
    BeforeBooking,
    /// The entry is booked, only the reply is wrong.
    AfterBooking,
}

/// What a wrong reply holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultBody {
    /// A well-formed `application/problem+json`.
    Problem,
    /// A page, as proxies send.
    Html,
    /// JSON that ends in the middle.
    Truncated,
    /// Nothing.
    Empty,
}

/// What goes wrong between the PSP counter and the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NodeFaults {
    /// For so many receipts the reply is lost and the receipt sent again.
    pub(crate) drop_reply: u32,
    /// So many receipts are sent twice.
    pub(crate) duplicate: u32,
    /// Pause before each call.
    pub(crate) delay_ms: u64,
}

/// What the plan holds for the next receipt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReceiptFate {
    pub(crate) drop_reply: bool,
    pub(crate) duplicate: bool,
}

pub(super) fn one() -> u32 {
    1
}

impl LedgerFault {
    /// Whether the ledger answers as always, only later.
    pub(crate) fn is_only_slow(&self) -> bool {
        self.status.is_none() && self.body.is_none() && !self.drop_connection
    }
}

impl Plan {
    /// What is wrong with the numbers of a plan.
    pub(crate) fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: String| {
            errors.push(FieldError::new(field, "out_of_range", message));
        };
        let too_slow = format!("must be at most {DELAY_MAX_MS}");
        for (name, faults) in [
            ("ledger", &self.ledger),
            ("aca", &self.aca),
            ("checkout", &self.checkout),
        ] {
            if faults.len() > FAULTS_MAX {
                wrong(name, format!("must hold at most {FAULTS_MAX} faults"));
            }
            let repetitions: u64 = faults.iter().map(|fault| u64::from(fault.times)).sum();
            if self.shuffle && repetitions > u64::try_from(FAULTS_MAX).unwrap_or(u64::MAX) {
                let message = format!("must repeat at most {FAULTS_MAX} times when shuffled");
                wrong(name, message);
            }
            for (index, fault) in faults.iter().enumerate().take(FAULTS_MAX) {
                let mut wrong = |field: &str, message: &str| {
                    wrong(&format!("{name}[{index}].{field}"), message.to_owned());
                };
                let is_status = |status| (200..=599).contains(&status);
                if !fault.status.is_none_or(is_status) {
                    wrong("status", "must be 200 to 599");
                }
                if fault.times == 0 {
                    wrong("times", "must be at least 1");
                }
                if fault.delay_ms > DELAY_MAX_MS {
                    wrong("delay_ms", &too_slow);
                }
            }
        }
        if self.node.delay_ms > DELAY_MAX_MS {
            wrong("node.delay_ms", too_slow);
        }
        errors.extend(receipt::errors(&self.receipts));
        errors
    }

    /// The plan as it will be used: shuffled where that is asked for.
    pub(crate) fn ready(mut self) -> Self {
        if self.shuffle {
            let single = |fault: LedgerFault| {
                let times = usize::try_from(fault.times).unwrap_or(FAULTS_MAX);
                std::iter::repeat_n(LedgerFault { times: 1, ..fault }, times)
            };
            for faults in [&mut self.ledger, &mut self.aca, &mut self.checkout] {
                *faults = std::mem::take(faults)
                    .into_iter()
                    .flat_map(single)
                    .collect();
                shuffle(faults, self.seed);
            }
            let single = |fault: ReceiptFault| {
                let times = usize::try_from(fault.times).unwrap_or(FAULTS_MAX);
                std::iter::repeat_n(ReceiptFault { times: 1, ..fault }, times)
            };
            self.receipts = self.receipts.into_iter().flat_map(single).collect();
            shuffle(&mut self.receipts, self.seed);
        }
        self
    }

    /// Takes the fault the next posted entry meets.
    pub(crate) fn next_ledger_fault(&mut self) -> Option<LedgerFault> {
        take(&mut self.ledger)
    }

    /// Takes the fault the next call to the archive meets.
    pub(crate) fn next_aca_fault(&mut self) -> Option<LedgerFault> {
        take(&mut self.aca)
    }

    /// Takes the fault the next call to Checkout meets.
    pub(crate) fn next_checkout_fault(&mut self) -> Option<LedgerFault> {
        take(&mut self.checkout)
    }

    /// Takes what the next delivery meets.
    pub(crate) fn next_receipt_fault(&mut self) -> Option<ReceiptFault> {
        let fault = self.receipts.first_mut()?;
        fault.times = fault.times.saturating_sub(1);
        let taken = fault.clone();
        if fault.times == 0 {
            self.receipts.remove(0);
        }
        Some(taken)
    }

    /// Takes what the next receipt at the counter meets, where anything is left.
    pub(crate) fn next_receipt_fate(&mut self) -> Option<ReceiptFate> {
        if self.node.drop_reply == 0 && self.node.duplicate == 0 {
            return None;
        }
        let take = |left: &mut u32| {
            let is_left = *left > 0;
            *left = left.saturating_sub(1);
            is_left
        };
        Some(ReceiptFate {
            drop_reply: take(&mut self.node.drop_reply),
            duplicate: take(&mut self.node.duplicate),
        })
    }
}

/// Takes one repetition of the first fault.
fn take(faults: &mut Vec<LedgerFault>) -> Option<LedgerFault> {
    let fault = faults.first_mut()?;
    fault.times = fault.times.saturating_sub(1);
    let taken = LedgerFault {
        times: 1,
        ..fault.clone()
    };
    if fault.times == 0 {
        faults.remove(0);
    }
    Some(taken)
}

/// Fisher and Yates, with the numbers of splitmix64.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(mixed % bound).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(value: Value) -> Plan {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn faults_are_used_up_in_their_order() {
        let mut plan = plan(json!({
            "ledger": [{"status": 500, "times": 2}, {"drop_connection": true}, {"delay_ms": 1}],
            "node": {"drop_reply": 1, "duplicate": 2}
        }));
        let mut met = Vec::new();
        while let Some(fault) = plan.next_ledger_fault() {
            met.push((fault.status, fault.drop_connection, fault.is_only_slow()));
        }
        let failed = (Some(500), false, false);
        assert_eq!(
            met,
            [failed, failed, (None, true, false), (None, false, true)]
        );
        let fates: Vec<_> = (0..3).map(|_| plan.next_receipt_fate()).collect();
        let fate = |drop_reply, duplicate| ReceiptFate {
            drop_reply,
            duplicate,
        };
        assert_eq!(
            fates,
            [Some(fate(true, true)), Some(fate(false, true)), None]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let ledger: Vec<_> = (500..=520)
            .map(|status| json!({"status": status}))
            .collect();
        let order = |seed: u64| {
            let plan = plan(json!({"seed": seed, "shuffle": true, "ledger": ledger})).ready();
            plan.ledger
                .iter()
                .filter_map(|fault| fault.status)
                .collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (500..=520).collect::<Vec<u16>>());
        let repeated = plan(json!({"shuffle": true, "ledger": [{"status": 503, "times": 3}]}));
        assert_eq!(repeated.ready().ledger.len(), 3);
    }

    #[test]
    fn a_plan_out_of_range_is_refused_field_by_field() {
        let wrong = plan(json!({
            "shuffle": true,
            "ledger": [{"status": 100}, {"times": 0}, {"delay_ms": 60_001}, {"times": 20_000}],
            "node": {"delay_ms": 99_999}
        }));
        let fields: Vec<_> = wrong
            .errors()
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(
            fields,
            [
                "ledger",
                "ledger[0].status",
                "ledger[1].times",
                "ledger[2].delay_ms",
                "node.delay_ms"
            ]
        );
        assert!(serde_json::from_value::<Plan>(json!({"ledgr": []})).is_err());
        assert!(serde_json::from_value::<Plan>(json!({"ledger": [{"when": "never"}]})).is_err());
    }
}
