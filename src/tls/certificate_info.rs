//! What there is to know about a certificate of ours, for operators.

use nuncio_x509::{Error, SanName, parse};
use rustls::pki_types::CertificateDer;

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
        let name = |name: SanName<'_>| match name {
            SanName::Dns(name) => Some(name.to_ascii_lowercase()),
            SanName::Ip(ip) => Some(ip.to_string()),
            _ => None,
        };
        let (mut dns, mut uris) = (Vec::new(), Vec::new());
        let names = parsed.subject_alt_names()?;
        for name in &names {
            match name {
                SanName::Dns(name) => dns.push((*name).to_owned()),
                SanName::Uri(uri) => uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        Ok(CertificateInfo {
            path: path.to_owned(),
            subject: parsed.subject().to_owned(),
            dns,
            uris,
            names: names.into_iter().filter_map(name).collect(),
            serial: parsed.serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: parsed.not_before(),
            not_after: parsed.not_after(),
        })
    }
}
