//! The replies, written so that the node accepts them.
//!
//! The node refuses a reply with an empty optional element, a text that is too long, a sum that
//! does not match, an outcome without its data (SANP, best practice; the list of what it refuses is
//! longer than the schema). So every text is cut to its limit here, whatever the store holds.

use super::fault::Fault;
use super::notice::Payable;
use super::wire::{PA_FOR_NODE, Version};
use crate::desk::journal::{Reply, Subject};
use crate::domain::party::PartyKind;
use crate::domain::text::cut;
use crate::wire::soap;
use crate::wire::xml::Writer;

/// `paVerifyPaymentNoticeRes`.
pub(super) fn verify(answer: Result<Payable, Fault>, subject: &Subject) -> Reply {
    print("paVerifyPaymentNoticeRes", answer, subject, |w, payable| {
        let order = &payable.debt.order;
        w.nested("paymentList", |w| {
            w.nested("paymentOptionDescription", |w| {
                w.leaf("amount", &order.amount.to_string());
                w.leaf("options", "EQ");
                w.leaf("dueDate", &order.due_on.to_string());
                w.optional("detailDescription", Some(cut(&order.description, 140)));
                // Only when every transfer can go to a postal account (SANP).
                let postal = payable.creditor.accounts.postal().is_some();
                w.leaf("allCCP", if postal { "true" } else { "false" });
            });
        });
        w.leaf("paymentDescription", cut(&order.description, 140));
        w.leaf("fiscalCodePA", payable.creditor.code.as_str());
        w.leaf("companyName", cut(&payable.creditor.name, 140));
        w.optional("officeName", office(payable));
    })
}

/// `paGetPaymentRes`, `paGetPaymentV2Response`.
pub(super) fn get(version: Version, answer: Result<Payable, Fault>, subject: &Subject) -> Reply {
    let root = match version {
        Version::V1 => "paGetPaymentRes",
        Version::V2 => "paGetPaymentV2Response",
    };
    print(root, answer, subject, |w, payable| {
        let order = &payable.debt.order;
        w.nested("data", |w| {
            w.leaf("creditorReferenceId", payable.debt.notice.iuv().as_str());
            w.leaf("paymentAmount", &order.amount.to_string());
            w.leaf("dueDate", &order.due_on.to_string());
            w.leaf("description", cut(&order.description, 140));
            w.leaf("companyName", cut(&payable.creditor.name, 140));
            w.optional("officeName", office(payable));
            debtor(w, payable);
            w.nested("transferList", |w| transfer(w, version, payable));
        });
    })
}

/// `paSendRTRes`, `paSendRTV2Response`.
pub(super) fn receipt(version: Version, answer: Result<(), Fault>, subject: &Subject) -> Reply {
    let root = match version {
        Version::V1 => "paSendRTRes",
        Version::V2 => "paSendRTV2Response",
    };
    print(root, answer, subject, |_, ()| {})
}

fn office(payable: &Payable) -> Option<&str> {
    payable
        .creditor
        .office
        .as_deref()
        .map(|text| cut(text, 140))
}

fn debtor(w: &mut Writer, payable: &Payable) {
    let payer = &payable.debt.order.payer;
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
        w.leaf("e-mail", payer.email.as_str());
    });
}

/// The one transfer: all of it to the creditor's own account.
fn transfer(w: &mut Writer, version: Version, payable: &Payable) {
    let account = payable.creditor.accounts.choose(payable.transfer_type);
    let order = &payable.debt.order;
    w.nested("transfer", |w| {
        w.leaf("idTransfer", "1");
        w.leaf("transferAmount", &order.amount.to_string());
        w.leaf("fiscalCodePA", payable.creditor.code.as_str());
        if version == Version::V2 {
            w.leaf("companyName", cut(&payable.creditor.name, 140));
        }
        w.leaf("IBAN", account.iban.as_str());
        let remittance = format!(
            "/RFB/{}/{}/TXT/{}",
            payable.debt.notice.iuv(),
            order.amount,
            order.description
        );
        w.leaf("remittanceInformation", cut(&remittance, 140));
        let taxonomy = payable
            .creditor
            .services
            .get(&order.service)
            .map_or(SCHOOL_MEALS, |service| service.taxonomy.as_str());
        w.leaf("transferCategory", cut(taxonomy, 140));
        // The second account is asked for in V2 only (SANP, `transferType`).
        if let Some(support) = account.support.filter(|_| version == Version::V2) {
            w.nested("metadata", |w| {
                w.nested("mapEntry", |w| {
                    w.leaf("key", "IBANAPPOGGIO");
                    w.leaf("value", support.as_str());
                });
            });
        }
    });
}

/// The taxonomy of school meals, for a service that is not configured any more.
const SCHOOL_MEALS: &str = "9/0107101TS/";

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
