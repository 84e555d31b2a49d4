//! Files at paths where anything may stand one day.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file to read it. It waits for nobody: opening a FIFO would wait for whoever writes to it. Blocks as files do.
///
/// # Errors
/// It cannot be opened, or is neither a file nor a device (`/dev/null` may stand for an empty file).
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_char_device() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = std::env::temp_dir().join(format!("nuncio-open-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (file, fifo) = (directory.join("file"), directory.join("fifo"));
        std::fs::write(&file, "text").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let open = |path: &Path| open_file(path).map(|file| io::read_to_string(file).unwrap());
        assert_eq!(open(&file).unwrap(), "text");
        assert_eq!(open(Path::new("/dev/null")).unwrap(), "");
        for path in [&fifo, &directory] {
            assert_eq!(open(path).unwrap_err().to_string(), "it is not a file");
        }
        assert_eq!(open(&directory.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
