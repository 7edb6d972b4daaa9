//! Whether any request does work that grows with the number of notices.
//!
//! Two gateways, one over few notices and one over many, answer the same requests in turn, one at
//! a time over loopback; the medians are compared. `docs/benchmarks.md` says how to read the table.
//! The exit status is 1 when a request is slower by half with many notices, twice in a row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "a measurement that goes wrong stops, and ratios are no money"
)]

#[allow(dead_code, reason = "shared with the other benchmark")]
mod lab;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use pagomensa::store::Engine;

use lab::TOWN;
use lab::database::{Database, folder};
use lab::figures::{grouped, p50_p99};
use lab::gateway::{Gateway, build, log_into, prepare};
use lab::http::Connection;
use lab::messages::{Template, portal, top_up};
use lab::notices::{Fill, id};

/// Compares the requests over few and over many notices.
#[derive(Debug, Parser)]
struct Options {
    /// Few notices.
    #[arg(long, default_value_t = 1_000)]
    few: u64,
    /// Many notices.
    #[arg(long, default_value_t = 1_000_000)]
    many: u64,
    /// Requests of each kind at each of the two gateways.
    #[arg(long, default_value_t = 1_000)]
    requests: u64,
    /// Engines: sqlite, postgres.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    engines: Vec<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A request that is this many times as slow with many notices as with few does work that grows.
const LIMIT: f64 = 1.5;
/// From one place to the next; a prime number, so that every place is reached.
const STEP: u64 = 611_953;
/// Requests that one gateway answers before it is the other's turn.
const TURN: u64 = 50;

fn main() -> ExitCode {
    let options = Options::parse();
    let folder = folder();
    log_into(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let grows = runtime.block_on(async {
        let mut grows = false;
        for (name, engine) in [("sqlite", Engine::Sqlite), ("postgres", Engine::Postgres)] {
            if options.engines.iter().any(|wanted| wanted == name) {
                grows |= Box::pin(measure(engine, &options)).await;
            }
        }
        grows
    });
    ExitCode::from(u8::from(grows))
}

/// A request that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Verify,
    Get,
    Receipt,
    Create,
    Read,
    List,
    ListFromTheMiddle,
    ListByChild,
    ListByState,
    ListByExternalId,
    Cancel,
}

impl Kind {
    const ALL: [(Kind, &'static str); 11] = [
        (Kind::Verify, "paVerifyPaymentNotice"),
        (Kind::Get, "paGetPaymentV2"),
        (Kind::Receipt, "paSendRTV2"),
        (Kind::Create, "POST /notices"),
        (Kind::Read, "GET /notices/{id}"),
        (Kind::List, "GET /notices"),
        (Kind::ListFromTheMiddle, "GET /notices?cursor="),
        (Kind::ListByChild, "GET /notices?child="),
        (Kind::ListByState, "GET /notices?state="),
        (Kind::ListByExternalId, "GET /notices?external_id="),
        (Kind::Cancel, "POST /notices/{id}/cancel"),
    ];

    /// Whether it changes something that must be put back before the next turn.
    fn writes(self) -> bool {
        matches!(self, Kind::Receipt | Kind::Create | Kind::Cancel)
    }
}

/// A gateway over a number of notices.
struct Side {
    fill: Fill,
    database: Database,
    gateway: Gateway,
    node: Connection,
    web: Connection,
    messages: [Template; 3],
    /// Counts turns, so that no receipt and no external id comes twice.
    turn: u64,
}

async fn measure(engine: Engine, options: &Options) -> bool {
    let Some(few) = Side::open(engine, options.few).await else {
        println!("PostgreSQL is not on this machine: not measured\n");
        return false;
    };
    let many = Side::open(engine, options.many).await.unwrap();
    let mut sides = [few, many];
    println!(
        "{engine:?}, {} requests of each kind, medians in us\n  {:<30}{:>12}{:>12}   ratio",
        options.requests,
        "notices:",
        grouped(options.few as f64, 0),
        grouped(options.many as f64, 0)
    );
    let mut grows = false;
    for (kind, name) in Kind::ALL {
        let [mut few, mut many] = compare(&mut sides, kind, options.requests).await;
        if many / few >= LIMIT {
            // Once more: a moment in which the machine did something else is no growth.
            [few, many] = compare(&mut sides, kind, options.requests).await;
        }
        let is_too_slow = many / few >= LIMIT;
        grows |= is_too_slow;
        println!(
            "  {name:<30}{:>12}{:>12}   {:.2}{}",
            grouped(few, 0),
            grouped(many, 0),
            many / few,
            if is_too_slow { "   GROWS" } else { "" }
        );
    }
    let [few, many] = sides;
    let ready = [few.close().await, many.close().await];
    println!(
        "  {:<30}{:>12}{:>12}   not judged\n",
        "ready to answer",
        grouped(ready[0], 0),
        grouped(ready[1], 0)
    );
    grows
}

/// The medians of a request in microseconds, at both gateways, which answer in turns.
async fn compare(sides: &mut [Side; 2], kind: Kind, requests: u64) -> [f64; 2] {
    let mut times = [vec![], vec![]];
    for side in &mut *sides {
        side.turn(kind, TURN).await;
    }
    for _ in 0..requests.div_ceil(TURN) {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            times.extend(side.turn(kind, TURN).await);
        }
    }
    times.map(|times| p50_p99(times).0 as f64)
}

impl Side {
    async fn open(engine: Engine, notices: u64) -> Option<Side> {
        let database = Database::fresh(engine).await?;
        let fill = Fill {
            notices,
            mixed: true,
            paid: 0,
        };
        let start = Instant::now();
        prepare(&database, fill).await;
        eprintln!(
            "{} notices made in {:.1?}",
            grouped(notices as f64, 0),
            start.elapsed()
        );
        let gateway = Gateway::start(&database).await;
        Some(Side {
            fill,
            database,
            node: Connection::open(gateway.node).await,
            web: Connection::open(gateway.web).await,
            gateway,
            messages: [Template::verify(), Template::get(), Template::receipt()],
            turn: 0,
        })
    }

    /// Some requests of a kind, one after the other; their times in microseconds.
    async fn turn(&mut self, kind: Kind, requests: u64) -> Vec<u64> {
        self.turn += 1;
        let places = self.places(kind, requests);
        let mut times = vec![];
        for (number, place) in places.iter().enumerate() {
            times.push(self.request(kind, *place, number).await);
        }
        self.gateway.settle().await;
        if kind.writes() {
            self.put_back(kind, &places).await;
        }
        times
    }

    /// Places all over the notices, none of them twice, in the state that the request needs.
    fn places(&self, kind: Kind, requests: u64) -> Vec<u64> {
        let state = match kind {
            Kind::Verify | Kind::Get | Kind::Receipt | Kind::Cancel => Some("open"),
            _ => None,
        };
        let mut places: Vec<u64> = vec![];
        let mut at = self.turn * 7_919;
        while places.len() < usize::try_from(requests).unwrap() {
            at += STEP;
            let place = at % self.fill.notices + 1;
            let fits = state.is_none_or(|state| self.fill.state(place) == state);
            if fits && !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    async fn request(&mut self, kind: Kind, place: u64, number: usize) -> u64 {
        let key = &self.gateway.key;
        let get = |path: String| (portal("GET", &path, key, ""), 200, "\"notice_number\"");
        let post = |path: &str, body: &str, status| {
            (portal("POST", path, key, body), status, "\"notice_number\"")
        };
        let (request, status, text) = match kind {
            Kind::Verify => (self.messages[0].at(place, 0).to_vec(), 200, OK),
            Kind::Get => (self.messages[1].at(place, 0).to_vec(), 200, OK),
            Kind::Receipt => (self.messages[2].at(place, self.turn).to_vec(), 200, OK),
            Kind::Create => {
                let external_id = format!("new-{}-{number}", self.turn);
                post("/notices", &top_up(&external_id), 201)
            }
            Kind::Read => get(format!("/notices/{}", id(place))),
            Kind::List => get("/notices".to_owned()),
            Kind::ListFromTheMiddle => {
                // A full page must be left before it.
                get(format!("/notices?cursor={}", id(place.max(60))))
            }
            Kind::ListByChild => get(format!("/notices?child={}", self.fill.child(place))),
            Kind::ListByState => get(format!(
                "/notices?state={}",
                ["open", "paid", "expired", "cancelled"][number % 4]
            )),
            Kind::ListByExternalId => get(format!("/notices?external_id=portal-{place}")),
            Kind::Cancel => post(&format!("/notices/{}/cancel", id(place)), "", 200),
        };
        let door = match kind {
            Kind::Verify | Kind::Get | Kind::Receipt => &mut self.node,
            _ => &mut self.web,
        };
        let start = Instant::now();
        let answer = door.call(&request).await;
        let time = start.elapsed();
        answer.must_be(status, text);
        u64::try_from(time.as_micros()).unwrap()
    }

    /// Undoes what the requests of a turn have done, so that the number of notices and their states
    /// stay what they were.
    async fn put_back(&self, kind: Kind, places: &[u64]) {
        let sql = match kind {
            Kind::Create => format!(
                "DELETE FROM debts WHERE creditor = '{TOWN}' AND external_id >= 'new-' \
                 AND external_id < 'new.'"
            ),
            _ => {
                let ids: Vec<String> = places
                    .iter()
                    .map(|place| format!("'{}'", id(*place)))
                    .collect();
                format!(
                    "UPDATE debts SET state = 'open', closed_at = NULL, payment = NULL \
                     WHERE id IN ({})",
                    ids.join(", ")
                )
            }
        };
        lab::database::execute(&self.database.url, sql).await;
    }

    /// Closes everything; the median time in microseconds that the application takes to be ready
    /// again.
    async fn close(self) -> f64 {
        drop((self.node, self.web));
        self.gateway.stop().await;
        let mut times = vec![];
        for _ in 0..5 {
            times.push(u64::try_from(build(&self.database).await.as_micros()).unwrap());
        }
        self.database.remove().await;
        p50_p99(times).0 as f64
    }
}

/// What the node's answers hold.
const OK: &str = "<outcome>OK</outcome>";
