//! The cases 04 and 05: receipts looked up in reporting flows.

use std::path::Path;

use super::cases::{Check, Receipt, Verdict};
use crate::channel::fdr::wire::{self, Flow, Row};
use crate::domain::money::Cents;

/// A flow with its bytes.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub bytes: Vec<u8>,
    pub flow: Flow,
}

/// A flow cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any flow that is read.
    #[error("{path} is larger than {limit} bytes", limit = wire::LARGEST)]
    TooLarge { path: String },
    /// It is not a flow.
    #[error("{path} is not a FlussoRiversamento that can be read: {source}")]
    Malformed {
        path: String,
        source: crate::wire::Malformed,
    },
}

impl Sheet {
    /// A flow of this name and these bytes.
    ///
    /// # Errors
    /// It is not a flow.
    pub(super) fn of(name: &str, bytes: Vec<u8>) -> Result<Sheet, FlowError> {
        let flow = wire::parse(&bytes).map_err(|source| FlowError::Malformed {
            path: name.to_owned(),
            source,
        })?;
        Ok(Sheet { bytes, flow })
    }

    /// The flow in a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no flow.
    pub(super) fn read(path: &Path) -> Result<Sheet, FlowError> {
        let name = path.display().to_string();
        let failed = |source| FlowError::File {
            path: name.clone(),
            source,
        };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if usize::try_from(size).map_or(true, |size| size > wire::LARGEST) {
            return Err(FlowError::TooLarge { path: name });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        Sheet::of(&name, bytes)
    }
}

/// Looks every transfer of the receipts to a body up in the flows that pay it. Other rows of the flows
/// are other payments.
pub(super) fn judge(creditor: &str, receipts: &[&Receipt], sheets: &[&Sheet]) -> Vec<Check> {
    let mut checks = vec![];
    for Sheet { flow, .. } in sheets {
        let rows = u64::try_from(flow.rows.len()).unwrap_or(u64::MAX);
        checks.push(check(
            format!(
                "Flusso {}: numeroTotalePagamenti uguale alle righe",
                flow.id
            ),
            flow.count == rows,
            format!("{} dichiarati, {rows} righe", flow.count),
        ));
        let sum = flow.sum();
        let found = sum.map_or_else(|| "troppo grande".to_owned(), Cents::in_italian);
        checks.push(check(
            format!(
                "Flusso {}: importoTotalePagamenti uguale alla somma",
                flow.id
            ),
            sum == Some(flow.total),
            format!("{} € dichiarati, somma {found} €", flow.total.in_italian()),
        ));
    }
    let rows: Vec<(&Flow, &Row)> = sheets
        .iter()
        .flat_map(|sheet| sheet.flow.rows.iter().map(|row| (&sheet.flow, row)))
        .collect();
    for receipt in receipts {
        let own = receipt
            .transfers
            .iter()
            .filter(|transfer| transfer.creditor == creditor);
        for transfer in own {
            let due = Cents::new(transfer.cents);
            let expected = format!(
                "IUV {}, IUR {}, indice {}: {} €",
                receipt.iuv,
                receipt.id,
                transfer.index,
                due.in_italian()
            );
            let (is_met, found) = look_up(&rows, receipt, transfer.index, due);
            checks.push(check(expected, is_met, found));
        }
    }
    checks
}

/// The row of a transfer: whether it is as it should be, and what was found.
fn look_up(rows: &[(&Flow, &Row)], receipt: &Receipt, index: u8, due: Cents) -> (bool, String) {
    let of_iuv: Vec<_> = rows
        .iter()
        .filter(|(_, row)| row.iuv == receipt.iuv)
        .collect();
    let found: Vec<_> = of_iuv
        .iter()
        .filter(|(_, row)| row.iur == receipt.id && row.index == index)
        .collect();
    match found.as_slice() {
        [(flow, row)] => {
            let is_met = row.amount == due && row.outcome.is_paid();
            let found = format!(
                "flusso {}: {} €, esito {}, {}",
                flow.id,
                row.amount.in_italian(),
                row.outcome.code(),
                row.paid_on
            );
            (is_met, found)
        }
        [] if of_iuv.is_empty() => (false, "nessuna riga con questo IUV".to_owned()),
        [] => {
            let others: Vec<String> = of_iuv
                .iter()
                .map(|(_, row)| format!("IUR {}, indice {}", row.iur, row.index))
                .collect();
            (
                false,
                format!("solo righe con altro IUR o indice: {}", others.join("; ")),
            )
        }
        several => (false, format!("{} righe invece di una", several.len())),
    }
}

fn check(expected: String, is_met: bool, found: String) -> Check {
    Check {
        expected,
        found,
        verdict: if is_met {
            Verdict::Met
        } else {
            Verdict::NotMet
        },
    }
}
