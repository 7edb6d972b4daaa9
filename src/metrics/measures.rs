//! The names and texts of all measures, in one place.

use std::sync::Mutex;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::Board;
use crate::domain::payment::CaseCode;

/// What the node calls, in pagoPA's words, and what cannot be read as any of them.
const OPERATIONS: [&str; 7] = [
    "paVerifyPaymentNotice",
    "paGetPayment",
    "paGetPaymentV2",
    "paSendRT",
    "paSendRTV2",
    "paDemandPaymentNotice",
    "unknown",
];

#[derive(Debug)]
pub(super) struct Measures {
    pub(super) registry: Registry,
    pub(super) node_calls: IntCounterVec,
    pub(super) node_seconds: HistogramVec,
    pub(super) answers: IntCounterVec,
    pub(super) receipts: IntCounterVec,
    pub(super) cases: IntCounterVec,
    pub(super) webhooks: IntCounterVec,
    pub(super) given_up: IntCounter,
    pub(super) store_errors: IntCounterVec,
    pub(super) job_runs: IntCounterVec,
    pub(super) job_failures: IntCounterVec,
    pub(super) job_success: IntGaugeVec,
    pub(super) handshakes: IntCounter,
    pub(super) turned_away: IntCounterVec,
    pub(super) reloads: IntCounterVec,
    pub(super) reload_broken: IntGauge,
    pub(super) expiry: IntGaugeVec,
    pub(super) till_waiting: IntGauge,
    pub(super) journal_waiting: IntGauge,
    pub(super) store_up: IntGauge,
    pub(super) owed: IntGauge,
    pub(super) owed_age: IntGauge,
    pub(super) notices_owed: IntGauge,
    pub(super) hunts: IntGaugeVec,
    pub(super) mails: IntCounterVec,
    pub(super) mails_owed: IntGauge,
    pub(super) carts: IntCounterVec,
    /// What is known of the parts without asking them.
    pub(super) board: Mutex<Board>,
}

/// Upper ends of the buckets of a call's duration, in seconds. pagoPA measures how many calls are
/// answered within two.
fn buckets() -> Vec<f64> {
    vec![
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 7.0, 10.0, 15.0,
    ]
}

impl Measures {
    /// All at nothing.
    ///
    /// # Errors
    /// The name of a measure is wrong or stands twice.
    pub(super) fn new() -> Result<Measures, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let node_seconds = HistogramVec::new(
            HistogramOpts::new(
                "pagomensa_node_call_duration_seconds",
                "From the head of the node's call to our reply being ready.",
            )
            .buckets(buckets()),
            &["operation"],
        )?;
        registry.register(Box::new(node_seconds.clone()))?;
        let measures = Measures {
            node_calls: counters(
                "pagomensa_node_calls_total",
                "Calls at the node's door, by operation and by our answer (OK, a fault code, or \
                 the status of an HTTP refusal).",
                &["operation", "outcome"],
            )?,
            node_seconds,
            answers: counters(
                "pagomensa_http_answers_total",
                "Answers of a listener, by the first digit of their status.",
                &["listener", "status"],
            )?,
            receipts: counters(
                "pagomensa_receipts_total",
                "Receipts that were answered after a commit: recorded, repeated, conflict, kept \
                 or refused (shown to finance, nothing booked) or foreign.",
                &["result"],
            )?,
            webhooks: counters(
                "pagomensa_webhook_calls_total",
                "Calls of the portals' endpoints: delivered, postponed (it will be tried again) or \
                 failed (given up).",
                &["result"],
            )?,
            cases: counters(
                "pagomensa_cases_opened_total",
                "Cases for the finance office, by code.",
                &["code"],
            )?,
            given_up: counter(
                "pagomensa_journal_given_up_total",
                "Exchanges that are missing in the journal, because it was full or the database \
                 would not take them.",
            )?,
            store_errors: counters(
                "pagomensa_store_errors_total",
                "Failures of the database, by who met them.",
                &["part"],
            )?,
            job_runs: counters(
                "pagomensa_job_runs_total",
                "Runs of a job that ended well or badly.",
                &["job"],
            )?,
            job_failures: counters(
                "pagomensa_job_failures_total",
                "Runs of a job that ended badly.",
                &["job"],
            )?,
            job_success: gauges(
                "pagomensa_job_last_success_timestamp_seconds",
                "When the last run of a job ended well, in seconds since 1970.",
                &["job"],
            )?,
            handshakes: counter(
                "pagomensa_tls_handshakes_failed_total",
                "TLS handshakes at the node's door that failed.",
            )?,
            turned_away: counters(
                "pagomensa_connections_turned_away_total",
                "Connections that were closed because there were too many, in all or of one \
                 address.",
                &["listener", "reason"],
            )?,
            reloads: counters(
                "pagomensa_tls_reloads_total",
                "New sets of certificates, taken into use or refused.",
                &["result"],
            )?,
            reload_broken: gauge(
                "pagomensa_tls_reload_is_broken",
                "1 while the files of the certificates cannot be used and an earlier set is.",
            )?,
            expiry: gauges(
                "pagomensa_tls_expiry_seconds",
                "Seconds until a certificate or revocation list ends; negative afterwards.",
                &["role", "subject"],
            )?,
            till_waiting: gauge(
                "pagomensa_till_waiting",
                "Receipts that wait for their commit.",
            )?,
            journal_waiting: gauge(
                "pagomensa_journal_waiting",
                "Exchanges that wait to be written down.",
            )?,
            store_up: gauge(
                "pagomensa_store_up",
                "1 when the database has answered this look.",
            )?,
            owed: gauge(
                "pagomensa_ledger_entries_owed",
                "Credits that the meal ledger does not have yet, counted up to 1001.",
            )?,
            owed_age: gauge(
                "pagomensa_ledger_oldest_owed_seconds",
                "For how long the oldest of them has waited.",
            )?,
            notices_owed: gauge(
                "pagomensa_aca_notices_owed",
                "Notices that pagoPA's archive may not know as they are, counted up to 1001.",
            )?,
            hunts: gauges(
                "pagomensa_receipt_hunts",
                "Receipts that are looked for (searching) or were found nowhere (missing), counted \
                 up to 1001, the missing of each creditor.",
                &["state"],
            )?,
            mails: counters(
                "pagomensa_mails_total",
                "Mails by what became of a try: sent, postponed, refused (shown to finance), or dropped (a reminder \
                 of what is paid by now).",
                &["result"],
            )?,
            mails_owed: gauge(
                "pagomensa_mails_owed",
                "Mails that are not yet with the mail server, counted up to 1001.",
            )?,
            carts: counters(
                "pagomensa_checkout_carts_total",
                "Carts that were asked of Checkout, by what came of it: open, running (the node \
                 lets it not be paid now), refused or down.",
                &["outcome"],
            )?,
            board: Mutex::default(),
            registry: registry.clone(),
        };
        // Series that begin at nothing, so that an alarm sees the first one.
        for result in [
            "recorded", "repeated", "conflict", "kept", "refused", "foreign",
        ] {
            measures.receipts.with_label_values(&[result]);
        }
        for result in ["sent", "postponed", "refused", "dropped"] {
            measures.mails.with_label_values(&[result]);
        }
        for part in ["till", "journal", "job", "list", "metrics"] {
            measures.store_errors.with_label_values(&[part]);
        }
        for listener in ["node", "web"] {
            measures.answers.with_label_values(&[listener, "5xx"]);
            for reason in ["address", "all"] {
                let turned_away = &measures.turned_away;
                turned_away.with_label_values(&[listener, reason]);
            }
        }
        for outcome in ["open", "running", "refused", "down"] {
            measures.carts.with_label_values(&[outcome]);
        }
        for code in CaseCode::ALL {
            measures.cases.with_label_values(&[code.as_str()]);
        }
        for operation in OPERATIONS {
            for outcome in ["PAA_SYSTEM_ERROR", "http_503"] {
                let calls = &measures.node_calls;
                calls.with_label_values(&[operation, outcome]);
            }
        }
        Ok(measures)
    }
}
