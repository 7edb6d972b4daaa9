//! The schema of the replies, written as data: which element follows which, how often, and what it
//! holds. [`super::walk`] reads it; nothing here runs.

use super::Operation;
use super::types::Type;

/// What an element may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// Text of a simple type.
    Text(Type),
    /// Elements in this order.
    Sequence(&'static [Particle]),
}

/// An element as its parent declares it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) content: Content,
}

/// One place in a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Particle {
    /// This element, `min` to `max` times.
    Element(Spec),
    /// Exactly one of these elements.
    Choice(&'static [Spec]),
}

/// A whole message: its root element and what a positive outcome must carry.
#[derive(Debug)]
pub(super) struct Message {
    /// Name of the root element, in the namespace of the contract.
    pub(super) root: &'static str,
    /// What the root holds.
    pub(super) content: &'static [Particle],
    /// Elements the schema leaves optional and the node demands with outcome OK.
    pub(super) required_when_ok: &'static [&'static str],
}

const fn spec(name: &'static str, content: Content) -> Spec {
    Spec {
        name,
        min: 1,
        max: 1,
        content,
    }
}

/// A mandatory leaf.
pub(super) const fn one(name: &'static str, kind: Type) -> Particle {
    Particle::Element(spec(name, Content::Text(kind)))
}

/// An optional leaf.
pub(super) const fn opt(name: &'static str, kind: Type) -> Particle {
    Particle::Element(Spec {
        min: 0,
        ..spec(name, Content::Text(kind))
    })
}

/// A mandatory element with elements inside.
pub(super) const fn group(name: &'static str, inside: &'static [Particle]) -> Particle {
    Particle::Element(spec(name, Content::Sequence(inside)))
}

/// An optional element with elements inside.
pub(super) const fn opt_group(name: &'static str, inside: &'static [Particle]) -> Particle {
    Particle::Element(Spec {
        min: 0,
        ..spec(name, Content::Sequence(inside))
    })
}

/// One to `max` elements of the same name.
pub(super) const fn some(name: &'static str, max: usize, inside: &'static [Particle]) -> Particle {
    Particle::Element(Spec {
        max,
        ..spec(name, Content::Sequence(inside))
    })
}

const TEXT_16: Type = Type::Text(16);
pub(super) const TEXT_35: Type = Type::Text(35);
pub(super) const TEXT_70: Type = Type::Text(70);
pub(super) const TEXT_140: Type = Type::Text(140);
pub(super) const FISCAL_CODE: Type = Type::Digits(11);
pub(super) const OUTCOME: Particle = one("outcome", Type::OneOf(&["OK", "KO"]));
/// `stIBAN`: the schema asks only for 1 to 35 characters.
pub(super) const IBAN: Spec = spec("IBAN", Content::Text(Type::Text(35)));
/// The attachment of a stamp, in receipts.
#[cfg(test)]
pub(super) const STAMP_ATTACHMENT: Spec = spec("MBDAttachment", Content::Text(Type::Base64));

const FAULT: Particle = opt_group(
    "fault",
    &[
        one("faultCode", Type::AnyText),
        one("faultString", Type::AnyText),
        one("id", Type::AnyText),
        opt("description", Type::AnyText),
        opt("serial", Type::Int),
        opt("originalFaultCode", Type::AnyText),
        opt("originalFaultString", Type::AnyText),
        opt("originalDescription", Type::AnyText),
    ],
);

/// The notice as the QR code names it.
pub(super) const QR_CODE: &[Particle] = &[
    one("fiscalCode", FISCAL_CODE),
    one("noticeNumber", Type::Digits(18)),
];

const PAYMENT_LIST: Particle = opt_group(
    "paymentList",
    &[group(
        "paymentOptionDescription",
        &[
            one("amount", Type::AmountNotZero),
            one("options", Type::OneOf(&["EQ", "LS", "GT", "ANY"])),
            opt("dueDate", Type::Date),
            opt("detailDescription", TEXT_140),
            one("allCCP", Type::Boolean),
        ],
    )],
);

/// Debtor or payer.
pub(super) const SUBJECT: &[Particle] = &[
    group(
        "uniqueIdentifier",
        &[
            one("entityUniqueIdentifierType", Type::OneOf(&["F", "G"])),
            one("entityUniqueIdentifierValue", Type::PersonCode),
        ],
    ),
    one("fullName", TEXT_70),
    opt("streetName", TEXT_70),
    opt("civicNumber", TEXT_16),
    opt("postalCode", TEXT_16),
    opt("city", TEXT_35),
    opt("stateProvinceRegion", TEXT_35),
    opt("country", Type::TwoCapitals),
    opt("e-mail", Type::Email),
];

/// Free pairs of key and value.
pub(super) const METADATA: Particle = opt_group(
    "metadata",
    &[some(
        "mapEntry",
        15,
        &[one("key", TEXT_140), one("value", TEXT_140)],
    )],
);

pub(super) const TRANSFER: &[Particle] = &[
    one("idTransfer", Type::TransferNumber),
    one("transferAmount", Type::AmountNotZero),
    one("fiscalCodePA", FISCAL_CODE),
    Particle::Element(IBAN),
    one("remittanceInformation", TEXT_140),
    one("transferCategory", TEXT_140),
    METADATA,
];

const TRANSFER_V2: &[Particle] = &[
    one("idTransfer", Type::TransferNumber),
    one("transferAmount", Type::AmountNotZero),
    one("fiscalCodePA", FISCAL_CODE),
    opt("companyName", TEXT_140),
    Particle::Choice(&[
        IBAN,
        spec(
            "richiestaMarcaDaBollo",
            Content::Sequence(&[
                one("hashDocumento", Type::Base64UpTo72),
                one("tipoBollo", Type::OneOf(&["01"])),
                one("provinciaResidenza", Type::TwoCapitals),
            ]),
        ),
    ]),
    one("remittanceInformation", TEXT_140),
    one("transferCategory", TEXT_140),
    METADATA,
];

const VERIFY: Message = Message {
    root: "paVerifyPaymentNoticeRes",
    content: &[
        OUTCOME,
        FAULT,
        PAYMENT_LIST,
        opt("paymentDescription", TEXT_140),
        opt("fiscalCodePA", FISCAL_CODE),
        opt("companyName", TEXT_140),
        opt("officeName", TEXT_140),
    ],
    required_when_ok: &[
        "paymentList",
        "paymentDescription",
        "fiscalCodePA",
        "companyName",
    ],
};

const DEMAND: Message = Message {
    root: "paDemandPaymentNoticeResponse",
    content: &[
        OUTCOME,
        FAULT,
        opt_group("qrCode", QR_CODE),
        PAYMENT_LIST,
        opt("paymentDescription", TEXT_140),
        opt("fiscalCodePA", FISCAL_CODE),
        opt("companyName", TEXT_140),
        opt("officeName", TEXT_140),
    ],
    required_when_ok: &[
        "qrCode",
        "paymentList",
        "paymentDescription",
        "fiscalCodePA",
        "companyName",
    ],
};

const GET: Message = Message {
    root: "paGetPaymentRes",
    content: &[
        OUTCOME,
        FAULT,
        opt_group(
            "data",
            &[
                one("creditorReferenceId", TEXT_35),
                one("paymentAmount", Type::AmountNotZero),
                one("dueDate", Type::Date),
                opt("retentionDate", Type::DateTime),
                opt("lastPayment", Type::Boolean),
                one("description", TEXT_140),
                opt("companyName", TEXT_140),
                opt("officeName", TEXT_140),
                group("debtor", SUBJECT),
                group("transferList", &[some("transfer", 5, TRANSFER)]),
                METADATA,
            ],
        ),
    ],
    required_when_ok: &["data"],
};

const GET_V2: Message = Message {
    root: "paGetPaymentV2Response",
    content: &[
        OUTCOME,
        FAULT,
        opt_group(
            "data",
            &[
                one("creditorReferenceId", TEXT_35),
                one("paymentAmount", Type::AmountNotZero),
                one("dueDate", Type::Date),
                opt("retentionDate", Type::DateTime),
                opt("lastPayment", Type::Boolean),
                one("description", TEXT_140),
                one("companyName", TEXT_140),
                opt("officeName", TEXT_140),
                group("debtor", SUBJECT),
                group("transferList", &[some("transfer", 5, TRANSFER_V2)]),
                METADATA,
            ],
        ),
    ],
    required_when_ok: &["data"],
};

const SEND: Message = Message {
    root: "paSendRTRes",
    content: &[OUTCOME, FAULT],
    required_when_ok: &[],
};

const SEND_V2: Message = Message {
    root: "paSendRTV2Response",
    content: &[OUTCOME, FAULT],
    required_when_ok: &[],
};

/// The reply an operation is answered with.
pub(super) const fn reply(operation: Operation) -> &'static Message {
    match operation {
        Operation::VerifyPaymentNotice => &VERIFY,
        Operation::GetPayment => &GET,
        Operation::GetPaymentV2 => &GET_V2,
        Operation::SendRt => &SEND,
        Operation::SendRtV2 => &SEND_V2,
        Operation::DemandPaymentNotice => &DEMAND,
    }
}
