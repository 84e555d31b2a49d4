//! `REQ(X?Y)`, `RESP(X?Y)`, `TRAILER(X?Y)`: fields, and the parts of a request that Envoy writes as fields.

use nuncio_http::{HeaderList, HeaderName, Name};

use super::Value;
use crate::stream::StreamInfo;

/// `X?Y`: the value of X, or else of Y.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Lookup {
    main: Key,
    alternative: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Method,
    Path,
    Authority,
    Scheme,
    Field(HeaderName),
}

impl Lookup {
    pub(super) fn parse(text: &str) -> Option<Lookup> {
        let (main, alternative) = match text.split_once('?') {
            Some((main, alternative)) => (main, Some(Key::parse(alternative)?)),
            None => (text, None),
        };
        Some(Lookup { main: Key::parse(main)?, alternative })
    }

    pub(super) fn find<'a>(&self, get: impl Fn(&Key) -> Option<&'a [u8]>) -> Value<'a> {
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
            name => Key::Field(HeaderName::new(name).ok()?),
        })
    }
}

pub(super) fn request_field<'a>(info: &'a StreamInfo, key: &Key) -> Option<&'a [u8]> {
    let head = info.request.as_ref()?;
    match key {
        Key::Method => Some(head.method.as_bytes()),
        Key::Path => Some(head.target()),
        Key::Authority => Some(head.authority()).filter(|text| !text.is_empty()),
        Key::Scheme => Some(head.scheme.as_str().as_bytes()),
        Key::Field(name) => field_named(&head.headers, name),
    }
}

pub(super) fn field<'a>(headers: Option<&'a HeaderList>, key: &Key) -> Option<&'a [u8]> {
    let headers = headers?;
    match key {
        Key::Field(name) => field_named(headers, name),
        _ => None,
    }
}

fn field_named<'a>(headers: &'a HeaderList, name: &HeaderName) -> Option<&'a [u8]> {
    headers.iter().find(|field| field.id == name.id() && field.name == name.text()).map(|field| field.value)
}
