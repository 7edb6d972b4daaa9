//! What every door of the world holds in common.

use std::sync::Arc;

use crate::WorldError;
use crate::chaos::Chaos;
use crate::clock::Clock;
use crate::config::WorldConfig;
use crate::database::Database;
use crate::node::CLOCK;
use crate::platform::{Meter, RATES};
use crate::portal::gateway::Gateway;
use crate::psp::client::Node;
use crate::psp::{CERTIFICATE, TIMEOUTS};

/// The state of the router.
pub(crate) type Shared = Arc<Town>;

/// The world's memory, its clients and its plan of faults.
pub(crate) struct Town {
    pub(crate) config: WorldConfig,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) chaos: Chaos,
    pub(crate) node: Node,
    pub(crate) gateway: Gateway,
    pub(crate) meter: Meter,
    /// Held by whoever draws the trouble of the mail server.
    pub(crate) mail_turn: tokio::sync::Mutex<()>,
    /// Held by whoever works through the queue of receipts or moves the clock.
    pub(crate) queue_turn: tokio::sync::Mutex<()>,
}

impl Town {
    /// Makes the folder, opens the file, reads the certificates.
    pub(crate) async fn open(config: WorldConfig) -> Result<Shared, WorldError> {
        let folder = &config.data_dir;
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|source| WorldError::File {
                path: folder.clone(),
                source,
            })?;
        let database = Database::open(folder).await.map_err(WorldError::Database)?;
        let node = Node::new(&config.gateway_node, config.tls.as_ref()).await?;
        let kept = async {
            let certificate: Option<String> = database.setting(CERTIFICATE).await?;
            node.set_timeouts(database.setting(TIMEOUTS).await?.unwrap_or_default());
            let rates = database.setting(RATES).await?.unwrap_or_default();
            let ahead_s = database.setting(CLOCK).await?.unwrap_or_default();
            Ok((
                rates,
                ahead_s,
                certificate,
                Chaos::open(database.clone()).await?,
            ))
        };
        let (rates, ahead_s, certificate, chaos) = kept.await.map_err(WorldError::Database)?;
        let shown = node.identities().into_iter();
        if let Some(shown) = shown
            .skip(1)
            .find(|known| Some(&known.name) == certificate.as_ref())
        {
            node.show(&shown).await?;
        }
        Ok(Arc::new(Town {
            clock: Clock::new(ahead_s).map_err(WorldError::TimeZone)?,
            database,
            meter: Meter::new(rates),
            mail_turn: tokio::sync::Mutex::default(),
            queue_turn: tokio::sync::Mutex::default(),
            chaos,
            node,
            gateway: Gateway::new(&config.gateway_web).map_err(WorldError::Client)?,
            config,
        }))
    }
}
