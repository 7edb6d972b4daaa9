//! Legal replies, and tables of the ways they can go wrong.

mod envelope;
mod legal;
mod rules;
mod samples;
mod simple;
mod structure;
