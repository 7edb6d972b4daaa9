//! Reporting flows (flussi di rendicontazione): which payments a credit of the bank is made of.
//!
//! A PSP sends the money of a day in one credit, and says in a flow which receipts it pays. So far
//! the file is read here; it is brought in by hand.

pub mod wire;
