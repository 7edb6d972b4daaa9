//! Every kind of reply, held against our schema in `wsdl/` by another program, and against the
//! simulated node's own reading of it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use mock_psp::verdict::{Operation, judge};
use serde_json::json;

use crate::engines::engines;
use crate::world::{Reply, envelope, get, head, qr, receipt, top_up, v1, verify};

/// Whether xmllint is on the machine; when it is not, that is said once, past the capture.
fn has_xmllint() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let found = Command::new("xmllint")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !found {
            let _ = writeln!(
                std::io::stderr(),
                "xmllint was NOT found: replies are judged by the simulated node alone"
            );
        }
        found
    })
}

/// What xmllint says of an envelope: nothing when it is valid.
fn xmllint(text: &str) -> Result<(), String> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/wsdl/soap-envelope.xsd");
    let mut child = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema", schema, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn check(operation: Operation, reply: &Reply) {
    let verdict = judge(
        operation,
        reply.status,
        Some("text/xml; charset=utf-8"),
        reply.text.as_bytes(),
    );
    assert!(verdict.legal, "{:?}\n{}", verdict.problems, reply.text);
    if has_xmllint()
        && let Err(words) = xmllint(&reply.text)
    {
        panic!("{words}\n{}", reply.text);
    }
}

/// The check bites.
#[test]
fn an_illegal_reply_is_seen() {
    let illegal = envelope("paSendRTV2Response", "<outcome>PERHAPS</outcome>");
    let verdict = judge(
        Operation::SendRtV2,
        200,
        Some("text/xml; charset=utf-8"),
        illegal.as_bytes(),
    );
    assert!(!verdict.legal);
    if has_xmllint() {
        assert!(xmllint(&illegal).is_err());
        let legal = envelope("paSendRTV2Response", "<outcome>OK</outcome>");
        assert_eq!(xmllint(&legal), Ok(()));
    }
}

/// The requests of these tests are as legal as the replies have to be.
#[test]
fn our_own_requests_are_legal() {
    if !has_xmllint() {
        return;
    }
    let number = "302000000000000184";
    for message in [
        verify(number),
        get(
            number,
            "<amount>50.00</amount><transferType>POSTAL</transferType>",
        ),
        receipt(number, "r-1", "50.00"),
    ] {
        assert_eq!(xmllint(&message), Ok(()), "{message}");
    }
}

engines! {
    async fn every_reply_is_legal(world: &World) {
        let mut full = top_up();
        full["description"] = json!("àèìòù € <&>\"' ".repeat(20).chars().take(140).collect::<String>());
        full["payer"]["name"] = json!("Ü".repeat(70));
        full["payer"]["email"] = json!(format!("{}@example.org", "a".repeat(200)));
        let mut body = top_up();
        body["payer"]["fiscal_code"] = json!("00662780162");
        for order in [top_up(), full, body] {
            let notice = world.rest("POST", "/notices", Some(order)).await.json;
            let number = notice["notice_number"].as_str().unwrap();
            check(Operation::VerifyPaymentNotice, &world.soap(verify(number)).await);
            for kind in ["", "<transferType>POSTAL</transferType>", "<transferType>PAGOPA</transferType>"] {
                check(Operation::GetPaymentV2, &world.soap(get(number, kind)).await);
            }
            check(Operation::GetPayment, &world.soap(v1(&get(number, ""))).await);
            check(
                Operation::GetPayment,
                &world
                    .soap(v1(&get(number, "<transferType>PAGOPA</transferType>")))
                    .await,
            );
            let message = receipt(number, number, "50.00");
            check(Operation::SendRtV2, &world.soap(message.clone()).await);
            check(Operation::SendRtV2, &world.soap(message.clone()).await);
            check(Operation::SendRtV2, &world.soap(message.replace("50.00", "51.00")).await);
            check(Operation::SendRtV2, &world.soap(message.replace("<paymentAmount>", "<paymentAmount>x")).await);
            check(Operation::SendRt, &world.soap(v1(&message)).await);
            check(Operation::GetPayment, &world.soap(v1(&get(number, ""))).await);
            // Every KO that a message can bring about.
            check(Operation::VerifyPaymentNotice, &world.soap(verify(number)).await);
            check(Operation::GetPaymentV2, &world.soap(get(number, "")).await);
        }
        for wrong in [
            head().replace("<idPA>7", "<idPA>8") + &qr("302000000000000184"),
            head().replace("<idBrokerPA>7", "<idBrokerPA>8") + &qr("302000000000000184"),
            head().replace("_01", "_02") + &qr("302000000000000184"),
            head() + &qr("30"),
            String::new(),
        ] {
            check(Operation::VerifyPaymentNotice, &world.soap(envelope("paVerifyPaymentNoticeReq", &wrong)).await);
            check(Operation::GetPaymentV2, &world.soap(envelope("paGetPaymentV2Request", &wrong)).await);
            check(Operation::SendRtV2, &world.soap(envelope("paSendRTV2Request", &wrong)).await);
        }
        world.dismiss();
        world.app.desk().store().close().await;
        check(Operation::VerifyPaymentNotice, &world.soap(verify("302000000000000184")).await);
        check(Operation::GetPaymentV2, &world.soap(get("302000000000000184", "")).await);
    }
}
