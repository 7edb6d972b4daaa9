//! Certificates, authorities and revocation lists exchanged while the door is open.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pagomensa::store::Engine;

use crate::faults::until;
use crate::pki::{FUTURE, Identity, PAST, Use, dated, identity};
use crate::transport::{ALLOWED, Stage, is_openssl_there, s_client};
use crate::world::{World, verify};

/// What is shown on the page of metrics under this name.
fn measure(world: &World, name: &str) -> i64 {
    let present = pagomensa::metrics::Present {
        now: world.clock.now(),
        till_waiting: 0,
        journal_waiting: 0,
        owed: None,
    };
    let text = world.app.desk().metrics().print(&present).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn notice(world: &World) -> String {
    let notice = world.top_up().await;
    notice["notice_number"].as_str().unwrap().to_owned()
}

/// The certificate that the server shows on a new connection.
async fn shown(stage: &Stage, node: &Identity) -> Vec<u8> {
    let ca = reqwest::Certificate::from_der(&stage.ca.certificate.to_der().unwrap()).unwrap();
    let pair = reqwest::Identity::from_pkcs8_pem(node.pem().as_bytes(), &node.key_pem());
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .identity(pair.unwrap())
        .tls_info(true)
        .build()
        .unwrap();
    let answer = client
        .post(format!("https://{}/node", stage.address))
        .send()
        .await
        .unwrap();
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_server_certificate_is_shown_and_no_request_is_dropped() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let number = notice(world).await;
        let node = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let before = shown(&stage, &node).await;
        assert!(!stage.certificates.look(), "nothing has changed");

        let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let caller = async || {
            let client = stage.client(Some(&node), &[]);
            while !is_over.load(Ordering::SeqCst) {
                // Every other call on a connection of its own.
                let other = stage.client(Some(&node), &[]);
                for client in [&client, &other] {
                    let (status, text) = stage.ask(client, verify(&number)).await.unwrap();
                    assert!(status == 200 && text.contains("<outcome>OK</outcome>"));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let exchanger = async {
            for _ in 0..5 {
                let seen = answered.load(Ordering::SeqCst);
                let server = identity("server", &Use::Server, Some(&stage.ca));
                server.write(folder.path(), "server");
                assert!(stage.certificates.look());
                let now = shown(&stage, &node).await;
                assert_eq!(now, server.certificate.to_der().unwrap());
                assert_ne!(now, before);
                until("20 more calls are answered", || {
                    answered.load(Ordering::SeqCst) >= seen + 20
                })
                .await;
            }
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(caller(), caller(), caller(), exchanger);
        assert_eq!(
            measure(world, "pagomensa_tls_reloads_total{result=\"taken\"}"),
            1 + 5
        );
        stage.handle.shutdown();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_leaves_the_old_set_in_use() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let node = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let before = shown(&stage, &node).await;
        let good = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        let (pem, key, ca) = (good("server.pem"), good("server.key"), good("ca.pem"));
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        let other = identity("server", &Use::Server, Some(&stage.ca));
        let ended = dated(&["server"], &Use::Server, Some(&stage.ca), PAST);
        let unborn = dated(&["server"], &Use::Server, Some(&stage.ca), FUTURE);
        let half = pem[..pem.len() / 2].to_vec();
        let pair = |identity: &Identity| {
            vec![
                ("server.pem", identity.pem().into_bytes()),
                ("server.key", identity.key_pem()),
            ]
        };
        let wrong = [
            ("half a file", vec![("server.pem", half)]),
            ("no certificate", vec![("ca.pem", b"nothing".to_vec())]),
            ("an empty file", vec![("server.pem", vec![])]),
            ("no key", vec![("server.key", b"-----BEGIN".to_vec())]),
            ("another key", vec![("server.key", other.key_pem())]),
            ("ended", pair(&ended)),
            ("not begun", pair(&unborn)),
        ];
        for (count, (why, files)) in wrong.iter().enumerate() {
            for (name, bytes) in files {
                write(name, bytes);
            }
            let refused = || measure(world, "pagomensa_tls_reloads_total{result=\"refused\"}");
            assert!(!stage.certificates.look(), "{why}");
            assert_eq!(refused(), i64::try_from(count).unwrap() + 1, "{why}");
            assert!(!stage.certificates.look(), "{why}");
            assert_eq!(
                refused(),
                i64::try_from(count).unwrap() + 1,
                "{why}, said once"
            );
            assert_eq!(measure(world, "pagomensa_tls_reload_is_broken"), 1);
            assert_eq!(shown(&stage, &node).await, before, "{why}");
            for (name, bytes) in [("server.pem", &pem), ("server.key", &key), ("ca.pem", &ca)] {
                write(name, bytes);
            }
            assert!(stage.certificates.look(), "mended after {why}");
            assert_eq!(measure(world, "pagomensa_tls_reload_is_broken"), 0);
        }
        std::fs::remove_file(folder.path().join("server.key")).unwrap();
        assert!(!stage.certificates.look(), "a missing file");
        assert_eq!(shown(&stage, &node).await, before);
        stage.handle.shutdown();
    })
    .await;
}

/// The node renews its certificate every year; an authority follows another with both in the file
/// for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_may_renew_its_certificate_and_change_its_authority() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let number = notice(world).await;
        let next_ca = identity("next CA", &Use::Authority, None);
        let old = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let renewed = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let next = identity(ALLOWED, &Use::Client, Some(&next_ca));
        let is_in = async |node: &Identity| {
            let heard = stage.call(Some(node), verify(&number)).await;
            heard.is_ok_and(|(status, _)| status == 200)
        };
        let take = |bundle: String| {
            std::fs::write(folder.path().join("ca.pem"), bundle).unwrap();
            assert!(stage.certificates.look());
        };
        assert!(is_in(&old).await && is_in(&renewed).await && !is_in(&next).await);
        take(stage.ca.pem() + &next_ca.pem());
        assert!(is_in(&old).await && is_in(&renewed).await && is_in(&next).await);
        take(next_ca.pem());
        assert!(!is_in(&old).await && !is_in(&renewed).await && is_in(&next).await);
        stage.handle.shutdown();
    })
    .await;
}

/// An open connection does not outlive the trust in its client, nor its certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_connection_is_judged_again() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        let number = notice(world).await;
        let node = identity(ALLOWED, &Use::Client, Some(&stage.ca));
        let open = stage.client(Some(&node), &[]);
        let status = async || match stage.ask(&open, verify(&number)).await {
            Ok((status, _)) => status,
            Err(_) => 0,
        };
        assert_eq!(status().await, 200);
        let server = identity("server", &Use::Server, Some(&stage.ca));
        server.write(folder.path(), "server");
        assert!(stage.certificates.look());
        assert_eq!(status().await, 200, "the same authority");

        let next_ca = identity("next CA", &Use::Authority, None);
        std::fs::write(folder.path().join("ca.pem"), next_ca.pem()).unwrap();
        assert!(stage.certificates.look());
        assert_eq!(status().await, 403, "the authority has gone");
        assert_eq!(status().await, 0, "and the connection was closed");

        let both = stage.ca.pem() + &next_ca.pem();
        std::fs::write(folder.path().join("ca.pem"), both).unwrap();
        assert!(stage.certificates.look());
        assert_eq!(status().await, 200);
        let fifty_years = 50 * 365 * 86_400;
        world.clock.advance_seconds(fifty_years);
        assert_eq!(status().await, 403, "the certificate has ended");
        world.clock.advance_seconds(-fifty_years);
        stage.handle.shutdown();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_client_stays_outside() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (
            identity("test CA", &Use::Authority, None),
            identity("other CA", &Use::Authority, None),
        );
        identity("server", &Use::Server, Some(&root)).write(folder.path(), "server");
        let [good, bad] = [(), ()].map(|()| identity(ALLOWED, &Use::Client, Some(&root)));
        let foreign = identity(ALLOWED, &Use::Client, Some(&other));
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("ca.pem", root.pem() + &other.pem());
        write("crl.pem", root.revocations(&[]) + &other.revocations(&[]));
        let number = notice(world).await;
        let stage = Stage::over(world, folder.path(), root).await;
        let root = &stage.ca;
        let open = stage.client(Some(&bad), &[]);
        let ask = async |client: &reqwest::Client| {
            let heard = stage.ask(client, verify(&number)).await;
            heard.map_or(0, |(status, _)| status)
        };
        let call = async |node: &Identity| ask(&stage.client(Some(node), &[])).await;
        assert_eq!(ask(&open).await, 200);
        assert_eq!((call(&good).await, call(&foreign).await), (200, 200));

        write(
            "crl.pem",
            root.revocations(&[&bad]) + &other.revocations(&[]),
        );
        assert!(stage.certificates.look());
        assert_eq!(ask(&open).await, 403, "on its open connection");
        assert_eq!((call(&bad).await, call(&good).await), (0, 200));
        assert_eq!(call(&foreign).await, 200);

        // A file that lacks the list of an authority, or has one that somebody else has signed.
        let impostor = identity("other CA", &Use::Authority, None);
        for lists in [
            root.revocations(&[&bad]),
            root.revocations(&[&bad]) + &impostor.revocations(&[]),
        ] {
            write("crl.pem", lists);
            assert!(!stage.certificates.look());
            assert_eq!((call(&bad).await, call(&good).await), (0, 200));
        }

        // A list that has ended says nothing about today.
        let ended = String::from_utf8(other.revoke(&[], PAST).to_pem().unwrap()).unwrap();
        write("crl.pem", root.revocations(&[&bad]) + &ended);
        assert!(stage.certificates.look());
        assert_eq!((call(&good).await, call(&foreign).await), (200, 0));
        assert!(
            measure(
                world,
                "pagomensa_tls_expiry_seconds{role=\"crl\",subject=\"other CA\"}"
            ) < 0
        );
        stage.handle.shutdown();
    })
    .await;
}

/// A file whose content differs at each reading: what was checked is what counts, and it is read once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_are_read_once() {
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let root = identity("test CA", &Use::Authority, None);
        root.write(folder.path(), "ca");
        identity("server", &Use::Server, Some(&root)).write(folder.path(), "server");
        let [good, bad] = [(), ()].map(|()| identity(ALLOWED, &Use::Client, Some(&root)));
        let pipe = folder.path().join("crl.pem");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        // With words before it, as some tools put there, and longer than a pipe holds.
        let words = "a list of those that have been revoked\n".repeat(5_000);
        let lists = [words + &root.revocations(&[&bad]), root.revocations(&[])];
        // Waits for its readers, and at the end for one that does not come.
        std::thread::spawn(move || {
            for text in lists.iter().chain(std::iter::repeat(&lists[1])) {
                if std::fs::write(&pipe, text).is_err() {
                    return;
                }
                while has_reader(&pipe) {
                    std::thread::yield_now();
                }
            }
        });
        let number = notice(world).await;
        let stage = Stage::over(world, folder.path(), root).await;
        let call = async |node: &Identity| {
            let heard = stage.call(Some(node), verify(&number)).await;
            heard.map_or(0, |(status, _)| status)
        };
        assert_eq!((call(&good).await, call(&bad).await), (200, 0));
        stage.handle.shutdown();
    })
    .await;
}

/// Whether somebody has a named pipe open to read it.
fn has_reader(pipe: &Path) -> bool {
    use std::os::unix::fs::OpenOptionsExt;
    const O_NONBLOCK: i32 = 0o4000;
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(pipe)
        .is_ok()
}

/// Neither a session ticket of TLS 1.3 nor a session of TLS 1.2 carries a client past the exchange.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_does_not_outlive_its_set_of_certificates() {
    if !is_openssl_there() {
        return;
    }
    crate::world::run(Engine::Sqlite, async |world| {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(world, folder.path()).await;
        identity(ALLOWED, &Use::Client, Some(&stage.ca)).write(folder.path(), "node");
        let speak = async |version: &'static str, session: &'static str| {
            let (address, place) = (stage.address, folder.path().to_owned());
            let file = format!("session{version}");
            let speak = move || s_client(address, &place, &[version, session, &file]);
            tokio::task::spawn_blocking(speak).await.unwrap()
        };
        for version in ["-tls1_2", "-tls1_3"] {
            assert!(speak(version, "-sess_out").await.contains("\nNew, "));
            let heard = speak(version, "-sess_in").await;
            assert!(heard.contains("\nReused, ") && heard.contains("HTTP/1.1 500"));
            // A session of TLS 1.3 is good for once.
            assert!(speak(version, "-sess_out").await.contains("HTTP/1.1 500"));
        }
        let kept = folder.path().join("ca.pem");
        let ca = std::fs::read(&kept).unwrap();
        exchange(
            &stage,
            &kept,
            identity("next CA", &Use::Authority, None).pem().as_bytes(),
        );
        for version in ["-tls1_2", "-tls1_3"] {
            let heard = speak(version, "-sess_in").await;
            assert!(!heard.contains("HTTP/1.1"), "{version}: {heard}");
        }
        exchange(&stage, &kept, &ca);
        for version in ["-tls1_2", "-tls1_3"] {
            let heard = speak(version, "-sess_in").await;
            assert!(heard.contains("HTTP/1.1 500"), "{version}: {heard}");
            assert!(heard.contains("\nNew, "), "{version}: {heard}");
        }
        stage.handle.shutdown();
    })
    .await;
}

fn exchange(stage: &Stage, file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).unwrap();
    assert!(stage.certificates.look());
}
