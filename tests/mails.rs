//! The outbox of mails, delivered to the simulated world's mail server.

use pagomensa::config::Security;
use pagomensa::desk::mails::Enclosure;
use pagomensa::domain::mail::{Language, Mail, MailKind};
use pagomensa::domain::party::{CreditorCode, Email};
use pagomensa::job::Progress;
use pagomensa::store::Engine;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::engines::Database;
use crate::world::{TOWN, World};

/// A gateway that delivers mails to the simulated world.
pub async fn posting(engine: Engine, overrides: &str) -> Option<World> {
    let database = Database::fresh(engine).await?;
    let world = World::over(database, overrides).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    world.ledger.serve_mail(listener);
    let world = world.restarted_with(|config| {
        config.mail.enabled = true;
        config.mail.host = "127.0.0.1".to_owned();
        config.mail.port = port;
        config.mail.security = Security::Plain;
        config.mail.from = "Mensa <mensa@example.org>".to_owned();
        config.mail.retry_pauses_s = vec![60, 600];
    });
    Some(world.await)
}

fn mail(identity: &str) -> Mail {
    Mail {
        creditor: CreditorCode::parse(TOWN).unwrap(),
        kind: MailKind::Notice,
        identity: identity.to_owned(),
        debt: None,
        to: Email::parse("mario@example.org").unwrap(),
        language: Language::Italian,
        subject: "È pronto l’avviso".to_owned(),
        text: "Il testo, così com’è.".to_owned(),
        html: "<p>Il testo</p>".to_owned(),
        attachments: vec![],
    }
}

async fn send(world: &World, identity: &str) -> bool {
    let file = Enclosure {
        name: "avviso.pdf".to_owned(),
        media_type: "application/pdf",
        bytes: b"%PDF-1.7".to_vec(),
    };
    let mails = world.app.desk().mails();
    mails
        .send(mail(identity), vec![file], world.clock.now())
        .await
        .unwrap()
}

/// The messages at the simulated world, newest first.
pub async fn messages(world: &World) -> Vec<Value> {
    let answer = world.ask_world("/mail/messages").await;
    answer["data"].as_array().unwrap().clone()
}

async fn deliver(world: &World) -> Progress {
    (world.job("mail").run)().await.unwrap()
}

async fn a_mail_arrives_once(engine: Engine) {
    let Some(world) = posting(engine, "").await else {
        return;
    };
    assert!(send(&world, "n1").await);
    let documents = world.count("documents").await;
    assert!(!send(&world, "n1").await, "the same mail was taken twice");
    assert_eq!(world.count("documents").await, documents);
    deliver(&world).await;
    deliver(&world).await;
    let messages = messages(&world).await;
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["to"], "mario@example.org");
    assert_eq!(message["header_from"], "Mensa <mensa@example.org>");
    assert_eq!(message["subject"], "È pronto l’avviso");
    assert_eq!(
        message["text"].as_str().unwrap().trim(),
        "Il testo, così com’è."
    );
    assert_eq!(message["html"].as_str().unwrap().trim(), "<p>Il testo</p>");
    assert_eq!(
        message["attachments"],
        json!([{"name": "avviso.pdf", "type": "application/pdf", "bytes": 8}])
    );
    world.end().await;
}

async fn what_fails_for_now_is_tried_again(engine: Engine) {
    let Some(world) = posting(engine, "").await else {
        return;
    };
    for mode in ["down", "busy"] {
        send(&world, mode).await;
        let trouble = json!({"mode": mode, "times": 1});
        world.tell_world("/mail/trouble", &trouble).await;
        let before = messages(&world).await.len();
        deliver(&world).await;
        // Nothing before its time.
        deliver(&world).await;
        assert_eq!(messages(&world).await.len(), before, "{mode}");
        world.clock.advance_seconds(75);
        deliver(&world).await;
        assert_eq!(messages(&world).await.len(), before + 1, "{mode}");
    }
    assert_eq!(world.exceptions().await, Vec::<String>::new());
    world.end().await;
}

async fn a_lost_answer_gives_a_copy_under_the_same_id(engine: Engine) {
    let Some(world) = posting(engine, "").await else {
        return;
    };
    send(&world, "n1").await;
    let trouble = json!({"mode": "lost", "times": 1});
    world.tell_world("/mail/trouble", &trouble).await;
    deliver(&world).await;
    world.clock.advance_seconds(75);
    deliver(&world).await;
    let messages = messages(&world).await;
    assert_eq!(messages.len(), 2);
    assert_ne!(messages[0]["message_id"], "");
    assert_eq!(messages[0]["message_id"], messages[1]["message_id"]);
    world.end().await;
}

async fn what_is_refused_for_good_is_shown_to_finance(engine: Engine) {
    let Some(world) = posting(engine, "").await else {
        return;
    };
    send(&world, "n1").await;
    let trouble = json!({"mode": "refuse", "times": 1});
    world.tell_world("/mail/trouble", &trouble).await;
    deliver(&world).await;
    world.clock.advance_seconds(3_600);
    deliver(&world).await;
    assert_eq!(messages(&world).await.len(), 0);
    assert_eq!(world.exceptions().await, ["mail_refused"]);
    world.end().await;
}

async fn payers_are_reminded_once_and_not_of_what_is_paid(engine: Engine) {
    let Some(world) = posting(engine, "").await else {
        return;
    };
    let world = world
        .restarted_with(|config| {
            let town = config.creditors.iter_mut().find(|c| c.fiscal_code == TOWN);
            let town = town.unwrap();
            town.mail.reminder_days = vec![-3, 7];
            town.mail.language = Some("de".to_owned());
            town.services[0].payable_after_due = true;
        })
        .await;
    let (open, paid) = (world.top_up().await, world.top_up().await);
    let remind = async || {
        let before = messages(&world).await.len();
        for _ in 0..2 {
            (world.job("reminders").run)().await.unwrap();
            deliver(&world).await;
        }
        messages(&world).await.len() - before
    };
    assert_eq!(remind().await, 0);
    // 28 December, at noon.
    world.clock.advance_seconds(38 * 86_400);
    (world.job("reminders").run)().await.unwrap();
    // Paid after the reminder was written, and before it left.
    let number = paid["notice_number"].as_str().unwrap();
    let receipt = world
        .soap(crate::world::receipt(number, "r1", "50.00"))
        .await;
    assert_eq!(receipt.outcome(), "OK");
    assert_eq!(remind().await, 1);
    let message = &messages(&world).await[0];
    assert_eq!(message["to"], "mario@example.org");
    assert_eq!(
        message["subject"],
        "Erinnerung: Zahlungsmitteilung fällig am 31.12.2026"
    );
    let text = message["text"].as_str().unwrap().replace(' ', "");
    assert!(
        text.contains(open["notice_number"].as_str().unwrap()),
        "{text}"
    );
    // 7 January.
    world.clock.advance_seconds(10 * 86_400);
    assert_eq!(remind().await, 1);
    world.clock.advance_seconds(86_400);
    assert_eq!(remind().await, 0);
    world.end().await;
}

macro_rules! both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(pagomensa::store::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(pagomensa::store::Engine::Postgres).await;
            })*
        }
    };
}

both! {
    a_mail_arrives_once
    what_fails_for_now_is_tried_again
    a_lost_answer_gives_a_copy_under_the_same_id
    what_is_refused_for_good_is_shown_to_finance
    payers_are_reminded_once_and_not_of_what_is_paid
}

#[test]
fn a_password_never_travels_in_the_clear_to_another_machine() {
    let text = "[mail]\nenabled = true\nhost = \"mail.example.org\"\nsecurity = \"plain\"\n\
        from = \"not an address\"";
    let config = pagomensa::config::Config::with(text).unwrap();
    let error = config.register().unwrap_err().to_string();
    assert!(error.contains("mail.security"), "{error}");
    assert!(error.contains("mail.from"), "{error}");
}
