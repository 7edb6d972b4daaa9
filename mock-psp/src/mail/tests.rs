//! The mail server over a real socket.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::World;
use crate::testing::config;

struct Post {
    world: World,
    smtp: std::net::SocketAddr,
    _folder: tempfile::TempDir,
}

async fn post() -> Post {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "http://127.0.0.1:1");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::start(listener, config).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = listener.local_addr().unwrap();
    world.serve_mail(listener);
    Post {
        world,
        smtp,
        _folder: folder,
    }
}

impl Post {
    /// Says all of it at once and reads to the end.
    async fn say(&self, lines: &str) -> String {
        let mut stream = TcpStream::connect(self.smtp).await.unwrap();
        stream.write_all(lines.as_bytes()).await.unwrap();
        let mut said = vec![];
        // A connection that is cut has said what it has said.
        stream.read_to_end(&mut said).await.unwrap_or_default();
        String::from_utf8(said).unwrap()
    }

    async fn messages(&self) -> Vec<Value> {
        let url = format!("http://{}/mail/messages", self.world.addr());
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        answer["data"].as_array().unwrap().clone()
    }

    async fn trouble(&self, trouble: Value) {
        let url = format!("http://{}/mail/trouble", self.world.addr());
        let client = reqwest::Client::new();
        let answer = client.post(url).json(&trouble).send().await.unwrap();
        assert!(answer.status().is_success());
    }
}

const LETTER: &str = "EHLO here\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
    Subject: =?utf-8?B?w6g=?=\r\nMessage-ID: <1@example.org>\r\n\r\n..one\r\ntwo\r\n.\r\nQUIT\r\n";

#[tokio::test]
async fn a_message_is_kept_as_it_came() {
    let post = post().await;
    let said = post.say(LETTER).await;
    assert!(
        said.ends_with("250 2.0.0 kept\r\n221 2.0.0 bye\r\n"),
        "{said}"
    );
    let messages = post.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["to"], "b@example.org");
    assert_eq!(messages[0]["subject"], "è");
    assert_eq!(messages[0]["message_id"], "1@example.org");
    assert_eq!(
        messages[0]["text"].as_str().unwrap().trim_end(),
        ".one\r\ntwo"
    );
}

#[tokio::test]
async fn trouble_comes_as_often_as_it_was_ordered() {
    let post = post().await;
    for (mode, said, kept) in [
        ("busy", "451", 0),
        ("refuse", "550", 0),
        ("down", "220", 0),
        ("lost", "354", 1),
    ] {
        let before = post.messages().await.len();
        post.trouble(json!({"mode": mode, "times": 1})).await;
        let answer = post.say(LETTER).await;
        assert!(answer.contains(said), "{mode}: {answer}");
        assert!(!answer.contains("kept"), "{mode}: {answer}");
        assert_eq!(post.messages().await.len(), before + kept, "{mode}");
        assert!(post.say(LETTER).await.contains("kept"), "{mode}");
    }
    post.trouble(json!({"mode": "down"})).await;
    assert_eq!(post.say(LETTER).await, "");
}
