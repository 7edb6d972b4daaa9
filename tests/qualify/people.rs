//! Without the simulated world.

use std::io::{BufRead, BufReader};

use super::*;

/// Without the simulated world people pay while the command waits; it is killed and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_pay_and_an_interrupted_run_goes_on() {
    let town = Town::start();
    let mut cases = vec![];
    for case in &EVERY[..4] {
        cases.extend(["--case", case]);
    }
    let mut child = town
        .words(&cases)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = vec![];
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        told.push(line.unwrap());
        if told.last().unwrap().starts_with("Waiting") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let errand = |case: &str, what: &str| {
        let line = told
            .iter()
            .find(|line| line.starts_with(&format!("{case} ")))
            .unwrap();
        assert!(
            line.contains(what) && line.contains(TOWN) && line.contains("10.00"),
            "{line}"
        );
        between(line, "notice ", ",").last().unwrap().to_string()
    };
    let numbers = [
        errand("EC-PSP-01", "verify this notice and do not pay it"),
        errand("EC-PSP-02", "pay this notice"),
        errand("EC-PSP-02M", "pay this notice"),
    ];
    assert_eq!(town.notices().await, 3);
    assert!(
        !town.out().join("index.html").exists(),
        "there is nothing to send yet"
    );

    // Nobody has paid: looked at once, nothing passes and nothing fails.
    let idle = town.run(&[&cases[..], &["--wait", "0"]].concat());
    assert_eq!(idle.status, 1);
    assert_eq!(
        idle.outcomes(),
        [0, 1, 2, 3].map(|at| (EVERY[at], "not_run"))
    );
    assert_eq!(idle.number("EC-PSP-02M"), numbers[2]);
    is_sound_without_messages(&town.files());

    town.post(
        "/psp/verify",
        json!({"notice_number": numbers[0], "fiscal_code": TOWN}),
    )
    .await;
    town.pay(&numbers[1]).await;
    let waiting = town
        .words(&cases)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    town.pay(&numbers[2]).await;
    let run = Run::of(&waiting.wait_with_output().unwrap());
    assert_eq!(
        run.outcomes(),
        [0, 1, 2, 3].map(|at| (EVERY[at], "passed")),
        "{}",
        run.words
    );
    assert_eq!((run.status, town.notices().await), (0, 3));
    is_sound(&town.files());
    let page = String::from_utf8_lossy(&town.files()["index.html"]).into_owned();
    assert!(page.contains("☐ Test esterno") && !page.contains("non valgono"));

    // The flows come days later.
    let later = ["--case", "EC-PSP-04", "--case", "EC-PSP-05"];
    let early = town.run(&later);
    assert!(
        early.status == 1 && early.why("EC-PSP-05").contains("--flow"),
        "{}",
        early.words
    );
    let day = run.case("EC-PSP-02")["receipt"]["paid_on"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut words = later.map(str::to_owned).to_vec();
    for creditor in [TOWN, CATERER] {
        let url = format!(
            "{}/fdr/flows/{creditor}?day={day}",
            town.demo.text("/world")
        );
        let flow = town
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let file = town.folder.path().join(creditor);
        std::fs::write(&file, flow).unwrap();
        words.extend(["--flow".to_owned(), file.display().to_string()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = town.run(&words);
    assert_eq!(
        run.outcomes(),
        EVERY.map(|case| (case, "passed")),
        "{}",
        run.words
    );
    is_sound(&town.files());
}

fn is_sound_without_messages(files: &BTreeMap<String, Vec<u8>>) {
    assert!(files.keys().all(|place| !place.ends_with(".xml")));
    is_sound(files);
}
