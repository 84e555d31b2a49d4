use super::*;
use crate::route::testing::{head, http};

fn redirect() -> config::Redirect {
    config::Redirect { status: 301, scheme: None, host: None, port: None, path: None, prefix: None, strip_query: false }
}

fn location(config: &config::Redirect, head: &RequestHead, matched: usize) -> Result<String, &'static str> {
    let redirect = Redirect::new(config, PathOptions::from(&http())).unwrap();
    redirect.location(head, matched).map(|location| String::from_utf8(location).unwrap())
}

#[test]
fn the_parts_of_a_location() {
    let text = |text: &str| Some(text.to_string());
    let https = config::Redirect { scheme: text("https"), ..redirect() };
    let host = config::Redirect { host: text("www.example"), ..redirect() };
    let host_port = config::Redirect { host: text("www.example:8443"), ..redirect() };
    let port = config::Redirect { port: Some(8443), ..redirect() };
    let path = config::Redirect { path: text("/new"), ..redirect() };
    let path_query = config::Redirect { path: text("/new?y"), ..redirect() };
    let strip = config::Redirect { path: text("/new"), strip_query: true, ..redirect() };
    let prefix = config::Redirect { prefix: text("/"), ..redirect() };
    let no_prefix = config::Redirect { prefix: text(""), ..redirect() };
    let cases = [
        (&https, "a.example", "/x?q", "https://a.example/x?q"),
        (&https, "a.example:80", "/", "https://a.example/"),
        (&https, "a.example:8080", "/", "https://a.example:8080/"),
        (&https, "a.example:443", "/", "https://a.example:443/"),
        (&https, "[::1]:80", "/", "https://[::1]/"),
        (&host, "a.example:8080", "/x?q", "http://www.example/x?q"),
        (&host, "", "/x", "http://www.example/x"),
        (&host_port, "a.example", "/", "http://www.example:8443/"),
        (&port, "a.example:80", "/", "http://a.example:8443/"),
        (&path, "a.example:80", "/x?q", "http://a.example:80/new?q"),
        (&path, "", "/x", "/new"),
        (&path_query, "a.example", "/x?q", "http://a.example/new?y"),
        (&strip, "a.example", "/x?q", "http://a.example/new"),
        (&prefix, "a.example", "/sub/x?q", "http://a.example/x?q"),
        (&no_prefix, "a.example", "/sub", "http://a.example/"),
        (&https, "a.example", "*", "https://a.example/"),
    ];
    for (config, authority, target, expected) in cases {
        assert_eq!(location(config, &head("GET", authority, target), 4).unwrap(), expected, "{config:?} {target}");
    }
}

#[test]
fn a_changed_scheme_drops_the_port_of_the_old_one() {
    let mut head = head("GET", "a.example:443", "/");
    head.scheme = Scheme::Https;
    let http = config::Redirect { scheme: Some("http".into()), ..redirect() };
    assert_eq!(location(&http, &head, 0).unwrap(), "http://a.example/");
}

#[test]
fn what_leads_astray_is_refused() {
    let prefix = config::Redirect { prefix: Some("/".into()), ..redirect() };
    assert!(location(&prefix, &head("GET", "a.example", "/a../b"), 2).is_err(), "climbs out of the prefix");
    assert_eq!(location(&prefix, &head("GET", "", "/a//evil.example"), 3).unwrap(), "/evil.example");
    assert!(location(&redirect(), &head("GET", "", "//evil.example"), 0).is_err(), "names another host");
    assert!(location(&redirect(), &head("GET", "u@a.example", "/"), 0).is_err());
}

#[test]
fn the_operator_is_checked_too() {
    let text = |text: &str| Some(text.to_string());
    for bad in [
        config::Redirect { scheme: text("ftp"), ..redirect() },
        config::Redirect { host: text("a b"), ..redirect() },
        config::Redirect { path: text("/a\r\nset-cookie: x"), ..redirect() },
        config::Redirect { path: text("new"), ..redirect() },
        config::Redirect { prefix: text("/a?b"), ..redirect() },
    ] {
        assert!(matches!(Redirect::new(&bad, PathOptions::from(&http())), Err(BuildError::Value(_))), "{bad:?}");
    }
}
