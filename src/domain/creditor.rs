//! Creditors: the bodies that are owed, their accounts, their stations and their services.
//!
//! The register is read from the configuration at start and does not change while we run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::iban::Iban;
use super::link::Prefix;
use super::money::Cents;
use super::notice::Numbering;
use super::party::CreditorCode;
use super::payment::CaseCode;
use super::print::Letterhead;
use super::refusal::Refusal;

/// A body that is owed (*ente creditore*), as the node and the payers know it.
#[derive(Debug, Clone)]
pub struct Creditor {
    /// Its fiscal code: `idPA` and `fiscalCodePA` of the messages.
    pub code: CreditorCode,
    /// Its name, 1–140 characters: `companyName`.
    pub name: String,
    /// The office in charge, 1–140 characters: `officeName`.
    pub office: Option<String>,
    /// The broker (*intermediario*) whose station it uses: `idBrokerPA`, 1–35 characters.
    pub broker: String,
    /// Brokers that spoke for it before a move: the node may use them for months.
    pub former_brokers: Vec<String>,
    /// The stations that answer for it: `idStation`, 1–35 characters each.
    pub stations: Vec<String>,
    /// Stations that answered for it before a move: the node may use them for months.
    pub former_stations: Vec<String>,
    /// How its notice numbers are built.
    pub numbering: Numbering,
    /// The first place of its sequence that we may use; above every number of an earlier system.
    pub first_number: u64,
    /// Where its money goes.
    pub accounts: Accounts,
    /// Further accounts that are registered with pagoPA, for shares that name one.
    pub other_ibans: Vec<Iban>,
    /// What it wants to be refused.
    pub receipts: ReceiptPolicy,
    /// Whether its notices may be paid in stand-in, from pagoPA's archive, while we do not answer.
    pub stand_in: bool,
    /// What its printed notices show.
    pub letterhead: Letterhead,
    /// Where browsers may be sent back to, below its portal's own addresses.
    pub return_urls: Vec<Prefix>,
    /// What can be paid, by code.
    pub services: BTreeMap<String, Service>,
}

/// The accounts of a creditor: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Only an account at a bank.
    Bank(Iban),
    /// Only an account at Poste Italiane.
    Postal(Iban),
    /// Both.
    Both {
        /// The account at a bank.
        bank: Iban,
        /// The account at Poste Italiane.
        postal: Iban,
    },
}

/// What a creditor wants of receipts that are not as they should be. The default records all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiptPolicy {
    /// What an identical receipt hears when it comes again.
    pub repeated: Repeated,
    /// The doubts for which a receipt is kept as evidence and refused, instead of being recorded
    /// and shown: some of [`ReceiptPolicy::REFUSABLE`].
    pub refuse: Vec<CaseCode>,
}

/// What an identical receipt hears when it comes again. Nothing is booked either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeated {
    /// OK: the node stops sending, which is all that is wanted.
    #[default]
    Accepted,
    /// KO `PAA_RECEIPT_DUPLICATA`, as pagoPA's table of faults says.
    Refused,
}

impl ReceiptPolicy {
    /// What may be refused by configuration.
    pub const REFUSABLE: [CaseCode; 3] = [
        CaseCode::OtherStation,
        CaseCode::UnknownElements,
        CaseCode::Inconsistent,
    ];

    /// The first of these doubts for which the receipt is refused.
    pub fn refused(&self, doubts: &[CaseCode]) -> Option<CaseCode> {
        doubts
            .iter()
            .copied()
            .find(|doubt| self.refuse.contains(doubt))
    }
}

/// The taxonomy of school meals of a municipality (pagoPA, *tassonomia dei servizi di incasso*,
/// area 07).
pub const SCHOOL_MEALS: &str = "9/0107101TS/";

/// A company that runs the canteen for creditors: it operates, and the money is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its fiscal code, eleven digits. It may be a creditor itself.
    pub code: CreditorCode,
    /// Its name.
    pub name: String,
    /// The creditors whose notices it handles.
    pub creditors: Vec<CreditorCode>,
}

/// Where a service stands in pagoPA's catalogue of services that are paid at a PSP without a notice
/// (`paDemandPaymentNotice`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// `idServizio`, five characters.
    pub service: String,
    /// `idSoggettoServizio`, five characters.
    pub subject: String,
}

/// Something that can be paid for: the school meals, the snack, the bus.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its code, unique within the creditor.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// The taxonomy of pagoPA: `transferCategory`, such as `9/0107101TS/` (school meals).
    pub taxonomy: String,
    /// The smallest top-up.
    pub min: Cents,
    /// The largest top-up.
    pub max: Cents,
    /// Days from today to the due day, when the portal gives none.
    pub due_days: i32,
    /// Whether a notice can still be paid after its due day.
    pub payable_after_due: bool,
    /// Its place in the catalogue, when top-ups may be opened at a PSP's counter.
    pub catalogue: Option<Catalogue>,
}

/// How the payer is about to pay, which decides the account (`transferType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferType {
    /// At a post office, with a postal slip.
    Postal,
    /// Through a PSP that asks for both accounts.
    PagoPa,
}

/// The account for one transfer, and the one to name beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account<'a> {
    /// The account to credit.
    pub iban: &'a Iban,
    /// The postal account to name in the metadata `IBANAPPOGGIO`.
    pub support: Option<&'a Iban>,
}

impl Accounts {
    /// The account at a bank, if there is one.
    pub fn bank(&self) -> Option<&Iban> {
        match self {
            Accounts::Postal(_) => None,
            Accounts::Bank(bank) | Accounts::Both { bank, .. } => Some(bank),
        }
    }

    /// The postal account, if there is one.
    pub fn postal(&self) -> Option<&Iban> {
        match self {
            Accounts::Bank(_) => None,
            Accounts::Postal(postal) | Accounts::Both { postal, .. } => Some(postal),
        }
    }

    /// The account for a payment of this kind (SANP, best practice for `transferType`): `POSTAL`
    /// takes the postal account, `PAGOPA` the bank's and names the postal one as `IBANAPPOGGIO`,
    /// and without a kind the bank's comes first. Where the account asked for does not exist, the
    /// other one is named, as pagoPA's own station does: a payment is never refused for it.
    pub fn choose(&self, kind: Option<TransferType>) -> Account<'_> {
        let (main, postal) = match self {
            Accounts::Bank(bank) => (bank, None),
            Accounts::Postal(postal) => (postal, Some(postal)),
            Accounts::Both { bank, postal } => (bank, Some(postal)),
        };
        match kind {
            Some(TransferType::Postal) => Account {
                iban: postal.unwrap_or(main),
                support: None,
            },
            Some(TransferType::PagoPa) => Account {
                iban: main,
                support: postal,
            },
            None => Account {
                iban: main,
                support: None,
            },
        }
    }
}

impl Creditor {
    /// Whether this broker speaks, or spoke before a move, for it.
    pub fn is_spoken_for_by(&self, broker: &str) -> bool {
        self.broker == broker || self.former_brokers.iter().any(|former| former == broker)
    }

    /// Whether this station is, or was before a move, one of its own.
    pub fn answers_at(&self, station: &str) -> bool {
        let mut all = self.stations.iter().chain(&self.former_stations);
        all.any(|own| own == station)
    }

    /// Whether this account is one that the creditor has registered.
    pub fn has_account(&self, iban: &Iban) -> bool {
        let (bank, postal) = match &self.accounts {
            Accounts::Bank(bank) => (Some(bank), None),
            Accounts::Postal(postal) => (None, Some(postal)),
            Accounts::Both { bank, postal } => (Some(bank), Some(postal)),
        };
        bank.into_iter()
            .chain(postal)
            .chain(&self.other_ibans)
            .any(|own| own == iban)
    }

    /// The service at this place of the catalogue.
    pub fn in_catalogue(&self, service: &str, subject: &str) -> Option<&Service> {
        self.services.values().find(|own| {
            own.catalogue
                .as_ref()
                .is_some_and(|place| place.service == service && place.subject == subject)
        })
    }
}

/// All creditors of this installation.
#[derive(Debug, Clone, Default)]
pub struct Register {
    creditors: BTreeMap<CreditorCode, Arc<Creditor>>,
    operators: BTreeMap<CreditorCode, Operator>,
}

/// Whom a message of the node is addressed to.
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    /// `idBrokerPA`.
    pub broker: &'a str,
    /// `idStation`.
    pub station: &'a str,
    /// `idPA`.
    pub creditor: &'a CreditorCode,
}

impl Register {
    /// A register of these creditors; of two with the same code the later one stays.
    pub fn new(creditors: impl IntoIterator<Item = Creditor>) -> Register {
        Register {
            creditors: creditors
                .into_iter()
                .map(|creditor| (creditor.code.clone(), Arc::new(creditor)))
                .collect(),
            operators: BTreeMap::new(),
        }
    }

    /// The same register with these operators.
    #[must_use]
    pub fn operated_by(self, operators: impl IntoIterator<Item = Operator>) -> Register {
        Register {
            operators: operators
                .into_iter()
                .map(|operator| (operator.code.clone(), operator))
                .collect(),
            ..self
        }
    }

    /// All operators.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.operators.values()
    }

    /// The operator with this fiscal code.
    pub fn operator(&self, code: &CreditorCode) -> Option<&Operator> {
        self.operators.get(code)
    }

    /// The creditor with this fiscal code.
    pub fn get(&self, code: &CreditorCode) -> Option<&Arc<Creditor>> {
        self.creditors.get(code)
    }

    /// All of them, in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Creditor>> {
        self.creditors.values()
    }

    /// Whom a verify or a get speaks to: broker, station and creditor are checked in this order,
    /// and each must be tied to the others.
    ///
    /// # Errors
    /// The first of [`Refusal::WrongBroker`], [`Refusal::WrongStation`],
    /// [`Refusal::WrongCreditor`] that applies.
    pub fn addressed(&self, to: Addressee<'_>) -> Result<&Arc<Creditor>, Refusal> {
        self.known_broker(to.broker)?;
        let of_broker = |c: &&Arc<Creditor>| c.is_spoken_for_by(to.broker);
        let has_station = |c: &Arc<Creditor>| c.answers_at(to.station);
        if !self.iter().filter(of_broker).any(has_station) {
            return Err(Refusal::WrongStation);
        }
        let creditor = self.get(to.creditor).ok_or(Refusal::WrongCreditor)?;
        if !of_broker(&creditor) {
            return Err(Refusal::WrongCreditor);
        }
        if !has_station(creditor) {
            return Err(Refusal::WrongStation);
        }
        Ok(creditor)
    }

    /// Whom a receipt belongs to. The station is not checked here: after a move the node goes on
    /// sending receipts under the former one, and money that has moved is always recorded.
    ///
    /// # Errors
    /// [`Refusal::WrongBroker`] or [`Refusal::WrongCreditor`]: the receipt is provably not ours.
    pub fn recipient(&self, to: Addressee<'_>) -> Result<&Arc<Creditor>, Refusal> {
        self.known_broker(to.broker)?;
        self.get(to.creditor)
            .filter(|creditor| creditor.is_spoken_for_by(to.broker))
            .ok_or(Refusal::WrongCreditor)
    }

    fn known_broker(&self, broker: &str) -> Result<(), Refusal> {
        if self
            .iter()
            .any(|creditor| creditor.is_spoken_for_by(broker))
        {
            Ok(())
        } else {
            Err(Refusal::WrongBroker)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::TwoDigits;

    fn creditor(code: &str, broker: &str, station: &str) -> Creditor {
        Creditor {
            code: CreditorCode::parse(code).unwrap(),
            name: "Comune di Prova".to_owned(),
            office: None,
            broker: broker.to_owned(),
            former_brokers: vec![],
            stations: vec![station.to_owned()],
            former_stations: vec![],
            numbering: Numbering::Aux3 {
                segregation: TwoDigits::parse("02").unwrap(),
            },
            first_number: 1,
            accounts: Accounts::Bank(Iban::parse("IT60X0542811101000000123456").unwrap()),
            other_ibans: vec![],
            receipts: ReceiptPolicy::default(),
            stand_in: true,
            letterhead: Letterhead::default(),
            return_urls: vec![],
            services: BTreeMap::new(),
        }
    }

    #[test]
    fn broker_station_and_creditor_are_checked_in_order() {
        let register = Register::new([
            creditor("11111111111", "B1", "B1_01"),
            creditor("22222222222", "B1", "B1_02"),
            creditor("33333333333", "B2", "B2_01"),
        ]);
        let table = [
            ("B1", "B1_01", "11111111111", Ok("11111111111")),
            ("B2", "B2_01", "33333333333", Ok("33333333333")),
            ("B9", "B1_01", "11111111111", Err(Refusal::WrongBroker)),
            ("B9", "B9_09", "99999999999", Err(Refusal::WrongBroker)),
            ("B1", "B9_09", "11111111111", Err(Refusal::WrongStation)),
            ("B1", "B2_01", "33333333333", Err(Refusal::WrongStation)),
            ("B1", "B1_02", "11111111111", Err(Refusal::WrongStation)),
            ("B1", "B1_01", "99999999999", Err(Refusal::WrongCreditor)),
            ("B1", "B1_01", "33333333333", Err(Refusal::WrongCreditor)),
        ];
        for (broker, station, code, expected) in table {
            let creditor = CreditorCode::parse(code).unwrap();
            let found = register.addressed(Addressee {
                broker,
                station,
                creditor: &creditor,
            });
            assert_eq!(
                found.map(|c| c.code.as_str()),
                expected,
                "{broker} {station} {code}"
            );
        }
    }

    #[test]
    fn a_receipt_may_come_under_a_former_station() {
        let register = Register::new([creditor("11111111111", "B1", "B1_01")]);
        let to = |broker, creditor| Addressee {
            broker,
            station: "B1_99",
            creditor,
        };
        let (ours, other) = (
            CreditorCode::parse("11111111111").unwrap(),
            CreditorCode::parse("99999999999").unwrap(),
        );
        assert!(register.recipient(to("B1", &ours)).is_ok());
        assert_eq!(
            register.recipient(to("B2", &ours)).map(|c| c.code.clone()),
            Err(Refusal::WrongBroker)
        );
        assert_eq!(
            register.recipient(to("B1", &other)).map(|c| c.code.clone()),
            Err(Refusal::WrongCreditor)
        );
    }

    #[test]
    fn the_account_follows_the_kind_of_payment() {
        let bank = Iban::parse("IT60X0542811101000000123456").unwrap();
        let postal = Iban::parse("IT45R0760103200000000001016").unwrap();
        let both = Accounts::Both {
            bank: bank.clone(),
            postal: postal.clone(),
        };
        let (only_bank, only_postal) = (
            Accounts::Bank(bank.clone()),
            Accounts::Postal(postal.clone()),
        );
        let (post, pagopa) = (Some(TransferType::Postal), Some(TransferType::PagoPa));
        let table = [
            (&both, None, &bank, None),
            (&both, post, &postal, None),
            (&both, pagopa, &bank, Some(&postal)),
            (&only_bank, None, &bank, None),
            (&only_bank, post, &bank, None),
            (&only_bank, pagopa, &bank, None),
            (&only_postal, None, &postal, None),
            (&only_postal, post, &postal, None),
            (&only_postal, pagopa, &postal, Some(&postal)),
        ];
        for (accounts, kind, iban, support) in table {
            let expected = Account { iban, support };
            assert_eq!(accounts.choose(kind), expected, "{accounts:?} {kind:?}");
        }
    }
}
