//! What the benchmarks share: databases on a real disk, a gateway with open doors, messages that
//! cost nothing to make, and figures with their spread.

pub(crate) mod database;
pub(crate) mod figures;
pub(crate) mod gateway;
pub(crate) mod http;
#[path = "../../tests/pki.rs"]
mod identities;
pub(crate) mod messages;
pub(crate) mod notices;
pub(crate) mod pki;
#[path = "../../tests/postgres.rs"]
mod postgres;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod sender;

/// The municipality of the demo, whose notices are paid here.
pub(crate) const TOWN: &str = "77777777777";
