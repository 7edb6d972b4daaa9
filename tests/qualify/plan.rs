//! The whole plan, and what the folder holds after it.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_plan_passes_and_leaves_its_evidence() {
    let town = Town::start();
    let run = town.simulate(&["--responsible", "Anna <Verdi>"]);
    assert_eq!(
        run.outcomes(),
        EVERY.map(|case| (case, "passed")),
        "{}",
        run.words
    );
    assert_eq!(run.status, 0);
    let files = town.files();
    is_sound(&files);
    let page = String::from_utf8_lossy(&files["index.html"]).into_owned();
    assert!(page.contains("Anna &lt;Verdi&gt;") && page.contains("non valgono per la qualifica"));

    // What the page says stands in the messages: an own look at them.
    let message = |place: &str| String::from_utf8(files[place].clone()).unwrap();
    let several = message("EC-PSP-02M/02-paGetPaymentV2-reply.xml");
    assert_eq!(between(&several, "<idTransfer>", "<"), ["1", "2"]);
    assert_eq!(between(&several, "<transferAmount>", "<"), ["6.00", "4.00"]);
    let secondary = message("EC-PSP-03/01-paSendRTV2-request.xml");
    assert_eq!(between(&secondary, "<idPA>", "<"), [CATERER]);
    assert!(secondary.contains(run.number("EC-PSP-02M")));
    let ids: Vec<String> = ["EC-PSP-02/03", "EC-PSP-02M/03"]
        .iter()
        .map(|place| message(&format!("{place}-paSendRTV2-request.xml")))
        .map(|text| between(&text, "<receiptId>", "<")[0].to_owned())
        .collect();
    let flow = message("EC-PSP-04/01-FlussoRiversamento.xml");
    assert_eq!(
        between(&flow, "<identificativoUnivocoRiscossione>", "<"),
        ids
    );

    // The extract has a line for each exchange, with the hashes of the files.
    let extract = message("EC-PSP-02/giornale.csv");
    assert_eq!(extract.matches("\r\n").count(), 1 + 3);
    for (place, bytes) in files
        .iter()
        .filter(|(place, _)| place.starts_with("EC-PSP-02/0"))
    {
        assert!(extract.contains(&sha256(bytes)), "{place}");
    }
    let extract: Value = serde_json::from_slice(&files["EC-PSP-02/giornale.json"]).unwrap();
    assert_eq!(extract["exchanges"].as_array().unwrap().len(), 3);

    // Again: nothing is paid or made anew, and the evidence is the same.
    let count = town.notices().await;
    assert_eq!(count, 3);
    let again = town.simulate(&[]);
    assert_eq!(again.status, 0, "{}", again.words);
    assert_eq!(town.notices().await, count);
    let mut later = town.files();
    is_sound(&later);
    assert!(later.keys().eq(files.keys()));
    later.retain(|place, _| place.contains('/'));
    assert!(later.iter().all(|(place, bytes)| files[place] == *bytes));

    // Another plan does not go into the same folder.
    let other = town.simulate(&["--amount-cents", "700"]);
    assert!(
        other.status == 1 && other.words.contains("--amount-cents"),
        "{}",
        other.words
    );
    let neighbours = std::fs::read_dir(town.folder.path()).unwrap();
    assert_eq!(
        neighbours.count(),
        3,
        "demo, log and evidence, and nothing left over"
    );
}
