//! The faults of the station, in the node's words.
//!
//! Source: SANP, "codici di errore", table of the creditor's faults and their fault strings.

use crate::desk::DeskError;
use crate::domain::refusal::Refusal;
use crate::wire::Malformed;

/// A KO in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// `faultCode`.
    pub code: &'static str,
    /// `faultString`.
    pub string: &'static str,
    /// `description`: the detail for whoever reads the log on the other side.
    pub description: Option<String>,
}

impl Fault {
    /// Our own failure.
    pub(super) fn system(description: &str) -> Fault {
        Fault {
            code: "PAA_SYSTEM_ERROR",
            string: "Errore generico",
            description: Some(description.to_owned()),
        }
    }
}

impl Fault {
    /// A refusal that has no code of its own.
    pub(super) fn semantic(description: &str) -> Fault {
        Fault {
            code: "PAA_SEMANTICA",
            string: "Errore semantico",
            description: Some(description.to_owned()),
        }
    }

    /// The data of a catalogue's service are not as agreed (the one use of this code, by the table).
    pub(super) fn data(malformed: &Malformed) -> Fault {
        Fault {
            code: "PAA_SINTASSI_XSD",
            string: "Errore di sintassi XSD",
            description: Some(malformed.to_string()),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        let (code, string) = match refusal {
            Refusal::WrongBroker => (
                "PAA_ID_INTERMEDIARIO_ERRATO",
                "Identificativo intermediario non corrispondente",
            ),
            Refusal::WrongStation => (
                "PAA_STAZIONE_INT_ERRATA",
                "Stazione intermediario non corrispondente",
            ),
            Refusal::WrongCreditor => (
                "PAA_ID_DOMINIO_ERRATO",
                "La PAA non corrisponde al Dominio indicato",
            ),
            Refusal::Unknown => (
                "PAA_PAGAMENTO_SCONOSCIUTO",
                "Pagamento in attesa risulta sconosciuto all'Ente Creditore",
            ),
            Refusal::AlreadyPaid => (
                "PAA_PAGAMENTO_DUPLICATO",
                "Pagamento in attesa risulta concluso all'Ente Creditore",
            ),
            Refusal::Cancelled => (
                "PAA_PAGAMENTO_ANNULLATO",
                "Pagamento in attesa risulta annullato all'Ente Creditore",
            ),
            Refusal::Expired => (
                "PAA_PAGAMENTO_SCADUTO",
                "Pagamento in attesa risulta scaduto all'Ente Creditore",
            ),
            Refusal::Conflict | Refusal::Inconsistent => ("PAA_SEMANTICA", "Errore semantico"),
            Refusal::Repeated => ("PAA_RECEIPT_DUPLICATA", "La ricevuta è già presente"),
            Refusal::UnknownElements => ("PAA_SINTASSI_EXTRAXSD", "Errore di sintassi extra XSD"),
        };
        let description = match refusal {
            Refusal::Conflict => {
                Some("this receipt id was received before with other content".to_owned())
            }
            Refusal::WrongBroker
            | Refusal::WrongStation
            | Refusal::WrongCreditor
            | Refusal::Unknown
            | Refusal::AlreadyPaid
            | Refusal::Cancelled
            | Refusal::Expired
            | Refusal::Repeated
            | Refusal::Inconsistent
            | Refusal::UnknownElements => None,
        };
        Fault {
            code,
            string,
            description,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault {
            code: "PAA_SINTASSI_EXTRAXSD",
            string: "Errore di sintassi extra XSD",
            description: Some(malformed.to_string()),
        }
    }
}

impl From<DeskError> for Fault {
    fn from(error: DeskError) -> Fault {
        match error {
            DeskError::Refused(refusal) => Fault::from(refusal),
            DeskError::NotFound => Fault::from(Refusal::Unknown),
            DeskError::KeyReused
            | DeskError::ExternalIdTaken
            | DeskError::TooMany(_)
            | DeskError::Silent
            | DeskError::Numbers(_)
            | DeskError::Overloaded
            | DeskError::Store(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the node hears a system error"
                );
                Fault::system("temporarily unavailable")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every refusal has a fault of its own kind, and each code is one of the official table.
    #[test]
    fn every_refusal_has_its_fault() {
        let table = [
            (Refusal::WrongBroker, "PAA_ID_INTERMEDIARIO_ERRATO"),
            (Refusal::WrongStation, "PAA_STAZIONE_INT_ERRATA"),
            (Refusal::WrongCreditor, "PAA_ID_DOMINIO_ERRATO"),
            (Refusal::Unknown, "PAA_PAGAMENTO_SCONOSCIUTO"),
            (Refusal::AlreadyPaid, "PAA_PAGAMENTO_DUPLICATO"),
            (Refusal::Cancelled, "PAA_PAGAMENTO_ANNULLATO"),
            (Refusal::Expired, "PAA_PAGAMENTO_SCADUTO"),
            (Refusal::Conflict, "PAA_SEMANTICA"),
            (Refusal::Repeated, "PAA_RECEIPT_DUPLICATA"),
            (Refusal::Inconsistent, "PAA_SEMANTICA"),
            (Refusal::UnknownElements, "PAA_SINTASSI_EXTRAXSD"),
        ];
        assert_eq!(table.map(|(refusal, _)| refusal), Refusal::ALL);
        for (refusal, code) in table {
            assert_eq!(Fault::from(refusal).code, code);
        }
    }
}
