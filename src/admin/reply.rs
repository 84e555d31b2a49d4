//! What an endpoint answers.

use nuncio_http::{BodyLength, HeaderId, HeaderList, HeaderName, Name, ResponseHead};
use serde_json::Value as Json;

/// An answer: text or JSON, never HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    /// The `allow` field of a 405.
    pub allow: Option<&'static str>,
    pub after: After,
}

/// What follows once the answer has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum After {
    #[default]
    Nothing,
    /// The process ends.
    Quit,
}

const TEXT: &str = "text/plain; charset=utf-8";

impl Reply {
    pub(super) fn text(status: u16, body: impl Into<String>) -> Reply {
        Reply { status, content_type: TEXT, body: body.into(), allow: None, after: After::Nothing }
    }

    pub(super) fn ok() -> Reply {
        Reply::text(200, "OK\n")
    }

    pub(super) fn json(value: &Json) -> Reply {
        // The alternate form is indented; a value whose keys are strings always prints.
        Reply::json_text(format!("{value:#}\n"))
    }

    /// What is JSON already, with a line end.
    pub(super) fn json_text(text: String) -> Reply {
        Reply { content_type: "application/json", ..Reply::text(200, text) }
    }

    /// The head, with the length of the body.
    pub(super) fn head(&self) -> ResponseHead {
        let mut headers = HeaderList::with_capacity(256, 6);
        headers.push(HeaderId::ContentType, self.content_type.as_bytes());
        headers.push(HeaderId::CacheControl, b"no-cache, max-age=0");
        push(&mut headers, "x-content-type-options", b"nosniff");
        if let Some(allow) = self.allow {
            headers.push(HeaderId::Allow, allow.as_bytes());
        }
        let mut head = ResponseHead::new(self.status, headers);
        head.body = BodyLength::Exact(self.body.len() as u64);
        head
    }
}

fn push(headers: &mut HeaderList, name: &str, value: &[u8]) {
    if let Ok(name) = HeaderName::new(name) {
        debug_assert_eq!(name.id(), HeaderId::Other);
        headers.push_raw(name.text(), value);
    }
}
