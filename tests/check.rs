//! `pagomensa check`: what it says of certificates and of a configuration that cannot be read; and what
//! verbs that only read do without a database.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use pagomensa::store::Engine;
use pagomensa::store::migrate::migrator;
use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::{Connection, Row, SqliteConnection};

use crate::pki::{Identity, Use, dated, identity};

/// The configuration of a gateway with its certificates in this folder.
fn configuration(folder: &Path) -> String {
    format!(
        "{}\n[database]\nurl = \"sqlite://{}\"\n",
        include_str!("../config/demo.toml")
            .replace(
                "[node.tls]",
                "[node.tls]\ncertificate_file = \"server.pem\"\nkey_file = \"server.key\"\n\
                 client_ca_file = \"ca.pem\"",
            )
            .replace("[ledger]", "[ledger]\ntoken = \"t\"")
            .replace(
                "[pay]",
                "[pay]\nlink_key = \"a-key-of-thirty-two-characters-!\""
            ),
        folder.join("p.db").display()
    )
}

fn program(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
        .args(words)
        .args(["--config", "pagomensa.toml"])
        .env_remove("USER")
        .env_remove("SUDO_USER")
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn the_doctor_reads_the_dates_of_every_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("pagomensa.toml"), configuration(place)).unwrap();
    assert_eq!(program(place, &["migrate"]).0, 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let days = |days: i64| now + days * 86_400 + 3_600;
    let ca = identity("town CA", &Use::Authority, None);
    let server = |from: i64, to: i64| {
        let dates = (days(from), days(to));
        dated(&["pay.example.org"], &Use::Server, Some(&ca), dates).write(place, "server");
    };
    let check = || {
        let (status, text) = program(place, &["check"]);
        let (again, json) = program(place, &["check", "--json"]);
        assert_eq!(status, again);
        let json: Value = serde_json::from_str(&json).unwrap();
        let findings = json["findings"].as_array().unwrap().iter();
        let mut found = findings.filter(|f| f["checked"] == "node certificates");
        (status, text, found.next().unwrap().clone())
    };

    // Nothing of it is there: each missing file is named.
    let (status, text, _) = check();
    assert!(
        status == 1 && text.contains("node.tls.certificate_file"),
        "{text}"
    );

    ca.write(place, "ca");
    server(-1, 90);
    let (status, text, found) = check();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("ok      node certificates"), "{text}");
    assert!(
        text.contains("server pay.example.org ends on") && text.contains("in 90 days"),
        "{text}"
    );
    let shown = found["certificates"].as_array().unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&shown[0]["role"], &shown[0]["days_left"]),
        (&"server".into(), &90.into())
    );
    assert_eq!(
        (&shown[1]["role"], &shown[1]["subject"]),
        (&"client_ca".into(), &"town CA".into())
    );
    assert!(found.get("warnings").is_none());

    server(-1, 29);
    let (status, text, found) = check();
    assert_eq!(status, 0, "a warning is no mistake: {text}");
    assert!(
        text.contains("WARNING node certificates: server pay.example.org"),
        "{text}"
    );
    assert_eq!(found["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(found["mistakes"].as_array().unwrap().len(), 0);

    for (from, to, words) in [(-9, -1, "has ended"), (1, 9, "begins to hold")] {
        server(from, to);
        let (status, text, found) = check();
        assert_eq!(status, 1, "{text}");
        assert!(
            text.contains("WRONG   node certificates: server pay.example.org"),
            "{text}"
        );
        assert!(text.contains(words), "{text}");
        assert_eq!(found["mistakes"].as_array().unwrap().len(), 1);
    }

    // A key of another certificate, and an authority that has ended: both in one run.
    server(-1, 90);
    let other = identity("x", &Use::Server, Some(&ca));
    std::fs::write(place.join("server.key"), other.key_pem()).unwrap();
    let ended = dated(&["old CA"], &Use::Authority, None, (days(-9), days(-1)));
    let bundle = |authorities: &[&Identity]| {
        let pem: String = authorities.iter().map(|ca| ca.pem()).collect();
        std::fs::write(place.join("ca.pem"), pem).unwrap();
    };
    bundle(&[&ca, &ended]);
    let (status, text, _) = check();
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("is not the key of the certificate"), "{text}");
    assert!(text.contains("client_ca old CA has ended"), "{text}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("pagomensa.toml"), "[web]\ncolour = 1\n").unwrap();
    let (status, text) = program(place, &["check"]);
    assert_eq!(status, 1);
    assert!(text.contains("WRONG   configuration: "), "{text}");
    assert!(text.contains("colour"), "{text}");
    let (status, text) = program(place, &["check", "--json"]);
    assert_eq!(status, 1);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["findings"][0]["checked"], "configuration");
    let mistake = json["findings"][0]["mistakes"][0].as_str().unwrap();
    assert!(mistake.contains("colour"), "{mistake}");
}

#[test]
fn verbs_that_read_make_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("pagomensa.toml"), configuration(place)).unwrap();
    for words in [
        &["keys", "list"][..],
        &["keys", "revoke", "pm_0123456789abcdef"],
        &["job", "list"],
        &["job", "run", "expire"],
        &["audit", "search", "--day", "2026-11-20"],
    ] {
        let (status, text) = program(place, words);
        assert_eq!(status, 1, "{words:?}");
        let told = "there is no database yet: run pagomensa migrate";
        assert!(text.contains(told), "{words:?}: {text}");
        assert!(!place.join("p.db").exists(), "{words:?}");
    }
    assert_eq!(program(place, &["migrate"]).0, 0);
    assert_eq!(program(place, &["keys", "list"]).0, 0);
    let (status, text) = program(place, &["job", "run", "aca"]);
    assert_eq!(status, 1);
    assert!(
        text.contains("aca is switched off ([aca] enabled = false)"),
        "{text}"
    );
    let id = "00000000-0000-7000-8000-000000000000";
    let (status, text) = program(
        place,
        &["audit", "erase", "--document", id, "--reason", "x"],
    );
    assert_eq!(status, 1);
    assert!(text.contains("say who with --by"), "{text}");
}

/// A schema of an earlier version, on which an older program may still serve, is changed by nobody who
/// was not asked to.
#[tokio::test]
async fn an_older_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("pagomensa.toml"), configuration(place)).unwrap();
    let file = format!("sqlite://{}", place.join("p.db").display());
    let older: Vec<_> = migrator(Engine::Sqlite).iter().take(3).cloned().collect();
    let mut conn = SqliteConnection::connect(&format!("{file}?mode=rwc"))
        .await
        .unwrap();
    let migrated = Migrator::with_migrations(older).run(&mut conn).await;
    migrated.unwrap();
    conn.close().await.unwrap();
    let count = async || -> i64 {
        let mut conn = SqliteConnection::connect(&file).await.unwrap();
        let row = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        row.get(0)
    };
    let make = ["keys", "create", "--creditor", "77777777777", "--name", "x"];
    for words in [
        &make[..],
        &["keys", "list"],
        &["keys", "revoke", "pm_0123456789abcdef"],
        &["job", "list"],
        &["job", "run", "expire"],
        &["audit", "verify"],
        &["check"],
    ] {
        let (status, text) = program(place, words);
        assert_eq!(status, 1, "{words:?}: {text}");
        let told = "the schema is not up to date: run pagomensa migrate";
        assert!(text.contains(told), "{words:?}: {text}");
        assert_eq!(count().await, 3, "{words:?}");
    }
    assert_eq!(program(place, &["migrate"]).0, 0);
    for words in [&make[..], &["job", "list"], &["job", "run", "expire"]] {
        let (status, text) = program(place, words);
        assert_eq!(status, 0, "{words:?}: {text}");
    }
}

/// The first verb of an installation may be the making of a key.
#[test]
fn a_first_key_makes_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("pagomensa.toml"), configuration(place)).unwrap();
    let make = ["keys", "create", "--creditor", "77777777777", "--name", "x"];
    for _ in 0..2 {
        let (status, text) = program(place, &make);
        assert!(status == 0 && text.starts_with("pm_"), "{text}");
    }
    let (status, text) = program(place, &["keys", "list"]);
    assert_eq!((status, text.lines().count()), (0, 2), "{text}");
}

/// An address on the way to which pagoPA's key can be read is told by `check` and in the log of whoever
/// calls it; one of this machine itself is not.
#[test]
fn an_address_without_tls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let told = "the service is called without TLS: everybody on the way can read the key";
    let write = |aca: &str, gpd: &str| {
        let sections = format!(
            "[aca]\nenabled = true\nurl = \"{aca}\"\nsubscription_key = \"k\"\n\
             [receipt_search]\nenabled = true\nbizevents_key = \"k\"\ngpd_key = \"k\"\n\
             bizevents_url = \"https://biz.example.org\"\ngpd_url = \"{gpd}\"\n"
        );
        let text = configuration(place) + &sections;
        std::fs::write(place.join("pagomensa.toml"), text).unwrap();
    };
    write("https://aca.example.org", "http://gpd.example.org/v1");
    assert_eq!(program(place, &["migrate"]).0, 0);
    for (aca, gpd, bare) in [
        (
            "https://aca.example.org",
            "https://gpd.example.org",
            &[][..],
        ),
        ("http://127.0.0.1:9/aca", "http://localhost:9/gpd", &[]),
        ("http://[::1]:9/aca", "https://gpd.example.org", &[]),
        (
            "http://aca.example.org",
            "https://gpd.example.org",
            &["aca"],
        ),
        ("https://aca.example.org", "http://192.0.2.1/gpd", &["gpd"]),
        (
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
            &["aca", "gpd"],
        ),
    ] {
        write(aca, gpd);
        let (_, text) = program(place, &["check"]);
        let lines = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.contains(told));
            lines.map(str::to_owned).collect()
        };
        let found = lines(&text);
        assert_eq!(found.len(), bare.len(), "{text}");
        for (line, service) in found.iter().zip(bare) {
            let key = match *service {
                "aca" => "aca.url",
                _ => "receipt_search.gpd_url",
            };
            assert!(line.starts_with("WARNING") && line.contains(key), "{line}");
        }
        // Every verb that builds the gateway says it in the log; nothing is called by this one.
        let (status, text) = program(place, &["job", "run", "expire"]);
        assert_eq!(status, 0, "{text}");
        let logged = lines(&text);
        assert_eq!(logged.len(), bare.len(), "{text}");
        for (line, service) in logged.iter().zip(bare) {
            assert!(line.contains("WARN") && line.contains(service), "{line}");
        }
    }
}

#[test]
fn a_checkout_that_cannot_be_reached_or_believed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = format!("http://{}/checkout/ec", listener.local_addr().unwrap());
    // Any answer will do.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).unwrap();
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
        }
    });
    let check = |url: &str| {
        let section = format!("[checkout]\nenabled = true\nurl = \"{url}\"\ntimeout_s = 2\n");
        let text = configuration(place) + &section;
        std::fs::write(place.join("pagomensa.toml"), text).unwrap();
        let (_, text) = program(place, &["check"]);
        let lines = text.lines().filter(|line| line.contains("Checkout"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = check(&near);
    assert!(lines[0].starts_with("ok "), "{lines:?}");
    assert!(
        lines[1].contains("77777777778 has no return_urls"),
        "{lines:?}"
    );
    let lines = check("http://127.0.0.1:9/checkout/ec");
    assert!(lines[0].starts_with("WRONG"), "{lines:?}");
    assert!(lines[0].contains("cannot be reached"), "{lines:?}");
    let lines = check("http://192.0.2.1:9/checkout/ec");
    assert!(
        lines.iter().any(|line| line.contains("is not https")),
        "{lines:?}"
    );
}
