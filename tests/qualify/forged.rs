//! A gateway that tells other things than the real one.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode};

use super::*;

/// Answers as the gateway does, but for what `change` makes of a path and its answer; when it makes
/// nothing of it, the gateway is in trouble.
async fn before(
    gateway: &str,
    change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (gateway, change, http) = (gateway.to_owned(), Arc::new(change), reqwest::Client::new());
    let router = Router::new().fallback(move |request: Request| {
        let (gateway, change, http) = (gateway.clone(), change.clone(), http.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            let mut headers = parts.headers;
            headers.remove("host");
            let answer = http
                .request(parts.method, format!("{gateway}{}", parts.uri))
                .headers(headers)
                .body(body)
                .send()
                .await
                .unwrap();
            let status = answer.status();
            let bytes = answer.bytes().await.unwrap().to_vec();
            let (status, bytes) = match change(parts.uri.path(), bytes.clone()) {
                Some(changed) if changed == bytes => (status, bytes),
                Some(changed) => (StatusCode::OK, changed),
                None => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    br#"{"code": "unavailable"}"#.to_vec(),
                ),
            };
            Response::builder()
                .status(status)
                .body(Body::from(bytes))
                .unwrap()
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The messages must be those of the journal to the byte, and the payer's receipt comes along where
/// the gateway makes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_journals_is_noticed() {
    let town = Town::start();
    let url = before(town.demo.text("/web"), |path, bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(if path.starts_with("/api/v1/exchanges/") {
            text.replace("<companyName>Comune", "<companyName>Altro")
                .into_bytes()
        } else {
            bytes
        })
    })
    .await;
    let words = ["--gateway", url.as_str(), "--case", "EC-PSP-01"];
    let run = town.forged(&words);
    assert_eq!(run.status, 1, "{}", run.words);
    assert_eq!(run.case("EC-PSP-01")["outcome"], "failed");
    let exchange = &run.case("EC-PSP-01")["exchanges"][0];
    assert!(exchange["request"]["path"].is_string());
    assert!(
        exchange["reply"]["path"].is_null(),
        "other bytes are no evidence"
    );
    assert!(
        !town
            .files()
            .contains_key("EC-PSP-01/01-paVerifyPaymentNotice-reply.xml")
    );
    let page = String::from_utf8_lossy(&town.files()["index.html"]).into_owned();
    assert!(page.contains("1 su 2") && page.contains("non più disponibile"));
    std::fs::remove_dir_all(town.out()).unwrap();

    let seen = Arc::new(std::sync::Mutex::new(String::new()));
    let url = before(town.demo.text("/web"), move |path, bytes| {
        let mut seen = seen.lock().unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(number) = answer["notice_number"].as_str() {
            number.clone_into(&mut seen);
        }
        Some(match path {
            "/api/v1/payments" => json!({"data": [{"id": "p1", "notice_number": *seen}]})
                .to_string()
                .into_bytes(),
            "/api/v1/payments/p1/receipt.pdf" => b"%PDF-1.7 receipt".to_vec(),
            _ => bytes,
        })
    })
    .await;
    let run = town.forged(&["--gateway", url.as_str(), "--case", "EC-PSP-02"]);
    assert_eq!(run.status, 0, "{}", run.words);
    assert_eq!(town.files()["EC-PSP-02/receipt.pdf"], b"%PDF-1.7 receipt");
    is_sound(&town.files());
}

impl Town {
    /// A run beside the simulated world at a gateway that is named in the words.
    fn forged(&self, words: &[&str]) -> Run {
        let mut command = program();
        command
            .args(["qualify", "--json", "--creditor", TOWN, "--out"])
            .arg(self.out())
            .args(["--world", self.demo.text("/world")])
            .args(words)
            .env("PAGOMENSA_QUALIFY_KEY", self.demo.text("/operator_key"));
        Run::of(&command.output().unwrap())
    }
}

/// A gateway that is restarted while people pay is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_in_trouble_is_asked_again() {
    let town = Town::start();
    let looks = AtomicU32::new(0);
    let url = before(town.demo.text("/web"), move |path, bytes| {
        let is_look = path == "/api/v1/exchanges";
        // The first look is that for the key; then two are in vain.
        let look = looks.fetch_add(u32::from(is_look), Ordering::SeqCst);
        (!is_look || !(1..3).contains(&look)).then_some(bytes)
    })
    .await;
    let mut child = program()
        .args([
            "qualify",
            "--json",
            "--creditor",
            TOWN,
            "--case",
            "EC-PSP-01",
            "--gateway",
            &url,
        ])
        .arg("--out")
        .arg(town.out())
        .env("PAGOMENSA_QUALIFY_KEY", town.demo.text("/operator_key"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let errand = told.find(|line| line.starts_with("EC-PSP-01 ")).unwrap();
    let trouble = told.find(|line| line.contains("looking again")).unwrap();
    assert!(trouble.contains("503"), "{trouble}");
    let number = between(&errand, "notice ", ",").last().unwrap().to_string();
    town.post(
        "/psp/verify",
        json!({"notice_number": number, "fiscal_code": TOWN}),
    )
    .await;
    let rest: Vec<String> = told.collect();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?} {out}");
}
