//! The whole gateway: the only place where all parts meet.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use crate::channel::node::tls::{Certificates, TlsError};
use crate::channel::node::{self, Guard, SchemaError};
use crate::channel::notice_pdf::{Parts, PdfError, Press};
use crate::channel::{aca, checkout, receipts};
use crate::clock::{Clock, Ids};
use crate::config::{Config, ConfigError};
use crate::desk::checkouts::{Carts, Checkouts};
use crate::desk::journal::retention::prune;
use crate::desk::payments::Proof;
use crate::desk::reminders::Plan;
use crate::desk::{Desk, Tasks};
use crate::domain::creditor::{Creditor, Register};
use crate::domain::debt::Debt;
use crate::domain::mail;
use crate::domain::party::CreditorCode;
use crate::domain::print::Language;
use crate::job::{Holder, Job, JobError, Progress};
use crate::ledger::{Courier, CourierError};
use crate::mail::{MailError, Postman};
use crate::metrics::{Metrics, MetricsError};
use crate::platform::{Rate, Service, ServiceError, Settings};
use crate::store::hunts::By;
use crate::store::{Store, StoreError, hunts, idempotency, top_ups, webhooks};
use crate::web;
use crate::webhooks::{Herald, HeraldError};
use crate::wire::links::Links;
use crate::wire::token::Signer;

/// The gateway, built and not yet listening.
#[derive(Debug)]
pub struct App {
    config: Box<Config>,
    clock: Clock,
    desk: Desk,
    guard: Arc<Guard>,
    press: Arc<Press>,
    links: Links,
    jobs: Vec<Job>,
    checkouts: Checkouts,
}

/// The gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened or migrated.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// A contract of ours cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The ledger's client cannot be made.
    #[error(transparent)]
    Courier(#[from] CourierError),
    /// The way to the mail server cannot be set up.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The metrics cannot be set up.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A creditor's papers cannot be printed.
    #[error(transparent)]
    Press(#[from] PdfError),
    /// The client of the webhooks cannot be made.
    #[error(transparent)]
    Herald(#[from] HeraldError),
    /// A client of pagoPA's services cannot be made.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The key of the links cannot be used.
    #[error("the key of the links cannot be used")]
    LinkKey(#[from] openssl::error::ErrorStack),
}

/// Rows that a job changes in one transaction: receipts wait for no longer than that takes.
const BATCH: i64 = 500;

/// Whether a job that has changed so many rows has more to do.
fn progress(changed: i64) -> Progress {
    if changed < BATCH {
        Progress::Rest { until: None }
    } else {
        Progress::More
    }
}

impl App {
    /// Opens the store, brings its schema up to date and builds everything over it.
    ///
    /// # Errors
    /// [`AppError`]: the configuration or the database cannot be used.
    pub async fn build(config: Config, clock: Clock, ids: Ids) -> Result<(App, Tasks), AppError> {
        // Before anything is written: what cannot work is said at once.
        config.register()?;
        config.ledger_token()?;
        config.link_key()?;
        let store = Store::open(&config.database).await?;
        store.migrate().await?;
        App::over(store, config, clock, ids)
    }

    /// Builds everything over a store whose schema is up to date; the schema is left as it is.
    ///
    /// # Errors
    /// [`AppError`]: the configuration cannot be used.
    pub fn over(
        store: Store,
        config: Config,
        clock: Clock,
        ids: Ids,
    ) -> Result<(App, Tasks), AppError> {
        let register: Arc<Register> = Arc::new(config.register()?);
        let token = config.ledger_token()?;
        let press = Arc::new(Press::new(&register)?);
        let links = links(&config)?;
        let (desk, tasks) = Desk::open(
            store,
            register,
            ids,
            clock.clone(),
            Metrics::new()?,
            &config,
        );
        let mut jobs = vec![
            closing(&desk, &clock, &config),
            housekeeping(&desk, &clock, &config),
            sealing(&desk, &config),
            pruning(&desk, &clock, &config),
            Herald::new(&desk, clock.clone(), &config.webhooks)?.job(),
            intake(&desk, &clock, &config),
        ];
        if config.ledger.enabled {
            let courier = Courier::new(&desk, clock.clone(), &config.ledger, token)?;
            jobs.push(courier.job(&desk, &config.ledger));
        }
        if config.mail.enabled {
            let postman = Postman::new(&desk, clock.clone(), &config)?;
            jobs.push(postman.job(&desk, &config.mail));
            jobs.push(reminding(&desk, &clock, &config, links.clone()));
        }
        if config.aca.enabled {
            jobs.push(archive(&desk, &clock, &config)?);
        }
        if config.receipt_search.enabled {
            jobs.push(hunter(&desk, &clock, &config)?);
        }
        let checkouts = checkouts(&desk, &clock, &config)?;
        let app = App {
            checkouts,
            config: Box::new(config),
            clock,
            desk,
            guard: Arc::new(Guard::new()?),
            press,
            links,
            jobs,
        };
        Ok((app, tasks))
    }

    /// The routes of the web listener.
    pub fn web(&self) -> Router {
        web::router(
            self.desk.clone(),
            self.clock.clone(),
            &self.config,
            self.press.clone(),
            self.checkouts.clone(),
            self.links.clone(),
            web::pay::Pay {
                top_up_hours: self.config.pay.top_up_hours,
                has_mail: self.config.mail.enabled,
            },
        )
    }

    /// The way to Checkout.
    pub fn checkouts(&self) -> &Checkouts {
        &self.checkouts
    }

    /// The routes of the node's listener, when nobody has to show a certificate.
    pub fn node(&self) -> Router {
        self.node_with(None)
    }

    /// The routes of the node's listener.
    pub fn node_with(&self, certificates: Option<Certificates>) -> Router {
        node::router(
            self.desk.clone(),
            self.clock.clone(),
            self.config.node.clone(),
            self.guard.clone(),
            certificates,
        )
    }

    /// The judge of what leaves the node's door.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// The certificates of the node's listener, when there are any.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn certificates(&self) -> Result<Option<Certificates>, TlsError> {
        let metrics = self.desk.metrics().clone();
        Certificates::open(&self.config.node, self.clock.clone(), metrics)
    }

    /// The jobs.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The desk.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// This process, as a holder of leases.
    pub fn holder(&self) -> Holder {
        let store = self.desk.store().clone();
        Holder {
            name: self.desk.ids().next(self.clock.now()),
            store,
            clock: self.clock.clone(),
            metrics: self.desk.metrics().clone(),
        }
    }
}

/// The web prints with the rail's press.
impl web::Printer for Press {
    fn notice(
        &self,
        creditor: &Creditor,
        debt: &Debt,
        language: Language,
    ) -> Result<Vec<u8>, web::PrintError> {
        Ok(Press::notice(
            self,
            creditor,
            debt,
            language,
            Parts {
                lines: debt
                    .order
                    .invoice
                    .as_ref()
                    .map_or(&[], |invoice| &invoice.lines),
                ..Parts::default()
            },
        )?)
    }

    fn receipt(&self, creditor: &Creditor, proof: &Proof) -> Result<Vec<u8>, web::PrintError> {
        Ok(Press::receipt(self, creditor, proof)?)
    }
}

/// The addresses of ours that others are given.
fn links(config: &Config) -> Result<Links, AppError> {
    let signer = config
        .link_key()?
        .map(|key| Signer::new(key.expose_secret().as_bytes()))
        .transpose()?;
    let days = config.pay.link_days;
    Ok(Links::new(&config.web.public_url, signer, days))
}

/// Tells pagoPA's archive of every notice.
fn archive(desk: &Desk, clock: &Clock, config: &Config) -> Result<Job, AppError> {
    let section = &config.aca;
    let settings = Settings {
        name: "aca",
        url: &section.url,
        key: config.aca_key()?,
        timeout: Duration::from_secs(section.timeout_s),
        rate: Rate {
            calls: section.rate_calls,
            seconds: section.rate_seconds,
            // A fifth of the rate at once: few transactions for many notices, and still even.
            burst: (section.rate_calls / 5).max(1),
        },
    };
    let service = Service::new(desk, settings, clock.clone())?;
    let archivist = aca::Archivist::new(desk, clock.clone(), service, section);
    Ok(archivist.job(desk.changed().clone(), section))
}

/// The way to Checkout, when payers are sent there.
fn checkouts(desk: &Desk, clock: &Clock, config: &Config) -> Result<Checkouts, AppError> {
    let section = &config.checkout;
    let mut carts: Option<Arc<dyn Carts>> = None;
    if section.enabled {
        let settings = Settings {
            name: "checkout",
            url: &section.url,
            key: SecretString::default(),
            timeout: Duration::from_secs(section.timeout_s),
            rate: Rate {
                calls: section.rate_calls,
                seconds: section.rate_seconds,
                // Parents come in crowds when a month is due.
                burst: (section.rate_calls / 2).max(1),
            },
        };
        let service = Service::new(desk, settings, clock.clone())?;
        let cashier = checkout::Cashier::new(desk, clock.clone(), service, section);
        carts = Some(Arc::new(cashier));
    }
    let public_url = &config.web.public_url;
    Ok(Checkouts::new(desk, clock.clone(), carts, public_url))
}

/// Looks for receipts that have not come, and reads what it finds by the rules of the node's door.
fn hunter(desk: &Desk, clock: &Clock, config: &Config) -> Result<Job, AppError> {
    let section = &config.receipt_search;
    let service = |by: By, url, key| {
        let settings = Settings {
            name: by.service(),
            url,
            key,
            timeout: Duration::from_secs(section.timeout_s),
            rate: Rate {
                calls: section.rate_calls,
                seconds: section.rate_seconds,
                burst: 1,
            },
        };
        Service::new(desk, settings, clock.clone())
    };
    let services = receipts::Services {
        bizevents: service(
            By::ReceiptId,
            &section.bizevents_url,
            config.bizevents_key()?,
        )?,
        gpd: service(By::Iuv, &section.gpd_url, config.gpd_key()?)?,
    };
    let read = node::read_found;
    Ok(receipts::Hunter::new(desk, clock.clone(), services, read, section).job())
}

/// Brings files of notices in, by the rules of the portals' door.
fn intake(desk: &Desk, clock: &Clock, config: &Config) -> Job {
    let (work, clock) = (desk.clone(), clock.clone());
    Job {
        name: "batches",
        every: Duration::from_secs(config.jobs.batches_every_s),
        nudge: desk.filed().clone(),
        run: Arc::new(move || {
            let (desk, clock) = (work.clone(), clock.clone());
            Box::pin(async move {
                Ok::<_, JobError>(match desk.bring_in(&web::CLERK, &clock).await? {
                    true => Progress::More,
                    false => Progress::Rest { until: None },
                })
            })
        }),
    }
}

/// Reminds payers of notices that are not paid.
fn reminding(desk: &Desk, clock: &Clock, config: &Config, links: Links) -> Job {
    let plans = config.creditors.iter().filter_map(|creditor| {
        let language = creditor
            .mail
            .language
            .as_deref()
            .and_then(mail::Language::parse);
        Some(Plan {
            creditor: CreditorCode::parse(&creditor.fiscal_code).ok()?,
            moments: creditor.mail.reminder_days.clone(),
            language: language.unwrap_or_default(),
        })
    });
    let plans: Arc<Vec<Plan>> = Arc::new(plans.collect());
    let links = Arc::new(links);
    let (desk, clock) = (desk.clone(), clock.clone());
    Job {
        name: "reminders",
        every: Duration::from_secs(config.jobs.reminders_every_s),
        nudge: Arc::new(Notify::new()),
        run: Arc::new(move || {
            let (desk, clock, plans) = (desk.clone(), clock.clone(), plans.clone());
            let links = links.clone();
            Box::pin(async move {
                let mut is_more = false;
                for plan in plans.iter() {
                    is_more |= desk.remind(plan, &links, clock.now(), BATCH).await?;
                }
                Ok::<_, JobError>(match is_more {
                    true => Progress::More,
                    false => Progress::Rest { until: None },
                })
            })
        }),
    }
}

/// Closes notices whose last day has passed.
fn closing(desk: &Desk, clock: &Clock, config: &Config) -> Job {
    let (desk, clock) = (desk.clone(), clock.clone());
    Job {
        name: "expire",
        every: Duration::from_secs(config.jobs.expire_every_s),
        nudge: Arc::new(Notify::new()),
        run: Arc::new(move || {
            let (desk, clock) = (desk.clone(), clock.clone());
            Box::pin(async move {
                let closed = desk.close_expired(clock.now(), BATCH).await?;
                Ok(progress(i64::try_from(closed).unwrap_or(BATCH)))
            })
        }),
    }
}

/// Days for which hunts that have ended are remembered.
const HUNTS_DAYS: i64 = 90;

/// Removes idempotency keys that nobody will repeat any more, hunts and deliveries that nobody asks
/// for, and links to choose a top-up that have expired.
fn housekeeping(desk: &Desk, clock: &Clock, config: &Config) -> Job {
    let (store, clock) = (desk.store().clone(), clock.clone());
    let hours = config.jobs.idempotency_hours;
    let days = config.webhooks.keep_days;
    Job {
        name: "housekeeping",
        every: Duration::from_secs(config.jobs.housekeeping_every_s),
        nudge: Arc::new(Notify::new()),
        run: Arc::new(move || {
            let (store, clock) = (store.clone(), clock.clone());
            Box::pin(async move {
                let before = clock.now().plus_seconds(-hours.saturating_mul(3_600));
                let mut tx = store.write().await?;
                let keys = idempotency::forget(&mut tx, before, BATCH).await?;
                let before = clock.now().plus_seconds(-HUNTS_DAYS * 86_400);
                let hunts = hunts::forget(&mut tx, before, BATCH).await?;
                let links = top_ups::forget(&mut tx, clock.now(), BATCH).await?;
                let before = clock.now().plus_seconds(-days.saturating_mul(86_400));
                let sent = webhooks::forget(&mut tx, before, BATCH).await?;
                let hunts = u64::try_from(hunts).unwrap_or(0);
                let most = keys.max(hunts).max(links).max(sent);
                tx.commit().await.map_err(StoreError::from)?;
                Ok::<_, JobError>(progress(i64::try_from(most).unwrap_or(BATCH)))
            })
        }),
    }
}

/// Seals the journal.
fn sealing(desk: &Desk, config: &Config) -> Job {
    let journal = desk.journal().clone();
    Job {
        name: "seal",
        every: Duration::from_secs(config.journal.seal_every_s),
        nudge: Arc::new(Notify::new()),
        run: Arc::new(move || {
            let journal = journal.clone();
            Box::pin(async move {
                journal.seal().await?;
                Ok::<_, JobError>(Progress::Rest { until: None })
            })
        }),
    }
}

/// Removes lines of the journal that have had their time.
fn pruning(desk: &Desk, clock: &Clock, config: &Config) -> Job {
    let (store, clock) = (desk.store().clone(), clock.clone());
    let retention = config.journal.retention;
    Job {
        name: "retention",
        every: Duration::from_secs(retention.every_s),
        nudge: Arc::new(Notify::new()),
        run: Arc::new(move || {
            let (store, clock) = (store.clone(), clock.clone());
            Box::pin(async move {
                Ok::<_, JobError>(match prune(&store, &retention, clock.now()).await? {
                    true => Progress::More,
                    false => Progress::Rest { until: None },
                })
            })
        }),
    }
}
