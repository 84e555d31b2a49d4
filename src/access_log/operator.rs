//! The operators: which value of a stream each one names. Names and meanings are Envoy's.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use nuncio_http::{HeaderId, HeaderList, HeaderName, Name};

use super::error::FormatErrorKind;
use super::escape::Field;
use super::time::TimeFormat;
use crate::error::ResponseFlags;
use crate::runtime::net::Addr;
use crate::stream::StreamInfo;

/// One operator with its argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    StartTime(TimeFormat),
    EmitTime(TimeFormat),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags {
        long: bool,
    },
    BytesReceived,
    BytesSent,
    Duration(Point, Point, Unit),
    UpstreamHost(Part),
    UpstreamLocal(Part),
    UpstreamCluster,
    Attempts,
    RouteName,
    /// The client by the trust rules.
    Remote(Part),
    /// The peer of the socket.
    DirectRemote(Part),
    Local(Part),
    ConnectionId,
    Request(Lookup),
    Response(Lookup),
    Trailer(Lookup),
    /// Known since the format was parsed: `HOSTNAME`, `ENVIRONMENT(X)`.
    Fixed(Option<Box<str>>),
}

/// Which part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// Without the port; the prefix length to mask the address with.
    Ip(Option<u8>),
    Port,
}

/// `X?Y`: the value of X, or else of Y.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    main: Key,
    alternative: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    OriginalPath,
    Field(HeaderName),
}

/// A point in time of a stream, in Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    DsRxBeg,
    DsRxEnd,
    UsCxEnd,
    UsTxBeg,
    UsTxEnd,
    UsRxBeg,
    UsRxEnd,
    DsTxEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// What an operator found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Absent,
    Number(u64),
    Bytes(&'a [u8]),
    Address(&'a Addr),
    Ip { ip: IpAddr, port: Option<u16> },
    Network { ip: IpAddr, len: u8 },
    Flags { flags: ResponseFlags, long: bool },
    Time(SystemTime, &'a TimeFormat),
}

/// Every name, for the hint after a misspelt one.
const NAMES: &[&str] = &[
    "START_TIME",
    "EMIT_TIME",
    "PROTOCOL",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "DURATION",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "COMMON_DURATION",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_HOST",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "ROUTE_NAME",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "CONNECTION_ID",
    "REQ",
    "RESP",
    "TRAILER",
    "HOSTNAME",
    "ENVIRONMENT",
];

impl Operator {
    pub(super) fn parse(name: &str, argument: Option<&str>) -> Result<Operator, FormatErrorKind> {
        let bad = |expected| FormatErrorKind::Argument { name: name.to_owned(), expected };
        let time = || argument.map_or(Some(TimeFormat::iso()), TimeFormat::parse).ok_or(bad("a format of strftime"));
        let lookup = || argument.and_then(Lookup::parse).ok_or(bad("a header name, or two with \"?\" between them"));
        match name {
            "START_TIME" => return Ok(Operator::StartTime(time()?)),
            "EMIT_TIME" => return Ok(Operator::EmitTime(time()?)),
            "REQ" => return Ok(Operator::Request(lookup()?)),
            "RESP" => return Ok(Operator::Response(lookup()?)),
            "TRAILER" => return Ok(Operator::Trailer(lookup()?)),
            "COMMON_DURATION" => {
                let expected = "START:END:UNIT, points such as DS_RX_BEG, DS_RX_END, US_CX_END, US_TX_BEG, US_TX_END, \
                                US_RX_BEG, US_RX_END, DS_TX_END, and ms, us or ns";
                return argument.and_then(common_duration).ok_or(bad(expected));
            }
            "ENVIRONMENT" => {
                let variable = argument.filter(|name| !name.is_empty() && !name.contains(['=', '\0']));
                let value = std::env::var_os(variable.ok_or(bad("the name of a variable"))?);
                return Ok(Operator::Fixed(value.map(|value| value.to_string_lossy().into())));
            }
            _ => {}
        }
        if let Some((base, _)) = name.split_once("_WITHOUT_PORT")
            && let Some(argument) = argument
        {
            let len = argument.parse().ok().filter(|len| *len <= 128).ok_or(bad("a prefix length from 0 to 128"))?;
            return address(base, Part::Ip(Some(len))).ok_or_else(|| unknown(name));
        }
        let operator = without_argument(name).ok_or_else(|| unknown(name))?;
        if argument.is_some() { Err(bad("no argument")) } else { Ok(operator) }
    }

    /// Its value for one stream.
    pub(super) fn value<'a>(&'a self, info: &'a StreamInfo) -> Value<'a> {
        let number = |value: Option<u64>| value.map_or(Value::Absent, Value::Number);
        let text = |value: Option<&'a str>| value.map_or(Value::Absent, |text| Value::Bytes(text.as_bytes()));
        match self {
            Operator::StartTime(format) => Value::Time(info.start_time, format),
            Operator::EmitTime(format) => {
                let taken = info.times.end.map_or(Duration::ZERO, |end| end.saturating_duration_since(info.start));
                Value::Time(info.start_time + taken, format)
            }
            Operator::Protocol => text(info.request.as_ref().map(|head| head.version.as_str())),
            Operator::ResponseCode => Value::Number(info.status.into()),
            Operator::ResponseCodeDetails => text(Some(info.detail).filter(|detail| !detail.is_empty())),
            Operator::ResponseFlags { long } => Value::Flags { flags: info.flags, long: *long },
            Operator::BytesReceived => Value::Number(info.bytes_received),
            Operator::BytesSent => Value::Number(info.bytes_sent),
            Operator::Duration(from, to, unit) => number(duration(info, *from, *to, *unit)),
            Operator::UpstreamHost(part) => part.of(info.host.as_ref().map(|host| &host.address)),
            Operator::UpstreamLocal(part) => part.of(info.upstream_local.as_ref()),
            Operator::UpstreamCluster => text(info.cluster.as_deref()),
            Operator::Attempts => Value::Number(info.attempts.into()),
            Operator::RouteName => text(info.route.as_deref()),
            Operator::Remote(part) => client(info, *part),
            Operator::DirectRemote(part) => part.of(Some(&info.connection.remote)),
            Operator::Local(part) => part.of(Some(&info.connection.local)),
            Operator::ConnectionId => Value::Number(info.connection.id),
            Operator::Request(lookup) => lookup.find(|key| request_field(info, key)),
            Operator::Response(lookup) => {
                lookup.find(|key| field(info.response.as_ref().map(|head| &head.headers), key))
            }
            Operator::Trailer(lookup) => lookup.find(|key| field(info.response_trailers.as_ref(), key)),
            Operator::Fixed(value) => text(value.as_deref()),
        }
    }
}

impl Value<'_> {
    pub(super) fn write(self, field: &mut Field<'_>) {
        // A field takes everything.
        let _ = match self {
            Value::Absent => Ok(()),
            Value::Number(number) => write!(field, "{number}"),
            Value::Bytes(bytes) => {
                field.put(bytes);
                Ok(())
            }
            Value::Address(address) => write!(field, "{address}"),
            Value::Ip { ip, port: None } => write!(field, "{ip}"),
            Value::Ip { ip, port: Some(port) } => write!(field, "{}", std::net::SocketAddr::new(ip, port)),
            Value::Network { ip, len } => write!(field, "{ip}/{len}"),
            Value::Flags { flags, long: false } => write!(field, "{}", flags.short()),
            Value::Flags { flags, long: true } => write!(field, "{}", flags.long()),
            Value::Time(time, format) => format.write(time, field),
        };
    }
}

fn without_argument(name: &str) -> Option<Operator> {
    let span = |from, to| Operator::Duration(from, to, Unit::Millis);
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "RESPONSE_FLAGS" => Operator::ResponseFlags { long: false },
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlags { long: true },
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "DURATION" => span(Point::DsRxBeg, Point::DsTxEnd),
        "REQUEST_DURATION" => span(Point::DsRxBeg, Point::DsRxEnd),
        "REQUEST_TX_DURATION" => span(Point::DsRxBeg, Point::UsTxEnd),
        "RESPONSE_DURATION" => span(Point::DsRxBeg, Point::UsRxBeg),
        "RESPONSE_TX_DURATION" => span(Point::UsRxBeg, Point::DsTxEnd),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => span(Point::DsRxBeg, Point::UsCxEnd),
        "UPSTREAM_HOST" => Operator::UpstreamHost(Part::All),
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::Attempts,
        "ROUTE_NAME" => Operator::RouteName,
        "CONNECTION_ID" => Operator::ConnectionId,
        "HOSTNAME" => Operator::Fixed(Some(rustix::system::uname().nodename().to_string_lossy().into())),
        _ => {
            let without_port = name.strip_suffix("_WITHOUT_PORT").and_then(|base| address(base, Part::Ip(None)));
            // `..._REMOTE_PORT` stands for the port of `..._REMOTE_ADDRESS`.
            let port = || address(&format!("{}_ADDRESS", name.strip_suffix("_PORT")?), Part::Port);
            return without_port.or_else(port).or_else(|| address(name, Part::All));
        }
    })
}

fn address(name: &str, part: Part) -> Option<Operator> {
    Some(match name {
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::Remote(part),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Operator::DirectRemote(part),
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::Local(part),
        "UPSTREAM_REMOTE_ADDRESS" => Operator::UpstreamHost(part),
        "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocal(part),
        _ => return None,
    })
}

fn common_duration(argument: &str) -> Option<Operator> {
    let mut words = argument.split(':');
    let (from, to) = (Point::parse(words.next()?)?, Point::parse(words.next()?)?);
    let unit = match words.next()? {
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        _ => return None,
    };
    words.next().is_none().then_some(Operator::Duration(from, to, unit))
}

/// `None`: one of the two was not reached, or they are the wrong way round.
fn duration(info: &StreamInfo, from: Point, to: Point, unit: Unit) -> Option<u64> {
    let span = to.of(info)?.checked_duration_since(from.of(info)?)?;
    let value = match unit {
        Unit::Millis => span.as_millis(),
        Unit::Micros => span.as_micros(),
        Unit::Nanos => span.as_nanos(),
    };
    u64::try_from(value).ok()
}

impl Point {
    fn parse(word: &str) -> Option<Point> {
        Some(match word {
            "DS_RX_BEG" => Point::DsRxBeg,
            "DS_RX_END" => Point::DsRxEnd,
            // The connection is ready when the handshake is over.
            "US_CX_END" | "US_HS_END" => Point::UsCxEnd,
            "US_TX_BEG" => Point::UsTxBeg,
            "US_TX_END" => Point::UsTxEnd,
            "US_RX_BEG" => Point::UsRxBeg,
            "US_RX_END" => Point::UsRxEnd,
            "DS_TX_END" => Point::DsTxEnd,
            _ => return None,
        })
    }

    fn of(self, info: &StreamInfo) -> Option<Instant> {
        let times = &info.times;
        match self {
            Point::DsRxBeg => Some(info.start),
            Point::DsRxEnd => times.request_end,
            Point::UsCxEnd => times.upstream_ready,
            Point::UsTxBeg => times.upstream_request_start,
            Point::UsTxEnd => times.upstream_request_end,
            Point::UsRxBeg => times.response_start,
            Point::UsRxEnd => times.response_end,
            Point::DsTxEnd => times.end,
        }
    }
}

impl Part {
    fn of(self, address: Option<&Addr>) -> Value<'_> {
        let Some(address) = address else { return Value::Absent };
        match (self, address.inet()) {
            (Part::All, _) | (Part::Ip(_), None) => Value::Address(address),
            (Part::Ip(None), Some(inet)) => Value::Ip { ip: inet.ip(), port: None },
            (Part::Ip(Some(len)), Some(inet)) => mask(inet.ip(), len),
            (Part::Port, inet) => inet.map_or(Value::Absent, |inet| Value::Number(inet.port().into())),
        }
    }
}

/// The client's address; its port is known only if it is the peer of the socket itself.
fn client(info: &StreamInfo, part: Part) -> Value<'_> {
    let peer = &info.connection.remote;
    match info.client {
        Some(ip) if peer.inet().map(|inet| inet.ip()) != Some(ip) => match part {
            Part::All => Value::Ip { ip, port: Some(0) },
            Part::Ip(None) => Value::Ip { ip, port: None },
            Part::Ip(Some(len)) => mask(ip, len),
            Part::Port => Value::Number(0),
        },
        _ => part.of(Some(peer)),
    }
}

fn mask<'a>(ip: IpAddr, len: u8) -> Value<'a> {
    match ip {
        IpAddr::V4(ip) => {
            let len = len.min(32);
            let bits = ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Value::Network { ip: std::net::Ipv4Addr::from_bits(bits).into(), len }
        }
        IpAddr::V6(ip) => {
            let len = len.min(128);
            let bits = ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Value::Network { ip: std::net::Ipv6Addr::from_bits(bits).into(), len }
        }
    }
}

impl Lookup {
    fn parse(text: &str) -> Option<Lookup> {
        let (main, alternative) = match text.split_once('?') {
            Some((main, alternative)) => (main, Some(Key::parse(alternative)?)),
            None => (text, None),
        };
        Some(Lookup { main: Key::parse(main)?, alternative })
    }

    fn find<'a>(&self, get: impl Fn(&Key) -> Option<&'a [u8]>) -> Value<'a> {
        let found = get(&self.main).or_else(|| get(self.alternative.as_ref()?));
        found.map_or(Value::Absent, Value::Bytes)
    }
}

impl Key {
    fn parse(name: &str) -> Option<Key> {
        Some(match name.to_ascii_lowercase().as_str() {
            ":method" => Key::Method,
            ":path" => Key::Path,
            ":authority" | "host" => Key::Authority,
            ":scheme" => Key::Scheme,
            ":status" => Key::Status,
            "x-envoy-original-path" => Key::OriginalPath,
            name => Key::Field(HeaderName::new(name).ok()?),
        })
    }
}

fn request_field<'a>(info: &'a StreamInfo, key: &Key) -> Option<&'a [u8]> {
    let head = info.request.as_ref()?;
    match key {
        Key::Method => Some(head.method.as_bytes()),
        Key::Path => Some(head.target()),
        Key::Authority => Some(head.authority()).filter(|text| !text.is_empty()),
        Key::Scheme => Some(head.scheme.as_str().as_bytes()),
        Key::OriginalPath => info.original_target.as_deref(),
        Key::Status => None,
        Key::Field(name) => field_named(&head.headers, name),
    }
}

fn field<'a>(headers: Option<&'a HeaderList>, key: &Key) -> Option<&'a [u8]> {
    let headers = headers?;
    match key {
        Key::Field(name) => field_named(headers, name),
        Key::OriginalPath => headers.get(HeaderId::XEnvoyOriginalPath),
        _ => None,
    }
}

fn field_named<'a>(headers: &'a HeaderList, name: &HeaderName) -> Option<&'a [u8]> {
    headers.iter().find(|field| field.id == name.id() && field.name == name.text()).map(|field| field.value)
}

fn unknown(name: &str) -> FormatErrorKind {
    let wrong = name.to_ascii_uppercase();
    let nearest = NAMES.iter().map(|&known| (distance(&wrong, known), known)).min();
    let near = |&(distance, known): &(usize, &str)| distance <= known.len() / 3;
    FormatErrorKind::Unknown { name: name.to_owned(), nearest: nearest.filter(near).map(|(_, known)| known) }
}

/// Insertions, deletions and substitutions that make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}
