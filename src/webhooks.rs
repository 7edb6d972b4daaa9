//! Webhooks: portals are called when something has happened, until they have heard it.
//!
//! Signed as [Standard Webhooks](https://www.standardwebhooks.com) says; at least once, under the same
//! `webhook-id` each time. An answer 2xx means that it was heard; 410 that nobody wants to be called
//! there any more; anything else, and silence, means trying again after growing pauses, and after days
//! giving up, which is shown to the finance office. The feed of events ([`Desk::events`]) has
//! everything in any case.
//!
//! Within one endpoint events go in their order, one after the other; one that is not taken lets the
//! next one pass, two in a row let the whole endpoint wait.

mod resolver;
mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Response, redirect};

use self::resolver::{Denied, Resolver};
use crate::clock::{Clock, Ids, Stopwatch};
use crate::config;
use crate::desk::Desk;
use crate::desk::journal::{Outbound, Reply, Subject};
use crate::desk::webhooks::read_url;
use crate::domain::day::Instant;
use crate::domain::event::Event;
use crate::domain::ids::{CaseId, EndpointId};
use crate::domain::payment::{Case, CaseCode};
use crate::domain::text::{cut, storable};
use crate::job::{Job, JobError, Progress, is_ours};
use crate::metrics::Metrics;
use crate::platform::pause_ms;
use crate::store::cases::OpenCase;
use crate::store::webhooks::{self, Due, Next, Outcome, State};
use crate::store::{Store, StoreError, cases};

/// Deliveries in one run.
const BATCH: i64 = 256;
/// Bytes of an answer that are read, and kept in the journal.
const ANSWER: usize = 4 * 1024;
/// Failures in a row after which an endpoint waits as a whole.
const PATIENCE: usize = 2;
/// Longest wait of a whole endpoint, in seconds: what is new is tried again after it.
const LONGEST_HOLD_S: i64 = 300;
/// Why an endpoint is not called any more when it says so itself.
const GONE: &str = "gone";
/// The same when it has failed for days.
const FAILING: &str = "failing";

/// Brings events to the portals.
#[derive(Debug, Clone)]
pub struct Herald {
    desk: Desk,
    store: Store,
    clock: Clock,
    ids: Ids,
    http: Client,
    metrics: Metrics,
    config: config::Webhooks,
}

/// The herald cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks cannot be made")]
pub struct HeraldError(#[from] reqwest::Error);

/// What a call came to.
struct Heard {
    status: u16,
    error: Option<String>,
}

impl Herald {
    /// A herald as the configuration describes it.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(
        desk: &Desk,
        clock: Clock,
        config: &config::Webhooks,
    ) -> Result<Herald, HeraldError> {
        let timeout = Duration::from_secs(config.timeout_s);
        let http = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(redirect::Policy::none())
            // A proxy would call for us, where our own look at the address is worth nothing.
            .no_proxy()
            .dns_resolver(Arc::new(Resolver {
                allows_private: config.private_addresses,
            }))
            .user_agent("PagoMensa")
            .build()?;
        Ok(Herald {
            desk: desk.clone(),
            store: desk.store().clone(),
            clock,
            ids: desk.ids().clone(),
            http,
            metrics: desk.metrics().clone(),
            config: config.clone(),
        })
    }

    /// The job that numbers and delivers, nudged by the desk.
    pub fn job(self) -> Job {
        let nudge = self.desk.happened().clone();
        let every = Duration::from_secs(self.config.every_s);
        let herald = Arc::new(self);
        Job {
            name: "webhooks",
            every,
            nudge,
            run: Arc::new(move || {
                let herald = herald.clone();
                Box::pin(async move { herald.run().await })
            }),
        }
    }

    async fn run(&self) -> Result<Progress, JobError> {
        let number = || self.desk.number_events(self.clock.now());
        if number().await? {
            return Ok(Progress::More);
        }
        let progress = self.deliver().await?;
        if self.config.gather_ms > 0 {
            // What happens one after the other is numbered together: each numbering is a commit, for
            // which receipts have to wait.
            tokio::time::sleep(Duration::from_millis(self.config.gather_ms)).await;
        }
        Ok(progress)
    }

    /// Delivers what is due now, within bounds.
    async fn deliver(&self) -> Result<Progress, StoreError> {
        if !self.config.enabled {
            return Ok(Progress::Rest { until: None });
        }
        let due = {
            let mut conn = self.store.read().await?;
            webhooks::due(&mut conn, self.clock.now(), BATCH).await?
        };
        let is_full = i64::try_from(due.len()).is_ok_and(|count| count == BATCH);
        let tours = futures_util::stream::iter(by_endpoint(due))
            .map(|endpoint| self.tour(endpoint))
            .buffer_unordered(self.config.in_flight.max(1));
        let mut tours = std::pin::pin!(tours);
        let mut ended = Ok(());
        while let Some(tour) = tours.next().await {
            // The run fails, and not before the other endpoints have been called.
            ended = ended.and(tour);
        }
        ended?;
        if is_full {
            return Ok(Progress::More);
        }
        let mut conn = self.store.read().await?;
        Ok(Progress::Rest {
            until: webhooks::next_due(&mut conn).await?,
        })
    }

    /// Brings one endpoint what it is owed, in order.
    async fn tour(&self, owed: Vec<Due>) -> Result<(), StoreError> {
        let mut failures = 0;
        for due in owed {
            if !is_ours() {
                return Ok(());
            }
            let heard = self.call(&due).await;
            let is_over = self.record(&due, &heard, failures + 1).await?;
            failures = match heard.error {
                None => 0,
                Some(_) => failures + 1,
            };
            if is_over || failures >= PATIENCE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Calls an endpoint, and notes the call in the journal whatever comes of it.
    async fn call(&self, due: &Due) -> Heard {
        let (started_at, stopwatch) = (self.clock.now(), Stopwatch::start());
        let body = print(&due.event);
        let (reply, bytes) = match self.send(due, &body, started_at).await {
            Ok(response) => {
                let (status, bytes) = read(response).await;
                let error = (!(200..300).contains(&status)).then(|| format!("HTTP {status}"));
                (Heard { status, error }, bytes)
            }
            Err(why) => {
                let error = Some(cut(storable(&why).trim(), 200).to_owned());
                (Heard { status: 0, error }, vec![])
            }
        };
        let noted = Outbound {
            party: "webhook",
            method: "POST",
            url: due.delivery.url.clone(),
            started_at,
            stopwatch,
            request: body.into_bytes(),
            reply: Reply {
                http_status: reply.status,
                outcome: reply.error.clone().unwrap_or_else(|| "OK".to_owned()),
                bytes,
            },
            subject: Subject {
                operation: due.event.kind.as_str().to_owned(),
                creditor: Some(due.event.creditor.to_string()),
                notice: None,
                reference: Some(due.event.id.to_string()),
            },
            iuv: None,
        };
        self.desk.journal().note_out(noted).await;
        reply
    }

    /// # Errors
    /// Why there was no answer.
    async fn send(&self, due: &Due, body: &str, now: Instant) -> Result<Response, String> {
        // Judged at each call: what was allowed when it was registered need not be so any more.
        let allows_private = self.config.private_addresses;
        let url = read_url(&due.delivery.url, allows_private)
            .map_err(|_| "the address is not allowed".to_owned())?;
        let id = due.event.id.as_str();
        let seconds = (now.as_millis() / 1_000).to_string();
        let previous = due.previous.as_ref();
        let previous = previous.filter(|(_, until)| now < *until);
        let secrets = [&due.secret]
            .into_iter()
            .chain(previous.map(|(old, _)| old));
        let signed = sign::signatures(secrets, id, &seconds, body);
        let signature = signed.map_err(|_| "the secret cannot be used".to_owned())?;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body.to_owned());
        request.send().await.map_err(|error| reason(&error))
    }

    /// Writes down what became of a try, the so manieth failure in a row should it be one; whether the
    /// endpoint is not to be called any more.
    async fn record(&self, due: &Due, heard: &Heard, failures: usize) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let delivery = &due.delivery;
        let endpoint = &delivery.endpoint;
        let is_heard = heard.error.is_none();
        let give_up_at = delivery
            .owed_since
            .plus_seconds(self.config.give_up_h.saturating_mul(3_600));
        let pause = pause_ms(&self.config.retry_pauses_s, delivery.attempts, &self.ids);
        let next = match is_heard {
            true => Next::Close(State::Delivered),
            false if now >= give_up_at => Next::Close(State::Failed),
            false => Next::Again(now.plus_millis(pause)),
        };
        let since = due.failing_since.unwrap_or(now);
        let limit = since.plus_seconds(self.config.disable_after_h.saturating_mul(3_600));
        let why = match heard.status {
            410 => Some(GONE),
            _ if !is_heard && now >= limit => Some(FAILING),
            _ => None,
        };
        let mut opened = vec![];
        let mut tx = self.store.write().await?;
        let outcome = Outcome {
            id: delivery.id.clone(),
            status: heard.status,
            error: heard.error.clone(),
            next,
        };
        webhooks::record(&mut tx, &outcome, now).await?;
        webhooks::note(&mut tx, endpoint, (!is_heard).then_some(now)).await?;
        if next == Next::Close(State::Failed) {
            // One for each day: an endpoint that is down gives up many.
            let identity = format!("{endpoint} {}", now.day_in_rome());
            opened.push(self.case(CaseCode::WebhookGivenUp, due, heard, identity));
        }
        if let Some(why) = why
            && webhooks::disable(&mut tx, endpoint, now, why).await?
        {
            let identity = format!("{endpoint} {now}");
            opened.push(self.case(CaseCode::WebhookDisabled, due, heard, identity));
        }
        if !is_heard && failures >= PATIENCE {
            let hold = pause.min(LONGEST_HOLD_S.saturating_mul(1_000));
            webhooks::hold(&mut tx, endpoint, now.plus_millis(hold)).await?;
        }
        cases::insert(&mut tx, &opened).await?;
        tx.commit().await?;
        for OpenCase { case, .. } in &opened {
            self.metrics.case(case.code.as_str());
        }
        self.metrics.webhook(match next {
            Next::Close(state) => state.as_str(),
            Next::Again(_) => "postponed",
        });
        if let Some(error) = &heard.error {
            tracing::warn!(
                endpoint = %endpoint,
                creditor = %due.event.creditor,
                event = %due.event.id,
                tries = delivery.attempts + 1,
                error,
                "a webhook was not taken"
            );
        }
        Ok(why.is_some())
    }

    fn case(&self, code: CaseCode, due: &Due, heard: &Heard, identity: String) -> OpenCase {
        let now = self.clock.now();
        let host = reqwest::Url::parse(&due.delivery.url).ok();
        let host = host.and_then(|url| url.host_str().map(str::to_owned));
        OpenCase {
            id: CaseId::new(self.ids.next(now)),
            opened_at: now,
            case: Case {
                code,
                creditor: due.event.creditor.clone(),
                identity,
                subject: due.delivery.endpoint.to_string(),
                detail: format!(
                    "{}, evento {}, ultima risposta: {}",
                    host.unwrap_or_default(),
                    due.event.id,
                    heard.error.as_deref().unwrap_or("OK")
                ),
            },
        }
    }
}

/// An event as a portal hears it: in a webhook as in the feed.
fn print(event: &Event) -> String {
    let head = serde_json::json!({
        "created_at": event.created_at.to_string(),
        "id": event.id.as_str(),
        "type": event.kind.as_str(),
    });
    let head = head.to_string();
    format!("{},\"data\":{}}}", head.trim_end_matches('}'), event.data)
}

/// The deliveries of each endpoint, in the order of what happened.
fn by_endpoint(due: Vec<Due>) -> Vec<Vec<Due>> {
    let mut groups: HashMap<EndpointId, Vec<Due>> = HashMap::new();
    for one in due {
        let endpoint = one.delivery.endpoint.clone();
        groups.entry(endpoint).or_default().push(one);
    }
    groups.into_values().collect()
}

/// The status, and what of the body is kept: a portal says all it has to say by the status.
async fn read(mut response: Response) -> (u16, Vec<u8>) {
    let mut bytes: Vec<u8> = vec![];
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ANSWER {
            bytes.truncate(ANSWER);
            break;
        }
    }
    (response.status().as_u16(), bytes)
}

/// Why there was no answer, without the address.
fn reason(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<Denied>() {
            return "the address is not allowed".to_owned();
        }
        cause = inner.source();
    }
    let why = match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "no connection",
        _ => "no answer",
    };
    why.to_owned()
}
