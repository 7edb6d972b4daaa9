//! The meal ledger: what is owed to it is delivered until it has it.
//!
//! Exactly once in effect: an entry is sent under the same id each time, and the ledger keeps one
//! entry for an id. 200 and 201 mean that it has it; 409 (another entry under our id) and 422 (it
//! does not want it) end the delivery and go to the finance office; anything else, and silence,
//! means trying again after growing pauses, for ever. The contract is `docs/ledger-api.yaml`.

mod answer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use answer::{Answer, explanation, reason};

use crate::clock::{Clock, Ids, Stopwatch};
use crate::config;
use crate::desk::Desk;
use crate::desk::journal::{Journal, Outbound, Reply, Subject};
use crate::domain::day::Instant;
use crate::domain::ids::CaseId;
use crate::domain::party::FiscalCode;
use crate::domain::payment::{Case, CaseCode, LedgerEntry};
use crate::job::{Job, Progress};
use crate::metrics::Metrics;
use crate::point;
use crate::store::cases::OpenCase;
use crate::store::entries::{Account, Attempt, Closing, Owed, Unreadable};
use crate::store::{Store, StoreError, cases, entries};

/// Brings entries to the ledger.
#[derive(Debug, Clone)]
pub struct Courier {
    store: Store,
    journal: Journal,
    clock: Clock,
    ids: Ids,
    http: Client,
    url: String,
    token: SecretString,
    in_flight: usize,
    pauses: Vec<i64>,
    metrics: Metrics,
}

/// Entries in one run.
const BATCH: i64 = 256;
/// The courier cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for the ledger cannot be made")]
pub struct CourierError(#[from] reqwest::Error);

impl Courier {
    /// A courier for the ledger of the configuration.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(
        desk: &Desk,
        clock: Clock,
        config: &config::Ledger,
        token: SecretString,
    ) -> Result<Courier, CourierError> {
        let timeout = Duration::from_secs(config.timeout_s);
        Ok(Courier {
            store: desk.store().clone(),
            journal: desk.journal().clone(),
            clock,
            ids: desk.ids().clone(),
            http: Client::builder()
                .timeout(timeout)
                .connect_timeout(timeout)
                .redirect(redirect::Policy::none())
                .build()?,
            url: format!("{}/entries", config.url.trim_end_matches('/')),
            token,
            in_flight: config.in_flight,
            pauses: config.retry_pauses_s.clone(),
            metrics: desk.metrics().clone(),
        })
    }

    /// The job that delivers, nudged by the desk.
    pub fn job(self, desk: &Desk, config: &config::Ledger) -> Job {
        let courier = Arc::new(self);
        Job {
            name: "ledger",
            every: Duration::from_secs(config.every_s),
            nudge: desk.owed().clone(),
            run: Arc::new(move || {
                let courier = courier.clone();
                Box::pin(async move { Ok(courier.deliver().await?) })
            }),
        }
    }

    /// Delivers what is due now, within bounds.
    ///
    /// # Errors
    /// The store failed; what the ledger has taken meanwhile is delivered again, and taken once.
    pub async fn deliver(&self) -> Result<Progress, StoreError> {
        let due = {
            let mut conn = self.store.read().await?;
            entries::due(&mut conn, self.clock.now(), BATCH).await?
        };
        point::reach("courier.read");
        self.record(due.unreadable.into_iter().map(unreadable).collect())
            .await?;
        let deliveries = futures_util::stream::iter(by_account(due.entries))
            .map(|account| self.deliver_account(account))
            .buffer_unordered(self.in_flight)
            .ready_chunks(self.in_flight);
        let mut deliveries = std::pin::pin!(deliveries);
        // Written down as they end: one account that waits for a time-out delays no other.
        let mut recorded = Ok(());
        while let Some(tries) = deliveries.next().await {
            match self.record(tries.into_iter().flatten().collect()).await {
                // The run fails, and not before the others have been delivered.
                Err(error) if error.is_refusal() => recorded = Err(error),
                other => other?,
            }
        }
        recorded?;
        if due.is_full {
            return Ok(Progress::More);
        }
        let mut conn = self.store.read().await?;
        Ok(Progress::Rest {
            until: entries::next_due(&mut conn).await?,
        })
    }

    /// Writes down what became of tries, each alone when the store refuses them together.
    ///
    /// # Errors
    /// The store failed. When it is a refusal, the others are written down: the entry that is refused
    /// is delivered again, which has no effect.
    async fn record(&self, tries: Vec<Try>) -> Result<(), StoreError> {
        match self.record_together(&tries).await {
            // One of them: alone it cannot stop the others.
            Err(error) if error.is_refusal() => {
                let mut recorded = Ok(());
                for one in tries {
                    match self.record_together(&[one]).await {
                        Err(error) if error.is_refusal() => recorded = Err(error),
                        other => other?,
                    }
                }
                recorded
            }
            recorded => recorded,
        }
    }

    /// Writes down what became of tries, all or nothing.
    async fn record_together(&self, tries: &[Try]) -> Result<(), StoreError> {
        if tries.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let (attempts, found): (Vec<Attempt>, Vec<Option<Case>>) = tries.iter().cloned().unzip();
        let mut tx = self.store.write().await?;
        entries::record(&mut tx, &attempts, now).await?;
        let opened: Vec<OpenCase> = found
            .into_iter()
            .flatten()
            .map(|case| OpenCase {
                id: CaseId::new(self.ids.next(now)),
                opened_at: now,
                case,
            })
            .collect();
        cases::insert(&mut tx, &opened).await?;
        point::reach("courier.before_commit");
        tx.commit().await?;
        point::reach("courier.after_commit");
        for OpenCase { case, .. } in &opened {
            self.metrics.case(case.code.as_str());
        }
        Ok(())
    }

    /// Delivers the entries of one account in their order, up to the first that must wait.
    async fn deliver_account(&self, account: Vec<Owed>) -> Vec<Try> {
        let mut attempts = vec![];
        for owed in account {
            let attempt = self.try_once(&owed).await;
            let must_wait = matches!(attempt.0, Attempt::Failed { .. });
            attempts.push(attempt);
            if must_wait {
                break;
            }
        }
        attempts
    }

    async fn try_once(&self, owed: &Owed) -> Try {
        let entry = &owed.entry;
        point::reach("courier.calling");
        let answer = self.send(entry).await;
        point::reach("courier.answered");
        let closed = |closing, error| Attempt::Closed {
            id: entry.id.clone(),
            closing,
            error,
        };
        match answer {
            Ok(answer) => match answer.status {
                StatusCode::OK | StatusCode::CREATED if !answer.is_json => (
                    self.postpone(owed, "an answer that is not the ledger's"),
                    None,
                ),
                StatusCode::OK | StatusCode::CREATED => {
                    tracing::info!(
                        entry = %entry.id,
                        creditor = %entry.creditor,
                        amount_cents = entry.amount.get(),
                        "the ledger has the entry"
                    );
                    (closed(Closing::Delivered, None), None)
                }
                StatusCode::CONFLICT => {
                    let why = explanation(&answer);
                    let case = case(CaseCode::LedgerConflict, entry, &why);
                    (closed(Closing::Conflict, Some(why)), Some(case))
                }
                StatusCode::UNPROCESSABLE_ENTITY => {
                    let why = explanation(&answer);
                    let case = case(CaseCode::LedgerRefused, entry, &why);
                    (closed(Closing::Refused, Some(why)), Some(case))
                }
                status => (
                    self.postpone(owed, &format!("HTTP {}", status.as_u16())),
                    None,
                ),
            },
            Err(reason) => (self.postpone(owed, reason), None),
        }
    }

    /// Calls the ledger, and notes the call in the journal whatever comes of it.
    ///
    /// # Errors
    /// Why there was no answer.
    async fn send(&self, entry: &LedgerEntry) -> Result<Answer, &'static str> {
        let (started_at, stopwatch) = (self.clock.now(), Stopwatch::start());
        let request = body(entry).to_string().into_bytes();
        let sent = self
            .http
            .post(&self.url)
            .bearer_auth(self.token.expose_secret())
            .header("idempotency-key", entry.id.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(request.clone())
            .send()
            .await;
        let answer = match sent {
            Ok(response) => Ok(Answer::of(response).await),
            Err(error) => Err(reason(&error)),
        };
        let reply = match &answer {
            Ok(answer) => Reply {
                http_status: answer.status.as_u16(),
                outcome: match answer.status {
                    StatusCode::OK | StatusCode::CREATED if answer.is_json => "OK".to_owned(),
                    status => format!("HTTP {}", status.as_u16()),
                },
                bytes: answer.bytes.clone(),
            },
            Err(reason) => Reply {
                http_status: 0,
                outcome: (*reason).to_owned(),
                bytes: vec![],
            },
        };
        let call = Outbound {
            party: "ledger",
            method: "POST",
            url: self.url.clone(),
            started_at,
            stopwatch,
            request,
            reply,
            subject: Subject {
                operation: "entries".to_owned(),
                creditor: Some(entry.creditor.to_string()),
                notice: Some(entry.notice.to_string()),
                reference: Some(entry.reference.clone()),
            },
            iuv: None,
        };
        self.journal.note_out(call).await;
        answer
    }

    /// Not now: again after the pause for this number of tries.
    fn postpone(&self, owed: &Owed, error: &str) -> Attempt {
        let tries = usize::try_from(owed.attempts).unwrap_or(usize::MAX);
        let pause = self
            .pauses
            .get(tries)
            .or(self.pauses.last())
            .copied()
            .unwrap_or(60);
        let next_attempt_at: Instant = self.clock.now().plus_seconds(pause);
        tracing::warn!(
            entry = %owed.entry.id,
            tries = owed.attempts + 1,
            pause_s = pause,
            error,
            "the ledger has not taken the entry, which stays owed"
        );
        Attempt::Failed {
            id: owed.entry.id.clone(),
            account: account(&owed.entry),
            next_attempt_at,
            error: error.to_owned(),
        }
    }
}

/// A try, and the case that it opens.
type Try = (Attempt, Option<Case>);

fn account(entry: &LedgerEntry) -> Account {
    Account {
        creditor: entry.creditor.clone(),
        child: entry.child.clone(),
    }
}

/// A row that cannot be read leaves the outbox for the finance office: it would else be looked at,
/// and stumbled over, for ever.
fn unreadable(row: Unreadable) -> Try {
    tracing::error!(
        entry = %row.id,
        error = &row.error as &dyn std::error::Error,
        "an entry owed to the ledger cannot be read"
    );
    let why = row.error.to_string();
    let case = row.creditor.map(|creditor| Case {
        code: CaseCode::LedgerRefused,
        creditor,
        identity: row.id.to_string(),
        subject: row.id.to_string(),
        detail: why.clone(),
    });
    let attempt = Attempt::Closed {
        id: row.id,
        closing: Closing::Refused,
        error: Some(why),
    };
    (attempt, case)
}

/// Entries grouped by account, each group in its order.
fn by_account(due: Vec<Owed>) -> Vec<Vec<Owed>> {
    let mut places: HashMap<Account, usize> = HashMap::new();
    let mut groups: Vec<Vec<Owed>> = vec![];
    for owed in due {
        let account = account(&owed.entry);
        let place = *places.entry(account).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(owed),
            None => groups.push(vec![owed]),
        }
    }
    for group in &mut groups {
        group.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
    }
    groups
}

fn body(entry: &LedgerEntry) -> Value {
    json!({
        "entry_id": entry.id.as_str(),
        "creditor": entry.creditor.as_str(),
        "child": entry.child,
        "service": entry.service,
        "kind": entry.kind.as_str(),
        "amount_cents": entry.amount.get(),
        "channel": entry.channel.as_str(),
        "reference": entry.reference,
        "notice_number": entry.notice.as_str(),
        "paid_at": entry.paid_at.to_string(),
        "payer_fiscal_code": entry.payer.as_ref().map(FiscalCode::as_str),
        "traceable": entry.channel.is_traceable(),
        "reverses": null,
    })
}

fn case(code: CaseCode, entry: &LedgerEntry, why: &str) -> Case {
    tracing::warn!(
        case = code.as_str(),
        creditor = %entry.creditor,
        entry = %entry.id,
        "a case was opened for the finance office"
    );
    Case {
        code,
        creditor: entry.creditor.clone(),
        identity: entry.id.to_string(),
        subject: entry.id.to_string(),
        detail: format!(
            "avviso {}, importo {} €, risposta del registro: {why}",
            entry.notice,
            entry.amount.in_italian()
        ),
    }
}
