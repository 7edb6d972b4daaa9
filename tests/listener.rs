//! The listeners of the built program: crowds, slow clients, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::faults::{ports, until};
use crate::pki::{FUTURE, Identity, Use, dated, identity};

/// The program, serving with certificates of its own.
struct Served {
    child: Child,
    folder: tempfile::TempDir,
    ca: Identity,
    node: Identity,
    web: u16,
    door: u16,
    log: Arc<Mutex<String>>,
}

impl Served {
    async fn start(more: &[(&str, &str)]) -> Served {
        Served::dated((0, FUTURE.1), (0, FUTURE.1), more).await
    }

    /// With a server's and a client's certificate that hold between these instants.
    async fn dated(server: (i64, i64), client: (i64, i64), more: &[(&str, &str)]) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let ca = identity("test CA", &Use::Authority, None);
        let node = dated(
            &["forwarder.demo.pagomensa"],
            &Use::Client,
            Some(&ca),
            client,
        );
        ca.write(folder.path(), "ca");
        dated(&["pay.example.org"], &Use::Server, Some(&ca), server).write(folder.path(), "server");
        let file = folder.path().join("pagomensa.toml");
        let settings = include_str!("../config/demo.toml").replace(
            "[node.tls]",
            "[node.tls]\ncertificate_file = \"server.pem\"\nkey_file = \"server.key\"\n\
             client_ca_file = \"ca.pem\"\nreload_every_s = 86400",
        );
        let settings = settings.replace("filter = \"warn\"", "filter = \"info\"");
        std::fs::write(&file, settings).unwrap();
        let (web, door) = (ports(1), ports(1));
        let mut child = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
            .args(["serve", "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .env("PAGOMENSA__DATABASE__URL", "sqlite://p.db")
            .env("PAGOMENSA__LEDGER__ENABLED", "false")
            .env("PAGOMENSA__WEB__LISTEN", format!("127.0.0.1:{web}"))
            .env("PAGOMENSA__NODE__LISTEN", format!("127.0.0.1:{door}"))
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let served = Served {
            child,
            folder,
            ca,
            node,
            web,
            door,
            log,
        };
        served.wait_for("the gateway is ready").await;
        served
    }

    /// Waits until this stands in the log.
    async fn wait_for(&self, words: &str) {
        for _ in 0..1_200 {
            if self.log.lock().unwrap().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{words:?} is not in the log:\n{}", self.log.lock().unwrap());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    async fn end(mut self) -> ExitStatus {
        self.signal("-TERM");
        tokio::task::spawn_blocking(move || self.child.wait().unwrap())
            .await
            .unwrap()
    }

    fn client(&self) -> reqwest::Client {
        let ca = reqwest::Certificate::from_der(&self.ca.certificate.to_der().unwrap()).unwrap();
        let pair =
            reqwest::Identity::from_pkcs8_pem(self.node.pem().as_bytes(), &self.node.key_pem());
        reqwest::Client::builder()
            .tls_certs_only([ca])
            .identity(pair.unwrap())
            .tls_info(true)
            .build()
            .unwrap()
    }

    /// The node calls on a new connection: the certificate that it is shown.
    async fn shown(&self) -> Vec<u8> {
        let url = format!("https://127.0.0.1:{}/node", self.door);
        let answer = self.client().post(url).send().await.unwrap();
        assert_eq!(
            answer.status().as_u16(),
            500,
            "no message, and a fault of SOAP"
        );
        let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        info.peer_certificate().unwrap().to_vec()
    }
}

/// A connection that says this and no more.
fn say(port: u16, words: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // It may have been closed already, to make room.
    let _ = stream.write_all(words);
    stream
}

/// Many connections that say nothing, and others that begin and never end a request, keep nobody
/// out at either door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let served = Served::start(&[
        ("PAGOMENSA__NODE__CONNECTIONS", "20"),
        ("PAGOMENSA__WEB__CONNECTIONS", "20"),
    ])
    .await;
    let slow: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ";
    let half_hello: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
    let mut crowd = vec![];
    for _ in 0..200 {
        crowd.push(say(served.web, b""));
        crowd.push(say(served.web, slow));
        crowd.push(say(served.door, b""));
        crowd.push(say(served.door, half_hello));
    }
    let http = reqwest::Client::new();
    for _ in 0..5 {
        served.shown().await;
        let url = format!("http://127.0.0.1:{}/health/live", served.web);
        assert_eq!(http.get(url).send().await.unwrap().status().as_u16(), 200);
        crowd.push(say(served.web, slow));
        crowd.push(say(served.door, b""));
    }
    let url = format!("http://127.0.0.1:{}/metrics", served.web);
    let page = http.get(url).send().await.unwrap();
    assert_eq!(
        page.status().as_u16(),
        200,
        "to this machine, over a socket"
    );
    let page = page.text().await.unwrap();
    let line = "pagomensa_connections_turned_away_total{listener=\"node\",reason=\"all\"}";
    assert!(page.contains(line), "{page}");
    drop(crowd);
    assert!(served.end().await.success());
}

/// A request that stops in the middle of its head is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_end_is_given_up() {
    let served = Served::start(&[]).await;
    let mut stream = say(served.web, b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let heard = tokio::task::spawn_blocking(move || {
        let mut heard = vec![];
        stream.read_to_end(&mut heard).map(|_| heard)
    });
    let heard = heard.await.unwrap().expect("the connection stays open");
    assert!(!heard.starts_with(b"HTTP/1.1 200"));
    assert!(served.end().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_exchanges_the_certificates() {
    let served = Served::start(&[]).await;
    let first = served.shown().await;
    let next = identity("pay.example.org", &Use::Server, Some(&served.ca));
    next.write(served.folder.path(), "server");
    assert_eq!(served.shown().await, first, "not before it is told to");
    served.signal("-HUP");
    served.wait_for("new certificates are in use").await;
    let second = served.shown().await;
    assert_eq!(second, next.certificate.to_der().unwrap());

    std::fs::write(served.file("server.pem"), "broken").unwrap();
    served.signal("-HUP");
    served.wait_for("new certificates cannot be used").await;
    assert_eq!(served.shown().await, second);
    assert!(served.end().await.success());
}

/// Stopped under load: whatever was sent is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_resets_no_request() {
    let served = Served::start(&[]).await;
    let url = format!("https://127.0.0.1:{}/node", served.door);
    let answered = AtomicUsize::new(0);
    let is_ended = AtomicBool::new(false);
    let clients: Vec<reqwest::Client> = (0..8).map(|_| served.client()).collect();
    let caller = async |client: &reqwest::Client| loop {
        match client.post(&url).body("no message").send().await {
            Ok(answer) => {
                assert_eq!(answer.status().as_u16(), 500);
                answer.bytes().await.unwrap();
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                assert!(error.is_connect(), "a request was cut off: {error:?}");
                assert!(is_ended.load(Ordering::SeqCst), "{error:?}");
                return;
            }
        }
    };
    let callers = futures_util::future::join_all(clients.iter().map(caller));
    let stopper = async {
        until("200 calls are answered", || {
            answered.load(Ordering::SeqCst) >= 200
        })
        .await;
        is_ended.store(true, Ordering::SeqCst);
        served.end().await
    };
    let (_, status) = tokio::join!(callers, stopper);
    assert!(status.success());
}

/// Who runs the service hears of it in time, from the log and in the metrics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_end_soon_are_told_of() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let days = |days: i64| (0, now + days * 86_400 + 3_600);
    let words = |served: &Served, words: &str| {
        let log = served.log.lock().unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    };
    for (server, expected) in [(31, None), (29, Some("WARN")), (6, Some("ERROR"))] {
        let served = Served::dated(days(server), days(29), &[]).await;
        for _ in 0..3 {
            served.shown().await;
        }
        served.signal("-HUP");
        served.wait_for("as told by SIGHUP").await;
        let log = served.log.lock().unwrap().clone();
        let mut told = log.lines().filter(|line| line.contains("pay.example.org"));
        match expected {
            Some(level) => assert!(
                told.next().is_some_and(|line| line.contains(level)),
                "{log}"
            ),
            None => assert!(told.next().is_none(), "{log}"),
        }
        assert_eq!(told.count(), 0, "once a day:\n{log}");
        let of_client = "the certificate of the node ends soon";
        assert_eq!(words(&served, of_client), 1, "once a day:\n{log}");
        let url = format!("http://127.0.0.1:{}/metrics", served.web);
        let page = reqwest::get(url).await.unwrap().text().await.unwrap();
        for (role, subject, left) in [
            ("client", "forwarder.demo.pagomensa", 29),
            ("server", "pay.example.org", server),
        ] {
            let name =
                format!("pagomensa_tls_expiry_seconds{{role=\"{role}\",subject=\"{subject}\"}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&name));
            let seconds: i64 = line.unwrap().parse().unwrap();
            assert_eq!(seconds / 86_400, left, "{role}");
        }
        assert!(served.end().await.success());
    }
}

/// A folder with nothing in it: what is needed is named, before a database is made.
#[test]
fn without_certificates_nothing_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
        .arg("serve")
        .current_dir(folder.path())
        .env("PAGOMENSA__WEB__LISTEN", "127.0.0.1:0")
        .env("PAGOMENSA__NODE__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(!Path::new(&folder.path().join("data")).exists());
}
