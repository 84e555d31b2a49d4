//! Readers of single values. Each takes a node and gives its value, or records what is wrong and gives nothing. What does not
//! depend on the type of the value stands in functions of its own, so that it is not there once a type.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use nuncio_http::{HeaderName, Method, validate};

use super::cx::{Cx, json_message};
use super::json::{Kind, Node};
use super::problem::{Complaint, quote};
use super::{object, units};

const DURATION: &str = "a duration such as \"250ms\", \"5s\", \"10m\" or \"1h\"";

pub(crate) fn boolean(cx: &Cx, node: &Node) -> Option<bool> {
    match node.text {
        "true" => Some(true),
        "false" => Some(false),
        _ => cx.wrong_type(node, "true or false"),
    }
}

/// Any text.
pub(crate) fn string(cx: &Cx, node: &Node) -> Option<String> {
    if node.kind() != Kind::String {
        return cx.wrong_type(node, "a text");
    }
    match node.string() {
        Ok(text) => Some(text.into_owned()),
        Err(error) => cx.refuse(node, format!("is not JSON: {}", json_message(&error))),
    }
}

/// The name of something in logs and stats: 1 to 128 characters, none of them a control character.
pub(crate) fn name(cx: &Cx, node: &Node) -> Option<String> {
    let text = string(cx, node)?;
    match check_name(&text) {
        Ok(()) => Some(text),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// As `name`, or empty.
pub(crate) fn name_or_empty(cx: &Cx, node: &Node) -> Option<String> {
    if node.text == "\"\"" { Some(String::new()) } else { name(cx, node) }
}

pub(crate) fn check_name(text: &str) -> Result<(), Complaint> {
    if !(1..=128).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        let expected = "1 to 128 characters, none of them a control character";
        return Err(Complaint::new(format!("{} is not a name", quote(text))).expected(expected));
    }
    Ok(())
}

/// A whole number within a range.
pub(crate) fn integer<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&Cx, &Node) -> Option<T> {
    move |cx, node| {
        let number = whole(cx, node, &range)?;
        T::try_from(number).ok().or_else(|| out_of_range(cx, node, true, &range, &plain))
    }
}

/// A whole number within a range.
fn whole(cx: &Cx, node: &Node, range: &RangeInclusive<u64>) -> Option<u64> {
    match node.kind() {
        Kind::Number => within(cx, node, serde_json::from_str(node.text).ok(), range, &plain),
        _ => cx.wrong_type(node, &bounds(range, &plain)),
    }
}

fn plain(number: u64) -> String {
    number.to_string()
}

/// A whole number within a range, or one word for none.
pub(crate) fn integer_or<T: TryFrom<u64>>(
    word: &'static str,
    range: RangeInclusive<u64>,
) -> impl Fn(&Cx, &Node) -> Option<Option<T>> {
    move |cx, node| match node.kind() {
        Kind::String if node.string().is_ok_and(|text| text == word) => Some(None),
        Kind::Number => integer(range.clone())(cx, node).map(Some),
        _ => cx.wrong_type(node, &format!("{}, or \"{word}\"", bounds(&range, &plain))),
    }
}

fn bounds(range: &RangeInclusive<u64>, show: &dyn Fn(u64) -> String) -> String {
    match *range.end() {
        u64::MAX => format!("a whole number, at least {}", show(*range.start())),
        end => format!("a whole number from {} to {}", show(*range.start()), show(end)),
    }
}

/// A number of bytes: a plain number, or `"16KiB"`.
pub(crate) fn size<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&Cx, &Node) -> Option<T> {
    move |cx, node| {
        let bytes = size_within(cx, node, &range)?;
        T::try_from(bytes).ok().or_else(|| out_of_range(cx, node, true, &range, &in_units))
    }
}

fn size_within(cx: &Cx, node: &Node, range: &RangeInclusive<u64>) -> Option<u64> {
    const SIZE: &str = "a size such as \"16KiB\", \"1MiB\" or a number of bytes";
    match node.kind() {
        Kind::Number => within(cx, node, serde_json::from_str(node.text).ok(), range, &in_units),
        Kind::String => {
            let text = string(cx, node)?;
            match units::parse_size(&text) {
                Ok(bytes) => within(cx, node, Some(bytes), range, &in_units),
                Err(why) => cx.refuse(node, Complaint::new(format!("{} {why}", quote(&text))).expected(SIZE)),
            }
        }
        _ => cx.wrong_type(node, SIZE),
    }
}

fn in_units(bytes: u64) -> String {
    units::format_size(bytes).unwrap_or_else(|| plain(bytes))
}

fn within(
    cx: &Cx,
    node: &Node,
    number: Option<u64>,
    range: &RangeInclusive<u64>,
    show: &dyn Fn(u64) -> String,
) -> Option<u64> {
    number.filter(|number| range.contains(number)).or_else(|| out_of_range(cx, node, number.is_some(), range, show))
}

fn out_of_range<T>(
    cx: &Cx,
    node: &Node,
    is_number: bool,
    range: &RangeInclusive<u64>,
    show: &dyn Fn(u64) -> String,
) -> Option<T> {
    let what = if is_number { "is out of range" } else { "is not a whole number that fits" };
    cx.refuse(node, Complaint::new(format!("{} {what}", node.text)).expected(bounds(range, show)))
}

/// 0 to 100.
pub(crate) fn percent(cx: &Cx, node: &Node) -> Option<f64> {
    const PERCENT: &str = "a number from 0 to 100";
    if node.kind() != Kind::Number {
        return cx.wrong_type(node, PERCENT);
    }
    match node.text.parse::<f64>() {
        // Adding zero makes a negative zero positive.
        Ok(percent) if (0.0..=100.0).contains(&percent) => Some(percent + 0.0),
        _ => cx.refuse(node, Complaint::new(format!("{} is out of range", node.text)).expected(PERCENT)),
    }
}

/// A number within a range, whole or not.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl Fn(&Cx, &Node) -> Option<f64> {
    move |cx, node| {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        if node.kind() != Kind::Number {
            return cx.wrong_type(node, &expected);
        }
        match node.text.parse::<f64>() {
            // Adding zero makes a negative zero positive.
            Ok(number) if range.contains(&number) => Some(number + 0.0),
            _ => cx.refuse(node, Complaint::new(format!("{} is out of range", node.text)).expected(expected)),
        }
    }
}

/// `"250ms"`, `"5s"`, `"10m"`, `"1h"`; from 0 to a year.
pub(crate) fn duration(cx: &Cx, node: &Node) -> Option<Duration> {
    if node.kind() != Kind::String {
        return cx.wrong_type(node, DURATION);
    }
    let text = string(cx, node)?;
    match units::parse_duration(&text) {
        Ok(duration) => Some(duration),
        Err(why) => cx.refuse(node, Complaint::new(format!("{} {why}", quote(&text))).expected(DURATION)),
    }
}

/// A duration within a range.
pub(crate) fn duration_in(range: RangeInclusive<Duration>) -> impl Fn(&Cx, &Node) -> Option<Duration> {
    move |cx, node| {
        let duration = duration(cx, node)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let show = |bound: &Duration| units::format_duration(*bound);
        let expected = format!("{} to {}", show(range.start()), show(range.end()));
        cx.refuse(node, Complaint::new(format!("{} is out of range", node.text)).expected(expected))
    }
}

/// A duration that something waits: not zero.
pub(crate) fn timeout(cx: &Cx, node: &Node) -> Option<Duration> {
    let duration = duration(cx, node)?;
    if duration.is_zero() {
        let complaint = Complaint::new("a timeout of zero would end everything at once");
        return cx.refuse(node, complaint.expected("at least \"1ms\""));
    }
    Some(duration)
}

/// The value, or `"off"` for none.
pub(crate) fn or_off<T>(read: impl Fn(&Cx, &Node) -> Option<T>) -> impl Fn(&Cx, &Node) -> Option<Option<T>> {
    move |cx, node| match node.kind() {
        Kind::String if node.string().is_ok_and(|text| text == "off") => Some(None),
        Kind::Null | Kind::Boolean => cx.wrong_type(node, "a value or \"off\""),
        _ => read(cx, node).map(Some),
    }
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Cx, &Node) -> Option<T> {
    move |cx, node| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let at = word(cx, node, &names)?;
        words.get(at).map(|(_, value)| *value)
    }
}

/// Which of these words it is.
fn word(cx: &Cx, node: &Node, names: &[&str]) -> Option<usize> {
    if node.kind() != Kind::String {
        return cx.wrong_type(node, &object::list(names));
    }
    let text = string(cx, node)?;
    let known = names.iter().position(|name| *name == text);
    known.or_else(|| {
        let nearest = cx.nearest(&text, names.iter().copied());
        let complaint = Complaint::new(format!("{} is not known here", quote(&text))).expected(object::list(names));
        cx.refuse(node, complaint.did_you_mean(nearest))
    })
}

/// A list; elements that are refused are left out.
pub(crate) fn list<T>(read: impl Fn(&Cx, &Node) -> Option<T>) -> impl Fn(&Cx, &Node) -> Option<Vec<T>> {
    move |cx, node| {
        let elements = cx.elements(node, "a list")?;
        Some(elements.iter().filter_map(|element| read(cx, element)).collect())
    }
}

/// A list, or a single element without its brackets.
pub(crate) fn one_or_list<T>(read: impl Fn(&Cx, &Node) -> Option<T>) -> impl Fn(&Cx, &Node) -> Option<Vec<T>> {
    move |cx, node| match node.kind() {
        Kind::Array => list(&read)(cx, node),
        _ => read(cx, node).map(|element| vec![element]),
    }
}

/// A list or single element with at least one element: an empty list would hold for nothing.
pub(crate) fn some<T>(read: impl Fn(&Cx, &Node) -> Option<T>) -> impl Fn(&Cx, &Node) -> Option<Vec<T>> {
    move |cx, node| {
        if node.kind() == Kind::Array && node.elements().is_ok_and(|elements| elements.is_empty()) {
            return cx.refuse(node, Complaint::new("is empty").expected("at least one element"));
        }
        one_or_list(&read)(cx, node)
    }
}

/// A text that another type parses, and what is expected of it.
pub(crate) fn parsed<T: std::str::FromStr<Err: Display>>(expected: &'static str) -> impl Fn(&Cx, &Node) -> Option<T> {
    move |cx, node| {
        if node.kind() != Kind::String {
            return cx.wrong_type(node, expected);
        }
        let text = string(cx, node)?;
        text.parse().map_or_else(|why| not_parsed(cx, node, &text, &why, expected), Some)
    }
}

fn not_parsed<T>(cx: &Cx, node: &Node, text: &str, why: &dyn Display, expected: &str) -> Option<T> {
    cx.refuse(node, Complaint::new(format!("{} {why}", quote(text))).expected(expected))
}

pub(crate) fn method(cx: &Cx, node: &Node) -> Option<Method> {
    let text = string(cx, node)?;
    let upper = text.to_ascii_uppercase();
    match Method::parse(text.as_bytes()) {
        Some(Method::Other(_)) if !matches!(Method::parse(upper.as_bytes()), Some(Method::Other(_))) => {
            cx.refuse(node, Complaint::new("methods are case-sensitive").did_you_mean(Some(&upper)))
        }
        Some(method) => Some(method),
        None => cx.refuse(
            node,
            Complaint::new(format!("{} is not a method", quote(&text))).expected("a word such as \"GET\""),
        ),
    }
}

pub(crate) fn header_name(cx: &Cx, node: &Node) -> Option<HeaderName> {
    let text = string(cx, node)?;
    match check_header_name(&text) {
        Ok(name) => Some(name),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

pub(crate) fn check_header_name(text: &str) -> Result<HeaderName, Complaint> {
    let complaint = || Complaint::new(format!("{} is not a valid header name", quote(text)));
    HeaderName::new(text).map_err(|_| match text {
        ":authority" | ":path" | ":method" | ":scheme" => complaint().hint(
            "pseudo-headers are not headers here: match by \"host\", \"path\" and \"method\", change them by \"rewrite\"",
        ),
        _ => complaint().expected("letters, digits and !#$%&'*+-.^_`|~"),
    })
}

/// What may stand in a header as it is (the same rule as for network input).
pub(crate) fn header_value(cx: &Cx, node: &Node) -> Option<String> {
    let text = string(cx, node)?;
    if !validate::is_field_value(text.as_bytes()) {
        let complaint = Complaint::new(format!("{} is not a valid header value", quote(&text)));
        return cx.refuse(node, complaint.expected("no control characters and no blanks around it"));
    }
    Some(text)
}

/// A header value with something in it.
pub(crate) fn full_header_value(cx: &Cx, node: &Node) -> Option<String> {
    let text = header_value(cx, node)?;
    if text.is_empty() { cx.refuse(node, "is empty") } else { Some(text) }
}

/// A host with an optional port, for an authority that the proxy makes.
pub(crate) fn authority(cx: &Cx, node: &Node) -> Option<String> {
    let text = string(cx, node)?;
    match validate::parse_authority(text.as_bytes()) {
        Some(_) => Some(text),
        None => cx.refuse(
            node,
            Complaint::new(format!("{} is not a host", quote(&text))).expected("a host such as \"www.example.com\""),
        ),
    }
}
