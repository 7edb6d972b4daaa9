//! The file of a flow: `FlussoRiversamento`, versions 1.0 and 1.1.
//!
//! A flow tells of money that has been sent, so it is read as leniently as a receipt: what is needed
//! to match it must be there once, what else it holds is left alone. The sums are not checked here:
//! a flow whose totals are wrong is still a flow. Source: `FlussoRiversamento_1_0_4.xsd`, whose live
//! copy knows the outcomes 4 and 8 that the published one lacks.

use crate::domain::day::{Day, Instant};
use crate::domain::money::Cents;
use crate::wire::Malformed;
use crate::wire::xml::{self, Element};

/// The namespace of every element.
pub const NAMESPACE: &str = "http://www.digitpa.gov.it/schemas/2011/Pagamenti/";

/// Largest file that is read, in bytes: about ten times what the most elements that are read need.
pub const LARGEST: usize = 16 << 20;

/// A flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// `identificativoFlusso`
    pub id: String,
    /// `dataOraFlusso`; of two flows with one id the later one counts.
    pub made_at: Instant,
    /// `identificativoUnivocoRegolamento`: the reference of the credit, or what the PSP puts there.
    pub settlement: String,
    /// `dataRegolamento`
    pub settled_on: Day,
    /// The code of the PSP that made it.
    pub sender: String,
    /// The fiscal code of the body that is paid.
    pub receiver: String,
    /// `numeroTotalePagamenti`, as it is said.
    pub count: u64,
    /// `importoTotalePagamenti`, as it is said.
    pub total: Cents,
    /// The payments, in their order.
    pub rows: Vec<Row>,
}

/// A payment of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `identificativoUnivocoVersamento`
    pub iuv: String,
    /// `identificativoUnivocoRiscossione`: the receipt's id, mostly.
    pub iur: String,
    /// `indiceDatiSingoloPagamento`: which transfer of the receipt; the first when it is not said.
    pub index: u8,
    /// Negative when a payment was revoked.
    pub amount: Cents,
    /// What became of the payment.
    pub outcome: PayOutcome,
    /// `dataEsitoSingoloPagamento`
    pub paid_on: Day,
}

/// `codiceEsitoSingoloPagamento`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayOutcome {
    /// 0: paid.
    Executed,
    /// 3: taken back.
    Revoked,
    /// 4: paid while the creditor's station was away.
    StandIn,
    /// 8: the same, and the PSP never heard how its activation ended.
    StandInWithoutReceipt,
    /// 9: paid without a receipt for the PSP.
    WithoutReceipt,
    /// A digit of a later version: neither success nor failure.
    Unknown(u8),
}

impl PayOutcome {
    fn parse(text: &str) -> Result<PayOutcome, ()> {
        let digit = match text.as_bytes() {
            [digit @ b'0'..=b'9'] => digit - b'0',
            _ => return Err(()),
        };
        Ok(match digit {
            0 => PayOutcome::Executed,
            3 => PayOutcome::Revoked,
            4 => PayOutcome::StandIn,
            8 => PayOutcome::StandInWithoutReceipt,
            9 => PayOutcome::WithoutReceipt,
            other => PayOutcome::Unknown(other),
        })
    }

    /// The digit in the file.
    pub fn code(self) -> u8 {
        match self {
            PayOutcome::Executed => 0,
            PayOutcome::Revoked => 3,
            PayOutcome::StandIn => 4,
            PayOutcome::StandInWithoutReceipt => 8,
            PayOutcome::WithoutReceipt => 9,
            PayOutcome::Unknown(digit) => digit,
        }
    }

    /// Whether the money of the row is on its way.
    pub fn is_paid(self) -> bool {
        !matches!(self, PayOutcome::Revoked | PayOutcome::Unknown(_))
    }
}

impl Flow {
    /// What the rows add up to; nothing when it does not fit.
    pub fn sum(&self) -> Option<Cents> {
        self.rows
            .iter()
            .try_fold(Cents::new(0), |sum, row| sum.checked_add(row.amount))
    }
}

/// Reads a file.
///
/// # Errors
/// [`Malformed`]: not XML within the limits of [`xml::parse`], another document, or one of the fields
/// above is missing, twice there or not what it should be.
pub fn parse(bytes: &[u8]) -> Result<Flow, Malformed> {
    let root = xml::parse(bytes)?;
    if root.name != "FlussoRiversamento" || root.namespace.as_deref() != Some(NAMESPACE) {
        return Err(wrong(&root, "", "a FlussoRiversamento", "another document"));
    }
    let code = |party: &str, role: &str| {
        let id = one(one(&root, party)?, role)?;
        field(
            id,
            "codiceIdentificativoUnivoco",
            "1 to 35 characters",
            text,
        )
    };
    Ok(Flow {
        id: field(&root, "identificativoFlusso", "1 to 35 characters", text)?,
        made_at: field(
            &root,
            "dataOraFlusso",
            "a date with a time",
            Instant::parse_xsd_in_rome,
        )?,
        settlement: field(
            &root,
            "identificativoUnivocoRegolamento",
            "1 to 35 characters",
            text,
        )?,
        settled_on: field(&root, "dataRegolamento", "a date", Day::parse_xsd)?,
        sender: code("istitutoMittente", "identificativoUnivocoMittente")?,
        receiver: code("istitutoRicevente", "identificativoUnivocoRicevente")?,
        count: field(&root, "numeroTotalePagamenti", "a whole number", str::parse)?,
        total: field(
            &root,
            "importoTotalePagamenti",
            "an amount such as 10.00",
            amount,
        )?,
        rows: root
            .children
            .iter()
            .filter(|child| child.name == "datiSingoliPagamenti")
            .map(row)
            .collect::<Result<_, _>>()?,
    })
}

fn row(element: &Element) -> Result<Row, Malformed> {
    let index = "indiceDatiSingoloPagamento";
    Ok(Row {
        iuv: field(
            element,
            "identificativoUnivocoVersamento",
            "1 to 35 characters",
            text,
        )?,
        iur: field(
            element,
            "identificativoUnivocoRiscossione",
            "1 to 35 characters",
            text,
        )?,
        index: match element.child(index) {
            None => 1,
            Some(_) => field(element, index, "1 to 5", |text| match text.parse() {
                Ok(index @ 1..=5) => Ok(index),
                _ => Err(()),
            })?,
        },
        amount: field(
            element,
            "singoloImportoPagato",
            "an amount such as 10.00",
            amount,
        )?,
        outcome: field(
            element,
            "codiceEsitoSingoloPagamento",
            "a digit",
            PayOutcome::parse,
        )?,
        paid_on: field(
            element,
            "dataEsitoSingoloPagamento",
            "a date",
            Day::parse_xsd,
        )?,
    })
}

fn text(text: &str) -> Result<String, ()> {
    match text.chars().count() {
        1..=35 => Ok(text.to_owned()),
        _ => Err(()),
    }
}

/// An amount; a revoked payment's is negative, although the schema has no room for it.
fn amount(text: &str) -> Result<Cents, ()> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let cents = Cents::parse_point(digits).map_err(|_| ())?;
    Ok(Cents::new(sign * cents.get()))
}

/// The one child with this name.
fn one<'e>(element: &'e Element, name: &str) -> Result<&'e Element, Malformed> {
    let mut found = element.children.iter().filter(|child| child.name == name);
    match (found.next(), found.next()) {
        (Some(child), None) => Ok(child),
        (None, _) => Err(wrong(element, name, "the element", "nothing")),
        (Some(_), Some(second)) => Err(wrong(second, name, "the element once", "it again")),
    }
}

/// What the one child with this name says; blanks around it do not count.
fn field<T, E>(
    element: &Element,
    name: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Malformed> {
    let child = one(element, name)?;
    if !child.children.is_empty() {
        return Err(wrong(child, "", expected, "elements"));
    }
    parse(child.text.trim()).map_err(|_| wrong(child, "", expected, "another value"))
}

fn wrong(element: &Element, name: &str, expected: &str, found: &str) -> Malformed {
    let path = match name {
        "" => element.name.clone(),
        name if element.name == name => name.to_owned(),
        name => format!("{}/{name}", element.name),
    };
    Malformed {
        path,
        offset: element.offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOW: &str = "<?xml version=\"1.0\"?><p:FlussoRiversamento \
        xmlns:p=\"http://www.digitpa.gov.it/schemas/2011/Pagamenti/\">\
        <p:versioneOggetto>1.0</p:versioneOggetto>\
        <p:identificativoFlusso>2026-11-21ABI99999-1</p:identificativoFlusso>\
        <p:dataOraFlusso>2026-11-20T18:00:00</p:dataOraFlusso>\
        <p:identificativoUnivocoRegolamento>TRN1</p:identificativoUnivocoRegolamento>\
        <p:dataRegolamento>2026-11-21+01:00</p:dataRegolamento>\
        <p:istitutoMittente><p:identificativoUnivocoMittente>\
        <p:tipoIdentificativoUnivoco>B</p:tipoIdentificativoUnivoco>\
        <p:codiceIdentificativoUnivoco>UNCRITMMXXX</p:codiceIdentificativoUnivoco>\
        </p:identificativoUnivocoMittente></p:istitutoMittente>\
        <p:istitutoRicevente><p:identificativoUnivocoRicevente>\
        <p:tipoIdentificativoUnivoco>G</p:tipoIdentificativoUnivoco>\
        <p:codiceIdentificativoUnivoco>77777777777</p:codiceIdentificativoUnivoco>\
        </p:identificativoUnivocoRicevente></p:istitutoRicevente>\
        <p:numeroTotalePagamenti>2</p:numeroTotalePagamenti>\
        <p:importoTotalePagamenti>45.00</p:importoTotalePagamenti>\
        <p:datiSingoliPagamenti>\
        <p:identificativoUnivocoVersamento>02000000000000144</p:identificativoUnivocoVersamento>\
        <p:identificativoUnivocoRiscossione>r1</p:identificativoUnivocoRiscossione>\
        <p:indiceDatiSingoloPagamento>2</p:indiceDatiSingoloPagamento>\
        <p:singoloImportoPagato>50.00</p:singoloImportoPagato>\
        <p:codiceEsitoSingoloPagamento>4</p:codiceEsitoSingoloPagamento>\
        <p:dataEsitoSingoloPagamento>2026-11-20</p:dataEsitoSingoloPagamento>\
        </p:datiSingoliPagamenti><p:datiSingoliPagamenti>\
        <p:identificativoUnivocoVersamento>02000000000000145</p:identificativoUnivocoVersamento>\
        <p:identificativoUnivocoRiscossione>r2</p:identificativoUnivocoRiscossione>\
        <p:singoloImportoPagato>-5.00</p:singoloImportoPagato>\
        <p:codiceEsitoSingoloPagamento>3</p:codiceEsitoSingoloPagamento>\
        <p:dataEsitoSingoloPagamento>2026-11-20</p:dataEsitoSingoloPagamento>\
        </p:datiSingoliPagamenti></p:FlussoRiversamento>";

    #[test]
    fn a_flow_is_read() {
        let flow = parse(FLOW.as_bytes()).unwrap();
        assert_eq!(flow.id, "2026-11-21ABI99999-1");
        assert_eq!(flow.made_at.to_string(), "2026-11-20T17:00:00.000Z");
        assert_eq!(flow.settled_on.to_string(), "2026-11-21");
        let parties = (flow.sender.as_str(), flow.receiver.as_str());
        assert_eq!(parties, ("UNCRITMMXXX", "77777777777"));
        assert_eq!((flow.count, flow.total.get()), (2, 4_500));
        assert_eq!(flow.sum(), Some(flow.total));
        let rows: Vec<_> = flow
            .rows
            .iter()
            .map(|row| {
                (
                    row.iur.as_str(),
                    row.index,
                    row.amount.get(),
                    row.outcome.is_paid(),
                )
            })
            .collect();
        assert_eq!(rows, [("r1", 2, 5_000, true), ("r2", 1, -500, false)]);
    }

    #[test]
    fn what_is_not_needed_may_be_there() {
        let more = FLOW
            .replace(
                "<p:dataOraFlusso>",
                "<p:revisioneFlusso>2</p:revisioneFlusso><p:dataOraFlusso>",
            )
            .replace(">4</p:codice", ">7</p:codice");
        let flow = parse(more.as_bytes()).unwrap();
        assert_eq!(flow.rows[0].outcome, PayOutcome::Unknown(7));
        assert!(!flow.rows[0].outcome.is_paid());
    }

    #[test]
    fn what_is_refused() {
        let flow = |from: &str, to: &str| {
            assert!(FLOW.contains(from));
            FLOW.replace(from, to)
        };
        let table = [
            ("<a/>".to_owned(), "another document"),
            (flow("2011/Pagamenti", "2012/Pagamenti"), "another document"),
            (flow(">45.00<", ">45,00<"), "importoTotalePagamenti"),
            (flow(">50.00<", "><p:a/><"), "found elements"),
            (flow(">50.00<", ">--5.00<"), "singoloImportoPagato"),
            (flow(">2</p:indice", ">6</p:indice"), "1 to 5"),
            (flow(">4</p:codice", ">44</p:codice"), "a digit"),
            (flow(">r1<", "><"), "identificativoUnivocoRiscossione"),
            (flow(">2</p:numero", ">-2</p:numero"), "a whole number"),
            (
                flow(
                    "<p:dataRegolamento>",
                    "<p:dataRegolamento>2026-11-21</p:dataRegolamento><p:dataRegolamento>",
                ),
                "it again",
            ),
            (
                flow(">77777777777<", ">7777777777777777777777777777777777777<"),
                "35 characters",
            ),
        ];
        for (text, expected) in table {
            let message = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} for {expected}");
        }
    }

    #[test]
    fn every_digit_is_an_outcome() {
        for digit in 0..=9_u8 {
            let outcome = PayOutcome::parse(&digit.to_string()).unwrap();
            assert_eq!(outcome.code(), digit);
        }
        assert!(PayOutcome::parse("٣").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(at in 0_usize..FLOW.len(), byte in any::<u8>()) {
            let mut bytes = FLOW.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
