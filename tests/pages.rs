//! The pages for parents, as any client sees them: states, tokens, languages, forms.

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use pagomensa::config::Config;
use pagomensa::domain::day::Instant;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::Engine;
use pagomensa::wire::token::{Kind, Signer, Ticket};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::engines::{Database, engines};
use crate::world::{CATERER, LINK_KEY, TOWN, World, receipt, top_up};

/// An answer to a browser.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// The text of the heading.
    pub fn heading(&self) -> &str {
        let start = self
            .text
            .find("<h1")
            .unwrap_or_else(|| panic!("{}", self.text));
        let rest = &self.text[start..];
        &rest[rest.find('>').unwrap() + 1..rest.find("</h1>").unwrap()]
    }

    fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The value of an input.
    fn value(&self, name: &str) -> &str {
        let at = self.text.find(&format!("name=\"{name}\"")).unwrap();
        let rest = &self.text[at..];
        let rest = &rest[rest.find("value=\"").unwrap() + 7..];
        &rest[..rest.find('"').unwrap()]
    }
}

async fn send(world: &World, request: Request<Body>) -> Page {
    let response: Response<Body> = world.app.web().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Page {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap_or_default(),
    }
}

pub async fn open(world: &World, path: &str) -> Page {
    send(world, Request::get(path).body(Body::empty()).unwrap()).await
}

/// A form, as a browser of today sends it.
async fn submit(world: &World, path: &str, body: &str) -> Page {
    let request = Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("origin", "http://127.0.0.1:8080")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    send(world, request).await
}

/// The path of an address of ours.
pub fn path(address: &Value) -> String {
    let address = address.as_str().unwrap();
    address
        .strip_prefix("http://127.0.0.1:8080")
        .unwrap()
        .to_owned()
}

/// The payment page of a notice.
pub fn pay(notice: &Value) -> String {
    path(&notice["links"]["pay"])
}

pub async fn pay_notice(world: &World, notice: &Value) {
    let number = notice["notice_number"].as_str().unwrap();
    let reply = world
        .soap(receipt(number, &format!("r{number}"), "50.00"))
        .await;
    assert_eq!(reply.outcome(), "OK");
}

pub async fn settle(world: &World, notice: &Value) {
    let path = format!("/notices/{}/paid-elsewhere", notice["id"].as_str().unwrap());
    let body = json!({"means": "cash", "reference": "R-1", "paid_at": "2026-11-19T09:30:00Z"});
    assert_eq!(world.rest("POST", &path, Some(body)).await.status, 200);
}

pub async fn cancel(world: &World, notice: &Value) {
    let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
    assert_eq!(world.rest("POST", &path, None).await.status, 200);
}

/// A link to choose a top-up; with nothing but names in it, the page asks for the rest.
pub async fn top_up_link(world: &World, more: Value) -> String {
    let mut body = json!({"child": {"code": "50004", "name": "Giulia Rossi"}, "payer": {"name": "Mario Rossi"}});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = world.rest("POST", "/top-up-links", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    path(&answer.json["url"])
}

fn token(key: &str, kind: Kind, creditor: &str, id: &str, ends: &str) -> String {
    let ticket = Ticket {
        kind,
        creditor: CreditorCode::parse(creditor).unwrap(),
        id: id.to_owned(),
        ends: Instant::parse(ends).unwrap(),
    };
    Signer::new(key.as_bytes()).unwrap().print(&ticket).unwrap()
}

engines! {
    async fn each_state_has_its_page(world: &World) {
        let notice = world.top_up().await;
        let page = open(world, &pay(&notice)).await;
        assert_eq!((page.status, page.heading()), (200, "Avviso da pagare"));
        for told in ["50,00\u{a0}€", "31/12/2026", "G.\u{a0}R.", "50004", "Mensa scolastica", "Comune di Borgo San Lieto"] {
            assert!(page.text.contains(told), "{told}: {}", page.text);
        }
        for hidden in ["Giulia", "Mario", "RSS", "mario@example.org", "<script"] {
            assert!(!page.text.contains(hidden), "{hidden}: {}", page.text);
        }
        let waiting = open(world, &format!("{}?outcome=waiting", pay(&notice))).await;
        assert_eq!(waiting.heading(), "Aspettiamo la conferma");
        assert!(waiting.text.contains("http-equiv=\"refresh\""));

        pay_notice(world, &notice).await;
        // Paid is paid, whatever the address says.
        for more in ["", "?outcome=waiting", "?outcome=error"] {
            let page = open(world, &format!("{}{more}", pay(&notice))).await;
            assert_eq!((page.status, page.heading()), (200, "Pagamento ricevuto"));
        }
        let paper = open(world, &format!("{}/receipt.pdf", pay(&notice))).await;
        assert_eq!((paper.status, &paper.headers["content-type"]), (200, &"application/pdf".parse().unwrap()));
        let settled = world.top_up().await;
        settle(world, &settled).await;
        let page = open(world, &pay(&settled)).await;
        assert_eq!(page.heading(), "Già pagato");
        assert!(page.text.contains("19/11/2026") && page.text.contains("contanti"));

        let cancelled = world.top_up().await;
        cancel(world, &cancelled).await;
        assert_eq!(open(world, &pay(&cancelled)).await.heading(), "Avviso annullato");

        let late = world.top_up().await;
        world.clock.advance_seconds(45 * 86_400);
        let page = open(world, &pay(&late)).await;
        assert_eq!((page.status, page.heading()), (200, "Avviso scaduto"));
        // What is closed cannot be paid, printed, sent or deleted: its own page says why.
        for part in ["notice", "notice.pdf", "delete"] {
            let page = open(world, &format!("{}/{part}", pay(&late))).await;
            assert_eq!((page.status, page.location()), (303, pay(&late).as_str()), "{part}");
        }
        world.run_jobs().await;
        assert_eq!(open(world, &pay(&late)).await.heading(), "Avviso scaduto");
    }

    async fn a_notice_shows_its_code_and_its_paper(world: &World) {
        let notice = world.top_up().await;
        let page = open(world, &format!("{}/notice", pay(&notice))).await;
        assert_eq!((page.status, page.heading()), (200, "Avviso di pagamento"));
        let number = notice["notice_number"].as_str().unwrap();
        let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16, 16..18].into_iter().map(|r| &number[r]).collect();
        assert!(page.text.contains(&groups.join("\u{a0}")));
        assert!(page.text.contains(TOWN) && page.text.contains("<svg class=\"code\""));
        let paper = open(world, &format!("{}/notice.pdf?lang=de", pay(&notice))).await;
        assert_eq!((paper.status, &paper.headers["content-type"]), (200, &"application/pdf".parse().unwrap()));
    }

    async fn a_bad_token_tells_nothing(world: &World) {
        let notice = world.top_up().await;
        let id = notice["id"].as_str().unwrap();
        let good = pay(&notice);
        let letter = if good.ends_with('A') { "B" } else { "A" };
        let forged = [
            format!("{}{letter}", &good[..good.len() - 1]),
            format!("/pay/{}", token("another key, another installation, another town", Kind::Notice, TOWN, id, "2026-12-31T00:00:00.000Z")),
            // Even past its end it was never ours.
            format!("/pay/{}", token("another key, another installation, another town", Kind::Notice, TOWN, id, "2025-12-31T00:00:00.000Z")),
            // Well signed, but another creditor's, nobody's, or for another page.
            format!("/pay/{}", token(LINK_KEY, Kind::Notice, CATERER, id, "2026-12-31T00:00:00.000Z")),
            format!("/pay/{}", token(LINK_KEY, Kind::Notice, "99999999999", id, "2026-12-31T00:00:00.000Z")),
            format!("/pay/{}", token(LINK_KEY, Kind::TopUp, TOWN, id, "2026-12-31T00:00:00.000Z")),
            format!("/top-up/{}", token(LINK_KEY, Kind::Notice, TOWN, id, "2026-12-31T00:00:00.000Z")),
            format!("/top-up/{}", token(LINK_KEY, Kind::TopUp, TOWN, id, "2026-12-31T00:00:00.000Z")),
            format!("/pay/{id}"),
            "/pay/x".to_owned(),
            "/pay/%00".to_owned(),
            "/pay/%ff".to_owned(),
        ];
        let mut texts = vec![];
        for path in &forged {
            let page = open(world, path).await;
            assert_ne!(page.status, 200, "{path}");
            assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{path}");
            if page.status == 404 {
                assert_eq!(page.heading(), "Pagina non trovata");
                texts.push(page.text.replace(path, ""));
            } else {
                assert_eq!(page.status, 400, "{path}");
            }
            for part in ["events", "notice", "notice.pdf", "delete"] {
                assert_ne!(open(world, &format!("{path}/{part}")).await.status, 200, "{path}/{part}");
            }
            for part in ["checkout", "mail", "delete"] {
                assert_ne!(submit(world, &format!("{path}/{part}"), "").await.status, 303, "{path}/{part}");
            }
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "pages of bad tokens differ");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");

        let expired = format!("/pay/{}", token(LINK_KEY, Kind::Notice, TOWN, id, "2026-11-20T10:59:59.000Z"));
        let page = open(world, &expired).await;
        assert_eq!((page.status, page.heading()), (410, "Il collegamento è scaduto"));
        assert!(!page.text.contains("Comune") && !page.text.contains("50,00"));
    }

    async fn a_link_lives_for_its_days_and_the_portal_has_a_new_one(world: &World) {
        let notice = world.top_up().await;
        assert_eq!(world.notice(&notice["id"]).await["links"]["pay"], notice["links"]["pay"]);
        // 31 December and 90 days.
        world.clock.advance_seconds(132 * 86_400);
        assert_eq!(open(world, &pay(&notice)).await.status, 410);
        let now = world.notice(&notice["id"]).await;
        assert_eq!(open(world, &pay(&now)).await.heading(), "Avviso scaduto");
    }

    async fn a_notice_that_is_not_yet_published_has_no_page(world: &World) {
        let mut body = top_up();
        body["publish_on"] = json!("2026-11-22");
        let notice = world.rest("POST", "/notices", Some(body)).await.json;
        assert_eq!(open(world, &pay(&notice)).await.status, 404);
        world.clock.advance_seconds(2 * 86_400);
        assert_eq!(open(world, &pay(&notice)).await.status, 200);
    }

    async fn a_parent_deletes_a_notice_after_a_question(world: &World) {
        let notice = world.top_up().await;
        let delete = format!("{}/delete", pay(&notice));
        let question = open(world, &delete).await;
        assert_eq!((question.status, question.heading()), (200, "Vuoi eliminare l’avviso?"));
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        for _ in 0..2 {
            let done = submit(world, &delete, "").await;
            assert_eq!((done.status, done.location()), (303, pay(&notice).as_str()));
        }
        assert_eq!(world.notice(&notice["id"]).await["state"], "cancelled");
        // One that was paid meanwhile stays paid.
        let paid = world.top_up().await;
        pay_notice(world, &paid).await;
        let done = submit(world, &format!("{}/delete", pay(&paid)), "").await;
        assert_eq!(done.status, 303);
        assert_eq!(open(world, done.location()).await.heading(), "Pagamento ricevuto");
    }

    async fn another_site_cannot_press_a_button(world: &World) {
        let notice = world.top_up().await;
        let path = format!("{}/delete", pay(&notice));
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
            let request = Request::post(&path).header("host", "127.0.0.1:8080").header(name, value);
            let page = send(world, request.body(Body::empty()).unwrap()).await;
            assert_eq!((page.status, page.heading()), (403, "Richiesta rifiutata"), "{name}");
        }
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    }

    async fn the_language_is_the_readers(world: &World) {
        let notice = world.top_up().await;
        let table = [
            ("", "", "it", "Avviso da pagare"),
            ("de-AT,de;q=0.9,it;q=0.5", "", "de", "Zahlungsaufforderung"),
            ("en", "", "en", "Notice to pay"),
            ("fr", "", "it", "Avviso da pagare"),
            ("en", "?lang=de", "de", "Zahlungsaufforderung"),
            ("en", "?lang=xx", "en", "Notice to pay"),
        ];
        for (accepted, query, tag, heading) in table {
            let request = Request::get(format!("{}{query}", pay(&notice))).header("accept-language", accepted);
            let page = send(world, request.body(Body::empty()).unwrap()).await;
            assert_eq!((page.heading(), &page.headers["content-language"]), (heading, &tag.parse().unwrap()));
            assert!(page.text.contains(&format!("<html lang=\"{tag}\">")));
        }
        // The choice goes along.
        let page = open(world, &format!("{}?lang=en", pay(&notice))).await;
        assert!(page.text.contains("/notice?lang=en"));
        assert_eq!(open(world, "/pay/x?lang=de").await.heading(), "Seite nicht gefunden");
    }

    async fn browsers_are_given_strict_rules(world: &World) {
        let notice = world.top_up().await;
        for path in [pay(&notice), format!("{}/notice", pay(&notice)), "/pay/x".to_owned()] {
            let page = open(world, &path).await;
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(page.headers["referrer-policy"], "same-origin");
            assert_eq!(page.headers["cache-control"], "no-store");
            assert_eq!(page.headers["x-content-type-options"], "nosniff");
            assert!(!page.headers.contains_key("set-cookie"));
            // Nothing from elsewhere.
            for piece in page.text.split("href=\"").chain(page.text.split("src=\"")).skip(1) {
                assert!(piece.starts_with(['/', '#']) || piece.starts_with("data:") || piece.starts_with('<'), "{}", &piece[..40]);
            }
            let style = page.text.split("href=\"").find(|piece| piece.contains("pay.css")).unwrap();
            let style = open(world, style.split('"').next().unwrap()).await;
            assert_eq!((style.status, &style.headers["cache-control"]), (200, &"public, max-age=31536000, immutable".parse().unwrap()));
        }
        assert_eq!(open(world, "/assets/0000000000000000/pay.css").await.status, 404);
    }

    async fn what_waits_is_told_as_soon_as_it_is_there(world: &World) {
        let notice = world.top_up().await;
        pay_notice(world, &notice).await;
        // The stream ends with the event.
        let stream = open(world, &format!("{}/events", pay(&notice))).await;
        assert_eq!(stream.headers["content-type"], "text/event-stream");
        assert!(stream.text.ends_with("event: state\ndata: paid\n\n"), "{}", stream.text);
    }

    async fn a_top_up_is_chosen_and_what_is_missing_is_asked_for(world: &World) {
        let link = top_up_link(world, json!({})).await;
        let form = open(world, &link).await;
        assert_eq!((form.status, form.heading()), (200, "Ricarica"));
        let mark = form.value("mark").to_owned();
        // Nothing at all: every mistake has its place, and the title says so.
        let empty = submit(world, &link, &format!("mark={mark}")).await;
        assert_eq!(empty.status, 422);
        assert!(empty.text.contains("<title>Errore: Ricarica"));
        for field in ["amount-0", "child_code", "payer_code", "email"] {
            assert!(empty.text.contains(&format!("href=\"#{field}\"")), "{field}");
            assert!(empty.text.contains(&format!("id=\"{field}\"")), "{field}");
        }
        // What was written stays, however wrong; markup stays text.
        let body = format!("mark={mark}&amount=other&other=0%2C50&email=mario%40&payer_code=RSSMRA80A01H501X&child_code=%3Cb%3E");
        let wrong = submit(world, &link, &body).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(wrong.value("other"), "0,50");
        assert_eq!(wrong.value("email"), "mario@");
        assert!(wrong.text.contains("value=\"&#60;b&#62;\"") && !wrong.text.contains("<b>"));
        assert!(wrong.text.contains("tra 1,00\u{a0}€ e 500,00\u{a0}€"));
        assert_eq!(wrong.value("mark"), mark);
        assert_eq!(world.count("debts").await, 0);
        // Right: a notice, and sent twice still one.
        let body = format!("mark={mark}&amount=other&other=25%2C50&email=mario%40example.org&payer_code=rssmra80a01h501u&child_code=RSSGLI16A41F205M");
        let first = submit(world, &link, &body).await;
        assert_eq!(first.status, 303);
        let second = submit(world, &link, &body).await;
        assert_eq!(second.location(), first.location());
        assert_eq!(world.count("debts").await, 1);
        let page = open(world, first.location()).await;
        assert_eq!(page.heading(), "Avviso da pagare");
        assert!(page.text.contains("25,50\u{a0}€"));
        let list = world.rest("GET", "/notices?child=50004", None).await.json;
        let notice = &list["data"][0];
        assert_eq!(notice["payer"], json!({"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U", "email": "mario@example.org"}));
        assert_eq!((&notice["due_on"], &notice["amount_cents"]), (&json!("2026-12-20"), &json!(2550)));
        // Another choice is another notice, and so is the same on a new form.
        let other = submit(world, &link, &body.replace("25%2C50", "30")).await;
        assert_ne!(other.location(), first.location());
        let new = open(world, &link).await.value("mark").to_owned();
        submit(world, &link, &body.replace(&mark, &new)).await;
        assert_eq!(world.count("debts").await, 3);
    }

    async fn two_forms_at_the_same_time_give_one_notice(world: &World) {
        let link = top_up_link(world, json!({
            "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
            "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U", "email": "mario@example.org"},
        })).await;
        let form = open(world, &link).await;
        assert!(!form.text.contains("name=\"email\""));
        let body = format!("mark={}&amount=5000", form.value("mark"));
        let (one, two) = tokio::join!(submit(world, &link, &body), submit(world, &link, &body));
        assert_eq!((one.status, one.location()), (303, two.location()));
        assert_eq!(world.count("debts").await, 1);
    }

    async fn a_link_to_choose_ends_and_is_removed(world: &World) {
        let link = top_up_link(world, json!({})).await;
        world.clock.advance_seconds(24 * 3_600 + 1);
        assert_eq!(open(world, &link).await.status, 410);
        world.run_jobs().await;
        assert_eq!(world.count("top_up_links").await, 0);
    }

    async fn wrong_fields_of_a_link_are_reported_at_once(world: &World) {
        let body = json!({
            "child": {"code": "", "fiscal_code": "RSSGLI16A41F205K"}, "payer": {"name": "M", "email": "x", "age": 3},
            "services": ["bus", "refezione", "refezione"], "return_url": "https://evil.example/",
        });
        let answer = world.rest("POST", "/top-up-links", Some(body)).await;
        assert_eq!(answer.status, 422);
        let mut fields: Vec<&str> = answer.json["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["child.code", "child.fiscal_code", "child.name", "payer.age", "payer.email", "return_url", "services[0]", "services[2]"]);
        assert_eq!(world.count("top_up_links").await, 0);
        let request = || Request::post("/api/v1/top-up-links")
            .header("authorization", format!("Bearer {}", world.town_key))
            .header("content-type", "application/json").header("idempotency-key", "k1")
            .body(Body::from(r#"{"child":{"code":"1","name":"A B"},"payer":{"name":"C D"}}"#)).unwrap();
        let (first, again) = (world.web(request()).await, world.web(request()).await);
        assert_eq!((first.status, &first.json), (201, &again.json));
        assert_eq!(world.count("top_up_links").await, 1);
    }
}

/// A test on both engines, over a gateway whose settings were changed.
async fn with(change: impl Fn(&mut Config), check: impl AsyncFn(&World)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "")
            .await
            .restarted_with(&change)
            .await;
        check(&world).await;
        world.end().await;
    }
}

/// A portal's address for the town, and a second service.
fn portal(config: &mut Config) {
    let town = &mut config.creditors[0];
    town.return_urls = vec!["https://portale.example.org/mensa/".to_owned()];
    let mut snack = town.services[0].clone();
    "merenda".clone_into(&mut snack.code);
    "Merenda".clone_into(&mut snack.name);
    (snack.min_cents, snack.max_cents) = (500, 2_000);
    snack.catalogue = None;
    town.services.push(snack);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_is_the_portals_or_none() {
    with(portal, async |world| {
        let notice = world.top_up().await;
        let to = |url: &str| format!("{}?return_url={url}", pay(&notice));
        let page = open(
            world,
            &to("https%3A%2F%2Fportale.example.org%2Fmensa%2Ffine%3Fa%3D1"),
        )
        .await;
        assert_eq!(page.status, 200);
        assert!(
            page.text
                .contains("href=\"https://portale.example.org/mensa/fine?a=1\""),
            "{}",
            page.text
        );
        // It goes along to the next page.
        assert!(page.text.contains(
            "/notice?return_url=https%3A%2F%2Fportale.example.org%2Fmensa%2Ffine%3Fa%3D1"
        ));
        for url in [
            "https://evil.example/",
            "javascript:alert(1)",
            "//evil.example",
            "https://portale.example.org/",
            "",
        ] {
            let page = open(world, &to(url)).await;
            assert_eq!(
                (page.status, page.heading()),
                (422, "Collegamento non ammesso"),
                "{url}"
            );
            assert!(!page.text.contains("evil") && !page.text.contains("alert"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_chosen_when_there_are_several() {
    with(portal, async |world| {
        let link = top_up_link(world, json!({
            "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
            "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U", "email": "mario@example.org"},
            "return_url": "https://portale.example.org/mensa/",
        }))
        .await;
        let form = open(world, &link).await;
        assert!(form.text.contains("Merenda") && form.text.contains("Da 5,00\u{a0}€ a 20,00\u{a0}€"));
        let mark = form.value("mark");
        let send = async |choice: &str| submit(world, &link, &format!("mark={mark}&{choice}")).await;
        assert_eq!(send("amount=1000").await.status, 422);
        let above = send("service=merenda&amount=5000").await;
        assert_eq!(above.status, 422);
        let told = "id=\"amount-mistake\">L’importo deve essere tra 5,00\u{a0}€ e 20,00\u{a0}€.";
        assert!(above.text.contains(told), "{}", above.text);
        assert_eq!(send("service=bus&amount=1000").await.status, 422);
        let done = send("service=merenda&amount=1000").await;
        assert_eq!(done.status, 303);
        let page = open(world, done.location()).await;
        assert!(page.text.contains("Merenda 50004"));
        assert!(page.text.contains("href=\"https://portale.example.org/mensa/\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pages_there_are_no_links() {
    with(
        |config| config.pay.enabled = false,
        async |world| {
            let notice = world.top_up().await;
            assert_eq!(notice["links"]["pay"], Value::Null);
            assert_eq!(open(world, "/pay/x").await.status, 404);
            let body = json!({"child": {"code": "1", "name": "A"}, "payer": {"name": "B"}});
            let answer = world.rest("POST", "/top-up-links", Some(body)).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (501, &json!("no_pages"))
            );
        },
    )
    .await;
}
