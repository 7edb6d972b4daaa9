//! The pure centre: what a debt and a payment are, and every decision about them.
//!
//! Nothing here waits, reads a clock, opens a file or speaks SQL. Each function takes the facts it
//! decides on as arguments, so that its rule can be read, and tested, as a table.

pub mod address;
pub mod case;
pub mod checkout;
pub mod creditor;
pub mod day;
pub mod debt;
pub mod event;
pub mod iban;
pub mod ids;
pub mod link;
pub mod mail;
pub mod money;
pub mod notice;
pub mod party;
pub mod payment;
pub mod print;
pub mod privacy;
pub mod refusal;
pub mod reminder;
pub mod text;
pub mod transfer;
