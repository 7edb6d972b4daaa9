//! Wrong words, wrong keys, wrong places.

use std::path::Path;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_says_so_and_touches_nothing() {
    let town = Town::start();
    let key = town.folder.path().join("key");
    std::fs::write(&key, town.demo.text("/creditors/0/portal_key")).unwrap();
    let bare = |words: &[&str]| {
        let mut command = program();
        let command = command
            .arg("qualify")
            .args(words)
            .arg("--out")
            .arg(town.out());
        Run::of(&command.output().unwrap())
    };
    let (web, world) = (town.demo.text("/web"), town.demo.text("/world"));
    let key = key.to_str().unwrap();
    let table: [(&[&str], i32, &str); 11] = [
        (&["--gateway", web, "--creditor", TOWN], 2, "--key-file"),
        (
            &["--gateway", "ftp://x", "--creditor", TOWN],
            2,
            "--gateway",
        ),
        (
            &["--gateway", "http://a:b@x", "--creditor", TOWN],
            2,
            "password",
        ),
        (&["--gateway", web, "--creditor", "7"], 2, "--creditor"),
        (
            &["--gateway", web, "--creditor", TOWN, "--case", "EC-PSP-9"],
            2,
            "EC-PSP-02M",
        ),
        (
            &[
                "--gateway",
                web,
                "--creditor",
                TOWN,
                "--secondary",
                TOWN,
                "--key-file",
                key,
            ],
            2,
            "--secondary",
        ),
        (
            &["--gateway", web, "--creditor", TOWN, "--key-file", "/none"],
            1,
            "/none",
        ),
        (
            &["--gateway", web, "--creditor", TOWN, "--key-file", key],
            1,
            "audit",
        ),
        (
            &["--gateway", world, "--creditor", TOWN, "--key-file", key],
            1,
            "address",
        ),
        (
            &[
                "--gateway",
                "http://127.0.0.1:1",
                "--creditor",
                TOWN,
                "--key-file",
                key,
            ],
            1,
            "cannot be reached",
        ),
        (
            &[
                "--gateway",
                web,
                "--creditor",
                TOWN,
                "--key-file",
                "Cargo.toml",
            ],
            1,
            "Cargo.toml",
        ),
    ];
    for (words, status, says) in table {
        let run = bare(words);
        assert_eq!(run.status, status, "{words:?}: {}", run.words);
        assert!(run.words.contains(says), "{says}: {}", run.words);
        assert!(!run.words.contains("pm_"), "a key is told: {}", run.words);
        assert!(!town.out().exists());
    }
    // The simulated world must be one, and the creditor the key's.
    let elsewhere = town.run(&["--world", web]);
    assert!(
        elsewhere.status == 1 && elsewhere.words.contains("simulated world"),
        "{}",
        elsewhere.words
    );
    let foreign = Run::of(
        &town
            .words(&[])
            .env(
                "PAGOMENSA_QUALIFY_KEY",
                town.demo.text("/creditors/1/portal_key"),
            )
            .output()
            .unwrap(),
    );
    assert_eq!(foreign.status, 1, "{}", foreign.words);
    assert!(!town.out().exists());

    std::fs::create_dir(town.out()).unwrap();
    std::fs::write(town.out().join("precious"), "x").unwrap();
    let refused = town.simulate(&[]);
    assert!(
        refused.status == 1 && refused.words.contains("--out"),
        "{}",
        refused.words
    );
    assert_eq!(town.files().len(), 1);
    assert_eq!(town.notices().await, 0);
    std::fs::remove_file(town.out().join("precious")).unwrap();

    // A creditor's own key serves for its cases; the second beneficiary's journal stays closed.
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo.toml");
    let database = town.folder.path().join("demo").join("pagomensa.db");
    let made = program()
        .args(["keys", "create", "--creditor", TOWN, "--name", "qualify"])
        .args(["--scope", "notices:read", "--scope", "notices:write"])
        .args(["--scope", "exceptions:read", "--scope", "audit", "--config"])
        .arg(config)
        .env(
            "PAGOMENSA__DATABASE__URL",
            format!("sqlite://{}", database.display()),
        )
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let run = Run::of(
        &town
            .words(&["--world", world])
            .env(
                "PAGOMENSA_QUALIFY_KEY",
                String::from_utf8_lossy(&made.stdout).trim(),
            )
            .output()
            .unwrap(),
    );
    assert_eq!(run.status, 1, "{}", run.words);
    let ended = ["passed", "passed", "passed", "not_run", "passed", "not_run"];
    let ended: Vec<_> = EVERY.into_iter().zip(ended).collect();
    assert_eq!(run.outcomes(), ended, "{}", run.words);
    assert!(run.why("EC-PSP-03").contains("--secondary-key-file"));
    // With the operator's key the rest follows, in the same folder.
    let run = town.simulate(&[]);
    assert_eq!(
        run.outcomes(),
        EVERY.map(|case| (case, "passed")),
        "{}",
        run.words
    );
    assert_eq!(town.notices().await, 3);
    is_sound(&town.files());
}
