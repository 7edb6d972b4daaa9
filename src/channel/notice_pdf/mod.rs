//! What parents get on paper: the payment notice (*avviso analogico*) and the receipt.
//!
//! The notice follows pagoPA's model (*Avviso di pagamento* 3.3, annexes 1 and 2) on A4. Both papers
//! are tagged PDF/A-2a and PDF/UA-1 with their fonts inside, and the same content always gives the
//! same bytes.

mod codes;
mod face;
mod front;
mod paper;
mod parts;
mod receipt;
mod words;

use std::collections::BTreeMap;

use krilla::image::Image;

use crate::desk::payments::Proof;
use crate::domain::creditor::{Creditor, Register};
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Debt, Line};
use crate::domain::party::CreditorCode;
use crate::domain::print::{Instalment, Language, Logo, LogoFormat};
use paper::{Imprint, Paper};

/// Why a paper cannot be printed: never because of what parents or portals have written.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The fonts in the program cannot be read.
    #[error("the program's fonts cannot be read")]
    Fonts,
    /// A creditor's logo cannot be drawn.
    #[error("the logo of {creditor} cannot be drawn: {why}")]
    Logo {
        /// Whose.
        creditor: CreditorCode,
        /// What the reader of pictures says.
        why: String,
    },
    /// The paper broke a rule of PDF.
    #[error("the paper breaks a rule of PDF: {0}")]
    Layout(String),
}

/// What a notice shows besides its debt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts<'a> {
    /// The parts in which the debt may be paid instead of at once.
    pub instalments: &'a [Instalment],
    /// The meals that it is for.
    pub lines: &'a [Line],
}

/// Prints papers: holds the creditors' logos, ready to be drawn.
#[derive(Debug, Default)]
pub struct Press {
    logos: BTreeMap<CreditorCode, Image>,
}

impl Press {
    /// A press for these creditors. Each logo is drawn once, so that a broken one is found now and
    /// not when a parent asks for a notice.
    ///
    /// # Errors
    /// [`PdfError::Logo`] for the first logo that cannot be drawn.
    pub fn new(register: &Register) -> Result<Press, PdfError> {
        let mut logos = BTreeMap::new();
        for creditor in register.iter() {
            if let Some(logo) = &creditor.letterhead.logo {
                let image = read(logo).map_err(|why| PdfError::Logo {
                    creditor: creditor.code.clone(),
                    why,
                })?;
                logos.insert(creditor.code.clone(), image);
            }
        }
        Ok(Press { logos })
    }

    /// The notice of a debt.
    ///
    /// # Errors
    /// [`PdfError`]: a defect of ours.
    pub fn notice(
        &self,
        creditor: &Creditor,
        debt: &Debt,
        language: Language,
        parts: Parts<'_>,
    ) -> Result<Vec<u8>, PdfError> {
        let notice = Notice {
            creditor,
            debt,
            language,
            parts,
            logo: self.logos.get(&creditor.code),
        };
        let title = format!("Avviso di pagamento {}", debt.notice);
        let mut paper = Paper::new(&Imprint {
            title: &title,
            author: &creditor.name,
            at: debt.created_at,
        })?;
        front::print(&notice, &mut paper)?;
        parts::instalments(&notice, &mut paper)?;
        parts::meals(&notice, &mut paper)?;
        paper.finish()
    }

    /// The receipt of a payment, for the parent.
    ///
    /// # Errors
    /// [`PdfError`]: a defect of ours.
    pub fn receipt(&self, creditor: &Creditor, proof: &Proof) -> Result<Vec<u8>, PdfError> {
        let title = format!("Ricevuta di pagamento {}", proof.payment.reference);
        let mut paper = Paper::new(&Imprint {
            title: &title,
            author: &creditor.name,
            at: proof.payment.recorded_at,
        })?;
        receipt::print(creditor, proof, self.logos.get(&creditor.code), &mut paper)?;
        paper.finish()
    }
}

/// Reads a logo, and draws it once on a paper of its own: what a paper refuses is known then.
fn read(logo: &Logo) -> Result<Image, String> {
    let bytes = logo.bytes.to_vec().into();
    let image = match logo.format {
        LogoFormat::Png => Image::from_png(bytes, false)?,
        LogoFormat::Jpeg => Image::from_jpeg(bytes, false)?,
    };
    let draw = || {
        let mut paper = Paper::new(&Imprint {
            title: "Logo",
            author: "PagoMensa",
            at: Instant::from_millis(0),
        })?;
        paper.page("Logo", |sheet| {
            sheet.picture(front::LOGO, &image, "Logo");
            Ok(())
        })?;
        paper.finish()
    };
    match draw() {
        Ok(_) => Ok(image),
        Err(PdfError::Layout(why)) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

/// A notice that is being printed.
struct Notice<'a> {
    creditor: &'a Creditor,
    debt: &'a Debt,
    language: Language,
    parts: Parts<'a>,
    logo: Option<&'a Image>,
}

/// A day as it stands on paper: `31/12/2026`.
fn on_paper(day: Day) -> String {
    let text = day.to_string();
    let mut parts = text.split('-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day)) => format!("{day}/{month}/{year}"),
        _ => text,
    }
}

/// A notice number in groups of four, as it is read aloud at a counter.
fn grouped(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}
