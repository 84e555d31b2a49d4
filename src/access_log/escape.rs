//! Bytes of peers on their way into a line or a header value. None of them can end the line, forge a field or reach a
//! terminal as a control sequence (row T-11 of the threat list).

use std::fmt;

use nuncio_http::validate::is_field_byte;

/// Most bytes that one operator adds, before they are escaped.
const FIELD_MAX: usize = 8 * 1024;

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Control characters, `"`, `\` and all but ASCII become `\xHH`.
    Text,
    /// Inside a JSON string: its escapes, also for DEL, C1 and U+2028/9; bytes that are no UTF-8 become U+FFFD.
    Json,
    /// Into a header value: bytes that cannot stand there are dropped (RFC 9110 section 5.5).
    Header,
}

/// One operator's place in the output.
pub(super) struct Field<'a> {
    out: &'a mut Vec<u8>,
    mode: Mode,
    left: usize,
}

impl<'a> Field<'a> {
    /// A field of at most `max` bytes, and never more than 8 KiB.
    pub(super) fn new(out: &'a mut Vec<u8>, mode: Mode, max: Option<usize>) -> Field<'a> {
        Field { out, mode, left: max.unwrap_or(FIELD_MAX).min(FIELD_MAX) }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let cut = bytes.len() > self.left;
        let bytes = &bytes[..bytes.len().min(self.left)];
        self.left -= bytes.len();
        match self.mode {
            Mode::Text => text(bytes, self.out),
            Mode::Json => json(bytes, cut, self.out),
            Mode::Header => self.out.extend(bytes.iter().filter(|&&byte| is_field_byte(byte))),
        }
    }
}

impl fmt::Write for Field<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Appends `bytes` as they may stand in a line of text.
pub(crate) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.iter().all(|&byte| is_plain(byte)) {
        return out.extend_from_slice(bytes);
    }
    for &byte in bytes {
        if is_plain(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte)]);
        }
    }
}

/// Stands for itself in both text and JSON: nearly all that ever comes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Appends `bytes` as they may stand between the quotes of a JSON string. `cut`: they go on, so that half a character at
/// the end is no fault of theirs.
pub(crate) fn json(bytes: &[u8], cut: bool, out: &mut Vec<u8>) {
    if bytes.iter().all(|&byte| is_plain(byte)) {
        return out.extend_from_slice(bytes);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (valid, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, None),
            // What is valid up to there is valid.
            Err(error) => {
                let valid = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                (valid, Some(error.error_len()))
            }
        };
        json_text(valid, out);
        rest = &rest[valid.len()..];
        match bad {
            Some(None) if cut => return,
            Some(len) => {
                out.extend_from_slice("\u{fffd}".as_bytes());
                rest = &rest[len.unwrap_or(rest.len())..];
            }
            None => {}
        }
    }
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if !matches!(c, '"' | '\\' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}') {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[start..at]);
        start = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let code = c as u32;
                out.extend_from_slice(b"\\u");
                out.extend([12, 8, 4, 0].map(|shift| hex((code >> shift) as u8)));
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[start..]);
}

fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble & 0x0f)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(mode: Mode, max: Option<usize>, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Field::new(&mut out, mode, max).put(bytes);
        out
    }

    #[test]
    fn text_is_escaped() {
        for (bytes, expected) in [
            (&b"plain /path?x=1"[..], r"plain /path?x=1"),
            (b"a\r\nGET", r"a\x0D\x0AGET"),
            (b"\x1b[31m\x7f\0", r"\x1B[31m\x7F\x00"),
            (b"say \"hi\" \\x41", r"say \x22hi\x22 \x5Cx41"),
            ("é\u{85}".as_bytes(), r"\xC3\xA9\xC2\x85"),
            (b"", ""),
        ] {
            assert_eq!(String::from_utf8(field(Mode::Text, None, bytes)).unwrap(), expected);
        }
    }

    #[test]
    fn json_is_escaped_and_reads_back() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let samples = [
            "plain".as_bytes(),
            "q\"b\\n\nr\rt\t\0\x1b\x7f\u{80}\u{9f}\u{a0}é\u{2028}\u{2029}€😀".as_bytes(),
            b"bad \xff\xc3",
            &every_byte,
        ];
        for bytes in samples {
            let out = field(Mode::Json, None, bytes);
            let text = String::from_utf8([b"\"", &out[..], b"\""].concat()).unwrap();
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), String::from_utf8_lossy(bytes));
            assert!(!text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}'));
        }
    }

    #[test]
    fn a_header_value_stays_one() {
        let out = field(Mode::Header, None, b"a\r\nx: y\0\t\xe9\x7f");
        assert_eq!(out, b"ax: y\t\xe9");
        assert!(nuncio_http::validate::is_field_value(&out));
    }

    #[test]
    fn length_is_capped() {
        let long = vec![b'a'; 20_000];
        assert_eq!(field(Mode::Text, None, &long).len(), 8192);
        assert_eq!(field(Mode::Text, Some(10), &long).len(), 10);
        assert_eq!(field(Mode::Text, Some(100_000), &long).len(), 8192);
        assert_eq!(field(Mode::Json, Some(2), "aé".as_bytes()), b"a", "no half character");
    }
}
