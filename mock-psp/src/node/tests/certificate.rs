//! The node's certificate changes while it runs.

use super::*;
use crate::config::NodeIdentity;
use crate::psp::tests::tls::{certificate, files, serve};
use crate::testing::config;
use crate::town::Town;

/// A world whose node calls the gateway at that address with two certificates.
async fn world(url: &str, authority: &crate::psp::tests::tls::Pair) -> TestWorld {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate("forwarder", Some(authority));
    let mut tls = files(folder.path(), authority, &first);
    let renewed = certificate("forwarder renewed", Some(authority));
    let write = |name: &str, content: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    tls.others.push(NodeIdentity {
        name: "renewed".to_owned(),
        client_cert: write("renewed.pem", renewed.0.to_pem().unwrap()),
        client_key: write("renewed.key", renewed.1.private_key_to_pem_pkcs8().unwrap()),
    });
    let mut config = config(folder.path(), "http://127.0.0.1:1");
    config.gateway_node = url.to_owned();
    config.tls = Some(tls);
    let town = Town::open(config).await.unwrap();
    TestWorld::over(folder, town)
}

async fn change(world: &TestWorld, to: &str) -> Heard {
    world.post("/node/certificate", &json!({"use": to})).await
}

#[tokio::test]
async fn the_gateway_sees_the_certificate_that_was_chosen() {
    let authority = certificate("authority", None);
    for (to, seen) in [
        (&["renewed"][..], "forwarder renewed"),
        (&["next"], "forwarder renewed"),
        (&["next", "next"], "forwarder"),
        (&["next", "reload"], "forwarder renewed"),
        (&["renewed", "first"], "forwarder"),
    ] {
        let gateway = certificate("gateway", Some(&authority));
        let (url, server) = serve(&authority, gateway);
        let world = world(&url, &authority).await;
        for to in to {
            let changed = change(&world, to).await;
            assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        }
        // The choice outlives the world.
        let world = world.restarted().await;
        let call = world
            .town
            .node
            .call(Operation::SendRtV2, "message".to_owned());
        call.await.unwrap();
        assert_eq!(server.join().unwrap().as_deref(), Some(seen), "{to:?}");
    }
}

#[tokio::test]
async fn the_certificates_are_described_and_wrong_ones_change_nothing() {
    let authority = certificate("authority", None);
    let world = world("https://127.0.0.1:1/node", &authority).await;
    let shown = world.get("/node/certificate").await.json();
    assert_eq!(shown["current"], "first");
    let names = |shown: &Value| {
        let listed = shown["certificates"].as_array().unwrap().clone();
        let name = |listed: &Value| listed["subject"].as_str().unwrap_or("?").to_owned();
        listed.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&shown), ["forwarder", "forwarder renewed"]);
    assert_eq!(shown["certificates"][0]["issuer"], "authority");
    let unknown = change(&world, "stranger").await;
    assert_eq!(unknown.status.as_u16(), 422);
    let nothing = world.post("/node/certificate", &json!({})).await;
    assert_eq!(nothing.status.as_u16(), 422);
    std::fs::write(world.folder.path().join("renewed.key"), "no key").unwrap();
    let broken = change(&world, "renewed").await;
    assert_eq!(broken.status, StatusCode::CONFLICT);
    assert_eq!(broken.json()["code"], "unusable_certificate");
    assert!(broken.text.contains("renewed.key"), "{}", broken.text);
    assert_eq!(
        world.get("/node/certificate").await.json()["current"],
        "first"
    );
    let plain = TestWorld::alone().await;
    let refused = change(&plain, "next").await;
    assert_eq!(refused.json()["code"], "no_certificate");
}

#[tokio::test]
async fn the_page_changes_the_certificate() {
    let authority = certificate("authority", None);
    let world = world("https://127.0.0.1:1/node", &authority).await;
    for name in ["first", "renewed", "first"] {
        let page = world.get("/node").await;
        let shown = format!("<span class=\"code\">{name}</span>");
        assert!(page.text.contains(&shown), "{}", page.text);
        world.post_form("/node", &[("certificate", "next")]).await;
    }
}
