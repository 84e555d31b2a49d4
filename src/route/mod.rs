//! Where a request goes, and as what: the canonical path, the route table, rewrites, redirects, and the fields a
//! proxy adds. No I/O; every input is an argument.

mod action;
mod client_cert;
mod forwarded;
mod host;
mod index;
mod l4;
mod matcher;
mod path;
mod predicate;
mod redirect;
mod request_id;
mod rewrite;
mod table;
#[cfg(test)]
mod testing;
mod walk;
mod weighted;
mod words;

pub use action::{Action, ClusterRef, Respond, Shadow};
pub use client_cert::{Element as CertElement, apply as apply_client_cert};
pub use forwarded::{Forwarded, IpText, apply as apply_forwarded};
pub use host::normalise_host;
pub use l4::{L4Action, L4Info, L4Route, L4Table};
pub use matcher::{HeaderMatcher, Matcher, QueryMatcher, first_parameter};
pub use path::{Canonical, PathOptions, canonicalise};
pub use predicate::{PathPredicate, Predicate, Subject};
pub use redirect::Redirect;
pub use request_id::{apply as apply_request_id, uuid_v4};
pub use rewrite::Rewrite;
pub use table::{BuildError, Route, RouteTable};
pub use walk::{Step, Verdict};
pub use weighted::{Share, WeightedClusters};
pub use words::quote;
