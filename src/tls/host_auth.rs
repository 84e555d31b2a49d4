//! Whether a host is the one that was asked for: its authority, its name, its pins.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::allowed::Allowed;
use super::certificate_info::CertificateInfo;
use super::files::{self, LoadError, SystemRoots};
use super::provider::provider;
use crate::config::{Ca, ClusterTls};

/// Names that the configuration allows take the place of the one asked for; pins come on top.
#[derive(Debug)]
pub(super) struct HostVerifier {
    /// `None`: `insecure_skip_verify`.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    allowed: Allowed,
    algorithms: WebPkiSupportedAlgorithms,
}

impl HostVerifier {
    /// With what there is to say about the authorities.
    pub(super) fn load(
        config: &ClusterTls,
        system: &SystemRoots,
    ) -> Result<(HostVerifier, Vec<CertificateInfo>), LoadError> {
        let loaded = if config.insecure_skip_verify { None } else { Some(authorities(config, system)?) };
        let (authorities, infos) = loaded.unzip();
        let verifier = HostVerifier {
            authorities,
            allowed: Allowed::new(&config.allow_san, &config.sha256, &config.spki)
                .map_err(|why| LoadError::new("allow_san", why))?,
            algorithms: provider().signature_verification_algorithms,
        };
        Ok((verifier, infos.unwrap_or_default()))
    }

    pub(super) fn checks_name(&self) -> bool {
        self.validates() && !self.allowed.has_names()
    }

    /// A certificate that is taken leads to an authority.
    pub(super) fn validates(&self) -> bool {
        self.authorities.is_some()
    }
}

fn authorities(
    config: &ClusterTls,
    system: &SystemRoots,
) -> Result<(Arc<WebPkiServerVerifier>, Vec<CertificateInfo>), LoadError> {
    let roots = files::roots(&config.ca, system)?;
    let mut builder = WebPkiServerVerifier::builder_with_provider(roots.store, provider().clone());
    if let Some(crl) = &config.crl {
        builder = builder.with_crls(files::revocation_lists_in(crl, &files::read(crl)?)?);
    }
    let verifier = builder.build().map_err(|error| match (&config.crl, &config.ca) {
        (Some(file), _) | (None, Ca::File(file)) => LoadError::new(file, error),
        (None, Ca::System) => LoadError::new("\"system\"", error),
    })?;
    Ok((verifier, roots.infos))
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            match authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
                Ok(_) => {}
                // The name is looked at last: all else is right.
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) if self.allowed.has_names() => {}
                Err(error) => return Err(error),
            }
        }
        self.allowed.check(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
