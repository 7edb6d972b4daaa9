//! What the node demands of a reply beyond the schema: outcome and fault, the data of a positive
//! outcome, the sum of the transfers and their numbers.

use super::schema::Message;
use super::types;
use super::xml::Node;

/// Collects the broken rules of a reply.
pub(super) fn check(root: &Node, message: &Message, problems: &mut Vec<String>) {
    let has_fault = root.child("fault").is_some();
    match root.text_of("outcome") {
        Some("OK") => {
            if has_fault {
                problems.push("outcome OK with a fault".to_owned());
            }
            for name in message.required_when_ok {
                if root.child(name).is_none() {
                    problems.push(format!("outcome OK without {name}"));
                }
            }
        }
        Some("KO") if !has_fault => problems.push("outcome KO without a fault".to_owned()),
        _ => {}
    }
    if let Some(data) = root.child("data") {
        transfers(data, problems);
    }
}

/// `transferAmount` adds up to `paymentAmount`, and `idTransfer` counts 1, 2, 3, … without a gap.
fn transfers(data: &Node, problems: &mut Vec<String>) {
    let Some(list) = data.child("transferList") else {
        return;
    };
    let transfers: Vec<&Node> = list
        .children
        .iter()
        .filter(|t| t.name == "transfer")
        .collect();
    let sum = transfers.iter().try_fold(0_i64, |sum, transfer| {
        sum.checked_add(types::cents(transfer.text_of("transferAmount")?)?)
    });
    let amount = data.text_of("paymentAmount").and_then(types::cents);
    if let (Some(sum), Some(amount)) = (sum, amount)
        && sum != amount
    {
        problems.push(format!(
            "the transfers sum to {sum} cents, paymentAmount is {amount} cents"
        ));
    }
    let numbers: Option<Vec<i32>> = transfers
        .iter()
        .map(|transfer| types::int(transfer.text_of("idTransfer")?))
        .collect();
    if let Some(mut numbers) = numbers {
        numbers.sort_unstable();
        let is_contiguous = (1_i32..)
            .zip(&numbers)
            .all(|(expected, number)| expected == *number);
        if !is_contiguous {
            problems.push(format!(
                "idTransfer must count from 1 without gaps, is {numbers:?}"
            ));
        }
    }
}
