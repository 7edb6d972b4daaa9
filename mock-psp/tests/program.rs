//! The program as a whole: it starts from its command line, and what the ledger answered survives
//! a sudden death.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail as the test does"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ENTRY: &str = r#"{"entry_id": "e1", "creditor": "77777777777", "child": "50004",
    "service": "refezione", "kind": "credit", "amount_cents": 5000, "channel": "pagopa",
    "reference": "r1", "paid_at": "2026-11-20T09:15:30Z", "traceable": true}"#;

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(data: &Path) -> Self {
        Program::beside(data, "http://127.0.0.1:1")
    }

    /// A world whose node calls the gateway there.
    fn beside(data: &Path, gateway_node: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mock-psp"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--ledger-token",
                "token",
                "--subscription-key",
                "key",
                "--data",
            ])
            .arg(data)
            .args([
                "--gateway-web",
                "http://127.0.0.1:1",
                "--gateway-node",
                gateway_node,
            ])
            .args([
                "--creditor",
                "77777777777:Comune di Esempio:77777777777:77777777777_01:key",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .unwrap()
            .trim_end_matches(['/', '\n']);
        Program {
            address: address.to_owned(),
            child,
        }
    }

    fn ask(&self, head: &str, body: &str) -> String {
        let mut heard = String::new();
        self.send(head, body).read_to_string(&mut heard).unwrap();
        heard
    }

    /// Sends a request and leaves the reply to be read.
    fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{head}host: world\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn post(&self) -> String {
        let head = "POST /ledger/entries HTTP/1.1\r\nauthorization: Bearer token\r\n\
                    content-type: application/json\r\nidempotency-key: e1\r\n";
        self.ask(head, ENTRY)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be dead already, which is what is wanted.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_was_answered_survives_a_sudden_death() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    assert!(
        program
            .ask("GET /health HTTP/1.1\r\n", "")
            .starts_with("HTTP/1.1 200")
    );
    assert!(program.post().starts_with("HTTP/1.1 201"));
    drop(program);
    let program = Program::start(folder.path());
    assert!(
        program
            .ask("GET /ledger/balances HTTP/1.1\r\n", "")
            .contains("\"balance_cents\":5000")
    );
    assert!(program.post().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_receipt_whose_delivery_was_cut_by_a_sudden_death_is_still_owed() {
    let folder = tempfile::tempdir().unwrap();
    // A gateway that takes the receipt and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = format!("http://{}/node", silent.local_addr().unwrap());
    let program = Program::beside(folder.path(), &node);
    let order = r#"{"notice_number": "302202600001234518", "fiscal_code": "77777777777",
        "skip": ["verify", "get"], "amount_cents": 5000, "receipt_id": "r1"}"#;
    let unanswered = program.send("POST /psp/pay HTTP/1.1\r\n", order);
    let (mut arrived, _) = silent.accept().unwrap();
    let mut first = [0; 4];
    arrived.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"POST");
    drop(program);
    drop(unanswered);
    let program = Program::start(folder.path());
    let queue = program.ask("GET /node/receipts?receipt_id=r1 HTTP/1.1\r\n", "");
    assert!(queue.contains("\"state\":\"PENDING\",") && queue.contains("\"attempts\":1,"));
    let moved = program.ask("POST /clock HTTP/1.1\r\n", r#"{"advance_s": 3600}"#);
    assert!(moved.contains("\"tried\":1"), "{moved}");
    drop(program);
    let program = Program::start(folder.path());
    let queue = program.ask("GET /node/receipts?receipt_id=r1 HTTP/1.1\r\n", "");
    assert!(queue.contains("\"attempts\":2,"), "{queue}");
    let head = "GET /bizevents/service/v1/organizations/77777777777/receipts/r1 HTTP/1.1\r\n\
                ocp-apim-subscription-key: key\r\n";
    assert!(program.ask(head, "").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_program_ends_by_itself_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path());
    // A connection that stays open must not keep it.
    let idle = TcpStream::connect(&program.address).unwrap();
    let id = program.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(program.child.wait().unwrap().success());
    drop(idle);
}

#[test]
fn a_wrong_command_line_is_explained() {
    let output = Command::new(env!("CARGO_BIN_EXE_mock-psp"))
        .args(["--creditor", "7:Comune", "--ledger-token", "token"])
        .args(["--subscription-key", "key"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("FISCAL:NAME:BROKER:STATION:PORTALKEY")
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mock-psp"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--listen",
        "--data",
        "--gateway-web",
        "--gateway-node",
        "--ca",
        "--client-identity",
        "--broadcast",
        "--subscription-key",
        "Example:",
    ] {
        assert!(help.contains(option), "{option}");
    }
}
