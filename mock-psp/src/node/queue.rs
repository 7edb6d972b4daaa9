//! How a receipt is tried, tried again and given up, and how time is moved ahead.

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::CLOCK;
use super::store::Delivery;
use crate::chaos::ReceiptTrouble;
use crate::psp::{Exchange, Fault, Mischief, exchange};
use crate::town::Shared;

/// What a try led to.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) result: Result<(), Fault>,
}

/// The try that belongs to the payment, at the same moment as so many copies of it.
pub(crate) async fn first_try(
    town: &Shared,
    owed: &Delivery,
    copies: u32,
) -> Result<Attempt, sqlx::Error> {
    let trouble = town.chaos.next_receipt_trouble().await;
    if let Some(ReceiptTrouble::Held { count }) = trouble {
        town.database
            .hold(owed.id, count, town.clock.instant())
            .await?;
        return Ok(Attempt {
            exchanges: Vec::new(),
            result: Ok(()),
        });
    }
    let trouble = match trouble {
        None if copies > 0 => Some(ReceiptTrouble::Parallel { count: copies }),
        trouble => trouble,
    };
    attempt(town, owed, trouble).await
}

/// Tries a receipt that has been claimed, with or without trouble, and writes down how it ended.
async fn attempt(
    town: &Shared,
    owed: &Delivery,
    trouble: Option<ReceiptTrouble>,
) -> Result<Attempt, sqlx::Error> {
    let chaos = match trouble {
        Some(ReceiptTrouble::NotSent) => Some(Mischief::NotSent),
        Some(ReceiptTrouble::ReplyLost) => Some(Mischief::ReplyLost),
        Some(ReceiptTrouble::ReplyLate) => Some(Mischief::ReplyLate),
        _ => None,
    };
    let mut others = JoinSet::new();
    if let Some(ReceiptTrouble::Parallel { count }) = trouble {
        for _ in 0..count {
            let (town, operation) = (town.clone(), owed.operation());
            let message = owed.message.clone();
            others.spawn(async move {
                exchange(&town, operation, message, Some(Mischief::Parallel)).await
            });
        }
    }
    let request = owed.message.clone();
    let (first, result) = exchange(town, owed.operation(), request, chaos).await;
    settle(town, owed, &first, &result).await?;
    let mut exchanges = vec![first];
    if let Some(ReceiptTrouble::Duplicate { count }) = trouble {
        for _ in 0..count {
            let request = owed.message.clone();
            let again = exchange(town, owed.operation(), request, Some(Mischief::Duplicate));
            exchanges.push(again.await.0);
        }
    }
    while let Some(other) = others.join_next().await {
        exchanges.extend(other.ok().map(|(exchange, _)| exchange));
    }
    Ok(Attempt {
        exchanges,
        result: result.map(|_| ()),
    })
}

/// A legal OK or KO ends it; anything else counts as a failed try.
async fn settle<T>(
    town: &Shared,
    owed: &Delivery,
    exchange: &Exchange,
    result: &Result<T, Fault>,
) -> Result<(), sqlx::Error> {
    let now = town.clock.instant();
    let database = &town.database;
    match result {
        Ok(_) => database.notified(owed.id, "OK", None, now).await,
        Err(fault) if exchange.is_refusal() => {
            let code = Some(fault.code.as_str());
            database.notified(owed.id, "KO", code, now).await
        }
        Err(fault) => {
            let detail = fault.description.as_deref().unwrap_or(&fault.string);
            let error = format!("{}: {detail}", fault.code);
            database.failed(owed.id, &error, now).await
        }
    }
}

/// Receipts were sent: those held back for them follow, in their old order.
pub(crate) async fn release(town: &Shared, passed: Vec<i64>) -> Result<(), sqlx::Error> {
    for id in passed {
        let sent = town.database.delivery(id).await?;
        if sent.is_none_or(|sent| sent.attempts == 0) {
            continue;
        }
        for owed in town.database.passed(id, town.clock.instant()).await? {
            retry(town, &owed).await?;
        }
    }
    Ok(())
}

/// Tries a receipt whose time has come, unless somebody else does; says whether it was tried.
async fn retry(town: &Shared, owed: &Delivery) -> Result<bool, sqlx::Error> {
    let Some(claimed) = town.database.claim(owed, town.clock.instant()).await? else {
        return Ok(false);
    };
    // What can be held back is only what was never tried.
    let trouble = town.chaos.next_receipt_trouble().await;
    let trouble = trouble.filter(|trouble| !matches!(trouble, ReceiptTrouble::Held { .. }));
    attempt(town, &claimed, trouble).await?;
    Ok(true)
}

/// Tries everything that is due, one after the other; says how many were tried.
pub(crate) async fn run_due(town: &Shared) -> Result<u64, sqlx::Error> {
    let _turn = town.queue_turn.lock().await;
    due_in_turn(town).await
}

async fn due_in_turn(town: &Shared) -> Result<u64, sqlx::Error> {
    let mut tried = 0;
    loop {
        let due = town.database.due(town.clock.instant()).await?;
        if due.is_empty() {
            return Ok(tried);
        }
        for owed in due {
            tried += u64::from(retry(town, &owed).await?);
        }
    }
}

/// Moves the world's time ahead, stopping wherever a try is due on the way; says how many there were.
pub(crate) async fn advance(town: &Shared, seconds: i64) -> Result<u64, sqlx::Error> {
    let _turn = town.queue_turn.lock().await;
    let target = town.clock.ahead_s().saturating_add(seconds);
    let mut tried = due_in_turn(town).await?;
    while let Some(next_ms) = town.database.next_due_ms().await? {
        let now_ms = town.clock.instant().as_millisecond();
        let wait_ms = next_ms.saturating_sub(now_ms).max(0);
        let wait_s = wait_ms.saturating_add(999).div_euclid(1_000);
        let ahead = town.clock.ahead_s().saturating_add(wait_s);
        if ahead > target {
            break;
        }
        set_clock(town, ahead).await?;
        tried += due_in_turn(town).await?;
    }
    set_clock(town, target).await?;
    tried += due_in_turn(town).await?;
    Ok(tried)
}

async fn set_clock(town: &Shared, ahead_s: i64) -> Result<(), sqlx::Error> {
    town.database.keep_setting(CLOCK, &ahead_s).await?;
    town.clock.set_ahead_s(ahead_s);
    Ok(())
}

/// Requeues a receipt and tries it at once; false where it was NOTIFIED.
pub(super) async fn requeue(town: &Shared, id: i64) -> Result<bool, sqlx::Error> {
    let _turn = town.queue_turn.lock().await;
    let now: Timestamp = town.clock.instant();
    let is_queued = town.database.requeued(id, now).await?;
    if let Some(owed) = town.database.delivery(id).await?.filter(|_| is_queued) {
        // A fresh start: this try counts as its first and all retries are still to come.
        retry(town, &owed).await?;
    }
    Ok(is_queued)
}
