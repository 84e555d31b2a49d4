//! Which certificate a client gets: by the name that it asks for (RFC 6066 section 3) and the signatures that it can check.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::certificate_info::CertificateInfo;
use super::session::Hello;
use crate::order;

/// The certificates of one listener. Never changed: a rotation makes new ones.
pub(super) struct Certificates {
    /// By name, in lower case.
    exact: HashMap<String, Set>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Set>,
    default: Set,
    /// Client certificates lead to an authority.
    validates: bool,
}

/// A certificate with its key, and what it says.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) info: Arc<CertificateInfo>,
}

/// Certificates for one name: at most one for each kind of key, the cheapest first.
#[derive(Default)]
struct Set(Vec<Own>);

impl Set {
    fn add(&mut self, own: &Own) {
        let algorithm = own.certified.key.algorithm();
        if self.0.iter().all(|other| other.certified.key.algorithm() != algorithm) {
            self.0.push(own.clone());
            // An RSA signature costs ten of the others.
            order::sort_by_key(&mut self.0, |own| own.certified.key.algorithm() == SignatureAlgorithm::RSA);
        }
    }

    /// One whose signature the client can check. If there is none, the handshake says so.
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<&Own> {
        let fits = |own: &&Own| own.certified.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or(self.0.first())
    }
}

impl Certificates {
    /// `all` in the order of the configuration. The first is also for everything else, together with others for a name of
    /// its.
    pub(super) fn new(all: &[Own], validates: bool) -> Certificates {
        let (mut exact, mut wildcard) = (HashMap::<_, Set>::new(), HashMap::<_, Set>::new());
        let mut default = Set::default();
        let first = all.first().map_or(&[][..], |own| &own.info.names);
        for (at, own) in all.iter().enumerate() {
            let names = &own.info.names;
            if at == 0 || names.iter().any(|name| first.contains(name)) {
                default.add(own);
            }
            // Addresses are not asked for.
            for name in names.iter().filter(|name| name.parse::<IpAddr>().is_err()) {
                match name.strip_prefix("*.") {
                    Some(suffix) => wildcard.entry(suffix.to_owned()).or_default().add(own),
                    None => exact.entry(name.clone()).or_default().add(own),
                }
            }
        }
        Certificates { exact, wildcard, default, validates }
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Own> {
        let of_name = name.and_then(|name| self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1)));
        of_name.unwrap_or(&self.default).choose(schemes)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Row T-6: names are compared in lower case and without the last dot.
        let sni = hello.server_name().map(|name| {
            let mut name = name.to_ascii_lowercase();
            name.truncate(name.strip_suffix('.').map_or(name.len(), str::len));
            name
        });
        let chosen = self.choose(sni.as_deref(), hello.signature_schemes());
        Hello { sni, validates: self.validates, local: chosen.map(|own| own.info.clone()) }.note();
        chosen.map(|own| own.certified.clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.exact.keys()).entries(self.wildcard.keys()).finish()
    }
}
