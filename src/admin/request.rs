//! A request as handlers see it: the method, the path, and the parameters of the query.

use nuncio_http::{Method, RequestHead};

/// A request, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub path: String,
    /// Empty where the endpoint takes none.
    pub body: Vec<u8>,
    query: Vec<(String, String)>,
}

impl Request {
    pub fn new(head: &RequestHead) -> Request {
        let query = pairs(head.query().unwrap_or_default());
        Request { method: head.method, path: decode_path(head.path()), body: Vec::new(), query }
    }

    pub(super) fn with_body(self, body: Vec<u8>) -> Request {
        Request { body, ..self }
    }

    /// The parameters of the query; where there are none, those of the body, a form.
    pub fn parameters(&self) -> Vec<(String, String)> {
        if self.query.is_empty() { pairs(self.body.trim_ascii()) } else { self.query.clone() }
    }

    /// The value of a parameter, empty if it stands alone as in `?usedonly`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let pairs = text.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
        (decode(&pair[..at]), decode(pair.get(at + 1..).unwrap_or_default()))
    });
    pairs.collect()
}

/// No endpoint has a character that needs encoding, so an encoded path is another path.
fn decode_path(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// `application/x-www-form-urlencoded`: `+` is a space, `%HH` a byte; a `%` without two digits stands for itself.
fn decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                rest = behind;
            }
            _ => out.push(*first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn digit(hex: u8) -> u8 {
    (hex as char).to_digit(16).map_or(0, |digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use crate::admin::testing::request;

    #[test]
    fn parameters_are_decoded() {
        let request = request("GET", "/stats?filter=a%5C.b+c%2&usedonly&x=&filter=2&&%66=g");
        assert_eq!(request.path, "/stats");
        let get = |name| request.parameter(name);
        assert_eq!((get("filter"), get("x"), get("f")), (Some("a\\.b c%2"), Some(""), Some("g")));
        assert!(request.has("usedonly") && !request.has("used"));
    }
}
