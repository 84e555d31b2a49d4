//! What there is to know about a certificate of ours, for operators.

use nuncio_x509::{Error, SanName, parse};
use rustls::pki_types::CertificateDer;

use super::files::SOON;

/// A certificate that is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The file, as the configuration names it.
    pub path: String,
    pub subject: String,
    /// DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// The DNS names alone, as they are written.
    pub dns: Vec<String>,
    /// URIs that it is for, as SPIFFE has them.
    pub uris: Vec<String>,
    /// Hexadecimal.
    pub serial: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl CertificateInfo {
    pub(super) fn of(path: &str, certificate: &CertificateDer<'_>) -> Result<CertificateInfo, Error> {
        let parsed = parse(certificate)?;
        let (mut names, mut dns, mut uris) = (Vec::new(), Vec::new(), Vec::new());
        for name in parsed.subject_alt_names()? {
            match name {
                SanName::Dns(name) => {
                    names.push(name.to_ascii_lowercase());
                    dns.push(name.to_owned());
                }
                SanName::Ip(ip) => names.push(ip.to_string()),
                SanName::Uri(uri) => uris.push(uri.to_owned()),
                _ => {}
            }
        }
        Ok(CertificateInfo {
            path: path.to_owned(),
            subject: parsed.subject().to_owned(),
            names,
            dns,
            uris,
            serial: parsed.serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: parsed.not_before(),
            not_after: parsed.not_after(),
        })
    }

    /// What to say of one that expires soon. `now`: seconds since 1970.
    pub fn warning(&self, now: i64) -> Option<String> {
        let days = self.days_left(now);
        (days < SOON).then(|| match days {
            _ if self.not_after < now => format!("{}: the certificate has expired", self.path),
            0 => format!("{}: the certificate expires within a day", self.path),
            1 => format!("{}: the certificate expires in a day", self.path),
            days => format!("{}: the certificate expires in {days} days", self.path),
        })
    }

    /// Whole days until it expires; 0 when it has. `now`: seconds since 1970.
    pub fn days_left(&self, now: i64) -> i64 {
        self.not_after.saturating_sub(now).max(0) / 86_400
    }
}
