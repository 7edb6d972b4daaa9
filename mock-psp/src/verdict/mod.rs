//! The verdict: would the node accept this reply?
//!
//! An independent reading of pagoPA's contract (`paForNode.xsd` 1.0.0 and the common types 1.0.0,
//! with the rules the node adds), so that a mistake in the gateway's own reading shows. A reply is
//! legal when the list of problems is empty; a real node answers anything else with
//! `PPT_STAZIONE_INT_PA_ERRORE_RESPONSE`. Two rules need a register the world does not keep and are
//! left out: whether a creditor exists, and whether an IBAN is registered for it.

mod envelope;
#[cfg(test)]
mod requests;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod types;
mod walk;
pub(crate) mod xml;

use serde::Serialize;

pub(crate) use envelope::SOAP;
#[cfg(test)]
pub(crate) use requests::check as check_request;
pub(crate) use types::cents;
use xml::Node;

/// Namespace of the root element of every message.
pub(crate) const PAF: &str = "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd";
/// Most problems listed for one reply.
const PROBLEMS_MAX: usize = 50;

/// The six operations a creditor's station offers to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Operation {
    /// Is this notice payable, and for how much?
    #[serde(rename = "paVerifyPaymentNotice")]
    VerifyPaymentNotice,
    /// Everything needed to pay it, first version.
    #[serde(rename = "paGetPayment")]
    GetPayment,
    /// Everything needed to pay it, second version.
    #[serde(rename = "paGetPaymentV2")]
    GetPaymentV2,
    /// It was paid: the receipt, first version.
    #[serde(rename = "paSendRT")]
    SendRt,
    /// It was paid: the receipt, second version.
    #[serde(rename = "paSendRTV2")]
    SendRtV2,
    /// A payment that begins at the counter, without a notice.
    #[serde(rename = "paDemandPaymentNotice")]
    DemandPaymentNotice,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 6] = [
        Operation::VerifyPaymentNotice,
        Operation::GetPayment,
        Operation::GetPaymentV2,
        Operation::SendRt,
        Operation::SendRtV2,
        Operation::DemandPaymentNotice,
    ];

    /// The name in the contract, which is also the SOAPAction.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::VerifyPaymentNotice => "paVerifyPaymentNotice",
            Operation::GetPayment => "paGetPayment",
            Operation::GetPaymentV2 => "paGetPaymentV2",
            Operation::SendRt => "paSendRT",
            Operation::SendRtV2 => "paSendRTV2",
            Operation::DemandPaymentNotice => "paDemandPaymentNotice",
        }
    }

    /// The operation of that name.
    pub fn from_name(name: &str) -> Option<Operation> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }
}

/// What the node would make of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the node would accept it.
    pub legal: bool,
    /// Why not; empty when legal.
    pub problems: Vec<String>,
}

impl Verdict {
    pub(crate) fn of(mut problems: Vec<String>) -> Self {
        problems.truncate(PROBLEMS_MAX);
        Verdict {
            legal: problems.is_empty(),
            problems,
        }
    }
}

/// Judges a reply as it came over HTTP.
///
/// ```
/// use mock_psp::verdict::{Operation, judge};
///
/// let body = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
///   <p:paSendRTV2Response xmlns:p="http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd">
///     <outcome>KO</outcome>
///   </p:paSendRTV2Response></s:Body></s:Envelope>"#;
/// let verdict = judge(Operation::SendRtV2, 200, Some("text/xml; charset=utf-8"), body.as_bytes());
/// assert_eq!(verdict.problems, ["outcome KO without a fault"]);
/// ```
pub fn judge(
    operation: Operation,
    http_status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Verdict {
    read(operation, http_status, content_type, body).1
}

/// The reply's root element, where there is one, beside the verdict.
pub(crate) fn read(
    operation: Operation,
    http_status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> (Option<Node>, Verdict) {
    let mut problems = Vec::new();
    if http_status != 200 {
        problems.push(format!("the HTTP status is {http_status}, must be 200"));
    }
    if !is_soap_text(content_type) {
        let shown = content_type.unwrap_or("missing");
        problems.push(format!(
            "the content type is {shown}, must be text/xml; charset=utf-8"
        ));
    }
    let root = match xml::parse(body).and_then(envelope::open) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return (None, Verdict::of(problems));
        }
    };
    let message = schema::reply(operation);
    if root.is(PAF, message.root) {
        walk::walk(&root, message, &mut problems);
        rules::check(&root, message, &mut problems);
    } else {
        let namespace = root.namespace.as_deref().unwrap_or("no namespace");
        let (name, expected) = (&root.name, message.root);
        problems.push(format!(
            "the body holds {name} in {namespace}, must hold {expected}"
        ));
    }
    (Some(root), Verdict::of(problems))
}

/// `text/xml` with the charset stated as UTF-8, quoted or not.
fn is_soap_text(content_type: Option<&str>) -> bool {
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let is_xml = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("text/xml"));
    let is_utf8 = parts.any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    });
    is_xml && is_utf8
}
