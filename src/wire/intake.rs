//! Bodies of HTTP requests, taken in under a limit.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;

/// Longest time for a body to come in.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body over the limit that are kept, as evidence.
const EVIDENCE: usize = 64 * 1024;
/// Bytes over the limit that are still read, and thrown away: who stops reading at once resets the
/// connection, and the other side never hears why.
const COURTESY: usize = 16 * 1024 * 1024;

/// A body, or what there is of it.
#[derive(Debug)]
pub enum Intake {
    /// All of it.
    Whole(Vec<u8>),
    /// It is larger than the limit: its beginning.
    TooLarge(Vec<u8>),
    /// It broke off, or did not come in time: what had come.
    Interrupted(Vec<u8>),
}

/// Takes in a body of at most `limit` bytes.
pub async fn take(body: Body, limit: usize) -> Intake {
    let mut bytes = vec![];
    match tokio::time::timeout(PATIENCE, fill(body, limit, &mut bytes)).await {
        Ok(End::Whole) => Intake::Whole(bytes),
        Ok(End::TooLarge) => Intake::TooLarge(bytes),
        Ok(End::Interrupted) | Err(_) => Intake::Interrupted(bytes),
    }
}

enum End {
    Whole,
    TooLarge,
    Interrupted,
}

async fn fill(mut body: Body, limit: usize, bytes: &mut Vec<u8>) -> End {
    let most = limit.saturating_add(COURTESY);
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced <= most) {
        take_in(&mut body, limit, most, bytes).await
    } else {
        // It would not be read to its end anyway, so that nobody waits until it has come.
        End::TooLarge
    }
}

async fn take_in(body: &mut Body, limit: usize, most: usize, bytes: &mut Vec<u8>) -> End {
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return match length > limit {
                true => End::TooLarge,
                false => End::Interrupted,
            };
        };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= limit {
            bytes.extend_from_slice(data);
            continue;
        }
        let room = EVIDENCE.saturating_sub(bytes.len()).min(data.len());
        bytes.extend_from_slice(data.get(..room).unwrap_or_default());
        bytes.truncate(EVIDENCE);
        if length > most {
            return End::TooLarge;
        }
    }
    if length > limit {
        End::TooLarge
    } else {
        End::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_limit_is_the_last_length_that_is_taken() {
        assert!(matches!(take(Body::from("1234"), 4).await, Intake::Whole(b) if b == b"1234"));
        assert!(matches!(take(Body::from("12345"), 4).await, Intake::TooLarge(b) if b == b"12345"));
        assert!(matches!(take(Body::empty(), 0).await, Intake::Whole(b) if b.is_empty()));
    }

    #[tokio::test]
    async fn what_is_over_the_limit_is_not_kept() {
        let chunks = (0..1_000).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 10_000]));
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        assert!(matches!(take(body, 100_000).await, Intake::TooLarge(b) if b.len() == EVIDENCE));
    }

    #[tokio::test]
    async fn a_body_that_is_announced_as_far_too_long_is_not_waited_for() {
        let most = 1 + COURTESY;
        assert!(
            matches!(take(Body::from(vec![b'x'; most + 1]), 1).await, Intake::TooLarge(b) if b.is_empty())
        );
        assert!(
            matches!(take(Body::from(vec![b'x'; most]), 1).await, Intake::TooLarge(b) if b.len() == EVIDENCE)
        );
    }

    #[tokio::test]
    async fn a_body_without_an_end_is_left() {
        let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 100_000]));
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        assert!(matches!(take(body, 1).await, Intake::TooLarge(_)));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_interrupted() {
        let chunks = [Ok(b"begin".to_vec()), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        assert!(matches!(take(body, 100).await, Intake::Interrupted(b) if b == b"begin"));
    }
}
