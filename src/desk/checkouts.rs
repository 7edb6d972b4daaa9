//! Attempts to pay at Checkout: a cart is asked for, the attempt is written down, and the payer is
//! sent to the page that comes back.
//!
//! No attempt reserves or changes anything: a debt is paid by its receipt alone, and one that was
//! left half-way can be tried again at once. Checkout itself stands behind [`Carts`], so that the
//! pages and the API need not know how it is called.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::once::{Done, Repeat, claim, remember};
use super::{Desk, DeskError};
use crate::clock::Clock;
use crate::domain::checkout::{Asked, KEPT_S, MOST, Returned, Standing};
use crate::domain::creditor::Creditor;
use crate::domain::day::{Day, Instant};
use crate::domain::debt::Debt;
use crate::domain::ids::{CheckoutId, DebtId};
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::privacy;
use crate::domain::refusal::Refusal;
use crate::domain::text::{cut, storable};
pub use crate::store::checkouts::{Attempt, Back};
use crate::store::{StoreError, checkouts, debts};
use crate::wire::digest::hex;

/// What Checkout is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// `idCart`: it comes back as `paymentNote` of the get and of the receipt.
    pub id: CheckoutId,
    /// To whom it is owed.
    pub creditor: CreditorCode,
    /// Its name.
    pub name: String,
    /// What is paid, one to [`MOST`].
    pub items: Vec<Item>,
    /// The beginning of the return addresses: a way ([`Returned::as_str`]) completes each.
    pub return_base: String,
}

/// One notice of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub notice: NoticeNumber,
    /// What is due today.
    pub amount: Cents,
    /// The text for people, without personal data.
    pub description: String,
}

/// What Checkout says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartAnswer {
    /// The payer may go there.
    Page(String),
    /// The node lets the notices not be paid now.
    Running(String),
    /// It does not take what we sent, or what it says cannot be used.
    Refused(String),
    /// There was no good answer.
    Down(String),
    /// We may not ask before this instant.
    Busy(Instant),
}

/// An answer that is on its way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = CartAnswer> + Send + 'a>>;

/// Whoever asks Checkout for a cart.
pub trait Carts: fmt::Debug + Send + Sync {
    /// Asks for a cart, once.
    fn ask<'a>(&'a self, cart: &'a Cart) -> Asking<'a>;
}

/// The way to Checkout; cheap to clone.
#[derive(Debug, Clone)]
pub struct Checkouts {
    desk: Desk,
    clock: Clock,
    carts: Option<Arc<dyn Carts>>,
    public_url: String,
}

/// An attempt with its notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The attempt.
    pub attempt: Attempt,
    /// Its notices, in their order.
    pub debts: Vec<Debt>,
}

impl Checkout {
    /// Checkout's page.
    pub fn redirect_url(&self) -> &str {
        self.attempt.redirect_url.as_deref().unwrap_or_default()
    }

    /// Where it stands.
    pub fn standing(&self, now: Instant) -> Standing {
        let today = now.day_in_rome();
        let states = self.debts.iter().map(|debt| debt.public_state(today));
        Standing::of(self.attempt.asked, self.attempt.expires_at, states, now)
    }
}

/// Why nobody can be sent to Checkout.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// It is not enabled here.
    #[error("Checkout is not enabled")]
    Disabled,
    /// None, too many, or one of them twice.
    #[error("not 1 to 5 different notices")]
    Number,
    /// The creditor has no notices with the ids at these places.
    #[error("some notices are unknown")]
    Unknown(Vec<usize>),
    /// The notices at these places cannot be paid now.
    #[error("some notices cannot be paid")]
    NotPayable(Vec<(usize, Refusal)>),
    /// The node says that they cannot be paid now: a payment is running, or was just made.
    #[error("the node says that a payment is running")]
    Running,
    /// Checkout does not take what we send; trying again does not help.
    #[error("Checkout has refused the cart")]
    Refused,
    /// Checkout gives no good answer, or may not be asked now; it can be tried again.
    #[error("Checkout cannot be reached")]
    Down,
    /// The desk failed.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl From<StoreError> for CheckoutError {
    fn from(error: StoreError) -> CheckoutError {
        CheckoutError::Desk(error.into())
    }
}

/// Longest note of an attempt, in characters.
const NOTE: usize = 200;

impl Checkouts {
    /// The way to Checkout, or to nowhere when it is not enabled; `public_url` is where browsers
    /// reach us.
    pub fn new(
        desk: &Desk,
        clock: Clock,
        carts: Option<Arc<dyn Carts>>,
        public_url: &str,
    ) -> Checkouts {
        Checkouts {
            desk: desk.clone(),
            clock,
            carts,
            public_url: public_url.trim_end_matches('/').to_owned(),
        }
    }

    /// Whether there is a way at all.
    pub fn is_enabled(&self) -> bool {
        self.carts.is_some()
    }

    /// Sends a payer to Checkout with notices of one creditor: what comes back holds the address. The
    /// browser comes to `back` afterwards, whatever happened.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn open(
        &self,
        creditor: &Creditor,
        notices: &[DebtId],
        back: Back,
    ) -> Result<Checkout, CheckoutError> {
        match self.open_once(creditor, notices, back, None).await? {
            Done::First(checkout) => Ok(checkout),
            // Without a key nothing is a repetition.
            Done::Again(_) => Err(CheckoutError::Down),
        }
    }

    /// The same for a request that may be a repetition.
    ///
    /// # Errors
    /// [`CheckoutError`]; [`DeskError::KeyReused`] for another request under the key.
    pub async fn open_once(
        &self,
        creditor: &Creditor,
        notices: &[DebtId],
        back: Back,
        repeat: Option<Repeat<'_, Checkout>>,
    ) -> Result<Done<Checkout>, CheckoutError> {
        let carts = self.carts.as_ref().ok_or(CheckoutError::Disabled)?;
        let now = self.clock.now();
        let debts = self.payable(creditor, notices, now.day_in_rome()).await?;
        let attempt = Attempt {
            id: CheckoutId::new(self.desk.ids().next(now)),
            creditor: creditor.code.clone(),
            token: hex(&self.desk.ids().secret::<16>()),
            back,
            asked: Asked::Nothing,
            note: None,
            redirect_url: None,
            created_at: now,
            expires_at: None,
            returned: None,
        };
        let cart = self.cart(creditor, &attempt, &debts);
        let mut tx = self.desk.store().write().await?;
        checkouts::insert(&mut tx, &attempt, notices).await?;
        tx.commit().await.map_err(StoreError::from)?;
        let answer = carts.ask(&cart).await;
        let attempt = self.answered(attempt, &answer);
        self.desk.metrics().cart(attempt.asked.as_str());
        let checkout = Checkout { attempt, debts };
        let mut tx = self.desk.store().write().await?;
        checkouts::answer(&mut tx, &checkout.attempt).await?;
        let failure = match answer {
            CartAnswer::Page(_) => None,
            CartAnswer::Running(_) => Some(CheckoutError::Running),
            CartAnswer::Refused(_) => Some(CheckoutError::Refused),
            CartAnswer::Down(_) | CartAnswer::Busy(_) => Some(CheckoutError::Down),
        };
        if let Some(failure) = failure {
            tx.commit().await.map_err(StoreError::from)?;
            return Err(failure);
        }
        // Two requests with one key may have asked for two carts: the first answer counts, and the
        // other cart is opened by nobody.
        if let Some(first) = claim(&mut tx, &creditor.code, repeat.as_ref(), now).await? {
            return Ok(Done::Again(first));
        }
        remember(&mut tx, &creditor.code, repeat.as_ref(), &checkout).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Done::First(checkout))
    }

    /// The notices in the order asked for, when all of them can be paid today.
    async fn payable(
        &self,
        creditor: &Creditor,
        notices: &[DebtId],
        today: Day,
    ) -> Result<Vec<Debt>, CheckoutError> {
        let is_twice = |(index, id)| notices.iter().take(index).any(|other| other == id);
        if !(1..=MOST).contains(&notices.len()) || notices.iter().enumerate().any(is_twice) {
            return Err(CheckoutError::Number);
        }
        let (mut found, mut unknown, mut refused) = (vec![], vec![], vec![]);
        for (index, id) in notices.iter().enumerate() {
            match self.desk.debt(&creditor.code, id).await {
                Ok(debt) => {
                    refused.extend(debt.quote(today).err().map(|refusal| (index, refusal)));
                    found.push(debt);
                }
                Err(DeskError::NotFound) => unknown.push(index),
                Err(error) => return Err(error.into()),
            }
        }
        if !unknown.is_empty() {
            Err(CheckoutError::Unknown(unknown))
        } else if !refused.is_empty() {
            Err(CheckoutError::NotPayable(refused))
        } else {
            Ok(found)
        }
    }

    fn cart(&self, creditor: &Creditor, attempt: &Attempt, debts: &[Debt]) -> Cart {
        Cart {
            id: attempt.id.clone(),
            creditor: creditor.code.clone(),
            name: creditor.name.clone(),
            items: debts
                .iter()
                .map(|debt| Item {
                    notice: debt.notice,
                    amount: debt.order.amount,
                    description: description(creditor, debt),
                })
                .collect(),
            return_base: format!("{}/checkout/return/{}/", self.public_url, attempt.token),
        }
    }

    /// The attempt with what came of it.
    fn answered(&self, attempt: Attempt, answer: &CartAnswer) -> Attempt {
        let (asked, note) = match answer {
            CartAnswer::Page(url) => {
                // The cart was made before its answer came: never later than now.
                return Attempt {
                    asked: Asked::Open,
                    redirect_url: Some(url.clone()),
                    expires_at: Some(attempt.created_at.plus_seconds(KEPT_S)),
                    ..attempt
                };
            }
            CartAnswer::Running(why) => (Asked::Running, why.clone()),
            CartAnswer::Refused(why) => (Asked::Refused, why.clone()),
            CartAnswer::Down(why) => (Asked::Down, why.clone()),
            CartAnswer::Busy(until) => (Asked::Down, format!("not before {until}")),
        };
        tracing::warn!(
            creditor = %attempt.creditor,
            checkout = %attempt.id,
            outcome = asked.as_str(),
            why = note,
            "no cart came of an attempt to pay"
        );
        Attempt {
            asked,
            note: Some(cut(&storable(&note), NOTE).to_owned()),
            ..attempt
        }
    }

    /// An attempt of this creditor.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], also when it is another creditor's, or the store failed.
    pub async fn find(
        &self,
        creditor: &CreditorCode,
        id: &CheckoutId,
    ) -> Result<Checkout, DeskError> {
        let mut conn = self.desk.store().read().await?;
        let attempt = checkouts::by_id(&mut conn, creditor, id).await?;
        let attempt = attempt.ok_or(DeskError::NotFound)?;
        let mut found = vec![];
        for notice in checkouts::notices(&mut conn, id).await? {
            found.extend(debts::by_id(&mut conn, creditor, &notice).await?);
        }
        Ok(Checkout {
            attempt,
            debts: found,
        })
    }

    /// The last attempt that held this notice, for a page that says what the payer did last.
    ///
    /// # Errors
    /// The store failed.
    pub async fn latest(&self, notice: &DebtId) -> Result<Option<Attempt>, DeskError> {
        let mut conn = self.desk.store().read().await?;
        Ok(checkouts::latest(&mut conn, notice).await?)
    }

    /// A browser has come back: the attempt that it belongs to. How it came is noted for people; it
    /// decides nothing, and nothing is lost when it cannot be noted.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], or the store failed.
    pub async fn returned(&self, token: &str, way: Returned) -> Result<Attempt, DeskError> {
        let mut conn = self.desk.store().read().await?;
        let attempt = checkouts::by_token(&mut conn, token).await?;
        let attempt = attempt.ok_or(DeskError::NotFound)?;
        drop(conn);
        let noted = async {
            let mut tx = self.desk.store().write().await?;
            checkouts::returned(&mut tx, &attempt.id, way, self.clock.now()).await?;
            tx.commit().await.map_err(StoreError::from)
        };
        if let Err(error) = noted.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                checkout = %attempt.id,
                "how a browser came back was not noted"
            );
        }
        Ok(attempt)
    }
}

/// The text of a notice for Checkout, without personal data: a notice may be older than the rule, or
/// have come another way than through the portal.
fn description(creditor: &Creditor, debt: &Debt) -> String {
    let order = &debt.order;
    if !privacy::tells(&order.description, &order.child, &order.payer) {
        return order.description.clone();
    }
    let service = creditor.services.get(&order.service);
    let name = service.map_or(order.service.as_str(), |service| &service.name);
    privacy::plain_description(name, &order.child)
}
