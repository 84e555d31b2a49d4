use super::*;
use crate::route::testing::{head, head_with};

fn compile(pattern: config::Pattern, ignore_case: bool, invert: bool) -> Matcher {
    Matcher::new(&config::Matcher { pattern, ignore_case, invert }).unwrap()
}

#[test]
fn patterns() {
    use config::Pattern::*;
    let text = String::from;
    type Values = &'static [&'static [u8]];
    let cases: &[(config::Pattern, Values, Values)] = &[
        (Exact(text("ab")), &[b"ab"], &[b"a", b"abc", b"AB", b""]),
        (Prefix(text("ab")), &[b"ab", b"abc"], &[b"a", b"xab", b"ABC"]),
        (Suffix(text("ab")), &[b"ab", b"xab"], &[b"b", b"abx"]),
        (Contains(text("ab")), &[b"ab", b"xabx", b"\xffab"], &[b"a", b"axb", b""]),
        (Contains(text("")), &[b"", b"x"], &[]),
        (Regex(text("a|ab")), &[b"a", b"ab"], &[b"abc", b"xa", b"ab\n", b""]),
        (Regex(text("(?x) a # comment\n")), &[b"a"], &[b"b"]),
        (Regex(text(".*")), &[b"", b"\xc3\xa9"], &[b"\xff", b"a\xe9"]),
        (
            Range(-5, 10),
            &[b"-5", b"0", b"9", b"007"],
            &[b"-6", b"10", b"", b"+1", b" 1", b"1.0", b"9223372036854775808"],
        ),
        (Present(true), &[b"", b"x"], &[]),
        (Present(false), &[], &[b"", b"x"]),
    ];
    for (pattern, good, bad) in cases {
        let (plain, inverted) = (compile(pattern.clone(), false, false), compile(pattern.clone(), false, true));
        for (values, expected) in [(good, true), (bad, false)] {
            for value in *values {
                assert_eq!(plain.matches(Some(value)), expected, "{pattern:?} {}", value.escape_ascii());
                assert_eq!(inverted.matches(Some(value)), !expected, "not {pattern:?} {}", value.escape_ascii());
            }
        }
        let absent = matches!(pattern, Present(false));
        assert_eq!((plain.matches(None), inverted.matches(None)), (absent, !absent), "{pattern:?} of an absent value");
    }
}

#[test]
fn case_is_ignored_in_ascii() {
    use config::Pattern::*;
    for pattern in [Exact, Prefix, Suffix, Contains, Regex] {
        let pattern = pattern("aB".into());
        assert!(compile(pattern.clone(), true, false).matches(Some(b"Ab")), "{pattern:?}");
        assert!(!compile(pattern.clone(), false, false).matches(Some(b"Ab")), "{pattern:?}");
    }
}

#[test]
fn regexes_are_whole_and_small() {
    for bad in ["a)|(b", "(", "a{1000}{1000}{1000}"] {
        assert!(full_regex(bad, false).is_err(), "{bad}");
    }
    assert!(full_regex("a|b", false).unwrap().is_match("b"));
}

#[test]
fn a_header_matcher_sees_the_joined_value() {
    let matcher = |name: &str, pattern| {
        let matcher = config::Matcher { pattern, ignore_case: false, invert: false };
        HeaderMatcher::new(&HeaderName::new(name).unwrap(), &matcher).unwrap()
    };
    let head = head_with("/", &[("x-a", b"one"), ("x-b", b"two"), ("x-a", b"three")]);
    let exact = |text: &str| config::Pattern::Exact(text.into());
    assert!(matcher("X-A", exact("one, three")).matches(&head));
    assert!(!matcher("x-a", exact("one")).matches(&head), "not one instance of several");
    assert!(matcher("x-b", exact("two")).matches(&head));
    assert!(matcher("x-a", config::Pattern::Present(true)).matches(&head));
    assert!(matcher("x-c", config::Pattern::Present(false)).matches(&head));
    assert!(matcher("host", exact("a.example")).matches(&head), "host is the authority");
}

#[test]
fn a_query_matcher_reads_the_first_decoded_value() {
    let cases = [
        ("/", "role", None),
        ("/?", "role", None),
        ("/?role", "role", Some("")),
        ("/?role=", "role", Some("")),
        ("/?a=1&role=admin&role=x", "role", Some("admin")),
        ("/?r%6Fle=%61dmin", "role", Some("admin")),
        ("/?role=a%2", "role", Some("a%2")),
        ("/?role=a%zz+b", "role", Some("a%zz+b")),
        ("/?role=a=b", "role", Some("a=b")),
        ("/?Role=x&roles=y", "role", None),
        ("/?&&=x", "", Some("x")),
    ];
    for (target, name, expected) in cases {
        let head = head("GET", "x", target);
        let value = head.query().and_then(|query| first_parameter(query, name.as_bytes()));
        assert_eq!(value.as_deref(), expected.map(str::as_bytes), "{target}");
        let pattern = config::Pattern::Exact(expected.unwrap_or_default().into());
        let matcher = config::Matcher { pattern, ignore_case: false, invert: false };
        assert_eq!(QueryMatcher::new(name, &matcher).unwrap().matches(&head), expected.is_some(), "{target}");
    }
}
