//! `pagomensa qualify`: the whole test plan against the built program, over sockets, and what it says
//! when a case does not pass.

mod errors;
mod failing;
mod forged;
mod people;
mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use pagomensa::wire::digest::sha256;
use pagomensa::wire::xml;
use serde_json::{Value, json};

use crate::smoke::{Demo, free_port, program};
use crate::world::{CATERER, TOWN};

/// The demo, and a place for evidence.
struct Town {
    demo: Demo,
    folder: tempfile::TempDir,
    http: reqwest::Client,
}

/// What a run ended with.
struct Run {
    status: i32,
    words: String,
    result: Value,
}

impl Run {
    fn of(output: &Output) -> Run {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Run {
            status: output.status.code().unwrap(),
            result: serde_json::from_str(&out).unwrap_or_default(),
            words: out + &String::from_utf8_lossy(&output.stderr),
        }
    }

    fn case(&self, name: &str) -> &Value {
        let cases = self.result["cases"].as_array();
        cases
            .into_iter()
            .flatten()
            .find(|case| case["case"] == name)
            .unwrap_or_else(|| panic!("no {name}: {}", self.words))
    }

    /// How the cases ended, by their names.
    fn outcomes(&self) -> Vec<(&str, &str)> {
        let cases = self.result["cases"].as_array();
        cases
            .into_iter()
            .flatten()
            .map(|case| {
                (
                    case["case"].as_str().unwrap(),
                    case["outcome"].as_str().unwrap(),
                )
            })
            .collect()
    }

    fn why(&self, name: &str) -> &str {
        self.case(name)["why"].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> &str {
        self.case(name)["notice"]["number"].as_str().unwrap()
    }
}

impl Town {
    fn start() -> Town {
        let folder = tempfile::tempdir().unwrap();
        let (data, log) = (folder.path().join("demo"), folder.path().join("log"));
        Town {
            demo: Demo::start(&data, free_port(), &log),
            folder,
            http: reqwest::Client::new(),
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("evidence")
    }

    /// The words of a run with the operator's key, without the simulated world.
    fn words(&self, more: &[&str]) -> Command {
        let mut command = program();
        command
            .args([
                "qualify",
                "--json",
                "--gateway",
                self.demo.text("/web"),
                "--creditor",
                TOWN,
            ])
            .args(["--secondary", CATERER, "--out"])
            .arg(self.out())
            .args(more)
            .env("PAGOMENSA_QUALIFY_KEY", self.demo.text("/operator_key"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, more: &[&str]) -> Run {
        Run::of(&self.words(more).output().unwrap())
    }

    /// The same beside the simulated world.
    fn simulate(&self, more: &[&str]) -> Run {
        let world = ["--world", self.demo.text("/world")];
        self.run(&[&world[..], more].concat())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.demo.text("/world"));
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }

    async fn pay(&self, number: &str) {
        let order = json!({"notice_number": number, "fiscal_code": TOWN});
        assert_eq!(self.post("/psp/pay", order).await["outcome"], "OK");
    }

    /// How many notices the creditor has.
    async fn notices(&self) -> usize {
        let answer = self
            .http
            .get(format!(
                "{}/api/v1/notices?limit=200",
                self.demo.text("/web")
            ))
            .bearer_auth(self.demo.text("/operator_key"))
            .header("Pagomensa-Creditor", TOWN)
            .send()
            .await
            .unwrap();
        let page: Value = answer.json().await.unwrap();
        page["data"].as_array().unwrap().len()
    }

    /// Every file of the evidence with its bytes, by its place.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let root = self.out();
        let mut found = BTreeMap::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let place = path.strip_prefix(&root).unwrap().display().to_string();
                    found.insert(place, std::fs::read(path).unwrap());
                }
            }
        }
        found
    }
}

const EVERY: [&str; 6] = [
    "EC-PSP-01",
    "EC-PSP-02",
    "EC-PSP-02M",
    "EC-PSP-03",
    "EC-PSP-04",
    "EC-PSP-05",
];

/// What stands between two marks, each time.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    text.split(from)
        .skip(1)
        .map(|rest| rest.split(to).next().unwrap())
        .collect()
}

/// What must hold of every folder, whatever is in it.
fn is_sound(files: &BTreeMap<String, Vec<u8>>) {
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    let links = between(&page, "href=\"", "\"");
    assert!(links.len() > 3);
    for link in links {
        match link.strip_prefix('#') {
            Some(id) => assert!(page.contains(&format!("id=\"{id}\"")), "{link}"),
            None => assert!(files.contains_key(link), "{link}"),
        }
    }
    for outside in ["http:", "https:", "src=", "url(", "<script", "@import"] {
        assert!(
            !page.contains(outside),
            "the page needs something outside: {outside}"
        );
    }
    assert_eq!(
        page.matches("<table").count(),
        page.matches("<caption>").count()
    );
    assert!(page.contains("<html lang=\"it\">"));

    let sums = String::from_utf8(files["SHA256SUMS"].clone()).unwrap();
    let sums: BTreeMap<&str, &str> = sums
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, place)| (place, sum))
        .collect();
    for (place, bytes) in files {
        if place == "SHA256SUMS" || place == ".pagomensa-qualify.json" {
            continue;
        }
        assert_eq!(
            sums.get(place.as_str()),
            Some(&sha256(bytes).as_str()),
            "{place}"
        );
        if place.ends_with(".xml") {
            xml::parse(bytes).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
        if place.ends_with("-request.xml") || place.ends_with("-reply.xml") {
            assert!(page.contains(&sha256(bytes)), "{place} is not on the page");
        }
    }
    assert!(sums.keys().all(|place| files.contains_key(*place)));
}
