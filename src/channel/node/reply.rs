//! The replies, written so that the node accepts them.
//!
//! The node refuses a reply with an empty optional element, a text that is too long, a sum that
//! does not match, an outcome without its data (SANP, best practice; the list of what it refuses is
//! longer than the schema). So every text is cut to its limit here, whatever the store holds.

use super::fault::Fault;
use super::notice::Payable;
use super::wire::{Operation, PA_FOR_NODE, Version};
use crate::desk::journal::{Reply, Subject};
use crate::domain::creditor::Register;
use crate::domain::party::{Country, PartyKind, Payer};
use crate::domain::text::cut;
use crate::domain::transfer::{Transfer, all_postal, transfers};
use crate::wire::soap;
use crate::wire::xml::Writer;

/// `paVerifyPaymentNoticeRes`.
pub(super) fn verify(
    answer: Result<Payable, Fault>,
    register: &Register,
    subject: &Subject,
) -> Reply {
    print(Operation::Verify.reply(), answer, subject, |w, payable| {
        offer(w, payable, register);
    })
}

/// `paDemandPaymentNoticeResponse`.
pub(super) fn demand(
    answer: Result<Payable, Fault>,
    register: &Register,
    subject: &Subject,
) -> Reply {
    print(Operation::Demand.reply(), answer, subject, |w, payable| {
        w.nested("qrCode", |w| {
            w.leaf("fiscalCode", payable.creditor.code.as_str());
            w.leaf("noticeNumber", payable.debt.notice.as_str());
        });
        offer(w, payable, register);
    })
}

fn offer(w: &mut Writer, payable: &Payable, register: &Register) {
    let order = &payable.debt.order;
    w.nested("paymentList", |w| {
        w.nested("paymentOptionDescription", |w| {
            w.leaf("amount", &order.amount.to_string());
            w.leaf("options", "EQ");
            w.leaf("dueDate", &order.due_on.to_string());
            w.optional("detailDescription", Some(cut(&order.description, 140)));
            let postal = all_postal(&payable.debt, register);
            w.leaf("allCCP", if postal { "true" } else { "false" });
        });
    });
    w.leaf("paymentDescription", cut(&order.description, 140));
    w.leaf("fiscalCodePA", payable.creditor.code.as_str());
    w.leaf("companyName", cut(&payable.creditor.name, 140));
    w.optional("officeName", office(payable));
}

/// `paGetPaymentRes`, `paGetPaymentV2Response`.
pub(super) fn get(
    version: Version,
    answer: Result<Payable, Fault>,
    register: &Register,
    subject: &Subject,
) -> Reply {
    print(
        Operation::Get(version).reply(),
        answer,
        subject,
        |w, payable| {
            let order = &payable.debt.order;
            // Without an account the list stays empty, and the guard stops the reply.
            let transfers =
                transfers(&payable.debt, register, payable.transfer_type).unwrap_or_default();
            w.nested("data", |w| {
                w.leaf("creditorReferenceId", payable.debt.notice.iuv().as_str());
                w.leaf("paymentAmount", &order.amount.to_string());
                w.leaf("dueDate", &order.due_on.to_string());
                w.leaf("description", cut(&order.description, 140));
                w.leaf("companyName", cut(&payable.creditor.name, 140));
                w.optional("officeName", office(payable));
                debtor(w, &order.payer);
                w.nested("transferList", |w| {
                    for (index, each) in transfers.iter().enumerate() {
                        transfer(w, version, index + 1, each);
                    }
                });
                metadata(
                    w,
                    order.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())),
                );
            });
        },
    )
}

/// `paSendRTRes`, `paSendRTV2Response`.
pub(super) fn receipt(version: Version, answer: Result<(), Fault>, subject: &Subject) -> Reply {
    print(
        Operation::Receipt(version).reply(),
        answer,
        subject,
        |_, ()| {},
    )
}

fn office(payable: &Payable) -> Option<&str> {
    payable
        .creditor
        .office
        .as_deref()
        .map(|text| cut(text, 140))
}

fn debtor(w: &mut Writer, payer: &Payer) {
    w.nested("debtor", |w| {
        w.nested("uniqueIdentifier", |w| {
            let kind = match payer.fiscal_code.kind() {
                PartyKind::Person => "F",
                PartyKind::Body => "G",
            };
            w.leaf("entityUniqueIdentifierType", kind);
            w.leaf("entityUniqueIdentifierValue", payer.fiscal_code.as_str());
        });
        w.leaf("fullName", cut(&payer.name, 70));
        if let Some(address) = &payer.address {
            let mut line = |name, text: &Option<String>, limit| {
                w.optional(name, text.as_deref().map(|text| cut(text, limit)));
            };
            line("streetName", &address.street, 70);
            line("civicNumber", &address.number, 16);
            line("postalCode", &address.postal_code, 16);
            line("city", &address.city, 35);
            line("stateProvinceRegion", &address.province, 35);
            w.optional("country", address.country.as_ref().map(Country::as_str));
        }
        w.leaf("e-mail", payer.email.as_str());
    });
}

fn transfer(w: &mut Writer, version: Version, id: usize, transfer: &Transfer<'_>) {
    w.nested("transfer", |w| {
        w.leaf("idTransfer", &id.to_string());
        w.leaf("transferAmount", &transfer.amount.to_string());
        w.leaf("fiscalCodePA", transfer.creditor.as_str());
        if version == Version::V2 {
            w.optional("companyName", transfer.name.map(|name| cut(name, 140)));
        }
        w.leaf("IBAN", transfer.account.iban.as_str());
        w.leaf("remittanceInformation", cut(&transfer.remittance, 140));
        w.leaf("transferCategory", cut(transfer.category, 140));
        // The second account is asked for in V2 only (SANP, `transferType`).
        let support = transfer.account.support.filter(|_| version == Version::V2);
        metadata(
            w,
            support
                .map(|iban| ("IBANAPPOGGIO", iban.as_str()))
                .into_iter(),
        );
    });
}

/// Keys and values, or nothing at all: an empty list is refused.
fn metadata<'m>(w: &mut Writer, entries: impl Iterator<Item = (&'m str, &'m str)>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    w.nested("metadata", |w| {
        for (key, value) in entries {
            w.nested("mapEntry", |w| {
                w.leaf("key", cut(key, 140));
                w.leaf("value", cut(value, 140));
            });
        }
    });
}

/// The reply to say instead of one that the node would not take.
pub(super) fn system_error(operation: Operation, subject: &Subject) -> Reply {
    let fault = Err(Fault::system(
        "the data of the notice do not allow an answer",
    ));
    print::<()>(operation.reply(), fault, subject, |_, ()| {})
}

/// A reply of the protocol: HTTP 200, OK with its data or KO with its fault.
fn print<T>(
    root: &str,
    answer: Result<T, Fault>,
    subject: &Subject,
    data: impl FnOnce(&mut Writer, &T),
) -> Reply {
    let bytes = soap::envelope(|w| {
        w.element(
            &format!("paf:{root}"),
            &format!("xmlns:paf=\"{PA_FOR_NODE}\""),
            |w| match &answer {
                Ok(answer) => {
                    w.leaf("outcome", "OK");
                    data(w, answer);
                }
                Err(fault) => {
                    w.leaf("outcome", "KO");
                    w.nested("fault", |w| {
                        w.leaf("faultCode", fault.code);
                        w.leaf("faultString", fault.string);
                        w.leaf("id", subject.creditor.as_deref().unwrap_or("sconosciuto"));
                        w.optional("description", fault.description.as_deref());
                    });
                }
            },
        );
    });
    Reply {
        http_status: 200,
        outcome: match &answer {
            Ok(_) => "OK".to_owned(),
            Err(fault) => fault.code.to_owned(),
        },
        bytes,
    }
}
