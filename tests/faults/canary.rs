//! Secrets and personal data stay in the database: the real program is given values that stand
//! nowhere else, logs everything it can, and none of them is found in what it puts out.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pagomensa::store::Engine;
use serde_json::{Value, json};

use super::load::send;
use super::stage::{LEDGER_TOKEN, Launch, Stage};
use crate::engines::Database;
use crate::world::{get, receipt, top_up, v1, verify};

const CHILD: &str = "Ondina Canarinella";
const CHILD_CODE: &str = "CNRNDN16A41F205P";
const PAYER: &str = "Quirino Verdazzurro";
const PAYER_CODE: &str = "VRDQRN80A01H501H";
const RECEIPT_PAYER: &str = "Zaccaria Smeraldi";
const RECEIPT_PAYER_CODE: &str = "SMRZCR80A01H501P";
const EMAIL: &str = "canarino@example.org";
const IBAN: &str = "IT60X0542811101000000123456";
const WRONG_KEY: &str = "pmk_canary_that_is_no_key_at_all_0123456789";

async fn sings_nowhere(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let stage = Stage::over(database).await;
    let launch = Launch::new().with("PAGOMENSA__LOG__FILTER", "trace");
    let json_launch = Launch::new()
        .with("PAGOMENSA__LOG__FILTER", "trace")
        .with("PAGOMENSA__LOG__FORMAT", "json");
    let mut answers = String::new();
    for (round, launch) in [launch, json_launch].iter().enumerate() {
        let gateway = stage.start(launch).await;
        answers.push_str(&busy(&stage, launch, round).await);
        stage.drained(&launch.doors).await;
        for path in ["/metrics", "/health/ready", "/health/live", "/nothing-here"] {
            let url = format!("{}{path}", launch.doors.web);
            answers.push_str(
                &stage
                    .http
                    .get(url)
                    .send()
                    .await
                    .unwrap()
                    .text()
                    .await
                    .unwrap(),
            );
        }
        gateway.stop().await;
    }
    // The verbs of the operator over the same data.
    let quiet = Launch::new();
    for words in [
        &["check"][..],
        &["keys", "list"],
        &["job", "list"],
        &["job", "run", "expire"],
    ] {
        let said = stage
            .command(&quiet, words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        answers.push_str(&String::from_utf8_lossy(&said.stdout));
        answers.push_str(&String::from_utf8_lossy(&said.stderr));
    }
    let canaries = [
        CHILD,
        CHILD_CODE,
        PAYER,
        PAYER_CODE,
        RECEIPT_PAYER,
        RECEIPT_PAYER_CODE,
        EMAIL,
        IBAN,
        WRONG_KEY,
        LEDGER_TOKEN,
        stage.key.as_str(),
        "Canarinella",
        "Verdazzurro",
        "Smeraldi",
    ];
    let mut searched = vec![("errors, checks and verbs".to_owned(), answers)];
    files(stage.folder.path(), &mut searched);
    let logged: usize = searched.iter().map(|(_, text)| text.len()).sum();
    assert!(logged > 100_000, "only {logged} bytes were searched");
    let says = |word: &str| searched.iter().any(|(_, text)| text.contains(word));
    assert!(says("the node was answered") && says("a case was opened") && says("SELECT"));
    for (place, text) in &searched {
        for canary in canaries {
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{canary} in {place}");
        }
    }
    stage.strike().await;
}

/// Every file that the program has left, but for what is ours: the settings and the simulated
/// ledger.
fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "world" || name == "pagomensa.toml" {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
}

/// Everything that can go right and wrong with these people; what the refusals said.
async fn busy(stage: &Stage, launch: &Launch, round: usize) -> String {
    let mut refusals = String::new();
    let web = format!("{}/api/v1", launch.doors.web);
    let call = async |method: &str, path: &str, key: &str, body: Option<Value>| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut call = stage
            .http
            .request(method, format!("{web}{path}"))
            .bearer_auth(key);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let status = answer.status();
        (status, answer.text().await.unwrap())
    };
    let mut body = top_up();
    body.as_object_mut().unwrap().remove("due_on");
    body["child"] = json!({"code": "canary-child", "name": CHILD, "fiscal_code": CHILD_CODE});
    body["payer"] = json!({"name": PAYER, "fiscal_code": PAYER_CODE, "email": EMAIL});
    body["external_id"] = json!(format!("order-{round}"));
    let (status, text) = call("POST", "/notices", &stage.key, Some(body.clone())).await;
    assert!(status.is_success(), "{text}");
    let notice: Value = serde_json::from_str(&text).unwrap();
    let (number, id) = (
        notice["notice_number"].as_str().unwrap().to_owned(),
        notice["id"].as_str().unwrap().to_owned(),
    );
    let mut other = body.clone();
    other["amount_cents"] = json!(1_234);
    let mut invalid = body.clone();
    invalid["payer"]["email"] = json!(format!("{EMAIL} {PAYER}"));
    invalid["child"]["fiscal_code"] = json!(format!("{CHILD_CODE}{CHILD_CODE}"));
    invalid["service"] = json!(CHILD);
    invalid["kind"] = json!(PAYER_CODE);
    invalid[CHILD] = json!(1);
    let mut wrong_type = body.clone();
    wrong_type["amount_cents"] = json!(PAYER_CODE);
    wrong_type["payer"] = json!(PAYER);
    for (method, path, key, body) in [
        (
            "POST",
            "/notices".to_owned(),
            stage.key.as_str(),
            Some(other),
        ),
        (
            "POST",
            "/notices".to_owned(),
            stage.key.as_str(),
            Some(wrong_type),
        ),
        ("POST", "/notices".to_owned(), WRONG_KEY, Some(body.clone())),
        (
            "GET",
            format!("/notices/{PAYER_CODE}"),
            stage.key.as_str(),
            None,
        ),
        (
            "GET",
            format!("/notices?child={CHILD_CODE}&cursor={EMAIL}"),
            stage.key.as_str(),
            None,
        ),
        ("GET", format!("/{PAYER_CODE}"), stage.key.as_str(), None),
    ] {
        let (status, text) = call(method, &path, key, body).await;
        if !status.is_success() {
            refusals.push_str(&text);
        }
    }
    // A name of a field is the caller's own word and comes back; its values do not.
    let (_, text) = call("POST", "/notices", &stage.key, Some(invalid)).await;
    refusals.push_str(&text.replace(CHILD, "the unknown field"));

    let paid = receipt(&number, &format!("canary-{round}"), "50.00")
        .replace("Mario Rossi", RECEIPT_PAYER)
        .replace("RSSMRA80A01H501U", RECEIPT_PAYER_CODE);
    let node = &launch.doors.node;
    for message in [verify(&number), get(&number, ""), v1(&get(&number, ""))] {
        assert_eq!(send(stage, node, &message).await, "OK");
    }
    assert_eq!(send(stage, node, &paid).await, "OK");
    for message in [
        paid.clone(),
        paid.replace("50.00", "50.01"),
        paid.replace("canary-", "second-"),
        paid.replace("<outcome>OK", "<outcome>"),
        paid.replace("</receipt>", ""),
        paid.replacen("<idPA>77777777777", "<idPA>00743110157", 1),
        paid.replace("<noticeNumber>3", "<noticeNumber>1"),
        paid.replace("<payer>", "<unknownElement>")
            .replace("</payer>", "</unknownElement>"),
        format!("{PAYER} {RECEIPT_PAYER_CODE}"),
        format!("<{RECEIPT_PAYER_CODE}>{IBAN}</{RECEIPT_PAYER_CODE}>"),
        verify(&number).replace(&number, PAYER_CODE),
    ] {
        let answer = stage.http.post(node).body(message).send().await.unwrap();
        refusals.push_str(
            &answer
                .text()
                .await
                .unwrap()
                .replace(RECEIPT_PAYER_CODE, "its own name"),
        );
    }
    let (status, text) = call("GET", &format!("/notices/{id}"), &stage.key, None).await;
    assert!(
        status.is_success() && text.contains(CHILD),
        "the API tells whoever may know"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    refusals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_sings_on_sqlite() {
    sings_nowhere(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_sings_on_postgresql() {
    sings_nowhere(Engine::Postgres).await;
}
