//! `client_tls_auth`: clients whose certificate is on a list that is fetched again and again.

use std::time::Duration;

use serde::Serialize;

use crate::config::chain::read_ranges;
use crate::config::path_text::check_path;
use crate::config::text::{Complaint, Cx, Node, Object, read, write};
use crate::config::{Cidr, ClientAuthMode, File, ListenerTls, file};

/// Lets clients in by the SHA-256 of their certificate, or by their address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientTlsAuth {
    #[serde(flatten)]
    pub list: ApprovedSource,
    /// From one fetch to the next: 1 s to 24 h, default 60 s.
    #[serde(serialize_with = "write::duration")]
    pub refresh_delay: Duration,
    /// Who comes from here needs no certificate. Default: nobody.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub ip_allow: Vec<Cidr>,
}

/// Where the list comes from. One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ApprovedSource {
    File {
        file: File,
    },
    /// GET, over HTTP/1.1, from a host of the cluster.
    Http {
        cluster: String,
        /// Default: Envoy's.
        path: String,
    },
}

const PATH: &str = "/v1/certs/list/approved";

pub(super) fn read(cx: &Cx, node: &Node, o: &mut Object, base: Option<&ClientTlsAuth>) -> Option<ClientTlsAuth> {
    let delay = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let refresh_delay = base.map_or(Duration::from_secs(60), |base| base.refresh_delay);
    let refresh_delay = o.optional("refresh_delay", refresh_delay, read::duration_in(delay));
    let ip_allow = base.map_or_else(Vec::new, |base| base.ip_allow.clone());
    let ip_allow = o.optional("ip_allow", ip_allow, read_ranges);
    let list = read_source(cx, node, o, base.map(|base| &base.list));
    Some(ClientTlsAuth { list: list?, refresh_delay, ip_allow })
}

fn read_source(cx: &Cx, node: &Node, o: &mut Object, base: Option<&ApprovedSource>) -> Option<ApprovedSource> {
    let (by_file, by_cluster) = (o.has("file"), o.has("cluster"));
    let file = o.maybe("file", file::read);
    let cluster = o.maybe("cluster", Cx::cluster);
    let path_node = o.take("path");
    let path = path_node.as_ref().map(|node| read_path(cx, node));
    match (by_file, by_cluster, base) {
        (true, true, _) => cx.refuse(node, "has both \"file\" and \"cluster\": there is one list"),
        (true, false, _) => {
            if let Some(node) = &path_node {
                cx.refuse::<()>(node, "\"path\" is of a \"cluster\"; \"file\" is the path of a file");
            }
            Some(ApprovedSource::File { file: file? })
        }
        (false, true, _) => Some(ApprovedSource::Http { cluster: cluster?, path: path.unwrap_or(Some(PATH.into()))? }),
        (false, false, Some(ApprovedSource::Http { cluster, path: kept })) => {
            Some(ApprovedSource::Http { cluster: cluster.clone(), path: path.unwrap_or(Some(kept.clone()))? })
        }
        (false, false, Some(file)) if path_node.is_none() => Some(file.clone()),
        (false, false, _) => {
            o.lacks(Complaint::new("has no list").expected("\"file\" or \"cluster\""), &["file", "cluster"]);
            None
        }
    }
}

fn read_path(cx: &Cx, node: &Node) -> Option<String> {
    let path = read::string(cx, node)?;
    match check_path(&path) {
        Ok(()) => Some(path),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// Warns where there is nothing to look at.
pub(super) fn check(cx: &Cx, node: &Node, tls: Option<&ListenerTls>) {
    match tls {
        None => cx.warn(node, "the filter \"client_tls_auth\" lets everybody in: there is no \"tls\""),
        Some(tls) if tls.client_auth.mode == ClientAuthMode::Off => {
            cx.warn(node, "the filter \"client_tls_auth\" finds no certificate: \"client_auth\" asks for none");
        }
        Some(_) => {}
    }
}
