//! A whole line of an access log: text, or one JSON object.

use super::escape;
use super::{Format, FormatError};
use crate::config::LogFormat;
use crate::stream::StreamInfo;

/// How one stream becomes one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Text(Format),
    Json(Vec<JsonMember>),
}

/// A member of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonMember {
    /// `"key":`, with the comma before it where there is one.
    key: Vec<u8>,
    value: Format,
}

impl Line {
    pub fn new(format: &LogFormat) -> Result<Line, FormatError> {
        match format {
            LogFormat::Text(text) => Format::parse(text.strip_suffix('\n').unwrap_or(text)).map(Line::Text),
            LogFormat::Json(members) => {
                let member = |(at, (key, value)): (usize, &(String, String))| {
                    let mut text = if at > 0 { b",\"".to_vec() } else { b"\"".to_vec() };
                    escape::json(key.as_bytes(), false, &mut text);
                    text.extend_from_slice(b"\":");
                    Ok(JsonMember { key: text, value: Format::parse(value)? })
                };
                members.iter().enumerate().map(member).collect::<Result<_, _>>().map(Line::Json)
            }
        }
    }

    /// Appends the line, with its line end.
    pub fn render(&self, info: &StreamInfo, out: &mut Vec<u8>) {
        match self {
            Line::Text(format) => format.render(info, out),
            Line::Json(members) => {
                out.push(b'{');
                for member in members {
                    out.extend_from_slice(&member.key);
                    member.value.render_json(info, out);
                }
                out.push(b'}');
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access_log::testing;

    fn json(members: &[(&str, &str)]) -> serde_json::Value {
        let members = members.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut out = Vec::new();
        Line::new(&LogFormat::Json(members)).unwrap().render(&testing::stream(), &mut out);
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_json_line_has_types() {
        let line = json(&[
            ("code", "%RESPONSE_CODE%"),
            ("short", "%RESPONSE_CODE:2%"),
            ("mixed", "%RESPONSE_CODE% %TRAILER(x)%"),
            ("none", "%TRAILER(x)%"),
            ("agent", "%REQ(USER-AGENT)%"),
            ("odd \"key\"\n", "literal \"text\""),
            ("flags", "%RESPONSE_FLAGS%"),
        ]);
        let expected = json!({
            "code": 503, "short": "50", "mixed": "503 -", "none": null, "agent": "curl \"8\"\u{1b}", "flags": "UF,URX",
            "odd \"key\"\n": "literal \"text\"",
        });
        assert_eq!(line, expected);
        assert_eq!(json(&[]), json!({}));
    }

    #[test]
    fn a_text_line_ends_once() {
        let mut out = Vec::new();
        let line = Line::new(&LogFormat::Text("%PROTOCOL%\n".to_owned())).unwrap();
        line.render(&testing::stream(), &mut out);
        assert_eq!(out, b"HTTP/1.1\n");
    }
}
