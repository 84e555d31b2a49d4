//! `access_log`: one line per request.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::text::{Complaint, Cx, Kind, Node, read, write};
use crate::access_log::Format;

/// Envoy's default line, what `"text"` stands for.
const DEFAULT_TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";

/// What `"json"` stands for.
const DEFAULT_JSON: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
];

/// One access log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessLog {
    pub path: LogPath,
    pub format: LogFormat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPath {
    Stdout,
    Stderr,
    /// Absolute.
    File(PathBuf),
}

/// `"format"`: `"text"` (Envoy's default line), `"json"` (the default object), any text with `%OPERATORS%`, or an
/// object whose values are such texts. Default `"text"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LogFormat {
    /// A line of text with `%OPERATORS%`, without its line end.
    Text(String),
    /// One JSON object a line, keys in this order.
    Json(#[serde(serialize_with = "write::pairs")] Vec<(String, String)>),
}

impl LogFormat {
    /// What `"text"` stands for.
    pub fn default_text() -> LogFormat {
        LogFormat::Text(DEFAULT_TEXT.to_owned())
    }

    /// What `"json"` stands for.
    pub fn default_json() -> LogFormat {
        LogFormat::Json(DEFAULT_JSON.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<AccessLog> {
    let mut o = cx.object(node)?;
    o.later(&["filter", "buffer", "cluster", "type"]);
    let path = o.required("path", read_path);
    let format = o.optional("format", LogFormat::default_text(), read_format);
    o.finish();
    Some(AccessLog { path: path?, format })
}

pub(super) fn read_path(cx: &Cx, node: &Node) -> Option<LogPath> {
    match read::string(cx, node)?.as_str() {
        "stdout" => Some(LogPath::Stdout),
        "stderr" => Some(LogPath::Stderr),
        "" => cx.refuse(node, Complaint::new("is empty").expected("\"stdout\", \"stderr\" or the path of a file")),
        path if path.contains('\0') => cx.refuse(node, "has a NUL character"),
        path => Some(LogPath::File(cx.resolve(path))),
    }
}

fn read_format(cx: &Cx, node: &Node) -> Option<LogFormat> {
    const EXPECTED: &str = "\"text\", \"json\", a text with %OPERATORS% or an object of such texts";
    match node.kind() {
        Kind::String => {}
        Kind::Object => {
            let entries = cx.entries(node, EXPECTED)?;
            let fields = entries.iter().filter_map(|entry| Some((entry.key.to_string(), template(cx, &entry.value)?)));
            return Some(LogFormat::Json(fields.collect()));
        }
        _ => return cx.wrong_type(node, EXPECTED),
    }
    match read::string(cx, node)?.as_str() {
        "text" => Some(LogFormat::default_text()),
        "json" => Some(LogFormat::default_json()),
        text if !text.contains('%') => {
            let complaint = Complaint::new("has no %OPERATOR%: every line would be the same").expected(EXPECTED);
            cx.refuse(node, complaint.did_you_mean(cx.nearest(text, ["text", "json"])))
        }
        _ => template(cx, node).map(LogFormat::Text),
    }
}

/// A text with `%OPERATORS%` that stays on its line.
fn template(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    // Envoy's formats end with a line end.
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return cx.refuse(node, "has a control character within the line");
    }
    match check_template(line) {
        Ok(()) => Some(line.to_owned()),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// Is it text with `%OPERATORS%` that there are? `%%` is a percent sign. For header values too.
pub(super) fn check_template(text: &str) -> Result<(), Complaint> {
    Format::parse(text).map(drop).map_err(|error| Complaint::new(error.to_string()))
}

impl Serialize for LogPath {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            LogPath::Stdout => out.serialize_str("stdout"),
            LogPath::Stderr => out.serialize_str("stderr"),
            LogPath::File(path) => out.collect_str(&path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        for good in
            ["", "a", "%%", "100%%", "%DURATION%", "%REQ(X?Y):10%%PROTOCOL%", "%START_TIME(%Y-%m)%", DEFAULT_TEXT]
        {
            assert!(check_template(good).is_ok(), "{good}");
        }
        for bad in ["%", "a%", "%a%", "%%%", "%REQ(x%", "%REQ(", "%REQ()", "% DURATION%", "%%DURATION%"] {
            assert!(check_template(bad).is_err(), "{bad}");
        }
    }
}
