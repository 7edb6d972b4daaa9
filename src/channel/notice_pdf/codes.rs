//! The two codes of a notice: the QR code of pagoPA and the Data Matrix of Poste Italiane.

use datamatrix::{DataMatrix, SymbolList};
use qrcode::{EcLevel, QrCode, Version};

use super::PdfError;
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};

/// A square of dark and light squares.
pub(super) struct Squares {
    /// Squares on a side.
    pub(super) modules: usize,
    dark: Vec<bool>,
}

/// Dark squares side by side.
pub(super) struct Run {
    pub(super) row: usize,
    pub(super) from: usize,
    /// The first that is not dark.
    pub(super) to: usize,
}

impl Squares {
    /// The dark squares, from the upper left, those side by side together.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        let rows = self.dark.chunks(self.modules.max(1)).enumerate();
        rows.flat_map(|(row, squares)| {
            let mut runs: Vec<Run> = vec![];
            for (at, _) in squares.iter().enumerate().filter(|(_, dark)| **dark) {
                match runs.last_mut() {
                    Some(run) if run.to == at => run.to = at + 1,
                    _ => runs.push(Run {
                        row,
                        from: at,
                        to: at + 1,
                    }),
                }
            }
            runs
        })
    }
}

/// What the QR code of a notice says (annex 2, QR code): `PAGOPA|002|`, the notice number, the
/// creditor and the cents, with nothing before them.
pub(super) fn qr_text(notice: &NoticeNumber, creditor: &CreditorCode, amount: Cents) -> String {
    format!("PAGOPA|002|{notice}|{creditor}|{}", amount.get())
}

/// The QR code: version 4 and error correction M, whatever less would do (annex 2).
pub(super) fn qr(text: &str) -> Result<Squares, PdfError> {
    let code = QrCode::with_version(text, Version::Normal(4), EcLevel::M)
        .map_err(|error| PdfError::Layout(error.to_string()))?;
    Ok(Squares {
        modules: code.width(),
        dark: code
            .into_colors()
            .into_iter()
            .map(|colour| colour == qrcode::Color::Dark)
            .collect(),
    })
}

/// What a postal slip says to a machine.
pub(super) struct Slip<'a> {
    pub(super) notice: &'a NoticeNumber,
    pub(super) creditor: &'a CreditorCode,
    /// Twelve digits.
    pub(super) account: &'a str,
    pub(super) amount: Cents,
    pub(super) payer: &'a FiscalCode,
    pub(super) name: &'a str,
    pub(super) subject: &'a str,
}

/// A field of fixed width: capitals of ASCII, which is all that the machines read, cut or filled
/// with blanks.
fn field(text: &str, width: usize) -> String {
    let ascii: String = deunicode::deunicode(text)
        .to_ascii_uppercase()
        .chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => ' ',
        })
        .take(width)
        .collect();
    format!("{ascii:<width$}")
}

impl Slip<'_> {
    /// The 256 characters of the Data Matrix (Poste Italiane, *Bollettino PA*, stampa in proprio).
    pub(super) fn text(&self) -> String {
        let line = format!(
            "18{}12{:0>12}10{:0>10}3896",
            self.notice,
            self.account,
            self.amount.get()
        );
        [
            "codfase=NBPA;".to_owned(),
            line,
            "1P1".to_owned(),
            self.creditor.to_string(),
            field(self.payer.as_str(), 16),
            field(self.name, 40),
            field(self.subject, 110),
            " ".repeat(12),
            "A".to_owned(),
        ]
        .concat()
    }

    /// The Data Matrix.
    pub(super) fn matrix(&self) -> Result<Squares, PdfError> {
        let code = DataMatrix::encode(
            self.text().as_bytes(),
            SymbolList::default().enforce_square(),
        )
        .map_err(|error| PdfError::Layout(format!("{error:?}")))?;
        let bitmap = code.bitmap();
        let modules = bitmap.width();
        let mut dark = vec![false; modules * bitmap.height()];
        for (x, y) in bitmap.pixels() {
            if let Some(square) = dark.get_mut(y * modules + x) {
                *square = true;
            }
        }
        Ok(Squares { modules, dark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_slip_says_every_field_at_its_place() {
        let slip = Slip {
            notice: &NoticeNumber::parse("302202600001234518").unwrap(),
            creditor: &CreditorCode::parse("77777777777").unwrap(),
            account: "10101010",
            amount: Cents::new(1_000),
            payer: &FiscalCode::parse("RSSMRA80A01H501U").unwrap(),
            name: "Niccolò D'Amico",
            subject: "Mensa: caffè, Straße",
        };
        let text = slip.text();
        assert_eq!(text.len(), 256);
        let at = |from: usize, length: usize| &text[from - 1..from - 1 + length];
        assert_eq!(at(1, 13), "codfase=NBPA;");
        assert_eq!(
            at(14, 50),
            "18302202600001234518120000101010101000000010003896"
        );
        assert_eq!(at(64, 3), "1P1");
        assert_eq!(at(67, 11), "77777777777");
        assert_eq!(at(78, 16), "RSSMRA80A01H501U");
        assert_eq!(at(94, 40), format!("{:<40}", "NICCOLO D'AMICO"));
        assert_eq!(at(134, 110), format!("{:<110}", "MENSA: CAFFE, STRASSE"));
        assert_eq!(at(244, 13), "            A");
    }

    proptest! {
        #[test]
        fn whatever_the_names_the_slip_keeps_its_length(name in ".{0,80}", subject in ".{0,200}", cents in 1_i64..9_999_999_999) {
            let slip = Slip {
                notice: &NoticeNumber::parse("302202600001234518").unwrap(),
                creditor: &CreditorCode::parse("77777777777").unwrap(),
                account: "000000001016",
                amount: Cents::new(cents),
                payer: &FiscalCode::parse("00662780162").unwrap(),
                name: &name,
                subject: &subject,
            };
            prop_assert_eq!(slip.text().len(), 256);
            prop_assert!(slip.text().is_ascii());
        }
    }
}
