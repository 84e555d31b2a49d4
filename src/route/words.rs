//! Predicates in words: what a route asks for, and what a request has instead.

use std::fmt::Display;

use regex_lite::Regex;

use super::predicate::{PathKind, PathPredicate, Predicate, Subject};

/// Longest piece of a text that is shown, in characters.
const SHOWN: usize = 80;

impl Predicate {
    /// The key of `match` that it stands for.
    pub fn key(&self) -> String {
        match self {
            Predicate::NotConnect | Predicate::Method(_) => "method".to_owned(),
            Predicate::Host(_) => "host".to_owned(),
            Predicate::Path(_) => "path".to_owned(),
            Predicate::Grpc(_) => "grpc".to_owned(),
            Predicate::Tls(_) => "tls".to_owned(),
            Predicate::Header(header) => format!("header {}", header.name),
            Predicate::Query(query) => format!("query {}", quote(&query.name)),
            Predicate::Runtime(share) => format!("runtime {}", share.key().unwrap_or_default()),
        }
    }

    /// What it asks for.
    pub fn asks(&self) -> String {
        match self {
            Predicate::NotConnect => "anything but CONNECT".to_owned(),
            Predicate::Host(hosts) => any_of(hosts),
            Predicate::Path(path) => path_text(path),
            Predicate::Method(methods) => any_of(&methods.iter().map(|method| method.as_str()).collect::<Vec<_>>()),
            Predicate::Grpc(grpc) => if *grpc { "gRPC" } else { "anything but gRPC" }.to_owned(),
            Predicate::Tls(tls) => {
                let word = |asked: Option<bool>, what: &str| {
                    asked.map(|yes| format!("{}{what}", if yes { "" } else { "not " }))
                };
                let words = [word(tls.presented, "presented"), word(tls.validated, "validated")];
                format!("a certificate {}", words.into_iter().flatten().collect::<Vec<_>>().join(" and "))
            }
            Predicate::Header(header) => header.matcher().to_string(),
            Predicate::Query(query) => query.matcher().to_string(),
            Predicate::Runtime(share) => format!("{} % of the requests", share.get()),
        }
    }

    /// What the request has.
    pub fn has(&self, subject: &Subject<'_>) -> String {
        let or_none = |value: Option<&[u8]>| value.map_or_else(|| "none".to_owned(), quote);
        match self {
            Predicate::NotConnect | Predicate::Method(_) => subject.head.method.as_str().to_owned(),
            Predicate::Host(_) => or_none(Some(&*subject.host).filter(|host| !host.is_empty())),
            Predicate::Path(_) => or_none(Some(subject.path).filter(|path| !path.is_empty())),
            Predicate::Grpc(grpc) => if *grpc { "no gRPC" } else { "gRPC" }.to_owned(),
            Predicate::Tls(_) => match subject.peer {
                None => "none".to_owned(),
                Some(peer) if peer.validated => "a validated one".to_owned(),
                Some(_) => "one that is not validated".to_owned(),
            },
            Predicate::Header(header) => or_none(header.value(subject.head).as_deref()),
            Predicate::Query(query) => or_none(query.value(subject.head).as_deref()),
            Predicate::Runtime(_) => "a number that others took".to_owned(),
        }
    }
}

fn path_text(path: &PathPredicate) -> String {
    let text = match &path.regex {
        Some(regex) => quote(regex_text(regex).as_bytes()),
        None => quote(&path.text),
    };
    let text = match path.kind {
        PathKind::Exact => format!("exactly {text}"),
        PathKind::Prefix => format!("{text} at its start"),
        PathKind::SeparatedPrefix => format!("{text}, or that and a slash at its start"),
        PathKind::Regex => format!("a match of {text}"),
    };
    if path.ignore_case { format!("{text}, in any case of letters") } else { text }
}

/// `a or b`; more than three are cut.
pub(super) fn any_of<T: Display>(list: &[T]) -> String {
    let shown: Vec<String> = list.iter().take(3).map(T::to_string).collect();
    let text = shown.join(" or ");
    if list.len() > shown.len() { format!("{text} or {} more", list.len() - shown.len()) } else { text }
}

/// The operator's own text of an expression for whole texts.
pub(super) fn regex_text(regex: &Regex) -> &str {
    let text = regex.as_str();
    text.strip_prefix(r"\A(?:").and_then(|text| text.strip_suffix(r")\z")).unwrap_or(text)
}

/// In quotes, with what would not print escaped, and cut to a readable length.
pub fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}...", &text[..cut]),
        None => format!("{text:?}"),
    }
}
