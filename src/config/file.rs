//! Files that are read when a configuration is built: certificates, keys, lists. Named by path, or as a systemd
//! credential (systemd.exec(5), "Credentials"); never written into the configuration itself.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::text::{Complaint, Cx, Node, quote, read};

/// Where the contents stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum File {
    /// Absolute.
    Path(PathBuf),
    /// `"credential:NAME"`: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// systemd names the directory in the environment of the service.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

impl File {
    /// The path at this moment.
    ///
    /// # Errors
    /// It is a credential, and nobody gave this process any.
    pub fn path(&self) -> Result<PathBuf, NoCredentials> {
        match self {
            File::Path(path) => Ok(path.clone()),
            File::Credential(name) => match std::env::var_os(DIRECTORY) {
                Some(directory) if !directory.is_empty() => Ok(PathBuf::from(directory).join(name)),
                _ => Err(NoCredentials),
            },
        }
    }
}

/// `$CREDENTIALS_DIRECTORY` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCredentials;

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no credentials: ${DIRECTORY} is not set")
    }
}

impl std::error::Error for NoCredentials {}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            File::Path(path) => path.display().fmt(f),
            File::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl Serialize for File {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<File> {
    let text = read::string(cx, node)?;
    let refuse = |what: &str| {
        let complaint = Complaint::new(format!("{} {what}", quote(&text)));
        cx.refuse(node, complaint.expected("the path of a file, or \"credential:NAME\""))
    };
    match text.strip_prefix("credential:") {
        _ if text.contains('\0') => refuse("has a NUL character"),
        _ if text.contains("-----BEGIN") => cx.refuse(node, "is the contents of a file, not its path"),
        // The rule of systemd for names of credentials: that of file names.
        Some("" | "." | "..") => refuse("is not the name of a credential"),
        Some(name) if name.contains('/') => refuse("is not the name of a credential"),
        Some(name) => Some(File::Credential(name.to_owned())),
        None if text.is_empty() => cx.refuse(node, Complaint::new("is empty").expected("the path of a file")),
        None => Some(File::Path(cx.resolve(&text))),
    }
}
