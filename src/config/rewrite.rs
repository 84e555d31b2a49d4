//! `rewrite`: `{ "prefix": "/" }`, `{ "regex": { "pattern": "^/a/(.*)", "substitution": "/b/$1" } }`,
//! `{ "host": "app.internal" }`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::regex::{bad_regex, partial_regex};
use super::text::{Complaint, Cx, Node, quote, read};

/// A new path or host before forwarding.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rewrite {
    /// Replaces the matched `prefix`, `path_separated_prefix` or `exact` path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Pattern and substitution: replaces every match of a regex in the path; `$1` or `${name}` stand for groups.
    /// At most one of `prefix`, `regex`.
    #[serde(serialize_with = "write_regex", skip_serializing_if = "Option::is_none")]
    pub regex: Option<(String, String)>,
    /// Replaces the authority; the old one goes to `x-forwarded-host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Rewrite> {
    let mut o = cx.object(node)?;
    o.later(&["path", "template", "auto_host"]);
    if o.has("prefix") && o.has("regex") {
        cx.refuse::<()>(node, "has both \"prefix\" and \"regex\"");
    }
    let rewrite = Rewrite {
        prefix: o.maybe("prefix", super::action::read_path_prefix),
        regex: o.maybe("regex", read_regex),
        host: o.maybe("host", read::authority),
    };
    o.finish();
    if rewrite == Rewrite::default() {
        cx.warn(node, "changes nothing");
    }
    Some(rewrite)
}

fn read_regex(cx: &Cx, node: &Node) -> Option<(String, String)> {
    let mut o = cx.object(node)?;
    let regex = o.required("pattern", |cx, node| {
        let pattern = read::string(cx, node)?;
        match partial_regex(&pattern, false) {
            Ok(regex) => Some(regex),
            Err(error) => cx.refuse(node, bad_regex(&pattern, &error)),
        }
    });
    let substitution = o.required("substitution", |cx, node| {
        let text = read::string(cx, node)?;
        if let Some(regex) = &regex
            && let Some(group) = groups(&text).find(|group| !has_group(regex, group))
        {
            let complaint = Complaint::new(format!("the pattern has no group {}", quote(group)));
            return cx.refuse(node, complaint.hint("write $$ for a dollar sign, ${1}a for group 1 and an \"a\""));
        }
        Some(text)
    });
    o.finish();
    Some((regex?.as_str().to_owned(), substitution?))
}

/// The groups that a substitution refers to, as regex-lite reads it.
fn groups(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('$')?;
            if let Some(after) = after.strip_prefix('$') {
                rest = after;
                continue;
            }
            if let Some((group, after)) = after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                rest = after;
                return Some(group);
            }
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let len = after.bytes().position(|byte| !word(byte)).unwrap_or(after.len());
            let (group, after) = after.split_at(len);
            rest = after;
            if !group.is_empty() {
                return Some(group);
            }
        }
    })
}

fn has_group(regex: &regex_lite::Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|name| name == group),
    }
}

fn write_regex<S: Serializer>(regex: &Option<(String, String)>, out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(None)?;
    if let Some((pattern, substitution)) = regex {
        map.serialize_entry("pattern", pattern)?;
        map.serialize_entry("substitution", substitution)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_substitution() {
        let found = |text: &'static str| groups(text).collect::<Vec<_>>();
        assert_eq!(found("/b/$1/${two}x$$3$"), ["1", "two"]);
        assert_eq!(found("$1a $"), ["1a"]);
        assert_eq!(found("${1"), Vec::<&str>::new());
    }
}
