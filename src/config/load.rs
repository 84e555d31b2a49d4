//! From a file to a [`Config`]: the entry points, and the top level of the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::text::{self, Complaint, Cx, Kind, Problem, Problems, read};
use super::{
    Cluster, ClusterProtocol, Config, Dns, Listener, Listeners, Node, Protocol, Runtime, Warnings, Workers, access_log,
    address, admin, cluster, dns, listeners, runtime,
};
use crate::order;

/// Largest file taken, in bytes.
pub const MAX_FILE: usize = 4 << 20;

/// Reads and checks a file. Relative paths in it start from its directory.
///
/// # Errors
/// All that is wrong with it, or that it cannot be read.
pub fn load(path: &Path) -> Result<(Config, Warnings), Problems> {
    let name = path.display().to_string();
    let unread = |message: String| {
        let problem = Problem { file: name.as_str().into(), line: 0, column: 0, path: String::new(), message };
        Problems::new(vec![problem], 0)
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    let limit = MAX_FILE as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| unread(format!("cannot be read: {error}")))?;
    if bytes.len() > MAX_FILE {
        return Err(unread("is larger than 4 MiB".to_owned()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(text, path.parent().unwrap_or(Path::new("")), &name),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(unread(format!("is not UTF-8: see line {line}")))
        }
    }
}

/// Reads and checks the text of a file. Relative paths start from `base_dir`; `name` is how problems call the file.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, base_dir: &Path, name: &str) -> Result<(Config, Warnings), Problems> {
    // Some editors write a byte order mark; RFC 8259 section 8.1 lets a reader skip it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // An empty or relative directory is one of the current directory. If that is gone, it stays relative.
    let base_dir = match std::path::absolute(base_dir) {
        Ok(dir) => dir,
        Err(_) => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(base_dir)),
    };
    let cx = Cx::new(text, &base_dir, name);
    let config = match text::root(text) {
        _ if text.len() > MAX_FILE => cx.refuse(&whole(text), "is larger than 4 MiB"),
        Ok(root) => read_config(&cx, &root),
        Err(error) => cx.syntax_error(&error),
    };
    cx.into_result(config)
}

fn whole(text: &str) -> text::Node<'_> {
    text::Node { path: String::new(), text }
}

/// Keys of features to come.
const LATER: &[&str] = &[
    "tracing",
    "stats",
    "overload",
    "certificates",
    "secrets",
    "rate_limit_service",
    "log_level",
    "hot_restart",
    "layers",
];

fn read_config(cx: &Cx, root: &text::Node) -> Option<Config> {
    let mut o = cx.object(root)?;
    o.later(LATER);
    // First the clusters, which routes refer to; before them what they have in common.
    let dns = o.optional("dns", Dns::default(), |cx, node| dns::read(cx, node, &Dns::default()));
    let clusters = o.optional("clusters", BTreeMap::new(), |cx, node| read_clusters(cx, node, &dns));
    let admin_node = o.take("admin");
    let admin = admin_node.as_ref().and_then(|node| admin::read(cx, node));
    let workers = o.maybe("workers", read::integer_or("auto", 1..=1024)).flatten();
    let config = Config {
        node: o.optional("node", Node::default(), read_node),
        workers: workers.map_or(Workers::Auto, Workers::Count),
        drain_time: o.optional("drain_time", Duration::from_secs(30), read::duration),
        watch: o.optional("watch", false, read::boolean),
        max_connections: o.maybe("max_connections", read::integer_or("auto", 1..=u64::MAX)).flatten(),
        access_log: o.optional("access_log", Vec::new(), read::one_or_list(access_log::read)),
        dns,
        listeners: Listeners::default(),
        admin: None,
        runtime: Runtime::new(),
        clusters,
    };
    let given = o.take("listeners");
    let listeners = given.as_ref().and_then(|node| listeners::read_all(cx, node, &config.clusters)).unwrap_or_default();
    if let (Some(node), Some(admin)) = (&admin_node, &admin)
        && address::is_exclusive(&admin.address)
        && let Some(at) = listeners.iter().position(|listener| listener.address == admin.address)
    {
        cx.refuse::<()>(node, format!("the address {} is taken by listeners[{at}]", admin.address));
    }
    if let Some(node) = &given {
        check_tunnels(cx, node, &listeners, &config.clusters);
    }
    let empty = given.as_ref().is_none_or(|node| node.elements().is_ok_and(|elements| elements.is_empty()));
    if empty && admin_node.is_none() {
        let complaint = Complaint::new("there is nothing to do").expected("\"listeners\" or \"admin\"");
        o.lacks(complaint, &["listeners", "admin"]);
    }
    // Last: by now it is known who reads what.
    let runtime = o.maybe("runtime", runtime::read);
    runtime.iter().for_each(|runtime| runtime::check(cx, runtime, &config.clusters));
    let runtime = runtime.map(runtime::Read::into_values).unwrap_or_default();
    o.finish();
    Some(Config { listeners, admin, runtime, ..config })
}

/// A tunnel is asked for in HTTP/1.1: its hosts must speak that.
fn check_tunnels(cx: &Cx, node: &text::Node, listeners: &[Listener], clusters: &BTreeMap<String, Arc<Cluster>>) {
    for chain in listeners.iter().flat_map(|listener| listener.chains.iter()) {
        let Protocol::Tcp(service) = &chain.service.protocol else { continue };
        if service.tcp.tunnel.is_none() {
            continue;
        }
        let names = service.routes.iter().flat_map(|route| route.action.clusters());
        let other = |name: &&str| clusters.get(*name).is_some_and(|cluster| cluster.protocol != ClusterProtocol::H1);
        if let Some(name) = names.into_iter().find(other) {
            let what = format!("the tunnel of \"{}\" goes through the cluster \"{name}\"", chain.name);
            cx.refuse::<()>(node, Complaint::new(what).expected("a cluster of \"protocol\": \"h1\""));
        }
    }
}

fn read_node(cx: &Cx, node: &text::Node) -> Option<Node> {
    let mut o = cx.object(node)?;
    o.later(&["region", "metadata"]);
    let read = Node {
        id: o.optional("id", String::new(), read::name_or_empty),
        cluster: o.optional("cluster", String::new(), read::name_or_empty),
        zone: o.optional("zone", String::new(), read::name_or_empty),
    };
    o.finish();
    Some(read)
}

fn read_clusters(cx: &Cx, node: &text::Node, dns: &Dns) -> Option<BTreeMap<String, Arc<Cluster>>> {
    if node.kind() == Kind::Array {
        return cx.wrong_type(node, "an object whose keys are the names of clusters");
    }
    let entries = cx.entries(node, "an object whose keys are the names of clusters")?;
    cx.define_clusters(order::set(entries.iter().map(|entry| entry.key.to_string())));
    let mut clusters = BTreeMap::new();
    for entry in &entries {
        if let Err(complaint) = read::check_name(&entry.key) {
            cx.refuse::<()>(&entry.key_node, complaint);
        }
        if let Some(cluster) = cluster::read(cx, &entry.value, dns) {
            cx.define_subsets(&entry.key, cluster.balancing.subsets.as_ref());
            clusters.insert(entry.key.to_string(), Arc::new(cluster));
        }
    }
    Some(clusters)
}
