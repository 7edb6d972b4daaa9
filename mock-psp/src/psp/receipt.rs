//! The receipt of a payment: what the creditor asked for, echoed, with what the PSP adds.

use jiff::civil::DateTime;

use super::order::{Order, Payer};
use crate::config::Creditor;
use crate::money::{decimal, share};
use crate::platform::Position;
use crate::verdict::cents;
use crate::verdict::xml::Node;

pub(super) const PSP_ID: &str = "ABI99999";
const PSP_FISCAL_CODE: &str = "99999999999";
pub(super) const PSP_NAME: &str = "PSP simulato";
const CHANNEL: &str = "99999999999_01";
/// What the PSP takes from the payer.
const FEE_CENTS: i64 = 100;
/// The account named where the creditor was never asked for one.
const UNKNOWN_ACCOUNT: &str = "IT60X0542811101000000123456";
/// What a payment for school meals is called in the taxonomy.
const SCHOOL_MEALS: &str = "9/0107101TS/";
/// What the archive calls a transfer, whatever is paid.
const STAND_IN: &str = "STAND-IN";
/// Any one base64 document stands for the stamp that was bought.
const STAMP: &str = "bWFyY2EgZGEgYm9sbG8=";

/// All a receipt is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) order: &'a Order,
    pub(crate) creditor: &'a Creditor,
    /// The reply to verify, where it was called.
    pub(crate) verified: Option<&'a Node>,
    /// `data` of the reply to get, where it was called.
    pub(crate) data: Option<&'a Node>,
    /// The position of the archive, where it is paid in stand-in.
    pub(crate) position: Option<&'a Position>,
    /// The wall clock in Rome.
    pub(crate) now: DateTime,
}

impl Facts<'_> {
    /// What is paid: as ordered, or as the creditor asks for.
    pub(crate) fn amount_cents(&self) -> Option<i64> {
        self.order
            .amount_cents
            .or_else(|| self.position.map(|position| position.amount_cents))
            .or_else(|| cents(self.data?.text_of("paymentAmount")?))
            .or_else(|| verified_cents(self.verified?))
    }

    /// The first text the creditor gave, under the name it has in the get or the verify reply.
    fn text(&self, in_data: &str, in_verified: &str) -> Option<&str> {
        let from_data = self.data.and_then(|data| data.text_of(in_data));
        from_data.or_else(|| self.verified?.text_of(in_verified))
    }

    /// The element `receipt`, full and in the order of the contract.
    pub(crate) fn receipt(&self, amount_cents: i64) -> Node {
        let order = self.order;
        let paid_at = order.paid_at.unwrap_or(self.now);
        let day = paid_at.date();
        let company = self
            .text("companyName", "companyName")
            .unwrap_or(&self.creditor.name);
        let reference = self
            .data
            .and_then(|data| data.text_of("creditorReferenceId"));
        let description = self
            .position
            .map(|position| position.description.as_str())
            .or_else(|| self.text("description", "paymentDescription"));
        let debtor = self.debtor();
        let payer = order
            .payer
            .as_ref()
            .map_or_else(|| debtor.clone(), |payer| person("", payer));
        let mut content = vec![
            Node::leaf("receiptId", &order.receipt_id),
            Node::leaf("noticeNumber", &order.notice_number),
            Node::leaf("fiscalCode", &order.fiscal_code),
            Node::leaf("outcome", "OK"),
            Node::leaf(
                "creditorReferenceId",
                reference.unwrap_or_else(|| self.iuv()),
            ),
            Node::leaf("paymentAmount", decimal(amount_cents)),
            Node::leaf(
                "description",
                cut(description.unwrap_or("Pagamento di prova"), 140),
            ),
            Node::leaf("companyName", company),
        ];
        let office = self.text("officeName", "officeName");
        content.extend(office.map(|office| Node::leaf("officeName", office)));
        content.extend([
            debtor,
            Node::branch("transferList", self.transfers(amount_cents)),
            Node::leaf("idPSP", PSP_ID),
            Node::leaf("pspFiscalCode", PSP_FISCAL_CODE),
            Node::leaf("pspPartitaIVA", PSP_FISCAL_CODE),
            Node::leaf("PSPCompanyName", PSP_NAME),
            Node::leaf("idChannel", CHANNEL),
            Node::leaf("channelDescription", "sportello"),
            Node {
                name: "payer".to_owned(),
                ..payer
            },
            Node::leaf("paymentMethod", "cash"),
        ]);
        let note = order.payment_note.as_deref();
        content.extend(note.map(|note| Node::leaf("paymentNote", note)));
        content.extend([
            Node::leaf("fee", decimal(FEE_CENTS)),
            Node::leaf(
                "paymentDateTime",
                paid_at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            ),
            Node::leaf("applicationDate", day.to_string()),
            Node::leaf("transferDate", day.tomorrow().unwrap_or(day).to_string()),
        ]);
        content.extend(self.data.and_then(|data| data.child("metadata")).cloned());
        let stand_in = self.position.is_some();
        content.push(Node::leaf("standIn", stand_in.to_string()));
        if order.extra_element {
            content.push(Node::leaf("newElement", "an element of a later version"));
        }
        Node::branch("receipt", content)
    }

    /// The creditor's reference: of the position, or inside the notice number.
    fn iuv(&self) -> &str {
        self.position
            .map_or_else(|| self.order.iuv(), |position| &position.iuv)
    }

    fn debtor(&self) -> Node {
        if let Some(position) = self.position {
            let debtor = Payer {
                name: cut(&position.entity_full_name, 70),
                fiscal_code: cut(&position.entity_fiscal_code, 16),
            };
            return person("debtor", &debtor);
        }
        let echoed = self.data.and_then(|data| data.child("debtor")).cloned();
        let unknown = || Payer {
            name: "ANONIMO".to_owned(),
            fiscal_code: "ANONIMO".to_owned(),
        };
        echoed
            .unwrap_or_else(|| person("debtor", &self.order.payer.clone().unwrap_or_else(unknown)))
    }

    /// The creditor's transfers with the amount that is paid shared out over them.
    fn transfers(&self, amount_cents: i64) -> Vec<Node> {
        let list = self.data.and_then(|data| data.child("transferList"));
        let Some(list) = list else {
            return vec![self.own_transfer(amount_cents)];
        };
        let asked = list
            .children
            .iter()
            .map(|transfer| cents(transfer.text_of("transferAmount")?));
        let paid = asked
            .collect::<Option<Vec<i64>>>()
            .and_then(|asked| share(&asked, amount_cents));
        match paid {
            Some(paid) => list
                .children
                .iter()
                .zip(paid)
                .map(|(transfer, cents)| echo(transfer, cents))
                .collect(),
            None => vec![self.own_transfer(amount_cents)],
        }
    }

    /// One transfer of everything to the creditor.
    fn own_transfer(&self, amount_cents: i64) -> Node {
        let amount = decimal(amount_cents);
        let remittance = format!("/RFB/{}/{amount}", self.iuv());
        // In stand-in everything goes to the one account the archive knows.
        let account = self.position.and_then(|position| position.iban.as_deref());
        let category = match self.position {
            Some(_) => STAND_IN,
            None => SCHOOL_MEALS,
        };
        Node::branch(
            "transfer",
            vec![
                Node::leaf("idTransfer", "1"),
                Node::leaf("transferAmount", amount),
                Node::leaf("fiscalCodePA", &self.order.fiscal_code),
                Node::leaf("companyName", &self.creditor.name),
                Node::leaf("IBAN", account.unwrap_or(UNKNOWN_ACCOUNT)),
                Node::leaf("remittanceInformation", remittance),
                Node::leaf("transferCategory", category),
            ],
        )
    }
}

/// The receipt as the first version writes it, which knows neither payment note nor the name of a
/// transfer's company. Nothing comes back for a stamp, which it cannot carry.
pub(crate) fn first_version(receipt: &Node) -> Option<Node> {
    let without = |node: &Node, name: &str| {
        let kept = node.children.iter().filter(|child| child.name != name);
        Node {
            children: kept.cloned().collect(),
            ..node.clone()
        }
    };
    let mut first = without(receipt, "paymentNote");
    for child in &mut first.children {
        if child.name == "transferList" {
            let mut transfers = child.children.iter();
            if transfers.any(|transfer| transfer.child("MBDAttachment").is_some()) {
                return None;
            }
            for transfer in &mut child.children {
                *transfer = without(transfer, "companyName");
            }
        }
    }
    Some(first)
}

/// A text within the limit of the contract.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// The amount of the one option a verify reply holds.
pub(crate) fn verified_cents(verified: &Node) -> Option<i64> {
    let option = verified
        .child("paymentList")?
        .child("paymentOptionDescription")?;
    cents(option.text_of("amount")?)
}

/// A transfer as the receipt repeats it: another amount, and the stamp instead of its request.
fn echo(transfer: &Node, amount_cents: i64) -> Node {
    let children = transfer
        .children
        .iter()
        .map(|child| match child.name.as_str() {
            "transferAmount" => Node::leaf("transferAmount", decimal(amount_cents)),
            "richiestaMarcaDaBollo" => Node::leaf("MBDAttachment", STAMP),
            _ => child.clone(),
        });
    Node::branch("transfer", children.collect())
}

/// A person or a company by name and fiscal code.
fn person(name: &str, payer: &Payer) -> Node {
    let is_company = payer.fiscal_code.len() == 11;
    Node::branch(
        name,
        vec![
            Node::branch(
                "uniqueIdentifier",
                vec![
                    Node::leaf(
                        "entityUniqueIdentifierType",
                        if is_company { "G" } else { "F" },
                    ),
                    Node::leaf("entityUniqueIdentifierValue", &payer.fiscal_code),
                ],
            ),
            Node::leaf("fullName", &payer.name),
        ],
    )
}
