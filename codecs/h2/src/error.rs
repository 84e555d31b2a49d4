//! Errors are scope x reason x who started it: [`Error`] ends the connection, [`Reset`](crate::Reset) a stream. A rule of
//! RFC 9113 is named by a word, a limit of ours by a kind of its own, so that each limit can have its own stat.

use std::fmt;

/// An error code (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u32);

impl Reason {
    pub const NO_ERROR: Reason = Reason(0x0);
    pub const PROTOCOL_ERROR: Reason = Reason(0x1);
    pub const INTERNAL_ERROR: Reason = Reason(0x2);
    pub const FLOW_CONTROL_ERROR: Reason = Reason(0x3);
    pub const SETTINGS_TIMEOUT: Reason = Reason(0x4);
    pub const STREAM_CLOSED: Reason = Reason(0x5);
    pub const FRAME_SIZE_ERROR: Reason = Reason(0x6);
    pub const REFUSED_STREAM: Reason = Reason(0x7);
    pub const CANCEL: Reason = Reason(0x8);
    pub const COMPRESSION_ERROR: Reason = Reason(0x9);
    pub const CONNECT_ERROR: Reason = Reason(0xa);
    pub const ENHANCE_YOUR_CALM: Reason = Reason(0xb);
    pub const INADEQUATE_SECURITY: Reason = Reason(0xc);
    pub const HTTP_1_1_REQUIRED: Reason = Reason(0xd);

    /// The name of the registry; empty for a code it does not know.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(self.0 as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "error code {:#x}", self.0),
            name => f.write_str(name),
        }
    }
}

/// The connection is over. GOAWAY with `reason` stands in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    pub reason: Reason,
    pub kind: ErrorKind,
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident = $reason:ident, $stat:literal, $text:literal;)+) => {
        /// Which rule or limit was broken; one for each, so that each can have its own stat.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorKind {
            /// A rule of RFC 9113, in words for the log.
            Protocol(&'static str),
            $($(#[$doc])* $kind,)+
        }

        impl ErrorKind {
            /// Every kind but `Protocol`.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$kind,)+];

            /// For `%RESPONSE_CODE_DETAILS%`.
            pub fn detail(self) -> &'static str {
                match self {
                    ErrorKind::Protocol(_) => "http2.protocol_error",
                    $(ErrorKind::$kind => concat!("http2.", $stat),)+
                }
            }

            /// The name of its stat.
            pub fn stat(self) -> &'static str {
                match self {
                    ErrorKind::Protocol(_) => "protocol_error",
                    $(ErrorKind::$kind => $stat,)+
                }
            }

            fn text(self) -> &'static str {
                match self {
                    ErrorKind::Protocol(text) => text,
                    $(ErrorKind::$kind => $text,)+
                }
            }

            /// What the peer is told.
            fn reason(self) -> Reason {
                match self {
                    ErrorKind::Protocol(_) => Reason::PROTOCOL_ERROR,
                    $(ErrorKind::$kind => Reason::$reason,)+
                }
            }
        }
    };
}

error_kinds! {
    /// The first bytes are not those of RFC 9113 section 3.4.
    BadPreface = PROTOCOL_ERROR, "bad_preface", "not an HTTP/2 preface";
    /// `Limits::block_timeout` passed before the peer's first SETTINGS.
    PrefaceTimeout = SETTINGS_TIMEOUT, "preface_timeout", "no settings in time";
    /// A header block that HPACK cannot read; the tables of both ends differ from there on (RFC 9113 section 4.3).
    Compression = COMPRESSION_ERROR, "compression_error", "malformed header compression";
    /// `Connection::close` was called.
    Closed = NO_ERROR, "closed", "closed by us";
    /// `Limits::continuations` (row H2-3).
    ContinuationFlood = ENHANCE_YOUR_CALM, "continuation_flood", "too many CONTINUATION frames";
    /// More than four times `Limits::head_bytes` (row H2-3).
    HeaderFlood = ENHANCE_YOUR_CALM, "header_flood", "header block far beyond the limit";
    /// `Limits::block_timeout` (row H2-3).
    HeaderTimeout = ENHANCE_YOUR_CALM, "header_timeout", "header block unfinished in time";
    /// `Limits::reset_burst` and `Limits::reset_rate` (rows H2-1 and H2-2).
    ResetFlood = ENHANCE_YOUR_CALM, "reset_flood", "too many stream resets at once";
    /// `Limits::reset_total` (rows H2-1 and H2-2).
    ResetTotal = ENHANCE_YOUR_CALM, "reset_total", "too many stream resets";
    /// `Limits::reset_before_response` (row H2-1).
    ResetBeforeResponse = ENHANCE_YOUR_CALM, "reset_before_response", "too many streams reset before their response";
    /// `Limits::outbound_control_frames` (row H2-6).
    OutboundControlFlood = ENHANCE_YOUR_CALM, "outbound_control_flood", "too many replies wait for the socket";
    /// `Limits::outbound_frames` (row H2-6).
    OutboundFlood = ENHANCE_YOUR_CALM, "outbound_flood", "too many frames wait for the socket";
    /// `Limits::settings_entries` (row H2-7).
    SettingsEntries = ENHANCE_YOUR_CALM, "settings_entries", "too many entries in SETTINGS";
    /// `Limits::empty_frames_in_row` and `Limits::empty_frames` (row H2-8).
    EmptyFrames = ENHANCE_YOUR_CALM, "inbound_empty_frames_flood", "too many empty frames";
    /// `Limits::window_updates_per_data_frame` (row H2-11).
    WindowUpdateFlood = ENHANCE_YOUR_CALM, "inbound_window_update_frames_flood", "too many WINDOW_UPDATE frames";
    /// `Limits::priority_per_stream` (row H2-12).
    PriorityFlood = ENHANCE_YOUR_CALM, "inbound_priority_frames_flood", "too many PRIORITY frames";
    /// `Limits::glitch_burst` and `Limits::glitch_rate` (row H2-17).
    Glitches = ENHANCE_YOUR_CALM, "glitch_flood", "too many oddities";
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.reason)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// A rule of the protocol, with the reason that it asks for.
    pub(crate) const fn rule(reason: Reason, text: &'static str) -> Error {
        Error { reason, kind: ErrorKind::Protocol(text) }
    }

    /// PROTOCOL_ERROR.
    pub(crate) const fn protocol(text: &'static str) -> Error {
        Error::rule(Reason::PROTOCOL_ERROR, text)
    }

    /// FRAME_SIZE_ERROR.
    pub(crate) const fn frame_size(text: &'static str) -> Error {
        Error::rule(Reason::FRAME_SIZE_ERROR, text)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error { reason: kind.reason(), kind }
    }
}

/// What of ours could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// Not in this state of the stream.
    State,
    /// The stream is closed or was reset: there is nobody to send to.
    Closed,
    /// No stream can be opened now: see [`Connection::capacity`](crate::Connection::capacity).
    Refused,
    /// The body disagrees with its declared length.
    Length,
    BadField,
    BadStatus,
    BadTarget,
}

impl EncodeError {
    /// A word for logs, in the manner of Envoy's response code details.
    pub fn detail(self) -> &'static str {
        match self {
            EncodeError::State => "http2.parts_out_of_order",
            EncodeError::Closed => "http2.stream_closed",
            EncodeError::Refused => "http2.no_stream_available",
            EncodeError::Length => "http2.body_length_mismatch",
            EncodeError::BadField => "http2.unsendable_header",
            EncodeError::BadStatus => "http2.status_out_of_place",
            EncodeError::BadTarget => "http2.unsendable_target",
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::State => "message parts out of order",
            EncodeError::Closed => "the stream is closed",
            EncodeError::Refused => "no stream can be opened",
            EncodeError::Length => "body disagrees with its declared length",
            EncodeError::BadField => "header that cannot be sent over HTTP/2",
            EncodeError::BadStatus => "status out of place",
            EncodeError::BadTarget => "request target that cannot be sent over HTTP/2",
        })
    }
}

impl std::error::Error for EncodeError {}

/// What came is wrong: for the whole connection, or for one stream only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Connection(Error),
    Stream(StreamFault),
}

/// The peer broke a rule on one stream, which is to be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamFault {
    pub(crate) id: u32,
    pub(crate) reason: Reason,
    pub(crate) detail: &'static str,
}

impl StreamFault {
    pub(crate) fn new(id: u32, reason: Reason, detail: &'static str) -> StreamFault {
        StreamFault { id, reason, detail }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Connection(error)
    }
}

impl From<ErrorKind> for Fault {
    fn from(kind: ErrorKind) -> Fault {
        Fault::Connection(kind.into())
    }
}

impl From<StreamFault> for Fault {
    fn from(fault: StreamFault) -> Fault {
        Fault::Stream(fault)
    }
}
