//! `request_headers`, `response_headers`: `{ "set": {..}, "add": {..}, "remove": [..] }`.

use nuncio_http::HeaderName;

/// Applied in this order: remove, set, add.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeaderEdits {
    pub remove: Vec<HeaderName>,
    /// Replaces all fields of that name.
    pub set: Vec<HeaderTemplate>,
    /// Adds a field beside those of that name.
    pub add: Vec<HeaderTemplate>,
}

/// A field whose value may hold `%OPERATORS%`, as in access logs. `%%` is a percent sign.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderTemplate {
    pub name: HeaderName,
    pub value: String,
}
