//! Name resolution without addresses that can't belong to an operator's server.
//!
//! Literal addresses are checked when the configuration is read; the HTTP client does not resolve them.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::net::failure::NameUnknown;
use crate::net::is_link_local;

/// The system's resolver, without addresses of a cloud's or network's own services.
pub(super) struct FilteringResolver;

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NameUnknown)?;
            let kept: Vec<_> = found.filter(|address| !is_link_local(address.ip())).collect();
            if kept.is_empty() {
                return Err(NameUnknown.into());
            }
            let addresses: Addrs = Box::new(kept.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn leads_to(name: &str) -> Option<usize> {
        let name = name.parse().expect("a name");
        FilteringResolver.resolve(name).await.ok().map(Iterator::count)
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_clouds_own_services_leads_nowhere() {
        // The system's resolver accepts literal addresses, so the test needs no name server.
        for own in ["169.254.169.254", "fe80::1", "0.0.0.0"] {
            assert_eq!(leads_to(own).await, None, "{own}");
        }
        for usable in ["localhost", "127.0.0.1", "10.0.0.1"] {
            assert!(leads_to(usable).await.is_some_and(|count| count > 0), "{usable}");
        }
    }
}
