//! `access_log`: one line per request.

use std::path::PathBuf;

/// One access log.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    pub path: LogPath,
    pub format: LogFormat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPath {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// `"format"`: `"text"` (Envoy's default line), `"json"` (the default object), any text with `%OPERATORS%`, or an
/// object whose values are such texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text with `%OPERATORS%`.
    Text(String),
    /// One JSON object a line, keys in this order.
    Json(Vec<(String, String)>),
}
