//! What goes wrong with a stream, and what becomes of it: the reply, the response flag, whether it may be tried
//! again. One error type for the whole data path, so that each of these is one function.

use std::fmt;

/// Why a stream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub side: Side,
    pub phase: Phase,
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Downstream,
    Upstream,
    Local,
}

/// How far the stream was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the request went to an upstream.
    Connect,
    /// The request is on its way; no byte of a response came.
    Request,
    /// A response has begun.
    Response,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The peer closed or reset the connection.
    Closed,
    /// The upstream reset the stream, and only the stream.
    Reset,
    /// The upstream said that it has not acted on the request: it may be sent again (RFC 9113 section 8.7).
    Unprocessed,
    /// The connection could not be opened.
    Refused,
    /// The connection could not be opened in time.
    ConnectTimeout,
    /// The TLS handshake came to no agreement, or the host is not who it should be.
    Tls,
    /// The upstream broke the protocol; the detail says how.
    Protocol(&'static str),
    /// The client's request is not one; answered with this status.
    BadRequest { status: u16, detail: &'static str },
    /// A limit of time: the detail names it.
    Timeout(Timeout),
    /// A circuit breaker is open.
    Overflow,
    /// An operator has it refused: `upstream.maintenance_mode`.
    Maintenance,
    /// No host may be tried.
    NoHealthyHost,
    /// No route for this request.
    NoRoute,
    /// The proxy broke off: a filter, a limit, the end of a drain.
    Local(&'static str),
}

/// Which limit of time passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// `request_headers_timeout`
    RequestHeaders,
    /// `request_timeout`
    Request,
    /// `request_body_idle_timeout`, `request_body_min_rate`
    RequestBody,
    /// The route's `timeout`.
    Route,
    /// `stream_idle_timeout`
    StreamIdle,
    /// `stream_flush_timeout`
    StreamFlush,
    /// `max_stream_duration`
    MaxStreamDuration,
    /// The client's own `grpc-timeout`.
    Grpc,
    /// `per_try_timeout`
    PerTry,
    /// `per_try_idle_timeout`
    PerTryIdle,
}

/// Envoy's response flags: why a response is what it is, in two letters.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseFlags(u32);

macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal, $short:literal, $long:literal;)+) => {
        impl ResponseFlags {
            $($(#[doc = $doc])+ pub const $name: ResponseFlags = ResponseFlags(1 << $bit);)+
            /// Each flag with its short and its long name.
            pub const ALL: &[(ResponseFlags, &str, &str)] = &[$((ResponseFlags::$name, $short, $long),)+];
        }
    };
}

flags! {
    /// No host may be tried.
    NO_HEALTHY_UPSTREAM = 0, "UH", "NoHealthyUpstream";
    /// The upstream could not be reached.
    UPSTREAM_CONNECTION_FAILURE = 1, "UF", "UpstreamConnectionFailure";
    /// A circuit breaker is open.
    UPSTREAM_OVERFLOW = 2, "UO", "UpstreamOverflow";
    /// No route.
    NO_ROUTE = 3, "NR", "NoRouteFound";
    /// All retries were used.
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 4, "URX", "UpstreamRetryLimitExceeded";
    /// The client went.
    DOWNSTREAM_CONNECTION_TERMINATION = 5, "DC", "DownstreamConnectionTermination";
    /// The upstream closed the connection.
    UPSTREAM_CONNECTION_TERMINATION = 6, "UC", "UpstreamConnectionTermination";
    /// The upstream reset the stream.
    UPSTREAM_REMOTE_RESET = 7, "UR", "UpstreamRemoteReset";
    /// The proxy reset the stream.
    LOCAL_RESET = 8, "LR", "LocalReset";
    /// The route's timeout passed.
    UPSTREAM_REQUEST_TIMEOUT = 9, "UT", "UpstreamRequestTimeout";
    /// The upstream broke the protocol.
    UPSTREAM_PROTOCOL_ERROR = 10, "UPE", "UpstreamProtocolError";
    /// The client broke the protocol.
    DOWNSTREAM_PROTOCOL_ERROR = 11, "DPE", "DownstreamProtocolError";
    /// Delayed by the fault filter.
    DELAY_INJECTED = 12, "DI", "DelayInjected";
    /// Aborted by the fault filter.
    FAULT_INJECTED = 13, "FI", "FaultInjected";
    /// Refused by a rate limit of this proxy.
    RATE_LIMITED = 14, "RL", "RateLimited";
    /// No byte for too long.
    STREAM_IDLE_TIMEOUT = 15, "SI", "StreamIdleTimeout";
    /// The stream took too long as a whole.
    DURATION_TIMEOUT = 16, "DT", "DurationTimeout";
    /// The proxy is overloaded.
    OVERLOAD = 17, "OM", "OverloadManagerTerminated";
    /// A drain ended the stream.
    DRAINED = 18, "LH", "DrainTimeExceeded";
}

impl ResponseFlags {
    pub fn insert(&mut self, flag: ResponseFlags) {
        self.0 |= flag.0;
    }

    pub fn contains(self, flag: ResponseFlags) -> bool {
        self.0 & flag.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// `UF,URX`; `-` for none, as in Envoy's access log.
    pub fn short(self) -> impl fmt::Display {
        Names { flags: self, long: false }
    }

    /// `UpstreamConnectionFailure`; `-` for none.
    pub fn long(self) -> impl fmt::Display {
        Names { flags: self, long: true }
    }
}

impl fmt::Debug for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.short(), f)
    }
}

struct Names {
    flags: ResponseFlags,
    long: bool,
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flags.is_empty() {
            return f.write_str("-");
        }
        let set = ResponseFlags::ALL.iter().filter(|(flag, ..)| self.flags.contains(*flag));
        for (at, (_, short, long)) in set.enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}", if self.long { long } else { short })?;
        }
        Ok(())
    }
}

impl Error {
    pub fn upstream(kind: Kind, phase: Phase) -> Error {
        Error { kind, side: Side::Upstream, phase }
    }

    pub fn downstream(kind: Kind) -> Error {
        Error { kind, side: Side::Downstream, phase: Phase::Request }
    }

    /// A limit of time passed; `response`: one had begun.
    pub fn timeout(timeout: Timeout, response: bool) -> Error {
        let phase = if response { Phase::Response } else { Phase::Request };
        Error { kind: Kind::Timeout(timeout), side: Side::Local, phase }
    }

    /// A request that is refused for what it is.
    pub fn bad_request(status: u16, detail: &'static str) -> Error {
        Error::downstream(Kind::BadRequest { status, detail })
    }

    pub fn local(kind: Kind) -> Error {
        Error { kind, side: Side::Local, phase: Phase::Request }
    }

    /// The status a client gets, where a response has not begun (Envoy's codes).
    pub fn status(self) -> u16 {
        match (self.kind, self.side) {
            (Kind::Timeout(Timeout::Route | Timeout::PerTry | Timeout::PerTryIdle), _) => 504,
            (Kind::Timeout(Timeout::StreamIdle | Timeout::MaxStreamDuration | Timeout::Grpc), _) => 504,
            (Kind::Timeout(_), _) => 408,
            (Kind::NoRoute, _) => 404,
            (Kind::Protocol(_), _) => 502,
            (Kind::BadRequest { status, .. }, _) => status,
            _ => 503,
        }
    }

    /// The response flag.
    pub fn flag(self) -> ResponseFlags {
        match (self.kind, self.side) {
            (Kind::NoRoute, _) => ResponseFlags::NO_ROUTE,
            (Kind::NoHealthyHost, _) => ResponseFlags::NO_HEALTHY_UPSTREAM,
            (Kind::Overflow | Kind::Maintenance, _) => ResponseFlags::UPSTREAM_OVERFLOW,
            (Kind::Refused | Kind::ConnectTimeout | Kind::Tls, _) => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
            (Kind::Reset | Kind::Unprocessed, _) => ResponseFlags::UPSTREAM_REMOTE_RESET,
            (Kind::Timeout(Timeout::Route | Timeout::PerTry | Timeout::PerTryIdle), _) => {
                ResponseFlags::UPSTREAM_REQUEST_TIMEOUT
            }
            (Kind::Timeout(Timeout::MaxStreamDuration | Timeout::Grpc), _) => ResponseFlags::DURATION_TIMEOUT,
            (Kind::Timeout(_), _) => ResponseFlags::STREAM_IDLE_TIMEOUT,
            (Kind::Protocol(_), _) => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
            (Kind::BadRequest { .. }, _) => ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
            (Kind::Closed, Side::Downstream) => ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
            (Kind::Closed, _) => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            (Kind::Local(_), _) => ResponseFlags::LOCAL_RESET,
        }
    }

    /// Envoy's response code details: one word for logs.
    pub fn detail(self) -> &'static str {
        match (self.kind, self.side) {
            (Kind::Closed, Side::Downstream) => "downstream_remote_disconnect",
            (Kind::Closed, _) if self.phase == Phase::Response => {
                "upstream_reset_after_response_started{connection_termination}"
            }
            (Kind::Closed, _) => "upstream_reset_before_response_started{connection_termination}",
            (Kind::Reset, _) if self.phase == Phase::Response => "upstream_reset_after_response_started{remote_reset}",
            (Kind::Reset, _) => "upstream_reset_before_response_started{remote_reset}",
            (Kind::Unprocessed, _) => "upstream_reset_before_response_started{remote_refused_stream_reset}",
            (Kind::Refused, _) => "upstream_reset_before_response_started{remote_connection_failure}",
            (Kind::Tls, _) => "upstream_reset_before_response_started{tls_handshake_failure}",
            (Kind::ConnectTimeout, _) => "upstream_reset_before_response_started{connection_timeout}",
            (Kind::Protocol(detail) | Kind::Local(detail) | Kind::BadRequest { detail, .. }, _) => detail,
            (Kind::Timeout(timeout), _) => timeout.detail(),
            (Kind::Maintenance, _) => "maintenance_mode",
            (Kind::Overflow, _) => "upstream_reset_before_response_started{overflow}",
            (Kind::NoHealthyHost, _) => "no_healthy_upstream",
            (Kind::NoRoute, _) => "route_not_found",
        }
    }
}

impl Timeout {
    fn detail(self) -> &'static str {
        match self {
            Timeout::RequestHeaders => "request_header_timeout",
            Timeout::Request => "request_overall_timeout",
            Timeout::RequestBody => "request_body_timeout",
            Timeout::Route => "response_timeout",
            Timeout::StreamIdle => "stream_idle_timeout",
            Timeout::StreamFlush => "stream_flush_timeout",
            Timeout::MaxStreamDuration => "max_duration_timeout",
            Timeout::Grpc => "grpc_timeout",
            Timeout::PerTry => "upstream_per_try_timeout",
            Timeout::PerTryIdle => "upstream_per_try_idle_timeout",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_envoys_status_and_flag() {
        let rows = [
            (Error::local(Kind::NoRoute), 404, "NR"),
            (Error::local(Kind::NoHealthyHost), 503, "UH"),
            (Error::local(Kind::Overflow), 503, "UO"),
            (Error::local(Kind::Maintenance), 503, "UO"),
            (Error::upstream(Kind::Refused, Phase::Connect), 503, "UF"),
            (Error::upstream(Kind::ConnectTimeout, Phase::Connect), 503, "UF"),
            (Error::upstream(Kind::Tls, Phase::Connect), 503, "UF"),
            (Error::upstream(Kind::Reset, Phase::Request), 503, "UR"),
            (Error::upstream(Kind::Unprocessed, Phase::Request), 503, "UR"),
            (Error::upstream(Kind::Closed, Phase::Request), 503, "UC"),
            (Error::upstream(Kind::Protocol("x"), Phase::Request), 502, "UPE"),
            (Error::upstream(Kind::Timeout(Timeout::Route), Phase::Request), 504, "UT"),
            (Error::timeout(Timeout::Grpc, false), 504, "DT"),
            (Error::downstream(Kind::BadRequest { status: 431, detail: "x" }), 431, "DPE"),
            (Error::downstream(Kind::Timeout(Timeout::RequestHeaders)), 408, "SI"),
            (Error::downstream(Kind::Closed), 503, "DC"),
        ];
        for (error, status, flag) in rows {
            assert_eq!((error.status(), error.flag().short().to_string().as_str()), (status, flag), "{error:?}");
        }
    }

    #[test]
    fn flags_are_listed_in_order() {
        let mut flags = ResponseFlags::default();
        assert_eq!(flags.short().to_string(), "-");
        flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        flags.insert(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        assert_eq!(flags.short().to_string(), "UF,URX");
        assert_eq!(flags.long().to_string(), "UpstreamConnectionFailure,UpstreamRetryLimitExceeded");
    }
}
