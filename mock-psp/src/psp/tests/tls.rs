//! Mutual TLS: the node shows its certificate, and believes one authority only.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use crate::WorldError;
use crate::config::NodeTls;
use crate::outbound::CallError;
use crate::psp::client::Node;
use crate::verdict::Operation;

pub(crate) type Pair = (X509, PKey<Private>);

pub(crate) fn certificate(name: &str, issuer: Option<&Pair>) -> Pair {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    match issuer {
        None => {
            builder.set_issuer_name(&subject).unwrap();
            builder
                .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
                .unwrap();
        }
        Some((issuer, _)) => {
            builder.set_issuer_name(issuer.subject_name()).unwrap();
            let mut names = SubjectAlternativeName::new();
            let names = names
                .ip("127.0.0.1")
                .build(&builder.x509v3_context(Some(issuer), None));
            builder.append_extension(names.unwrap()).unwrap();
        }
    }
    let signer = issuer.map_or(&key, |(_, key)| key);
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// A server for one connection that demands a certificate; it tells whose it saw.
pub(crate) fn serve(authority: &Pair, server: Pair) -> (String, JoinHandle<Option<String>>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&server.0).unwrap();
    acceptor.set_private_key(&server.1).unwrap();
    acceptor
        .cert_store_mut()
        .add_cert(authority.0.clone())
        .unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/node", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = acceptor.accept(stream).ok()?;
        let peer = stream.ssl().peer_certificate().unwrap();
        let name = peer
            .subject_name()
            .entries_by_nid(Nid::COMMONNAME)
            .next()
            .unwrap();
        let name = name.data().to_string().unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"message") {
            let mut chunk = [0; 1024];
            let count = stream.read(&mut chunk).unwrap();
            assert_ne!(count, 0, "the request ended early");
            heard.extend_from_slice(&chunk[..count]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .unwrap();
        Some(name)
    });
    (url, thread)
}

pub(crate) fn files(folder: &Path, authority: &Pair, client: &Pair) -> NodeTls {
    let write = |name: &str, content: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    NodeTls {
        ca: write("ca.pem", authority.0.to_pem().unwrap()),
        client_cert: write("node.pem", client.0.to_pem().unwrap()),
        // The older of the two usual forms of a key.
        client_key: write(
            "node.key",
            client.1.rsa().unwrap().private_key_to_pem().unwrap(),
        ),
        others: Vec::new(),
    }
}

#[tokio::test]
async fn the_node_shows_its_certificate_to_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificate("authority", None);
    let tls = files(
        folder.path(),
        &authority,
        &certificate("the node", Some(&authority)),
    );
    let (url, server) = serve(&authority, certificate("gateway", Some(&authority)));
    let node = Node::new(&url, Some(&tls)).await.unwrap();
    let reply = node
        .call(Operation::SendRtV2, "message".to_owned())
        .await
        .unwrap();
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (200, b"ok".as_slice())
    );
    assert_eq!(server.join().unwrap().as_deref(), Some("the node"));
}

#[tokio::test]
async fn a_gateway_of_another_authority_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificate("authority", None);
    let tls = files(
        folder.path(),
        &authority,
        &certificate("the node", Some(&authority)),
    );
    let stranger = certificate("stranger", None);
    let (url, server) = serve(&authority, certificate("gateway", Some(&stranger)));
    let node = Node::new(&url, Some(&tls)).await.unwrap();
    let error = node
        .call(Operation::SendRtV2, "message".to_owned())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error}");
    assert_eq!(server.join().unwrap(), None);
}

#[tokio::test]
async fn wrong_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificate("authority", None);
    let good = files(folder.path(), &authority, &authority);
    let missing = folder.path().join("missing.pem");
    let no_key = folder.path().join("ca.pem");
    for (tls, path) in [
        (
            NodeTls {
                ca: missing.clone(),
                ..good.clone()
            },
            &missing,
        ),
        (
            NodeTls {
                client_key: no_key.clone(),
                ..good.clone()
            },
            &no_key,
        ),
    ] {
        match Node::new("https://127.0.0.1:1/node", Some(&tls))
            .await
            .err()
            .unwrap()
        {
            WorldError::File { path: named, .. } | WorldError::Key { path: named, .. } => {
                assert_eq!(&named, path);
            }
            other => panic!("{other}"),
        }
    }
}
