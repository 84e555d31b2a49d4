//! Response heads (RFC 9112 section 4). What the body is also depends on the request, so that is left to the client.

use nuncio_http::{BodyLength, HeaderId, ResponseHead, Upgrade, Version};

use super::fields::Fields;
use super::{Kind, Progress, Table, check_size, explain, lines_end_with_crlf, refuse};
use crate::error::Error;
use crate::limits::{Limits, MAX_FIELDS};

/// A response head and what its hop-by-hop fields said.
pub(crate) struct Response {
    /// `body` is not set yet.
    pub(crate) head: ResponseHead,
    /// By `Content-Length` or `Transfer-Encoding`; `None`: by neither. Faulty ones do not count everywhere.
    pub(crate) declared: Result<Option<BodyLength>, Error>,
    pub(crate) chunked: bool,
    pub(crate) keep_alive: bool,
    /// The protocol that a 101 switches to.
    pub(crate) upgrade: Option<Upgrade>,
}

/// Parses the head in front of `buf`; with it comes its size in bytes. `None`: incomplete.
pub(crate) fn parse_response(
    progress: &mut Progress,
    buf: &[u8],
    limits: &Limits,
) -> Result<Option<(Response, usize)>, Error> {
    const KIND: Kind = Kind::Response;
    if !progress.may_be_complete(buf) {
        return progress.on_partial(buf, KIND, limits).map(|()| None);
    }
    let mut table: Table<'_> = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut tokens = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut tokens,
        buf,
        &mut table[..limits.fields.min(MAX_FIELDS)],
    );
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return progress.on_partial(buf, KIND, limits).map(|()| None),
        Err(_) => return refuse(progress, buf, KIND, limits).map(|()| None),
    };
    let head = &buf[..len];
    check_size(head, len, KIND, limits)?;
    if !lines_end_with_crlf(head, tokens.headers) {
        return Err(explain(head, KIND, limits.fields).unwrap_or(Error::BareLf));
    }
    let response = build(&tokens, len, limits)?;
    *progress = Progress::NEW;
    Ok(Some((response, len)))
}

fn build(tokens: &httparse::Response<'_, '_>, len: usize, limits: &Limits) -> Result<Response, Error> {
    let status = tokens.code.unwrap_or_default();
    if !(100..=599).contains(&status) {
        return Err(Error::BadStatusLine);
    }
    let version = if tokens.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let fields = Fields::collect(tokens.headers, len, Kind::Response, limits)?;
    let upgrade = if fields.connection.upgrade { fields.upgrade.protocol() } else { None };
    let keep_alive = fields.connection.is_persistent(version) && !authenticates_connection(status, &fields);
    let mut head = ResponseHead::new(status, fields.list);
    head.version = version;
    Ok(Response {
        head,
        declared: fields.framing.resolve(version),
        chunked: fields.framing.has_coding(),
        keep_alive,
        upgrade,
    })
}

/// NTLM and Negotiate authenticate the connection, not the request: it must not serve another client (row S-24).
fn authenticates_connection(status: u16, fields: &Fields<'_>) -> bool {
    let id = match status {
        401 => HeaderId::WwwAuthenticate,
        407 => HeaderId::ProxyAuthenticate,
        _ => return false,
    };
    let schemes: [&[u8]; 2] = [b"ntlm", b"negotiate"];
    fields.list.get_all(&id).any(|value| {
        let words = value.split(|byte| matches!(byte, b' ' | b',' | b'\t'));
        words.into_iter().any(|word| schemes.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)))
    })
}
