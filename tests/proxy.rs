//! The node behind a proxy that ends TLS and hands the client's certificate on in a header.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use pagomensa::channel::node;
use pagomensa::channel::node::tls::Certificates;
use pagomensa::config::{Node, ProxyFormat};
use pagomensa::store::Engine;
use tower::ServiceExt;

use crate::pki::{FUTURE, Identity, PAST, Use, dated, identity};
use crate::transport::{ALLOWED, Stage, settings};
use crate::world::{World, verify};

const HEADER: &str = "X-Client-Cert";
const PROXY: &str = "10.1.2.3:4711";

/// The settings of a door behind a proxy.
fn behind(world: &World, folder: &Path, format: ProxyFormat) -> Node {
    let mut config = settings(world, folder);
    config.tls.enabled = false;
    config.proxy.enabled = true;
    config.proxy.addresses = vec!["10.1.2.3".parse().unwrap(), "10.9.0.0/16".parse().unwrap()];
    config.proxy.format = format;
    config
}

fn door(world: &World, config: Node) -> Router {
    let metrics = world.app.desk().metrics().clone();
    let certificates = Certificates::open(&config, world.clock.clone(), metrics).unwrap();
    let desk = world.app.desk().clone();
    let guard = world.app.guard().clone();
    node::router(desk, world.clock.clone(), config, guard, certificates)
}

/// A call from an address with these headers: the status and the text.
async fn call(
    door: &Router,
    from: Option<&str>,
    headers: &[(&str, &str)],
    message: &str,
) -> (u16, String) {
    let mut request = Request::post("/node");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(message.to_owned())).unwrap();
    if let Some(from) = from {
        let address: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
    }
    let answer = door.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    (status, String::from_utf8(body.unwrap().to_vec()).unwrap())
}

/// As nginx writes `$ssl_client_escaped_cert`.
fn escaped(identities: &[&Identity]) -> String {
    let pem: String = identities.iter().map(|identity| identity.pem()).collect();
    pem.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn a_certificate_in_the_header_is_judged_like_one_in_a_handshake() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let ca = identity("test CA", &Use::Authority, None);
        let other_ca = identity("other CA", &Use::Authority, None);
        ca.write(folder.path(), "ca");
        let node = identity(ALLOWED, &Use::Client, Some(&ca));
        let revoked = identity(ALLOWED, &Use::Client, Some(&ca));
        std::fs::write(folder.path().join("crl.pem"), ca.revocations(&[&revoked])).unwrap();
        let door = door(world, behind(world, folder.path(), ProxyFormat::EscapedPem));
        let notice = world.top_up().await;
        let message = verify(notice["notice_number"].as_str().unwrap());

        let good = escaped(&[&node]);
        for from in [PROXY, "10.9.255.1:1", "[::ffff:10.1.2.3]:1"] {
            let (status, text) = call(&door, Some(from), &[(HEADER, &good)], &message).await;
            assert_eq!(status, 200, "{from}");
            assert!(text.contains("<outcome>OK</outcome>"), "{text}");
        }
        let mut exchanges = 3;
        assert_eq!(world.count("exchanges").await, exchanges);

        let client = |names: &[&str], issuer, dates| dated(names, &Use::Client, issuer, dates);
        let always = (0, FUTURE.1);
        let identities = [
            ("expired", client(&[ALLOWED], Some(&ca), PAST)),
            ("not yet valid", client(&[ALLOWED], Some(&ca), FUTURE)),
            (
                "another authority",
                client(&[ALLOWED], Some(&other_ca), always),
            ),
            ("self-signed", client(&[ALLOWED], None, always)),
            (
                "a server's",
                dated(&[ALLOWED], &Use::Server, Some(&ca), always),
            ),
            (
                "another name",
                client(&["somebody.else"], Some(&ca), always),
            ),
            ("a NUL", client(&["forwarder.test\0.x"], Some(&ca), always)),
            ("two names", client(&[ALLOWED, "x"], Some(&ca), always)),
            ("no name", client(&[], Some(&ca), always)),
            ("revoked", revoked),
        ];
        for (why, identity) in &identities {
            let header = escaped(&[identity]);
            let (status, text) = call(&door, Some(PROXY), &[(HEADER, &header)], &message).await;
            assert_eq!(status, 403, "{why}");
            assert!(!text.contains("outcome"), "{why}");
            exchanges += 1;
        }
        // The right certificate behind a wrong one is only a part of the wrong one's chain.
        let stranger = client(&["somebody.else"], Some(&ca), always);
        let both = escaped(&[&stranger, &node]);
        let half = &good[..good.len() / 2];
        let plain = node.pem().replace('\n', " ");
        let joined = format!("{good},{good}");
        for (why, headers) in [
            ("no header", vec![]),
            ("an empty one", vec![(HEADER, "")]),
            ("two", vec![(HEADER, good.as_str()), (HEADER, &good)]),
            (
                "two, in another case",
                vec![("x-client-cert", &good), (HEADER, &good)],
            ),
            ("joined", vec![(HEADER, &joined)]),
            ("half of it", vec![(HEADER, half)]),
            ("without escapes", vec![(HEADER, &plain)]),
            ("a chain", vec![(HEADER, &both)]),
            ("a name instead", vec![(HEADER, "CN=forwarder.test")]),
            ("another header", vec![("X-SSL-Client-Cert", &good)]),
        ] {
            let (status, _) = call(&door, Some(PROXY), &headers, &message).await;
            assert_eq!(status, 403, "{why}");
            exchanges += 1;
        }
        for from in [
            Some("10.1.2.4:4711"),
            Some("127.0.0.1:1"),
            Some("[::1]:1"),
            None,
        ] {
            for headers in [vec![(HEADER, good.as_str())], vec![]] {
                let forwarded = [headers, vec![("X-Forwarded-For", "10.1.2.3")]].concat();
                let (status, _) = call(&door, from, &forwarded, &message).await;
                assert_eq!(status, 403, "{from:?}");
                exchanges += 1;
            }
        }
        assert_eq!(
            world.count("exchanges").await,
            exchanges,
            "each of them in the journal"
        );
    })
    .await;
}

#[tokio::test]
async fn a_subject_in_the_header_must_be_the_nodes() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        // Nothing is judged again, so that no file is needed.
        let door = door(world, behind(world, folder.path(), ProxyFormat::SubjectDn));
        let notice = world.top_up().await;
        let message = verify(notice["notice_number"].as_str().unwrap());
        for (subject, expected) in [
            ("CN=forwarder.test,O=PagoPA S.p.A.,C=IT", 200),
            ("C=IT,O=PagoPA\\, S.p.A.,CN=forwarder.test", 200),
            ("CN=somebody.else,O=PagoPA S.p.A.,C=IT", 403),
            ("O=x\\,CN=forwarder.test,CN=somebody.else", 403),
            ("CN=somebody.else,CN=forwarder.test", 403),
            ("CN=forwarder.test\\00.x", 403),
            ("/C=IT/CN=forwarder.test", 403),
            ("", 403),
        ] {
            let (status, _) = call(&door, Some(PROXY), &[(HEADER, subject)], &message).await;
            assert_eq!(status, expected, "{subject}");
        }
        let twice = [(HEADER, "CN=forwarder.test"), (HEADER, "CN=forwarder.test")];
        assert_eq!(call(&door, Some(PROXY), &twice, &message).await.0, 403);
        let from = Some("10.1.2.4:1");
        assert_eq!(call(&door, from, &twice[..1], &message).await.0, 403);
    })
    .await;
}

/// When the door ends TLS itself, no header makes somebody the node, and none keeps the node out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_is_never_believed_over_tls() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let node = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let stranger = identity("somebody.else", &Use::Client, Some(&stage.ca));
        for (shown, claimed, expected) in [(&stranger, &node, 403), (&node, &stranger, 500)] {
            let client = stage.client(Some(shown), &[]);
            let answer = client
                .post(format!("https://{}/node", stage.address))
                .header(HEADER, escaped(&[claimed]))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), expected);
        }
        stage.handle.shutdown();
    })
    .await;
}

#[test]
fn settings_that_contradict_each_other_are_mistakes() {
    let config = |more: &str| pagomensa::config::Config::with(more).unwrap();
    let proxy = "[node.proxy]\nenabled = true\naddresses = [\"10.1.2.3\"]\n";
    let off = "[node.tls]\nenabled = false\n";
    assert!(config(&format!("{off}{proxy}")).register().is_ok());
    for (more, key) in [
        (proxy.to_owned(), "node.proxy.enabled"),
        (
            format!("{off}[node.proxy]\nenabled = true"),
            "node.proxy.addresses",
        ),
        (format!("{off}{proxy}header = \"a b\""), "node.proxy.header"),
        (
            "[node.tls]\nreload_every_s = 0".to_owned(),
            "node.tls.reload_every_s",
        ),
        ("[node]\nconnections = 0".to_owned(), "node.connections"),
    ] {
        let mistakes = config(&more).register().unwrap_err().to_string();
        assert!(
            mistakes.contains(&format!("\n  {key}:")),
            "{key}: {mistakes}"
        );
    }
    for wrong in ["addresses = [\"localhost\"]", "format = \"xfcc\""] {
        let text = format!("[node.proxy]\n{wrong}");
        assert!(pagomensa::config::Config::with(&text).is_err(), "{wrong}");
    }
}
