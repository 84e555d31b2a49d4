//! What becomes of a request: `cluster`, `clusters`, `redirect` or `respond`.

use serde::Serialize;

use super::path_text::check_path;
use super::text::{Complaint, Cx, Node, Object, quote, read};
use super::{Weight, weight};

/// What becomes of the request: one of these keys stands in the route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `"cluster": NAME`
    Cluster(String),
    /// `"clusters": [{ "name": NAME, "weight": N }]`; see [`Weight`].
    Clusters(Vec<WeightedCluster>),
    Redirect(Redirect),
    Respond(Respond),
}

impl Action {
    /// The names of the clusters that it may choose.
    pub fn clusters(&self) -> Vec<&str> {
        match self {
            Action::Cluster(name) => vec![name],
            Action::Clusters(shares) => shares.iter().map(|share| share.name.as_str()).collect(),
            Action::Redirect(_) | Action::Respond(_) => Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightedCluster {
    pub name: String,
    /// Its share of the sum of all. At least one weight is above 0 by default.
    pub weight: Weight,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308. Default 301.
    pub status: u16,
    /// `"http"` or `"https"`. Default: the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Default: the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Replaces path and query. At most one of `path`, `prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Replaces the matched prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Default false.
    pub strip_query: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// At most 64 KiB.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Default `text/plain` for a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Longest body of a `respond`, in bytes.
const MAX_BODY: usize = 64 << 10;

const KEYS: &[&str] = &["cluster", "clusters", "redirect", "respond"];

/// Reads the one action of a route.
pub(super) fn read(cx: &Cx, node: &Node, o: &mut Object) -> Option<Action> {
    let given: Vec<String> = KEYS.iter().filter(|key| o.has(key)).map(|key| format!("\"{key}\"")).collect();
    let actions = [
        o.maybe("cluster", Cx::cluster).map(Action::Cluster),
        o.maybe("clusters", read_clusters).map(Action::Clusters),
        o.maybe("redirect", read_redirect).map(Action::Redirect),
        o.maybe("respond", read_respond).map(Action::Respond),
    ];
    let expected = format!("one of {}", KEYS.join(", "));
    match &given[..] {
        [_] => actions.into_iter().flatten().next(),
        [] => {
            o.lacks(Complaint::new("has no action").expected(expected), KEYS);
            None
        }
        several => {
            let what = format!("has {} actions: {}", several.len(), several.join(", "));
            cx.refuse(node, Complaint::new(what).expected(expected))
        }
    }
}

pub(super) fn read_clusters(cx: &Cx, node: &Node) -> Option<Vec<WeightedCluster>> {
    let nodes = cx.elements(node, "a list of clusters with weights")?;
    let clusters: Vec<Option<WeightedCluster>> = nodes.iter().map(|node| read_weighted(cx, node)).collect();
    let clusters: Vec<WeightedCluster> = clusters.into_iter().collect::<Option<_>>()?;
    if clusters.is_empty() {
        return cx.refuse(node, Complaint::new("is empty").expected("at least one cluster"));
    }
    if clusters.iter().all(|cluster| cluster.weight.value == 0) {
        return cx.refuse(node, Complaint::new("every weight is 0").expected("at least one above 0"));
    }
    Some(clusters)
}

fn read_weighted(cx: &Cx, node: &Node) -> Option<WeightedCluster> {
    let mut o = cx.object(node)?;
    o.later(&["request_headers", "response_headers", "host_rewrite"]);
    let name = o.required("name", Cx::cluster);
    let weight = o.required("weight", weight::read);
    o.finish();
    Some(WeightedCluster { name: name?, weight: weight? })
}

fn read_redirect(cx: &Cx, node: &Node) -> Option<Redirect> {
    const STATUS: &[u16] = &[301, 302, 303, 307, 308];
    let mut o = cx.object(node)?;
    let changes = ["scheme", "host", "port", "path", "prefix", "strip_query"].iter().any(|key| o.has(key));
    if !changes {
        let complaint = Complaint::new("changes nothing: the client would come back at once");
        const CHANGES: &[&str] = &["scheme", "host", "port", "path", "prefix"];
        o.lacks(complaint.expected("one of scheme, host, port, path, prefix"), CHANGES);
    }
    if o.has("path") && o.has("prefix") {
        cx.refuse::<()>(node, "has both \"path\" and \"prefix\"");
    }
    let redirect = Redirect {
        status: o.optional("status", 301, |cx, node| {
            let status = read::integer(300..=399)(cx, node)?;
            if STATUS.contains(&status) {
                return Some(status);
            }
            let complaint = Complaint::new(format!("{status} is not a redirect with a location"));
            cx.refuse(node, complaint.expected("301, 302, 303, 307 or 308"))
        }),
        scheme: o
            .maybe("scheme", read::one_of(&[("http", "http"), ("https", "https")]))
            .map(|scheme: &'static str| scheme.to_owned()),
        host: o.maybe("host", read::authority),
        port: o.maybe("port", read::integer(1..=65_535)),
        path: o.maybe("path", read_location),
        prefix: o.maybe("prefix", read_path_prefix),
        strip_query: o.optional("strip_query", false, read::boolean),
    };
    o.finish();
    Some(redirect)
}

/// A path, perhaps with a query.
fn read_location(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let sound = check_path(path).and_then(|()| {
        // Two slashes would name a host (RFC 3986 section 4.2).
        if path.starts_with("//") {
            return Err("starts with \"//\", which would name a host".into());
        }
        check_path(&format!("/{}", query.replace('?', "")))
    });
    match sound {
        Ok(()) => Some(text),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// What stands in place of a matched prefix. Empty: nothing.
pub(super) fn read_path_prefix(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let sound = match text.as_str() {
        "" => Ok(()),
        text if text.starts_with("//") => Err(Complaint::new("starts with \"//\", which would name a host")),
        text => check_path(text),
    };
    match sound {
        Ok(()) => Some(text),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

fn read_respond(cx: &Cx, node: &Node) -> Option<Respond> {
    let mut o = cx.object(node)?;
    o.later(&["body_file", "headers", "body_format"]);
    let status = o.required("status", read::integer(200..=599));
    let body = o.optional("body", String::new(), |cx, node| {
        let body = read::string(cx, node)?;
        match status {
            // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
            Some(status @ (204 | 205 | 304)) if !body.is_empty() => {
                cx.refuse(node, format!("a response with status {status} has no body"))
            }
            _ if body.len() > MAX_BODY => {
                let complaint = Complaint::new(format!("has {} bytes", body.len()));
                cx.refuse(node, complaint.expected(format!("at most {MAX_BODY}")))
            }
            _ => Some(body),
        }
    });
    let content_type = o.maybe("content_type", |cx, node| {
        let text = read::full_header_value(cx, node)?;
        match text.split_once('/') {
            Some(_) => Some(text),
            None => cx.refuse(
                node,
                Complaint::new(format!("{} is not a media type", quote(&text))).expected("such as \"text/html\""),
            ),
        }
    });
    o.finish();
    Some(Respond { status: status?, body, content_type })
}
