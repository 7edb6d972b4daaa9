//! What is counted and measured while the gateway runs: a value that every part may hold.
//!
//! Nothing here decides anything, and nothing here names a person: a label is a word of ours (an
//! operation, a code, the name of a job or of an authority), so that there are never more series
//! than words. The texts of [`Metrics::print`] follow the Prometheus text format 0.0.4.

mod measures;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::TextEncoder;

use crate::domain::day::Instant;

use measures::Measures;

/// The measures of one gateway; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Measures>);

/// A measure cannot be made: its name is wrong or taken.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be set up")]
pub struct MetricsError(#[from] prometheus::Error);

/// A certificate or revocation list in use, and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// What it is for: `server`, `server_chain`, `client_ca` or `crl`.
    pub role: &'static str,
    /// Its subject, or the issuer of a list.
    pub subject: String,
    /// From when it holds.
    pub not_before: Instant,
    /// Until when it holds.
    pub not_after: Instant,
}

impl Credential {
    /// Seconds until it ends; negative when it has ended.
    pub fn seconds_left(&self, now: Instant) -> i64 {
        (self.not_after.as_millis() - now.as_millis()).div_euclid(1_000)
    }

    /// Whole days until it ends; negative when it has ended.
    pub fn days_left(&self, now: Instant) -> i64 {
        self.seconds_left(now).div_euclid(86_400)
    }
}

/// What is looked up when somebody asks, and not counted on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Now.
    pub now: Instant,
    /// Receipts that wait for the till.
    pub till_waiting: usize,
    /// Exchanges that wait for the journal.
    pub journal_waiting: usize,
    /// Credits that the ledger is owed, counted up to a bound; nothing when the store is away.
    pub owed: Option<Outbox>,
}

/// What the meal ledger is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    /// How many credits.
    pub entries: i64,
    /// Since when the oldest of them waits.
    pub since: Option<Instant>,
}

/// What is known of the parts without asking them.
#[derive(Debug, Default)]
struct Board {
    credentials: Vec<Credential>,
    clients: BTreeMap<String, Instant>,
    is_reload_broken: bool,
    failing_jobs: BTreeMap<&'static str, bool>,
}

impl Metrics {
    /// The measures of a gateway, all at nothing.
    ///
    /// # Errors
    /// The name of a measure is wrong or stands twice.
    pub fn new() -> Result<Metrics, MetricsError> {
        Ok(Metrics(Arc::new(Measures::new()?)))
    }

    /// A call at the node's door was answered. `outcome` is one of our own words.
    pub fn node_call(&self, operation: &str, outcome: &str, http_status: u16, micros: i64) {
        let status;
        let outcome = match http_status {
            200 => outcome,
            other => {
                status = format!("http_{other}");
                &status
            }
        };
        let calls = &self.0.node_calls;
        calls.with_label_values(&[operation, outcome]).inc();
        let took = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let seconds = self.0.node_seconds.with_label_values(&[operation]);
        seconds.observe(took.as_secs_f64());
        self.answer("node", http_status);
    }

    /// A listener has answered a request.
    pub fn answer(&self, listener: &str, http_status: u16) {
        let class = match http_status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.0.answers.with_label_values(&[listener, class]).inc();
    }

    /// A message about money was recorded, with this result.
    pub fn receipt(&self, result: &'static str) {
        self.0.receipts.with_label_values(&[result]).inc();
    }

    /// A call of a portal's endpoint has ended so.
    pub fn webhook(&self, result: &'static str) {
        self.0.webhooks.with_label_values(&[result]).inc();
    }

    /// A case was opened for the finance office.
    pub fn case(&self, code: &'static str) {
        self.0.cases.with_label_values(&[code]).inc();
    }

    /// A cart was asked of Checkout, with this outcome.
    pub fn cart(&self, outcome: &'static str) {
        self.0.carts.with_label_values(&[outcome]).inc();
    }

    /// So many exchanges will not stand in the journal.
    pub fn given_up(&self, exchanges: usize) {
        self.0
            .given_up
            .inc_by(u64::try_from(exchanges).unwrap_or(0));
    }

    /// The database has failed a part of the gateway.
    pub fn store_error(&self, part: &'static str) {
        self.0.store_errors.with_label_values(&[part]).inc();
    }

    /// A run of a job has ended.
    pub fn job(&self, job: &'static str, is_well: bool, now: Instant) {
        self.0.job_runs.with_label_values(&[job]).inc();
        let failures = self.0.job_failures.with_label_values(&[job]);
        if is_well {
            let success = self.0.job_success.with_label_values(&[job]);
            success.set(now.as_millis().div_euclid(1_000));
        } else {
            failures.inc();
        }
        self.board().failing_jobs.insert(job, !is_well);
    }

    /// The jobs whose last run ended badly.
    pub fn failing_jobs(&self) -> Vec<&'static str> {
        let board = self.board();
        let failing = board.failing_jobs.iter().filter(|(_, failing)| **failing);
        failing.map(|(job, _)| *job).collect()
    }

    /// A TLS handshake has failed.
    pub fn failed_handshake(&self) {
        self.0.handshakes.inc();
    }

    /// A connection was closed because there were too many.
    pub fn turned_away(&self, listener: &'static str, reason: &'static str) {
        let turned_away = &self.0.turned_away;
        turned_away.with_label_values(&[listener, reason]).inc();
    }

    /// These certificates are in use from now on.
    pub fn reloaded(&self, credentials: Vec<Credential>) {
        self.0.reloads.with_label_values(&["taken"]).inc();
        self.0.reload_broken.set(0);
        let mut board = self.board();
        board.credentials = credentials;
        board.is_reload_broken = false;
    }

    /// A client that may come in has shown a certificate that holds until then.
    pub fn client(&self, subject: &str, not_after: Instant) {
        let mut board = self.board();
        match board.clients.get_mut(subject) {
            Some(known) => *known = not_after,
            None => {
                board.clients.insert(subject.to_owned(), not_after);
            }
        }
    }

    /// New files of certificates cannot be used.
    pub fn reload_failed(&self) {
        self.0.reloads.with_label_values(&["refused"]).inc();
        self.0.reload_broken.set(1);
        self.board().is_reload_broken = true;
    }

    /// Whether the files of the certificates cannot be used.
    pub fn is_reload_broken(&self) -> bool {
        self.board().is_reload_broken
    }

    /// The certificates and lists in use.
    pub fn credentials(&self) -> Vec<Credential> {
        self.board().credentials.clone()
    }

    /// What stands in the store about pagoPA's services: notices that its archive is owed, receipts
    /// that are looked for, and those that were found nowhere.
    pub fn services(&self, notices: i64, searching: i64, missing: i64) {
        self.0.notices_owed.set(notices);
        for (state, count) in [("searching", searching), ("missing", missing)] {
            self.0.hunts.with_label_values(&[state]).set(count);
        }
    }

    /// A mail was tried: `sent`, `postponed`, `refused` or `dropped`.
    pub fn mail(&self, result: &'static str) {
        self.0.mails.with_label_values(&[result]).inc();
    }

    /// So many mails are owed.
    pub fn mails_owed(&self, count: i64) {
        self.0.mails_owed.set(count);
    }

    /// Everything, in the Prometheus text format.
    ///
    /// # Errors
    /// The measures do not go together.
    pub fn print(&self, present: &Present) -> Result<String, MetricsError> {
        let measures = &self.0;
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        measures.till_waiting.set(gauge(present.till_waiting));
        measures.journal_waiting.set(gauge(present.journal_waiting));
        measures.store_up.set(i64::from(present.owed.is_some()));
        if let Some(owed) = present.owed {
            let since = owed.since.unwrap_or(present.now).as_millis();
            let age = (present.now.as_millis() - since).max(0).div_euclid(1_000);
            measures.owed.set(owed.entries);
            measures.owed_age.set(age);
        }
        measures.expiry.reset();
        // Of several with the same subject the first to end counts.
        let mut credentials = self.credentials();
        credentials.sort_by_key(|credential| std::cmp::Reverse(credential.not_after));
        for credential in credentials {
            let labels = [credential.role, credential.subject.as_str()];
            let expiry = measures.expiry.with_label_values(&labels);
            expiry.set(credential.seconds_left(present.now));
        }
        for (subject, not_after) in &self.board().clients {
            let left = (not_after.as_millis() - present.now.as_millis()).div_euclid(1_000);
            let expiry = measures.expiry.with_label_values(&["client", subject]);
            expiry.set(left);
        }
        Ok(TextEncoder::new().encode_to_string(&measures.registry.gather())?)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Nobody leaves the board half written.
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-20T11:00:00.000Z";

    fn present() -> Present {
        Present {
            now: Instant::parse(NOW).unwrap(),
            till_waiting: 3,
            journal_waiting: 0,
            owed: None,
        }
    }

    #[test]
    fn two_gateways_in_one_process_count_apart() {
        let (one, two) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.receipt("recorded");
        let line = "pagomensa_receipts_total{result=\"recorded\"} 1";
        assert!(one.print(&present()).unwrap().contains(line));
        assert!(!two.print(&present()).unwrap().contains(line));
    }

    #[test]
    fn a_call_of_exactly_two_seconds_is_within_two() {
        let metrics = Metrics::new().unwrap();
        metrics.node_call("paVerifyPaymentNotice", "OK", 200, 2_000_000);
        metrics.node_call("paVerifyPaymentNotice", "OK", 200, 2_000_001);
        let text = metrics.print(&present()).unwrap();
        let bucket = "pagomensa_node_call_duration_seconds_bucket\
                      {operation=\"paVerifyPaymentNotice\",le=\"2\"} 1";
        assert!(text.contains(bucket), "{text}");
    }

    #[test]
    fn a_certificate_that_has_gone_leaves_no_series() {
        let metrics = Metrics::new().unwrap();
        let credential = |subject: &str, seconds: i64| Credential {
            role: "server",
            subject: subject.to_owned(),
            not_before: present().now,
            not_after: present().now.plus_seconds(seconds),
        };
        metrics.reloaded(vec![credential("old", 5)]);
        metrics.print(&present()).unwrap();
        metrics.reloaded(vec![credential("new", 90_000), credential("new", -1)]);
        let text = metrics.print(&present()).unwrap();
        assert!(!text.contains("subject=\"old\""), "{text}");
        assert!(
            text.contains("{role=\"server\",subject=\"new\"} -1"),
            "{text}"
        );
        assert_eq!(credential("x", 90_000).days_left(present().now), 1);
        assert_eq!(credential("x", -1).days_left(present().now), -1);
    }
}
