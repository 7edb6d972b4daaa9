//! Cases: what a person of the finance office must look at, each kind with a stable code and a
//! sentence in Italian.

use super::party::CreditorCode;

/// What the finance office must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaseCode {
    /// A payment for a notice we never issued.
    UnknownNotice,
    /// A second payment of a notice that was paid already.
    SecondPayment,
    /// A payment of a notice that had been cancelled.
    CancelledNotice,
    /// Paid another amount than what was due.
    AmountDiffers,
    /// A receipt that says the payment failed.
    FailedOutcome,
    /// A receipt over nothing.
    NothingPaid,
    /// A copy sent to us as secondary beneficiary of another creditor's notice.
    SecondaryBeneficiary,
    /// A payment that the node took while it could not ask us.
    StandIn,
    /// A receipt under a station that is not, or not any more, the creditor's.
    OtherStation,
    /// A receipt with elements that we do not know.
    UnknownElements,
    /// A receipt whose parts do not agree with each other.
    Inconsistent,
    /// The same reference again, with other content.
    ReferenceConflict,
    /// A receipt that could not be read.
    UnreadableReceipt,
    /// A receipt for a creditor of ours under another broker.
    MisdirectedReceipt,
    /// A payment of a debt whose row cannot be read.
    UnreadableDebt,
    /// We could not write a reply that the node would take.
    IllegalReply,
    /// The ledger holds another entry under our id.
    LedgerConflict,
    /// The ledger refuses the entry.
    LedgerRefused,
    /// pagoPA's archive of notices refuses a notice.
    AcaRefused,
    /// A reporting flow tells of a payment whose receipt was found nowhere.
    ReceiptMissing,
    /// The mail server refuses a mail for good.
    MailRefused,
    /// An endpoint of a portal has not taken an event for days.
    WebhookGivenUp,
    /// An endpoint of a portal is not called any more.
    WebhookDisabled,
}

impl CaseCode {
    /// All codes, for tables and their tests.
    pub const ALL: [CaseCode; 23] = [
        CaseCode::UnknownNotice,
        CaseCode::SecondPayment,
        CaseCode::CancelledNotice,
        CaseCode::AmountDiffers,
        CaseCode::FailedOutcome,
        CaseCode::NothingPaid,
        CaseCode::SecondaryBeneficiary,
        CaseCode::StandIn,
        CaseCode::OtherStation,
        CaseCode::UnknownElements,
        CaseCode::Inconsistent,
        CaseCode::ReferenceConflict,
        CaseCode::UnreadableReceipt,
        CaseCode::MisdirectedReceipt,
        CaseCode::UnreadableDebt,
        CaseCode::IllegalReply,
        CaseCode::LedgerConflict,
        CaseCode::LedgerRefused,
        CaseCode::AcaRefused,
        CaseCode::ReceiptMissing,
        CaseCode::MailRefused,
        CaseCode::WebhookGivenUp,
        CaseCode::WebhookDisabled,
    ];

    /// The stable word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            CaseCode::UnknownNotice => "unknown_notice",
            CaseCode::SecondPayment => "second_payment",
            CaseCode::CancelledNotice => "cancelled_notice",
            CaseCode::AmountDiffers => "amount_differs",
            CaseCode::FailedOutcome => "failed_outcome",
            CaseCode::NothingPaid => "nothing_paid",
            CaseCode::SecondaryBeneficiary => "secondary_beneficiary",
            CaseCode::StandIn => "stand_in",
            CaseCode::OtherStation => "other_station",
            CaseCode::UnknownElements => "unknown_elements",
            CaseCode::Inconsistent => "inconsistent_receipt",
            CaseCode::ReferenceConflict => "reference_conflict",
            CaseCode::UnreadableReceipt => "unreadable_receipt",
            CaseCode::MisdirectedReceipt => "misdirected_receipt",
            CaseCode::UnreadableDebt => "unreadable_debt",
            CaseCode::IllegalReply => "illegal_reply",
            CaseCode::LedgerConflict => "ledger_conflict",
            CaseCode::LedgerRefused => "ledger_refused",
            CaseCode::AcaRefused => "aca_refused",
            CaseCode::ReceiptMissing => "receipt_missing",
            CaseCode::MailRefused => "mail_refused",
            CaseCode::WebhookGivenUp => "webhook_given_up",
            CaseCode::WebhookDisabled => "webhook_disabled",
        }
    }

    /// The case written as [`CaseCode::as_str`] writes it.
    pub fn parse(text: &str) -> Option<CaseCode> {
        CaseCode::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// The sentence for the finance office, in Italian.
    pub fn message(self) -> &'static str {
        match self {
            CaseCode::UnknownNotice => {
                "È arrivato un pagamento per un avviso che non risulta emesso."
            }
            CaseCode::SecondPayment => {
                "L'avviso era già pagato: questo è un secondo pagamento, da accreditare alla famiglia o da rimborsare."
            }
            CaseCode::CancelledNotice => "È stato pagato un avviso che era stato annullato.",
            CaseCode::AmountDiffers => {
                "L'importo pagato è diverso da quello dovuto: è stato accreditato l'importo pagato."
            }
            CaseCode::FailedOutcome => {
                "La ricevuta dichiara che il pagamento non è riuscito: nulla è stato accreditato."
            }
            CaseCode::NothingPaid => {
                "La ricevuta è di importo zero: l'avviso resta aperto e nulla è stato accreditato."
            }
            CaseCode::SecondaryBeneficiary => {
                "Ricevuta ricevuta come beneficiario secondario dell'avviso di un altro ente."
            }
            CaseCode::StandIn => {
                "Il nodo ha incassato senza interrogare il sistema (stand-in), con i dati dell'archivio avvisi: verificare importo e stato dell'avviso."
            }
            CaseCode::OtherStation => {
                "La ricevuta è arrivata da una stazione che non è quella dell'ente."
            }
            CaseCode::UnknownElements => {
                "La ricevuta contiene dati che il sistema non conosce: il pagamento è registrato, il testo originale è conservato."
            }
            CaseCode::Inconsistent => {
                "I dati della ricevuta non concordano tra loro: il pagamento è registrato, da verificare."
            }
            CaseCode::ReferenceConflict => {
                "È arrivata una seconda ricevuta con lo stesso identificativo ma contenuto diverso: conservata come prova, non registrata."
            }
            CaseCode::MisdirectedReceipt => {
                "Una ricevuta dell'ente è arrivata sotto un intermediario che non è il suo ed è stata rifiutata: il nodo non la invierà più. Verificare former_brokers nella configurazione e chiederne il reinvio."
            }
            CaseCode::UnreadableDebt => {
                "È stato pagato un avviso la cui posizione non è leggibile: il pagamento è registrato, nulla è stato accreditato."
            }
            CaseCode::UnreadableReceipt => {
                "Una ricevuta non è leggibile: il testo originale è conservato."
            }
            CaseCode::IllegalReply => {
                "Un avviso non può essere pagato: i suoi dati non permettono una risposta che il nodo accetti."
            }
            CaseCode::LedgerConflict => {
                "Il registro dei pasti ha già un movimento diverso con lo stesso identificativo: non sarà inviato di nuovo."
            }
            CaseCode::LedgerRefused => {
                "Il registro dei pasti ha rifiutato il movimento: non sarà inviato di nuovo."
            }
            CaseCode::AcaRefused => {
                "L'archivio centralizzato degli avvisi (ACA) ha rifiutato l'avviso: sarà inviato di nuovo quando l'avviso cambia."
            }
            CaseCode::ReceiptMissing => {
                "Un flusso di rendicontazione riporta un pagamento la cui ricevuta non è stata trovata: da verificare con il PSP."
            }
            CaseCode::MailRefused => {
                "Il server di posta ha rifiutato un messaggio al pagatore: non sarà inviato di nuovo. Verificare l'indirizzo."
            }
            CaseCode::WebhookGivenUp => {
                "Il portale non ha accettato per giorni la notifica di un evento: non sarà inviata di nuovo, ma resta nell'elenco degli eventi."
            }
            CaseCode::WebhookDisabled => {
                "Il portale non risponde da giorni alle notifiche, o non le vuole più: l'indirizzo è stato disattivato."
            }
        }
    }
}

/// An exception for the finance office.
#[derive(Debug, Clone)]
pub struct Case {
    /// What kind.
    pub code: CaseCode,
    /// Whose.
    pub creditor: CreditorCode,
    /// What makes it this case and no other: the same thing again, with the same code, is not
    /// another case.
    pub identity: String,
    /// What it is about: the id of a payment, a ledger entry or a document.
    pub subject: String,
    /// Facts beside the sentence, without personal data.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        for code in CaseCode::ALL {
            assert_eq!(CaseCode::parse(code.as_str()), Some(code));
            assert!(code.message().ends_with('.'));
        }
        assert_eq!(CaseCode::parse("something_else"), None);
    }
}
