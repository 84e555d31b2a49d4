//! A certificate of any bytes: no panic, and text is printable ASCII; with a byte behind it or without its last one, it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_x509::{Error, SanName, parse};

fn printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fuzz_target!(|der: &[u8]| {
    let Ok(certificate) = parse(der) else { return };
    assert!(printable(certificate.subject()) && printable(certificate.issuer()));
    assert!(!certificate.serial().is_empty() && !certificate.spki().is_empty());
    for name in certificate.subject_alt_names().unwrap_or_default() {
        match name {
            SanName::Dns(text) | SanName::Uri(text) | SanName::Email(text) => assert!(printable(text)),
            SanName::Ip(_) | SanName::Other => {}
        }
    }
    assert_eq!(parse(&der[..der.len() - 1]), Err(Error::Truncated));
    assert_eq!(parse(&[der, &[0]].concat()), Err(Error::TrailingData));
});
