//! [`Stamps`]: what stat(2) tells of files, to see that one of them has changed: an edit, a rename into place and a link
//! that points elsewhere alike.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::config::File;

/// Some files, and what they looked like at one moment. Equal ones: the same files, and none has changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    files: Vec<File>,
    looks: Vec<Option<Look>>,
}

/// `changed` moves with whatever is done to a file, its permissions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamps {
    /// Looks at them now.
    pub(super) fn of(files: Vec<File>) -> Stamps {
        Stamps { looks: files.iter().map(look).collect(), files }
    }

    /// The same files as they look now.
    pub fn again(&self) -> Stamps {
        Stamps::of(self.files.clone())
    }
}

fn look(file: &File) -> Option<Look> {
    let file = fs::metadata(file.path().ok()?).ok()?;
    Some(Look { device: file.dev(), inode: file.ino(), size: file.size(), changed: (file.ctime(), file.ctime_nsec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::Directory;

    #[test]
    fn every_kind_of_change_is_seen() {
        let directory = Directory::new("stamps", &["site.pem", "renewed.pem"]);
        let path = |name: &str| directory.0.join(name);
        std::os::unix::fs::symlink("site.pem", path("link")).unwrap();
        let mut before = Stamps::of(vec![File::Path(path("site.pem")), File::Path(path("link"))]);
        assert_eq!(before, before.again());
        let changes: [(&str, &dyn Fn()); 5] = [
            ("an edit", &|| directory.copy("other.pem", "site.pem")),
            ("a rename", &|| fs::rename(path("renewed.pem"), path("site.pem")).unwrap()),
            ("another link", &|| {
                directory.copy("other.pem", "new.pem");
                std::os::unix::fs::symlink("new.pem", path("new")).unwrap();
                fs::rename(path("new"), path("link")).unwrap();
            }),
            ("the end", &|| fs::remove_file(path("site.pem")).unwrap()),
            ("a beginning", &|| directory.copy("site.pem", "site.pem")),
        ];
        for (what, change) in changes {
            change();
            let now = before.again();
            assert_ne!(now, before, "{what}");
            assert_eq!(now, now.again());
            before = now;
        }
    }
}
