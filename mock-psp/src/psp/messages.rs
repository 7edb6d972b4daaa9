//! The node's messages as text: a prefix on the root element only, its children in no namespace.

use std::fmt::Write;

use super::order::{TransferType, Version};
use crate::money::decimal;
use crate::verdict::xml::Node;
use crate::verdict::{PAF, SOAP};

/// Who is addressed: the head of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id_pa: String,
    pub(crate) broker: String,
    pub(crate) station: String,
}

impl Head {
    fn nodes(&self) -> Vec<Node> {
        vec![
            Node::leaf("idPA", &self.id_pa),
            Node::leaf("idBrokerPA", &self.broker),
            Node::leaf("idStation", &self.station),
        ]
    }
}

/// The notice as its QR code names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice<'a> {
    pub(crate) fiscal_code: &'a str,
    pub(crate) number: &'a str,
}

impl Notice<'_> {
    fn node(self) -> Node {
        Node::branch(
            "qrCode",
            vec![
                Node::leaf("fiscalCode", self.fiscal_code),
                Node::leaf("noticeNumber", self.number),
            ],
        )
    }
}

/// `paVerifyPaymentNoticeReq`
pub(crate) fn verify(head: &Head, notice: Notice<'_>) -> String {
    let mut content = head.nodes();
    content.push(notice.node());
    envelope("paVerifyPaymentNoticeReq", content)
}

/// What a get request may say beside the notice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) version: Version,
    pub(crate) amount_cents: Option<i64>,
    pub(crate) payment_note: Option<&'a str>,
    pub(crate) transfer_type: Option<TransferType>,
}

/// `paGetPaymentReq` or `paGetPaymentV2Request`: both hold the same elements.
pub(crate) fn get(head: &Head, notice: Notice<'_>, wish: Wish<'_>) -> String {
    let mut content = head.nodes();
    content.push(notice.node());
    let amount = wish.amount_cents.map(decimal);
    content.extend(amount.map(|amount| Node::leaf("amount", amount)));
    let note = wish.payment_note;
    content.extend(note.map(|note| Node::leaf("paymentNote", note)));
    let kind = wish.transfer_type;
    content.extend(kind.map(|kind| Node::leaf("transferType", kind.name())));
    let root = match wish.version {
        Version::V1 => "paGetPaymentReq",
        Version::V2 => "paGetPaymentV2Request",
    };
    envelope(root, content)
}

/// `paSendRTReq` or `paSendRTV2Request` around a receipt of that version.
pub(crate) fn send(head: &Head, version: Version, receipt: Node) -> String {
    let mut content = head.nodes();
    content.push(receipt);
    let root = match version {
        Version::V1 => "paSendRTReq",
        Version::V2 => "paSendRTV2Request",
    };
    envelope(root, content)
}

/// `paDemandPaymentNoticeRequest`: the service by its two codes, and what it needs as a document.
pub(crate) fn demand(head: &Head, service: &str, subject: &str, data: &str) -> String {
    let mut content = head.nodes();
    let data = openssl::base64::encode_block(data.as_bytes());
    content.extend([
        Node::leaf("idServizio", service),
        Node::leaf("idSoggettoServizio", subject),
        Node::leaf("datiSpecificiServizioRequest", data),
    ]);
    envelope("paDemandPaymentNoticeRequest", content)
}

fn envelope(root: &str, content: Vec<Node>) -> String {
    let message = Node::branch(&format!("paf:{root}"), content);
    let body = vec![
        Node::branch("soapenv:Header", Vec::new()),
        Node::branch("soapenv:Body", vec![message]),
    ];
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"{SOAP}\" xmlns:paf=\"{PAF}\">\n"
    );
    for part in &body {
        write(&mut out, part, 1);
    }
    out.push_str("</soapenv:Envelope>\n");
    out
}

/// One element as a document of its own.
pub(crate) fn document(node: &Node) -> String {
    let mut out = String::new();
    write(&mut out, node, 0);
    out
}

/// The message GPD keeps of a receipt: the whole request, without an envelope.
pub(crate) fn send_document(head: &Head, receipt: Node) -> String {
    let mut content = head.nodes();
    content.push(receipt);
    let message = document(&Node::branch("paf:paSendRTV2Request", content));
    message.replacen(
        "<paf:paSendRTV2Request>",
        &format!("<paf:paSendRTV2Request xmlns:paf=\"{PAF}\">"),
        1,
    )
}

/// One element per line, two blanks per level.
fn write(out: &mut String, node: &Node, depth: usize) {
    let (indent, name) = (depth * 2, &node.name);
    // Writing to a string cannot fail.
    let mut line = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or_default();
    if node.children.is_empty() && node.text.is_empty() {
        line(format_args!("{:indent$}<{name}/>\n", ""));
    } else if node.children.is_empty() {
        line(format_args!(
            "{:indent$}<{name}>{}</{name}>\n",
            "",
            escape(&node.text)
        ));
    } else {
        line(format_args!("{:indent$}<{name}>\n", ""));
        for child in &node.children {
            write(out, child, depth + 1);
        }
        out.write_fmt(format_args!("{:indent$}</{name}>\n", ""))
            .unwrap_or_default();
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Operation, check_request};

    fn head() -> Head {
        Head {
            id_pa: "77777777777".to_owned(),
            broker: "77777777777".to_owned(),
            station: "77777777777_01".to_owned(),
        }
    }

    const NOTICE: Notice<'static> = Notice {
        fiscal_code: "77777777777",
        number: "302202600001234518",
    };

    #[test]
    fn a_verify_request_is_legal_and_reads_as_the_node_writes_it() {
        let request = verify(&head(), NOTICE);
        let (root, problems) = check_request(Operation::VerifyPaymentNotice, &request);
        assert_eq!(problems, [""; 0]);
        assert_eq!(root.text_of("idStation"), Some("77777777777_01"));
        assert!(
            request
                .contains("    <paf:paVerifyPaymentNoticeReq>\n      <idPA>77777777777</idPA>\n")
        );
    }

    #[test]
    fn a_get_request_carries_what_it_is_given() {
        let bare = get(&head(), NOTICE, Wish::default());
        assert_eq!(check_request(Operation::GetPaymentV2, &bare).1, [""; 0]);
        for (version, operation) in [
            (Version::V1, Operation::GetPayment),
            (Version::V2, Operation::GetPaymentV2),
        ] {
            for kind in [TransferType::Postal, TransferType::Pagopa] {
                let wish = Wish {
                    version,
                    amount_cents: Some(5_280),
                    payment_note: Some("cart 1"),
                    transfer_type: Some(kind),
                };
                let request = get(&head(), NOTICE, wish);
                let (root, problems) = check_request(operation, &request);
                assert_eq!(problems, [""; 0]);
                assert_eq!(root.text_of("amount"), Some("52.80"));
                assert_eq!(root.text_of("paymentNote"), Some("cart 1"));
                assert_eq!(root.text_of("transferType"), Some(kind.name()));
            }
        }
    }

    #[test]
    fn a_demand_carries_its_document_as_base64() {
        let request = demand(&head(), "00009", "00035", "<service/>");
        let (root, problems) = check_request(Operation::DemandPaymentNotice, &request);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            root.text_of("datiSpecificiServizioRequest"),
            Some("PHNlcnZpY2UvPg==")
        );
    }

    #[test]
    fn text_comes_back_as_it_went_in() {
        let text = " <a> & \"b\" 'c'\r\n perché ]]> ";
        let request = send(&head(), Version::V2, Node::leaf("receipt", text));
        let (root, _) = check_request(Operation::SendRtV2, &request);
        assert_eq!(root.text_of("receipt"), Some(text));
    }
}
