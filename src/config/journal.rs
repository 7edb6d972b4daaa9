//! The section `[journal]`: how soon it is written, and how long it is kept.

use serde::Deserialize;

/// Section `[journal]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Longest delay in milliseconds.
    pub flush_ms: u64,
    /// Exchanges that may wait.
    pub queue_limit: usize,
    /// Seconds between two seals.
    pub seal_every_s: u64,
    /// How long lines are kept.
    pub retention: Retention,
}

/// Section `[journal.retention]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Months of questions that changed nothing.
    pub reads_months: i32,
    /// Months of messages about money.
    pub receipts_months: i32,
    /// Months of our own calls.
    pub outbound_months: i32,
    /// Months of calls that were refused or could not be read.
    pub refused_months: i32,
    /// Seconds between two looks for what has had its time.
    pub every_s: u64,
}

impl Retention {
    /// The months for which pagoPA demands the journal of events (SANP, "sicurezza e
    /// conservazione").
    pub const LEGAL_MINIMUM: i32 = 24;

    /// Every span with its key.
    pub fn spans(&self) -> [(&'static str, i32); 4] {
        [
            ("journal.retention.reads_months", self.reads_months),
            ("journal.retention.receipts_months", self.receipts_months),
            ("journal.retention.outbound_months", self.outbound_months),
            ("journal.retention.refused_months", self.refused_months),
        ]
    }
}
