//! The pages for parents in a real browser: Debian's Chromium, driven over its own protocol.
//!
//! Without Chromium on the machine these tests say so and test nothing.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams,
};
use chromiumoxide::page::Page;
use futures_util::StreamExt;
use pagomensa::store::Engine;
use serde_json::{Value, json};

use crate::pages::{cancel, pay, pay_notice, settle, top_up_link};
use crate::world::{World, run};

/// axe-core, as it is published (tests/axe).
const AXE: &str = include_str!("axe/axe.min.js");
/// Longest wait for something that the page does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser in front of a gateway.
struct Visitor {
    page: Page,
    address: SocketAddr,
    browser: Browser,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

impl Visitor {
    /// Nothing when there is no browser here.
    async fn before(world: &World) -> Option<Visitor> {
        let Some(program) = chromium() else {
            let _ = writeln!(
                std::io::stderr(),
                "Chromium was NOT found: the pages are not tested in a browser (install chromium)"
            );
            return None;
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = world.app.web();
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .no_sandbox()
            .new_headless_mode()
            .user_data_dir(folder.path())
            .launch_timeout(PATIENCE)
            .request_timeout(PATIENCE)
            .arg("disable-dev-shm-usage")
            .arg(("accept-lang", "it"))
            .build()
            .unwrap();
        let (browser, mut handler) = Browser::launch(config).await.unwrap();
        let driver = tokio::spawn(async move { while handler.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.unwrap();
        Some(Visitor {
            page,
            address,
            browser,
            tasks: vec![server, driver],
            _folder: folder,
        })
    }

    async fn open(&self, path: &str) {
        let url = format!("http://{}{path}", self.address);
        self.page.goto(url).await.unwrap();
    }

    /// The value of an expression; of a promise, what it gives.
    async fn eval(&self, expression: &str) -> Value {
        let function = format!("async () => ({expression})");
        let result = self.page.evaluate_function(function).await.unwrap();
        result.into_value().unwrap_or(Value::Null)
    }

    /// Waits until an expression is true; a page that is just changing has no answer yet.
    async fn until(&self, expression: &str) {
        let wait = async {
            loop {
                let told = self.page.evaluate_expression(expression).await;
                if told.is_ok_and(|told| told.value() == Some(&Value::Bool(true))) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!(
                "{expression} did not become true: {}",
                self.page.content().await.unwrap()
            );
        }
    }

    async fn heading(&self, text: &str) {
        let text = json!(text);
        self.until(&format!(
            "document.readyState === 'complete' && document.querySelector('h1')?.textContent === {text}"
        ))
        .await;
    }

    async fn key(&self, key: &str) {
        let focused = self.page.find_element("html").await.unwrap();
        focused.press_key(key).await.unwrap();
    }

    /// Goes on by the tab key until this has the focus, which must be seen.
    async fn tab_to(&self, selector: &str) {
        let wanted = format!("document.activeElement.matches({})", json!(selector));
        for _ in 0..60 {
            self.key("Tab").await;
            if self.eval(&wanted).await == true {
                let outline = "getComputedStyle(document.activeElement).outlineStyle !== 'none' \
                    || getComputedStyle(document.activeElement.closest('.choice') ?? document.body).outlineStyle !== 'none'";
                assert_eq!(
                    self.eval(outline).await,
                    true,
                    "{selector}: the focus is not seen"
                );
                return;
            }
        }
        panic!("{selector} is not reached by the tab key");
    }

    async fn look(&self, width: i64, scheme: &str) {
        let metrics = SetDeviceMetricsOverrideParams::new(width, 800, 1.0, false);
        self.page.execute(metrics).await.unwrap();
        let feature = MediaFeature::new("prefers-color-scheme", scheme);
        self.page
            .emulate_media_features(vec![feature])
            .await
            .unwrap();
    }

    /// What axe-core finds: rule and place of each violation.
    async fn violations(&self) -> Vec<String> {
        // A colour on its way to another one is nobody's to judge; the sign that turns while the page
        // waits never comes to rest.
        self.until(
            "document.getAnimations().every(a => a.playState !== 'running' \
             || a.effect.getTiming().iterations === Infinity)",
        )
        .await;
        self.page.evaluate_expression(AXE).await.unwrap();
        let run = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.flatMap(v => \
            v.nodes.map(n => v.id + ': ' + n.html + ' ' + (n.failureSummary ?? ''))))";
        let found = self.eval(run).await;
        let found = found
            .as_array()
            .unwrap_or_else(|| panic!("axe said nothing: {found}"));
        found
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    }

    async fn end(mut self) {
        let _ = self.browser.close().await;
        let _ = self.browser.wait().await;
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_waits_shows_the_payment_by_itself() {
    run(Engine::Sqlite, async |world| {
        let Some(visitor) = Visitor::before(world).await else {
            return;
        };
        let notice = world.top_up().await;
        visitor
            .open(&format!("{}?outcome=waiting", pay(&notice)))
            .await;
        visitor.heading("Aspettiamo la conferma").await;
        // The script runs, and listens.
        visitor
            .until("!document.querySelector('[data-with-script]').hidden")
            .await;
        pay_notice(world, &notice).await;
        visitor.heading("Pagamento ricevuto").await;
        assert_eq!(visitor.eval("location.pathname").await, json!(pay(&notice)));
        visitor.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_deleted_by_keyboard_alone() {
    run(Engine::Sqlite, async |world| {
        let Some(visitor) = Visitor::before(world).await else {
            return;
        };
        let notice = world.top_up().await;
        visitor.open(&pay(&notice)).await;
        visitor.tab_to("a[href='#content']").await;
        visitor.tab_to("a[href$='/notice']").await;
        visitor.key("Enter").await;
        visitor.heading("Avviso di pagamento").await;
        visitor.tab_to("a[href$='/delete']").await;
        visitor.key("Enter").await;
        visitor.heading("Vuoi eliminare l’avviso?").await;
        visitor.tab_to("button.btn-danger").await;
        visitor.key("Enter").await;
        visitor.heading("Avviso annullato").await;
        assert_eq!(world.notice(&notice["id"]).await["state"], "cancelled");
        visitor.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_is_chosen_by_keyboard_alone() {
    run(Engine::Sqlite, async |world| {
        let Some(visitor) = Visitor::before(world).await else {
            return;
        };
        let link = top_up_link(world, json!({
            "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
            "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U"},
        }))
        .await;
        visitor.open(&link).await;
        visitor.tab_to("#amount-0").await;
        visitor.key("ArrowDown").await;
        visitor.tab_to("#email").await;
        for letter in ["m", "@", "x"] {
            visitor.key(letter).await;
        }
        visitor.key("Enter").await;
        // An address without a dot in its host is refused; the choice and the text are still there.
        visitor.until("document.title.startsWith('Errore')").await;
        assert_eq!(
            visitor.eval("document.querySelector('#email').value").await,
            "m@x"
        );
        assert_eq!(
            visitor
                .eval("document.querySelector('#amount-1').checked")
                .await,
            true
        );
        visitor.tab_to("#errors a").await;
        visitor.key("Enter").await;
        visitor
            .until("document.activeElement.id === 'email' || location.hash === '#email'")
            .await;
        visitor
            .eval("document.querySelector('#email').select()")
            .await;
        visitor
            .eval("document.querySelector('#email').focus()")
            .await;
        for letter in ["m", "@", "x", ".", "i", "t"] {
            visitor.key(letter).await;
        }
        visitor.key("Enter").await;
        visitor.heading("Avviso da pagare").await;
        visitor.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_has_a_fault_that_axe_finds() {
    run(Engine::Sqlite, async |world| {
        let Some(visitor) = Visitor::before(world).await else {
            return;
        };
        let open = world.top_up().await;
        let (paid, settled, cancelled) = (world.top_up().await, world.top_up().await, world.top_up().await);
        pay_notice(world, &paid).await;
        settle(world, &settled).await;
        cancel(world, &cancelled).await;
        let choice = top_up_link(world, json!({})).await;
        let mut faults = vec![];
        let mut seen = 0;
        let states = [
            ("Avviso da pagare", pay(&open)),
            ("Avviso da pagare", format!("{}?outcome=down", pay(&open))),
            ("Notice to pay", format!("{}?lang=en", pay(&open))),
            ("Avviso di pagamento", format!("{}/notice", pay(&open))),
            ("Vuoi eliminare l’avviso?", format!("{}/delete", pay(&open))),
            ("Aspettiamo la conferma", format!("{}?outcome=waiting", pay(&open))),
            ("Pagamento ricevuto", pay(&paid)),
            ("Già pagato", pay(&settled)),
            ("Avviso annullato", pay(&cancelled)),
            ("Aufladen", format!("{choice}?lang=de")),
            ("Ricarica", choice.clone()),
            ("Pagina non trovata", "/pay/x".to_owned()),
            ("Collegamento non ammesso", format!("{}?return_url=x", pay(&open))),
        ];
        for (heading, path) in &states {
            visitor.open(path).await;
            visitor.heading(heading).await;
            check(&visitor, path, &mut faults, &mut seen).await;
        }
        visitor.open(&choice).await;
        visitor.eval("document.querySelector('form').submit()").await;
        visitor.until("document.title.startsWith('Errore')").await;
        check(&visitor, "a form with mistakes", &mut faults, &mut seen).await;
        world.clock.advance_seconds(45 * 86_400);
        for (heading, path) in [("Avviso scaduto", pay(&open)), ("Il collegamento è scaduto", choice)] {
            visitor.open(&path).await;
            visitor.heading(heading).await;
            check(&visitor, &path, &mut faults, &mut seen).await;
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_eq!(seen, (states.len() + 3) * 4);
        // The check bites.
        visitor.open(&pay(&cancelled)).await;
        visitor.eval("document.querySelector('main').innerHTML = '<img src=\"data:,\"><p style=\"color:#eee\">x</p><input>'").await;
        assert!(visitor.violations().await.len() >= 2);
        visitor.end().await;
    })
    .await;
}

/// Looks at the page that is open in each size and scheme.
async fn check(visitor: &Visitor, name: &str, faults: &mut Vec<String>, seen: &mut usize) {
    for width in [320, 1280] {
        for scheme in ["light", "dark"] {
            visitor.look(width, scheme).await;
            let found = visitor.violations().await;
            faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{name} {width} {scheme}: {fault}")),
            );
            let is_dark = "matchMedia('(prefers-color-scheme: dark)').matches";
            assert_eq!(visitor.eval(is_dark).await, scheme == "dark");
            let overflow = visitor
                .eval("document.documentElement.scrollWidth - innerWidth")
                .await;
            if overflow.as_i64().is_none_or(|pixels| pixels > 0) {
                faults.push(format!(
                    "{name} {width} {scheme}: wider than the screen by {overflow}"
                ));
            }
            *seen += 1;
        }
    }
}
