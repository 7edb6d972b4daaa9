//! The command line: reads its words and calls what they name.

use std::process::ExitCode;

use clap::Parser;
use pagomensa::cli::{self, Command};

/// Payment gateway for school meals: pagoPA on one side, the canteen's meal ledger on the other.
#[derive(Debug, Parser)]
#[command(name = "pagomensa", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _points = pagomensa::point::listen();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return cli::fail(&error),
    };
    match runtime.block_on(cli::run(arguments.command)) {
        Ok(code) => code,
        Err(error) => cli::fail(error.as_ref()),
    }
}
