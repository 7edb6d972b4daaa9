//! Jobs: what must be done although nobody is asking.
//!
//! A job is a reconciler: it takes no input, reads what is owed and what is done, does a bounded
//! amount of it and may be run again at any moment. It calls the network between transactions,
//! never inside one. A lease in the store keeps two processes from running the same job at once;
//! should that fail, every job is still harmless to run twice.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::domain::day::Instant;
use crate::metrics::Metrics;
use crate::point;
use crate::store::leases::Lease;
use crate::store::{Store, StoreError, leases};

/// What a run of a job says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do at once.
    More,
    /// Nothing more now, and not before this instant (or the usual pause).
    Rest {
        /// When something will be due, if that is known.
        until: Option<Instant>,
    },
    /// There is something to do, and it cannot be done before somebody helps: such a run counts as
    /// one that failed.
    Held {
        /// When it is tried again all the same.
        until: Instant,
        /// What is wrong, for whoever lists the jobs.
        why: &'static str,
    },
}

impl Progress {
    /// What two halves of a run say together: whatever is more pressing.
    pub fn and(self, other: Progress) -> Progress {
        match (self, other) {
            (held @ Progress::Held { .. }, _) | (_, held @ Progress::Held { .. }) => held,
            (Progress::More, _) | (_, Progress::More) => Progress::More,
            (Progress::Rest { until: one }, Progress::Rest { until: two }) => Progress::Rest {
                until: one.into_iter().chain(two).min(),
            },
        }
    }
}

/// A run failed; it will be run again.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The run died of a fault of ours.
    #[error("the run died")]
    Died,
    /// The desk could not do it.
    #[error("the desk failed")]
    Desk(#[from] crate::desk::DeskError),
}

/// One run of a job.
pub type Run = Pin<Box<dyn Future<Output = Result<Progress, JobError>> + Send>>;

/// A job.
#[derive(Clone)]
pub struct Job {
    /// Its name, in the store and on the command line.
    pub name: &'static str,
    /// The usual pause between two runs.
    pub every: Duration,
    /// Rings when there is something to do before the pause is over.
    pub nudge: Arc<Notify>,
    /// Does a bounded amount of work.
    pub run: Arc<dyn Fn() -> Run + Send + Sync>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// How long a lease lasts when nobody renews it, in seconds: after a crash the work stands still for
/// no longer.
const LEASE_S: i64 = 15;
/// A run renews its lease after so long.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Pause after a run that failed.
const PAUSE: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// The lease of the run that goes on in this task.
    static TENURE: Tenure;
}

/// Whether the run that asks still has its job for itself. A run whose order of calls matters asks
/// before each of them: once another process may have begun, what this one has read is old. Without a
/// lease there is nobody to share with.
pub fn is_ours() -> bool {
    TENURE.try_with(Tenure::holds).unwrap_or(true)
}

/// What a run knows of its lease. By its own clock, so that it also ends for a process that was held
/// up and could renew nothing; and for good, since another one may have come and gone meanwhile.
#[derive(Debug, Clone)]
struct Tenure {
    clock: Clock,
    /// Milliseconds since 1970.
    until: Arc<AtomicI64>,
}

impl Tenure {
    fn holds(&self) -> bool {
        self.clock.now().as_millis() < self.until.load(Ordering::SeqCst)
    }

    fn extend(&self, until: Instant) {
        if self.holds() {
            self.until.store(until.as_millis(), Ordering::SeqCst);
        } else {
            self.end();
        }
    }

    fn end(&self) {
        self.until.store(i64::MIN, Ordering::SeqCst);
    }
}

/// Runs jobs until it is told to stop.
#[derive(Debug)]
pub struct Runner {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Who runs a job, for its lease.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The store with the leases.
    pub store: Store,
    /// The clock of the leases.
    pub clock: Clock,
    /// The name of this process.
    pub name: String,
    /// What is counted.
    pub metrics: Metrics,
}

impl Runner {
    /// Starts the jobs, each in a task of its own.
    pub fn start(jobs: Vec<Job>, holder: &Holder) -> Runner {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for job in jobs {
            tasks.spawn(repeat(job, holder.clone(), stopped.clone()));
        }
        Runner { tasks, stop }
    }

    /// Lets every job finish its run.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a job ended badly");
            }
        }
    }
}

impl Holder {
    /// Takes or renews the lease of a job; false when another process has it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn take(&self, job: &str) -> Result<bool, StoreError> {
        Ok(self.lease(job).await?.is_some())
    }

    /// The same, with the end of the lease.
    async fn lease(&self, job: &str) -> Result<Option<Instant>, StoreError> {
        let now = self.clock.now();
        let until = now.plus_seconds(LEASE_S);
        let mut tx = self.store.write().await?;
        let lease = Lease {
            job,
            holder: &self.name,
            now,
            until,
            // A lease that ends later than any could is of a clock that was wrong.
            absurd: now.plus_seconds(2 * LEASE_S),
        };
        let taken = leases::take(&mut tx, &lease).await?;
        tx.commit().await?;
        point::reach("lease.taken");
        Ok(taken.then_some(until))
    }

    /// Runs a job once under its lease, renewing it meanwhile; nothing when another process has it.
    ///
    /// # Errors
    /// The store failed, or the run did.
    pub async fn run(&self, job: &Job) -> Result<Option<Progress>, JobError> {
        let Some(until) = self.lease(job.name).await? else {
            return Ok(None);
        };
        let tenure = Tenure {
            clock: self.clock.clone(),
            until: Arc::new(AtomicI64::new(until.as_millis())),
        };
        // In a task of its own, so that a panic in it is an error of the run and not the end of it;
        // in a set, so that it ends when nobody waits for it any more.
        let mut run = JoinSet::new();
        run.spawn(TENURE.scope(tenure.clone(), (job.run)()));
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.reset();
        let ended = loop {
            tokio::select! {
                ended = run.join_next() => break match ended {
                    Some(Ok(ended)) => ended,
                    Some(Err(_)) | None => Err(JobError::Died),
                },
                _ = beat.tick() => self.renew(job.name, &tenure).await,
            }
        };
        if let Err(JobError::Store(_)) = &ended {
            self.metrics.store_error("job");
        }
        let is_well = matches!(&ended, Ok(Progress::More | Progress::Rest { .. }));
        self.metrics.job(job.name, is_well, self.clock.now());
        let error = match &ended {
            Ok(Progress::Held { why, .. }) => Some((*why).to_owned()),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        self.give(job.name, error.as_deref()).await?;
        ended.map(Some)
    }

    /// Renews the lease of a run that goes on. When that fails the run goes on all the same: what it
    /// does may be done twice, and a run for which that is not so asks [`is_ours`].
    async fn renew(&self, job: &str, tenure: &Tenure) {
        match self.lease(job).await {
            Ok(Some(until)) => tenure.extend(until),
            Ok(None) => {
                tenure.end();
                tracing::warn!(job, "another process has taken the lease");
            }
            Err(error) => tracing::warn!(
                job,
                error = &error as &dyn std::error::Error,
                "the lease could not be renewed"
            ),
        }
    }

    /// Gives the lease back and records how the last run went.
    ///
    /// # Errors
    /// The store failed.
    pub async fn give(&self, job: &str, error: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        leases::give(&mut tx, job, &self.name, self.clock.now(), error).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn repeat(job: Job, holder: Holder, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow_and_update() {
        let pause = match holder.run(&job).await {
            Ok(Some(Progress::More)) => continue,
            Ok(Some(Progress::Rest { until })) => {
                until.map_or(job.every, |until| pause(&job, &holder, until))
            }
            Ok(Some(Progress::Held { until, .. })) => pause(&job, &holder, until),
            Ok(None) => job.every,
            Err(error) => {
                tracing::error!(
                    job = job.name,
                    error = &error as &dyn std::error::Error,
                    "a job failed and will be run again"
                );
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = job.nudge.notified() => {}
            _ = stopped.changed() => {}
        }
    }
}

/// How long a job rests until an instant: never longer than usual.
fn pause(job: &Job, holder: &Holder, until: Instant) -> Duration {
    let millis = until.as_millis() - holder.clock.now().as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(job.every)
}
