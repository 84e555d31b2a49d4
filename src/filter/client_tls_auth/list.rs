//! [`ApprovedList`]: the certificates that may come. The control thread brings the list up to date, workers look into it.
//! Until it has come for the first time it is empty.

use std::cell::RefCell;
use std::io::Read;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Deserialize;

use crate::config::{ApprovedSource, ClientTlsAuth, File, Pin, parse_pin};
use crate::order;
use crate::runtime::{Published, Reader, control};
use crate::stats::{ClientTlsAuthStats, Handle};

/// Bytes of the document, at most.
pub const MAX_LIST: usize = 1 << 20;

/// The list of one filter.
pub struct ApprovedList {
    pub source: ApprovedSource,
    /// From one update to the next.
    pub refresh_delay: Duration,
    /// The chain, for the log.
    listener: String,
    /// SHA-256 of certificates, sorted.
    pins: Arc<Published<Vec<Pin>>>,
    /// The control thread's.
    stats: Handle<ClientTlsAuthStats>,
}

/// `{ "certificates": [{ "fingerprint_sha256": "..." }] }`; other keys are skipped.
#[derive(Deserialize)]
struct Document {
    certificates: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    fingerprint_sha256: String,
}

/// One worker's way to a list.
struct Look {
    list: Weak<ApprovedList>,
    pins: Reader<Vec<Pin>>,
}

thread_local! {
    /// This worker's: a look at a list takes no lock. There are as many as filters of this type.
    static LOOKS: RefCell<Vec<Look>> = const { RefCell::new(Vec::new()) };
}

impl ApprovedList {
    /// A list in a file is read at once, as certificates are.
    pub(super) fn new(config: &ClientTlsAuth, listener: &str, stats: Handle<ClientTlsAuthStats>) -> ApprovedList {
        let list = ApprovedList {
            source: config.list.clone(),
            refresh_delay: config.refresh_delay,
            listener: listener.to_owned(),
            pins: Arc::new(Published::new(Vec::new())),
            stats,
        };
        if let ApprovedSource::File { file } = &config.list {
            list.update(read_list(file));
        }
        list
    }

    /// On a worker.
    pub(super) fn has(self: &Arc<Self>, pin: &Pin) -> bool {
        LOOKS.with_borrow_mut(|looks| {
            let known = looks.iter().position(|look| std::ptr::eq(look.list.as_ptr(), Arc::as_ptr(self)));
            let at = known.unwrap_or_else(|| {
                looks.retain(|look| look.list.strong_count() > 0);
                looks.push(Look { list: Arc::downgrade(self), pins: self.pins.reader() });
                looks.len() - 1
            });
            looks[at].pins.get().binary_search(pin).is_ok()
        })
    }

    /// A new document, or why there is none: the list stays then. On the control thread.
    pub fn update(&self, document: Result<Vec<u8>, String>) {
        match document.and_then(|document| parse(&document)) {
            Ok(pins) => {
                self.stats.update_success.inc();
                self.stats.total_principals.set(pins.len() as i64);
                if *self.pins.get() != pins {
                    log::info!("listener {}: client_tls_auth: {} certificates are approved", self.listener, pins.len());
                    self.pins.set(pins);
                }
            }
            Err(error) => {
                self.stats.update_failure.inc();
                log::warn!("listener {}: client_tls_auth: the list stays as it is: {error}", self.listener);
            }
        }
    }
}

/// The document in a file. Blocks.
pub fn read_list(file: &File) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{file}: cannot be read: {error}");
    let path = file.path().map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    let read = control::open_file(&path).and_then(|file| file.take(MAX_LIST as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| failed(&error))?;
    if bytes.len() > MAX_LIST { Err(format!("{file}: is larger than 1 MiB")) } else { Ok(bytes) }
}

/// All or nothing: a list of which a part is missing keeps somebody out.
fn parse(document: &[u8]) -> Result<Vec<Pin>, String> {
    let document: Document = serde_json::from_slice(document).map_err(|error| format!("is no list: {error}"))?;
    let pin = |entry: &Entry| {
        parse_pin(&entry.fingerprint_sha256)
            .ok_or_else(|| format!("{:?} is no SHA-256 of a certificate", entry.fingerprint_sha256))
    };
    let mut pins = document.certificates.iter().map(pin).collect::<Result<Vec<Pin>, String>>()?;
    order::sort(&mut pins);
    pins.dedup();
    Ok(pins)
}
