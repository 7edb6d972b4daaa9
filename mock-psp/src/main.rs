//! `mock-psp`: the simulated world as a program of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use mock_psp::{Creditor, NodeIdentity, NodeTls, World, WorldConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The simulated world around the payment gateway: a parents' portal, the pagoPA node with a PSP
/// counter, and the meal ledger. Everything is fictitious; no money moves.
#[derive(Parser)]
#[command(version, after_help = EXAMPLE)]
struct Cli {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// Address to take mail on (SMTP)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_mail: Option<SocketAddr>,
    /// Folder of world.db, kept between runs
    #[arg(long, value_name = "DIR", default_value = "data/world")]
    data: PathBuf,
    /// Web door of the gateway; its REST interface is below /api/v1
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    gateway_web: String,
    /// SOAP door of the gateway
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://127.0.0.1:8081/node"
    )]
    gateway_node: String,
    /// Authority that signed the gateway's certificate, and the only one trusted (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["client_cert", "client_key"])]
    ca: Option<PathBuf>,
    /// Certificate the node shows to the gateway (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["ca", "client_key"])]
    client_cert: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["ca", "client_cert"])]
    client_key: Option<PathBuf>,
    /// A further certificate the node can change to, with its key; repeat it for more
    #[arg(long, value_name = "NAME:CERT:KEY", requires = "ca")]
    client_identity: Vec<IdentityArg>,
    /// A creditor the portal and the counter know; repeat it for more. The name may hold colons
    #[arg(
        long,
        value_name = "FISCAL:NAME:BROKER:STATION:PORTALKEY",
        required = true
    )]
    creditor: Vec<CreditorArg>,
    /// A creditor whose station gets copies of receipts as a further beneficiary; repeat it for more
    #[arg(long, value_name = "FISCAL")]
    broadcast: Vec<String>,
    /// Bearer token the meal ledger demands
    #[arg(long, value_name = "TOKEN")]
    ledger_token: String,
    /// Key the REST services of the simulated pagoPA demand (ACA, BizEvents, GPD receipts)
    #[arg(long, value_name = "KEY")]
    subscription_key: String,
}

const EXAMPLE: &str = "Example:
  mock-psp --listen 127.0.0.1:8082 --data data/world \\
      --gateway-web http://127.0.0.1:8080 --gateway-node https://127.0.0.1:8081/node \\
      --ca ca.pem --client-cert node.pem --client-key node.key \\
      --creditor '77777777777:Comune di Esempio:77777777777:77777777777_01:KEY' \\
      --ledger-token TOKEN --subscription-key KEY

Then open http://127.0.0.1:8082/ and follow the three steps.";

/// A creditor as the command line writes it.
#[derive(Clone)]
struct CreditorArg(Creditor);

impl FromStr for CreditorArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be FISCAL:NAME:BROKER:STATION:PORTALKEY";
        let (fiscal_code, rest) = text.split_once(':').ok_or(wrong)?;
        let (rest, portal_key) = rest.rsplit_once(':').ok_or(wrong)?;
        let (rest, station) = rest.rsplit_once(':').ok_or(wrong)?;
        let (name, broker) = rest.rsplit_once(':').ok_or(wrong)?;
        let is_fiscal_code =
            |text: &str| text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit());
        if !is_fiscal_code(fiscal_code) || !is_fiscal_code(broker) {
            return Err("the fiscal codes of creditor and broker must be 11 digits");
        }
        if [name, station, portal_key]
            .iter()
            .any(|part| part.is_empty())
        {
            return Err(wrong);
        }
        let [fiscal_code, name, broker, station, portal_key] =
            [fiscal_code, name, broker, station, portal_key].map(str::to_owned);
        Ok(CreditorArg(Creditor {
            fiscal_code,
            name,
            broker,
            station,
            portal_key,
            broadcast: false,
        }))
    }
}

/// A certificate as the command line writes it.
#[derive(Clone)]
struct IdentityArg(NodeIdentity);

impl FromStr for IdentityArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            [name, cert, key] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(IdentityArg(NodeIdentity {
                    name: (*name).to_owned(),
                    client_cert: PathBuf::from(cert),
                    client_key: PathBuf::from(key),
                }))
            }
            _ => Err("must be NAME:CERT:KEY"),
        }
    }
}

impl Cli {
    fn config(self) -> WorldConfig {
        let files = self.ca.zip(self.client_cert).zip(self.client_key);
        WorldConfig {
            data_dir: self.data,
            gateway_web: self.gateway_web,
            gateway_node: self.gateway_node,
            tls: files.map(|((ca, client_cert), client_key)| NodeTls {
                ca,
                client_cert,
                client_key,
                others: self
                    .client_identity
                    .into_iter()
                    .map(|IdentityArg(identity)| identity)
                    .collect(),
            }),
            creditors: self
                .creditor
                .into_iter()
                .map(|CreditorArg(creditor)| Creditor {
                    broadcast: self.broadcast.contains(&creditor.fiscal_code),
                    ..creditor
                })
                .collect(),
            ledger_token: self.ledger_token,
            subscription_key: self.subscription_key,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            // Nobody is left to tell when standard error is closed.
            writeln!(std::io::stderr(), "mock-psp: {text}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(cli.listen).await?;
    let mail = match cli.listen_mail {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    let world = World::start(listener, cli.config()).await?;
    if let Some(listener) = mail {
        world.serve_mail(listener);
    }
    writeln!(
        std::io::stdout(),
        "the simulated world is at http://{}/",
        world.addr()
    )?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    world.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_certificate_is_read_from_one_argument() {
        let IdentityArg(identity) = "renewed:a.pem:a.key".parse().ok().unwrap();
        assert_eq!(identity.name, "renewed");
        assert_eq!(identity.client_key, PathBuf::from("a.key"));
        for wrong in ["", "a:b", "a::c", "a:b:c:d"] {
            assert!(wrong.parse::<IdentityArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_creditor_is_read_from_one_argument() {
        let text = "77777777777:Comune: di Esempio:77777777778:77777777778_01:key";
        let CreditorArg(creditor) = text.parse().ok().unwrap();
        assert_eq!(creditor.fiscal_code, "77777777777");
        assert_eq!(creditor.name, "Comune: di Esempio");
        assert_eq!(creditor.broker, "77777777778");
        assert_eq!(creditor.station, "77777777778_01");
        assert_eq!(creditor.portal_key, "key");
        for wrong in [
            "",
            "77777777777:a:b:c",
            "7:Comune:77777777778:s:k",
            "77777777777::77777777778:s:k",
        ] {
            assert!(wrong.parse::<CreditorArg>().is_err(), "{wrong}");
        }
    }
}
