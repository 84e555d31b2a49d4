//! What a certificate must have beside a good signature: one of some names, one of some pins.

use std::fmt;
use std::net::IpAddr;

use nuncio_x509::{Certificate, SanName, parse};
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};

use super::session::{Peer, sha256};
use crate::config::{Pin, San};
use crate::route::Matcher;

/// An empty list allows everything.
pub(super) struct Allowed {
    names: Names,
    sha256: Vec<Pin>,
    spki: Vec<Pin>,
}

/// Names, one of which a certificate must have. The default has none, and nothing fits.
#[derive(Default)]
pub struct Names(Vec<Name>);

/// A compiled [`San`].
enum Name {
    Dns(String),
    Uri(String),
    Email(String),
    Ip(IpAddr),
    Text(Matcher),
}

impl Allowed {
    /// # Errors
    /// A regular expression that does not compile: the reader of the configuration finds it first.
    pub(super) fn new(names: &[San], sha256: &[Pin], spki: &[Pin]) -> Result<Allowed, String> {
        Ok(Allowed { names: Names::new(names)?, sha256: sha256.to_vec(), spki: spki.to_vec() })
    }

    /// Certificates are told by their names, whatever name was asked for.
    pub(super) fn has_names(&self) -> bool {
        !self.names.0.is_empty()
    }

    /// A pin of either kind, and a name.
    pub(super) fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let pinned = !self.sha256.is_empty() || !self.spki.is_empty();
        if pinned && self.sha256.contains(&sha256(certificate)) && !self.has_names() {
            return Ok(());
        }
        if !pinned && !self.has_names() {
            return Ok(());
        }
        let parsed = parse(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let fits = !pinned || self.sha256.contains(&sha256(certificate)) || self.spki.contains(&sha256(parsed.spki()));
        if fits && (!self.has_names() || self.names.are_in(&parsed)?) {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

impl Names {
    /// # Errors
    /// As [`Allowed::new`].
    pub fn new(names: &[San]) -> Result<Names, String> {
        let names = names.iter().map(|name| {
            Ok(match name {
                San::Dns(name) => Name::Dns(name.clone()),
                San::Uri(uri) => Name::Uri(uri.clone()),
                San::Email(email) => Name::Email(email.clone()),
                San::Ip(ip) => Name::Ip(*ip),
                San::Text(matcher) => Name::Text(Matcher::new(matcher).map_err(|error| error.to_string())?),
            })
        });
        Ok(Names(names.collect::<Result<_, String>>()?))
    }

    /// The peer's certificate leads to an authority and has one of them: anybody can write a name into a certificate.
    pub fn fit(&self, peer: &Peer) -> bool {
        peer.validated && parse(&peer.chain[0]).is_ok_and(|certificate| self.are_in(&certificate) == Ok(true))
    }

    fn are_in(&self, certificate: &Certificate<'_>) -> Result<bool, Error> {
        let names = certificate.subject_alt_names().map_err(|_| CertificateError::BadEncoding)?;
        Ok(names.iter().any(|name| self.0.iter().any(|allowed| allowed.matches(name))))
    }
}

impl Name {
    fn matches(&self, name: &SanName<'_>) -> bool {
        match (self, name) {
            (Name::Dns(allowed), SanName::Dns(name)) => dns_matches(allowed, name),
            (Name::Uri(allowed), SanName::Uri(name)) => allowed == name,
            (Name::Email(allowed), SanName::Email(name)) => email_matches(allowed, name),
            (Name::Ip(allowed), SanName::Ip(name)) => allowed == name,
            (Name::Text(matcher), SanName::Dns(name) | SanName::Uri(name) | SanName::Email(name)) => {
                matcher.matches(Some(name.as_bytes()))
            }
            (Name::Text(matcher), SanName::Ip(ip)) => matcher.matches(Some(ip.to_string().as_bytes())),
            _ => false,
        }
    }
}

/// Either may have `*` for its first label (RFC 6125 section 6.4.3).
fn dns_matches(allowed: &str, name: &str) -> bool {
    let covers = |pattern: &str, name: &str| {
        let (Some(suffix), Some((label, rest))) = (pattern.strip_prefix("*."), name.split_once('.')) else {
            return false;
        };
        !label.is_empty() && rest.eq_ignore_ascii_case(suffix)
    };
    allowed.eq_ignore_ascii_case(name) || covers(allowed, name) || covers(name, allowed)
}

/// The part behind the last @ is a host name (RFC 5321 section 2.4).
fn email_matches(allowed: &str, name: &str) -> bool {
    match (allowed.rsplit_once('@'), name.rsplit_once('@')) {
        (Some((local, host)), Some((its_local, its_host))) => local == its_local && host.eq_ignore_ascii_case(its_host),
        _ => allowed == name,
    }
}

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} names, {} pins", self.names.0.len(), self.sha256.len() + self.spki.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names() {
        for (allowed, name, matches) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "A.Example.COM", true),
            ("a.example.com", "b.example.com", false),
            ("a.example.com", "a.example.com.evil", false),
            ("a.example.com", "*.example.com", true),
            ("a.b.example.com", "*.example.com", false),
            ("example.com", "*.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
        ] {
            assert_eq!(dns_matches(allowed, name), matches, "{allowed} {name}");
        }
    }

    #[test]
    fn emails() {
        assert!(email_matches("a@example.com", "a@Example.com"));
        assert!(!email_matches("a@example.com", "A@example.com"));
        assert!(!email_matches("a@example.com", "b@a@example.com"));
    }
}
