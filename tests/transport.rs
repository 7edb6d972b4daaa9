//! Mutual TLS at the node's door, over real sockets with certificates made here.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum_server::Handle;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use pagomensa::channel::node;
use pagomensa::channel::node::tls::PeerAcceptor;
use pagomensa::config;
use pagomensa::store::Engine;

use crate::world::{World, verify};

const ALLOWED: &str = "forwarder.test";

/// A certificate with its key.
struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate is for.
enum Use {
    Authority,
    Server,
    Client,
}

/// A certificate for this name, signed by an authority or by itself.
fn identity(name: &str, usage: &Use, issuer: Option<&Identity>) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(100, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&subject, |i| i.certificate.subject_name()))
        .unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    match usage {
        Use::Authority => {
            let ca = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(ca).unwrap();
        }
        Use::Server => {
            let names = SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .build(&builder.x509v3_context(issuer.map(|i| &*i.certificate), None));
            builder.append_extension(names.unwrap()).unwrap();
            let usage = ExtendedKeyUsage::new().server_auth().build().unwrap();
            builder.append_extension(usage).unwrap();
        }
        Use::Client => {
            let usage = ExtendedKeyUsage::new().client_auth().build().unwrap();
            builder.append_extension(usage).unwrap();
        }
    }
    builder
        .sign(issuer.map_or(&key, |i| &i.key), MessageDigest::sha256())
        .unwrap();
    Identity {
        certificate: builder.build(),
        key,
    }
}

impl Identity {
    fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&certificate, self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&key, self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }
}

/// The door on a socket, with an authority of its own.
struct Stage {
    ca: Identity,
    address: SocketAddr,
    handle: Handle<SocketAddr>,
}

impl Stage {
    async fn set(world: &World, folder: &Path) -> Stage {
        let ca = identity("test CA", &Use::Authority, None);
        let (ca_file, _) = ca.write(folder, "ca");
        let server = identity("server", &Use::Server, Some(&ca));
        let (certificate_file, key_file) = server.write(folder, "server");
        let mut config: config::Node = world.app.config().node.clone();
        config.tls = config::Tls {
            enabled: true,
            certificate_file,
            key_file,
            client_ca_file: ca_file,
            allowed_subjects: vec!["another.name".to_owned(), ALLOWED.to_owned()],
            handshake_timeout_s: 5,
        };
        let acceptor = PeerAcceptor::new(&config.tls).unwrap();
        let (desk, guard) = (world.app.desk().clone(), world.app.guard().clone());
        let router = node::router(desk, world.clock.clone(), config, guard);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let handle = Handle::new();
        let server = axum_server::from_tcp(listener)
            .unwrap()
            .acceptor(acceptor)
            .handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        let address = handle.listening().await.unwrap();
        Stage {
            ca,
            address,
            handle,
        }
    }

    /// A call with this identity: the status and the text, or why there was none.
    async fn call(
        &self,
        identity: Option<&Identity>,
        message: String,
    ) -> Result<(u16, String), String> {
        let ca = reqwest::Certificate::from_der(&self.ca.certificate.to_der().unwrap()).unwrap();
        let mut client = reqwest::Client::builder().tls_certs_only([ca]);
        if let Some(identity) = identity {
            let pair = reqwest::Identity::from_pkcs8_pem(
                &identity.certificate.to_pem().unwrap(),
                &identity.key.private_key_to_pem_pkcs8().unwrap(),
            );
            client = client.identity(pair.unwrap());
        }
        let answer = client
            .build()
            .unwrap()
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
        assert_eq!(world.count("exchanges").await, 1 + 3);
        stage.handle.shutdown();
    })
    .await;
}

/// What OpenSSL's own client hears when it speaks this version of TLS.
fn s_client(stage: SocketAddr, folder: &Path, more: &[&str]) -> String {
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
    if Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        let _ = writeln!(
            std::io::stderr(),
            "openssl was NOT found: resumption is not tested"
        );
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
