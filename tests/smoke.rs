//! The built program, started as its user starts it: the README's path over sockets.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::faults::ports;

/// The demo, running.
pub struct Demo {
    child: Child,
    ready: Value,
}

/// A port that is free together with the next two.
pub fn free_port() -> u16 {
    ports(3)
}

pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pagomensa"))
}

impl Demo {
    pub fn start(data: &Path, port: u16, log: &Path) -> Demo {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut child = program()
            .args(["demo", "--headless", "--port", &port.to_string(), "--data"])
            .arg(data)
            .env("PAGOMENSA__LOG__FILTER", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Demo { child, ready }
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).unwrap().as_str().unwrap()
    }

    fn signal(&mut self, name: &str) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The commands of the README that walk one payment.
fn walk() -> String {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let start = readme
        .find("```sh\n# the walk")
        .expect("the walk stands in the README")
        + 6;
    let length = readme[start..].find("```").unwrap();
    readme[start..start + length].to_owned()
}

fn shell(script: &str, demo: &Demo) -> Output {
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("WEB", demo.text("/web"))
        .env("WORLD", demo.text("/world"))
        .env("KEY", demo.text("/creditors/0/portal_key"))
        .output()
        .unwrap()
}

#[test]
fn the_readme_walks_one_payment_and_a_killed_demo_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("demo"), folder.path().join("log"));
    let port = free_port();
    let mut demo = Demo::start(&data, port, &log);
    for pointer in ["/tls/ca", "/tls/client_cert", "/tls/client_key"] {
        assert!(Path::new(demo.text(pointer)).is_absolute());
        assert!(Path::new(demo.text(pointer)).exists());
    }
    assert_eq!(demo.text("/creditors/0/fiscal_code"), "77777777777");
    assert_eq!(demo.text("/creditors/1/fiscal_code"), "77777777778");
    assert_ne!(
        demo.text("/creditors/0/portal_key"),
        demo.text("/creditors/1/portal_key")
    );
    let walked = shell(&walk(), &demo);
    let (out, err) = (
        String::from_utf8_lossy(&walked.stdout).into_owned(),
        String::from_utf8_lossy(&walked.stderr).into_owned(),
    );
    assert!(walked.status.success(), "{out}\n{err}");
    assert!(out.contains("\"amount_cents\":5000"), "{out}\n{err}");

    // Killed in the middle of its life, it comes back with everything, and books nothing again.
    let entries = "curl -sS --fail-with-body \"$WORLD/ledger/entries?child=50004\"";
    let before = shell(entries, &demo);
    let key = demo.text("/creditors/0/portal_key").to_owned();
    demo.signal("-KILL");
    let mut demo = Demo::start(&data, port, &log);
    assert_eq!(demo.text("/creditors/0/portal_key"), key);
    let after = shell(entries, &demo);
    assert!(after.status.success());
    assert_eq!(before.stdout, after.stdout);

    // And it goes on working: what is paid after the kill is credited.
    let again = shell(&walk(), &demo);
    let err = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success(), "{err}");
    assert!(String::from_utf8_lossy(&again.stdout).contains("\"amount_cents\":5000"));

    // A second demo on the same ports says what to do.
    let second = program()
        .args(["demo", "--headless", "--port", &port.to_string(), "--data"])
        .arg(folder.path().join("second"))
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(
        words.contains(&port.to_string()) && words.contains("--port"),
        "{words}"
    );
    assert!(second.stdout.is_empty());

    assert!(
        demo.signal("-TERM").success(),
        "a clean end has the status 0"
    );
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("the node was answered"),
        "the log was not written:\n{log}"
    );
    for secret in [
        "Giulia",
        "Mario",
        "Rossi",
        "RSSGLI16A41F205M",
        "RSSMRA80A01H501U",
        "mario@example.org",
        key.as_str(),
        std::fs::read_to_string(data.join("ledger.token"))
            .unwrap()
            .trim(),
    ] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

/// Every command of the guide for portals, one after the other.
#[test]
fn the_guide_leads_from_nothing_to_a_paid_notice() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let demo = Demo::start(&folder.path().join("demo"), free_port(), &log);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/integration.md");
    let guide = std::fs::read_to_string(file).unwrap();
    let commands: Vec<&str> = guide
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let walked = shell(&commands.concat(), &demo);
    let out = String::from_utf8_lossy(&walked.stdout);
    let err = String::from_utf8_lossy(&walked.stderr);
    assert!(walked.status.success(), "{out}\n{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.contains(&"notice.paid"), "{out}\n{err}");
    assert!(lines.contains(&"the signature is good"), "{out}\n{err}");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let port = free_port().to_string();
    for more in [&["--fresh"][..], &[]] {
        let refused = program()
            .args(["demo", "--headless", "--port", &port, "--data"])
            .arg(folder.path())
            .args(more)
            .output()
            .unwrap();
        assert!(!refused.status.success());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// `check`, `migrate`, `keys` and `job` as a script uses them.
#[test]
fn the_operators_verbs_have_honest_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pagomensa.toml");
    let database = folder.path().join("db").join("p.db");
    let creditor = include_str!("../config/production.example.toml")
        .split("[[creditors]]")
        .nth(1)
        .unwrap();
    let good = format!(
        "[database]\nurl = \"sqlite://{}\"\n[node.tls]\nenabled = false\n[ledger]\n\
         token = \"t\"\n[[creditors]]{creditor}",
        database.display()
    );
    std::fs::write(&file, &good).unwrap();
    let run = |words: &[&str]| {
        let output = program()
            .args(words)
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    };
    let (status, text) = run(&["check"]);
    assert!(status == 1 && text.contains("pagomensa migrate"), "{text}");
    assert!(!database.exists(), "the doctor only looks");
    let (status, text) = run(&["migrate", "--json"]);
    assert_eq!((status, text.trim()), (0, "{\"schema\":\"current\"}"));
    let (status, text) = run(&["check"]);
    assert_eq!(status, 0, "{text}");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&database).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the database can be read by others");
    let (status, text) = run(&[
        "keys",
        "create",
        "--creditor",
        "00743110157",
        "--name",
        "portal",
        "--json",
    ]);
    assert_eq!(status, 0, "{text}");
    let key: Value = serde_json::from_str(&text).unwrap();
    let key = key["key"].as_str().unwrap();
    let (status, text) = run(&["keys", "list"]);
    assert!(
        status == 0 && text.contains(&key[..19]) && !text.contains(key),
        "{text}"
    );
    assert_eq!(run(&["keys", "revoke", &key[..19]]).0, 0);
    assert_eq!(run(&["keys", "revoke", &key[..19]]).0, 1);
    assert_eq!(
        run(&["keys", "create", "--creditor", "99999999999", "--name", "x"]).0,
        1
    );
    assert_eq!(run(&["job", "run", "expire"]).0, 0);
    assert_eq!(run(&["job", "run", "nonsense"]).0, 1);
    assert!(run(&["job", "list"]).1.contains("ledger"));
    assert_eq!(run(&["nonsense"]).0, 2);

    // Every mistake in one run.
    let bad = good
        .replace("fiscal_code = \"00743110157\"", "fiscal_code = \"74\"")
        .replace("IT60X0542811101000000123456", "IT60X0542811101000000123457")
        .replace(
            "enabled = false",
            "enabled = true\ncertificate_file = \"none.pem\"",
        );
    std::fs::write(&file, bad).unwrap();
    let (status, text) = run(&["check"]);
    assert_eq!(status, 1);
    for key in [
        "creditors[0].fiscal_code",
        "creditors[0].bank_iban",
        "node.tls.certificate_file",
    ] {
        assert!(text.contains(key), "{key} is missing in:\n{text}");
    }
    std::fs::write(&file, "[web]\nlisten_on = 1").unwrap();
    let (status, text) = run(&["check"]);
    assert!(status == 1 && text.contains("listen_on"), "{text}");
}

/// `serve` without a configuration that can work says why, and does not hang.
#[test]
fn serve_refuses_what_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["serve"])
        .current_dir(folder.path())
        .env("PAGOMENSA__WEB__LISTEN", "127.0.0.1:0")
        .env("PAGOMENSA__NODE__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(words.contains("node.tls.certificate_file"), "{words}");
}
