//! The mail server: what is owed to people is brought to it until it has it.
//!
//! A mail keeps its `Message-ID` over all tries: should the server have taken one whose answer was
//! lost, the second copy is known as the same. Nothing better exists with SMTP (RFC 5321, 6.1).
//!
//! | the server | what becomes of the mail |
//! |---|---|
//! | takes it (250) | sent |
//! | refuses it for good (5xx) | refused, a case for finance |
//! | refuses us (530, 534, 535: user or password) | owed; all wait, and the job is held |
//! | refuses it for now (4xx) | owed; again after growing pauses, for ever |
//! | is away, or breaks off | owed; all wait |
//!
//! A reminder of a notice that was paid or withdrawn meanwhile is dropped.

mod letter;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use crate::clock::{Clock, Ids};
use crate::config::{self, Config, ConfigError, Security};
use crate::desk::Desk;
use crate::domain::day::Instant;
use crate::domain::debt::PublicState;
use crate::domain::ids::{CaseId, MailId};
use crate::domain::mail::{MailKind, OwedMail};
use crate::domain::payment::{Case, CaseCode};
use crate::job::{Job, JobError, Progress, is_ours};
use crate::metrics::Metrics;
use crate::platform::pause_ms;
use crate::store::cases::OpenCase;
use crate::store::mails::Fate;
use crate::store::{Store, StoreError, cases, debts, documents, mails};

use letter::{Senders, letter};

/// Mails in one run.
const BATCH: i64 = 64;
/// A mail whose row cannot be read is looked at again after so long, in seconds.
const STRANGER_PAUSE_S: i64 = 86_400;
/// What the job says while the server does not know us.
const WRONG_LOGIN: &str = "the mail server refuses our user or password";

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// The postman cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The password cannot be read, or a sender is no address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// TLS cannot be set up.
    #[error("the connection to the mail server cannot be set up")]
    Transport(#[from] lettre::transport::smtp::Error),
    /// The server cannot be reached, or refuses us.
    #[error("the mail server cannot be used")]
    Unreachable(#[source] lettre::transport::smtp::Error),
    /// It answered, and not as a mail server should.
    #[error("the mail server has closed the connection")]
    Closed,
}

/// Brings mails to the mail server.
#[derive(Clone)]
pub struct Postman {
    store: Store,
    clock: Clock,
    ids: Ids,
    transport: Transport,
    senders: Arc<Senders>,
    in_flight: usize,
    pauses: Vec<i64>,
    metrics: Metrics,
}

/// What one try has brought.
enum Try {
    /// It says something about this mail.
    Told(Fate),
    /// The server is away: the others need not be tried.
    Away(Fate),
    /// The server does not know us: the others need not be tried.
    Stranger(Fate),
    /// Not tried any more.
    Skipped,
}

impl std::fmt::Debug for Postman {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postman").finish_non_exhaustive()
    }
}

/// Asks the mail server whether it would talk to us. Nothing is sent.
///
/// # Errors
/// [`MailError`]: it cannot be reached, or refuses us.
pub async fn reach(config: &Config) -> Result<(), MailError> {
    let transport = transport(&config.mail, &config.mail_password()?)?;
    match transport.test_connection().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(MailError::Closed),
        Err(error) => Err(MailError::Unreachable(error)),
    }
}

fn transport(config: &config::Mail, password: &SecretString) -> Result<Transport, MailError> {
    let tls = || TlsParameters::new(config.host.clone());
    let mut builder = Transport::builder_dangerous(config.host.as_str())
        .port(config.port)
        .timeout(Some(Duration::from_secs(config.timeout_s)))
        .pool_config(PoolConfig::new().max_size(config.in_flight))
        .tls(match config.security {
            Security::StartTls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
            Security::Plain => Tls::None,
        });
    if !config.user.is_empty() {
        let password = password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(config.user.clone(), password));
    }
    Ok(builder.build())
}

impl Postman {
    /// A postman for the mail server of the configuration.
    ///
    /// # Errors
    /// [`MailError`]: the password, a sender or TLS cannot be used.
    pub fn new(desk: &Desk, clock: Clock, config: &Config) -> Result<Postman, MailError> {
        Ok(Postman {
            store: desk.store().clone(),
            clock,
            ids: desk.ids().clone(),
            transport: transport(&config.mail, &config.mail_password()?)?,
            senders: Arc::new(Senders::of(config)),
            in_flight: usize::try_from(config.mail.in_flight).unwrap_or(1),
            pauses: config.mail.retry_pauses_s.clone(),
            metrics: desk.metrics().clone(),
        })
    }

    /// The job that delivers, nudged by the desk.
    pub fn job(self, desk: &Desk, config: &config::Mail) -> Job {
        let postman = Arc::new(self);
        Job {
            name: "mail",
            every: Duration::from_secs(config.every_s),
            nudge: desk.mails().owed().clone(),
            run: Arc::new(move || {
                let postman = postman.clone();
                Box::pin(async move { postman.deliver().await })
            }),
        }
    }

    /// Delivers what is due now, within bounds.
    ///
    /// # Errors
    /// The store failed; what the server has taken meanwhile is sent again, under its `Message-ID`.
    pub async fn deliver(&self) -> Result<Progress, JobError> {
        let due = {
            let mut conn = self.store.read().await?;
            mails::due(&mut conn, self.clock.now(), BATCH).await?
        };
        let looked_at = due.mails.len() + due.unreadable.len();
        for id in due.unreadable {
            tracing::error!(mail = %id, "a mail cannot be read, and is not sent");
            let fate = Fate::Postponed {
                until: self.clock.now().plus_seconds(STRANGER_PAUSE_S),
                error: "the mail cannot be read".to_owned(),
            };
            self.record(&id, &fate, None).await?;
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        let tries = futures_util::stream::iter(due.mails)
            .map(async |owed| {
                if stop.load(std::sync::atomic::Ordering::SeqCst) || !is_ours() {
                    return (owed, Try::Skipped);
                }
                let tried = self.try_once(&owed).await;
                if !matches!(tried, Try::Told(_)) {
                    stop.store(true, std::sync::atomic::Ordering::SeqCst);
                }
                (owed, tried)
            })
            .buffer_unordered(self.in_flight);
        let mut tries = std::pin::pin!(tries);
        let (mut is_away, mut is_stranger) = (false, false);
        while let Some((owed, tried)) = tries.next().await {
            let fate = match tried {
                Try::Told(fate) => fate,
                Try::Away(fate) => {
                    is_away = true;
                    fate
                }
                Try::Stranger(fate) => {
                    is_stranger = true;
                    fate
                }
                Try::Skipped => continue,
            };
            self.record(&owed.id, &fate, Some(&owed)).await?;
        }
        let now = self.clock.now();
        let later = now.plus_millis(pause_ms(&self.pauses, 0, &self.ids));
        if is_stranger {
            return Ok(Progress::Held {
                until: later,
                why: WRONG_LOGIN,
            });
        }
        if is_away {
            return Ok(Progress::Rest { until: Some(later) });
        }
        if i64::try_from(looked_at).is_ok_and(|count| count == BATCH) {
            return Ok(Progress::More);
        }
        let mut conn = self.store.read().await?;
        Ok(Progress::Rest {
            until: mails::next_due(&mut conn).await?,
        })
    }

    async fn try_once(&self, owed: &OwedMail) -> Try {
        if owed.mail.kind == MailKind::Reminder {
            match self.is_open(owed).await {
                Ok(true) => {}
                Ok(false) => return Try::Told(Fate::Dropped),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no debt for a mail"
                    );
                    return Try::Told(self.postpone(owed, "its notice cannot be read"));
                }
            }
        }
        let mut files = vec![];
        for file in &owed.mail.attachments {
            let read = async {
                let mut conn = self.store.read().await?;
                documents::read(&mut conn, &file.document).await
            };
            match read.await {
                Ok(Some(bytes)) => files.push((file.clone(), bytes)),
                Ok(None) => {
                    let error = "a file that goes with it is missing".to_owned();
                    return Try::Told(Fate::Refused { error });
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no file for a mail"
                    );
                    return Try::Told(self.postpone(owed, "its files cannot be read"));
                }
            }
        }
        let message = match letter(owed, files, &self.senders, self.clock.now()) {
            Ok(message) => message,
            Err(error) => return Try::Told(Fate::Refused { error }),
        };
        let Err(error) = self.transport.send(message).await else {
            return Try::Told(Fate::Sent);
        };
        let code = error.status().map(|code| code.to_string());
        match code.as_deref() {
            Some("530" | "534" | "535" | "538") => Try::Stranger(self.postpone(owed, WRONG_LOGIN)),
            // The server goes away, or takes nothing of anybody for now.
            Some("421") => Try::Away(self.postpone(owed, "SMTP 421")),
            Some(code) if error.is_permanent() => Try::Told(Fate::Refused {
                error: format!("SMTP {code}"),
            }),
            Some(code) => Try::Told(self.postpone(owed, &format!("SMTP {code}"))),
            None if error.is_timeout() => Try::Away(self.postpone(owed, "no answer in time")),
            None => Try::Away(self.postpone(owed, "no connection")),
        }
    }

    /// Whether the notice of a reminder is still to be paid: it may have been paid since.
    async fn is_open(&self, owed: &OwedMail) -> Result<bool, StoreError> {
        let Some(id) = &owed.mail.debt else {
            return Ok(true);
        };
        let mut conn = self.store.read().await?;
        let debt = debts::by_id(&mut conn, &owed.mail.creditor, id).await?;
        let today = self.clock.now().day_in_rome();
        Ok(debt.is_some_and(|debt| debt.public_state(today) == PublicState::Open))
    }

    /// Not now: again after the pause for this number of tries.
    fn postpone(&self, owed: &OwedMail, error: &str) -> Fate {
        let pause = pause_ms(&self.pauses, owed.attempts, &self.ids);
        let until: Instant = self.clock.now().plus_millis(pause);
        Fate::Postponed {
            until,
            error: error.to_owned(),
        }
    }

    /// Writes down what became of a mail, with its case when it was refused.
    async fn record(
        &self,
        id: &MailId,
        fate: &Fate,
        owed: Option<&OwedMail>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let case = match (fate, owed) {
            (Fate::Refused { error }, Some(owed)) => Some(OpenCase {
                id: CaseId::new(self.ids.next(now)),
                opened_at: now,
                case: Case {
                    code: CaseCode::MailRefused,
                    creditor: owed.mail.creditor.clone(),
                    identity: id.to_string(),
                    subject: match &owed.mail.debt {
                        Some(debt) => debt.to_string(),
                        None => id.to_string(),
                    },
                    detail: format!("{}: {error}", owed.mail.kind.as_str()),
                },
            }),
            _ => None,
        };
        let mut tx = self.store.write().await?;
        mails::record(&mut tx, id, fate, now).await?;
        cases::insert(&mut tx, case.as_slice()).await?;
        tx.commit().await?;
        let (result, error) = match fate {
            Fate::Sent => ("sent", ""),
            Fate::Dropped => ("dropped", ""),
            Fate::Postponed { error, .. } => ("postponed", error.as_str()),
            Fate::Refused { error } => ("refused", error.as_str()),
        };
        self.metrics.mail(result);
        if case.is_some() {
            self.metrics.case(CaseCode::MailRefused.as_str());
        }
        tracing::info!(mail = %id, result, error, "a mail was tried");
        Ok(())
    }
}
