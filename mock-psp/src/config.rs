//! What the world must be told before it starts. Secrets never appear in `Debug`.

use std::fmt;
use std::path::PathBuf;

/// Everything a [`crate::World`] needs.
#[derive(Clone)]
pub struct WorldConfig {
    /// Folder of `world.db`; made where it is missing.
    pub data_dir: PathBuf,
    /// Address of the gateway's web door, such as `http://127.0.0.1:8080`; the portal calls
    /// `{gateway_web}/api/v1/…`.
    pub gateway_web: String,
    /// Address of the gateway's SOAP door, such as `https://127.0.0.1:8081/node`.
    pub gateway_node: String,
    /// Certificates for the SOAP door; `None` calls it in plain HTTP.
    pub tls: Option<NodeTls>,
    /// The creditors the portal and the PSP counter know.
    pub creditors: Vec<Creditor>,
    /// The bearer token the meal ledger demands.
    pub ledger_token: String,
    /// The subscription key pagoPA's REST services demand (`Ocp-Apim-Subscription-Key`).
    pub subscription_key: String,
}

/// PEM files for mutual TLS towards the gateway's SOAP door.
#[derive(Debug, Clone)]
pub struct NodeTls {
    /// The only authority trusted to have signed the gateway's certificate.
    pub ca: PathBuf,
    /// The node's own certificate.
    pub client_cert: PathBuf,
    /// Its private key, in any unencrypted PEM form.
    pub client_key: PathBuf,
    /// Further certificates the node can change to, as it does once a year.
    pub others: Vec<NodeIdentity>,
}

/// A certificate of the node with its key.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    /// What it is called at `/node/certificate`.
    pub name: String,
    /// The certificate.
    pub client_cert: PathBuf,
    /// Its private key, in any unencrypted PEM form.
    pub client_key: PathBuf,
}

impl NodeTls {
    /// Every certificate of the node, the one it starts with first.
    pub(crate) fn identities(&self) -> Vec<NodeIdentity> {
        let first = NodeIdentity {
            name: "first".to_owned(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
        };
        std::iter::once(first)
            .chain(self.others.iter().cloned())
            .collect()
    }
}

/// A public body or company that collects through the gateway.
#[derive(Clone)]
pub struct Creditor {
    /// Its fiscal code, eleven digits.
    pub fiscal_code: String,
    /// Its name as citizens know it.
    pub name: String,
    /// Fiscal code of the broker its station belongs to.
    pub broker: String,
    /// Identifier of the station, such as `77777777777_01`.
    pub station: String,
    /// Key of its portal for the gateway's REST door.
    pub portal_key: String,
    /// Whether its station is registered for broadcast: it then gets a copy of each receipt that
    /// holds a transfer to it while another body is the creditor of the notice.
    pub broadcast: bool,
}

impl WorldConfig {
    /// The creditor of that fiscal code.
    pub(crate) fn creditor(&self, fiscal_code: &str) -> Option<&Creditor> {
        self.creditors
            .iter()
            .find(|creditor| creditor.fiscal_code == fiscal_code)
    }
}

impl fmt::Debug for WorldConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldConfig")
            .field("data_dir", &self.data_dir)
            .field("gateway_web", &self.gateway_web)
            .field("gateway_node", &self.gateway_node)
            .field("tls", &self.tls)
            .field("creditors", &self.creditors)
            .field("ledger_token", &"[redacted]")
            .field("subscription_key", &"[redacted]")
            .finish()
    }
}

impl fmt::Debug for Creditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Creditor")
            .field("fiscal_code", &self.fiscal_code)
            .field("name", &self.name)
            .field("broker", &self.broker)
            .field("station", &self.station)
            .field("portal_key", &"[redacted]")
            .field("broadcast", &self.broadcast)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_appear_in_debug_output() {
        let config = WorldConfig {
            data_dir: PathBuf::from("data"),
            gateway_web: String::new(),
            gateway_node: String::new(),
            tls: None,
            creditors: vec![Creditor {
                fiscal_code: "77777777777".to_owned(),
                name: "Comune di Esempio".to_owned(),
                broker: "77777777777".to_owned(),
                station: "77777777777_01".to_owned(),
                portal_key: "portal-secret".to_owned(),
                broadcast: false,
            }],
            ledger_token: "ledger-secret".to_owned(),
            subscription_key: "platform-secret".to_owned(),
        };
        let shown = format!("{config:?} {config:#?}");
        assert!(shown.contains("Comune di Esempio"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
