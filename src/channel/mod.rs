//! The rails: one folder each, with its wire types, its routes and its jobs.
//!
//! A rail turns bytes into a call at the desk, and the answer into bytes. Rails never import each
//! other. Adding one adds a line here and nothing else outside its folder.

pub mod aca;
pub mod checkout;
pub mod fdr;
pub mod node;
pub mod notice_pdf;
pub mod receipts;
