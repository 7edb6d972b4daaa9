//! The tests that come in through the public doors: one program, a file per door.
//!
//! Every test over a store runs on SQLite and on PostgreSQL; `engines.rs` says how the second is
//! found, and its first line of output says which were covered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::allow_attributes,
    missing_docs,
    unreachable_pub,
    reason = "a test that fails says so by panicking"
)]

mod aca;
mod browser;
mod changes;
mod check;
mod checkout;
mod conformance;
mod engines;
mod events;
mod faults;
mod house;
mod hunter;
mod invoices;
mod journal;
mod ledger;
mod listener;
mod mails;
mod metrics;
mod node;
mod operators;
mod pages;
mod papers;
mod pki;
mod portal;
mod postgres;
mod proxy;
mod qualify;
mod receipts;
mod reload;
mod schema;
mod smoke;
mod statements;
mod store;
mod tamper;
mod transport;
mod webhooks;
mod world;
