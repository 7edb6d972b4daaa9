//! Leases: a job runs in one process at a time, also when several share a database.

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;

statements! {
    /// Free, expired, absurdly long, or ours already.
    TAKE = "INSERT INTO jobs (name, holder, lease_until, started_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
        lease_until = excluded.lease_until, started_at = excluded.started_at \
        WHERE jobs.lease_until <= $4 OR jobs.lease_until > $5 OR jobs.holder = $2 RETURNING name";

    GIVE = "UPDATE jobs SET lease_until = $3, finished_at = $3, last_error = $4 \
        WHERE name = $1 AND holder = $2 RETURNING name";

    LIST = "SELECT name, started_at, finished_at, last_error FROM jobs ORDER BY name";
}

/// How a job's last run went.
#[derive(Debug, Clone)]
pub struct JobRun {
    /// The job.
    pub name: String,
    /// When the last run began.
    pub started_at: Instant,
    /// When the last finished run ended.
    pub finished_at: Option<Instant>,
    /// What went wrong in it.
    pub last_error: Option<String>,
}

/// A lease that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Lease<'a> {
    /// Of which job.
    pub job: &'a str,
    /// By whom.
    pub holder: &'a str,
    /// Since when.
    pub now: Instant,
    /// Until when.
    pub until: Instant,
    /// An end that no lease can have: one that lasts longer does not count.
    pub absurd: Instant,
}

/// Takes or renews the lease of a job; false when another holder has it.
///
/// # Errors
/// The database failed.
pub async fn take(conn: &mut Conn, lease: &Lease<'_>) -> Result<bool, StoreError> {
    let row = sqlx::query(TAKE)
        .bind(lease.job)
        .bind(lease.holder)
        .bind(lease.until.to_string())
        .bind(lease.now.to_string())
        .bind(lease.absurd.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Gives the lease back and records how the run went.
///
/// # Errors
/// The database failed.
pub async fn give(
    conn: &mut Conn,
    job: &str,
    holder: &str,
    now: Instant,
    error: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(GIVE)
        .bind(job)
        .bind(holder)
        .bind(now.to_string())
        .bind(error)
        .execute(conn)
        .await?;
    Ok(())
}

/// How the last run of each job went.
///
/// # Errors
/// The database failed.
pub async fn list(conn: &mut Conn) -> Result<Vec<JobRun>, StoreError> {
    let rows = sqlx::query(LIST).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let columns = Columns { table: "jobs", row };
            Ok(JobRun {
                name: columns.text("name")?,
                started_at: columns.instant("started_at")?,
                finished_at: columns.optional("finished_at", Instant::parse)?,
                last_error: columns.optional_text("last_error")?,
            })
        })
        .collect()
}
