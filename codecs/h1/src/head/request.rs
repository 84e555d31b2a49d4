//! Request heads (RFC 9112 section 3).

use nuncio_http::{BodyLength, Method, RequestHead, Version};

use super::fields::{Expect, Fields};
use super::target::{Path, parse_target};
use super::{Kind, Progress, Table, check_size, explain, lines_end_with_crlf, refuse};
use crate::error::Error;
use crate::limits::{Limits, MAX_FIELDS};
use crate::recv::Request;

/// Parses the head in front of `buf`; with it comes its size in bytes. `None`: incomplete.
pub(crate) fn parse_request(
    progress: &mut Progress,
    buf: &[u8],
    limits: &Limits,
) -> Result<Option<(Request, usize)>, Error> {
    const KIND: Kind = Kind::Request;
    if !progress.may_be_complete(buf) {
        return progress.on_partial(buf, KIND, limits).map(|()| None);
    }
    let mut table: Table<'_> = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut tokens = httparse::Request::new(&mut []);
    let len = match tokens.parse_with_uninit_headers(buf, &mut table[..limits.fields.min(MAX_FIELDS)]) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return progress.on_partial(buf, KIND, limits).map(|()| None),
        Err(_) => return refuse(progress, buf, KIND, limits).map(|()| None),
    };
    let head = &buf[..len];
    check_size(head, len, KIND, limits)?;
    if !lines_end_with_crlf(head, tokens.headers) {
        return Err(explain(head, KIND, limits.fields).unwrap_or(Error::BareLf));
    }
    let request = build(&tokens, len, limits)?;
    *progress = Progress::NEW;
    Ok(Some((request, len)))
}

fn build(tokens: &httparse::Request<'_, '_>, len: usize, limits: &Limits) -> Result<Request, Error> {
    let method = Method::parse(tokens.method.unwrap_or_default().as_bytes()).ok_or(Error::BadMethod)?;
    let version = if tokens.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let target = tokens.path.unwrap_or_default().as_bytes();
    if target.len() > limits.target_bytes {
        return Err(Error::TargetTooLong);
    }
    let fields = Fields::collect(tokens.headers, len, Kind::Request, limits)?;
    let target = parse_target(method, target, fields.host, version)?;
    let declared = fields.framing.resolve(version)?;
    let body = declared.unwrap_or(BodyLength::Empty);
    if method == Method::Connect && !body.is_empty() {
        // What follows is the tunnel; a body before it would only be read by some (RFC 9110 section 9.3.6, row S-16).
        return Err(Error::BodyNotAllowed);
    }
    let http11 = version == Version::Http11;
    if http11 && fields.expect == Expect::Unknown {
        return Err(Error::BadExpect);
    }

    let keep_alive = fields.connection.is_persistent(version);
    // RFC 9110 section 7.8: ignored in HTTP/1.0, and we may ignore it where a body would have to come first.
    let may_upgrade = http11 && fields.connection.upgrade && body.is_empty() && method != Method::Connect;
    let upgrade = if may_upgrade { fields.upgrade.protocol() } else { None };
    let expect_continue = http11 && fields.expect == Expect::Continue && !body.is_empty();

    let mut head = RequestHead::new(method, version, fields.list);
    head.body = body;
    head.scheme = target.scheme;
    head.set_authority(target.authority);
    match target.path {
        Path::AsSent(path) => head.set_target(path),
        Path::Query(query) => head.set_target(&[b"/", query].concat()),
    }
    Ok(Request { head, expect_continue, upgrade, keep_alive })
}
