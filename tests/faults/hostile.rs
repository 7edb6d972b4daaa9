//! Hostile input at the real listener: refused quickly, without much memory, and the next ordinary
//! call is answered as if nothing had been.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use sqlx::{AnyConnection, Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load::{Load, send};
use super::stage::{Gateway, Launch, Stage};
use super::{allowed, limit, report};
use crate::engines::Database;
use crate::world::{STATION, TOWN, envelope, receipt, verify};

/// An answer comes within this time.
const PROMPT: Duration = Duration::from_secs(1);
/// The program may need so much more memory than for its ordinary work, in KiB.
pub(super) const MEMORY_KIB: u64 = 32 * 1024;

/// What is sent: a beginning, something repeated, and an end.
struct Attack {
    name: &'static str,
    head: Vec<u8>,
    filler: Vec<u8>,
    times: usize,
    tail: Vec<u8>,
    /// What may be heard: a status, `OK`, `KO` for any fault of the protocol, or `closed`.
    expected: &'static [&'static str],
}

/// A request whose body is this.
fn post(name: &'static str, body: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Attack {
    let body = body.into();
    repeated(name, body, b"", 0, b"", expected)
}

/// A request whose body is a beginning, something many times, and an end.
fn repeated(
    name: &'static str,
    begin: impl Into<Vec<u8>>,
    filler: impl Into<Vec<u8>>,
    times: usize,
    end: impl Into<Vec<u8>>,
    expected: &'static [&'static str],
) -> Attack {
    let (begin, filler, tail) = (begin.into(), filler.into(), end.into());
    let length = begin.len() + filler.len() * times + tail.len();
    let mut head = format!(
        "POST /node HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes();
    head.extend(begin);
    // Not a call of the system for every three bytes.
    let (filler, times) = match filler.len() * times {
        0..10_000_000 => (filler.repeat(times), 1),
        _ => (filler, times),
    };
    Attack {
        name,
        head,
        filler,
        times,
        tail,
        expected,
    }
}

/// Bytes as they are.
fn raw(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Attack {
    Attack {
        name,
        head: bytes.into(),
        filler: vec![],
        times: 0,
        tail: vec![],
        expected,
    }
}

/// A document type before an ordinary verify.
fn typed(number: &str, declarations: &str, inside: &str) -> String {
    verify(number)
        .replacen("?>", &format!("?><!DOCTYPE x [{declarations}]>"), 1)
        .replacen(TOWN, inside, 1)
}

/// A receipt of its own for each bad amount.
fn amount(place: usize, number: &str, text: &str) -> String {
    receipt(number, &format!("bad-{place}"), "50.00")
        .replace("<paymentAmount>50.00", &format!("<paymentAmount>{text}"))
}

fn attacks(number: &str) -> Vec<Attack> {
    let laughs: String = (1..10)
        .map(|level| {
            let one = format!("&l{};", level - 1);
            format!("<!ENTITY l{level} \"{}\">", one.repeat(10))
        })
        .collect();
    let laughs = format!("<!ENTITY l0 \"ha\">{laughs}");
    let large = format!("<!ENTITY a \"{}\">", "a".repeat(50_000));
    let many = |name: &str, count: usize| -> String {
        (0..count)
            .map(|place| format!(" {name}{place}=\"v\""))
            .collect()
    };
    let begin = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(verify(number).encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let verify_twice = envelope(
        "paVerifyPaymentNoticeReq",
        "</pafn:paVerifyPaymentNoticeReq><pafn:paVerifyPaymentNoticeReq>",
    );
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let request = "POST /node HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let mut all = vec![
        post(
            "external entity",
            typed(number, "<!ENTITY x SYSTEM \"file:///etc/passwd\">", "&x;"),
            &["500"],
        ),
        post(
            "parameter entity",
            typed(number, "<!ENTITY % x SYSTEM \"http://127.0.0.1:1/x\"> %x;", TOWN),
            &["500"],
        ),
        post("billion laughs", typed(number, &laughs, "&l9;"), &["500"]),
        post("quadratic blow-up", typed(number, &large, &"&a;".repeat(10_000)), &["500"]),
        post("undeclared entity", verify(number).replacen(TOWN, "&x;", 1), &["500"]),
        repeated("depth 200k", begin, "<a>", 200_000, "", &["500"]),
        repeated("a million unclosed", begin, "<a>", 1_000_000, "", &["413"]),
        repeated("300k unclosed", begin, "<abc>", 100_000, "</abc>", &["500"]),
        repeated("empty elements", begin, "<a/>", 200_000, "</s:Body></s:Envelope>", &["500"]),
        post("100k attributes", format!("{begin}<a{}/>", many("a", 90_000)), &["413", "500"]),
        post("50k namespaces", format!("{begin}<a{}/>", many("xmlns:n", 50_000)), &["413", "500"]),
        post("60k attributes", format!("{begin}<a{}/>", many("a", 60_000)), &["500"]),
        repeated("100 MB of text", begin, vec![b'x'; 1_000_000], 100, "", &["413", "closed"]),
        repeated("100 MB of comment", "<!--", vec![b'x'; 1_000_000], 100, "-->", &["413", "closed"]),
        repeated("10 MB of comment", "<!--", vec![b'x'; 1_000_000], 10, "-->", &["413"]),
        post("a megabyte of comment", format!("<!--{}-->", "x".repeat(1_000_000)), &["500"]),
        Attack {
            name: "100 MB in chunks",
            head: format!("{request}Transfer-Encoding: chunked\r\n\r\n").into_bytes(),
            filler: chunk.into_bytes(),
            times: 12_800,
            tail: b"0\r\n\r\n".to_vec(),
            expected: &["413", "closed"],
        },
        raw(
            "10 GB announced",
            format!("{request}Content-Length: 10000000000\r\n\r\nx"),
            &["413"],
        ),
        raw(
            "two lengths",
            format!("{request}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
            &["400"],
        ),
        raw(
            "a negative length",
            format!("{request}Content-Length: -1\r\n\r\n"),
            &["400"],
        ),
        // The chunks count, as RFC 9112 6.3 says; here they are empty.
        raw(
            "length and chunks",
            format!("{request}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            &["400", "500"],
        ),
        raw(
            "chunks without a size",
            format!("{request}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            &["400"],
        ),
        raw(
            "an unknown coding",
            format!("{request}Transfer-Encoding: gzip, identity\r\n\r\n"),
            &["400", "501"],
        ),
        raw(
            "200 KB of header",
            format!("{request}X: {}\r\n\r\n", "x".repeat(200_000)),
            &["431", "closed"],
        ),
        raw(
            "a thousand headers",
            format!("{request}{}\r\n", "X: y\r\n".repeat(1_000)),
            &["431"],
        ),
        raw("a line too long", format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)), &["414", "431"]),
        raw("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &["400", "closed"]),
        raw("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &["400", "505", "closed"]),
        raw("another method", "GET /node HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &["405"]),
        raw(
            "another path",
            "POST /../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            &["404"],
        ),
        post("nothing", "", &["500"]),
        post("invalid UTF-8", [verify(number).as_bytes(), b"\xff\xfe<!-- \xc3\x28 -->"].concat(), &["500"]),
        post("UTF-16", utf16, &["500"]),
        post("UTF-7", verify(number).replacen("UTF-8", "UTF-7", 1), &["500"]),
        post("a NUL", verify(number).replacen(TOWN, "777\0", 1), &["500", "KO"]),
        post("a NUL by reference", verify(number).replacen(TOWN, "777&#0;", 1), &["500", "KO"]),
        post("cut off", verify(number).as_bytes()[..300].to_vec(), &["500"]),
        post("garbage after the end", format!("{}<x>", verify(number)), &["500"]),
        post("text after the end", format!("{} x", verify(number)), &["500"]),
        post("two operations", verify_twice, &["500", "KO"]),
        post("a processing instruction", verify(number).replacen("<soapenv:Body>", "<?php x?><soapenv:Body>", 1), &["500"]),
        post(
            "XInclude",
            verify(number).replacen(
                "<idPA>",
                "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/passwd\"/><idPA>",
                1,
            ),
            &["KO"],
        ),
        post("SQL in a field", verify(number).replacen(number, "' OR 1=1; DROP TABLE debts --", 1), &["KO"]),
        post("SQL in the station", verify(number).replacen(STATION, "x'; DELETE FROM debts; --", 1), &["KO"]),
        // Legal, if unusual: read as the text it is.
        post("CDATA", verify(number).replacen(TOWN, &format!("<![CDATA[{TOWN}]]>"), 1), &["OK"]),
        raw(
            "the wrong SOAPAction",
            format!(
                "{request}SOAPAction: \"paSendRTV2\"\r\nContent-Length: {}\r\n\r\n{}",
                verify(number).len(),
                verify(number)
            ),
            &["OK"],
        ),
    ];
    let amounts = [
        "-1.00",
        "1e3",
        "NaN",
        "Infinity",
        "1,00",
        "1.005",
        "1.0",
        "+1.00",
        "0x10",
        "",
        "99999999999999999999.00",
        "1000000000.00",
        "\u{0661}.\u{0660}\u{0660}",
        "1 .00",
        "1.00.00",
    ];
    for (place, text) in amounts.iter().enumerate() {
        all.push(post("a bad amount", amount(place, number, text), &["KO"]));
    }
    all
}

/// Sends it and says what was heard.
async fn strike(port: u16, attack: &Attack) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sending = async {
        // Whoever is refused early hears it while still speaking.
        to.write_all(&attack.head).await?;
        for _ in 0..attack.times {
            to.write_all(&attack.filler).await?;
        }
        to.write_all(&attack.tail).await
    };
    let hearing = async {
        let mut heard = vec![];
        let mut piece = [0; 4_096];
        loop {
            match tokio::time::timeout(Duration::from_secs(20), from.read(&mut piece)).await {
                Ok(Ok(0)) | Ok(Err(_)) => return heard,
                Ok(Ok(length)) => heard.extend_from_slice(&piece[..length]),
                Err(_) => return b"HTTP/1.1 nothing".to_vec(),
            }
        }
    };
    tokio::pin!(hearing);
    let heard = tokio::select! {
        heard = &mut hearing => heard,
        _ = sending => hearing.await,
    };
    let heard = String::from_utf8_lossy(&heard).into_owned();
    if heard.is_empty() {
        return "closed".to_owned();
    }
    if heard.contains("<outcome>OK</outcome>") {
        return "OK".to_owned();
    }
    if heard.contains("<outcome>KO</outcome>") {
        return "KO".to_owned();
    }
    heard
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The most memory that a process has had since [`forget_peak`], in KiB.
pub(super) fn peak_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(super) fn forget_peak(gateway: &Gateway) {
    std::fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
}

/// A stage with a notice, the gateway warmed up by ordinary work.
pub(super) async fn stage() -> (Stage, Launch, Gateway, String) {
    let stage = Stage::over(Database::fresh(Engine::Sqlite).await.unwrap()).await;
    let launch = Launch::new();
    let gateway = stage.start(&launch).await;
    let load = Load::of(200);
    load.run(&stage, std::slice::from_ref(&launch.doors), 8)
        .await;
    let message = load.acknowledged.lock().unwrap()["r-0"].message.clone();
    let number = message.split("<noticeNumber>").nth(1).unwrap()[..18].to_owned();
    (stage, launch, gateway, number)
}

/// An ordinary call of the node: how long its answer took.
pub(super) async fn ordinary(
    stage: &Stage,
    launch: &Launch,
    number: &str,
    after: &str,
) -> Duration {
    let begun = Instant::now();
    let heard = send(stage, &launch.doors.node, &verify(number)).await;
    assert_eq!(heard, "PAA_PAGAMENTO_DUPLICATO", "after: {after}");
    let took = begun.elapsed();
    limit(
        &format!("an ordinary call after: {after}"),
        took,
        Duration::from_secs(2),
    );
    took
}

async fn payments(stage: &Stage) -> i64 {
    let mut conn = AnyConnection::connect(&stage.database.url).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) AS n FROM payments")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    row.try_get("n").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_messages_are_refused_and_change_nothing() {
    let (stage, launch, mut gateway, number) = stage().await;
    // A paid notice has a verify of its own kind; attacks use one that is open.
    let open = Load::of(0);
    let fresh = open.open(&stage, &launch.doors).await;
    let before = payments(&stage).await;
    forget_peak(&gateway);
    let calm = peak_kib(&gateway);
    let mut faults = vec![];
    let mut longest = (Duration::ZERO, "");
    let attacks = attacks(&fresh);
    for attack in &attacks {
        let begun = Instant::now();
        let heard = strike(launch.doors.node_port(), attack).await;
        let took = begun.elapsed();
        longest = longest.max((took, attack.name));
        if !attack.expected.contains(&heard.as_str()) {
            faults.push(format!(
                "{}: heard {heard}, not {:?}",
                attack.name, attack.expected
            ));
        }
        limit(attack.name, took, PROMPT);
        ordinary(&stage, &launch, &number, attack.name).await;
    }
    let more = peak_kib(&gateway).saturating_sub(calm);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(more <= MEMORY_KIB, "{more} KiB more were needed");
    assert!(gateway.ended().is_none());
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    assert_eq!(payments(&stage).await, before);
    report(&format!(
        "{} hostile messages: at most {more} KiB more memory; longest answer {:?} ({})",
        attacks.len(),
        longest.0,
        longest.1
    ));
    gateway.stop().await;
    stage.strike().await;
}

/// Opens connections that begin like this.
pub(super) async fn connections(port: u16, count: usize, begin: &[u8]) -> Vec<TcpStream> {
    let mut open = vec![];
    for _ in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // One that was closed at once, for want of room, is counted by its silence.
        let _ = stream.write_all(begin).await;
        open.push(stream);
    }
    open
}

/// How many of these connections the server has closed, as far as has been heard of it.
pub(super) fn closed(streams: &[TcpStream]) -> usize {
    let is_closed = |stream: &&TcpStream| {
        let mut piece = [0; 1_024];
        loop {
            match stream.try_read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    };
    streams.iter().filter(is_closed).count()
}

/// 400 heads that come drop by drop, 400 bodies that never end, 600 that say nothing at all: others
/// are served meanwhile, or as soon as the idle ones have been sent away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_connections_are_closed() {
    let (stage, launch, mut gateway, number) = stage().await;
    let port = launch.doors.node_port();
    forget_peak(&gateway);
    let calm = peak_kib(&gateway);
    let kinds: [(&str, usize, &[u8], bool); 3] = [
        (
            "slow heads",
            400,
            b"POST /node HTTP/1.1\r\nHost: x\r\nX: ",
            true,
        ),
        (
            "slow bodies",
            400,
            b"POST /node HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<",
            true,
        ),
        ("silence", 600, b"", false),
    ];
    for (what, count, begin, drips) in kinds {
        let mut streams = connections(port, count, begin).await;
        let begun = Instant::now();
        let mut gone = 0;
        while gone < count {
            assert!(
                begun.elapsed() < allowed(Duration::from_secs(45)),
                "{what}: {gone} of {count} closed"
            );
            if count < 500 {
                ordinary(&stage, &launch, &number, what).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            if drips {
                for stream in &mut streams {
                    // It may be closed already.
                    let _ = stream.write_all(b"x").await;
                }
            }
            gone = closed(&streams);
        }
        report(&format!(
            "{what}: {count} connections were closed within {:?}",
            begun.elapsed()
        ));
        ordinary(&stage, &launch, &number, what).await;
    }
    let more = peak_kib(&gateway).saturating_sub(calm);
    assert!(more <= MEMORY_KIB, "{more} KiB more were needed");
    assert!(gateway.ended().is_none());
    report(&format!("slow connections: at most {more} KiB more memory"));
    gateway.stop().await;
    stage.strike().await;
}
