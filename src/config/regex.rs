//! Regular expressions of the configuration: checked when read, compiled the same way where they are used.

use regex_lite::{Error, Regex, RegexBuilder};

use super::text::{Complaint, Cx, Node, quote, read};

/// Most memory that a compiled expression may take, in bytes (row T-8 of the threat list).
const MAX_REGEX: usize = 1 << 20;

/// An expression that matches whole texts only.
///
/// # Errors
/// It is not an expression that regex-lite takes, or it is too large.
pub fn full_regex(pattern: &str, ignore_case: bool) -> Result<Regex, Error> {
    // Alone first: `a)|(b` must not become sound by what is put around it.
    partial_regex(pattern, ignore_case)?;
    partial_regex(&format!(r"\A(?:{pattern})\z"), ignore_case)
}

/// An expression that matches anywhere in a text.
///
/// # Errors
/// As [`full_regex`].
pub fn partial_regex(pattern: &str, ignore_case: bool) -> Result<Regex, Error> {
    RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(MAX_REGEX).build()
}

/// Reads an expression for whole texts.
pub(super) fn read_full(cx: &Cx, node: &Node) -> Option<String> {
    let pattern = read::string(cx, node)?;
    match full_regex(&pattern, false) {
        Ok(_) => Some(pattern),
        Err(error) => cx.refuse(node, bad_regex(&pattern, &error)),
    }
}

pub(super) fn bad_regex(pattern: &str, error: &Error) -> Complaint {
    Complaint::new(format!("{} is not a regular expression that works here: {error}", quote(pattern)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_only() {
        let regex = full_regex("a|bc", false).unwrap();
        assert!(regex.is_match("a") && regex.is_match("bc") && !regex.is_match("ac") && !regex.is_match("abc"));
        assert!(!regex.is_match("a\n"), "$ is the end, not the end of a line");
        assert!(full_regex("A", true).unwrap().is_match("a"));
    }

    #[test]
    fn refused() {
        for bad in ["(", "a)|(b", "[", "a{100000}{1000}", "(a{999}){999}", r"\p{Greek}", "(?=a)"] {
            assert!(full_regex(bad, false).is_err(), "{bad}");
        }
    }
}
