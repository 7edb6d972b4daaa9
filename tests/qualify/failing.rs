//! Cases that fail: with their reason, and again with another notice.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_fails_says_why_and_can_be_repeated() {
    let town = Town::start();
    town.post("/chaos", json!({"receipts": [{"fault": "not_sent"}]}))
        .await;
    let cases = ["--case", "EC-PSP-01", "--case", "EC-PSP-02"];
    let run = town.simulate(&cases);
    assert_eq!(run.status, 1, "{}", run.words);
    let ended = [("EC-PSP-01", "passed"), ("EC-PSP-02", "failed")];
    assert_eq!(run.outcomes(), ended);
    let checks = run.case("EC-PSP-02")["checks"].as_array().unwrap();
    let missing: Vec<_> = checks
        .iter()
        .filter(|c| c["verdict"] == "missing")
        .collect();
    assert_eq!(missing.len(), 1, "{checks:?}");
    assert!(
        missing[0]["expected"]
            .as_str()
            .unwrap()
            .starts_with("paSendRT")
    );
    is_sound(&town.files());
    let before = town.files();

    // A flow without a receipt to look for decides nothing.
    let early = town.simulate(&["--case", "EC-PSP-04"]);
    assert_eq!(
        (early.status, early.case("EC-PSP-04")["outcome"].as_str()),
        (1, Some("not_run"))
    );
    assert!(
        early.why("EC-PSP-04").contains("EC-PSP-02"),
        "{}",
        early.words
    );

    town.post("/chaos", json!({})).await;
    let repeated = town.simulate(&cases);
    assert_eq!(repeated.status, 0, "{}", repeated.words);
    assert_ne!(repeated.number("EC-PSP-02"), run.number("EC-PSP-02"));
    assert_eq!(repeated.number("EC-PSP-01"), run.number("EC-PSP-01"));
    let after = town.files();
    let first = "EC-PSP-01/01-paVerifyPaymentNotice-reply.xml";
    assert_eq!(before[first], after[first]);

    // Flows that do not say what the receipt says.
    let day = repeated.case("EC-PSP-02")["receipt"]["paid_on"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!("{}/fdr/flows/{TOWN}?day={day}", town.demo.text("/world"));
    let flow = town
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let id = repeated.case("EC-PSP-02")["receipt"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let iuv = repeated.case("EC-PSP-02")["receipt"]["iuv"]
        .as_str()
        .unwrap()
        .to_owned();
    let rows = between(&flow, "<datiSingoliPagamenti>", "</datiSingoliPagamenti>");
    let row = rows.into_iter().find(|row| row.contains(&id)).unwrap();
    let wrong = |from: &str, to: &str| {
        assert!(row.contains(from), "{from} in {row}");
        flow.replace(row, &row.replace(from, to))
    };
    let file = town.folder.path().join("flow.xml");
    let judge = |text: &str| {
        std::fs::write(&file, text).unwrap();
        town.simulate(&["--case", "EC-PSP-04", "--flow", file.to_str().unwrap()])
    };
    for (text, why) in [
        (wrong("10.00", "10.01"), "somma"),
        (
            wrong("10.00", "10.01").replace(">20.00<", ">20.01<"),
            "10,01",
        ),
        (wrong(&id, "another"), "altro IUR"),
        (wrong(&iuv, "02000000000099999"), "nessuna riga"),
        (wrong(">1</indice", ">2</indice"), "altro IUR o indice"),
        (wrong(">0</codice", ">3</codice"), "esito 3"),
        (
            flow.replace(
                row,
                &format!("{row}</datiSingoliPagamenti><datiSingoliPagamenti>{row}"),
            ),
            "righe",
        ),
        (
            flow.replace("<numeroTotalePagamenti>", "<numeroTotalePagamenti>9"),
            "dichiarati",
        ),
    ] {
        let run = judge(&text);
        assert_eq!(run.status, 1, "{why}: {}", run.words);
        assert_eq!(run.case("EC-PSP-04")["outcome"], "failed");
        assert!(
            run.why("EC-PSP-04").contains(why),
            "{why}: {}",
            run.why("EC-PSP-04")
        );
    }
    is_sound(&town.files());
    let kept = town.files();
    for text in [
        "<a/>".to_owned(),
        "no flow".to_owned(),
        flow.replace(&format!(">{TOWN}<"), ">00743110157<"),
    ] {
        let run = judge(&text);
        assert!(run.status == 1 && run.result.is_null(), "{}", run.words);
        assert_eq!(town.files(), kept, "nothing is touched");
    }
    assert_eq!(judge(&flow).status, 0);
    assert_eq!(town.notices().await, 3);
}
