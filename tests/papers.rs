//! The printed papers, read back by readers of others: zbarimg, dmtxread and poppler.

use std::path::{Path, PathBuf};
use std::process::Command;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use pagomensa::channel::notice_pdf::{Parts, PdfError, Press};
use pagomensa::config::Config;
use pagomensa::domain::creditor::Register;
use pagomensa::domain::day::{Day, Instant};
use pagomensa::domain::debt::{Debt, DebtKind, DebtState, Line, MOST_PIECES, Order};
use pagomensa::domain::ids::DebtId;
use pagomensa::domain::money::Cents;
use pagomensa::domain::notice::NoticeNumber;
use pagomensa::domain::party::{Address, Child, CreditorCode, Email, FiscalCode, Payer};
use pagomensa::domain::print::{Instalment, Language};
use pagomensa::domain::transfer::Shares;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{CATERER, TOWN, World, receipt, top_up};

/// Runs a reader on a file; its standard output. A reader that is missing is a failure: `.ci/run`
/// installs all of them.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed (see .ci/run): {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A paper on disk, with its pages as pictures.
struct Printed {
    folder: tempfile::TempDir,
    pages: Vec<PathBuf>,
}

impl Printed {
    fn of(pdf: &[u8]) -> Printed {
        assert!(pdf.starts_with(b"%PDF-1.7"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paper.pdf");
        std::fs::write(&file, pdf).unwrap();
        let stem = folder.path().join("page");
        run(
            "pdftoppm",
            &["-r", "150", "-gray", "-png", path(&file), path(&stem)],
        );
        let mut pages: Vec<PathBuf> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "png"))
            .collect();
        pages.sort();
        assert!(!pages.is_empty());
        Printed { folder, pages }
    }

    fn file(&self) -> String {
        path(&self.folder.path().join("paper.pdf")).to_owned()
    }

    /// The words, each line on its own, blanks between words made one.
    fn text(&self) -> String {
        let text = run("pdftotext", &["-layout", &self.file(), "-"]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What the QR codes of a page say.
    fn qr_codes(&self, page: usize) -> Vec<String> {
        let read = run(
            "zbarimg",
            &[
                "-q",
                "--raw",
                "-Sdisable",
                "-Sqrcode.enable",
                path(&self.pages[page]),
            ],
        );
        let mut codes: Vec<String> = read.lines().map(str::to_owned).collect();
        codes.sort();
        codes
    }

    /// What the first Data Matrix of a page says; empty when there is none.
    fn data_matrix(&self, page: usize) -> String {
        run(
            "dmtxread",
            &["-N", "1", "-m", "20000", path(&self.pages[page])],
        )
    }

    /// Every font is inside, and the file is sound.
    fn assert_sound(&self) {
        let fonts = run("pdffonts", &[&self.file()]);
        let rows: Vec<&str> = fonts.lines().skip(2).collect();
        assert!(!rows.is_empty(), "{fonts}");
        for row in rows {
            let columns: Vec<&str> = row.split_whitespace().rev().collect();
            // name, type, encoding, then: embedded, subset, unicode, object, generation
            assert_eq!(columns[4], "yes", "not embedded: {row}");
            assert_eq!(columns[2], "yes", "cannot be searched: {row}");
        }
        let info = run("pdfinfo", &[&self.file()]);
        assert!(info.contains("Tagged:          yes"), "{info}");
        assert!(info.contains("(A4)"), "{info}");
        let checked = Command::new("qpdf")
            .args(["--check", &self.file()])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        let marks = String::from_utf8_lossy(&std::fs::read(self.file()).unwrap()).into_owned();
        for mark in [
            "<pdfaid:part>2</pdfaid:part>",
            "<pdfaid:conformance>A</pdfaid:conformance>",
            "<pdfuaid:part>1</pdfuaid:part>",
        ] {
            assert!(marks.contains(mark), "{mark} is missing");
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asks for a paper as the municipality's portal.
async fn get(world: &World, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    fetch(world, &world.town_key, path, None).await
}

async fn fetch(
    world: &World,
    key: &str,
    path: &str,
    known: Option<&str>,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request =
        Request::get(format!("/api/v1{path}")).header("authorization", format!("Bearer {key}"));
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    let response = world.fetch(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, bytes.to_vec())
}

fn code_of(bytes: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(bytes).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// A notice number as it is printed.
fn in_fours(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

engines! {
    async fn a_notice_is_read_back_by_other_readers(world: &World) {
        let mut body = top_up();
        body["payer"]["name"] = json!("Niccolò Straße");
        body["payer"]["address"] = json!({"street": "Via Roma", "number": "1", "postal_code": "00100", "city": "Borgo San Lieto", "province": "RM"});
        let created = world.rest("POST", "/notices", Some(body)).await;
        assert_eq!(created.status, 201, "{}", created.json);
        let notice = created.json;
        let (id, number) = (text(&notice, "id"), text(&notice, "notice_number"));
        assert!(text(&notice["links"], "pdf").ends_with(&format!("/api/v1/notices/{id}/pdf")));
        let (status, headers, pdf) = get(world, &format!("/notices/{id}/pdf")).await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "application/pdf");
        assert_eq!(headers["cache-control"], "private, no-cache");
        assert_eq!(headers["content-disposition"], format!("inline; filename=\"avviso-{number}.pdf\""));
        assert!(pdf.len() <= 60 * 1024, "{} bytes", pdf.len());

        let printed = Printed::of(&pdf);
        printed.assert_sound();
        assert_eq!(printed.pages.len(), 1);
        let cents = notice["amount_cents"].as_i64().unwrap();
        assert_eq!(printed.qr_codes(0), [format!("PAGOPA|002|{number}|{TOWN}|{cents}")]);
        let slip = printed.data_matrix(0);
        assert_eq!(slip.len(), 256, "{slip:?}");
        assert_eq!(&slip[..63], format!("codfase=NBPA;18{number}1200000000101610{cents:010}3896"));
        assert_eq!(&slip[66..77], TOWN);
        assert_eq!(slip[93..133].trim_end(), "NICCOLO STRASSE");
        let words = printed.text();
        for word in [
            "AVVISO DI PAGAMENTO", "ENTE CREDITORE", "DESTINATARIO AVVISO", "Niccolò Straße",
            "Via Roma 1", "00100 Borgo San Lieto (RM)", "50,00 Euro", "entro il 31/12/2026",
            "Comune di Borgo San Lieto", "Ufficio scuola", "BANCHE E ALTRI CANALI", "RATA UNICA",
            "BOLLETTINO POSTALE PA", "sul C/C n. 000000001016", "AUT. DB/SSIC/E 9857 DEL 07/07/2000",
            "BSL01", TOWN, "sul sito di Comune di Borgo San Lieto", text(&notice, "description"),
        ] {
            assert!(words.contains(word), "{word} is missing in {words}");
        }
        assert!(words.contains(&in_fours(number)), "{words}");
    }

    async fn a_creditor_without_a_postal_account_prints_no_slip(world: &World) {
        let request = Request::post("/api/v1/notices")
            .header("authorization", format!("Bearer {}", world.caterer_key))
            .header("content-type", "application/json")
            .body(Body::from(top_up().to_string()))
            .unwrap();
        let notice = world.web(request).await.json;
        let path = format!("/notices/{}/pdf", text(&notice, "id"));
        assert_eq!(get(world, &path).await.0, 404);
        let (status, _, pdf) = fetch(world, &world.caterer_key, &path, None).await;
        assert_eq!(status, 200);
        let printed = Printed::of(&pdf);
        let number = text(&notice, "notice_number");
        assert_eq!(printed.qr_codes(0), [format!("PAGOPA|002|{number}|{CATERER}|5000")]);
        assert_eq!(printed.data_matrix(0), "");
        assert!(!printed.text().contains("BOLLETTINO"));
    }

    async fn a_notice_speaks_two_languages_and_says_when_it_is_the_same(world: &World) {
        let notice = world.top_up().await;
        let path = format!("/notices/{}/pdf", text(&notice, "id"));
        for (lang, word) in [("it-de", "ZAHLUNGSMITTEILUNG"), ("it-en", "HOW MUCH AND WHEN TO PAY?")] {
            let (status, _, pdf) = get(world, &format!("{path}?lang={lang}")).await;
            assert_eq!(status, 200);
            let words = Printed::of(&pdf).text();
            assert!(words.contains(word) && words.contains("QUANTO E QUANDO PAGARE?"), "{words}");
        }
        let (status, _, problem) = get(world, &format!("{path}?lang=fr")).await;
        assert_eq!((status.as_u16(), code_of(&problem).as_str()), (422, "invalid_fields"));
        let (_, headers, first) = get(world, &path).await;
        let tag = headers["etag"].to_str().unwrap().to_owned();
        let (status, _, again) = fetch(world, &world.town_key, &path, Some(&tag)).await;
        assert_eq!((status.as_u16(), again.len()), (304, 0));
        let change = json!({"amount_cents": 5_500});
        let changed = world.rest("PATCH", &format!("/notices/{}", text(&notice, "id")), Some(change)).await;
        assert_eq!(changed.status, 200);
        let (status, _, other) = fetch(world, &world.town_key, &path, Some(&tag)).await;
        assert_eq!(status, 200);
        assert_ne!(first, other);
        assert!(Printed::of(&other).text().contains("55,00 Euro"));
    }

    async fn nobody_gets_a_paper_that_cannot_be_paid(world: &World) {
        let cancelled = world.top_up().await;
        let id = text(&cancelled, "id");
        world.rest("POST", &format!("/notices/{id}/cancel"), None).await;
        let paid = world.top_up().await;
        let number = text(&paid, "notice_number");
        assert_eq!(world.soap(receipt(number, "R1", "50.00")).await.outcome(), "OK");
        let expired = world.top_up().await;
        for (notice, code) in [(&cancelled, "cancelled"), (&paid, "already_paid")] {
            let (status, _, problem) = get(world, &format!("/notices/{}/pdf", text(notice, "id"))).await;
            assert_eq!((status.as_u16(), code_of(&problem).as_str()), (409, code));
        }
        world.clock.advance_seconds(43 * 86_400);
        let (status, _, problem) = get(world, &format!("/notices/{}/pdf", text(&expired, "id"))).await;
        assert_eq!((status.as_u16(), code_of(&problem).as_str()), (409, "expired"));
        assert_eq!(get(world, "/notices/01a1fd09-abc7-7000-ad21-15db3c65199f/pdf").await.0, 404);
    }

    async fn payments_are_listed_read_and_proved(world: &World) {
        let mut notices = vec![];
        for reference in ["R1", "R2", "R3"] {
            let notice = world.top_up().await;
            let number = text(&notice, "notice_number");
            let paid = world.soap(receipt(number, reference, "50.00")).await;
            assert_eq!(paid.outcome(), "OK");
            notices.push(notice);
        }
        let references = async |query: &str| {
            let answer = world.rest("GET", &format!("/payments{query}"), None).await;
            assert_eq!(answer.status, 200, "{}", answer.json);
            let rows = answer.json["data"].as_array().unwrap().clone();
            let names: Vec<String> = rows.iter().map(|row| text(row, "reference").to_owned()).collect();
            (names, answer.json["next_cursor"].clone())
        };
        assert_eq!(references("").await, (vec!["R3".into(), "R2".into(), "R1".into()], Value::Null));
        let (first, cursor) = references("?limit=2&child=50004").await;
        assert_eq!(first, ["R3", "R2"]);
        let (rest, end) = references(&format!("?limit=2&child=50004&cursor={}", cursor.as_str().unwrap())).await;
        assert_eq!((rest, end), (vec!["R1".to_owned()], Value::Null));
        assert!(references("?child=99999").await.0.is_empty());
        let second = text(&notices[1], "id");
        assert_eq!(references(&format!("?notice={second}")).await.0, ["R2"]);
        assert_eq!(references(&format!("?notice={second}&child=50004")).await.0, ["R2"]);
        assert!(references(&format!("?notice={second}&child=1")).await.0.is_empty());

        let list = world.rest("GET", &format!("/payments?notice={second}"), None).await;
        let payment = list.json["data"][0].clone();
        let paid_on = Instant::parse(text(&payment, "paid_at")).unwrap().day_in_rome();
        let day = |days| paid_on.plus_days(days).to_string();
        assert_eq!(references(&format!("?from={}&to={}", day(0), day(0))).await.0.len(), 3);
        assert!(references(&format!("?from={}", day(1))).await.0.is_empty());
        assert!(references(&format!("?to={}", day(-1))).await.0.is_empty());
        assert_eq!(text(&payment, "notice"), second);
        assert_eq!(payment["notice_number"], notices[1]["notice_number"]);
        assert_eq!((&payment["amount_cents"], &payment["child"], &payment["traceable"]), (&json!(5_000), &json!("50004"), &json!(true)));
        let path = format!("/payments/{}", text(&payment, "id"));
        assert_eq!(world.rest("GET", &path, None).await.json, payment);
        for wrong in ["?from=2026-02-30", "?notice=x", "?surprise=1"] {
            assert_eq!(world.rest("GET", &format!("/payments{wrong}"), None).await.status, 422, "{wrong}");
        }

        let (status, headers, pdf) = get(world, &format!("{path}/receipt.pdf")).await;
        assert_eq!(status, 200);
        assert_eq!(headers["cache-control"], "private, no-cache");
        let printed = Printed::of(&pdf);
        printed.assert_sound();
        let words = printed.text();
        let order = &notices[1];
        for word in [
            "Ricevuta di pagamento", "50,00 Euro", text(&order["payer"], "name"), text(&order["child"], "name"),
            text(&order["child"], "fiscal_code"), text(order, "iuv"), "R2", "Mensa scolastica", "tracciabile",
        ] {
            assert!(words.contains(word), "{word} is missing in {words}");
        }
        for other in [path.clone(), format!("{path}/receipt.pdf")] {
            assert_eq!(fetch(world, &world.caterer_key, &other, None).await.0, 404);
        }
        let (_, _, none) = fetch(world, &world.caterer_key, "/payments", None).await;
        assert_eq!(serde_json::from_slice::<Value>(&none).unwrap()["data"], json!([]));
    }
}

/// The demo's creditors, with this in the section of the municipality.
fn register(letterhead: &str) -> Register {
    let demo = include_str!("../config/demo.toml");
    let config = demo.replacen(
        "[creditors.letterhead]\n",
        &format!("[creditors.letterhead]\n{letterhead}\n"),
        1,
    );
    Config::with(&config).unwrap().register().unwrap()
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn number(sequence: u64) -> NoticeNumber {
    NoticeNumber::parse(&format!("3020000000{sequence:08}")).unwrap()
}

/// A debt of the municipality.
fn debt(name: &str, description: &str, address: Option<Address>) -> Debt {
    let code = FiscalCode::parse("RSSMRA80A01H501U").unwrap();
    Debt {
        id: DebtId::new("d1"),
        creditor: CreditorCode::parse(TOWN).unwrap(),
        notice: number(1),
        created_at: Instant::parse(crate::world::NOW).unwrap(),
        state: DebtState::Open,
        order: Order {
            invoice: None,
            kind: DebtKind::TopUp,
            service: "refezione".to_owned(),
            external_id: None,
            child: Child {
                code: "50004".to_owned(),
                name: "Giulia".to_owned(),
                fiscal_code: code.clone(),
            },
            payer: Payer {
                name: name.to_owned(),
                fiscal_code: code,
                email: Email::parse("m@example.org").unwrap(),
                address,
            },
            amount: Cents::new(123_456),
            shares: Shares::whole(),
            metadata: Default::default(),
            description: description.to_owned(),
            due_on: day("2026-12-31"),
            publish_on: None,
            payable_until: day("2026-12-31"),
        },
    }
}

fn print(debt: &Debt, language: Language, parts: Parts<'_>) -> Vec<u8> {
    let register = register("");
    let creditor = register.get(&debt.creditor).unwrap();
    Press::new(&register)
        .unwrap()
        .notice(creditor, debt, language, parts)
        .unwrap()
}

#[test]
fn every_instalment_can_be_paid_by_itself() {
    let instalments: Vec<Instalment> = (2..9)
        .map(|sequence| Instalment {
            notice: number(sequence),
            amount: Cents::new(1_000 + i64::try_from(sequence).unwrap()),
            due_on: day("2026-12-01").plus_days(i32::try_from(sequence).unwrap() * 30),
        })
        .collect();
    let parts = Parts {
        instalments: &instalments,
        lines: &[],
    };
    let pdf = print(
        &debt("Mario Rossi", "Mensa novembre", None),
        Language::ItalianGerman,
        parts,
    );
    let printed = Printed::of(&pdf);
    printed.assert_sound();
    // Three in a row, two rows on a page with their postal slips.
    assert_eq!(printed.pages.len(), 3);
    let code =
        |part: &Instalment| format!("PAGOPA|002|{}|{TOWN}|{}", part.notice, part.amount.get());
    assert_eq!(
        printed.qr_codes(0),
        [format!("PAGOPA|002|{}|{TOWN}|123456", number(1))]
    );
    for (page, parts) in [(1, &instalments[..6]), (2, &instalments[6..])] {
        let expected: Vec<String> = parts.iter().map(code).collect();
        assert_eq!(printed.qr_codes(page), expected);
    }
    assert!(printed.data_matrix(2).contains(number(8).as_str()));
    let words = printed.text();
    assert!(
        words.contains("Puoi pagare per intero oppure in 7 rate."),
        "{words}"
    );
    for part in &instalments {
        let digits = in_fours(part.notice.as_str());
        assert_eq!(
            words.matches(&digits).count(),
            2,
            "{digits} with bank and slip"
        );
    }
}

#[test]
fn the_meals_of_an_invoice_stand_on_it() {
    let lines: Vec<Line> = (0..60)
        .map(|index| Line {
            on: day("2026-09-01").plus_days(index),
            description: format!("Pasto completo {index}"),
            quantity: 2,
            unit: Cents::new(455),
        })
        .collect();
    let parts = Parts {
        instalments: &[],
        lines: &lines,
    };
    let pdf = print(
        &debt("Mario Rossi", "Mensa", None),
        Language::Italian,
        parts,
    );
    let printed = Printed::of(&pdf);
    printed.assert_sound();
    let words = printed.text();
    for index in 0..60 {
        assert!(
            words.contains(&format!("Pasto completo {index} 2 4,55 9,10")),
            "{index}: {words}"
        );
    }
    assert_eq!(words.matches("Totale 1.234,56 Euro").count(), 1);
}

/// The left and right edges, in hundredths of a point, of every word of a paper.
fn edges(printed: &Printed) -> Vec<(f64, f64, String)> {
    let boxes = run("pdftotext", &["-bbox", &printed.file(), "-"]);
    boxes
        .lines()
        .filter(|line| line.contains("<word "))
        .map(|line| {
            let field = |name: &str| {
                let rest = line.split(&format!("{name}=\"")).nth(1).unwrap();
                rest.split('"').next().unwrap().parse::<f64>().unwrap()
            };
            (field("xMin"), field("xMax"), line.to_owned())
        })
        .collect()
}

#[test]
fn the_longest_texts_stay_within_the_margins() {
    let address = Address {
        street: Some("W".repeat(70)),
        number: Some("W".repeat(16)),
        postal_code: Some("W".repeat(16)),
        city: Some("W".repeat(35)),
        province: Some("W".repeat(35)),
        country: None,
    };
    let debt = debt(&"W".repeat(70), &"W".repeat(140), Some(address));
    let parts = [2, 3, 4].map(|sequence| Instalment {
        notice: number(sequence),
        amount: Cents::new(9_999_999_999),
        due_on: day("2026-12-31"),
    });
    let lines = [Line {
        on: day("2026-10-01"),
        description: "W".repeat(140),
        quantity: MOST_PIECES,
        unit: Cents::new(99_999_999),
    }];
    for language in Language::ALL {
        let printed = Printed::of(&print(
            &debt,
            language,
            Parts {
                instalments: &parts,
                lines: &lines,
            },
        ));
        let found = edges(&printed);
        assert!(found.len() > 50);
        for (left, right, word) in found {
            // 10 mm on both sides of 210 mm, and half a point for rounding.
            assert!(left >= 27.8 && right <= 567.5, "{word}");
        }
    }
}

#[test]
fn a_broken_logo_is_found_before_a_parent_asks() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.png");
    let setting = format!("logo = \"{}\"", path(&logo));
    let page = Printed::of(&print(
        &debt("M", "D", None),
        Language::Italian,
        Parts::default(),
    ));
    run(
        "pdftoppm",
        &[
            "-r",
            "20",
            "-png",
            "-singlefile",
            &page.file(),
            path(&folder.path().join("logo")),
        ],
    );
    let good = std::fs::read(&logo).unwrap();

    let register_with_logo = register(&setting);
    let debt = debt("Mario Rossi", "Mensa", None);
    let creditor = register_with_logo.get(&debt.creditor).unwrap();
    let pdf = Press::new(&register_with_logo)
        .unwrap()
        .notice(creditor, &debt, Language::Italian, Parts::default())
        .unwrap();
    let printed = Printed::of(&pdf);
    printed.assert_sound();
    assert_eq!(
        run("pdfimages", &["-list", &printed.file()])
            .lines()
            .count(),
        3
    );

    std::fs::write(&logo, &good[..good.len() / 2]).unwrap();
    match Press::new(&register(&setting)) {
        Err(PdfError::Logo { creditor, .. }) => assert_eq!(creditor.as_str(), TOWN),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_people_write_is_printed(name in "\\PC{1,70}", description in "\\PC{1,140}", street in "\\PC{1,70}") {
        let address = Address { street: Some(street), ..Address::default() };
        let debt = debt(&name, &description, Some(address));
        for language in Language::ALL {
            print(&debt, language, Parts::default());
        }
    }
}
