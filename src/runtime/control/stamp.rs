//! What changes with a file. A look is one stat(2) of the name, so that it sees an edit, a rename into place and a link that
//! points elsewhere alike.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    modified: SystemTime,
}

impl Stamp {
    /// That of a file at this moment, if it is there. Blocks.
    pub fn of(path: &Path) -> Option<Stamp> {
        let file = fs::metadata(path).ok()?;
        Some(Stamp { inode: file.ino(), size: file.size(), modified: file.modified().ok()? })
    }

    /// The same on a thread that may block.
    pub async fn look(path: &Path) -> Option<Stamp> {
        let path = path.to_owned();
        super::unblock(move || Stamp::of(&path)).await
    }
}
