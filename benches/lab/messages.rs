//! Messages of the node and requests of a portal, as whole HTTP requests.
//!
//! A message is written once; from one request to the next only the digits that differ are changed
//! in place, so that whoever sends them needs next to no time for it.

use super::TOWN;
use super::notices::{notice, reference};

/// A request with places for digits.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    slots: Vec<(usize, Slot)>,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Notice,
    Iuv,
    Reference,
}

impl Slot {
    const ALL: [Slot; 3] = [Slot::Notice, Slot::Iuv, Slot::Reference];

    /// What stands in the text of a message where the digits will be: as long as they are.
    const fn mark(self) -> &'static str {
        match self {
            Slot::Notice => "NNNNNNNNNNNNNNNNNN",
            Slot::Iuv => "IIIIIIIIIIIIIIIII",
            Slot::Reference => "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR",
        }
    }
}

impl Template {
    fn new(action: &str, envelope: &str) -> Template {
        let text = format!(
            "POST /node HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n\
             SOAPAction: \"{action}\"\r\nContent-Length: {}\r\n\r\n{envelope}",
            envelope.len()
        );
        let slots = Slot::ALL
            .into_iter()
            .flat_map(|slot| {
                text.match_indices(slot.mark())
                    .map(move |(at, _)| (at, slot))
            })
            .collect();
        Template {
            bytes: text.into_bytes(),
            slots,
        }
    }

    /// The request for the notice at this place. A receipt's own id depends on `turn` too: the same
    /// place in another turn is another receipt.
    pub(crate) fn at(&mut self, place: u64, turn: u64) -> &[u8] {
        let notice = notice(place);
        let iuv = notice.iuv();
        let reference = reference(place, turn);
        for (at, slot) in &self.slots {
            let digits = match slot {
                Slot::Notice => notice.as_str(),
                Slot::Iuv => iuv.as_str(),
                Slot::Reference => &reference,
            };
            self.bytes[*at..*at + digits.len()].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }

    /// `paVerifyPaymentNotice`.
    pub(crate) fn verify() -> Template {
        let inside = format!("{HEAD}{QR}");
        Template::new(
            "paVerifyPaymentNotice",
            &envelope("paVerifyPaymentNoticeReq", &inside),
        )
    }

    /// `paGetPaymentV2`.
    pub(crate) fn get() -> Template {
        let inside = format!("{HEAD}{QR}<amount>50.00</amount><dueDate>2099-12-31</dueDate>");
        Template::new(
            "paGetPaymentV2",
            &envelope("paGetPaymentV2Request", &inside),
        )
    }

    /// `paSendRTV2` with everything that a receipt usually carries: 3.1 KB.
    pub(crate) fn receipt() -> Template {
        let inside = format!("{HEAD}{RECEIPT}");
        Template::new("paSendRTV2", &envelope("paSendRTV2Request", &inside))
    }

    /// Bytes of the message without the HTTP head.
    pub(crate) fn message(&mut self, place: u64, turn: u64) -> Vec<u8> {
        let bytes = self.at(place, turn);
        let head = bytes
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap();
        bytes[head + 4..].to_vec()
    }
}

/// A request of a portal with its key.
pub(crate) fn portal(method: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The body of a request for a notice.
pub(crate) fn top_up(external_id: &str) -> String {
    format!(
        "{{\"kind\":\"top_up\",\"service\":\"refezione\",\"external_id\":\"{external_id}\",\
         \"child\":{{\"code\":\"new\",\"name\":\"Giulia Rossi\",\
         \"fiscal_code\":\"RSSGLI16A41F205M\"}},\
         \"payer\":{{\"name\":\"Mario Rossi\",\"fiscal_code\":\"RSSMRA80A01H501U\",\
         \"email\":\"mario@example.org\"}},\
         \"amount_cents\":5000,\"description\":\"Ricarica mensa\",\"due_on\":\"2099-12-31\"}}"
    )
}

fn envelope(operation: &str, inside: &str) -> String {
    let inside = inside.replace("TOWN", TOWN);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:pafn=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\">\n  <soapenv:Header/>\n  \
         <soapenv:Body>\n    <pafn:{operation}>{inside}</pafn:{operation}>\n  </soapenv:Body>\n\
         </soapenv:Envelope>"
    )
}

const HEAD: &str = "<idPA>TOWN</idPA><idBrokerPA>TOWN</idBrokerPA><idStation>TOWN_01</idStation>";

const QR: &str =
    "<qrCode><fiscalCode>TOWN</fiscalCode><noticeNumber>NNNNNNNNNNNNNNNNNN</noticeNumber></qrCode>";

const RECEIPT: &str = "
      <receipt>
        <receiptId>RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR</receiptId>
        <noticeNumber>NNNNNNNNNNNNNNNNNN</noticeNumber>
        <fiscalCode>TOWN</fiscalCode>
        <outcome>OK</outcome>
        <creditorReferenceId>IIIIIIIIIIIIIIIII</creditorReferenceId>
        <paymentAmount>50.00</paymentAmount>
        <description>Ricarica mensa scolastica</description>
        <companyName>Comune di Borgo San Lieto</companyName>
        <officeName>Ufficio scuola</officeName>
        <debtor>
          <uniqueIdentifier>
            <entityUniqueIdentifierType>F</entityUniqueIdentifierType>
            <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>
          </uniqueIdentifier>
          <fullName>Mario Rossi</fullName>
          <streetName>Via Roma</streetName>
          <civicNumber>12</civicNumber>
          <postalCode>00100</postalCode>
          <city>Roma</city>
          <stateProvinceRegion>RM</stateProvinceRegion>
          <country>IT</country>
          <e-mail>mario.rossi@example.org</e-mail>
        </debtor>
        <transferList>
          <transfer>
            <idTransfer>1</idTransfer>
            <transferAmount>50.00</transferAmount>
            <fiscalCodePA>TOWN</fiscalCodePA>
            <companyName>Comune di Borgo San Lieto</companyName>
            <IBAN>IT60X0542811101000000123456</IBAN>
            <remittanceInformation>/RFB/IIIIIIIIIIIIIIIII/50.00/TXT/Ricarica mensa</remittanceInformation>
            <transferCategory>9/0107101TS/</transferCategory>
          </transfer>
        </transferList>
        <idPSP>ABI99999</idPSP>
        <pspFiscalCode>99999999999</pspFiscalCode>
        <PSPCompanyName>Banca di Esempio S.p.A.</PSPCompanyName>
        <idChannel>99999999999_01</idChannel>
        <channelDescription>app</channelDescription>
        <payer>
          <uniqueIdentifier>
            <entityUniqueIdentifierType>F</entityUniqueIdentifierType>
            <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>
          </uniqueIdentifier>
          <fullName>Mario Rossi</fullName>
          <e-mail>mario.rossi@example.org</e-mail>
        </payer>
        <paymentMethod>creditCard</paymentMethod>
        <fee>1.00</fee>
        <paymentDateTime>2026-11-20T11:59:30</paymentDateTime>
        <applicationDate>2026-11-20</applicationDate>
        <transferDate>2026-11-21</transferDate>
        <standIn>false</standIn>
      </receipt>";
