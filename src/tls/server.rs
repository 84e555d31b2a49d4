//! [`ServerContext`]: a listener's `tls` with all its files read.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ProducesTickets};

use super::certificate_info::CertificateInfo;
use super::certificates::{Certificates, Own};
use super::client_auth::Policy;
use super::files::{self, LoadError, Pair};
use super::key_log::KeyLogFile;
use super::provider::{provider, versions};
use super::stamps::Stamps;
use crate::config::{ListenerTls, Pin};

/// What a listener, or one chain of it, needs to shake hands with clients. Never changed: a rotation makes a new one, which
/// whoever holds this one puts in its place.
pub struct ServerContext {
    config: Arc<ServerConfig>,
    certificates: Vec<CertificateInfo>,
    authorities: Vec<CertificateInfo>,
    stamps: Stamps,
    /// The certificates themselves, in the same order.
    ders: Vec<CertificateDer<'static>>,
    warnings: Vec<String>,
    /// What must be the same for sessions to go on.
    policy: Pin,
    tickets: Option<Arc<dyn ProducesTickets>>,
}

impl ServerContext {
    /// Reads everything. A certificate that has expired is a warning.
    ///
    /// # Errors
    /// A file that cannot be used, by its path.
    pub fn load(config: &ListenerTls) -> Result<ServerContext, LoadError> {
        ServerContext::load_over(config, None)
    }

    /// As [`ServerContext::load`], to replace this one: sessions that clients keep go on, if the policy for client
    /// certificates is the same.
    ///
    /// # Errors
    /// As [`ServerContext::load`], or a certificate that has expired and is not in use now. This one stays as it is.
    pub fn reload(&self, config: &ListenerTls) -> Result<ServerContext, LoadError> {
        ServerContext::load_over(config, Some(self))
    }

    fn load_over(config: &ListenerTls, current: Option<&ServerContext>) -> Result<ServerContext, LoadError> {
        // Before anything is read: what changes from here on differs from it.
        let stamps = Stamps::of(config.files());
        let mut pairs = config.certificates.iter().map(files::pair).collect::<Result<Vec<Pair>, _>>()?;
        let in_use = current.map(|current| &current.ders[..]);
        pairs.iter_mut().try_for_each(|pair| files::check_expiry(pair, in_use))?;
        let ders = pairs.iter().map(|pair| pair.certified.cert[0].clone()).collect();
        let warnings = pairs.iter().flat_map(|pair| pair.warnings.iter().cloned()).collect();
        let policy = Policy::load(&config.client_auth)?;
        let tickets = match current {
            _ if !config.session_tickets => None,
            Some(current) if current.policy == policy.fingerprint && current.tickets.is_some() => {
                current.tickets.clone()
            }
            _ => Some(Ticketer::new().map_err(|error| LoadError::new("session_tickets", error))?),
        };
        let own = |pair: &Pair| Own { certified: pair.certified.clone(), info: Arc::new(pair.info.clone()) };
        let certificates = Certificates::new(&pairs.iter().map(own).collect::<Vec<_>>(), policy.validates);
        Ok(ServerContext {
            config: Arc::new(build(config, certificates, &policy, tickets.clone())?),
            certificates: pairs.into_iter().map(|pair| pair.info).collect(),
            authorities: policy.authorities,
            stamps,
            ders,
            warnings,
            policy: policy.fingerprint,
            tickets,
        })
    }

    /// For [`super::accept`].
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// In the order of the configuration.
    pub fn certificates(&self) -> &[CertificateInfo] {
        &self.certificates
    }

    /// Those that a file names for client certificates.
    pub fn authorities(&self) -> &[CertificateInfo] {
        &self.authorities
    }

    /// Its files, as they looked before they were read.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// What is allowed but hardly meant.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn build(
    config: &ListenerTls,
    certificates: Certificates,
    policy: &Policy,
    tickets: Option<Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, LoadError> {
    let builder = ServerConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&versions(config.min_version, config.max_version))
        .map_err(|error| LoadError::new("min_version", error))?;
    let builder = match &policy.verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(certificates));
    server.alpn_protocols = config.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    // Sessions are the clients' to keep: nothing is stored here, and early data stays off (row TLS-2).
    server.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        Some(tickets) => server.ticketer = tickets,
        None => server.send_tls13_tickets = 0,
    }
    if let Some(file) = &config.key_log {
        server.key_log = Arc::new(KeyLogFile::open(file)?);
    }
    Ok(server)
}

#[cfg(test)]
mod tests;
