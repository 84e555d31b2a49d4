//! The certificate itself (RFC 5280 section 4.1) and the one extension that matters here.

use crate::der::{Der, tag};
use crate::error::Error;
use crate::san::{self, SanName};
use crate::{name, time};

/// 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];

/// What a certificate says. Nothing of it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    serial: &'a [u8],
    issuer: String,
    subject: String,
    not_before: i64,
    not_after: i64,
    spki: &'a [u8],
    subject_alt_names: Option<&'a [u8]>,
}

/// `der`: one certificate and nothing behind it.
pub fn parse(der: &[u8]) -> Result<Certificate<'_>, Error> {
    let mut outer = Der(der);
    let mut certificate = outer.sequence()?;
    outer.finish()?;
    let tbs = certificate.sequence()?;
    let _signature_algorithm = certificate.sequence()?;
    certificate.bit_string()?;
    certificate.finish()?;
    parse_tbs(tbs)
}

/// The part that is signed.
fn parse_tbs(mut tbs: Der<'_>) -> Result<Certificate<'_>, Error> {
    let version = match tbs.optional(tag::constructed(0))? {
        // DER leaves a default out (X.690 section 11.5).
        None => 1,
        Some(explicit) => version(Der(explicit))?,
    };
    let serial = tbs.integer()?;
    let _signature_algorithm = tbs.sequence()?;
    let issuer = name::to_text(tbs.sequence()?)?;
    let mut validity = tbs.sequence()?;
    let not_before = time::parse(validity.value()?)?;
    let not_after = time::parse(validity.value()?)?;
    validity.finish()?;
    let subject = name::to_text(tbs.sequence()?)?;
    let spki = tbs.value()?;
    check_spki(Der(spki.whole))?;
    let issuer_id = tbs.optional(tag::context(1))?;
    let subject_id = tbs.optional(tag::context(2))?;
    let extensions = tbs.optional(tag::constructed(3))?;
    tbs.finish()?;
    if (version < 2 && (issuer_id.is_some() || subject_id.is_some())) || (version < 3 && extensions.is_some()) {
        return Err(Error::BadVersion);
    }
    let subject_alt_names = extensions.map_or(Ok(None), |extensions| find_alt_names(Der(extensions)))?;
    Ok(Certificate { serial, issuer, subject, not_before, not_after, spki: spki.whole, subject_alt_names })
}

fn version(mut explicit: Der<'_>) -> Result<u8, Error> {
    let version = match explicit.integer()? {
        [1] => 2,
        [2] => 3,
        _ => return Err(Error::BadVersion),
    };
    explicit.finish()?;
    Ok(version)
}

/// Section 4.1.2.7: algorithm and key.
fn check_spki(mut outer: Der<'_>) -> Result<(), Error> {
    let mut spki = outer.sequence()?;
    let _algorithm = spki.sequence()?;
    spki.bit_string()?;
    spki.finish()
}

/// Section 4.2. The others are skipped.
fn find_alt_names(mut outer: Der<'_>) -> Result<Option<&[u8]>, Error> {
    let mut list = outer.sequence()?;
    outer.finish()?;
    if list.is_empty() {
        return Err(Error::Empty);
    }
    let mut found = None;
    while !list.is_empty() {
        let mut extension = list.sequence()?;
        let id = extension.expect(tag::OID)?;
        // Is it critical? FALSE should have been left out, but has been seen.
        if !matches!(extension.optional(tag::BOOLEAN)?, None | Some([0x00 | 0xff])) {
            return Err(Error::BadBoolean);
        }
        let value = extension.expect(tag::OCTET_STRING)?;
        extension.finish()?;
        if id == SUBJECT_ALT_NAME && found.replace(value).is_some() {
            return Err(Error::DuplicateExtension);
        }
    }
    Ok(found)
}

impl<'a> Certificate<'a> {
    /// Two's complement, the highest byte first: a leading 00 is the sign of a number whose highest bit is set.
    pub fn serial(&self) -> &'a [u8] {
        self.serial
    }

    /// As in RFC 2253, the last part first: `CN=client,OU=x,O=y`. Printable ASCII, with quotes escaped; may be empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// As [`Certificate::subject`].
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Seconds since 1970.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Seconds since 1970. The certificate is valid in this second too (section 4.1.2.5).
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The whole SubjectPublicKeyInfo in DER, for a digest of the key.
    pub fn spki(&self) -> &'a [u8] {
        self.spki
    }

    /// In the order of the certificate, none if it has no such extension. One that is wrong makes all of them an error: a
    /// name with a NUL must not match as its beginning, and leaving it out might change what the certificate is for.
    pub fn subject_alt_names(&self) -> Result<Vec<SanName<'a>>, Error> {
        self.subject_alt_names.map_or(Ok(Vec::new()), san::parse)
    }
}
