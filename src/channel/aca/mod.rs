//! pagoPA's archive of notices (*Archivio Centralizzato Avvisi*): every notice that is created or
//! changed reaches it, so that it can be paid in stand-in while we do not answer.
//!
//! Source: SANP, integration via synchronous API; `paCreatePosition` (an upsert; amount 0 closes).
//! A change of a debt marks it in the outbox in its own transaction ([`crate::store::positions`]);
//! this job reads the debt fresh, sends what it then is, and lets the row rest only if the debt has
//! not changed meanwhile. The last state wins: what lies between two calls is never sent.
//!
//! | answer | for an open notice | for one that is closed |
//! |---|---|---|
//! | 2xx with JSON | done | done |
//! | 404, 422: there is no such position | a case, parked | done: nothing can be paid there |
//! | 409: its state cannot change (paid, withdrawn) | a case, parked | done |
//! | 400 | a case, parked | a case, parked |
//! | 401, 403 | all wait: the key is wrong | all wait |
//! | 429 | all wait as long as it says | all wait |
//! | anything else, or none | again after growing pauses, for ever | the same |
//!
//! What is parked is sent again when the debt changes.
//!
//! Since the last state wins, a run that may have lost its lease sends nothing more: what it has read
//! may be older than what its successor sends. What it wrote or writes down counts only for the
//! revision that it was decided for.

mod position;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::{Clock, Ids};
use crate::config;
use crate::desk::Desk;
use crate::domain::creditor::Register;
use crate::domain::day::Instant;
use crate::domain::ids::{CaseId, DebtId};
use crate::domain::payment::{Case, CaseCode};
use crate::job::{Job, JobError, Progress, is_ours};
use crate::metrics::Metrics;
use crate::platform::{Allowance, Answer, Ask, Service, WRONG_KEY, pause_ms};
use crate::point;
use crate::store::cases::OpenCase;
use crate::store::positions::{Due, Outcome, Position, Step};
use crate::store::{Store, StoreError, cases, positions};

use position::{Act, Message, act};

/// Positions looked at in one run.
const BATCH: i64 = 128;
/// Calls at the same time.
const IN_FLIGHT: usize = 4;
/// A notice of a creditor that is not in the configuration, or whose debt cannot be read, is looked
/// at again after so long, in seconds.
const STRANGER_PAUSE_S: i64 = 86_400;

/// Brings notices to the archive.
#[derive(Debug, Clone)]
pub struct Archivist {
    store: Store,
    register: Arc<Register>,
    clock: Clock,
    ids: Ids,
    service: Service,
    pauses: Vec<i64>,
    metrics: Metrics,
}

/// A position with the message that tells of it.
struct Letter {
    position: Position,
    message: Message,
}

/// What became of a letter, the case that it opens, and the answer.
type Sent<'a> = (Step, Option<Case>, &'a Answer);

impl Archivist {
    /// An archivist for the archive that this service reaches.
    pub fn new(desk: &Desk, clock: Clock, service: Service, config: &config::Aca) -> Archivist {
        Archivist {
            store: desk.store().clone(),
            register: desk.shared_register().clone(),
            clock,
            ids: desk.ids().clone(),
            service,
            pauses: config.retry_pauses_s.clone(),
            metrics: desk.metrics().clone(),
        }
    }

    /// The job that tells the archive, nudged by the desk when a debt has changed.
    pub fn job(self, changed: Arc<Notify>, config: &config::Aca) -> Job {
        let archivist = Arc::new(self);
        Job {
            name: "aca",
            every: Duration::from_secs(config.every_s),
            nudge: changed,
            run: Arc::new(move || {
                let archivist = archivist.clone();
                Box::pin(async move { archivist.tell().await })
            }),
        }
    }

    /// Tells the archive what is due and allowed now, within bounds.
    ///
    /// # Errors
    /// The store failed; what the archive has taken meanwhile is sent again, and is the same.
    pub async fn tell(&self) -> Result<Progress, JobError> {
        let now = self.clock.now();
        let due = {
            let mut conn = self.store.read().await?;
            positions::due(&mut conn, now, BATCH).await?
        };
        let looked_at = due.positions.len() + due.unreadable.len();
        let (mut letters, settled) = self.sort(due, now);
        let mut tx = self.store.write().await?;
        positions::record(&mut tx, &settled, now).await?;
        let allowance = match letters.is_empty() {
            true => Allowance::Calls(0),
            false => self.service.allow(&mut tx, letters.len(), now).await?,
        };
        let owed = letters.len();
        letters.truncate(match allowance {
            Allowance::Calls(calls) => calls,
            Allowance::Later(_) | Allowance::Held { .. } => 0,
        });
        let offered: Vec<DebtId> = letters.iter().map(|l| l.position.debt.id.clone()).collect();
        positions::offer(&mut tx, &offered, now).await?;
        point::reach("aca.before_offer");
        tx.commit().await.map_err(StoreError::from)?;
        if !letters.is_empty() {
            point::reach("aca.offered");
            self.send(letters).await?;
        }
        let left = owed - offered.len();
        match allowance {
            Allowance::Held {
                until,
                is_key: false,
            } => Ok(Progress::Rest { until: Some(until) }),
            _ => self.rest(left, looked_at).await,
        }
    }

    /// What is due without a call, and what must be told.
    fn sort(&self, due: Due, now: Instant) -> (Vec<Letter>, Vec<Step>) {
        let mut letters = vec![];
        let mut settled = vec![];
        for (debt, revision) in due.unreadable {
            tracing::error!(debt = %debt, "a debt cannot be read, and the archive is not told of it");
            let outcome = Outcome::Failed {
                until: now.plus_seconds(STRANGER_PAUSE_S),
                error: "the debt cannot be read".to_owned(),
            };
            settled.push(Step {
                debt,
                revision,
                outcome,
            });
        }
        for position in due.positions {
            match self.judge(&position, now) {
                Ok(message) => letters.push(Letter { position, message }),
                Err(outcome) => settled.push(step(&position, outcome)),
            }
        }
        (letters, settled)
    }

    /// The message for a position, or what becomes of it without one.
    fn judge(&self, position: &Position, now: Instant) -> Result<Message, Outcome> {
        let debt = &position.debt;
        let Some(creditor) = self.register.get(&debt.creditor) else {
            return Err(Outcome::NotYet {
                until: now.plus_seconds(STRANGER_PAUSE_S),
                why: "the creditor is not in the configuration".to_owned(),
            });
        };
        let done = |taken: &str, note: &str| Outcome::Done {
            taken: taken.to_owned(),
            note: Some(note.to_owned()),
        };
        match act(debt, creditor, now.day_in_rome()) {
            Ok(Act::Wait(until)) => Err(Outcome::NotYet {
                until,
                why: "not yet published".to_owned(),
            }),
            Ok(Act::Tell(message)) if message.closes && !position.is_offered => {
                Err(done("", "closed before the archive was told of it"))
            }
            Ok(Act::Tell(message)) if message.digest == position.taken => Err(done(
                &position.taken,
                "the archive has it like this already",
            )),
            Ok(Act::Tell(message)) => Ok(message),
            Err(error) => Err(Outcome::Failed {
                until: self.next_try(position, now),
                error: error.to_string(),
            }),
        }
    }

    /// Sends letters, for as long as that is ours to do, and writes down what became of them.
    async fn send(&self, letters: Vec<Letter>) -> Result<(), StoreError> {
        let count = letters.len();
        let answers: Vec<(Letter, Answer)> = futures_util::stream::iter(letters)
            .map(async |letter| {
                if !is_ours() {
                    return None;
                }
                let answer = self.service.call(&ask(&letter)).await;
                point::reach("aca.answered");
                Some((letter, answer))
            })
            .buffer_unordered(IN_FLIGHT)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if answers.len() < count {
            tracing::warn!(
                notices = count - answers.len(),
                "the lease has ended: the archive is told of these by whoever has it next"
            );
        }
        let now = self.clock.now();
        let results: Vec<_> = answers
            .iter()
            .map(|(letter, answer)| {
                let (outcome, case) = self.weigh(letter, answer, now);
                (step(&letter.position, outcome), case, answer)
            })
            .collect();
        match self.record(&results, now).await {
            // One of them: alone it cannot stop the others.
            Err(error) if error.is_refusal() => {
                for result in results {
                    self.record_alone(result, now).await?;
                }
                Ok(())
            }
            recorded => recorded,
        }
    }

    /// Writes down what became of letters, all or nothing.
    async fn record(&self, results: &[Sent<'_>], now: Instant) -> Result<(), StoreError> {
        let steps: Vec<Step> = results.iter().map(|(step, ..)| step.clone()).collect();
        let cases = results.iter().filter_map(|(_, case, _)| case.clone());
        let opened: Vec<OpenCase> = cases
            .map(|case| OpenCase {
                id: CaseId::new(self.ids.next(now)),
                opened_at: now,
                case,
            })
            .collect();
        let mut tx = self.store.write().await?;
        positions::record(&mut tx, &steps, now).await?;
        cases::insert(&mut tx, &opened).await?;
        // One that asks to be left alone speaks for all of them.
        for (_, _, answer) in results {
            self.service.heed(&mut tx, answer, now).await?;
        }
        point::reach("aca.before_commit");
        tx.commit().await?;
        point::reach("aca.after_commit");
        for OpenCase { case, .. } in &opened {
            self.metrics.case(case.code.as_str());
        }
        Ok(())
    }

    /// Writes down what became of one letter. When the store refuses that too, it is told again after
    /// a long pause.
    async fn record_alone(&self, result: Sent<'_>, now: Instant) -> Result<(), StoreError> {
        match self.record(std::slice::from_ref(&result), now).await {
            Err(error) if error.is_refusal() => {
                let (step, _, answer) = result;
                tracing::error!(
                    debt = %step.debt,
                    error = &error as &dyn std::error::Error,
                    "what the archive said of a notice cannot be recorded"
                );
                let outcome = Outcome::Failed {
                    until: now.plus_seconds(STRANGER_PAUSE_S),
                    error: "what the archive said cannot be recorded".to_owned(),
                };
                let again = Step { outcome, ..step };
                self.record(&[(again, None, answer)], now).await
            }
            recorded => recorded,
        }
    }

    /// What an answer means; the table stands at the head of this module.
    fn weigh(&self, letter: &Letter, answer: &Answer, now: Instant) -> (Outcome, Option<Case>) {
        let closes = letter.message.closes;
        let done = |note| Outcome::Done {
            taken: letter.message.digest.clone(),
            note,
        };
        let again = |until| Outcome::Failed {
            until,
            error: answer.outcome(),
        };
        match answer {
            Answer::Came { status, bytes, .. } => match status {
                200..=299 if is_json(bytes) => (done(None), None),
                404 | 409 | 422 if closes => (done(Some(answer.outcome())), None),
                400 | 404 | 409 | 422 => (
                    Outcome::Refused {
                        error: answer.outcome(),
                    },
                    Some(refused(letter, answer)),
                ),
                // All of them wait, and this one with them: its turn has not passed.
                401 | 403 | 429 => (
                    Outcome::NotYet {
                        until: now,
                        why: answer.outcome(),
                    },
                    None,
                ),
                _ => (again(self.next_try(&letter.position, now)), None),
            },
            Answer::Silence(_) => (again(self.next_try(&letter.position, now)), None),
        }
    }

    fn next_try(&self, position: &Position, now: Instant) -> Instant {
        now.plus_millis(pause_ms(&self.pauses, position.attempts, &self.ids))
    }

    /// When to look again, after a run that has left so many letters for want of calls.
    async fn rest(&self, left: usize, looked_at: usize) -> Result<Progress, JobError> {
        let now = self.clock.now();
        let mut conn = self.store.read().await?;
        if let Some(until) = self.service.wrong_key_until(&mut conn, now).await? {
            let why = WRONG_KEY;
            return Ok(Progress::Held { until, why });
        }
        if left > 0 {
            let until = self.service.ready_at(&mut conn, left, now).await?;
            return Ok(Progress::Rest { until: Some(until) });
        }
        if i64::try_from(looked_at).is_ok_and(|count| count == BATCH) {
            return Ok(Progress::More);
        }
        Ok(Progress::Rest {
            until: positions::next_due(&mut conn).await?,
        })
    }
}

fn step(position: &Position, outcome: Outcome) -> Step {
    Step {
        debt: position.debt.id.clone(),
        revision: position.revision,
        outcome,
    }
}

/// The call that tells the archive.
fn ask(letter: &Letter) -> Ask {
    let debt = &letter.position.debt;
    Ask {
        operation: "paCreatePosition",
        method: Method::POST,
        path: vec!["paCreatePosition".to_owned()],
        body: Some(letter.message.body.clone()),
        creditor: debt.creditor.to_string(),
        notice: Some(debt.notice.to_string()),
        reference: None,
        iuv: None,
    }
}

/// Whether an answer can be the archive's: a page of some proxy with the status 200 is not.
fn is_json(bytes: &[u8]) -> bool {
    bytes.is_empty() || serde_json::from_slice::<Value>(bytes).is_ok()
}

/// The case for the finance office: once for each change that is refused.
fn refused(letter: &Letter, answer: &Answer) -> Case {
    let Position { debt, revision, .. } = &letter.position;
    tracing::warn!(
        case = CaseCode::AcaRefused.as_str(),
        creditor = %debt.creditor,
        notice = %debt.notice,
        "a case was opened for the finance office"
    );
    Case {
        code: CaseCode::AcaRefused,
        creditor: debt.creditor.clone(),
        identity: format!("{}/{revision}", debt.id),
        subject: debt.id.to_string(),
        detail: format!(
            "avviso {}, importo {} €, risposta dell'archivio: {}",
            debt.notice,
            debt.order.amount.in_italian(),
            answer.outcome()
        ),
    }
}
