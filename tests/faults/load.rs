//! Load as the world makes it: a portal that opens notices and a node that sends each receipt until
//! it is answered OK, and some of them once more.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::Stage;
use super::{Chance, setting};
use crate::world::{receipt, top_up, verify};

/// A receipt that was answered OK.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub message: String,
    pub cents: i64,
}

/// What is sent, and what was heard.
pub struct Load {
    /// Receipts answered OK, by their id.
    pub acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    /// Calls of receipts by what became of them: `OK`, a status, or `lost`.
    pub heard: Mutex<BTreeMap<String, usize>>,
    /// How long each receipt's answer took, good or bad.
    pub took: Mutex<Vec<Duration>>,
    /// When each call was begun that was answered OK.
    good: Mutex<Vec<Instant>>,
    stopped: AtomicBool,
    next: AtomicUsize,
    limit: usize,
    chance: Chance,
}

/// Pause before a sender tries again what was not answered.
const PAUSE: Duration = Duration::from_millis(10);
/// Tries after which a sender gives up, however quickly they fail.
const TRIES: usize = 30_000;

/// Trying again what was not answered: not for ever, so that a gateway that does not come back fails
/// its test instead of stopping the suite.
pub struct Effort {
    begun: Instant,
    tries: usize,
}

impl Effort {
    pub fn new() -> Effort {
        Effort {
            begun: Instant::now(),
            tries: 0,
        }
    }

    /// Pauses before the next try; panics with what was heard last when there were enough.
    pub async fn again(&mut self, what: &str, heard: &str) {
        self.tries += 1;
        // The long forms have outages as long as one asks for.
        let outage = u64::try_from(setting("PAGOMENSA_OUTAGE_S", 0)).unwrap();
        let is_too_much = self.begun.elapsed() > Duration::from_secs(240 + outage);
        assert!(
            !is_too_much && self.tries < TRIES,
            "{what} does not come through: {} tries in {:?}, at last {heard}",
            self.tries,
            self.begun.elapsed()
        );
        tokio::time::sleep(PAUSE).await;
    }
}

impl Load {
    /// Load without an end.
    pub fn new() -> Load {
        Load::of(usize::MAX)
    }

    /// Load of so many receipts.
    pub fn of(limit: usize) -> Load {
        Load::from(0, limit)
    }

    /// Load of so many receipts whose numbers begin here.
    pub fn from(first: usize, count: usize) -> Load {
        Load {
            acknowledged: Mutex::new(BTreeMap::new()),
            heard: Mutex::new(BTreeMap::new()),
            took: Mutex::new(vec![]),
            good: Mutex::new(vec![]),
            stopped: AtomicBool::new(false),
            next: AtomicUsize::new(first),
            limit: first.saturating_add(count),
            chance: Chance::new(),
        }
    }

    /// Sends from so many places at once to one of these doors each, until all is sent or the load
    /// is stopped. What was begun is finished: at the end every receipt that was sent is answered.
    pub async fn run(&self, stage: &Stage, doors: &[super::stage::Doors], senders: usize) {
        let each = (0..senders).map(|place| self.sender(stage, &doors[place % doors.len()]));
        futures_util::future::join_all(each).await;
    }

    /// No new notices from now on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// How many were answered OK.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// How many calls were begun after this instant and answered OK. One that was begun before may
    /// have been committed before, and its answer may come at any time.
    pub fn good_since(&self, instant: Instant) -> usize {
        let good = self.good.lock().unwrap();
        good.iter().filter(|begun| **begun > instant).count()
    }

    /// Waits until so many more are answered OK.
    pub async fn wait_for(&self, more: usize) {
        let goal = self.count() + more;
        let begun = Instant::now();
        while self.count() < goal {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "nothing comes through: {:?}",
                self.heard.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn sender(&self, stage: &Stage, doors: &super::stage::Doors) {
        while !self.stopped.load(Ordering::SeqCst) {
            let place = self.next.fetch_add(1, Ordering::SeqCst);
            if place >= self.limit {
                return;
            }
            let cents = 100 + i64::try_from(self.chance.below(4_900)).unwrap();
            let number = self.notice(stage, doors, place, cents).await;
            let id = format!("r-{place}");
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            let message = receipt(&number, &id, &amount);
            if self.chance.below(4) == 0 {
                // Whatever it hears: it gives the journal something to write.
                send(stage, &doors.node, &verify(&number)).await;
            }
            self.until_ok(stage, doors, &message).await;
            let acknowledged = Acknowledged {
                message: message.clone(),
                cents,
            };
            self.acknowledged.lock().unwrap().insert(id, acknowledged);
            if self.chance.below(8) == 0 {
                self.until_ok(stage, doors, &message).await;
            }
        }
    }

    /// Opens a notice under an id of the portal's own, again and again until there is an answer.
    async fn notice(
        &self,
        stage: &Stage,
        doors: &super::stage::Doors,
        place: usize,
        cents: i64,
    ) -> String {
        let mut body = top_up();
        body["external_id"] = json!(format!("load-{place}"));
        body["amount_cents"] = json!(cents);
        body["child"]["code"] = json!(format!("c{}", place % 50));
        // Left to the gateway: the clock here is the machine's.
        body.as_object_mut().unwrap().remove("due_on");
        let mut effort = Effort::new();
        loop {
            let sent = stage
                .http
                .post(format!("{}/api/v1/notices", doors.web))
                .bearer_auth(&stage.key)
                .json(&body)
                .send()
                .await;
            let heard = match sent {
                Ok(answer) if answer.status().is_success() => match answer.json::<Value>().await {
                    Ok(notice) => return notice["notice_number"].as_str().unwrap().to_owned(),
                    Err(error) => format!("{error:?}"),
                },
                Ok(answer) => format!("{}: {:?}", answer.status(), answer.text().await),
                Err(error) => format!("{error:?}"),
            };
            effort.again("a notice", &heard).await;
        }
    }

    /// Opens one more notice and leaves it open; its number.
    pub async fn open(&self, stage: &Stage, doors: &super::stage::Doors) -> String {
        self.notice(stage, doors, usize::MAX, 5_000).await
    }

    async fn until_ok(&self, stage: &Stage, doors: &super::stage::Doors, message: &str) {
        let mut effort = Effort::new();
        loop {
            let begun = Instant::now();
            let heard = send(stage, &doors.node, message).await;
            self.took.lock().unwrap().push(begun.elapsed());
            *self.heard.lock().unwrap().entry(heard.clone()).or_default() += 1;
            if heard == "OK" {
                self.good.lock().unwrap().push(begun);
                return;
            }
            effort.again("a receipt", &heard).await;
        }
    }

    /// The time within which this share of the answers (in thousandths) came.
    pub fn within(&self, thousandths: usize) -> Duration {
        quantile(&mut self.took.lock().unwrap().clone(), thousandths)
    }
}

/// The value below which this share (in thousandths) lies.
pub fn quantile(values: &mut [Duration], thousandths: usize) -> Duration {
    values.sort_unstable();
    let place = values.len().saturating_sub(1) * thousandths / 1_000;
    values.get(place).copied().unwrap_or_default()
}

/// Sends a message to the node's door: `OK`, a fault code, the status, `refused` when there was no
/// connection, or `lost` when there was one and no answer.
pub async fn send(stage: &Stage, node: &str, message: &str) -> String {
    let sent = stage
        .http
        .post(node)
        .header("content-type", "text/xml; charset=utf-8")
        .body(message.to_owned())
        .send()
        .await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return "refused".to_owned(),
        Err(_) => return "lost".to_owned(),
    };
    let status = answer.status().as_u16();
    let Ok(text) = answer.text().await else {
        return "lost".to_owned();
    };
    if status != 200 {
        return status.to_string();
    }
    if text.contains("<outcome>OK</outcome>") {
        return "OK".to_owned();
    }
    let code = text.split("<faultCode>").nth(1);
    code.and_then(|rest| rest.split('<').next())
        .unwrap_or("neither OK nor KO")
        .to_owned()
}
