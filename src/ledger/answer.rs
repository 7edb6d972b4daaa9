//! What the ledger answers, or why it does not.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;

use crate::domain::text::{cut, storable};

/// Bytes of an answer that are read, and kept in the journal.
const ANSWER: usize = 64 * 1024;

/// What the ledger answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    /// Whether it can be the ledger's: JSON, or nothing at all. A page of some proxy with the
    /// status 200 is not.
    pub is_json: bool,
    /// Its body, as far as it came and is kept.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads an answer. The status decides: a body that breaks off changes nothing.
    pub(super) async fn of(mut response: Response) -> Answer {
        let is_json = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_none_or(|media| media.contains("json"));
        let mut bytes: Vec<u8> = vec![];
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER {
                bytes.truncate(ANSWER);
                break;
            }
        }
        Answer {
            status: response.status(),
            is_json,
            bytes,
        }
    }
}

/// What the ledger says for itself: its problem's code and title, cut; never the whole body, which
/// may repeat personal data.
pub(super) fn explanation(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let problem: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    let field = |name: &str| {
        problem
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let text = format!("HTTP {status} {} {}", field("code"), field("title"));
    cut(storable(&text).trim(), 200).to_owned()
}

/// Why there was no answer, without the address.
pub(super) fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "no answer"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_may_refuse_is_left_out() {
        let answer = Answer {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            is_json: true,
            bytes: br#"{"code": "no\u0000pe", "title": "line\u000aline"}"#.to_vec(),
        };
        assert_eq!(explanation(&answer), "HTTP 422 nope lineline");
    }
}
