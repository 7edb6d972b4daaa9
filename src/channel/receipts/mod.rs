//! The receipt hunter: payments whose receipt has not come are looked up at pagoPA's services.
//!
//! Source: SANP, recovery of receipts; BizEvents 0.1.89; GPD payments 0.12.52. What is looked for
//! stands in [`crate::store::hunts`]:
//!
//! * **Rows of reporting flows** without a receipt: they were paid. BizEvents is asked by receipt id,
//!   and by receipt id and IUV when it has several under the id; then GPD by IUV, since a payment in
//!   stand-in may be known only there. After `receipt_search.days` finance has a case.
//! * **Notices that the node has got** and that were not paid within the life of the token. A get
//!   does not say the receipt's id, and BizEvents cannot be asked without it, so only GPD is. Most of
//!   them were never paid, which is normal: after `receipt_search.activation_days` the hunt just ends.
//!
//! A receipt that is found goes through the desk like one of the node: the same reader, the same
//! booking, the same once. The node's own, when it comes later, is a repetition.
//!
//! | answer | what it means |
//! |---|---|
//! | 200 with a receipt of this payment | it is recorded |
//! | 422 by receipt id | several: asked again with the IUV |
//! | 400, 404, 422 | not there (yet): the next service, then a pause |
//! | 401, 403, 429 | the service is left alone; nothing is lost |
//! | anything else, or none | the next service, then again after growing pauses, until the last day |
//!
//! So a service that is down keeps nobody from the other: BizEvents' failures send to GPD at once, and
//! GPD's, after a pause, back to BizEvents. A receipt that cannot be recorded counts as no answer: the
//! others are asked all the same.

mod bizevents;
mod question;
mod weigh;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Ids, Stopwatch};
use crate::config;
use crate::desk::Desk;
use crate::desk::collect::{Collected, Content, Deposit};
use crate::desk::journal::{Call, Reply, Subject};
use crate::domain::creditor::{Creditor, ReceiptPolicy, Register};
use crate::domain::day::Instant;
use crate::domain::ids::{CaseId, DocumentId};
use crate::domain::payment::{Case, CaseCode, Collection, Origin};
use crate::job::{Job, JobError, Progress};
use crate::platform::{Allowance, Service, WRONG_KEY, pause_ms};
use crate::point;
use crate::store::cases::OpenCase;
use crate::store::hunts::{self, Ask, By, Hunt, Reason, State, Step, TOKEN_LIFE_S};
use crate::store::{Store, StoreError, cases};
use crate::wire::Malformed;
use crate::wire::digest::sha256;
use crate::wire::xml::Element;

use question::{origin, question};
use weigh::{Found, Weighed, weigh};

/// Hunts looked at in one run.
const BATCH: i64 = 64;
/// Hunts that one run ends because their receipt has come by itself.
const SWEEP: i64 = 500;
/// Seconds of a day.
const DAY_S: i64 = 86_400;
/// The receipt was recorded now.
const RECORDED: &str = "recorded";
/// What was found cannot be booked.
const UNREADABLE: &str = "unreadable";
/// The creditor wants receipts like this one refused.
const REFUSED: &str = "refused by the creditor's rules";
/// What was found could not be written down.
const NOT_RECORDED: &str = "the receipt was found and could not be recorded";

/// Reads the element `receipt` for a creditor by the rules of the node's door.
pub type Reader = fn(&Element, &Creditor, Origin, Instant) -> Result<Collection, Malformed>;

/// Looks for receipts.
#[derive(Debug, Clone)]
pub struct Hunter {
    desk: Desk,
    store: Store,
    register: Arc<Register>,
    clock: Clock,
    ids: Ids,
    services: Services,
    read: Reader,
    config: config::ReceiptSearch,
}

/// pagoPA's two services that know receipts.
#[derive(Debug, Clone)]
pub struct Services {
    /// BizEvents.
    pub bizevents: Service,
    /// The receipts of GPD.
    pub gpd: Service,
}

impl Hunter {
    /// A hunter that asks these services and reads what it finds with this reader.
    pub fn new(
        desk: &Desk,
        clock: Clock,
        services: Services,
        read: Reader,
        config: &config::ReceiptSearch,
    ) -> Hunter {
        Hunter {
            store: desk.store().clone(),
            register: desk.shared_register().clone(),
            ids: desk.ids().clone(),
            desk: desk.clone(),
            clock,
            services,
            read,
            config: config.clone(),
        }
    }

    /// The job that looks.
    pub fn job(self) -> Job {
        let every = Duration::from_secs(self.config.every_s);
        let hunter = Arc::new(self);
        Job {
            name: "receipts",
            every,
            nudge: Arc::new(Notify::new()),
            run: Arc::new(move || {
                let hunter = hunter.clone();
                Box::pin(async move { hunter.hunt().await })
            }),
        }
    }

    /// Asks what is due and allowed now, within bounds.
    ///
    /// # Errors
    /// The store or the desk failed; what was found is found again, and recorded once.
    pub async fn hunt(&self) -> Result<Progress, JobError> {
        let mut tx = self.store.write().await?;
        hunts::sweep(&mut tx, self.clock.now(), SWEEP).await?;
        tx.commit().await.map_err(StoreError::from)?;
        // BizEvents first: what it does not know is asked of GPD in the same run.
        let first = self.ask(&self.services.bizevents, By::ReceiptId).await?;
        let second = self.ask(&self.services.gpd, By::Iuv).await?;
        Ok(first.and(second))
    }

    /// Asks one service.
    async fn ask(&self, service: &Service, by: By) -> Result<Progress, JobError> {
        let now = self.clock.now();
        let due = {
            let mut conn = self.store.read().await?;
            hunts::due(&mut conn, by, now, BATCH).await?
        };
        let is_full = i64::try_from(due.len()).is_ok_and(|count| count == BATCH);
        let (mut asked, settled) = self.sort(due, now);
        let mut tx = self.store.write().await?;
        hunts::record(&mut tx, &settled, now).await?;
        let allowance = match asked.is_empty() {
            true => Allowance::Calls(0),
            false => service.allow(&mut tx, asked.len(), now).await?,
        };
        tx.commit().await.map_err(StoreError::from)?;
        let wanted = asked.len();
        let calls = match allowance {
            Allowance::Calls(calls) => calls,
            Allowance::Held {
                until,
                is_key: true,
            } => {
                let why = WRONG_KEY;
                return Ok(Progress::Held { until, why });
            }
            Allowance::Held { until, .. } | Allowance::Later(until) => {
                return Ok(Progress::Rest { until: Some(until) });
            }
        };
        asked.truncate(calls);
        for (hunt, creditor) in asked {
            self.look(service, by, hunt, &creditor).await?;
        }
        let mut conn = self.store.read().await?;
        let held = service.wrong_key_until(&mut conn, self.clock.now());
        if let Some(until) = held.await? {
            let why = WRONG_KEY;
            return Ok(Progress::Held { until, why });
        }
        if wanted > calls {
            let until = service.ready_at(&mut conn, wanted - calls, now).await?;
            return Ok(Progress::Rest { until: Some(until) });
        }
        if is_full {
            return Ok(Progress::More);
        }
        Ok(Progress::Rest {
            until: hunts::next_due(&mut conn, by).await?,
        })
    }

    /// What can be asked, and what becomes of the others without a question.
    fn sort(&self, due: Vec<Hunt>, now: Instant) -> (Vec<(Hunt, Arc<Creditor>)>, Vec<Step>) {
        let mut asked = vec![];
        let mut settled = vec![];
        for hunt in due {
            let grace = TOKEN_LIFE_S + self.config.grace_s;
            let first_look = hunt.wanted_at.plus_seconds(grace);
            let is_activation = hunt.reason == Reason::Activated;
            if is_activation && now < first_look {
                settled.push(later(hunt, first_look, None));
            } else if is_activation && now > self.deadline(&hunt) {
                settled.push(Step {
                    state: State::Ended,
                    ..later(hunt, now, Some("never paid, as far as can be known"))
                });
            } else if let Some(creditor) = self.register.get(&hunt.creditor) {
                asked.push((hunt, creditor.clone()));
            } else {
                let why = "the creditor is not in the configuration";
                settled.push(later(hunt, now.plus_seconds(DAY_S), Some(why)));
            }
        }
        (asked, settled)
    }

    /// When nobody looks for it any more.
    fn deadline(&self, hunt: &Hunt) -> Instant {
        let days = match hunt.reason {
            Reason::FlowRow => self.config.days,
            Reason::Activated => self.config.activation_days,
        };
        hunt.wanted_at.plus_seconds(days.saturating_mul(DAY_S))
    }

    /// Asks one question and does what its answer wants.
    async fn look(
        &self,
        service: &Service,
        by: By,
        hunt: Hunt,
        creditor: &Creditor,
    ) -> Result<(), JobError> {
        point::reach("hunter.asking");
        let answer = service.call(&question(&hunt)).await;
        point::reach("hunter.answered");
        let now = self.clock.now();
        let weighed = weigh(&answer, &hunt, |receipt| {
            (self.read)(receipt, creditor, origin(by), now)
        });
        let step = match weighed {
            Weighed::Found(found) => {
                let policy = creditor.receipts.clone();
                let deposit = (answer.bytes().to_vec(), found, policy);
                match self.deposit(hunt.clone(), by, deposit, now).await {
                    Ok(step) => step,
                    // One that cannot be recorded must not stop the others. When the whole store is
                    // away, what follows ends the run.
                    Err(error) => {
                        tracing::error!(
                            creditor = %hunt.creditor,
                            hunt = %hunt.id,
                            error = &error as &dyn std::error::Error,
                            "a receipt was found and could not be recorded"
                        );
                        let round = hunt.attempts;
                        self.failed(hunt, round, NOT_RECORDED.to_owned(), now)
                    }
                }
            }
            Weighed::Several => Step {
                ask: Ask::IurAndIuv,
                next_try_at: now,
                error: Some(answer.outcome()),
                ..tried(hunt)
            },
            Weighed::NotThere(why) => self.not_there(hunt, by, why, now),
            Weighed::LeaveAlone => Step {
                // It has said nothing about this one, whose turn has not passed.
                is_try: false,
                error: Some(answer.outcome()),
                ..tried(hunt)
            },
            Weighed::Failed(why) if by == By::ReceiptId => next_service(hunt, why, now),
            Weighed::Failed(why) => {
                let (round, first) = round(&hunt);
                let step = self.failed(hunt, round, why, now);
                Step { ask: first, ..step }
            }
        };
        let opened: Option<OpenCase> = missing(&step).map(|case| OpenCase {
            id: CaseId::new(self.ids.next(now)),
            opened_at: now,
            case,
        });
        let mut tx = self.store.write().await?;
        hunts::record(&mut tx, &[step], now).await?;
        cases::insert(&mut tx, opened.as_slice()).await?;
        service.heed(&mut tx, &answer, now).await?;
        point::reach("hunter.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        point::reach("hunter.after_commit");
        for OpenCase { case, .. } in opened.as_slice() {
            self.desk.metrics().case(case.code.as_str());
        }
        Ok(())
    }

    /// Nothing is known from this try: a pause that grows with the rounds follows, or it is the end.
    fn failed(&self, hunt: Hunt, round: i64, why: String, now: Instant) -> Step {
        let pause = pause_ms(&self.config.retry_pauses_s, round, &self.ids);
        let next_try_at = now.plus_millis(pause);
        Step {
            state: self.state_at(&hunt, next_try_at),
            next_try_at,
            error: Some(why),
            ..tried(hunt)
        }
    }

    /// Where a hunt without a receipt stands, when it would be looked for again only then.
    fn state_at(&self, hunt: &Hunt, next_try_at: Instant) -> State {
        match hunt.reason {
            _ if next_try_at <= self.deadline(hunt) => State::Searching,
            Reason::FlowRow => State::Missing,
            Reason::Activated => State::Ended,
        }
    }

    /// The service does not know it: the next one is asked, or a pause follows, or it is the end.
    fn not_there(&self, hunt: Hunt, by: By, why: String, now: Instant) -> Step {
        if by == By::ReceiptId {
            return next_service(hunt, why, now);
        }
        let (round, first) = round(&hunt);
        let next_try_at = now.plus_millis(pause_ms(&self.config.pauses_s, round, &self.ids));
        Step {
            state: self.state_at(&hunt, next_try_at),
            ask: first,
            next_try_at,
            error: Some(why),
            ..tried(hunt)
        }
    }

    /// Hands what was found to the desk, as it came.
    async fn deposit(
        &self,
        hunt: Hunt,
        by: By,
        (bytes, found, policy): (Vec<u8>, Found, ReceiptPolicy),
        now: Instant,
    ) -> Result<Step, JobError> {
        let document = DocumentId::new(self.ids.next(now));
        let content = match found {
            Found::Receipt(collection) => Content::Collection(collection),
            Found::Unreadable(malformed) => Content::Unbookable(Case {
                code: CaseCode::UnreadableReceipt,
                creditor: hunt.creditor.clone(),
                identity: sha256(&bytes),
                subject: document.to_string(),
                detail: malformed.to_string(),
            }),
        };
        let call = Call {
            started_at: now,
            stopwatch: Stopwatch::start(),
            document,
            bytes,
            kind: match by {
                By::ReceiptId => "biz_receipt",
                By::Iuv => "gpd_receipt",
            },
            party: by.service(),
            address: None,
            peer: None,
            subject: Subject {
                operation: format!("receipt found at {}", by.service()),
                creditor: Some(hunt.creditor.to_string()),
                notice: hunt.notice.map(|notice| notice.to_string()),
                reference: Some(hunt.iur.clone()).filter(|iur| !iur.is_empty()),
            },
        };
        let deposit = Deposit {
            call,
            content,
            policy,
            print: Box::new(|collected, _| printed(collected)),
        };
        let reply = self.desk.collect(deposit).await?;
        point::reach("hunter.deposited");
        tracing::info!(
            creditor = %hunt.creditor,
            origin = by.service(),
            outcome = reply.outcome,
            "a receipt was found"
        );
        Ok(Step {
            state: match reply.outcome.as_str() {
                UNREADABLE | REFUSED => State::Missing,
                _ => State::Found,
            },
            error: Some(reply.outcome).filter(|outcome| outcome != RECORDED),
            ..tried(hunt)
        })
    }
}

/// What became of a receipt, in a word: there is nobody to answer.
fn printed(collected: &Collected) -> Reply {
    let outcome = match collected {
        Collected::Recorded => RECORDED,
        Collected::Repeated => "had come meanwhile",
        Collected::Conflict => "another one is recorded under its id",
        Collected::Refused(_) => REFUSED,
        Collected::Kept(_) | Collected::Foreign => UNREADABLE,
    };
    Reply {
        http_status: 200,
        outcome: outcome.to_owned(),
        bytes: vec![],
    }
}

/// A question was asked, and nothing else has changed.
fn tried(hunt: Hunt) -> Step {
    Step {
        state: hunt.state,
        ask: hunt.ask,
        next_try_at: hunt.next_try_at,
        is_try: true,
        error: None,
        hunt,
    }
}

/// BizEvents has not told: GPD is asked at once.
fn next_service(hunt: Hunt, why: String, now: Instant) -> Step {
    Step {
        ask: Ask::Iuv,
        next_try_at: now,
        error: Some(why),
        ..tried(hunt)
    }
}

/// How many rounds through the services a hunt has made, and with which question one begins.
fn round(hunt: &Hunt) -> (i64, Ask) {
    match hunt.reason {
        Reason::FlowRow => (hunt.attempts / 2, Ask::Iur),
        Reason::Activated => (hunt.attempts, Ask::Iuv),
    }
}

/// No question yet.
fn later(hunt: Hunt, next_try_at: Instant, why: Option<&str>) -> Step {
    Step {
        next_try_at,
        is_try: false,
        error: why.map(str::to_owned),
        ..tried(hunt)
    }
}

/// The case for the finance office, when a payment has no receipt anywhere. (What was found and
/// cannot be booked has a case of its own.)
fn missing(step: &Step) -> Option<Case> {
    let hunt = &step.hunt;
    let has_another = matches!(step.error.as_deref(), Some(UNREADABLE | REFUSED));
    if step.state != State::Missing || has_another {
        return None;
    }
    tracing::warn!(
        case = CaseCode::ReceiptMissing.as_str(),
        creditor = %hunt.creditor,
        subject = %hunt.id,
        "a case was opened for the finance office"
    );
    Some(Case {
        code: CaseCode::ReceiptMissing,
        creditor: hunt.creditor.clone(),
        identity: format!("{}/{}", hunt.iuv, hunt.iur),
        subject: hunt.id.to_string(),
        detail: format!(
            "IUV {}, ricevuta {}, cercata dal {}, tentativi {}",
            hunt.iuv,
            hunt.iur,
            hunt.wanted_at.day_in_rome(),
            hunt.attempts + 1
        ),
    })
}
