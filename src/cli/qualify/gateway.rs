//! The gateway from outside: its REST API, with somebody's key.

use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::http::{self, CallError};

/// Exchanges about one notice that are looked at, at most.
const EXCHANGES: usize = 1_000;
/// Largest answer in JSON, in bytes; an exchange with two messages of the largest size fits.
const ANSWER: usize = 32 << 20;
/// Largest receipt for the payer, in bytes.
const PDF: usize = 10 << 20;

/// A gateway, for one creditor.
#[derive(Debug)]
pub(super) struct Gateway {
    client: reqwest::Client,
    base: Url,
    creditor: String,
    key: SecretString,
    /// Where the key came from, for errors.
    source: String,
}

/// A call that did not give what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// There was no answer.
    #[error("the gateway at {base} cannot be reached")]
    Call {
        base: String,
        #[source]
        source: CallError,
    },
    /// Somebody answered who is not PagoMensa.
    #[error("{base} answers {status}, but not as PagoMensa does: is the address right?")]
    Stranger { base: String, status: u16 },
    /// It answered with a problem.
    #[error("the gateway refused {what}: {status} {code}{detail}{hint}")]
    Refused {
        what: String,
        status: u16,
        code: String,
        detail: String,
        hint: String,
    },
}

/// An exchange of the journal.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Exchange {
    pub id: String,
    pub started_at: String,
    pub party: String,
    pub operation: String,
    pub outcome: String,
    pub http_status: u16,
    pub duration_us: i64,
    #[serde(default)]
    pub request: Option<Message>,
    #[serde(default)]
    pub reply: Option<Message>,
    /// The whole answer, for the extract.
    #[serde(skip)]
    pub raw: Value,
}

/// What was said.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub sha256: String,
    pub text: String,
    pub erased_at: Option<String>,
}

/// A notice.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Notice {
    pub id: String,
    pub notice_number: String,
    pub iuv: String,
    pub state: String,
    pub amount_cents: i64,
}

/// The receipt for the payer.
#[derive(Debug)]
pub(super) enum Pdf {
    Here(Vec<u8>),
    /// The gateway has none, and why.
    None(String),
}

impl Gateway {
    /// The gateway at an address, spoken to for a creditor with a key.
    ///
    /// # Errors
    /// The client cannot be built.
    pub(super) fn new(
        base: &Url,
        creditor: &str,
        key: SecretString,
        source: String,
    ) -> Result<Gateway, CallError> {
        Ok(Gateway {
            client: http::client()?,
            base: base.clone(),
            creditor: creditor.to_owned(),
            key,
            source,
        })
    }

    /// The same for another creditor.
    pub(super) fn speaking_for(&self, creditor: &str) -> Gateway {
        Gateway {
            client: self.client.clone(),
            base: self.base.clone(),
            creditor: creditor.to_owned(),
            key: self.key.clone(),
            source: self.source.clone(),
        }
    }

    /// Whether the key opens what is needed; a look, nothing is changed.
    ///
    /// # Errors
    /// What is wrong with address or key.
    pub(super) async fn probe(&self) -> Result<(), GatewayError> {
        for path in ["exchanges", "notices", "exceptions"] {
            self.json(Method::GET, path, &[("limit", "1")], None)
                .await?;
        }
        Ok(())
    }

    /// The exchanges about a notice that are in the creditor's journal, oldest first.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn exchanges(&self, notice: &str) -> Result<Vec<Exchange>, GatewayError> {
        let mut found: Vec<Exchange> = vec![];
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("notice_number", notice), ("limit", "200")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.json(Method::GET, "exchanges", &query, None).await?;
            let rows = page.get("data").and_then(Value::as_array);
            for row in rows.into_iter().flatten() {
                found.push(self.read(row.clone())?);
            }
            cursor = page
                .get("next_cursor")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if cursor.is_none() || found.len() >= EXCHANGES {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }

    /// An exchange with both messages.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn exchange(&self, id: &str) -> Result<Exchange, GatewayError> {
        let raw = self
            .json(Method::GET, &format!("exchanges/{id}"), &[], None)
            .await?;
        let exchange = self.read(raw.clone())?;
        Ok(Exchange { raw, ..exchange })
    }

    /// Opens a notice, or finds the one that was opened by the same words.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn open(&self, request: &Value) -> Result<Notice, GatewayError> {
        let answer = self
            .json(Method::POST, "notices", &[], Some(request))
            .await?;
        self.read(answer)
    }

    /// A notice as it stands.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn notice(&self, id: &str) -> Result<Notice, GatewayError> {
        let answer = self
            .json(Method::GET, &format!("notices/{id}"), &[], None)
            .await?;
        self.read(answer)
    }

    /// The facts of the open exceptions with this code that speak of a notice, newest first.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn exceptions(
        &self,
        code: &str,
        notice: &str,
    ) -> Result<Vec<String>, GatewayError> {
        let page = self
            .json(
                Method::GET,
                "exceptions",
                &[("state", "open"), ("limit", "200")],
                None,
            )
            .await?;
        let text = |row: &Value, name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let rows = page.get("data").and_then(Value::as_array);
        Ok(rows
            .into_iter()
            .flatten()
            .filter(|row| text(row, "code") == code)
            .map(|row| text(row, "detail"))
            .filter(|detail| detail.contains(notice))
            .collect())
    }

    /// The payer's receipt of the payment of a notice, when this gateway makes one.
    ///
    /// # Errors
    /// The gateway could not be reached, or failed.
    pub(super) async fn receipt_pdf(&self, notice: &str) -> Result<Pdf, GatewayError> {
        let query = [("notice_number", notice), ("limit", "1")];
        let (status, body) = self
            .call(Method::GET, "payments", &query, None, ANSWER)
            .await?;
        if !status.is_success() {
            let why = format!("GET /api/v1/payments: HTTP {}", status.as_u16());
            return Ok(Pdf::None(why));
        }
        let page: Value = serde_json::from_slice(&body).unwrap_or_default();
        let rows = page.get("data").and_then(Value::as_array);
        let id = rows
            .into_iter()
            .flatten()
            .filter(|row| row.get("notice_number").and_then(Value::as_str) == Some(notice))
            .find_map(|row| row.get("id").and_then(Value::as_str));
        let Some(id) = id else {
            return Ok(Pdf::None(
                "GET /api/v1/payments: il pagamento non c’è".to_owned(),
            ));
        };
        let path = format!("payments/{id}/receipt.pdf");
        let (status, body) = self.call(Method::GET, &path, &[], None, PDF).await?;
        Ok(if status.is_success() && body.starts_with(b"%PDF-") {
            Pdf::Here(body)
        } else {
            Pdf::None(format!("GET /api/v1/{path}: HTTP {}", status.as_u16()))
        })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, value: Value) -> Result<T, GatewayError> {
        serde_json::from_value(value).map_err(|_| GatewayError::Stranger {
            base: self.base.to_string(),
            status: 200,
        })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), GatewayError> {
        let mut url = http::join(&self.base, &format!("api/v1/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .client
            .request(method, url)
            .bearer_auth(self.key.expose_secret())
            .header("Pagomensa-Creditor", &self.creditor)
            .header("Accept-Language", "en");
        if let Some(body) = body {
            request = request.json(body);
        }
        http::send(request, limit)
            .await
            .map_err(|source| GatewayError::Call {
                base: self.base.to_string(),
                source,
            })
    }

    /// A call that is answered by JSON.
    async fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, GatewayError> {
        let what = format!("{method} /api/v1/{path}");
        let (status, bytes) = self.call(method, path, query, body, ANSWER).await?;
        let stranger = || GatewayError::Stranger {
            base: self.base.to_string(),
            status: status.as_u16(),
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| stranger())?;
        if status.is_success() {
            return Ok(value);
        }
        let code = value
            .get("code")
            .and_then(Value::as_str)
            .ok_or_else(stranger)?;
        Err(self.refusal(what, status.as_u16(), code, &value))
    }

    /// A problem in words: what was refused, why, and what would help.
    fn refusal(&self, what: String, status: u16, code: &str, problem: &Value) -> GatewayError {
        let errors = problem.get("errors").and_then(Value::as_array);
        let fields: Vec<String> = errors
            .into_iter()
            .flatten()
            .map(|error| {
                let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or("?");
                format!("{}: {}", text("field"), text("message"))
            })
            .collect();
        let detail = problem
            .get("detail")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let detail = match (detail, fields.as_slice()) {
            ("", []) => String::new(),
            (detail, []) => format!(" ({detail})"),
            ("", fields) => format!(" ({})", fields.join("; ")),
            (detail, fields) => format!(" ({detail}; {})", fields.join("; ")),
        };
        let (source, creditor) = (&self.source, &self.creditor);
        let hint = match code {
            "unauthorized" => format!("\nThe key of {source} is not known there."),
            "missing_scope" => format!(
                "\nThe key of {source} needs the scopes notices:read, notices:write, \
                 exceptions:read and audit."
            ),
            "creditor_not_operated" => {
                format!("\nThe key of {source} does not work for the creditor {creditor}.")
            }
            "unknown_creditor" => format!("\nThe creditor {creditor} is not served there."),
            "not_found" => format!(
                "\nIs {} the web address of PagoMensa, and of a version with this operation?",
                self.base
            ),
            "external_id_conflict" => "\nThe notice was opened with other data.".to_owned(),
            _ => String::new(),
        };
        GatewayError::Refused {
            what,
            status,
            code: code.to_owned(),
            detail,
            hint,
        }
    }
}

impl GatewayError {
    /// Whether the same call may go through later: nobody answered, or the gateway is in trouble.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            GatewayError::Call { .. } => true,
            GatewayError::Stranger { status, .. } | GatewayError::Refused { status, .. } => {
                *status == 429 || *status >= 500
            }
        }
    }

    /// Whether the key does not open this creditor's data.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, GatewayError::Refused { status: 403, .. })
    }
}
