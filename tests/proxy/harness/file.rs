//! A file that the proxy writes and the test reads.

use std::path::PathBuf;

use super::eventually;

/// A path of our own, gone at the end.
pub(crate) struct LogFile(pub(crate) PathBuf);

impl LogFile {
    pub(crate) fn new(name: &str) -> LogFile {
        LogFile(std::env::temp_dir().join(format!("nuncio-{}-{name}.log", std::process::id())))
    }

    /// Waits for so many lines.
    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines"), || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count && text.ends_with('\n')).then_some(lines)
        })
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
