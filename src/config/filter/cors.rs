//! `cors`: which web pages of other origins may read.

use std::time::Duration;

use nuncio_http::HeaderName;
use serde::Serialize;

use crate::config::matcher::{self, Matcher, Pattern};
use crate::config::text::{Complaint, Cx, Node, Object, read, write};

/// `cors`: answers preflights and marks responses (the Fetch standard, "HTTP-CORS protocol").
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cors {
    /// Origins that may read. Required, at least one. The exact origin `*` stands for every origin.
    pub allow_origin: Vec<Matcher>,
    /// Default: GET, HEAD, POST.
    pub allow_methods: Vec<String>,
    #[serde(serialize_with = "write::display_list")]
    pub allow_headers: Vec<HeaderName>,
    #[serde(serialize_with = "write::display_list")]
    pub expose_headers: Vec<HeaderName>,
    /// How long a browser may keep the answer to a preflight. Default off: the browser decides.
    #[serde(serialize_with = "write::duration_or_off")]
    pub max_age: Option<Duration>,
    /// Default false.
    pub allow_credentials: bool,
}

pub(super) fn read(o: &mut Object, base: Option<&Cors>) -> Option<Cors> {
    o.later(&["allow_private_network_access", "forward_not_matching_preflights"]);
    let base = base.cloned();
    let default = Cors {
        allow_origin: Vec::new(),
        allow_methods: ["GET", "HEAD", "POST"].map(str::to_owned).to_vec(),
        allow_headers: Vec::new(),
        expose_headers: Vec::new(),
        max_age: None,
        allow_credentials: false,
    };
    let origins = base.as_ref().map(|base| base.allow_origin.clone());
    let base = base.unwrap_or(default);
    let allow_origin = o.required_or("allow_origin", origins, read::some(read_origin));
    let methods = read::one_or_list(|cx: &Cx, node: &Node| read::method(cx, node).map(|method| method.to_string()));
    let cors = Cors {
        allow_methods: o.optional("allow_methods", base.allow_methods, methods),
        allow_headers: o.optional("allow_headers", base.allow_headers, read::one_or_list(read::header_name)),
        expose_headers: o.optional("expose_headers", base.expose_headers, read::one_or_list(read::header_name)),
        max_age: o.optional("max_age", base.max_age, read::or_off(read::duration)),
        allow_origin: Vec::new(),
        allow_credentials: base.allow_credentials,
    };
    let any = allow_origin.iter().flatten().any(|origin| origin.pattern == Pattern::Exact("*".to_owned()));
    let allow_credentials = o.optional("allow_credentials", base.allow_credentials, |cx, node| {
        let allow = read::boolean(cx, node)?;
        if allow && any {
            let what = "with the origin \"*\" every page in the world could read as the user";
            return cx.refuse(node, Complaint::new(what).hint("list the origins"));
        }
        Some(allow)
    });
    Some(Cors { allow_origin: allow_origin?, allow_credentials, ..cors })
}

fn read_origin(cx: &Cx, node: &Node) -> Option<Matcher> {
    let origin = matcher::read(cx, node)?;
    if let Pattern::Prefix(prefix) | Pattern::Contains(prefix) = &origin.pattern {
        cx.warn(node, format!("allows origins such as \"{}.example.net\" too", prefix.escape_debug()));
    }
    Some(origin)
}
