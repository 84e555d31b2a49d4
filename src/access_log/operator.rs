//! The operators: which value of a stream each one names. Names and meanings are Envoy's.

mod address;
mod lookup;
mod names;
mod points;
mod tls;

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use nuncio_http::HeaderId;

use self::address::{Part, client};
use self::lookup::{Lookup, field, request_field};
use self::names::unknown;
use self::points::{Point, Unit, common_duration, duration};
use self::tls::Tls;
use super::error::FormatErrorKind;
use super::escape::Field;
use super::time::TimeFormat;
use crate::error::ResponseFlags;
use crate::grpc::Status;
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
    ResponseFlags(Style),
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
    /// By its name or its number.
    GrpcStatus(Style),
    Tls(Tls),
    /// Known since the format was parsed: `HOSTNAME`, `ENVIRONMENT(X)`.
    Fixed(Option<Box<str>>),
}

/// How response flags and gRPC statuses are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Short,
    Long,
}

/// What an operator found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Absent,
    Number(u64),
    Bytes(&'a [u8]),
    /// With commas between.
    List(&'a [String]),
    Hex(&'a [u8]),
    Address(&'a Addr),
    Ip {
        ip: IpAddr,
        port: Option<u16>,
    },
    Network {
        ip: IpAddr,
        len: u8,
    },
    Flags(ResponseFlags, Style),
    Time(SystemTime, &'a TimeFormat),
}

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
            "DOWNSTREAM_PEER_CERT_V_START" => return Ok(Operator::Tls(Tls::PeerValidFrom(time()?))),
            "DOWNSTREAM_PEER_CERT_V_END" => return Ok(Operator::Tls(Tls::PeerValidTo(time()?))),
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
            Operator::ResponseFlags(style) => Value::Flags(info.flags, *style),
            Operator::BytesReceived => Value::Number(info.bytes_received),
            Operator::BytesSent => Value::Number(info.bytes_sent),
            Operator::Duration(from, to, unit) => number(duration(info, *from, *to, *unit)),
            Operator::UpstreamHost(part) => part.of(info.host_address()),
            Operator::UpstreamLocal(part) => part.of(info.upstream_local.as_ref()),
            Operator::UpstreamCluster => text(info.cluster.as_deref()),
            Operator::Attempts => Value::Number(info.attempts.into()),
            Operator::RouteName => text(info.route.as_deref()),
            Operator::Remote(part) => client(info, *part),
            Operator::DirectRemote(part) => part.of(Some(info.connection.direct())),
            Operator::Local(part) => part.of(Some(&info.connection.local)),
            Operator::ConnectionId => Value::Number(info.connection.id),
            Operator::Request(lookup) => lookup.find(|key| request_field(info, key)),
            Operator::Response(lookup) => {
                lookup.find(|key| field(info.response.as_ref().map(|head| &head.headers), key))
            }
            Operator::Trailer(lookup) => lookup.find(|key| field(info.response_trailers.as_ref(), key)),
            Operator::GrpcStatus(style) => match (grpc_status(info), style) {
                (None, _) => Value::Absent,
                (Some(value), Style::Long) => text(Status::parse(value).map(Status::name)),
                (Some(value), Style::Short) => Value::Bytes(value),
            },
            Operator::Tls(tls) => tls.value(info),
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
            Value::List(list) => {
                for (at, text) in list.iter().enumerate() {
                    field.put(if at > 0 { b"," } else { b"" });
                    field.put(text.as_bytes());
                }
                Ok(())
            }
            Value::Hex(bytes) => bytes.iter().try_for_each(|byte| write!(field, "{byte:02x}")),
            Value::Address(address) => write!(field, "{address}"),
            Value::Ip { ip, port: None } => write!(field, "{ip}"),
            Value::Ip { ip, port: Some(port) } => write!(field, "{}", std::net::SocketAddr::new(ip, port)),
            Value::Network { ip, len } => write!(field, "{ip}/{len}"),
            Value::Flags(flags, Style::Short) => write!(field, "{}", flags.short()),
            Value::Flags(flags, Style::Long) => write!(field, "{}", flags.long()),
            Value::Time(time, format) => format.write(time, field),
        };
    }
}

/// The value of `grpc-status`, in the trailers or the head.
fn grpc_status(info: &StreamInfo) -> Option<&[u8]> {
    let head = info.response.as_ref().map(|head| &head.headers);
    [info.response_trailers.as_ref(), head].into_iter().flatten().find_map(|fields| fields.get(HeaderId::GrpcStatus))
}

fn without_argument(name: &str) -> Option<Operator> {
    let span = |from, to| Operator::Duration(from, to, Unit::Millis);
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "RESPONSE_FLAGS" => Operator::ResponseFlags(Style::Short),
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlags(Style::Long),
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
        "GRPC_STATUS" => Operator::GrpcStatus(Style::Long),
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(Style::Short),
        "HOSTNAME" => Operator::Fixed(Some(rustix::system::uname().nodename().to_string_lossy().into())),
        _ => {
            let without_port = name.strip_suffix("_WITHOUT_PORT").and_then(|base| address(base, Part::Ip(None)));
            // `..._REMOTE_PORT` stands for the port of `..._REMOTE_ADDRESS`.
            let port = || address(&format!("{}_ADDRESS", name.strip_suffix("_PORT")?), Part::Port);
            let tls = || Tls::parse(name).map(Operator::Tls);
            return without_port.or_else(port).or_else(|| address(name, Part::All)).or_else(tls);
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
