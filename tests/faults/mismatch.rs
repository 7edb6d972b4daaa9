//! Broker, station and creditor that do not belong together: for every operation the right fault,
//! and nothing stored but the line of the journal.

use crate::engines::engines;
use crate::world::{BROKER, CATERER, STATION, TOWN, envelope, get, head, receipt, v1, verify};

/// A fiscal code that is nobody's here.
const NOBODY: &str = "00743110157";
/// The tables that a mistaken question must not touch.
const TABLES: [&str; 4] = ["payments", "debts", "ledger_entries", "idempotency_keys"];

/// What replaces idPA, idBrokerPA and idStation.
type Heads = (&'static str, &'static str, &'static str);

/// For a verify and a get: the head, the creditor in the QR code, and the fault.
const QUESTIONS: &[(Heads, &str, &str)] = &[
    ((TOWN, NOBODY, STATION), TOWN, "PAA_ID_INTERMEDIARIO_ERRATO"),
    (
        (TOWN, BROKER, "00743110157_01"),
        TOWN,
        "PAA_STAZIONE_INT_ERRATA",
    ),
    (
        (TOWN, BROKER, "77777777777_99"),
        TOWN,
        "PAA_STAZIONE_INT_ERRATA",
    ),
    ((NOBODY, BROKER, STATION), NOBODY, "PAA_ID_DOMINIO_ERRATO"),
    ((NOBODY, BROKER, STATION), TOWN, "PAA_ID_DOMINIO_ERRATO"),
    ((TOWN, BROKER, STATION), CATERER, "PAA_ID_DOMINIO_ERRATO"),
    ((TOWN, BROKER, STATION), NOBODY, "PAA_ID_DOMINIO_ERRATO"),
    // Another creditor of the same broker asks about a notice that is not its own.
    (
        (CATERER, BROKER, STATION),
        CATERER,
        "PAA_PAGAMENTO_SCONOSCIUTO",
    ),
    // Several mistakes: the first of the order counts.
    (
        (NOBODY, NOBODY, "00743110157_01"),
        NOBODY,
        "PAA_ID_INTERMEDIARIO_ERRATO",
    ),
    (
        (NOBODY, BROKER, "00743110157_01"),
        NOBODY,
        "PAA_STAZIONE_INT_ERRATA",
    ),
];

/// For a receipt, which is refused only when it is provably nobody's here.
const RECEIPTS: &[(Heads, &str)] = &[
    ((TOWN, NOBODY, STATION), "PAA_ID_INTERMEDIARIO_ERRATO"),
    ((NOBODY, BROKER, STATION), "PAA_ID_DOMINIO_ERRATO"),
    (
        (NOBODY, NOBODY, "00743110157_01"),
        "PAA_ID_INTERMEDIARIO_ERRATO",
    ),
];

/// The message with another head.
fn under((pa, broker, station): Heads, message: &str) -> String {
    let (before, after) = message.split_once("<idPA>").unwrap();
    let (_, rest) = after.split_once("</idStation>").unwrap();
    format!(
        "{before}<idPA>{pa}</idPA><idBrokerPA>{broker}</idBrokerPA>\
         <idStation>{station}</idStation>{rest}"
    )
}

/// A demand at a PSP's counter, complete as far as the schema asks.
fn demand() -> String {
    let data = openssl::base64::encode_block(b"<service/>");
    envelope(
        "paDemandPaymentNoticeRequest",
        &format!(
            "{}<idServizio>00009</idServizio><idSoggettoServizio>00035</idSoggettoServizio>\
             <datiSpecificiServizioRequest>{data}</datiSpecificiServizioRequest>",
            head()
        ),
    )
}

engines! {
    async fn mismatches_have_their_fault_and_store_nothing(world: &World) {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        let mut before = vec![];
        for table in TABLES {
            before.push(world.count(table).await);
        }
        let mut calls = 0;
        let mut wrong = vec![];
        for (heads, fiscal_code, fault) in QUESTIONS {
            let qr = format!("<fiscalCode>{TOWN}</fiscalCode><noticeNumber>");
            let theirs = format!("<fiscalCode>{fiscal_code}</fiscalCode><noticeNumber>");
            let mut messages = vec![verify(number), get(number, ""), v1(&get(number, ""))];
            // A demand names no notice, and so no second creditor.
            if *fiscal_code == heads.0 && *fault != "PAA_PAGAMENTO_SCONOSCIUTO" {
                messages.push(demand());
            }
            for message in messages {
                let reply = world.soap(under(*heads, &message.replace(&qr, &theirs))).await;
                calls += 1;
                if (reply.status, reply.outcome().as_str()) != (200, fault) {
                    wrong.push(format!("{heads:?} {fiscal_code}: {} not {fault}", reply.outcome()));
                }
            }
        }
        for (heads, fault) in RECEIPTS {
            let message = receipt(number, "r-1", "50.00");
            for message in [v1(&message), message] {
                let reply = world.soap(under(*heads, &message)).await;
                calls += 1;
                if (reply.status, reply.outcome().as_str()) != (200, fault) {
                    wrong.push(format!("receipt {heads:?}: {} not {fault}", reply.outcome()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        for (table, before) in TABLES.iter().zip(before) {
            assert_eq!(world.count(table).await, before, "{table}");
        }
        // Each receipt names the town's notice, and the node gives it up: finance hears of every one.
        let shown = world.exceptions().await;
        assert_eq!(shown, vec!["misdirected_receipt"; 2 * RECEIPTS.len()]);
        assert_eq!(world.count("exchanges").await, calls);
        assert_eq!(world.notice(&notice["id"]).await, notice);
        // The notice is as good as before.
        assert_eq!(world.soap(receipt(number, "r-1", "50.00")).await.outcome(), "OK");
    }

    async fn a_receipt_through_another_station_is_booked_and_shown(world: &World) {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        let message = under((TOWN, BROKER, "77777777777_99"), &receipt(number, "r-1", "50.00"));
        assert_eq!(world.soap(message).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.exceptions().await, ["other_station"]);
    }
}
