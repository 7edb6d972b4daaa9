//! Checkout, pagoPA's payment page: a cart of one to five notices becomes an address to which the
//! payer's browser is sent.
//!
//! Source: Checkout EC API 1.0.0 and 2.0.0 (`POST /carts`); answers that the documents do not tell of
//! are those of pagoPA's own service. No key is asked for; the rate is counted by our address.
//!
//! | answer | what it means here |
//! |---|---|
//! | 302 or 303 to a host of Checkout | the payer is sent there |
//! | 302 or 303 to elsewhere, or to no address | refused: nobody is sent where we do not know |
//! | 400; 422 for the number of notices, or one twice | refused: we have sent something wrong |
//! | any other 422 | the node lets it not be paid now: a payment is running or was just made |
//! | 429 | not before the time it says |
//! | 500, 502, anything else, or none | down; the payer may try again |

mod wire;

use std::time::Duration;

use reqwest::{Client, Method, Url, redirect};

use crate::clock::Clock;
use crate::config;
use crate::desk::Desk;
use crate::desk::checkouts::{Asking, Cart, CartAnswer, Carts};
use crate::domain::day::Instant;
use crate::platform::{Allowance, Answer, Ask, Service};
use crate::store::{Store, StoreError};

use wire::{Refusal, refusal};

/// How often the rate is asked again when another process was faster.
const TRIES: u32 = 5;
/// Longest address that is taken from Checkout, in bytes.
const ADDRESS: usize = 2_000;

/// Asks Checkout for carts.
#[derive(Debug, Clone)]
pub struct Cashier {
    service: Service,
    store: Store,
    clock: Clock,
    version: u8,
    home: Option<Url>,
    hosts: Vec<String>,
}

impl Cashier {
    /// A cashier at the Checkout that this service reaches.
    pub fn new(desk: &Desk, clock: Clock, service: Service, config: &config::Checkout) -> Cashier {
        Cashier {
            service,
            store: desk.store().clone(),
            clock,
            version: config.version,
            home: Url::parse(&config.url).ok(),
            hosts: config.redirect_hosts.clone(),
        }
    }

    /// One call out of the rate, or when there will be one.
    async fn allow(&self, now: Instant) -> Result<Allowance, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let taken = async {
                let mut tx = self.store.write().await?;
                let allowance = self.service.allow(&mut tx, 1, now).await?;
                tx.commit().await?;
                Ok(allowance)
            };
            match taken.await {
                Err(error) if StoreError::is_contention(&error) && tries < TRIES => {}
                done => return done,
            }
        }
    }

    /// Leaves Checkout alone when it says so.
    async fn heed(&self, answer: &Answer) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        self.service.heed(&mut tx, answer, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn call(&self, cart: &Cart) -> CartAnswer {
        let now = self.clock.now();
        match self.allow(now).await {
            Ok(Allowance::Calls(_)) => {}
            Ok(Allowance::Later(until) | Allowance::Held { until, .. }) => {
                return CartAnswer::Busy(until);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the rate of Checkout cannot be read"
                );
                return CartAnswer::Down("the database failed".to_owned());
            }
        }
        let answer = self.service.call(&self.ask_for(cart)).await;
        if answer.status() == 429
            && let Err(error) = self.heed(&answer).await
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "Checkout wants fewer calls, and that cannot be written down"
            );
        }
        self.weigh(&answer, now)
    }

    fn ask_for(&self, cart: &Cart) -> Ask {
        Ask {
            operation: "PostCarts",
            method: Method::POST,
            path: vec![format!("v{}", self.version), "carts".to_owned()],
            body: Some(wire::print(cart, self.version)),
            creditor: cart.creditor.to_string(),
            notice: cart.items.first().map(|item| item.notice.to_string()),
            reference: None,
            iuv: None,
        }
    }

    /// What an answer means; the table stands at the head of this module.
    fn weigh(&self, answer: &Answer, now: Instant) -> CartAnswer {
        let Answer::Came {
            status,
            bytes,
            retry_at,
            location,
        } = answer
        else {
            return CartAnswer::Down(answer.outcome());
        };
        match status {
            302 | 303 => match location.as_deref().and_then(|text| self.page(text)) {
                Some(page) => CartAnswer::Page(page),
                None => CartAnswer::Refused(format!(
                    "a redirect to {}",
                    location.as_deref().unwrap_or("nowhere")
                )),
            },
            422 if refusal(bytes) == Refusal::Node => CartAnswer::Running(answer.outcome()),
            400 | 422 => CartAnswer::Refused(answer.outcome()),
            429 => CartAnswer::Busy(retry_at.unwrap_or(now)),
            _ => CartAnswer::Down(answer.outcome()),
        }
    }

    /// An address of Checkout to which a browser may be sent: on the host that was called, or on one
    /// of the configured hosts.
    fn page(&self, text: &str) -> Option<String> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= ADDRESS)?;
        let is_home = self
            .home
            .as_ref()
            .is_some_and(|home| home.origin() == url.origin());
        let is_known = url.scheme() == "https"
            && url.port().is_none()
            && url
                .host_str()
                .is_some_and(|host| self.hosts.iter().any(|known| known == host));
        let is_bare = url.username().is_empty() && url.password().is_none();
        (is_bare && (is_home || is_known)).then(|| url.to_string())
    }
}

impl Carts for Cashier {
    fn ask<'a>(&'a self, cart: &'a Cart) -> Asking<'a> {
        Box::pin(self.call(cart))
    }
}

/// Whether Checkout can be reached: any answer is one.
///
/// # Errors
/// Why not, in a sentence.
pub async fn reach(config: &config::Checkout) -> Result<(), String> {
    let client = Client::builder()
        .timeout(Duration::from_secs(config.timeout_s))
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client.get(&config.url).send().await;
    answer.map(drop).map_err(|error| {
        let mut text = format!("{} cannot be reached", config.url);
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            cause = source.source();
        }
        text
    })
}
