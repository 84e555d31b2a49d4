//! The two files of the system, read again when they change. They are looked at every five seconds at most.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hosts::Hosts;
use super::resolv_conf::ResolvConf;
use crate::runtime::control::{self, Stamp};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);
/// Largest files taken, in bytes.
const MAX_RESOLV_CONF: u64 = 64 << 10;
const MAX_HOSTS: u64 = 1 << 20;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) resolv_conf: PathBuf,
    pub(super) hosts: PathBuf,
}

/// What they say.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) resolv_conf: Arc<ResolvConf>,
    pub(super) hosts: Arc<Hosts>,
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

impl Files {
    pub(super) fn are_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) < PERIOD
    }

    pub(super) fn looked(&mut self, now: Instant) {
        self.looked = now;
    }
}

impl Sources {
    pub(super) fn system() -> Sources {
        Sources { resolv_conf: PathBuf::from("/etc/resolv.conf"), hosts: PathBuf::from("/etc/hosts") }
    }

    /// Reads what has changed since `before`. A file that is not there is an empty one; one that cannot be read leaves what
    /// was known.
    pub(super) fn look(&self, before: Option<Files>, now: Instant) -> Files {
        let first = before.is_none();
        let mut files = before.unwrap_or_else(|| Files {
            resolv_conf: Arc::default(),
            hosts: Arc::default(),
            stamps: [None, None],
            looked: now,
        });
        files.looked = now;
        let stamps = [&self.resolv_conf, &self.hosts].map(|path| Stamp::of(path));
        if first || stamps[0] != files.stamps[0] {
            match read(&self.resolv_conf, MAX_RESOLV_CONF) {
                Ok(text) => files.resolv_conf = Arc::new(ResolvConf::parse(&text)),
                Err(error) => log::warn!("{} cannot be read: {error}", self.resolv_conf.display()),
            }
        }
        if first || stamps[1] != files.stamps[1] {
            match read(&self.hosts, MAX_HOSTS) {
                Ok(text) => files.hosts = Arc::new(Hosts::parse(&text)),
                Err(error) => log::warn!("{} cannot be read: {error}", self.hosts.display()),
            }
        }
        files.stamps = stamps;
        files
    }
}

fn read(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    match control::open_file(path) {
        Ok(file) => file.take(most + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
