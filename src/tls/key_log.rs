//! `key_log`: secrets of connections in the format of NSS, which packet analysers read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use rustls::KeyLog;

use super::files::LoadError;
use crate::config;

/// Appends lines to a file that only its owner can read.
#[derive(Debug)]
pub(super) struct KeyLogFile(File);

impl KeyLogFile {
    pub(super) fn open(file: &config::File) -> Result<KeyLogFile, LoadError> {
        let path = file.path().map_err(|error| LoadError::new(file, error))?;
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        opened.map(KeyLogFile).map_err(|error| LoadError::new(file, format!("cannot be written: {error}")))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // Whole lines, so that those of several workers do not mix. A log that cannot be written stops no handshake.
        let _ = (&self.0).write_all(line.as_bytes());
    }
}
