//! The request that is asked about: from the words of a command line, or from the JSON that POST `/explain` takes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use nuncio_http::{HeaderId, HeaderList, HeaderName, Method, Name, RequestHead, Scheme, Version, validate};
use serde_json::Value as Json;

/// Where a client is taken to be that nobody says the address of (RFC 5737: nobody is there).
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Most fields of a request.
const MOST_FIELDS: usize = 256;

#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub method: Method,
    /// As it was asked.
    pub url: String,
    pub scheme: Scheme,
    /// It is a datagram: nothing but addresses is asked about.
    pub is_udp: bool,
    /// The URL's, or what a field `host` says.
    pub authority: String,
    /// The URL's: where the client connects to, and the name that it asks for in TLS. Without brackets.
    pub host: String,
    /// As the URL has it.
    pub port: Option<u16>,
    /// Path and query.
    pub target: String,
    pub fields: Vec<(HeaderName, Vec<u8>)>,
    /// The client's address.
    pub from: IpAddr,
    /// Only this listener.
    pub listener: Option<String>,
    pub certificate: Certificate,
}

/// What certificate the client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    None,
    /// One that leads to no authority of the listener's.
    Presented,
    Validated,
}

impl Certificate {
    pub const NAMES: &[(&str, Certificate)] =
        &[("none", Certificate::None), ("presented", Certificate::Presented), ("validated", Certificate::Validated)];
}

/// What is wrong with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionError(String);

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError(what.into()))
}

impl Question {
    /// # Errors
    /// `method` is no method, `url` is no absolute URL of HTTP, and not `udp://` with a host and a port.
    pub fn new(method: &str, url: &str) -> Result<Question, QuestionError> {
        let Some(method) = Method::parse(method.as_bytes()) else {
            return wrong(format!("{method:?} is not a method"));
        };
        const EXPECTED: &str = "expected such as https://www.example.com/path?query, or udp://192.0.2.1:53";
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("udp") => (Scheme::Http, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            _ => return wrong(format!("{url:?} is not a URL of HTTP or UDP; {EXPECTED}")),
        };
        // A fragment stays with the client (RFC 9110 section 7.1).
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let Some(parsed) = validate::parse_authority(authority.as_bytes()) else {
            return wrong(format!("{url:?} names no host; {EXPECTED}"));
        };
        let is_udp = url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("udp:"));
        if is_udp && (parsed.port.is_none() || !target.is_empty()) {
            return wrong(format!("{url:?}: a datagram has a port, and no path; {EXPECTED}"));
        }
        let target = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/{target}"),
        };
        if !validate::is_target(target.as_bytes()) {
            return wrong(format!("{target:?} is not a path: what is not ASCII is percent-encoded, and blanks are"));
        }
        let host = String::from_utf8_lossy(parsed.host).to_ascii_lowercase();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
        Ok(Question {
            method,
            url: url.to_owned(),
            scheme,
            is_udp,
            host,
            port: parsed.port,
            authority: authority.to_owned(),
            target,
            fields: Vec::new(),
            from: SOMEWHERE,
            listener: None,
            certificate: Certificate::None,
        })
    }

    /// One more field: `name: value`.
    ///
    /// # Errors
    /// It is none.
    pub fn add_line(&mut self, line: &str) -> Result<(), QuestionError> {
        match line.split_once(':') {
            Some((name, value)) => self.add_field(name.trim(), value.trim()),
            None => wrong(format!("{line:?} is not a header; expected 'name: value'")),
        }
    }

    fn add_field(&mut self, name: &str, value: &str) -> Result<(), QuestionError> {
        let Ok(known) = HeaderName::new(name) else { return wrong(format!("{name:?} is not the name of a header")) };
        if !validate::is_field_value(value.as_bytes()) {
            return wrong(format!("{value:?} is not the value of a header"));
        }
        if self.fields.len() >= MOST_FIELDS {
            return wrong(format!("more than {MOST_FIELDS} headers"));
        }
        if known.id() != HeaderId::Host {
            self.fields.push((known, value.as_bytes().to_vec()));
        } else if validate::parse_authority(value.as_bytes()).is_some() {
            self.authority = value.to_owned();
        } else {
            return wrong(format!("{value:?} is not a host"));
        }
        Ok(())
    }

    /// # Errors
    /// `from` is no address.
    pub fn set_from(&mut self, from: &str) -> Result<(), QuestionError> {
        match from.parse() {
            Ok(from) => self.from = from,
            Err(_) => return wrong(format!("{from:?} is not an address of a client")),
        }
        Ok(())
    }

    /// # Errors
    /// `certificate` is none of the words.
    pub fn set_certificate(&mut self, certificate: &str) -> Result<(), QuestionError> {
        match Certificate::NAMES.iter().find(|(name, _)| *name == certificate) {
            Some((_, found)) => self.certificate = *found,
            None => return wrong(format!("{certificate:?}: a certificate is none, presented or validated")),
        }
        Ok(())
    }

    /// `{ "method", "url", "headers": {...}, "from", "listener", "client_certificate" }`; only `url` must be there.
    ///
    /// # Errors
    /// It is not that.
    pub fn from_json(body: &[u8]) -> Result<Question, QuestionError> {
        let members = match serde_json::from_slice::<Json>(body) {
            Ok(Json::Object(members)) => members,
            Ok(_) => return wrong("expected a JSON object with \"method\", \"url\" and \"headers\""),
            Err(error) => return wrong(format!("is not JSON: {error}")),
        };
        let text = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str())),
            Some(_) => wrong(format!("\"{key}\" is a text")),
        };
        let Some(url) = text("url")? else { return wrong("\"url\" is missing") };
        let mut question = Question::new(text("method")?.unwrap_or("GET"), url)?;
        if let Some(from) = text("from")? {
            question.set_from(from)?;
        }
        if let Some(certificate) = text("client_certificate")? {
            question.set_certificate(certificate)?;
        }
        question.listener = text("listener")?.map(str::to_owned);
        match members.get("headers") {
            None => {}
            Some(Json::Object(fields)) => fields.iter().try_for_each(|(name, value)| question.add_json(name, value))?,
            Some(_) => return wrong("\"headers\" is an object of names and values"),
        }
        const KEYS: [&str; 6] = ["method", "url", "headers", "from", "listener", "client_certificate"];
        match members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            Some(key) => wrong(format!("unknown key {key:?}; expected {}", KEYS.join(", "))),
            None => Ok(question),
        }
    }

    fn add_json(&mut self, name: &str, value: &Json) -> Result<(), QuestionError> {
        match value {
            Json::String(value) => self.add_field(name, value),
            Json::Array(values) => values.iter().try_for_each(|value| match value {
                Json::String(value) => self.add_field(name, value),
                _ => wrong(format!("the values of {name:?} are texts")),
            }),
            _ => wrong(format!("the value of {name:?} is a text, or a list of them")),
        }
    }

    /// The port that the client connects to.
    pub(super) fn destination_port(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// As it would come in.
    pub(super) fn head(&self) -> RequestHead {
        let mut head = RequestHead::new(self.method, Version::Http11, HeaderList::new());
        head.set_authority(self.authority.as_bytes());
        // CONNECT has no path (RFC 9110 section 9.3.6).
        head.set_target(if self.method == Method::Connect { b"" } else { self.target.as_bytes() });
        self.fields.iter().for_each(|(name, value)| head.headers.push(name, value));
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, port, authority, target) in [
            ("http://a.example", "a.example", None, "a.example", "/"),
            ("HTTPS://A.Example:8443/x?y#z", "a.example", Some(8443), "A.Example:8443", "/x?y"),
            ("http://[::1]:80?q", "::1", Some(80), "[::1]:80", "/?q"),
            ("udp://192.0.2.1:53", "192.0.2.1", Some(53), "192.0.2.1:53", "/"),
        ] {
            let question = Question::new("GET", url).unwrap();
            let found = (question.host.as_str(), question.port, question.authority.as_str(), question.target.as_str());
            assert_eq!(found, (host, port, authority, target), "{url}");
        }
        for bad in [
            "",
            "a.example",
            "ftp://a",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a/b c",
            "http://a:x/",
            "udp://a",
            "udp://a:1/",
            "udp:a",
        ] {
            assert!(Question::new("GET", bad).is_err(), "{bad}");
        }
        assert!(Question::new("G E T", "http://a").is_err());
    }

    #[test]
    fn json_says_the_same_as_words() {
        let json = r#"{ "method": "POST", "url": "https://a/", "headers": { "X-A": ["1", "2"], "Host": "b" },
            "from": "::1", "listener": "web", "client_certificate": "presented" }"#;
        let mut words = Question::new("POST", "https://a/").unwrap();
        ["x-a: 1", "x-a:2", "host: b"].iter().for_each(|line| words.add_line(line).unwrap());
        words.set_from("::1").unwrap();
        words.set_certificate("presented").unwrap();
        words.listener = Some("web".into());
        assert_eq!(Question::from_json(json.as_bytes()).unwrap(), words);
        assert_eq!((words.authority.as_str(), words.host.as_str()), ("b", "a"));
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for (bad, said) in [
            ("", "is not JSON"),
            ("[]", "expected a JSON object"),
            ("{}", "\"url\" is missing"),
            (r#"{ "url": 1 }"#, "\"url\" is a text"),
            (r#"{ "url": "http://a", "uri": "" }"#, "unknown key \"uri\""),
            (r#"{ "url": "http://a", "headers": [] }"#, "is an object"),
            (r#"{ "url": "http://a", "headers": { "a": 1 } }"#, "is a text"),
            (r#"{ "url": "http://a", "headers": { "a b": "" } }"#, "not the name"),
            (r#"{ "url": "http://a", "headers": { "a": "x\n" } }"#, "not the value"),
            (r#"{ "url": "http://a", "headers": { "host": "a b" } }"#, "not a host"),
            (r#"{ "url": "http://a", "from": "nobody" }"#, "not an address"),
            (r#"{ "url": "http://a", "client_certificate": "yes" }"#, "none, presented or validated"),
        ] {
            let error = Question::from_json(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }
}
