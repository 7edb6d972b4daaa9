//! The parts of the measurement.

use std::path::Path;
use std::time::Duration;

use pagomensa::clock::{Clock, Ids};
use pagomensa::desk::keys::{NewKey, Scope, create};
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::{Engine, Store};

use super::Options;
use super::plain::Plain;
use crate::lab::TOWN;
use crate::lab::database::Database;
use crate::lab::figures::{Spread, grouped};
use crate::lab::gateway::{config, prepare};
use crate::lab::notices::Fill;
use crate::lab::process::{cpu_of, memory_of};
use crate::lab::program::Program;
use crate::lab::sender::{Kind, Order, Sent, elsewhere, to_the_end};

/// Connections of the main measurement.
const CONNECTIONS: usize = 64;
/// More receipts in a second than any machine has recorded so far.
const FASTEST: u64 = 20_000;
/// Receipts a second at a steady pace: thirty times what all of pagoPA sends on average.
const PACE: u64 = 400;

/// One database with the program over it.
struct Stage<'o> {
    options: &'o Options,
    folder: &'o Path,
    database: Database,
    notices: u64,
    /// The first notice that is still open.
    next: u64,
    key: String,
}

/// What was sent, and the processor time of one process meanwhile, for each answer.
#[derive(Clone, Copy)]
struct Load {
    sent: Sent,
    cpu: f64,
}

pub(crate) async fn measure(engine: Engine, options: &Options, folder: &Path) {
    let wants = |part: &str| options.parts.iter().any(|wanted| wanted == part);
    if ["reads", "memory", "steady", "restart", "soak"]
        .iter()
        .any(|part| wants(part))
    {
        let fill = Fill {
            notices: options.notices,
            mixed: false,
            paid: 0,
        };
        let Some(mut stage) = Stage::open(engine, options, folder, fill).await else {
            println!("PostgreSQL is not on this machine: not measured\n");
            return;
        };
        let notices = grouped(options.notices as f64, 0);
        println!(
            "{engine:?}, {notices} notices, {} rounds: median (min .. max)",
            options.rounds
        );
        if wants("reads") {
            stage.reads().await;
        }
        if wants("memory") {
            stage.memory().await;
        }
        if wants("steady") {
            stage.steady().await;
        }
        if wants("restart") {
            stage.restart().await;
        }
        if wants("soak") {
            stage.soak().await;
        }
        stage.database.remove().await;
    }
    if wants("history") {
        history(engine, options, folder).await;
    }
    println!();
}

fn line(label: &str, figure: &str) {
    println!("  {label:<50}{figure}");
}

fn spread(label: &str, decimals: usize, values: impl IntoIterator<Item = f64>) {
    line(label, &format!("{:.decimals$}", Spread::of(values)));
}

impl<'o> Stage<'o> {
    async fn open(
        engine: Engine,
        options: &'o Options,
        folder: &'o Path,
        fill: Fill,
    ) -> Option<Stage<'o>> {
        let database = Database::fresh(engine).await?;
        prepare(&database, fill).await;
        let store = Store::open(&config(&database).database).await.unwrap();
        let new = NewKey {
            creditor: &CreditorCode::parse(TOWN).unwrap(),
            name: "bench",
            scopes: &Scope::ALL,
        };
        let now = Clock::System.now();
        let key = create(&store, &Ids::default(), &new, now).await.unwrap();
        store.close().await;
        Some(Stage {
            options,
            folder,
            database,
            notices: fill.notices,
            next: fill.paid + 1,
            key,
        })
    }

    async fn start(&self, tls: bool) -> Program {
        Program::start(&self.database, self.folder, tls).await
    }

    fn order(&self, program: &Program, kind: Kind, connections: usize, time: Duration) -> Order {
        Order {
            address: match kind {
                Kind::Create => program.web,
                _ => program.node,
            },
            kind,
            connections,
            millis: u64::try_from(time.as_millis()).unwrap(),
            first: match kind {
                Kind::Receipt => self.next,
                _ => self.next.max(self.notices / 2),
            },
            end: self.notices + 1,
            rate: None,
            key: (kind == Kind::Create).then(|| self.key.clone()),
            tls: None,
        }
    }

    /// Sends, and looks at the processor time of a process.
    async fn load(&mut self, order: &Order, pid: u32) -> Load {
        let before = cpu_of(pid);
        let sent = elsewhere(order).await;
        let cpu = (cpu_of(pid) - before) / sent.answers as f64;
        if order.kind == Kind::Receipt {
            self.next += sent.answers;
            assert!(self.next < order.end, "too few notices: --notices");
        }
        Load { sent, cpu }
    }

    /// Verify and get beside a handler that does nothing; verify with mutual TLS.
    async fn reads(&mut self) {
        let time = Duration::from_secs(self.options.seconds);
        let (plain, open, closed) = (
            Plain::start(),
            self.start(false).await,
            self.start(true).await,
        );
        let mut rounds: Vec<[Load; 6]> = vec![];
        for round in 0..=self.options.rounds {
            let mut loads = vec![];
            for (kind, connections, tls) in [
                (Kind::Plain, CONNECTIONS, false),
                (Kind::Verify, CONNECTIONS, false),
                (Kind::Get, CONNECTIONS, false),
                (Kind::Verify, CONNECTIONS, true),
                (Kind::Plain, 1, false),
                (Kind::Verify, 1, false),
            ] {
                let program = if tls { &closed } else { &open };
                let mut order = self.order(program, kind, connections, time);
                order.tls = tls.then(|| self.folder.to_owned());
                let mut pid = program.pid();
                if kind == Kind::Plain {
                    (order.address, pid) = (plain.address, plain.pid());
                }
                loads.push(self.load(&order, pid).await);
            }
            // The first one is to get warm.
            if round > 0 {
                rounds.push(loads.try_into().unwrap_or_else(|_| unreachable!()));
            }
        }
        let names = [
            "nothing",
            "verify",
            "get",
            "verify, mutual TLS",
            "nothing, 1",
            "verify, 1",
        ];
        for (at, name) in names.into_iter().enumerate() {
            let of = |value: fn(&Load) -> f64| rounds.iter().map(move |round| value(&round[at]));
            spread(
                &format!("{name}: answers/s"),
                0,
                of(|load| load.sent.rate()),
            );
            spread(&format!("{name}: CPU in us"), 1, of(|load| load.cpu));
            spread(
                &format!("{name}: p50 in ms"),
                2,
                of(|load| load.sent.p50 as f64 / 1e3),
            );
            spread(
                &format!("{name}: p99 in ms"),
                2,
                of(|load| load.sent.p99 as f64 / 1e3),
            );
        }
        for (at, name) in [(1, "verify"), (2, "get")] {
            let share = rounds
                .iter()
                .map(|r| 100.0 * r[at].sent.rate() / r[0].sent.rate());
            spread(
                &format!("{name}: % of the handler that does nothing"),
                0,
                share,
            );
        }
        let tls = rounds.iter().map(|r| r[3].cpu / r[1].cpu);
        spread("mutual TLS: CPU beside that without", 2, tls);
    }

    /// Memory of the process.
    async fn memory(&mut self) {
        let time = Duration::from_secs(self.options.seconds * 2);
        let program = self.start(false).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        line(
            "memory after the start, MiB",
            &format!("{:>10.1}", memory_of(program.pid()).0),
        );
        for (kind, name) in [(Kind::Verify, "verify"), (Kind::Receipt, "receipts")] {
            let order = self.order(&program, kind, 256, time);
            self.load(&order, program.pid()).await;
            let (now, most) = memory_of(program.pid());
            let label = format!("memory, {name} from 256 connections: now, most");
            line(&label, &format!("{now:>10.1}{most:>10.1}"));
        }
    }

    /// Receipts at a steady pace, alone and while a portal creates notices as fast as it can.
    async fn steady(&mut self) {
        let time = Duration::from_secs(self.options.steady);
        let program = self.start(false).await;
        for creators in [0, 1, 8] {
            let mut order = self.order(&program, Kind::Receipt, CONNECTIONS, time);
            order.rate = Some(PACE);
            let create = self.order(&program, Kind::Create, creators, time);
            let beside = async {
                match creators {
                    0 => 0.0,
                    _ => elsewhere(&create).await.rate(),
                }
            };
            let (load, created) = tokio::join!(self.load(&order, program.pid()), beside);
            let label = format!("{PACE} receipts/s, {created:.0} notices created/s");
            let [p50, p99, max] =
                [load.sent.p50, load.sent.p99, load.sent.max].map(|t| t as f64 / 1e3);
            line(
                &label,
                &format!("p50 {p50:.1}  p99 {p99:.1}  max {max:.1} ms"),
            );
        }
    }

    /// Killed under load, and started again.
    async fn restart(&mut self) {
        let mut times = vec![];
        for _ in 0..self.options.rounds {
            let mut program = self.start(false).await;
            let mut order = self.order(&program, Kind::Receipt, 16, Duration::from_secs(2));
            self.load(&order, program.pid()).await;
            order.first = self.next;
            let sender = tokio::spawn(async move { to_the_end(&order).await });
            tokio::time::sleep(Duration::from_secs(1)).await;
            program.kill();
            sender.await.unwrap();
            self.next += FASTEST;
            times.push(self.start(false).await.ready.as_micros() as f64 / 1e3);
        }
        spread("from the start after a kill to an answer, ms", 0, times);
    }

    /// Mixed load for minutes, with a look at the memory.
    async fn soak(&mut self) {
        let minutes = self.options.minutes;
        let program = self.start(false).await;
        let slice = Duration::from_secs(30);
        let mut seen = vec![];
        for step in 1..=minutes * 2 {
            let mut orders: Vec<Order> = [
                (Kind::Receipt, 100),
                (Kind::Verify, 300),
                (Kind::Get, 300),
                (Kind::Create, 20),
            ]
            .into_iter()
            .map(|(kind, rate)| Order {
                rate: Some(rate),
                ..self.order(&program, kind, 16, slice)
            })
            .collect();
            let receipts = orders.remove(0);
            let pid = program.pid();
            let others = orders.iter().map(elsewhere);
            tokio::join!(
                self.load(&receipts, pid),
                futures_util::future::join_all(others)
            );
            let (now, most) = memory_of(pid);
            let minute = step as f64 / 2.0;
            line(
                &format!("after {minute} minutes: MiB now, most"),
                &format!("{now:>10.1}{most:>10.1}"),
            );
            seen.push((minute, now));
        }
        line(
            "MiB an hour, by the second half",
            &format!("{:>10.1}", 60.0 * slope(&seen[seen.len() / 2..])),
        );
    }
}

/// The slope of the straight line nearest to these points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let top: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    top / points
        .iter()
        .map(|point| (point.0 - x).powi(2))
        .sum::<f64>()
}

/// Receipts with none stored, and with a million.
async fn history(engine: Engine, options: &Options, folder: &Path) {
    let open = (u64::from(options.rounds) + 1) * options.seconds * FASTEST;
    let mut stages = vec![];
    for paid in [0, options.notices] {
        let fill = Fill {
            notices: paid + open,
            mixed: false,
            paid,
        };
        match Stage::open(engine, options, folder, fill).await {
            Some(stage) => stages.push(stage),
            None => return,
        }
    }
    let programs = [stages[0].start(false).await, stages[1].start(false).await];
    let mut rates = [vec![], vec![]];
    for round in 0..=options.rounds {
        for ((stage, program), rates) in stages.iter_mut().zip(&programs).zip(&mut rates) {
            let time = Duration::from_secs(options.seconds);
            let order = stage.order(program, Kind::Receipt, CONNECTIONS, time);
            let load = stage.load(&order, program.pid()).await;
            if round > 0 {
                rates.push(load.sent.rate());
            }
        }
    }
    let [none, many] = rates;
    spread("receipts/s with none stored", 0, none.iter().copied());
    let label = format!(
        "receipts/s with {} stored",
        grouped(options.notices as f64, 0)
    );
    spread(&label, 0, many.iter().copied());
    let ratios = many.iter().zip(&none).map(|(many, none)| many / none);
    spread("ratio of the two", 2, ratios);
    drop(programs);
    for stage in stages {
        stage.database.remove().await;
    }
}
