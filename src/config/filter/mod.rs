//! `filters`: what stands between a route and its action, in order.

mod buffer;
mod client_tls_auth;
mod connection_limit;
mod cors;
mod echo;
mod fault;
mod grpc_stats;
mod grpc_web;
mod header_mutation;
mod health_check;
mod ip_ranges;
mod local_rate_limit;
mod sni_cluster;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

pub use self::buffer::Buffer;
pub use self::client_tls_auth::{ApprovedSource, ClientTlsAuth};
pub use self::connection_limit::ConnectionLimit;
pub use self::cors::Cors;
pub use self::echo::Echo;
pub use self::fault::{Fault, FaultAbort, FaultDelay};
pub use self::grpc_stats::GrpcStats;
pub use self::grpc_web::GrpcWeb;
pub use self::header_mutation::HeaderMutation;
pub use self::health_check::HealthCheckFilter;
pub use self::ip_ranges::IpRanges;
pub use self::local_rate_limit::LocalRateLimit;
pub use self::sni_cluster::SniCluster;
use super::ListenerTls;
use super::text::{Complaint, Cx, Kind, Node, Object, quote, read};

/// One entry of `filters`: `{ "type": NAME, ...its settings }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Filter {
    Buffer(Buffer),
    LocalRateLimit(LocalRateLimit),
    Fault(Fault),
    HeaderMutation(HeaderMutation),
    Cors(Cors),
    GrpcStats(GrpcStats),
    GrpcWeb(GrpcWeb),
    HealthCheck(HealthCheckFilter),
    IpAllow(IpRanges),
    IpDeny(IpRanges),
    ConnectionLimit(ConnectionLimit),
    ClientTlsAuth(ClientTlsAuth),
    SniCluster(SniCluster),
    Echo(Echo),
}

impl Filter {
    /// Every filter type, as the configuration names it.
    pub const TYPES: &[&str] = &[
        "buffer",
        "client_tls_auth",
        "connection_limit",
        "cors",
        "echo",
        "fault",
        "grpc_stats",
        "grpc_web",
        "header_mutation",
        "health_check",
        "ip_allow",
        "ip_deny",
        "local_rate_limit",
        "sni_cluster",
    ];

    /// The `type` of this filter.
    pub fn type_name(&self) -> &'static str {
        match self {
            Filter::Buffer(_) => "buffer",
            Filter::Cors(_) => "cors",
            Filter::Fault(_) => "fault",
            Filter::GrpcStats(_) => "grpc_stats",
            Filter::GrpcWeb(_) => "grpc_web",
            Filter::HeaderMutation(_) => "header_mutation",
            Filter::HealthCheck(_) => "health_check",
            Filter::LocalRateLimit(_) => "local_rate_limit",
            Filter::IpAllow(_) => "ip_allow",
            Filter::IpDeny(_) => "ip_deny",
            Filter::ConnectionLimit(_) => "connection_limit",
            Filter::ClientTlsAuth(_) => "client_tls_auth",
            Filter::SniCluster(_) => "sni_cluster",
            Filter::Echo(_) => "echo",
        }
    }

    /// What it can stand in: listeners of `"protocol": "http"`, and of `"tcp"`.
    fn protocols(&self) -> &'static [&'static str] {
        match self {
            Filter::Buffer(_)
            | Filter::Cors(_)
            | Filter::Fault(_)
            | Filter::GrpcStats(_)
            | Filter::GrpcWeb(_)
            | Filter::HeaderMutation(_)
            | Filter::HealthCheck(_) => &["http"],
            Filter::LocalRateLimit(_) | Filter::IpAllow(_) | Filter::IpDeny(_) | Filter::ClientTlsAuth(_) => {
                &["http", "tcp"]
            }
            Filter::ConnectionLimit(_) | Filter::SniCluster(_) | Filter::Echo(_) => &["tcp"],
        }
    }

    /// It says itself where a connection goes: no route is needed.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Filter::SniCluster(_) | Filter::Echo(_))
    }
}

/// Refuses filters that see nothing where this protocol is spoken.
pub(super) fn check(cx: &Cx, node: &Node, filters: &[Filter], protocol: &str) {
    for filter in filters.iter().filter(|filter| !filter.protocols().contains(&protocol)) {
        let what = format!("the filter \"{}\" has nothing to do in \"protocol\": \"{protocol}\"", filter.type_name());
        cx.refuse::<()>(node, what);
    }
}

/// Warns of filters that find nothing to look at where TLS is, or is not, spoken.
pub(super) fn check_tls(cx: &Cx, node: &Node, filters: &[Filter], tls: Option<&ListenerTls>) {
    if filters.iter().any(|filter| matches!(filter, Filter::ClientTlsAuth(_))) {
        client_tls_auth::check(cx, node, tls);
    }
}

/// What a route makes of a filter of its listener: `"filters": { NAME: "off" | { ...settings } }`.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterOverride {
    Off,
    /// Its settings in place of the listener's: keys that are not given keep the listener's value.
    Settings(Filter),
}

/// Filter types to come.
const LATER_TYPES: &[&str] = &[
    "compressor",
    "decompressor",
    "ext_authz",
    "ip_tagging",
    "jwt_authn",
    "mongo",
    "postgres",
    "rate_limit",
    "rbac",
    "redis",
];

/// One entry of a listener's `filters`.
pub(super) fn read(cx: &Cx, node: &Node) -> Option<Filter> {
    let mut o = cx.object(node)?;
    let type_node = o.take("type");
    let name = match &type_node {
        Some(node) => read_type(cx, node),
        None => cx.refuse(node, Complaint::new("\"type\" is missing").expected(Filter::TYPES.join(", "))),
    };
    let Some(name) = name else {
        o.abandon();
        return None;
    };
    let filter = settings(cx, node, &mut o, &name, None);
    o.finish();
    filter
}

fn read_type(cx: &Cx, node: &Node) -> Option<String> {
    let name = read::string(cx, node)?;
    if Filter::TYPES.contains(&name.as_str()) { Some(name) } else { cx.refuse(node, unknown_type(cx, &name)) }
}

fn unknown_type(cx: &Cx, name: &str) -> Complaint {
    if LATER_TYPES.contains(&name) {
        return Complaint::new(format!("the filter \"{name}\" is not supported yet"));
    }
    let complaint = Complaint::new(format!("there is no filter {}", quote(name))).expected(Filter::TYPES.join(", "));
    complaint.did_you_mean(cx.nearest(name, Filter::TYPES.iter().copied()))
}

/// What a route says of the listener's filters.
pub(super) fn read_overrides(cx: &Cx, node: &Node, filters: &[Filter]) -> Option<BTreeMap<String, FilterOverride>> {
    let mut overrides = BTreeMap::new();
    for entry in cx.entries(node, "an object of filter names")? {
        let same: Vec<&Filter> = filters.iter().filter(|filter| filter.type_name() == entry.key).collect();
        if !Filter::TYPES.contains(&&*entry.key) {
            cx.refuse::<()>(&entry.key_node, unknown_type(cx, &entry.key));
            continue;
        }
        let given = match (entry.value.kind(), &same[..]) {
            (_, []) => cx.refuse(&entry.key_node, format!("the listener has no filter \"{}\"", entry.key)),
            (Kind::String, _) if entry.value.string().is_ok_and(|text| text == "off") => Some(FilterOverride::Off),
            (Kind::Object, [base]) => read_settings(cx, &entry.value, base),
            (Kind::Object, _) => {
                let what = format!("the listener has {} filters \"{}\"", same.len(), entry.key);
                cx.refuse(&entry.value, Complaint::new(what).hint("only \"off\" is clear here"))
            }
            _ => cx.wrong_type(&entry.value, "\"off\" or an object of settings"),
        };
        if let Some(given) = given {
            overrides.insert(entry.key.into_owned(), given);
        }
    }
    Some(overrides)
}

fn read_settings(cx: &Cx, node: &Node, base: &Filter) -> Option<FilterOverride> {
    let mut o = cx.object(node)?;
    let filter = settings(cx, node, &mut o, base.type_name(), Some(base));
    o.finish();
    filter.map(FilterOverride::Settings)
}

/// The settings of a filter of a known type; those not given are the base's, or the defaults.
fn settings(cx: &Cx, node: &Node, o: &mut Object, name: &str, base: Option<&Filter>) -> Option<Filter> {
    macro_rules! base {
        ($type:ident) => {
            match base {
                Some(Filter::$type(base)) => Some(base),
                _ => None,
            }
        };
    }
    match name {
        "buffer" => buffer::read(o, base!(Buffer)).map(Filter::Buffer),
        "cors" => cors::read(o, base!(Cors)).map(Filter::Cors),
        "fault" => fault::read(cx, node, o, base!(Fault)).map(Filter::Fault),
        "grpc_stats" => grpc_stats::read(cx, node, o, base!(GrpcStats)).map(Filter::GrpcStats),
        "grpc_web" => grpc_web::read(o).map(Filter::GrpcWeb),
        "header_mutation" => header_mutation::read(o, base!(HeaderMutation)).map(Filter::HeaderMutation),
        "health_check" => health_check::read(cx, node, o, base!(HealthCheck)).map(Filter::HealthCheck),
        "local_rate_limit" => local_rate_limit::read(o, base!(LocalRateLimit)).map(Filter::LocalRateLimit),
        "ip_allow" => ip_ranges::read_allow(o, base!(IpAllow)).map(Filter::IpAllow),
        "ip_deny" => ip_ranges::read_deny(o, base!(IpDeny)).map(Filter::IpDeny),
        "connection_limit" => connection_limit::read(o, base!(ConnectionLimit)).map(Filter::ConnectionLimit),
        "client_tls_auth" => client_tls_auth::read(cx, node, o, base!(ClientTlsAuth)).map(Filter::ClientTlsAuth),
        "sni_cluster" => sni_cluster::read(o).map(Filter::SniCluster),
        "echo" => echo::read(o).map(Filter::Echo),
        _ => cx.refuse(node, unknown_type(cx, name)),
    }
}

impl Serialize for FilterOverride {
    /// The settings alone: the type is the key.
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            FilterOverride::Off => out.serialize_str("off"),
            FilterOverride::Settings(Filter::Buffer(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::Cors(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::Fault(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::GrpcStats(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::GrpcWeb(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::HeaderMutation(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::HealthCheck(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::LocalRateLimit(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::IpAllow(settings) | Filter::IpDeny(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::ConnectionLimit(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::ClientTlsAuth(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::SniCluster(settings)) => settings.serialize(out),
            FilterOverride::Settings(Filter::Echo(settings)) => settings.serialize(out),
        }
    }
}
