//! Where a request goes, and as what: the canonical path, the route table, rewrites, redirects, and the fields a
//! proxy adds. No I/O; every input is an argument.

mod host;
mod path;

pub use host::normalise_host;
pub use path::{Canonical, PathOptions, canonicalise};
