//! One pass over the fields of a head: hop-by-hop fields are read and dropped, the rest goes into the list
//! (RFC 9110 section 7.6.1, row T-1).

use nuncio_http::{HeaderId, HeaderList, Underscores, Upgrade, Version, validate};

use super::Kind;
use super::framing::Framing;
use crate::error::Error;
use crate::limits::Limits;

/// Spare room in a list for what the proxy adds: text in bytes, and fields.
const SPARE_TEXT: usize = 320;
const SPARE_FIELDS: usize = 12;

/// What the fields of a head say.
pub(crate) struct Fields<'b> {
    /// End-to-end fields.
    pub(crate) list: HeaderList,
    pub(crate) host: Option<&'b [u8]>,
    pub(crate) framing: Framing,
    pub(crate) connection: Connection,
    pub(crate) upgrade: UpgradeField,
    pub(crate) expect: Expect,
}

/// The options of `Connection` that mean something to us (RFC 9110 section 7.6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// Other names stand there.
    names: bool,
}

/// `Expect` (RFC 9110 section 10.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Expect {
    #[default]
    None,
    Continue,
    /// Another expectation, or several.
    Unknown,
}

/// `Upgrade` (RFC 9110 section 7.8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum UpgradeField {
    #[default]
    None,
    One(Upgrade),
    /// Several, malformed, or `h2c`: as if none were there.
    Unusable,
}

impl UpgradeField {
    pub(crate) fn protocol(self) -> Option<Upgrade> {
        match self {
            UpgradeField::One(upgrade) => Some(upgrade),
            _ => None,
        }
    }
}

impl Connection {
    /// Persistence (RFC 9112 section 9.3).
    pub(crate) fn is_persistent(self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }

    fn on_value(&mut self, value: &[u8]) {
        for option in options(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names = true;
            }
        }
    }
}

impl<'b> Fields<'b> {
    /// Reads what the tokeniser has split. `text` is the size of the head in bytes.
    pub(crate) fn collect(
        fields: &[httparse::Header<'b>],
        text: usize,
        kind: Kind,
        limits: &Limits,
    ) -> Result<Fields<'b>, Error> {
        let mut all = Fields {
            list: HeaderList::with_capacity(text + SPARE_TEXT, fields.len() + SPARE_FIELDS),
            host: None,
            framing: Framing::default(),
            connection: Connection::default(),
            upgrade: UpgradeField::None,
            expect: Expect::None,
        };
        for field in fields {
            all.on_field(field.name.as_bytes(), field.value, kind, limits)?;
        }
        if all.connection.names {
            all.remove_nominated(fields);
        }
        Ok(all)
    }

    fn on_field(&mut self, name: &[u8], value: &'b [u8], kind: Kind, limits: &Limits) -> Result<(), Error> {
        let id = HeaderId::recognise_any_case(name);
        match id {
            HeaderId::Other if kind == Kind::Request && limits.underscores != Underscores::Allow => {
                if !name.contains(&b'_') {
                    self.list.push_recognised(id, name, value);
                } else if limits.underscores == Underscores::Reject {
                    return Err(Error::Underscore);
                }
            }
            HeaderId::Host if kind == Kind::Request => {
                if self.host.replace(value).is_some() {
                    return Err(Error::DuplicateHost);
                }
            }
            HeaderId::ContentLength => self.framing.on_content_length(value),
            HeaderId::TransferEncoding => self.framing.on_transfer_encoding(value),
            HeaderId::Connection => self.connection.on_value(value),
            HeaderId::Upgrade => {
                self.upgrade = match (self.upgrade, Upgrade::parse(value)) {
                    (UpgradeField::None, Some(upgrade)) => UpgradeField::One(upgrade),
                    _ => UpgradeField::Unusable,
                };
            }
            HeaderId::Expect => {
                let known = self.expect == Expect::None && value.eq_ignore_ascii_case(b"100-continue");
                self.expect = if known { Expect::Continue } else { Expect::Unknown };
            }
            HeaderId::KeepAlive | HeaderId::ProxyConnection | HeaderId::Te | HeaderId::Http2Settings => {}
            HeaderId::Trailer if !limits.keep_trailers => {}
            _ => self.list.push_recognised(id, name, value),
        }
        Ok(())
    }

    /// Removes the fields that `Connection` names, but none that others trust us to deliver (row T-1).
    #[cold]
    fn remove_nominated(&mut self, fields: &[httparse::Header<'b>]) {
        for field in fields.iter().filter(|field| field.name.eq_ignore_ascii_case("connection")) {
            for option in options(field.value).filter(|option| validate::is_token(option)) {
                let name = option.to_ascii_lowercase();
                if !is_protected(&name) {
                    self.list.retain(|field| field.name != name);
                }
            }
        }
    }
}

/// The elements of a comma-separated list, without empty ones.
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// Fields that a client must not be able to delete by naming them in `Connection`. `name` is lower case.
fn is_protected(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 3] = [b"content-", b"x-forwarded-", b"x-envoy-"];
    let names: [&[u8]; 7] =
        [b"host", b"x-request-id", b"x-real-ip", b"forwarded", b"authorization", b"cookie", b"set-cookie"];
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}
