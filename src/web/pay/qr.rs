//! The QR code of a notice, as it is read at a counter.

use qrcode::types::{QrError, Version};
use qrcode::{Color, EcLevel, QrCode};

use crate::domain::debt::Debt;

/// Version 4: 33 modules (pagoPA, *Specifiche dell'avviso di pagamento*, annex 2).
const VERSION: Version = Version::Normal(4);
/// Modules left white on each side (ISO/IEC 18004).
const QUIET: usize = 4;

/// The text in the code (annex 2): notice number, creditor, cents.
pub(super) fn text(debt: &Debt) -> String {
    format!(
        "PAGOPA|002|{}|{}|{}",
        debt.notice,
        debt.creditor,
        debt.order.amount.get()
    )
}

/// A drawing: the side of its square, and the path of its black modules.
#[derive(Debug)]
pub(super) struct Drawing {
    pub side: usize,
    pub path: String,
}

/// Draws the code of a debt.
///
/// # Errors
/// The text is too long, which that of a notice never is.
pub(super) fn draw(debt: &Debt) -> Result<Drawing, QrError> {
    let code = QrCode::with_version(text(debt), VERSION, EcLevel::M)?;
    let width = code.width();
    let mut path = String::new();
    for (row, modules) in code.to_colors().chunks(width).enumerate() {
        for (column, module) in modules.iter().enumerate() {
            if *module == Color::Dark {
                path.push_str(&format!("M{} {}h1v1h-1z", column + QUIET, row + QUIET));
            }
        }
    }
    Ok(Drawing {
        side: width + 2 * QUIET,
        path,
    })
}
