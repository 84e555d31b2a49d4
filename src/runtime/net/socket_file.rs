//! The file of a listening UNIX socket, which the kernel leaves behind when the socket is closed.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

/// A socket file of ours. Dropping it removes the file, unless another process has put its own there since.
///
/// It is to be dropped before its socket is closed: until then no other file has its inode number.
#[derive(Debug)]
pub struct SocketFile {
    path: Arc<Path>,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file of a socket that has just been bound.
    pub(super) fn new(path: &Arc<Path>) -> io::Result<SocketFile> {
        let file = std::fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.clone(), device: file.dev(), inode: file.ino() })
    }

    fn is_ours(&self) -> bool {
        std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.file_type().is_socket() && (file.dev(), file.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}

/// Removes what an earlier process has left at `path`, but nothing that is no socket, and none that is alive.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // asked with a datagram socket: one that is alive answers EPROTOTYPE and gets no connection to accept
    let refused = || {
        let asked = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
        asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if is_socket && refused() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
