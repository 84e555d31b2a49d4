//! Files of a TLS configuration, read on the control thread: certificates, keys, revocation lists, authorities. Whatever is
//! wrong is said with the path.

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::certificate_info::CertificateInfo;
use super::provider::provider;
use crate::config::{Ca, CertificatePair, File};
use crate::runtime::control;

/// The largest file taken, in bytes. Revocation lists can be long.
const MAX_FILE: u64 = 32 << 20;

/// Authorities of one file that are told to operators: enough for those that somebody chose, and not a whole bundle.
const LISTED: usize = 16;

/// Days before its end that a certificate is worth a warning.
pub(super) const SOON: i64 = 7;

/// Where distributions keep the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A file, or two that belong together, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// As the configuration names it.
    pub file: String,
    pub why: String,
}

impl LoadError {
    pub(super) fn new(file: impl fmt::Display, why: impl fmt::Display) -> LoadError {
        LoadError { file: file.to_string(), why: why.to_string() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.why)
    }
}

impl std::error::Error for LoadError {}

pub(super) fn read(file: &File) -> Result<Vec<u8>, LoadError> {
    let path = file.path().map_err(|error| LoadError::new(file, error))?;
    read_path(&path).map_err(|why| LoadError::new(file, why))
}

fn read_path(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    let read = control::open_file(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if bytes.len() as u64 > MAX_FILE => Err("is too large".to_owned()),
        Ok(_) => Ok(bytes),
    }
}

/// At least one.
fn certificates(file: &File) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    sections(file, &read(file)?, "no certificate")
}

/// Those in the contents of a file. At least one.
pub(super) fn revocation_lists_in(
    file: &File,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
    sections(file, bytes, "no revocation list")
}

fn sections<T: PemObject>(file: &File, bytes: &[u8], none: &str) -> Result<Vec<T>, LoadError> {
    let parsed: Result<Vec<T>, pem::Error> = T::pem_slice_iter(bytes).collect();
    match parsed {
        Ok(sections) if !sections.is_empty() => Ok(sections),
        Ok(_) => Err(LoadError::new(file, format!("has {none} in PEM"))),
        Err(error) => Err(LoadError::new(file, format!("is not PEM: {error}"))),
    }
}

/// A certificate with its key, and what there is to say about it.
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) info: CertificateInfo,
    pub(super) warnings: Vec<String>,
}

/// Reads a certificate, its chain and its key, and makes sure that they belong together.
pub(super) fn pair(files: &CertificatePair) -> Result<Pair, LoadError> {
    let chain = certificates(&files.chain)?;
    let info = CertificateInfo::of(&files.chain.to_string(), &chain[0])
        .map_err(|error| LoadError::new(&files.chain, format!("the certificate cannot be read: {error}")))?;
    let bytes = read(&files.key)?;
    let key = match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => {
            let why =
                if bytes.windows(9).any(|word| word == b"ENCRYPTED") { "is encrypted" } else { "has no key in PEM" };
            return Err(LoadError::new(&files.key, why));
        }
        Err(error) => return Err(LoadError::new(&files.key, format!("is not PEM: {error}"))),
    };
    // What rustls says of a key that it cannot use says nothing of the key itself.
    let key = provider().key_provider.load_private_key(key).map_err(|_| {
        LoadError::new(&files.key, "is not a key that works here (ECDSA P-256 and P-384, RSA, Ed25519)")
    })?;
    let mut certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(_) => {
            let why = format!("is not the key of the certificate in {}", files.chain);
            return Err(LoadError::new(&files.key, why));
        }
    }
    certified.ocsp = files.ocsp.as_ref().map(ocsp_response).transpose()?;
    let mut warnings = Vec::new();
    if is_world_readable(&files.key) {
        warnings.push(format!("{}: everybody on this host can read the key", files.key));
    }
    Ok(Pair { certified: Arc::new(certified), info, warnings })
}

/// DER (RFC 6960 section 4.2.1): a SEQUENCE. Clients judge the rest.
fn ocsp_response(file: &File) -> Result<Vec<u8>, LoadError> {
    let bytes = read(file)?;
    if bytes.first() == Some(&0x30) { Ok(bytes) } else { Err(LoadError::new(file, "is no OCSP response in DER")) }
}

/// Row T-13.
fn is_world_readable(file: &File) -> bool {
    let metadata = file.path().ok().and_then(|path| fs::metadata(path).ok());
    metadata.is_some_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Of ours. Refuses one that has expired if there is something better: those `in_use`, unless it is one of them. Where
/// there is nothing, it is a warning.
pub(super) fn check_expiry(pair: &mut Pair, in_use: Option<&[CertificateDer<'static>]>) -> Result<(), LoadError> {
    let (now, info) = (unix_seconds(), &pair.info);
    if info.not_after < now && in_use.is_some_and(|in_use| !in_use.contains(&pair.certified.cert[0])) {
        return Err(LoadError::new(&info.path, "the certificate has expired"));
    }
    pair.warnings.extend(info.warning(now));
    Ok(())
}

fn unix_seconds() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// Authorities, and what there is to say about those of a file.
pub(super) struct Roots {
    pub(super) store: Arc<RootCertStore>,
    pub(super) infos: Vec<CertificateInfo>,
}

pub(super) fn roots(ca: &Ca, system: &SystemRoots) -> Result<Roots, LoadError> {
    match ca {
        Ca::System => system.get().map(|store| Roots { store, infos: Vec::new() }),
        Ca::File(file) => roots_in(file, &read(file)?),
    }
}

/// Those in the contents of a file. Every certificate must be fit for an authority.
pub(super) fn roots_in(file: &File, bytes: &[u8]) -> Result<Roots, LoadError> {
    let mut roots = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> = sections(file, bytes, "no certificate")?;
    // One that only rustls can read works all the same.
    let infos = certificates.iter().take(LISTED).filter_map(|der| CertificateInfo::of(&file.to_string(), der).ok());
    let infos = infos.collect();
    for (at, certificate) in certificates.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| LoadError::new(file, format!("certificate {} is no authority: {error}", at + 1)))?;
    }
    Ok(Roots { store: Arc::new(roots), infos })
}

/// The authorities of this host. Their bundle is large, and clusters share it: it is read once, and again when it has
/// changed. Whoever loads contexts owns it.
#[derive(Debug, Default)]
pub struct SystemRoots(Mutex<Option<Bundle>>);

/// What was read last, as long as somebody uses it.
#[derive(Debug)]
struct Bundle {
    path: PathBuf,
    changed: SystemTime,
    store: Weak<RootCertStore>,
}

impl SystemRoots {
    fn get(&self) -> Result<Arc<RootCertStore>, LoadError> {
        let path = match std::env::var_os("SSL_CERT_FILE") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => BUNDLES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
                LoadError::new("\"system\"", "this host has no authorities: install ca-certificates, or name a file")
            })?,
        };
        self.read(path)
    }

    fn read(&self, path: PathBuf) -> Result<Arc<RootCertStore>, LoadError> {
        let changed = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let changed = changed.map_err(|error| LoadError::new(path.display(), format!("cannot be read: {error}")))?;
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bundle) = &*last
            && (&bundle.path, &bundle.changed) == (&path, &changed)
            && let Some(store) = bundle.store.upgrade()
        {
            return Ok(store);
        }
        let bytes = read_path(&path).map_err(|why| LoadError::new(path.display(), why))?;
        let mut roots = RootCertStore::empty();
        // Old and odd ones among so many are left out.
        let certificates = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok);
        let (taken, _) = roots.add_parsable_certificates(certificates);
        if taken == 0 {
            return Err(LoadError::new(path.display(), "has no certificate of an authority"));
        }
        let store = Arc::new(roots);
        *last = Some(Bundle { path, changed, store: Arc::downgrade(&store) });
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::Directory;

    #[test]
    fn a_bundle_is_shared_until_it_changes_and_may_have_odd_entries() {
        let directory = Directory::new("bundle", &["ca.pem", "ca.crl"]);
        let path = directory.0.join("bundle");
        let certificate = fs::read_to_string(directory.0.join("ca.pem")).unwrap();
        fs::write(
            &path,
            format!("# one\n{certificate}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        )
        .unwrap();
        let system = SystemRoots::default();
        let first = system.read(path.clone()).unwrap();
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first, &system.read(path.clone()).unwrap()));
        let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(!Arc::ptr_eq(&first, &system.read(path).unwrap()));
        for (name, why) in [("none", "cannot be read: "), ("ca.crl", "has no certificate of an authority")] {
            let error = system.read(directory.0.join(name)).unwrap_err();
            assert!(error.file.ends_with(name) && error.why.starts_with(why), "{error}");
        }
    }
}
