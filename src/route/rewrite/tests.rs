use super::*;
use crate::route::testing::{head, http};

fn rewrite(prefix: Option<&str>, regex: Option<(&str, &str)>, host: Option<&str>) -> Rewrite {
    let config = config::Rewrite {
        prefix: prefix.map(Into::into),
        regex: regex.map(|(pattern, replacement)| (pattern.into(), replacement.into())),
        host: host.map(Into::into),
    };
    Rewrite::new(&config, PathOptions::from(&http())).unwrap()
}

#[test]
fn a_prefix_is_replaced() {
    let cases = [
        ("/shop", "/", "/shop/x?q=1", Ok("/x?q=1")),
        ("/shop", "/", "/shop", Ok("/")),
        ("/shop", "/", "/shopx", Ok("/x")),
        ("/shop/", "", "/shop/x", Ok("/x")),
        ("/shop", "", "/shop", Ok("/")),
        ("/shop", "/v2/shop", "/shop/x", Ok("/v2/shop/x")),
        ("/", "/v2/", "/x", Ok("/v2/x")),
        ("/a", "/b%2Fc", "/a/x", Ok("/b%2Fc/x")),
        ("/a", "/", "/a../b", Err("path climbs above its root")),
        ("/a", "/b/", "/a../../b", Err("path climbs above its root")),
    ];
    for (matched, prefix, target, expected) in cases {
        let mut head = head("GET", "a.example", target);
        let verdict = rewrite(Some(prefix), None, None).apply(&mut head, matched.len());
        assert_eq!(verdict, expected.map(|_| ()), "{target}");
        assert_eq!(head.target(), expected.unwrap_or(target).as_bytes(), "{target}");
        let original = head.headers.get(HeaderId::XEnvoyOriginalPath);
        assert_eq!(original, expected.is_ok().then_some(target.as_bytes()), "{target}");
    }
}

#[test]
fn a_regex_is_replaced_everywhere_in_the_path() {
    let cases = [
        ("/([a-z]+)/([0-9]+)", "/$2/${1}", "/user/42?user/42", Ok("/42/user?user/42")),
        ("o", "0", "/foo", Ok("/f00")),
        ("^/old/", "/", "/old//x", Ok("/x")),
        ("^/", "", "/x", Ok("/x")),
        ("^.*$", "/find?by=path", "/x?q", Ok("/find?by=path&q")),
        ("x", " ", "/x", Err("invalid character in path")),
        ("x", "%00", "/x", Err("%00 in path")),
        ("x", "..", "/x/y", Err("path climbs above its root")),
    ];
    for (pattern, replacement, target, expected) in cases {
        let mut head = head("GET", "a.example", target);
        let verdict = rewrite(None, Some((pattern, replacement)), None).apply(&mut head, 0);
        assert_eq!(verdict, expected.map(|_| ()), "{target}");
        assert_eq!(head.target(), expected.unwrap_or(target).as_bytes(), "{target}");
    }
    let mut head = head("GET", "a.example", "/a");
    rewrite(None, Some(("x", "y")), None).apply(&mut head, 0).unwrap();
    assert!(head.headers.is_empty(), "nothing was rewritten");
}

#[test]
fn the_old_host_is_kept_beside() {
    let cases = [
        (None, "a.example:80", Some("a.example:80")),
        (Some("front.example"), "a.example", Some("front.example, a.example")),
        (Some("front.example, a.example"), "a.example", Some("front.example, a.example")),
        (Some(""), "a.example", Some("a.example")),
        (None, "", None),
    ];
    for (old, authority, expected) in cases {
        let mut head = head("GET", authority, "/");
        if let Some(old) = old {
            head.headers.push(HeaderId::XForwardedHost, old.as_bytes());
        }
        rewrite(None, None, Some("new.example")).apply(&mut head, 0).unwrap();
        assert_eq!(head.authority(), b"new.example");
        assert_eq!(head.headers.get(HeaderId::XForwardedHost), expected.map(str::as_bytes), "{old:?} {authority}");
        assert_eq!(head.target(), b"/");
    }
}

#[test]
fn no_path_no_rewrite() {
    for target in ["*", ""] {
        let mut head = head("OPTIONS", "a.example", target);
        rewrite(Some("/x"), None, None).apply(&mut head, 1).unwrap();
        assert_eq!(head.target(), target.as_bytes());
    }
}

#[test]
fn the_operator_is_checked_too() {
    let options = PathOptions::from(&http());
    for (prefix, host) in [(Some("x"), None), (Some("/a b"), None), (Some("/a?b"), None), (None, Some("a/b"))] {
        let config = config::Rewrite { prefix: prefix.map(Into::into), regex: None, host: host.map(Into::into) };
        assert!(matches!(Rewrite::new(&config, options), Err(BuildError::Value(_))), "{config:?}");
    }
}
