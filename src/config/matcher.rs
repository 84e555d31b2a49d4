//! String matchers: `{ "prefix": "/a", "ignore_case": true }`. A plain string is an exact match.

use serde::Serialize;

use super::regex;
use super::text::{Complaint, Cx, Kind, Node, Object, read};

/// What a text must look like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matcher {
    #[serde(flatten)]
    pub pattern: Pattern,
    /// ASCII case. Default false. Not for `present` and `range`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// True where the pattern does not match. Default false. An absent value matches nothing, and its inversion.
    pub invert: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// Matches the whole text, in linear time. Checked when read; see [`super::full_regex`].
    Regex(String),
    /// `"present": true`: there is a value; `false`: there is none.
    Present(bool),
    /// `"range": [start, end]`: a decimal integer, start inclusive, end exclusive.
    Range(i64, i64),
}

impl Matcher {
    /// The text itself.
    pub fn exact(text: impl Into<String>) -> Matcher {
        Matcher { pattern: Pattern::Exact(text.into()), ignore_case: false, invert: false }
    }
}

const KEYS: &[&str] = &["exact", "prefix", "suffix", "contains", "regex", "present", "range"];

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Matcher> {
    match node.kind() {
        Kind::String => return read::string(cx, node).map(Matcher::exact),
        Kind::Object => {}
        _ => return cx.wrong_type(node, "a text, or an object with one of \"exact\", \"prefix\", \"regex\", ..."),
    }
    let mut o = cx.object(node)?;
    one_pattern(cx, node, &mut o, KEYS);
    let patterns = [
        o.maybe("exact", read::string).map(Pattern::Exact),
        o.maybe("prefix", part).map(Pattern::Prefix),
        o.maybe("suffix", part).map(Pattern::Suffix),
        o.maybe("contains", part).map(Pattern::Contains),
        o.maybe("regex", regex::read_full).map(Pattern::Regex),
        o.maybe("present", read::boolean).map(Pattern::Present),
        o.maybe("range", read_range),
    ];
    let pattern = patterns.into_iter().flatten().next();
    let ignore_case = o.optional("ignore_case", false, |cx, node| {
        let ignore_case = read::boolean(cx, node)?;
        match &pattern {
            Some(Pattern::Present(_) | Pattern::Range(..)) if ignore_case => {
                cx.refuse(node, "has no meaning with \"present\" and \"range\"")
            }
            _ => Some(ignore_case),
        }
    });
    let invert = o.optional("invert", false, read::boolean);
    o.finish();
    Some(Matcher { pattern: pattern?, ignore_case, invert })
}

/// Records it where not exactly one of the keys is given.
pub(super) fn one_pattern(cx: &Cx, node: &Node, o: &mut Object, keys: &'static [&'static str]) {
    let given: Vec<String> = keys.iter().filter(|key| o.has(key)).map(|key| format!("\"{key}\"")).collect();
    let expected = format!("one of {}", keys.join(", "));
    match &given[..] {
        [_] => {}
        [] => o.lacks(Complaint::new("says nothing to match").expected(expected), keys),
        several => {
            let what = format!("has {} patterns: {}", several.len(), several.join(", "));
            cx.refuse::<()>(node, Complaint::new(what).expected(expected));
        }
    }
}

/// A piece of a text. An empty one would match everything.
fn part(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    if text.is_empty() {
        let complaint = Complaint::new("is empty and would match everything");
        return cx.refuse(node, complaint.hint("for any value write \"present\": true"));
    }
    Some(text)
}

fn read_range(cx: &Cx, node: &Node) -> Option<Pattern> {
    const EXPECTED: &str = "[start, end] with start below end, both whole numbers; end is not within";
    match serde_json::from_str::<[i64; 2]>(node.text) {
        Ok([start, end]) if start < end => Some(Pattern::Range(start, end)),
        _ if node.kind() != Kind::Array => cx.wrong_type(node, EXPECTED),
        _ => cx.refuse(node, Complaint::new("is not a range").expected(EXPECTED)),
    }
}
