//! What the certificate of the other side says, for routes, headers and logs.

use nuncio_x509::{Error, SanName, parse};

/// All of it is text without control characters. What cannot be read is empty: a name that is wrong (row T-9) makes all
/// names of its certificate so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCertificate {
    /// As in RFC 2253.
    pub subject: String,
    pub issuer: String,
    /// Hexadecimal, without zeros in front.
    pub serial: String,
    /// As they are written, in their order.
    pub uris: Vec<String>,
    pub dns: Vec<String>,
    pub emails: Vec<String>,
    pub ips: Vec<String>,
    /// Not before, not after: seconds since 1970.
    pub validity: Option<(i64, i64)>,
}

impl PeerCertificate {
    pub(super) fn of(der: &[u8]) -> PeerCertificate {
        PeerCertificate::read(der).unwrap_or_default()
    }

    fn read(der: &[u8]) -> Result<PeerCertificate, Error> {
        let parsed = parse(der)?;
        let mut certificate = PeerCertificate {
            subject: parsed.subject().to_owned(),
            issuer: parsed.issuer().to_owned(),
            serial: hex_number(parsed.serial()),
            validity: Some((parsed.not_before(), parsed.not_after())),
            ..PeerCertificate::default()
        };
        for name in parsed.subject_alt_names().unwrap_or_default() {
            match name {
                SanName::Uri(uri) => certificate.uris.push(uri.to_owned()),
                SanName::Dns(name) => certificate.dns.push(name.to_owned()),
                SanName::Email(email) => certificate.emails.push(email.to_owned()),
                SanName::Ip(ip) => certificate.ips.push(ip.to_string()),
                SanName::Other => {}
            }
        }
        Ok(certificate)
    }
}

/// Of two's complement, whose first byte may be there for the sign alone. Serial numbers are positive (RFC 5280 section
/// 4.1.2.2); one that is not is shown by its bytes.
fn hex_number(bytes: &[u8]) -> String {
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        bytes => bytes,
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> PeerCertificate {
        let path = format!("{}/testdata/x509/{name}.der", env!("CARGO_MANIFEST_DIR"));
        PeerCertificate::of(&std::fs::read(path).unwrap())
    }

    #[test]
    fn names_and_dates() {
        let certificate = of("client");
        assert_eq!(certificate.subject, "CN=client,OU=x,O=y");
        assert!(certificate.validity.is_some_and(|(from, to)| from < to));
        assert!(!certificate.serial.is_empty() && !certificate.serial.starts_with("00"));
        assert_eq!(of("serial_0").serial, "00");
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        assert_eq!(PeerCertificate::of(b"x"), PeerCertificate::default());
    }
}
