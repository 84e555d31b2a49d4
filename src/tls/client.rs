//! [`ClientContext`]: a cluster's `tls` with all its files read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;

use super::certificate_info::CertificateInfo;
use super::files::{self, LoadError, SystemRoots};
use super::handshake::{self, Connect};
use super::host_auth::HostVerifier;
use super::provider::{provider, versions};
use super::stamps::Stamps;
use crate::config::ClusterTls;
use crate::runtime;
use crate::runtime::net::Addr;

/// Sessions kept for resumption, by name of the host.
const SESSIONS: usize = 32;

/// What is needed to shake hands with the hosts of a cluster. Never changed: a rotation makes a new one.
pub struct ClientContext {
    config: Arc<ClientConfig>,
    sni: Option<ServerName<'static>>,
    /// Certificates are told by the name that was asked for.
    checks_name: bool,
    /// A host's certificate leads to an authority.
    validates: bool,
    certificate: Option<CertificateInfo>,
    /// The certificate itself.
    der: Option<CertificateDer<'static>>,
    authorities: Vec<CertificateInfo>,
    stamps: Stamps,
    warnings: Vec<String>,
    system: Arc<SystemRoots>,
}

impl ClientContext {
    /// Reads everything. A certificate that has expired is a warning.
    ///
    /// # Errors
    /// A file that cannot be used, by its path.
    pub fn load(config: &ClusterTls, system: &Arc<SystemRoots>) -> Result<ClientContext, LoadError> {
        ClientContext::load_over(config, system, None)
    }

    /// As [`ClientContext::load`], to replace this one. Sessions begin anew: who was trusted may no longer be.
    ///
    /// # Errors
    /// As [`ClientContext::load`], or a certificate that has expired and is not in use now. This one stays as it is.
    pub fn reload(&self, config: &ClusterTls) -> Result<ClientContext, LoadError> {
        ClientContext::load_over(config, &self.system, Some(self))
    }

    fn load_over(
        config: &ClusterTls,
        system: &Arc<SystemRoots>,
        current: Option<&ClientContext>,
    ) -> Result<ClientContext, LoadError> {
        // Before anything is read: what changes from here on differs from it.
        let stamps = Stamps::of(config.files());
        let (verifier, authorities) = HostVerifier::load(config, system)?;
        let (checks_name, validates) = (verifier.checks_name(), verifier.validates());
        let mut pair = config.certificate.as_ref().map(files::pair).transpose()?;
        if let Some(pair) = &mut pair {
            files::check_expiry(pair, current.and_then(|current| current.der.as_ref()).map(std::slice::from_ref))?;
        }
        let builder = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&versions(config.min_version, config.max_version))
            .map_err(|error| LoadError::new("min_version", error))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut client = match &pair {
            Some(pair) => {
                let own: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from((*pair.certified).clone()));
                builder.with_client_cert_resolver(own)
            }
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols = config.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        client.resumption = Resumption::in_memory_sessions(SESSIONS);
        let der = pair.as_ref().map(|pair| pair.certified.cert[0].clone());
        let (certificate, warnings) = pair.map_or((None, Vec::new()), |pair| (Some(pair.info), pair.warnings));
        Ok(ClientContext {
            config: Arc::new(client),
            sni: config.sni.as_deref().and_then(dns_name),
            checks_name,
            validates,
            certificate,
            der,
            authorities,
            stamps,
            warnings,
            system: system.clone(),
        })
    }

    /// Shakes hands with a host, which the configuration calls `host` if it has a name.
    pub fn connect(&self, io: Box<dyn runtime::Transport>, host: Option<&str>) -> Connect {
        self.connect_as(self.config.clone(), io, host)
    }

    /// The same with a host that has to speak HTTP/1.1 then.
    pub fn connect_http1(&self, io: Box<dyn runtime::Transport>) -> Connect {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.connect_as(Arc::new(config), io, None)
    }

    fn connect_as(&self, config: Arc<ClientConfig>, io: Box<dyn runtime::Transport>, host: Option<&str>) -> Connect {
        match self.server_name(host, io.peer_addr()) {
            Some(name) => {
                let connect = handshake::connect(io, config, name);
                if self.validates { connect } else { connect.unvalidated() }
            }
            None => Connect::impossible("a host without name or address needs an \"sni\""),
        }
    }

    /// The name that a host must have. `None`: there is none to check.
    pub fn server_name(&self, host: Option<&str>, address: &Addr) -> Option<ServerName<'static>> {
        if let Some(name) = self.sni.clone().or_else(|| host.and_then(dns_name)) {
            return Some(name);
        }
        match address.inet() {
            Some(address) => Some(ServerName::IpAddress(address.ip().to_canonical().into())),
            // Addresses are not sent, and this one is not looked at.
            None if !self.checks_name => Some(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())),
            None => None,
        }
    }

    /// For [`super::connect`].
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Ours, if there is one.
    pub fn certificate(&self) -> Option<&CertificateInfo> {
        self.certificate.as_ref()
    }

    /// Those that a file names for hosts.
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

fn dns_name(name: &str) -> Option<ServerName<'static>> {
    match ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()) {
        Ok(name @ ServerName::DnsName(_)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
