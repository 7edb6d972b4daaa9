//! What a receipt may hold, so that what it should not hold is noticed and nothing is lost for it.
//!
//! Source: `wsdl/paForNode.xsd`, `paSendRTReq` and `paSendRTV2Request` together: the node may mix
//! the two.

use crate::wire::xml::Element;

/// The elements that a receipt may have, V1 and V2 together: a name, and what may stand inside.
pub(super) struct Known(&'static str, &'static [Known]);

const METADATA: Known = Known(
    "metadata",
    &[Known("mapEntry", &[Known("key", &[]), Known("value", &[])])],
);

const PERSON: &[Known] = &[
    Known(
        "uniqueIdentifier",
        &[
            Known("entityUniqueIdentifierType", &[]),
            Known("entityUniqueIdentifierValue", &[]),
        ],
    ),
    Known("fullName", &[]),
    Known("streetName", &[]),
    Known("civicNumber", &[]),
    Known("postalCode", &[]),
    Known("city", &[]),
    Known("stateProvinceRegion", &[]),
    Known("country", &[]),
    Known("e-mail", &[]),
];

const TRANSFER: &[Known] = &[
    Known("idTransfer", &[]),
    Known("transferAmount", &[]),
    Known("fiscalCodePA", &[]),
    Known("companyName", &[]),
    Known("IBAN", &[]),
    Known("MBDAttachment", &[]),
    Known("remittanceInformation", &[]),
    Known("transferCategory", &[]),
    METADATA,
];

const RECEIPT: &[Known] = &[
    Known("receiptId", &[]),
    Known("noticeNumber", &[]),
    Known("fiscalCode", &[]),
    Known("outcome", &[]),
    Known("creditorReferenceId", &[]),
    Known("paymentAmount", &[]),
    Known("description", &[]),
    Known("companyName", &[]),
    Known("officeName", &[]),
    Known("debtor", PERSON),
    Known("transferList", &[Known("transfer", TRANSFER)]),
    Known("idPSP", &[]),
    Known("pspFiscalCode", &[]),
    Known("pspPartitaIVA", &[]),
    Known("PSPCompanyName", &[]),
    Known("idChannel", &[]),
    Known("channelDescription", &[]),
    Known("payer", PERSON),
    Known("paymentMethod", &[]),
    Known("paymentNote", &[]),
    Known("fee", &[]),
    Known("primaryCiIncurredFee", &[]),
    Known("idBundle", &[]),
    Known("idCiBundle", &[]),
    Known("paymentDateTime", &[]),
    Known("applicationDate", &[]),
    Known("transferDate", &[]),
    METADATA,
    Known("standIn", &[]),
];

/// A message with a receipt in it.
pub(super) const MESSAGE: &[Known] = &[
    Known("idPA", &[]),
    Known("idBrokerPA", &[]),
    Known("idStation", &[]),
    Known("receipt", RECEIPT),
];

/// Whether an element that we do not know stands anywhere inside.
pub(super) fn has_unknown(element: &Element, known: &[Known]) -> bool {
    element.children.iter().any(|child| {
        known
            .iter()
            .find(|Known(name, _)| *name == child.name)
            .is_none_or(|Known(_, inside)| has_unknown(child, inside))
    })
}
