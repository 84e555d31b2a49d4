//! `client_auth`: whose certificates are good enough for a client.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::allowed::Allowed;
use super::certificate_info::CertificateInfo;
use super::files::{self, LoadError};
use super::provider::provider;
use super::session::sha256;
use crate::config::{ClientAuth, ClientAuthMode, File, Pin};

/// Asks for certificates and judges them. With authorities a certificate must lead to one of them; names and pins
/// come on top. Without, a pin alone lets it in.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    allowed: Allowed,
    required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What the configuration says of client certificates.
pub(super) struct Policy {
    /// `None`: none are asked for.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// A certificate that was let in leads to an authority.
    pub(super) validates: bool,
    pub(super) authorities: Vec<CertificateInfo>,
    /// Of all that decides. Sessions are resumed only under the policy that they began with (row TLS-4).
    pub(super) fingerprint: Pin,
}

impl Policy {
    pub(super) fn load(config: &ClientAuth) -> Result<Policy, LoadError> {
        if config.mode == ClientAuthMode::Off {
            let fingerprint = sha256(b"off");
            return Ok(Policy { verifier: None, validates: false, authorities: Vec::new(), fingerprint });
        }
        let mut decides = serde_json::to_vec_pretty(config).map_err(|error| LoadError::new("client_auth", error))?;
        let loaded = config.ca.as_ref().map(|ca| authorities(ca, config.crl.as_ref(), &mut decides)).transpose()?;
        let (authorities, infos) = loaded.unzip();
        let verifier = Verifier {
            authorities,
            allowed: Allowed::new(&config.allow_san, &config.sha256, &config.spki)
                .map_err(|why| LoadError::new("allow_san", why))?,
            required: config.mode == ClientAuthMode::Require,
            algorithms: provider().signature_verification_algorithms,
        };
        let validates = verifier.authorities.is_some();
        Ok(Policy {
            verifier: Some(Arc::new(verifier)),
            validates,
            authorities: infos.unwrap_or_default(),
            fingerprint: sha256(&decides),
        })
    }
}

/// Who verifies, and what there is to say about the authorities.
type Authorities = (Arc<dyn ClientCertVerifier>, Vec<CertificateInfo>);

/// `decides` gets what the files say.
fn authorities(ca: &File, crl: Option<&File>, decides: &mut Vec<u8>) -> Result<Authorities, LoadError> {
    let bytes = files::read(ca)?;
    decides.extend(sha256(&bytes));
    let roots = files::roots_in(ca, &bytes)?;
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots.store, provider().clone());
    if let Some(crl) = crl {
        let bytes = files::read(crl)?;
        decides.extend(sha256(&bytes));
        builder = builder.with_crls(files::revocation_lists_in(crl, &bytes)?);
    }
    let verifier = builder.build().map_err(|error| LoadError::new(crl.unwrap_or(ca), error))?;
    Ok((verifier, roots.infos))
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.as_ref().map_or(&[], |authorities| authorities.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_client_cert(certificate, intermediates, now)?;
        }
        self.allowed.check(certificate)?;
        Ok(ClientCertVerified::assertion())
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
