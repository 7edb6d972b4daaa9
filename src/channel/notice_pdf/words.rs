//! The fixed texts of the papers, in Italian and in the second language.
//!
//! The Italian ones are those of the model and must not be altered (pagoPA, *Avviso di pagamento*
//! 3.3, annex 2).

use crate::domain::print::Language;

/// A text in all languages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) it: &'static str,
    de: &'static str,
    en: &'static str,
}

const fn words(it: &'static str, de: &'static str, en: &'static str) -> Words {
    Words { it, de, en }
}

impl Words {
    /// The code of the second language, and the text in it; nothing when there is none.
    pub(super) fn second(&self, language: Language) -> Option<(&'static str, &'static str)> {
        match language {
            Language::Italian => None,
            Language::ItalianGerman => Some(("de", self.de)),
            Language::ItalianEnglish => Some(("en", self.en)),
        }
    }

    /// Both on one line.
    pub(super) fn both(&self, language: Language) -> String {
        match self.second(language) {
            None => self.it.to_owned(),
            Some((_, second)) => format!("{} / {second}", self.it),
        }
    }
}

pub(super) const NOTICE: Words = words(
    "AVVISO DI PAGAMENTO",
    "ZAHLUNGSMITTEILUNG",
    "PAYMENT NOTICE",
);
pub(super) const CREDITOR: Words = words("ENTE CREDITORE", "KÖRPERSCHAFT", "CREDITOR");
pub(super) const ADDRESSEE: Words = words("DESTINATARIO AVVISO", "EMPFÄNGER", "ADDRESSEE");
pub(super) const CODE: Words = words("Cod. Fiscale", "Steuernr.", "Tax code");
pub(super) const HOW_MUCH: Words = words(
    "QUANTO E QUANDO PAGARE?",
    "WIEVIEL UND WANN ZAHLEN?",
    "HOW MUCH AND WHEN TO PAY?",
);
pub(super) const WHERE: Words = words("DOVE PAGARE?", "WO ZAHLEN?", "WHERE TO PAY?");
pub(super) const BY: Words = words("entro il", "innerhalb", "by");
pub(super) const MAY_CHANGE: Words = words(
    "L'importo è aggiornato automaticamente dal sistema e potrebbe subire variazioni per eventuali \
     sgravi, note di credito, indennità di mora, sanzioni o interessi, ecc. Un operatore, il sito \
     o l'app che userai ti potrebbero quindi chiedere una cifra diversa da quella qui indicata.",
    "Der Betrag wird vom System automatisch aktualisiert und kann sich durch Nachlässe, \
     Gutschriften, Verzugszinsen oder Strafen ändern: am Schalter, auf der Website oder in der App \
     kann daher ein anderer Betrag verlangt werden.",
    "The amount is updated automatically by the system and may change because of discounts, credit \
     notes, late fees or interest: the desk, site or app that you use may therefore ask for another \
     sum than the one shown here.",
);
pub(super) const APP: Words = words(
    "PAGA CON L'APP IO",
    "ZAHLE MIT DER APP IO",
    "PAY WITH THE IO APP",
);
pub(super) const DIGITAL: Words = words(
    "oppure dal tuo Home Banking, con la tua app di pagamento o con gli altri canali abilitati.",
    "oder über dein Home Banking, deine Bezahl-App oder die anderen zugelassenen Kanäle.",
    "or from your home banking, with your payment app or through the other enabled channels.",
);
pub(super) const DIGITAL_AND_SITE: Words = words(
    "oppure sul sito di {}, dal tuo Home Banking, con la tua app di pagamento o con gli altri \
     canali abilitati.",
    "oder auf der Website von {}, über dein Home Banking, deine Bezahl-App oder die anderen \
     zugelassenen Kanäle.",
    "or on the site of {}, from your home banking, with your payment app or through the other \
     enabled channels.",
);
pub(super) const IN_TOWN: Words = words("PAGA SUL TERRITORIO", "ZAHLE VOR ORT", "PAY IN PERSON");
pub(super) const DESKS: Words = words(
    "presso Banche e Sportelli ATM, negli Uffici Postali e Punti Postali, nei Bar, Edicole, \
     Ricevitorie, Supermercati, Tabaccherie e altri Esercenti Convenzionati.",
    "bei Banken und Bankomaten, in Postämtern, Bars, Zeitungsläden, Annahmestellen, Supermärkten, \
     Tabaktrafiken und anderen Vertragspartnern.",
    "at banks and ATMs, post offices, bars, newsagents, betting shops, supermarkets, tobacconists \
     and other affiliated shops.",
);
pub(super) const CHOOSE: Words = words(
    "Utilizza la porzione di avviso relativa alla rata e al canale di pagamento che preferisci.",
    "Verwende den Abschnitt für die Rate und den Zahlungsweg deiner Wahl.",
    "Use the part of the notice for the instalment and the channel that you prefer.",
);
pub(super) const BANKS: Words = words(
    "BANCHE E ALTRI CANALI",
    "BANKEN UND ANDERE KANÄLE",
    "BANKS AND OTHER CHANNELS",
);
pub(super) const WHOLE: Words = words("RATA UNICA", "EINZIGE RATE", "SINGLE PAYMENT");
pub(super) const PART: Words = words("RATA", "RATE", "INSTALMENT");
pub(super) const SCAN: Words = words(
    "Qui accanto trovi il codice QR e il codice interbancario CBILL per pagare attraverso il \
     circuito bancario e gli altri canali di pagamento abilitati.",
    "Hier findest du den QR-Code und den CBILL-Code für die Zahlung über Banken und die anderen \
     zugelassenen Kanäle.",
    "Here are the QR code and the interbank CBILL code to pay through banks and the other enabled \
     channels.",
);
pub(super) const SCAN_ONLY: Words = words(
    "Qui accanto trovi il codice QR per pagare attraverso il circuito bancario e gli altri canali \
     di pagamento abilitati.",
    "Hier findest du den QR-Code für die Zahlung über Banken und die anderen zugelassenen Kanäle.",
    "Here is the QR code to pay through banks and the other enabled channels.",
);
pub(super) const AMOUNT: Words = words("Importo", "Betrag", "Amount");
pub(super) const TO_WHOM: Words = words("Destinatario", "Empfänger", "Addressee");
pub(super) const WHOSE: Words = words("Ente Creditore", "Körperschaft", "Creditor");
pub(super) const SUBJECT: Words = words(
    "Oggetto del pagamento",
    "Zahlungsgrund",
    "Reason for payment",
);
pub(super) const CBILL: Words = words("Codice CBILL", "CBILL-Kodex", "CBILL code");
pub(super) const NUMBER: Words = words("Codice Avviso", "Nummer der Mitteilung", "Notice code");
pub(super) const CREDITOR_CODE: Words = words(
    "Cod. Fiscale Ente Creditore",
    "Steuernr. der Körperschaft",
    "Creditor's tax code",
);
pub(super) const SLIP: Words = words(
    "BOLLETTINO POSTALE PA",
    "POSTERLAGSCHEIN PA",
    "POSTAL SLIP PA",
);
pub(super) const HOLDER: Words = words("Intestato a", "Lautend auf", "In the name of");
pub(super) const KIND: Words = words("Tipo", "Typ", "Type");
pub(super) const DETAIL: Words = words(
    "DETTAGLIO DEI PASTI",
    "AUFSTELLUNG DER MAHLZEITEN",
    "MEALS IN DETAIL",
);
pub(super) const DAY: Words = words("Giorno", "Tag", "Day");
pub(super) const WHAT: Words = words("Descrizione", "Beschreibung", "Description");
pub(super) const QUANTITY: Words = words("Quantità", "Anzahl", "Quantity");
pub(super) const PRICE: Words = words("Prezzo", "Preis", "Price");
pub(super) const SUM: Words = words("Totale", "Summe", "Total");
