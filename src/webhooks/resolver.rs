//! Names of machines, without those that lead into our own house: judged where the connection is made,
//! so that a name that answers otherwise a moment later is judged too.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::address::is_public;

/// Looks names up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    /// Whether a name may lead anywhere.
    pub(super) allows_private: bool,
}

/// A name leads nowhere but into our own house.
#[derive(Debug, thiserror::Error)]
#[error("the name leads into a private network")]
pub(super) struct Denied;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| allows_private || is_public(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(Denied.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_home_is_denied() {
        for (allows_private, is_found) in [(false, false), (true, true)] {
            let name = "localhost".parse().unwrap();
            let found = Resolver { allows_private }.resolve(name).await;
            assert_eq!(found.is_ok(), is_found);
            if let Err(error) = found {
                assert!(error.is::<Denied>());
            }
        }
    }
}
