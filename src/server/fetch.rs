//! A document from a host of a cluster, for the control thread: one GET over HTTP/1.1 on a connection of its own, with the
//! cluster's TLS and PROXY header. Bounded in time and size.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_http::{HeaderList, Method, RequestHead, Version};

use crate::cluster::{Cluster, Host};
use crate::config::ClusterProtocol;
use crate::runtime::control;
use crate::upstream::control::{Client, ControlError, Keep, Offer, dial};

/// For the whole of it, all hosts that are tried included.
const TIME: Duration = Duration::from_secs(5);
/// Hosts that are tried.
const HOSTS: usize = 3;

/// Why there is no document.
#[derive(Debug)]
pub(super) enum FetchError {
    NoHost,
    /// The cluster takes no HTTP/1.
    Http2,
    Exchange(ControlError),
    Status(u16),
    Timeout,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::NoHost => f.write_str("there is no host"),
            FetchError::Http2 => f.write_str("speaks \"h2\" only, and HTTP/1.1 is needed"),
            FetchError::Exchange(error) => error.fmt(f),
            FetchError::Status(status) => write!(f, "is answered {status}"),
            FetchError::Timeout => write!(f, "did not come within {TIME:?}"),
        }
    }
}

/// The body of a 200, of at most `most` bytes. Where a host does not give it, the next one is asked.
pub(super) async fn get(cluster: &Cluster, path: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    if cluster.config.protocol == ClusterProtocol::H2 {
        return Err(FetchError::Http2);
    }
    let mut hosts: Vec<Arc<Host>> = cluster.hosts();
    fastrand::shuffle(&mut hosts);
    let tries = async {
        let mut last = FetchError::NoHost;
        for host in hosts.into_iter().take(HOSTS) {
            match get_from(cluster, &host, path, most).await {
                Ok(body) => return Ok(body),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    control::timeout(TIME, tries).await.unwrap_or(Err(FetchError::Timeout))
}

async fn get_from(cluster: &Cluster, host: &Host, path: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    let dialed = dial(cluster, host, &host.current_address(), Offer::Http1).await.map_err(FetchError::Exchange)?;
    let mut head = RequestHead::new(Method::Get, Version::Http11, HeaderList::new());
    head.set_target(path.as_bytes());
    // As Envoy has it.
    let sni = cluster.config.tls.as_ref().and_then(|tls| tls.sni.as_deref());
    head.set_authority(sni.unwrap_or(&cluster.name).as_bytes());
    match Client::http1(dialed.io).ask(&head, Bytes::new(), Keep::All(most)).await {
        Ok(answer) if answer.head.status == 200 => Ok(answer.body),
        Ok(answer) => Err(FetchError::Status(answer.head.status)),
        Err(ControlError::TooLarge(status)) if status != 200 => Err(FetchError::Status(status)),
        Err(error) => Err(FetchError::Exchange(error)),
    }
}
