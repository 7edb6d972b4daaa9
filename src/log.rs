//! The log: sentences that stand alone, with fields beside them, on standard error.
//!
//! No names, no whole fiscal codes, no keys and no bodies are ever logged; those are in the store,
//! under access control.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts the log; later calls change nothing.
pub fn start(config: &Log) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start, as in tests, finds a log that runs already.
    let _ = match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
