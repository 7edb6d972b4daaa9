//! The rules of the house: who may import whom, and a few things that must not be found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What each part of the gateway may name of the others: never one that stands above it.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("config", &["config", "domain"]),
    ("clock", &["clock", "domain"]),
    ("log", &["config"]),
    ("metrics", &["domain"]),
    ("wire", &["wire", "domain"]),
    ("point", &[]),
    ("store", &["store", "domain", "config", "point"]),
    (
        "desk",
        &[
            "desk", "store", "wire", "domain", "config", "clock", "metrics", "point",
        ],
    ),
    (
        "job",
        &["desk", "store", "domain", "clock", "metrics", "point"],
    ),
    (
        "platform",
        &[
            "desk", "store", "wire", "domain", "config", "clock", "point",
        ],
    ),
    (
        "ledger",
        &[
            "job", "desk", "store", "domain", "config", "clock", "metrics", "point",
        ],
    ),
    (
        "webhooks",
        &[
            "job", "platform", "desk", "store", "domain", "config", "clock", "metrics", "point",
        ],
    ),
    (
        "mail",
        &[
            "job", "platform", "desk", "store", "domain", "config", "clock", "metrics", "point",
        ],
    ),
    (
        "channel",
        &[
            "channel", "job", "platform", "desk", "store", "wire", "domain", "config", "clock",
            "metrics", "point",
        ],
    ),
    (
        "web",
        &[
            "web", "desk", "store", "wire", "domain", "config", "clock", "metrics",
        ],
    ),
    (
        "app",
        &[
            "channel", "web", "webhooks", "ledger", "mail", "job", "platform", "desk", "store",
            "wire", "domain", "config", "clock", "metrics",
        ],
    ),
    (
        "cli",
        &[
            "cli", "app", "channel", "mail", "job", "desk", "store", "wire", "domain", "config",
            "clock", "log", "metrics",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Every Rust file below a folder of the project.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = vec![];
    let mut open = vec![root];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no Rust file in {folder}");
    found.sort();
    found
}

/// The part of the gateway that a file belongs to, and its place in `src`.
fn part(file: &Path) -> (String, String) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = file.strip_prefix(src).unwrap().display().to_string();
    let first = place.split('/').next().unwrap().trim_end_matches(".rs");
    (first.to_owned(), place)
}

/// The lines of a file that are code, with their numbers; comments are left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start()))
        .filter(|(_, line)| !line.starts_with("//"))
}

/// The same, with a `use` of several lines in one.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = vec![];
    for (number, line) in code(text) {
        match found.last_mut() {
            Some((_, open)) if open.contains("use ") && !open.contains(';') => {
                open.push_str(line);
            }
            _ => found.push((number, line.to_owned())),
        }
    }
    found
}

/// The names that follow `crate::` in a line: a path, or a list in braces.
fn named(line: &str) -> Vec<&str> {
    line.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(first_word).collect::<Vec<_>>(),
            None => vec![first_word(rest)],
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// Why a line of a file breaks a rule of import, if it does.
fn import_fault(part: &str, place: &str, line: &str) -> Option<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else {
        return Some(format!(
            "{part} is in no layer: give it its place in tests/house.rs"
        ));
    };
    for name in named(line) {
        if !allowed.contains(&name) {
            return Some(format!("{part} may not import {name}"));
        }
    }
    if part == "channel"
        && let Some(rail) = place.split('/').nth(1)
        && let Some((_, rest)) = line.split_once("crate::channel::")
        && first_word(rest) != rail.trim_end_matches(".rs")
    {
        return Some("a rail may not import another rail".to_owned());
    }
    None
}

#[test]
fn nobody_imports_what_stands_above() {
    let mut faults = String::new();
    for file in files("src") {
        let (part, place) = part(&file);
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in statements(&text) {
            if let Some(fault) = import_fault(&part, &place, &line) {
                writeln!(faults, "src/{place}:{number}: {fault}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The rule bites: a check that cannot fail would be a defect.
#[test]
fn the_rules_of_import_bite() {
    let several = "use crate::{\n    domain::day::Day,\n    web::Web,\n};\nlet a = 1;\n";
    let several = statements(several);
    assert_eq!(several.len(), 2);
    assert!(import_fault("desk", "desk/mod.rs", &several[0].1).is_some());
    let table = [
        ("domain", "domain/debt.rs", "use crate::store::Store;"),
        (
            "domain",
            "domain/debt.rs",
            "let now = crate::clock::Clock::System.now();",
        ),
        ("store", "store/debts.rs", "use crate::desk::Desk;"),
        (
            "desk",
            "desk/collect.rs",
            "use crate::{domain::day::Day, web::Web};",
        ),
        ("web", "web/mod.rs", "use crate::channel::node;"),
        (
            "channel",
            "channel/node/mod.rs",
            "use crate::web::problem::Problem;",
        ),
        (
            "channel",
            "channel/node/mod.rs",
            "use crate::channel::checkout::Cart;",
        ),
        ("novelty", "novelty.rs", "fn main() {}"),
    ];
    for (part, place, line) in table {
        assert!(import_fault(part, place, line).is_some(), "{line}");
    }
    assert!(
        import_fault(
            "channel",
            "channel/node/mod.rs",
            "use crate::channel::node::tls::Peer;"
        )
        .is_none()
    );
    assert!(import_fault("desk", "desk/mod.rs", "pub(crate) use crate::store::Store;").is_none());
}

/// Words that must not stand in the code of the gateway, where they may, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "f32",
        // The library that writes PDFs takes places on the paper in fractions of a point.
        &["channel/notice_pdf/paper.rs"],
        "money is whole cents, and nothing else here needs a fraction",
    ),
    (
        "f64",
        // Prometheus counts durations in fractions of a second: whole microseconds become one on
        // their way out, and nothing reads it back.
        &["metrics/"],
        "money is whole cents, and nothing else here needs a fraction",
    ),
    ("SystemTime::now", &["clock.rs"], "ask the clock"),
    ("Instant::now", &["clock.rs"], "ask the clock"),
    ("Timestamp::now", &["clock.rs"], "ask the clock"),
    ("Zoned::now", &["clock.rs"], "ask the clock"),
    ("now_v7", &["clock.rs"], "ask for an id"),
    ("new_v4", &["clock.rs"], "ask for an id"),
    ("rand_bytes", &["clock.rs"], "ask for a secret"),
    ("thread_rng", &["clock.rs"], "ask for a secret"),
    ("sqlx::query", &["store/"], "SQL belongs into the store"),
    ("SELECT ", &["store/"], "SQL belongs into the store"),
    ("INSERT INTO", &["store/"], "SQL belongs into the store"),
];

#[test]
fn what_must_not_be_found() {
    let mut faults = String::new();
    for file in files("src") {
        let (_, place) = part(&file);
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in code(&text) {
            for (word, places, why) in FORBIDDEN {
                let excused = places.iter().any(|allowed| place.starts_with(allowed));
                if !excused && line.contains(word) {
                    writeln!(faults, "src/{place}:{number}: {word}: {why}").unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_module_says_why_it_exists_and_nothing_is_left_undone() {
    let mut faults = String::new();
    let unfinished =
        ["TO", "FIX"].map(|half| format!("{half}{}", if half == "TO" { "DO" } else { "ME" }));
    for folder in ["src", "mock-psp/src", "tests", "benches"] {
        for file in files(folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !text.starts_with("//!") {
                writeln!(faults, "{}: no //! at its head", file.display()).unwrap();
            }
            for (index, line) in text.lines().enumerate() {
                if unfinished.iter().any(|word| line.contains(word.as_str())) {
                    writeln!(faults, "{}:{}: unfinished", file.display(), index + 1).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The simulated world is a second reading of the contracts, so it must not share the first.
#[test]
fn the_simulated_world_never_imports_the_gateway() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/mock-psp/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    assert!(
        !manifest.contains("pagomensa"),
        "mock-psp depends on the gateway"
    );
    for file in files("mock-psp/src") {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in code(&text) {
            assert!(
                !line.contains("pagomensa::") && !line.contains("../../src/"),
                "{}:{number}",
                file.display()
            );
        }
    }
}
