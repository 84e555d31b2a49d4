//! Paths in the configuration: which texts can be a path at all, and which the listener's canonical form
//! (RFC 3986 section 6.2.2, merged slashes) would never produce, so that a pattern of that form could never match.

use super::http::{EscapedSlashes, Http};
use super::text::Complaint;

/// How far a text of a pattern goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is the whole path.
    Whole,
    /// Anything may follow.
    Prefix,
}

/// A path that may stand in a request target: no query, no fragment, nothing that is not visible ASCII.
pub(super) fn check_path(path: &str) -> Result<(), Complaint> {
    if !path.starts_with('/') {
        return Err(Complaint::new("does not start with \"/\"").hint(format!("did you mean {:?}?", format!("/{path}"))));
    }
    for (at, char) in path.char_indices() {
        match char {
            '?' => return Err(Complaint::new("has a query").hint("match that with \"query\"")),
            '#' => return Err("has a fragment, which is never sent".into()),
            '\\' => return Err("has a backslash, which requests are refused for".into()),
            '!'..='~' => {}
            _ => {
                let encoded: String = char.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
                let what = format!("has the character {char:?}, which is never sent as it is");
                return Err(Complaint::new(what).hint(format!("write {encoded}")));
            }
        }
        let hex = |digit: &u8| digit.is_ascii_hexdigit();
        let escape = path.as_bytes().get(at + 1..at + 3);
        if char == '%' && !escape.is_some_and(|digits| digits.iter().all(hex)) {
            return Err(
                Complaint::new("has a \"%\" without two hexadecimal digits").hint("write %25 for a percent sign")
            );
        }
    }
    Ok(())
}

/// A pattern that some canonical path can match.
pub(super) fn check_pattern(path: &str, reach: Reach, http: &Http) -> Result<(), Complaint> {
    check_path(path)?;
    let never = |what: String| Complaint::new(what).hint("paths are matched in their canonical form");
    if http.merge_slashes && path.contains("//") {
        return Err(never("can never match: \"//\" is merged into \"/\"".to_owned()));
    }
    check_escapes(path, http)?;
    if http.normalize_path {
        let mut segments: Vec<&str> = path.split('/').collect();
        if reach == Reach::Prefix {
            // The last segment may go on: "/.w" for "/.well-known".
            segments.pop();
        }
        if let Some(dots) = segments.iter().find(|segment| matches!(**segment, "." | "..")) {
            return Err(never(format!("can never match: the segment \"{dots}\" is resolved")));
        }
    }
    Ok(())
}

fn check_escapes(path: &str, http: &Http) -> Result<(), Complaint> {
    let escapes = path.match_indices('%').filter_map(|(at, _)| path.get(at..at + 3));
    for escape in escapes {
        let byte = escape.get(1..).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(b'%');
        let upper = escape.to_ascii_uppercase();
        let instead = match byte {
            b'/' | b'\\' if http.path_with_escaped_slashes_action != EscapedSlashes::KeepUnchanged => {
                let what = format!("can never match: \"path_with_escaped_slashes_action\" lets no {escape} through");
                return Err(what.into());
            }
            0 => return Err("can never match: requests with %00 are refused".into()),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => upper,
        };
        if http.normalize_path && instead != escape {
            let complaint = Complaint::new(format!("can never match: {escape} is matched as {instead}"));
            return Err(complaint.hint(format!("write {instead}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let http = Http::default();
        for good in ["/", "/a", "/a/", "/a;b", "/%C3%A9", "/a%20b", "/.well-known/", "/..a/...", "/a*:@!$&'()+,="] {
            for reach in [Reach::Whole, Reach::Prefix] {
                assert!(check_pattern(good, reach, &http).is_ok(), "{good}");
            }
        }
        for bad in [
            "", "a", "*", "//", "/a//b", "/./a", "/a/../b", "/%2f", "/%2F", "/%5c", "/%00", "/%c3%a9", "/%41", "/%7e",
            "/%", "/%2", "/%zz", "/a b", "/é", "/a?b", "/a#b", "/a\\b", "/a\0",
        ] {
            for reach in [Reach::Whole, Reach::Prefix] {
                assert!(check_pattern(bad, reach, &http).is_err(), "{bad}");
            }
        }
        assert!(check_pattern("/.", Reach::Prefix, &http).is_ok());
        assert!(check_pattern("/.", Reach::Whole, &http).is_err());
    }

    #[test]
    fn the_listener_decides() {
        let http = Http {
            merge_slashes: false,
            normalize_path: false,
            path_with_escaped_slashes_action: EscapedSlashes::KeepUnchanged,
            ..Http::default()
        };
        for good in ["//", "/a/../b", "/%2f", "/%41"] {
            assert!(check_pattern(good, Reach::Whole, &http).is_ok(), "{good}");
        }
    }
}
