//! A gateway on a fresh database, with a clock that stands still and a simulated ledger.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use pagomensa::app::App;
use pagomensa::clock::{Clock, Ids};
use pagomensa::config::Config;
use pagomensa::desk::Tasks;
use pagomensa::desk::journal::audit::{self, Event, Report, Violation, Wish};
use pagomensa::desk::keys::{NewKey, Scope, create};
use pagomensa::domain::day::Instant;
use pagomensa::domain::party::CreditorCode;
use pagomensa::job::{Job, Progress};
use pagomensa::store::{Engine, entries};
use pagomensa::wire::soap;
use pagomensa::wire::xml::Element;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::engines::Database;

/// The municipality: bank and postal account, segregation code 02.
pub const TOWN: &str = "77777777777";
/// The caterer: bank only, segregation code 03, the same broker.
pub const CATERER: &str = "77777777778";
/// The broker of both.
pub const BROKER: &str = "77777777777";
/// The station of both.
pub const STATION: &str = "77777777777_01";
/// When every test begins: noon in Rome on 20 November 2026.
pub const NOW: &str = "2026-11-20T11:00:00.000Z";

pub const LEDGER_TOKEN: &str = "ledger-token";
/// The key of the links to pages for parents.
pub const LINK_KEY: &str = "a key of the tests, of thirty-two characters or more";
/// The key of pagoPA's services.
const SUBSCRIPTION: &str = "subscription";

pub struct World {
    pub app: App,
    pub clock: Clock,
    pub town_key: String,
    pub caterer_key: String,
    pub ledger: mock_psp::World,
    pub http: reqwest::Client,
    web: Router,
    node: Router,
    tasks: Tasks,
    database: Database,
    _folder: tempfile::TempDir,
    is_dismissed: AtomicBool,
    open_door: Option<OpenDoor>,
}

/// The node's door on a port of its own, for a simulated world that pays by itself.
struct OpenDoor {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl OpenDoor {
    fn open(listener: TcpListener, node: Router) -> OpenDoor {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, node).with_graceful_shutdown(async move {
            stopped.await.unwrap_or_default();
        });
        OpenDoor {
            address,
            stop,
            server: tokio::spawn(server.into_future()),
        }
    }

    /// Closes it; where it was.
    async fn close(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
        self.address
    }
}

/// An answer of the REST API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
}

/// An answer of the node's door.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
}

impl Reply {
    /// The element inside the body of the envelope.
    pub fn element(&self) -> Element {
        soap::body(self.text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn text_of(&self, path: &str) -> Option<String> {
        let mut at = &self.element();
        for name in path.split('/') {
            at = at.child(name)?;
        }
        Some(at.text.clone())
    }

    /// `OK`, or the fault code.
    pub fn outcome(&self) -> String {
        match self.text_of("outcome").as_deref() {
            Some("OK") => "OK".to_owned(),
            Some("KO") => self.text_of("fault/faultCode").unwrap(),
            _ => panic!("no outcome: {}", self.text),
        }
    }
}

/// Runs a test on one engine, and checks at its end that nothing is owed to the ledger.
pub async fn run(engine: Engine, check: impl AsyncFnOnce(&World)) {
    run_with(engine, "", check).await;
}

/// The same with settings of its own, TOML over the demo's.
pub async fn run_with(engine: Engine, overrides: &str, check: impl AsyncFnOnce(&World)) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let world = World::over(database, overrides).await;
    check(&world).await;
    world.end().await;
}

impl World {
    /// A gateway over this database; `overrides` is TOML over the demo's settings.
    pub async fn over(database: Database, overrides: &str) -> World {
        // The settings are large, and would be part of every test's future.
        Box::pin(World::built(database, overrides)).await
    }

    async fn built(database: Database, overrides: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::with(&format!(
            "{}\n{overrides}",
            include_str!("../config/demo.toml")
        ))
        .unwrap();
        let door = match config.checkout.enabled {
            true => Some(TcpListener::bind("127.0.0.1:0").await.unwrap()),
            false => None,
        };
        let gateway_node = match &door {
            Some(door) => format!("http://{}/node", door.local_addr().unwrap()),
            None => "http://127.0.0.1:9/node".to_owned(),
        };
        let creditor = |code: &str| mock_psp::Creditor {
            fiscal_code: code.to_owned(),
            name: "Ente".to_owned(),
            broker: BROKER.to_owned(),
            station: STATION.to_owned(),
            portal_key: String::new(),
            broadcast: false,
        };
        let ledger = mock_psp::World::start(
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            mock_psp::WorldConfig {
                data_dir: folder.path().to_owned(),
                gateway_web: "http://127.0.0.1:9".to_owned(),
                gateway_node,
                tls: None,
                creditors: vec![creditor(TOWN), creditor(CATERER)],
                ledger_token: LEDGER_TOKEN.to_owned(),
                subscription_key: SUBSCRIPTION.to_owned(),
            },
        )
        .await
        .unwrap();
        config.database.url = database.url.clone().into();
        config.database.readers = 2;
        config.node.tls.enabled = false;
        config.webhooks.gather_ms = 0;
        if !overrides.contains("[rates]") {
            // The clock stands still: no measure would ever be filled again.
            config.rates.requests_per_minute = 0;
            config.rates.failures_per_minute = 0;
        }
        config.ledger.url = format!("http://{}/ledger", ledger.addr());
        config.ledger.token = LEDGER_TOKEN.to_owned().into();
        config.pay.enabled = true;
        config.pay.link_key = LINK_KEY.to_owned().into();
        let platform = format!("http://{}", ledger.addr());
        config.aca.url = format!("{platform}/aca/v1");
        if config.checkout.url.contains("pagopa.it") {
            config.checkout.url = format!("{platform}/checkout/ec");
        }
        config.receipt_search.bizevents_url = format!("{platform}/bizevents/service/v1");
        config.receipt_search.gpd_url = format!("{platform}/gpd/payments-receipts-service/v1");
        for key in [
            &mut config.aca.subscription_key,
            &mut config.receipt_search.bizevents_key,
            &mut config.receipt_search.gpd_key,
        ] {
            if key.expose_secret().is_empty() {
                *key = SUBSCRIPTION.to_owned().into();
            }
        }
        let clock = Clock::standing_at(Instant::parse(NOW).unwrap());
        let (app, tasks) = Box::pin(App::build(config, clock.clone(), Ids::default()))
            .await
            .unwrap();
        let key = async |code: &str, scopes: &[Scope]| {
            let creditor = CreditorCode::parse(code).unwrap();
            let new = NewKey {
                creditor: &creditor,
                name: "test",
                scopes,
            };
            let desk = app.desk();
            create(desk.store(), desk.ids(), &new, clock.now())
                .await
                .unwrap()
        };
        World {
            town_key: key(TOWN, &Scope::ALL).await,
            caterer_key: key(CATERER, &Scope::ALL).await,
            web: app.web(),
            node: app.node(),
            open_door: door.map(|door| OpenDoor::open(door, app.node())),
            http: reqwest::Client::new(),
            app,
            clock,
            ledger,
            tasks,
            database,
            _folder: folder,
            is_dismissed: AtomicBool::new(false),
        }
    }

    /// The test has taken the store away: nothing is asked of it at the end.
    pub fn dismiss(&self) {
        self.is_dismissed.store(true, Ordering::SeqCst);
    }

    /// Another gateway over the same database and ledger, as after a restart.
    pub async fn restarted(self) -> World {
        self.restarted_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn restarted_with(self, change: impl FnOnce(&mut Config)) -> World {
        let mut config = self.app.config().clone();
        change(&mut config);
        let Self {
            app,
            clock,
            town_key,
            caterer_key,
            ledger,
            http,
            web,
            node,
            tasks,
            database,
            _folder,
            is_dismissed,
            open_door,
        } = self;
        drop((web, node));
        let address = match open_door {
            Some(door) => Some(door.close().await),
            None => None,
        };
        let store = app.desk().store().clone();
        drop(app);
        tasks.finish().await;
        store.close().await;
        let (app, tasks) = Box::pin(App::build(config, clock.clone(), Ids::default()))
            .await
            .unwrap();
        let open_door = match address {
            Some(address) => {
                let door = TcpListener::bind(address).await.unwrap();
                Some(OpenDoor::open(door, app.node()))
            }
            None => None,
        };
        World {
            open_door,
            web: app.web(),
            node: app.node(),
            app,
            clock,
            town_key,
            caterer_key,
            ledger,
            http,
            tasks,
            database,
            _folder,
            is_dismissed,
        }
    }

    /// Runs the jobs dry; fails when something is still owed to the ledger, or the journal is not as
    /// it was written.
    pub async fn end(self) {
        if self.is_dismissed.load(Ordering::SeqCst) {
            return self.close().await;
        }
        self.run_jobs().await;
        let (report, violations) = self.prove(Wish::default()).await;
        assert_eq!(violations, []);
        let lines = self.count("exchanges").await;
        assert_eq!(i64::try_from(report.exchanges).unwrap(), lines);
        assert_eq!(
            self.owed().await,
            0,
            "something is still owed to the ledger"
        );
        self.close().await;
    }

    /// Ends without asking what is owed.
    pub async fn close(self) {
        let Self {
            app,
            web,
            node,
            tasks,
            database,
            ledger,
            open_door,
            ..
        } = self;
        drop((web, node));
        if let Some(door) = open_door {
            door.close().await;
        }
        let store = app.desk().store().clone();
        drop(app);
        tasks.finish().await;
        store.close().await;
        ledger.stop().await;
        database.remove().await;
    }

    /// Runs every job until it has nothing more to do now.
    pub async fn run_jobs(&self) {
        for job in self.app.jobs() {
            while (job.run)().await.unwrap() == Progress::More {}
        }
    }

    /// Proves the journal: what was read, and what is not as it was written.
    pub async fn prove(&self, wish: Wish) -> (Report, Vec<Violation>) {
        self.app.desk().journal().flush().await;
        let mut violations = vec![];
        let mut listener = |event: Event<'_>| {
            if let Event::Violation(violation) = event {
                violations.push(violation);
            }
        };
        let report = audit::verify(
            self.app.desk().store(),
            wish,
            self.clock.now(),
            &mut listener,
        )
        .await
        .unwrap();
        assert_eq!(report.violations, violations.len() as u64);
        (report, violations)
    }

    pub async fn owed(&self) -> i64 {
        let mut conn = self.app.desk().store().read().await.unwrap();
        entries::owed(&mut conn).await.unwrap()
    }

    /// Counts the rows of a table, to see that nothing was written.
    pub async fn count(&self, table: &'static str) -> i64 {
        use sqlx::Row;
        self.app.desk().journal().flush().await;
        let mut conn = self.app.desk().store().read().await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS n FROM {table}"));
        sqlx::query(sql)
            .fetch_one(&mut *conn)
            .await
            .unwrap()
            .try_get("n")
            .unwrap()
    }

    /// A call of the REST API with the town's key.
    pub async fn rest(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.town_key));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.web(request.unwrap()).await
    }

    /// A request at the web listener whose answer may be anything.
    pub async fn fetch(&self, request: Request<Body>) -> Response<Body> {
        self.web.clone().oneshot(request).await.unwrap()
    }

    /// Any request at the web listener.
    pub async fn web(&self, request: Request<Body>) -> Answer {
        let response = self.web.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// The text of a page of the REST API, with the town's key.
    pub async fn text(&self, path: &str) -> String {
        let request = Request::get(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.town_key));
        let request = request.body(Body::empty()).unwrap();
        let response = self.web.clone().oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    /// A message at the node's door.
    pub async fn soap(&self, message: impl Into<Body>) -> Reply {
        let request = Request::post("/node")
            .header("content-type", "text/xml; charset=utf-8")
            .body(message.into())
            .unwrap();
        let response = self.node.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        Reply {
            status,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Any request at the node's listener.
    pub async fn knock(&self, request: Request<Body>) -> Response<Body> {
        self.node.clone().oneshot(request).await.unwrap()
    }

    /// A top-up of 50 euro for the town; its notice.
    pub async fn top_up(&self) -> Value {
        let answer = self.rest("POST", "/notices", Some(top_up())).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.json
    }

    pub async fn notice(&self, id: &Value) -> Value {
        self.rest("GET", &format!("/notices/{}", id.as_str().unwrap()), None)
            .await
            .json
    }

    /// The codes of the town's open exceptions, newest first.
    pub async fn exceptions(&self) -> Vec<String> {
        let answer = self.rest("GET", "/exceptions?state=open", None).await;
        assert_eq!(answer.status, StatusCode::OK.as_u16());
        answer.json["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|exception| exception["code"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the simulated ledger holds for a child: the amounts in cents.
    pub async fn balance_entries(&self, child: &str) -> Vec<i64> {
        let url = format!("http://{}/ledger/entries?child={child}", self.ledger.addr());
        let entries: Value = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        entries["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["amount_cents"].as_i64().unwrap())
            .collect()
    }

    /// One of the jobs.
    pub fn job(&self, name: &str) -> &Job {
        let mut jobs = self.app.jobs().iter();
        jobs.find(|job| job.name == name).unwrap()
    }

    /// A question to the simulated world.
    pub async fn ask_world(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.ledger.addr());
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// An order to the simulated world.
    pub async fn tell_world(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.ledger.addr());
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// Tells the simulated world to misbehave.
    pub async fn chaos(&self, plan: Value) {
        let url = format!("http://{}/chaos", self.ledger.addr());
        let answer = self.http.post(url).json(&plan).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }
}

/// A request for a top-up of 50 euro.
pub fn top_up() -> Value {
    json!({
        "kind": "top_up", "service": "refezione",
        "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
        "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U",
                  "email": "mario@example.org"},
        "amount_cents": 5000, "description": "Ricarica mensa 50004", "due_on": "2026-12-31"
    })
}

/// An envelope of the node, in its own style.
pub fn envelope(operation: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:pafn=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\">\n  <soapenv:Header/>\n  \
         <soapenv:Body>\n    <pafn:{operation}>{inside}</pafn:{operation}>\n  </soapenv:Body>\n\
         </soapenv:Envelope>"
    )
}

/// `idPA`, `idBrokerPA`, `idStation` of the town.
pub fn head() -> String {
    format!("<idPA>{TOWN}</idPA><idBrokerPA>{BROKER}</idBrokerPA><idStation>{STATION}</idStation>")
}

pub fn qr(number: &str) -> String {
    format!("<qrCode><fiscalCode>{TOWN}</fiscalCode><noticeNumber>{number}</noticeNumber></qrCode>")
}

pub fn verify(number: &str) -> String {
    envelope("paVerifyPaymentNoticeReq", &(head() + &qr(number)))
}

pub fn get(number: &str, more: &str) -> String {
    envelope("paGetPaymentV2Request", &(head() + &qr(number) + more))
}

/// A full receipt for a notice of the town.
pub fn receipt(number: &str, id: &str, amount: &str) -> String {
    let iuv = &number[1..];
    let person = "<uniqueIdentifier><entityUniqueIdentifierType>F</entityUniqueIdentifierType>\
        <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>\
        </uniqueIdentifier><fullName>Mario Rossi</fullName>";
    envelope(
        "paSendRTV2Request",
        &format!(
            "{}<receipt><receiptId>{id}</receiptId><noticeNumber>{number}</noticeNumber>\
             <fiscalCode>{TOWN}</fiscalCode><outcome>OK</outcome>\
             <creditorReferenceId>{iuv}</creditorReferenceId><paymentAmount>{amount}</paymentAmount>\
             <description>Ricarica mensa</description><companyName>Comune</companyName>\
             <debtor>{person}</debtor><transferList><transfer><idTransfer>1</idTransfer>\
             <transferAmount>{amount}</transferAmount><fiscalCodePA>{TOWN}</fiscalCodePA>\
             <IBAN>IT60X0542811101000000123456</IBAN>\
             <remittanceInformation>/RFB/{iuv}/{amount}</remittanceInformation>\
             <transferCategory>9/0107101TS/</transferCategory></transfer></transferList>\
             <idPSP>ABI99999</idPSP><PSPCompanyName>PSP</PSPCompanyName>\
             <idChannel>99999999999_01</idChannel><channelDescription>app</channelDescription>\
             <payer>{person}</payer><paymentMethod>creditCard</paymentMethod><fee>1.00</fee>\
             <paymentDateTime>2026-11-20T11:59:30</paymentDateTime>\
             <applicationDate>2026-11-20</applicationDate>\
             <transferDate>2026-11-21</transferDate><standIn>false</standIn></receipt>",
            head()
        ),
    )
}

/// The first version of a get or a receipt: the same message under its older name.
pub fn v1(message: &str) -> String {
    message
        .replace("paGetPaymentV2Request", "paGetPaymentReq")
        .replace("paSendRTV2Request", "paSendRTReq")
}
