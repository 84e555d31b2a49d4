//! Why a message was refused, one kind for each rule; and why one of ours could not be written. Every parse error
//! ends the connection: where the next message would begin is no longer known (RFC 9112 section 6.3).

use std::fmt;

use nuncio_http::LengthError;

macro_rules! errors {
    ($($(#[$doc:meta])* $kind:ident = $status:literal, $detail:literal, $text:literal;)+) => {
        /// The peer broke a rule of RFC 9112 or one of our limits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Error { $($(#[$doc])* $kind,)+ }

        impl Error {
            /// Every kind.
            pub const ALL: &[Error] = &[$(Error::$kind,)+];

            /// The status that answers such a request. A response with this error is a 502 to the client, whatever it says here.
            pub fn status(self) -> u16 {
                match self { $(Error::$kind => $status,)+ }
            }

            /// For `%RESPONSE_CODE_DETAILS%`.
            pub fn detail(self) -> &'static str {
                match self { $(Error::$kind => concat!("http1.", $detail),)+ }
            }

            fn text(self) -> &'static str {
                match self { $(Error::$kind => $text,)+ }
            }
        }
    };
}

errors! {
    /// RFC 9112 section 2.2, rows S-5 and S-7.
    BareLf = 400, "bare_lf", "line ends with a bare LF";
    /// RFC 9112 section 2.2, rows S-5 and S-7.
    BareCr = 400, "bare_cr", "CR without LF";
    /// RFC 9112 section 5.2, row S-7.
    ObsFold = 400, "obs_fold", "folded header line";
    /// Refused by the tokeniser for a reason that has no name here.
    BadHead = 400, "bad_head", "malformed message head";
    /// Not `method SP target SP version` (row S-11).
    BadRequestLine = 400, "bad_request_line", "malformed request line";
    /// Not a token, or longer than 24 bytes.
    BadMethod = 400, "bad_method", "malformed method";
    /// Bytes outside visible ASCII, a fragment, or a form that does not go with the method (RFC 9112 section 3.2).
    BadTarget = 400, "bad_target", "malformed request target";
    /// Longer than `Limits::target_bytes`.
    TargetTooLong = 414, "target_too_long", "request target too long";
    /// Not `HTTP/x.y` (row S-11).
    BadVersion = 400, "bad_version", "malformed HTTP version";
    /// `HTTP/x.y`, neither 1.0 nor 1.1.
    VersionNotSupported = 505, "version_not_supported", "HTTP version not supported";
    /// Malformed status line, or a status outside 100 to 599.
    BadStatusLine = 400, "bad_status_line", "malformed status line";
    /// Start line and fields beyond `Limits::head_bytes`.
    HeadTooLarge = 431, "head_too_large", "message head too large";
    /// More than `Limits::fields`.
    TooManyFields = 431, "too_many_fields", "too many header fields";
    /// Not `1*tchar ":"` (RFC 9112 section 5.1, row S-9).
    BadFieldName = 400, "bad_field_name", "malformed header name";
    /// White space before the colon (RFC 9112 section 5.1, row S-9).
    SpaceBeforeColon = 400, "space_before_colon", "white space between header name and colon";
    /// A control character (RFC 9110 section 5.5, row S-8).
    BadFieldValue = 400, "bad_field_value", "control character in header value";
    /// Row T-4.
    Underscore = 400, "underscore", "underscore in header name";
    /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
    MissingHost = 400, "missing_host", "host header missing";
    /// More than one `Host` (row S-12).
    DuplicateHost = 400, "duplicate_host", "more than one host header";
    /// `Host` or target authority that is not `host[:port]` (row S-12).
    BadAuthority = 400, "bad_authority", "malformed host";
    /// The target names another host than `Host` (row S-12).
    AuthorityMismatch = 400, "authority_mismatch", "host header and request target disagree";
    /// Row S-3.
    BadContentLength = 400, "bad_content_length", "malformed content-length";
    /// Several `Content-Length`, equal or not (row S-3).
    DuplicateContentLength = 400, "duplicate_content_length", "more than one content-length";
    /// Row S-1.
    LengthAndChunked = 400, "content_length_and_transfer_encoding", "both content-length and transfer-encoding";
    /// Several lines, not a list of tokens, or `chunked` not once and last (row S-2).
    BadTransferEncoding = 400, "bad_transfer_encoding", "malformed transfer-encoding";
    /// A coding that we do not know (RFC 9112 section 6.1).
    UnknownTransferEncoding = 501, "unknown_transfer_encoding", "unknown transfer coding";
    /// `Transfer-Encoding` from an HTTP/1.0 peer (RFC 9112 section 6.1, row S-2).
    ChunkedInHttp10 = 400, "transfer_encoding_in_http10", "transfer-encoding in HTTP/1.0";
    /// Framing fields where no body can be: CONNECT, 1xx, 204 (row S-22).
    BodyNotAllowed = 400, "body_not_allowed", "body where none is allowed";
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1, row S-15).
    BadExpect = 417, "bad_expect", "unknown expectation";
    /// Row S-4.
    BadChunkSize = 400, "bad_chunk_size", "malformed chunk size";
    /// Row S-5.
    BadChunkExtension = 400, "bad_chunk_extension", "malformed chunk extension";
    /// Row S-5.
    ChunkExtensionTooLong = 400, "chunk_extension_too_long", "chunk extensions too long";
    /// No CRLF behind the data of a chunk (row S-6).
    BadChunkEnd = 400, "bad_chunk_end", "chunk data longer than its size";
    /// Beyond `Limits::trailer_bytes` or `Limits::trailer_fields` (row S-21).
    TrailersTooLarge = 431, "trailers_too_large", "trailer section too large";
    /// The connection ended inside a head.
    TruncatedHead = 400, "truncated_head", "connection closed inside a message head";
    /// The connection ended inside a body (RFC 9112 section 8).
    TruncatedBody = 400, "truncated_body", "connection closed inside a message body";
    /// The connection ended before the first byte of a response.
    NoResponse = 502, "no_response", "connection closed before a response";
    /// Bytes from the server where no response is due (row S-22).
    UnexpectedResponse = 502, "unexpected_response", "response without a request";
    /// Beyond `Limits::interim_responses` (row S-22).
    TooManyInterim = 502, "too_many_interim", "too many interim responses";
    /// 101 that was not asked for, or for another protocol (row S-22).
    UnexpectedUpgrade = 502, "unexpected_upgrade", "protocol switch that was not asked for";
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

/// A message of ours cannot be written. Nothing of the refused part is in the output. Row S-19: the serialiser is the last
/// line of defence against what came in by another protocol or by configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A field name that is not a token, or a control character in a value.
    BadField,
    /// A request target with bytes outside visible ASCII, empty, or a malformed authority.
    BadTarget,
    /// A status that does not go with the call, or is outside 100 to 599.
    BadStatus,
    /// The body disagrees with the length that its head declared.
    Length(LengthError),
    /// The call does not fit the state: a second head, data before a head.
    State,
    /// 101 to a request that did not ask for it.
    UnexpectedUpgrade,
}

impl EncodeError {
    /// A word for logs, in the manner of Envoy's response code details.
    pub fn detail(self) -> &'static str {
        match self {
            EncodeError::BadField => "http1.unsendable_header",
            EncodeError::BadTarget => "http1.unsendable_target",
            EncodeError::BadStatus => "http1.status_out_of_place",
            EncodeError::Length(LengthError::TooLong) => "http1.body_too_long",
            EncodeError::Length(LengthError::TooShort) => "http1.body_too_short",
            EncodeError::State => "http1.parts_out_of_order",
            EncodeError::UnexpectedUpgrade => "http1.unexpected_upgrade",
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::BadField => f.write_str("header that cannot be sent over HTTP/1"),
            EncodeError::BadTarget => f.write_str("request target that cannot be sent over HTTP/1"),
            EncodeError::BadStatus => f.write_str("status out of place"),
            EncodeError::Length(error) => error.fmt(f),
            EncodeError::State => f.write_str("message parts out of order"),
            EncodeError::UnexpectedUpgrade => f.write_str("protocol switch that was not asked for"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<LengthError> for EncodeError {
    fn from(error: LengthError) -> EncodeError {
        EncodeError::Length(error)
    }
}
