//! `pagomensa demo`: the whole town in one process.
//!
//! The real gateway, with its real doors and a real database file, beside the simulated world of
//! `mock-psp`. Certificates, keys and the ledger's token are made on the first start and kept with
//! the data.

mod keys;
mod pki;

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mock_psp::{Creditor, NodeIdentity, NodeTls, World, WorldConfig};
use serde_json::json;

use super::serve::{Gateway, Listeners, stop_signal};
use super::{Outcome, say};
use crate::config::Config;
use crate::log;

/// How the demo runs.
#[derive(Debug, Args)]
pub struct Options {
    /// Where its data are kept between runs
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    data: PathBuf,
    /// Throw the data of earlier runs away
    #[arg(long)]
    fresh: bool,
    /// First of four ports: web, node, simulated world, its mail server
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65532))]
    port: u16,
    /// No banner: one line of JSON on standard output when everything is ready
    #[arg(long)]
    headless: bool,
}

/// A file by which a folder is known to be a demo's.
const MARK: &str = ".pagomensa-demo";

/// The four ports.
struct Ports {
    web: u16,
    node: u16,
    world: u16,
    mail: u16,
}

/// Where everything can be reached.
struct Addresses {
    web: String,
    node: String,
    world: String,
    mail: String,
}

pub(super) async fn run(options: Options) -> Outcome {
    let ports = Ports {
        web: options.port,
        node: options.port.saturating_add(1),
        world: options.port.saturating_add(2),
        mail: options.port.saturating_add(3),
    };
    let listeners = Listeners {
        web: bind(ports.web, &options)?,
        node: Some(bind(ports.node, &options)?),
    };
    let world_listener = bind(ports.world, &options)?;
    let mail_listener = bind(ports.mail, &options)?;
    prepare(&options)?;
    let files = pki::ensure(&options.data.join("tls"))?;
    let token = keys::secret(&options.data, "ledger.token")?;
    let subscription_key = keys::secret(&options.data, "subscription.key")?;
    let mut config = config(&options.data, &ports, &files, &token, &subscription_key)?;
    config.pay.enabled = true;
    config.pay.link_key = keys::secret(&options.data, "links.key")?.into();
    log::start(&config.log);
    let register = config.register()?;
    let gateway = Box::pin(Gateway::start(config, listeners)).await?;
    let portal_keys = keys::portal_keys(&options.data, gateway.desk()).await?;
    let operator_key = keys::operator_key(&options.data, gateway.desk()).await?;
    let addresses = Addresses {
        web: format!("http://127.0.0.1:{}", ports.web),
        node: format!("https://127.0.0.1:{}", ports.node),
        world: format!("http://127.0.0.1:{}", ports.world),
        mail: format!("smtp://127.0.0.1:{}", ports.mail),
    };
    let creditors: Vec<Creditor> = register
        .iter()
        .map(|creditor| Creditor {
            fiscal_code: creditor.code.to_string(),
            name: creditor.name.clone(),
            broker: creditor.broker.clone(),
            station: creditor.stations.first().cloned().unwrap_or_default(),
            portal_key: portal_keys
                .get(creditor.code.as_str())
                .cloned()
                .unwrap_or_default(),
            broadcast: true,
        })
        .collect();
    let world = World::start(
        tokio::net::TcpListener::from_std(world_listener)?,
        WorldConfig {
            data_dir: options.data.join("world"),
            gateway_web: addresses.web.clone(),
            gateway_node: format!("{}/node", addresses.node),
            tls: Some(NodeTls {
                ca: files.ca.clone(),
                client_cert: files.client_cert.clone(),
                client_key: files.client_key.clone(),
                others: vec![NodeIdentity {
                    name: "renewed".to_owned(),
                    client_cert: files.renewed_cert.clone(),
                    client_key: files.renewed_key.clone(),
                }],
            }),
            creditors: creditors.clone(),
            ledger_token: token,
            subscription_key: subscription_key.clone(),
        },
    )
    .await?;
    world.serve_mail(tokio::net::TcpListener::from_std(mail_listener)?);
    let secrets = Secrets {
        operator_key: &operator_key,
        subscription_key: &subscription_key,
    };
    announce(&options, &addresses, &files, &creditors, &secrets)?;
    stop_signal().await?;
    if !options.headless {
        say("\nThe demo is stopping.")?;
    }
    gateway.stop().await;
    world.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// What is told beside the portals' keys.
struct Secrets<'a> {
    operator_key: &'a str,
    subscription_key: &'a str,
}

/// Binds a port of the demo on this machine only.
fn bind(port: u16, options: &Options) -> Result<TcpListener, Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            format!(
                "port {port} is taken by another program (perhaps another demo).\n\
                 The demo needs four ports in a row, from {}. Choose others, for instance:\n\
                 \n    cargo run -- demo --port {}\n",
                options.port,
                u32::from(options.port) + 1_000
            )
        } else {
            format!("port {port} cannot be listened on: {error}")
        }
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What a demo makes in its folder; nothing else is ever deleted.
const OWN: [&str; 11] = [
    "pagomensa.db",
    "pagomensa.db-wal",
    "pagomensa.db-shm",
    "world",
    "tls",
    "portal-keys.json",
    "ledger.token",
    "links.key",
    "operator.key",
    "subscription.key",
    MARK,
];

/// Makes the data folder, emptied of an earlier demo when that is asked for.
fn prepare(options: &Options) -> Result<(), Box<dyn Error>> {
    let data = &options.data;
    let mark = data.join(MARK);
    let is_empty = !data.exists() || std::fs::read_dir(data)?.next().is_none();
    if !is_empty && !mark.exists() {
        return Err(format!(
            "{} holds something that is not a demo's (there is no {MARK} in it): choose an empty \
             folder with --data",
            data.display()
        )
        .into());
    }
    if options.fresh {
        for name in OWN {
            let path = data.join(name);
            if path.is_dir() {
                std::fs::remove_dir_all(path)?;
            } else if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
    }
    std::fs::create_dir_all(data)?;
    std::fs::write(mark, "")?;
    Ok(())
}

/// The demo's configuration: the seeds of `config/demo.toml`, and what only this start knows.
fn config(
    data: &Path,
    ports: &Ports,
    files: &pki::Files,
    token: &str,
    subscription_key: &str,
) -> Result<Config, Box<dyn Error>> {
    let mut config = Config::with(include_str!("../../../config/demo.toml"))?;
    let database = data.join("pagomensa.db");
    config.database.url = format!("sqlite://{}", database.display()).into();
    config.web.listen = format!("127.0.0.1:{}", ports.web);
    config.web.public_url = format!("http://127.0.0.1:{}", ports.web);
    config.node.listen = format!("127.0.0.1:{}", ports.node);
    config
        .node
        .tls
        .certificate_file
        .clone_from(&files.server_cert);
    config.node.tls.key_file.clone_from(&files.server_key);
    config.node.tls.client_ca_file.clone_from(&files.ca);
    config.ledger.url = format!("http://127.0.0.1:{}/ledger", ports.world);
    config.ledger.token = token.to_owned().into();
    let platform = format!("http://127.0.0.1:{}", ports.world);
    config.aca.enabled = true;
    config.aca.url = format!("{platform}/aca/v1");
    config.aca.subscription_key = subscription_key.to_owned().into();
    config.mail.enabled = true;
    config.mail.port = ports.mail;
    config.checkout.enabled = true;
    config.checkout.url = format!("{platform}/checkout/ec");
    for creditor in &mut config.creditors {
        creditor.return_urls.push(format!("{platform}/"));
    }
    config.receipt_search.enabled = true;
    config.receipt_search.bizevents_url = format!("{platform}/bizevents/service/v1");
    config.receipt_search.bizevents_key = subscription_key.to_owned().into();
    config.receipt_search.gpd_url = format!("{platform}/gpd/payments-receipts-service/v1");
    config.receipt_search.gpd_key = subscription_key.to_owned().into();
    if let Ok(filter) = std::env::var("PAGOMENSA__LOG__FILTER") {
        config.log.filter = filter;
    }
    Ok(config)
}

/// Says where everything is: a line of JSON for programs, a page for people.
fn announce(
    options: &Options,
    addresses: &Addresses,
    files: &pki::Files,
    creditors: &[Creditor],
    secrets: &Secrets<'_>,
) -> Result<(), Box<dyn Error>> {
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.display().to_string());
    if options.headless {
        let creditors: Vec<_> = creditors
            .iter()
            .map(|creditor| {
                json!({
                    "fiscal_code": creditor.fiscal_code,
                    "broker": creditor.broker,
                    "station": creditor.station,
                    "portal_key": creditor.portal_key,
                })
            })
            .collect();
        let line = json!({
            "web": addresses.web,
            "node": addresses.node,
            "world": addresses.world,
            "mail": addresses.mail,
            "tls": {
                "ca": absolute(&files.ca)?,
                "client_cert": absolute(&files.client_cert)?,
                "client_key": absolute(&files.client_key)?,
            },
            "creditors": creditors,
            "operator_key": secrets.operator_key,
            "subscription_key": secrets.subscription_key,
        });
        return Ok(say(&line.to_string())?);
    }
    let keys: String = creditors
        .iter()
        .map(|creditor| {
            format!(
                "    {}  {}\n      {}\n",
                creditor.fiscal_code, creditor.name, creditor.portal_key
            )
        })
        .collect();
    say(&format!(
        "\n  PagoMensa demo\n\
         \n  Open this page and follow the three steps:  {world}/\n\
         \n    Sample portal        {world}/portal\n    PSP counter          {world}/psp\n    \
         Meal ledger          {world}/ledger\n    Mail of the payers   {world}/mail\n    API documentation    {web}/api/docs/\n    \
         Node's door (mTLS)   {node}/node\n\
         \n  Keys of the REST API:\n{keys}\
         \n  Data are kept in {data}; start empty with --fresh. Stop with Ctrl-C.\n",
        world = addresses.world,
        web = addresses.web,
        node = addresses.node,
        data = options.data.display(),
    ))?;
    Ok(())
}
