//! Request heads (RFC 9113 sections 8.2 and 8.3.1, RFC 8441 section 4).

use nuncio_hpack::Field;
use nuncio_http::validate::{self, Authority, parse_authority, parse_content_length, same_host};
use nuncio_http::{BodyLength, HeaderId, Method, RequestHead, RequestKind, Scheme, Underscores, Upgrade, Version};

use super::{Room, Size, Verdict, check_field, is_connection_specific};
use crate::event::Request;
use crate::limits::{HEAD_FLOOD_FACTOR, Limits};
use crate::schedule::Priority;

/// Takes the fields of a request one by one.
pub(crate) struct RequestBuilder<'l> {
    limits: &'l Limits,
    head: RequestHead,
    size: Size,
    verdict: Verdict,
    /// The head is over a limit: nothing more of it is kept.
    full: bool,
    seen: Seen,
    protocol: Option<Upgrade>,
    content_length: Option<u64>,
    expects: Expect,
    priority: Priority,
    /// Crumbs joined so far; the memory is the connection's.
    cookie: Vec<u8>,
    underscores_dropped: bool,
}

/// Which fields have been met.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    method: bool,
    scheme: bool,
    path: bool,
    authority: bool,
    protocol: bool,
    host: bool,
    /// A regular field: pseudo-header fields come before.
    regular: bool,
}

/// `Expect` (RFC 9110 section 10.1.1, row S-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Nothing,
    Continue,
    Unknown,
}

/// What has become of a request.
#[derive(Debug)]
pub(crate) struct RequestOutcome {
    pub(crate) request: Request,
    pub(crate) verdict: Verdict,
    pub(crate) kind: RequestKind,
    pub(crate) priority: Priority,
    pub(crate) size: Size,
    /// Far beyond the limit: the connection ends.
    pub(crate) flood: bool,
    /// Beyond `head_bytes`, `fields` or `cookie_crumbs`.
    pub(crate) overflow: bool,
    pub(crate) underscores_dropped: bool,
    /// The buffer that was lent.
    pub(crate) scratch: Vec<u8>,
}

pub(crate) const UNDERSCORE: &str = "http2.underscore";

impl<'l> RequestBuilder<'l> {
    /// For a block of `block` bytes. `scratch` is an empty buffer to join crumbs in.
    pub(crate) fn new(limits: &'l Limits, room: Room, block: usize, scratch: Vec<u8>) -> RequestBuilder<'l> {
        RequestBuilder {
            limits,
            head: RequestHead::new(Method::Get, Version::Http2, room.list(block)),
            size: Size::default(),
            verdict: Verdict::Good,
            full: false,
            seen: Seen::default(),
            protocol: None,
            content_length: None,
            expects: Expect::Nothing,
            priority: Priority::DEFAULT,
            cookie: scratch,
            underscores_dropped: false,
        }
    }

    pub(crate) fn on_field(&mut self, field: Field<'_>) {
        self.size.add(&field);
        if self.size.bytes > self.limits.head_bytes {
            self.overflow();
        }
        if self.full || matches!(self.verdict, Verdict::Malformed(_)) {
            return;
        }
        let result = match field.name {
            [b':', ..] => self.on_pseudo(&field),
            _ => check_field(&field).and_then(|()| self.on_regular(&field)),
        };
        if let Err(detail) = result {
            self.verdict.malformed(detail);
        }
    }

    fn overflow(&mut self) {
        self.full = true;
        self.verdict.refuse(431, "http2.head_too_large");
    }

    /// Row S-20: each once, before all regular fields, and none but these.
    fn on_pseudo(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        if self.seen.regular {
            return Err("http2.pseudo_header_order");
        }
        let seen = match field.name {
            b":method" => &mut self.seen.method,
            b":scheme" => &mut self.seen.scheme,
            b":path" => &mut self.seen.path,
            b":authority" => &mut self.seen.authority,
            // RFC 8441 section 4: nobody knows it who was not told.
            b":protocol" if self.limits.connect_protocol => &mut self.seen.protocol,
            _ => return Err("http2.unknown_pseudo_header"),
        };
        if std::mem::replace(seen, true) {
            return Err("http2.duplicate_pseudo_header");
        }
        match field.name {
            b":method" => self.head.method = Method::parse(field.value).ok_or("http2.bad_method")?,
            b":scheme" => self.head.scheme = self.scheme(field.value)?,
            b":path" => self.on_path(field.value)?,
            b":authority" => {
                parse_authority(field.value).ok_or("http2.bad_authority")?;
                self.head.set_authority(field.value);
            }
            _ => {
                self.protocol = Upgrade::parse(field.value);
                match self.protocol {
                    Some(_) => {}
                    // Too long to be one that we know, or `h2c`.
                    None if validate::is_token(field.value) => self.verdict.refuse(501, "http2.unknown_protocol"),
                    None => self.verdict.refuse(400, "http2.bad_protocol"),
                }
            }
        }
        Ok(())
    }

    fn scheme(&self, value: &[u8]) -> Result<Scheme, &'static str> {
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|scheme| scheme.as_str().as_bytes().eq_ignore_ascii_case(value))
            .ok_or("http2.bad_scheme")?;
        if self.limits.scheme.is_some_and(|expected| expected != scheme) {
            return Err("http2.scheme_mismatch");
        }
        Ok(scheme)
    }

    /// RFC 9113 section 8.3.1. Whether `*` goes with the method is known at the end.
    fn on_path(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let origin_form = matches!(value, [b'/', ..] | b"*");
        // A fragment never travels; other readers would cut the path there.
        if !origin_form || !validate::is_target(value) || value.contains(&b'#') {
            return Err("http2.bad_path");
        }
        if value.len() > self.limits.target_bytes {
            self.verdict.refuse(414, "http2.target_too_long");
            // So that what is answered is still a request.
            self.head.set_target(b"/");
        } else {
            self.head.set_target(value);
        }
        Ok(())
    }

    fn on_regular(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        self.seen.regular = true;
        if field.id == HeaderId::Cookie {
            return self.on_crumb(field.value);
        }
        self.size.fields += 1;
        if self.size.fields > self.limits.fields {
            self.overflow();
            return Ok(());
        }
        match field.id {
            HeaderId::Other => self.on_other(field),
            HeaderId::Host => self.on_host(field.value)?,
            HeaderId::ContentLength => {
                let length = parse_content_length(field.value).ok_or("http2.bad_content_length")?;
                if self.content_length.replace(length).is_some() {
                    return Err("http2.duplicate_content_length");
                }
            }
            HeaderId::Expect => {
                let known = self.expects == Expect::Nothing && field.value.eq_ignore_ascii_case(b"100-continue");
                self.expects = if known { Expect::Continue } else { Expect::Unknown };
            }
            HeaderId::Te if !field.value.eq_ignore_ascii_case(b"trailers") => return Err("http2.bad_te"),
            HeaderId::Http2Settings => {}
            id if is_connection_specific(id) => return Err("http2.connection_header"),
            id => self.push(id, field),
        }
        Ok(())
    }

    fn on_other(&mut self, field: &Field<'_>) {
        // Row T-4.
        if self.limits.underscores != Underscores::Allow && field.name.contains(&b'_') {
            match self.limits.underscores {
                Underscores::Reject => self.verdict.refuse(400, UNDERSCORE),
                _ => self.underscores_dropped = true,
            }
            return;
        }
        if field.name == b"priority" {
            self.priority = Priority::parse(field.value);
        }
        self.push(HeaderId::Other, field);
    }

    /// RFC 9113 section 8.2.3. A crumb costs its bytes and no allocation (row H2-5).
    fn on_crumb(&mut self, value: &[u8]) -> Result<(), &'static str> {
        self.size.crumbs += 1;
        if self.size.crumbs > self.limits.cookie_crumbs {
            self.overflow();
            return Ok(());
        }
        // An empty one says nothing, and would leave white space at the end.
        if self.verdict == Verdict::Good && !value.is_empty() {
            if !self.cookie.is_empty() {
                self.cookie.extend_from_slice(b"; ");
            }
            self.cookie.extend_from_slice(value);
        }
        Ok(())
    }

    /// RFC 9113 section 8.3.1, row S-20: `host` is another way to say `:authority`, never to say something else.
    fn on_host(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if std::mem::replace(&mut self.seen.host, true) {
            return Err("http2.duplicate_host");
        }
        let host = parse_authority(value).ok_or("http2.bad_authority")?;
        if !self.seen.authority {
            self.head.set_authority(value);
            return Ok(());
        }
        let authority = parse_authority(self.head.authority()).ok_or("http2.bad_authority")?;
        let default_port = match self.head.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let port = |authority: Authority<'_>| authority.port.unwrap_or(default_port);
        // Clients leave the port of a CONNECT out of `host`.
        let connect = self.head.method == Method::Connect && !self.seen.protocol;
        let same_port = port(host) == port(authority) || connect && host.port.is_none();
        if same_host(host, authority) && same_port { Ok(()) } else { Err("http2.authority_mismatch") }
    }

    fn push(&mut self, id: HeaderId, field: &Field<'_>) {
        if self.verdict == Verdict::Good {
            self.head.headers.push_recognised(id, field.name, field.value);
        }
    }

    /// The block is over. `end`: so is the message.
    pub(crate) fn finish(mut self, end: bool) -> RequestOutcome {
        // What is missing may have come after the limit.
        if !self.full
            && let Err(detail) = self.check(end)
        {
            self.verdict.malformed(detail);
        }
        if !self.cookie.is_empty() && self.verdict == Verdict::Good {
            self.head.headers.push(HeaderId::Cookie, &self.cookie);
        }
        self.cookie.clear();
        self.head.body = self.body(end);
        let expect_continue = self.expects == Expect::Continue && !self.head.body.is_empty();
        let kind = match self.protocol {
            Some(_) => RequestKind::Connect,
            None => RequestKind::new(self.head.method),
        };
        RequestOutcome {
            request: Request { head: self.head, protocol: self.protocol, expect_continue },
            verdict: self.verdict,
            kind,
            priority: self.priority,
            size: self.size,
            flood: self.size.bytes > self.limits.head_bytes.saturating_mul(HEAD_FLOOD_FACTOR),
            overflow: self.full,
            underscores_dropped: self.underscores_dropped,
            scratch: self.cookie,
        }
    }

    fn body(&self, end: bool) -> BodyLength {
        match self.content_length {
            Some(length) => BodyLength::Exact(length),
            None if end => BodyLength::Empty,
            None => BodyLength::Unknown,
        }
    }

    /// What the fields say together.
    fn check(&mut self, end: bool) -> Result<(), &'static str> {
        let Seen { method, scheme, path, authority, protocol, .. } = self.seen;
        if !method {
            return Err("http2.missing_pseudo_header");
        }
        let connect = self.head.method == Method::Connect;
        if protocol && !connect {
            return Err("http2.protocol_without_connect");
        }
        if connect && !protocol {
            // RFC 9113 section 8.5.
            if scheme || path || !authority {
                return Err("http2.bad_connect");
            }
            parse_authority(self.head.authority()).and_then(|to| to.port).ok_or("http2.bad_connect")?;
        } else if !scheme || !path {
            return Err("http2.missing_pseudo_header");
        }
        if connect && self.content_length.is_some() {
            // What follows is the tunnel; a body before it would only be read by some (row S-16).
            return Err("http2.body_not_allowed");
        }
        if self.head.target() == b"*" && self.head.method != Method::Options {
            return Err("http2.bad_path");
        }
        if end && self.content_length.is_some_and(|length| length > 0) {
            return Err("http2.body_too_short");
        }
        if self.head.authority().is_empty() {
            self.verdict.refuse(400, "http2.missing_authority");
        }
        if self.expects == Expect::Unknown {
            self.verdict.refuse(417, "http2.bad_expect");
        }
        Ok(())
    }
}
