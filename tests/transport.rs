//! Mutual TLS at the node's door, over real sockets with certificates made here.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum_server::Handle;
use pagomensa::channel::node;
use pagomensa::channel::node::tls::{Certificates, PeerAcceptor};
use pagomensa::config;
use pagomensa::store::Engine;

use crate::pki::{FUTURE, Identity, PAST, Use, dated, identity};
use crate::world::{World, verify};

pub const ALLOWED: &str = "forwarder.test";

/// The door on a socket, with an authority of its own.
pub struct Stage {
    pub ca: Identity,
    pub address: SocketAddr,
    pub handle: Handle<SocketAddr>,
    pub certificates: Certificates,
}

/// The settings of TLS with their files in this folder: `server.pem`, `server.key`, `ca.pem` and,
/// when it is there, `crl.pem`.
pub fn settings(world: &World, folder: &Path) -> config::Node {
    let crl = folder.join("crl.pem");
    let mut config: config::Node = world.app.config().node.clone();
    config.tls = config::Tls {
        enabled: true,
        certificate_file: folder.join("server.pem"),
        key_file: folder.join("server.key"),
        client_ca_file: folder.join("ca.pem"),
        allowed_subjects: vec!["another.name".to_owned(), ALLOWED.to_owned()],
        handshake_timeout_s: 5,
        crl_file: if crl.exists() { crl } else { PathBuf::new() },
        reload_every_s: 60,
    };
    config
}

impl Stage {
    pub async fn set(world: &World, folder: &Path) -> Stage {
        let ca = identity("test CA", &Use::Authority, None);
        ca.write(folder, "ca");
        identity("server", &Use::Server, Some(&ca)).write(folder, "server");
        Stage::over(world, folder, ca).await
    }

    /// The door with the files that are in the folder.
    pub async fn over(world: &World, folder: &Path, ca: Identity) -> Stage {
        let config = settings(world, folder);
        let metrics = world.app.desk().metrics().clone();
        let certificates = Certificates::open(&config, world.clock.clone(), metrics)
            .unwrap()
            .unwrap();
        let router = node::router(
            world.app.desk().clone(),
            world.clock.clone(),
            config,
            world.app.guard().clone(),
            Some(certificates.clone()),
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let handle = Handle::new();
        let server = axum_server::from_tcp(listener)
            .unwrap()
            .acceptor(PeerAcceptor::new(certificates.clone()))
            .handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        let address = handle.listening().await.unwrap();
        Stage {
            ca,
            address,
            handle,
            certificates,
        }
    }

    /// A client that shows this identity and keeps its connections.
    pub fn client(&self, identity: Option<&Identity>, chain: &[&Identity]) -> reqwest::Client {
        let ca = reqwest::Certificate::from_der(&self.ca.certificate.to_der().unwrap()).unwrap();
        let mut client = reqwest::Client::builder().tls_certs_only([ca]);
        if let Some(identity) = identity {
            let mut shown = identity.pem();
            for certificate in chain {
                shown.push_str(&certificate.pem());
            }
            let pair = reqwest::Identity::from_pkcs8_pem(shown.as_bytes(), &identity.key_pem());
            client = client.identity(pair.unwrap());
        }
        client.build().unwrap()
    }

    /// A call of this client: the status and the text, or why there was none.
    pub async fn ask(
        &self,
        client: &reqwest::Client,
        message: String,
    ) -> Result<(u16, String), String> {
        let answer = client
            .post(format!("https://{}/node", self.address))
            .body(message)
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        Ok((
            status,
            answer.text().await.map_err(|error| error.to_string())?,
        ))
    }

    /// A call on a connection of its own.
    pub async fn call(
        &self,
        identity: Option<&Identity>,
        message: String,
    ) -> Result<(u16, String), String> {
        self.ask(&self.client(identity, &[]), message).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_node_comes_in() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let number = world.top_up().await["notice_number"]
            .as_str()
            .unwrap()
            .to_owned();
        let call = async |identity: Option<&Identity>| stage.call(identity, verify(&number)).await;

        let node = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let (status, text) = call(Some(&node)).await.unwrap();
        assert_eq!(status, 200);
        assert!(text.contains("<outcome>OK</outcome>"), "{text}");

        assert!(call(None).await.is_err(), "no certificate");
        let self_signed = identity(ALLOWED, &Use::Client, None);
        assert!(call(Some(&self_signed)).await.is_err(), "self-signed");
        let other_ca = identity("other CA", &Use::Authority, None);
        let foreign = identity(ALLOWED, &Use::Client, Some(&other_ca));
        assert!(call(Some(&foreign)).await.is_err(), "another authority");
        let server_only = identity(ALLOWED, &Use::Server, Some(&stage.ca));
        assert!(
            call(Some(&server_only)).await.is_err(),
            "not a client's certificate"
        );

        for (certificate, why) in [
            (
                dated(&[ALLOWED], &Use::Client, Some(&stage.ca), PAST),
                "expired",
            ),
            (
                dated(&[ALLOWED], &Use::Client, Some(&stage.ca), FUTURE),
                "not yet valid",
            ),
        ] {
            assert!(call(Some(&certificate)).await.is_err(), "{why}");
        }
        let two = dated(
            &["x", ALLOWED],
            &Use::Client,
            Some(&stage.ca),
            (0, FUTURE.1),
        );
        assert_eq!(call(Some(&two)).await.unwrap().0, 403, "two names");

        for name in [
            "somebody.else",
            "forwarder.test\0.evil",
            "FORWARDER.TEST.it",
        ] {
            let stranger = identity(name, &Use::Client, Some(&stage.ca));
            let (status, text) = call(Some(&stranger)).await.unwrap();
            assert_eq!(status, 403, "{name:?}");
            assert!(!text.contains("outcome"));
        }
        // Who was turned away after the handshake stands in the journal too, without a message.
        assert_eq!(world.count("exchanges").await, 1 + 1 + 3);
        stage.handle.shutdown();
    })
    .await;
}

/// Authorities below the root that the client brings along are followed, up to a bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_followed_and_not_without_end() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        for (length, is_accepted) in [(1, true), (3, true), (4, false), (10, false)] {
            let mut between: Vec<Identity> = vec![];
            for number in 0..length {
                let issuer = between.last().unwrap_or(&stage.ca);
                let name = format!("authority {length} {number}");
                between.push(identity(&name, &Use::Authority, Some(issuer)));
            }
            let leaf = identity(ALLOWED, &Use::Client, between.last());
            let chain: Vec<&Identity> = between.iter().rev().collect();
            let client = stage.client(Some(&leaf), &chain);
            let heard = stage.ask(&client, String::new()).await;
            assert_eq!(heard.is_ok(), is_accepted, "{length}: {heard:?}");
        }
        stage.handle.shutdown();
    })
    .await;
}

/// Whether OpenSSL's own client is on this machine; says so when it is not.
pub fn is_openssl_there() -> bool {
    let found = Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .status();
    if found.is_err() {
        let _ = writeln!(
            std::io::stderr(),
            "openssl was NOT found: resumption is not tested"
        );
    }
    found.is_ok()
}

/// What OpenSSL's own client hears when it speaks this version of TLS.
pub fn s_client(stage: SocketAddr, folder: &Path, more: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &stage.to_string(),
            "-cipher",
            "ALL:@SECLEVEL=0",
        ])
        .args(["-CAfile", "ca.pem", "-cert", "node.pem", "-key", "node.key"])
        .args(more)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request =
        "POST /node HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let mut stdin = child.stdin.take().unwrap();
    // A handshake that fails closes the pipe before the request is written.
    let _ = stdin.write_all(request.as_bytes());
    let mut heard = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut heard)
        .unwrap();
    child.wait().unwrap();
    heard
}

/// A Java client resumes sessions by default; without a session context each of them would die.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_are_refused_and_sessions_resume() {
    if !is_openssl_there() {
        return;
    }
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        identity(ALLOWED, &Use::Client, Some(&stage.ca)).write(folder.path(), "node");
        let (address, place) = (stage.address, folder.path().to_owned());
        tokio::task::spawn_blocking(move || {
            for old in ["-tls1", "-tls1_1"] {
                let heard = s_client(address, &place, &[old]);
                assert!(!heard.contains("HTTP/1.1"), "{old}: {heard}");
            }
            for version in ["-tls1_2", "-tls1_3"] {
                let heard = s_client(address, &place, &[version, "-sess_out", "session"]);
                assert!(heard.contains("HTTP/1.1 500"), "{version}: {heard}");
                assert!(heard.contains("\nNew, "), "{heard}");
                let heard = s_client(address, &place, &[version, "-sess_in", "session"]);
                assert!(
                    heard.contains("HTTP/1.1 500"),
                    "{version}, resumed: {heard}"
                );
                assert!(heard.contains("\nReused, "), "{heard}");
            }
        })
        .await
        .unwrap();
        stage.handle.shutdown();
    })
    .await;
}
