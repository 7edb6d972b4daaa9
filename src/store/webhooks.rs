//! Where portals want to be called, and what each of these endpoints is owed.

use secrecy::{ExposeSecret, SecretString};
use sqlx::any::AnyRow;

use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::{DeliveryId, EndpointId, EventId};
use crate::domain::party::CreditorCode;

/// The columns of an endpoint.
macro_rules! endpoint_columns {
    () => {
        "w.id, w.creditor, w.url, w.types, w.secret, w.previous_secret, w.previous_until, \
         w.created_at, w.failing_since, w.disabled_at, w.disabled_for"
    };
}

/// The columns of a delivery with its event.
macro_rules! delivery_columns {
    () => {
        "d.id, d.endpoint, d.state, d.attempts, d.owed_since, d.next_attempt_at, d.created_at, \
         d.closed_at, d.last_status, d.last_error, e.id AS event, e.type, w.url"
    };
}

statements! {
    INSERT_ENDPOINT = "INSERT INTO webhook_endpoints (id, creditor, url, types, secret, \
        created_at) VALUES ($1, $2, $3, $4, $5, $6)";

    ENDPOINT = concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints w \
        WHERE w.creditor = $1 AND w.id = $2 AND w.deleted_at IS NULL");

    ENDPOINTS = concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints w \
        WHERE w.creditor = $1 AND w.id < $2 AND w.deleted_at IS NULL \
        ORDER BY w.id DESC LIMIT $3");

    /// Those that are told of what happens now.
    LISTENING = "SELECT id, creditor, types FROM webhook_endpoints \
        WHERE disabled_at IS NULL AND deleted_at IS NULL ORDER BY id";

    CHANGE = "UPDATE webhook_endpoints SET url = $3, types = $4, disabled_at = $5, \
        disabled_for = $6, failing_since = $7 \
        WHERE creditor = $1 AND id = $2 AND deleted_at IS NULL RETURNING id";

    ROTATE = "UPDATE webhook_endpoints SET previous_secret = secret, previous_until = $4, \
        secret = $3 WHERE creditor = $1 AND id = $2 AND deleted_at IS NULL RETURNING id";

    DELETE = "UPDATE webhook_endpoints SET deleted_at = $3, secret = '', previous_secret = NULL \
        WHERE creditor = $1 AND id = $2 AND deleted_at IS NULL RETURNING id";

    FAILING = "UPDATE webhook_endpoints SET failing_since = $2 \
        WHERE id = $1 AND failing_since IS NULL";

    WELL = "UPDATE webhook_endpoints SET failing_since = NULL \
        WHERE id = $1 AND failing_since IS NOT NULL";

    DISABLE = "UPDATE webhook_endpoints SET disabled_at = $2, disabled_for = $3 \
        WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL RETURNING id";

    /// What an endpoint is owed when it is not called any more.
    GIVE_UP_ALL = "UPDATE webhook_deliveries SET state = 'failed', closed_at = $2, last_error = $3 \
        WHERE endpoint = $1 AND state = 'owed'";

    DUE = concat!("SELECT ", delivery_columns!(), ", e.creditor, e.created_at AS happened_at, \
        e.data, w.secret, w.previous_secret, w.previous_until, w.failing_since \
        FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint \
        JOIN events e ON e.position = d.position \
        WHERE d.state = 'owed' AND d.next_attempt_at <= $1 \
        ORDER BY d.next_attempt_at, d.position LIMIT $2");

    NEXT_DUE = "SELECT next_attempt_at FROM webhook_deliveries WHERE state = 'owed' \
        ORDER BY next_attempt_at LIMIT 1";

    CLOSE = "UPDATE webhook_deliveries SET state = $2, attempts = attempts + 1, closed_at = $3, \
        last_status = $4, last_error = $5 WHERE id = $1 AND state = 'owed'";

    POSTPONE = "UPDATE webhook_deliveries SET attempts = attempts + 1, next_attempt_at = $2, \
        last_status = $3, last_error = $4 WHERE id = $1 AND state = 'owed'";

    /// The rest of an endpoint waits with the one that failed.
    HOLD = "UPDATE webhook_deliveries SET next_attempt_at = $2 \
        WHERE endpoint = $1 AND state = 'owed' AND next_attempt_at < $2";

    DELIVERY = concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries d \
        JOIN webhook_endpoints w ON w.id = d.endpoint JOIN events e ON e.position = d.position \
        WHERE d.creditor = $1 AND d.id = $2");

    DELIVERIES = concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries d \
        JOIN webhook_endpoints w ON w.id = d.endpoint JOIN events e ON e.position = d.position \
        WHERE d.creditor = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3");

    DELIVERIES_BY_STATE = concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries d \
        JOIN webhook_endpoints w ON w.id = d.endpoint JOIN events e ON e.position = d.position \
        WHERE d.creditor = $1 AND d.state = $2 AND d.id < $3 ORDER BY d.id DESC LIMIT $4");

    RESEND = "UPDATE webhook_deliveries SET state = 'owed', owed_since = $3, \
        next_attempt_at = $3, closed_at = NULL WHERE creditor = $1 AND id = $2 \
        AND endpoint IN (SELECT id FROM webhook_endpoints WHERE disabled_at IS NULL \
        AND deleted_at IS NULL) RETURNING id";

    FORGET = "DELETE FROM webhook_deliveries WHERE state <> 'owed' AND id IN \
        (SELECT id FROM webhook_deliveries WHERE state <> 'owed' AND closed_at < $1 LIMIT $2)";
}

sheets! {
    OWE = ("INSERT INTO webhook_deliveries (id, creditor, endpoint, position, state, attempts, \
        owed_since, next_attempt_at, created_at)",
        "?, ?, ?, CAST(? AS BIGINT), 'owed', 0, ?, ?, ?", "");
}

/// After every id: where the first page of a list begins.
const TOP: &str = "z";

/// Where a portal wants to be called.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Our id.
    pub id: EndpointId,
    /// Whose.
    pub creditor: CreditorCode,
    /// The address.
    pub url: String,
    /// What it wants to hear; empty for everything.
    pub kinds: Vec<EventKind>,
    /// What signs.
    pub secret: SecretString,
    /// What signs beside it, and until when.
    pub previous: Option<(SecretString, Instant)>,
    /// Since when it exists.
    pub created_at: Instant,
    /// Since when every call fails.
    pub failing_since: Option<Instant>,
    /// Since when it is not called, and why.
    pub disabled: Option<(Instant, String)>,
}

/// An endpoint, as far as it decides what it is told.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Which.
    pub id: EndpointId,
    /// Whose.
    pub creditor: CreditorCode,
    /// What it wants to hear; empty for everything.
    pub kinds: Vec<EventKind>,
}

/// An event that an endpoint is owed from an instant on.
#[derive(Debug, Clone)]
pub struct Debit {
    /// Our id.
    pub id: DeliveryId,
    /// Whose.
    pub creditor: CreditorCode,
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// The place of the event.
    pub position: i64,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is sent until it is taken.
    Owed,
    /// It was taken.
    Delivered,
    /// It is not sent any more.
    Failed,
}

impl State {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Owed => "owed",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }

    /// The state written as [`State::as_str`] writes it.
    pub fn parse(text: &str) -> Option<State> {
        [State::Owed, State::Delivered, State::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The address.
    pub url: String,
    /// Which event.
    pub event: EventId,
    /// What it says.
    pub kind: EventKind,
    /// Where it stands.
    pub state: State,
    /// Tries so far.
    pub attempts: i64,
    /// Since when it is owed.
    pub owed_since: Instant,
    /// Not before this instant again.
    pub next_attempt_at: Instant,
    /// When it was first owed.
    pub created_at: Instant,
    /// When it left the outbox.
    pub closed_at: Option<Instant>,
    /// The HTTP status of the last answer; 0 when there was none.
    pub last_status: Option<i64>,
    /// What was wrong with it.
    pub last_error: Option<String>,
}

/// A delivery that is due, with everything that is needed to send it.
#[derive(Debug, Clone)]
pub struct Due {
    /// The delivery.
    pub delivery: Delivery,
    /// The event.
    pub event: Event,
    /// What signs.
    pub secret: SecretString,
    /// What signs beside it, and until when.
    pub previous: Option<(SecretString, Instant)>,
    /// Since when every call of the endpoint fails.
    pub failing_since: Option<Instant>,
}

/// What became of a try.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which delivery.
    pub id: DeliveryId,
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
    /// What was wrong with it.
    pub error: Option<String>,
    /// What happens next.
    pub next: Next,
}

/// What happens to a delivery after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It leaves the outbox.
    Close(State),
    /// It is sent again, not before this instant.
    Again(Instant),
}

/// Keeps a new endpoint.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, endpoint: &Endpoint) -> Result<(), StoreError> {
    sqlx::query(INSERT_ENDPOINT)
        .bind(endpoint.id.as_str())
        .bind(endpoint.creditor.as_str())
        .bind(endpoint.url.as_str())
        .bind(words(&endpoint.kinds))
        .bind(endpoint.secret.expose_secret())
        .bind(endpoint.created_at.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// A creditor's endpoint.
///
/// # Errors
/// The database failed.
pub async fn endpoint(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &EndpointId,
) -> Result<Option<Endpoint>, StoreError> {
    let row = sqlx::query(ENDPOINT)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read_endpoint).transpose()
}

/// A page of a creditor's endpoints, newest first.
///
/// # Errors
/// The database failed.
pub async fn endpoints(
    conn: &mut Conn,
    creditor: &CreditorCode,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Endpoint>, StoreError> {
    let rows = sqlx::query(ENDPOINTS)
        .bind(creditor.as_str())
        .bind(before.unwrap_or(TOP))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(read_endpoint).collect()
}

/// The endpoints, of all creditors, that are told of what happens now.
///
/// # Errors
/// The database failed.
pub async fn listening(conn: &mut Conn) -> Result<Vec<Listening>, StoreError> {
    let rows = sqlx::query(LISTENING).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let columns = endpoints_of(row);
            Ok(Listening {
                id: EndpointId::new(columns.text("id")?),
                creditor: columns.parsed("creditor", CreditorCode::parse)?,
                kinds: kinds(&columns)?,
            })
        })
        .collect()
}

/// Keeps address, types and whether it is called; false when it has gone.
///
/// # Errors
/// The database failed.
pub async fn change(conn: &mut Conn, endpoint: &Endpoint) -> Result<bool, StoreError> {
    let disabled = endpoint.disabled.as_ref();
    let row = sqlx::query(CHANGE)
        .bind(endpoint.creditor.as_str())
        .bind(endpoint.id.as_str())
        .bind(endpoint.url.as_str())
        .bind(words(&endpoint.kinds))
        .bind(disabled.map(|(at, _)| at.to_string()))
        .bind(disabled.map(|(_, why)| why.as_str()))
        .bind(endpoint.failing_since.map(|at| at.to_string()))
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Exchanges the secret; the old one signs beside it until an instant. False when it has gone.
///
/// # Errors
/// The database failed.
pub async fn rotate(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &EndpointId,
    secret: &SecretString,
    until: Instant,
) -> Result<bool, StoreError> {
    let row = sqlx::query(ROTATE)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .bind(secret.expose_secret())
        .bind(until.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Forgets an endpoint with its secrets; false when it has gone already.
///
/// # Errors
/// The database failed.
pub async fn delete(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &EndpointId,
    now: Instant,
) -> Result<bool, StoreError> {
    let row = sqlx::query(DELETE)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .bind(now.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    if row.is_some() {
        give_up_all(conn, id, now, "the endpoint was deleted").await?;
    }
    Ok(row.is_some())
}

/// Ends what an endpoint is owed.
///
/// # Errors
/// The database failed.
pub async fn give_up_all(
    conn: &mut Conn,
    id: &EndpointId,
    now: Instant,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(GIVE_UP_ALL)
        .bind(id.as_str())
        .bind(now.to_string())
        .bind(why)
        .execute(conn)
        .await?;
    Ok(())
}

/// Calls an endpoint no more; false when it is not called already.
///
/// # Errors
/// The database failed.
pub async fn disable(
    conn: &mut Conn,
    id: &EndpointId,
    now: Instant,
    why: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query(DISABLE)
        .bind(id.as_str())
        .bind(now.to_string())
        .bind(why)
        .fetch_optional(&mut *conn)
        .await?;
    if row.is_some() {
        give_up_all(conn, id, now, "the endpoint was disabled").await?;
    }
    Ok(row.is_some())
}

/// Notes that a call of an endpoint has failed, or that one has not.
///
/// # Errors
/// The database failed.
pub async fn note(
    conn: &mut Conn,
    id: &EndpointId,
    failing_since: Option<Instant>,
) -> Result<(), StoreError> {
    let query = match failing_since {
        Some(since) => sqlx::query(FAILING)
            .bind(id.as_str())
            .bind(since.to_string()),
        None => sqlx::query(WELL).bind(id.as_str()),
    };
    query.execute(conn).await?;
    Ok(())
}

/// Owes events to endpoints.
///
/// # Errors
/// The database failed.
pub async fn owe(conn: &mut Conn, debits: &[Debit], now: Instant) -> Result<(), StoreError> {
    let now = now.to_string();
    let rows = Rows::of(debits, |row, debit| {
        row.bind(debit.id.as_str())
            .bind(debit.creditor.as_str())
            .bind(debit.endpoint.as_str())
            .bind(debit.position)
            .bind(now.as_str())
            .bind(now.as_str())
            .bind(now.as_str());
    });
    Bundle::of(&OWE, rows).run(conn).await?;
    Ok(())
}

/// What is to be sent now, oldest first.
///
/// # Errors
/// The database failed.
pub async fn due(conn: &mut Conn, now: Instant, limit: i64) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(now.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let delivery = read_delivery(row)?;
            let columns = endpoints_of(row);
            Ok(Due {
                event: Event {
                    id: delivery.event.clone(),
                    creditor: columns.parsed("creditor", CreditorCode::parse)?,
                    kind: delivery.kind,
                    created_at: columns.instant("happened_at")?,
                    data: columns.text("data")?,
                },
                secret: columns.text("secret")?.into(),
                previous: previous(&columns)?,
                failing_since: columns.optional("failing_since", Instant::parse)?,
                delivery,
            })
        })
        .collect()
}

/// When the next delivery is due, if any is owed.
///
/// # Errors
/// The database failed.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Instant>, StoreError> {
    let row = sqlx::query(NEXT_DUE).fetch_optional(conn).await?;
    row.map(|row| {
        Columns {
            table: "webhook_deliveries",
            row: &row,
        }
        .instant("next_attempt_at")
    })
    .transpose()
}

/// Writes down what became of a try. A delivery that is not owed any more is left as it is.
///
/// # Errors
/// The database failed.
pub async fn record(conn: &mut Conn, outcome: &Outcome, now: Instant) -> Result<(), StoreError> {
    let query = match outcome.next {
        Next::Close(state) => sqlx::query(CLOSE)
            .bind(outcome.id.as_str())
            .bind(state.as_str())
            .bind(now.to_string()),
        Next::Again(at) => sqlx::query(POSTPONE)
            .bind(outcome.id.as_str())
            .bind(at.to_string()),
    };
    query
        .bind(i64::from(outcome.status))
        .bind(outcome.error.as_deref())
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets everything that an endpoint is owed wait.
///
/// # Errors
/// The database failed.
pub async fn hold(conn: &mut Conn, id: &EndpointId, until: Instant) -> Result<(), StoreError> {
    sqlx::query(HOLD)
        .bind(id.as_str())
        .bind(until.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// A creditor's delivery.
///
/// # Errors
/// The database failed.
pub async fn delivery(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    let row = sqlx::query(DELIVERY)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read_delivery).transpose()
}

/// A page of a creditor's deliveries, newest first.
///
/// # Errors
/// The database failed.
pub async fn deliveries(
    conn: &mut Conn,
    creditor: &CreditorCode,
    state: Option<State>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let query = match state {
        Some(state) => sqlx::query(DELIVERIES_BY_STATE)
            .bind(creditor.as_str())
            .bind(state.as_str()),
        None => sqlx::query(DELIVERIES).bind(creditor.as_str()),
    };
    let query = query.bind(before.unwrap_or(TOP)).bind(limit);
    let rows = query.fetch_all(conn).await?;
    rows.iter().map(read_delivery).collect()
}

/// Owes a delivery again from now on; false when its endpoint is not called any more.
///
/// # Errors
/// The database failed.
pub async fn resend(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &DeliveryId,
    now: Instant,
) -> Result<bool, StoreError> {
    let row = sqlx::query(RESEND)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .bind(now.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Removes deliveries that left the outbox before an instant, at most `limit`; how many.
///
/// # Errors
/// The database failed.
pub async fn forget(conn: &mut Conn, before: Instant, limit: i64) -> Result<u64, StoreError> {
    Ok(sqlx::query(FORGET)
        .bind(before.to_string())
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}

fn endpoints_of(row: &AnyRow) -> Columns<'_> {
    Columns {
        table: "webhook_endpoints",
        row,
    }
}

fn words(kinds: &[EventKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    words.join(" ")
}

fn kinds(columns: &Columns<'_>) -> Result<Vec<EventKind>, StoreError> {
    columns.parsed("types", |text| {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| EventKind::parse(word).ok_or(()))
            .collect::<Result<Vec<_>, ()>>()
    })
}

fn previous(columns: &Columns<'_>) -> Result<Option<(SecretString, Instant)>, StoreError> {
    let secret = columns.optional_text("previous_secret")?;
    let until = columns.optional("previous_until", Instant::parse)?;
    Ok(secret.map(SecretString::from).zip(until))
}

fn read_endpoint(row: &AnyRow) -> Result<Endpoint, StoreError> {
    let columns = endpoints_of(row);
    let why = columns.optional_text("disabled_for")?;
    let disabled_at = columns.optional("disabled_at", Instant::parse)?;
    Ok(Endpoint {
        id: EndpointId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        url: columns.text("url")?,
        kinds: kinds(&columns)?,
        secret: columns.text("secret")?.into(),
        previous: previous(&columns)?,
        created_at: columns.instant("created_at")?,
        failing_since: columns.optional("failing_since", Instant::parse)?,
        disabled: disabled_at.map(|at| (at, why.unwrap_or_default())),
    })
}

fn read_delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    let columns = Columns {
        table: "webhook_deliveries",
        row,
    };
    Ok(Delivery {
        id: DeliveryId::new(columns.text("id")?),
        endpoint: EndpointId::new(columns.text("endpoint")?),
        url: columns.text("url")?,
        event: EventId::new(columns.text("event")?),
        kind: columns.parsed("type", |text| EventKind::parse(text).ok_or(()))?,
        state: columns.parsed("state", |text| State::parse(text).ok_or(()))?,
        attempts: columns.integer("attempts")?,
        owed_since: columns.instant("owed_since")?,
        next_attempt_at: columns.instant("next_attempt_at")?,
        created_at: columns.instant("created_at")?,
        closed_at: columns.optional("closed_at", Instant::parse)?,
        last_status: columns.optional_integer("last_status")?,
        last_error: columns.optional_text("last_error")?,
    })
}
