//! What a host is asked, by `type`.

use nuncio_http::{HeaderName, Method};
use serde::{Serialize, Serializer};

use super::Statuses;
use crate::config::matcher::{self, Matcher};
use crate::config::path_text::check_path;
use crate::config::text::{Complaint, Cx, Kind, Node, Object, quote, read, write};
use crate::config::{ClusterProtocol, header_edits};

/// What a host is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Probe {
    Http(HttpProbe),
    Grpc(GrpcProbe),
    Tcp(TcpProbe),
    Redis(RedisProbe),
}

/// A request in the cluster's own protocol.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpProbe {
    /// Path and query. Required.
    pub path: String,
    /// Default: the name of the endpoint, or else that of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Default GET; not CONNECT.
    #[serde(serialize_with = "write::display")]
    pub method: Method,
    /// Fields in place of ours of that name. Default: none.
    #[serde(serialize_with = "write::header_pairs")]
    pub request_headers: Vec<(HeaderName, String)>,
    /// Statuses of a healthy host. Default 200.
    pub expected_statuses: Statuses,
    /// Statuses that count as a failure towards `unhealthy_threshold`: any other makes a host unhealthy at once. Default: none.
    #[serde(skip_serializing_if = "Statuses::is_empty")]
    pub retriable_statuses: Statuses,
    /// What the first kilobyte of the body must hold, in this order. Default: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receive: Vec<Payload>,
    /// What `x-envoy-upstream-healthchecked-cluster` must say. Default: not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name_matcher: Option<Matcher>,
}

/// `grpc.health.v1.Health/Check`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrpcProbe {
    /// Default: empty, the server as a whole.
    pub service_name: String,
    /// Default: as `host` of HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Metadata beside ours. Default: none.
    #[serde(serialize_with = "write::header_pairs")]
    pub request_headers: Vec<(HeaderName, String)>,
}

/// A connection; and, if there is something to receive, an exchange on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TcpProbe {
    /// Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Payload>,
    /// What must come back, in this order, whatever stands between. Default: nothing, a connection is enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receive: Vec<Payload>,
}

/// `PING`, or `EXISTS key`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RedisProbe {
    /// The host is unhealthy as long as it has this key. Default: none, it is asked with PING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Bytes: `"text"`, or `{ "hex": "0001ff" }`. At least one, at most 1024.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

/// Most bytes of a payload.
const MAX_PAYLOAD: usize = 1024;

/// The probe of a health check, whose other keys stand in the same object.
pub(super) fn read(cx: &Cx, node: &Node, o: &mut Object, protocol: ClusterProtocol) -> Option<Probe> {
    type Reader = fn(&Cx, &Node, &mut Object, ClusterProtocol) -> Option<Probe>;
    const TYPES: &[(&str, Reader)] =
        &[("http", read_http), ("grpc", read_grpc), ("tcp", read_tcp), ("redis", read_redis)];
    let reader = match o.take("type") {
        Some(node) => read::one_of(TYPES)(cx, &node)?,
        None => {
            let expected = "\"http\", \"grpc\", \"tcp\" or \"redis\"";
            return cx.refuse(node, Complaint::new("\"type\" is missing").expected(expected));
        }
    };
    reader(cx, node, o, protocol)
}

fn read_http(cx: &Cx, node: &Node, o: &mut Object, _protocol: ClusterProtocol) -> Option<Probe> {
    let default = HttpProbe {
        path: "/".to_owned(),
        host: None,
        method: Method::Get,
        request_headers: Vec::new(),
        expected_statuses: Statuses::one(200),
        retriable_statuses: Statuses::default(),
        receive: Vec::new(),
        service_name_matcher: None,
    };
    // A path that is missing or refused is recorded; the other keys are read all the same.
    let path = o.required("path", read_target).unwrap_or_else(|| default.path.clone());
    let method = o.optional("method", default.method, read_method);
    let receive = o.optional("receive", Vec::new(), read::some(read_payload));
    if method == Method::Head && !receive.is_empty() {
        cx.refuse::<()>(node, "has something to \"receive\", and an answer to HEAD has no body");
    }
    Some(Probe::Http(HttpProbe {
        path,
        method,
        receive,
        host: o.maybe("host", read::authority),
        request_headers: o.optional("request_headers", default.request_headers, read_headers),
        expected_statuses: o.optional("expected_statuses", default.expected_statuses, super::statuses::read),
        retriable_statuses: o.optional("retriable_statuses", default.retriable_statuses, super::statuses::read),
        service_name_matcher: o.maybe("service_name_matcher", matcher::read),
    }))
}

fn read_grpc(cx: &Cx, node: &Node, o: &mut Object, protocol: ClusterProtocol) -> Option<Probe> {
    if protocol == ClusterProtocol::H1 {
        let what = "gRPC needs HTTP/2, and the cluster speaks \"h1\"";
        cx.refuse::<()>(node, Complaint::new(what).hint("set \"protocol\" to \"h2\", or to \"auto\" with TLS"));
    }
    Some(Probe::Grpc(GrpcProbe {
        service_name: o.optional("service_name", String::new(), read::name_or_empty),
        authority: o.maybe("authority", read::authority),
        request_headers: o.optional("request_headers", Vec::new(), read_headers),
    }))
}

fn read_tcp(cx: &Cx, node: &Node, o: &mut Object, _protocol: ClusterProtocol) -> Option<Probe> {
    let send = o.maybe("send", read_payload);
    let receive = o.optional("receive", Vec::new(), read::some(read_payload));
    if send.is_some() && receive.is_empty() {
        cx.warn(node, "sends something and takes every answer, even none");
    }
    Some(Probe::Tcp(TcpProbe { send, receive }))
}

fn read_redis(_cx: &Cx, _node: &Node, o: &mut Object, _protocol: ClusterProtocol) -> Option<Probe> {
    Some(Probe::Redis(RedisProbe { key: o.maybe("key", read::name) }))
}

/// Path and query.
fn read_target(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    if let Err(complaint) = check_path(path) {
        return cx.refuse(node, complaint);
    }
    if !query.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#') {
        return cx.refuse(node, "has a character in its query that is never sent as it is");
    }
    Some(text)
}

fn read_method(cx: &Cx, node: &Node) -> Option<Method> {
    match read::method(cx, node)? {
        Method::Connect => cx.refuse(node, Complaint::new("CONNECT asks nothing").expected("a method such as \"GET\"")),
        method => Some(method),
    }
}

fn read_headers(cx: &Cx, node: &Node) -> Option<Vec<(HeaderName, String)>> {
    let entries = header_edits::header_entries(cx, node, header_edits::editable)?;
    let fields = entries.into_iter().filter_map(|(name, entry)| Some((name, read::header_value(cx, &entry.value)?)));
    Some(fields.collect())
}

fn read_payload(cx: &Cx, node: &Node) -> Option<Payload> {
    let bytes = match node.kind() {
        Kind::String => read::string(cx, node)?.into_bytes(),
        Kind::Object => {
            let mut o = cx.object(node)?;
            let bytes = o.required("hex", read_hex);
            o.finish();
            bytes?
        }
        _ => return cx.wrong_type(node, "a text, or an object with \"hex\" digits"),
    };
    if bytes.is_empty() || bytes.len() > MAX_PAYLOAD {
        let complaint = Complaint::new(format!("has {} bytes", bytes.len()));
        return cx.refuse(node, complaint.expected(format!("1 to {MAX_PAYLOAD} bytes")));
    }
    Some(Payload(bytes))
}

fn read_hex(cx: &Cx, node: &Node) -> Option<Vec<u8>> {
    let text = read::string(cx, node)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    match pairs.collect() {
        Some(bytes) => Some(bytes),
        None => {
            let complaint = Complaint::new(format!("{} is not hexadecimal", quote(&text)));
            cx.refuse(node, complaint.expected("two digits for each byte, such as \"0001ff\""))
        }
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match std::str::from_utf8(&self.0) {
            Ok(text) => out.serialize_str(text),
            Err(_) => {
                let mut map = out.serialize_map(Some(1))?;
                let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                map.serialize_entry("hex", &hex)?;
                map.end()
            }
        }
    }
}
