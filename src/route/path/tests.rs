use super::*;

const EDGE: PathOptions =
    PathOptions { normalize_path: true, merge_slashes: true, escaped_slashes: EscapedSlashes::RejectRequest };

fn show(verdict: Canonical<'_>) -> String {
    match verdict {
        Canonical::Target(target) => String::from_utf8_lossy(&target).into_owned(),
        Canonical::Redirect(location) => format!("307 {}", location.escape_ascii()),
        Canonical::Reject(detail) => format!("400 {detail}"),
    }
}

#[test]
fn the_edge_profile() {
    let cases: &[(&str, &str)] = &[
        ("/", "/"),
        ("", ""),
        ("*", "*"),
        ("/a/b.c/d;v=1?x=1", "/a/b.c/d;v=1?x=1"),
        ("/.well-known/acme", "/.well-known/acme"),
        ("/...", "/..."),
        ("/..a/.b", "/..a/.b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/..", "/"),
        ("/.", "/"),
        ("/a//b///c", "/a/b/c"),
        ("//", "/"),
        ("/a//", "/a/"),
        ("/a//../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/%61%2d%5f%7E", "/a-_~"),
        ("/%c3%a9%3a", "/%C3%A9%3A"),
        ("/a%20b", "/a%20b"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/a|{b}\"<>^`", "/a|{b}\"<>^`"),
        ("/a/..?next=/../x//y%zz", "/?next=/../x//y%zz"),
        ("/a?b/../c", "/a?b/../c"),
        ("/a/.?x", "/a/?x"),
        ("/%E0%A4%85", "/%E0%A4%85"),
    ];
    for (target, expected) in cases {
        assert_eq!(show(canonicalise(target.as_bytes(), EDGE)), *expected, "{target}");
    }
}

#[test]
fn refusals() {
    let cases: &[(&[u8], &str)] = &[
        (b"/..", "path climbs above its root"),
        (b"/a/../../b", "path climbs above its root"),
        (b"/%2e%2e/", "path climbs above its root"),
        (b"//..", "path climbs above its root"),
        (b"/a/..;x/b", "dot segment with parameters in path"),
        (b"/a/.;/b", "dot segment with parameters in path"),
        (b"/a/%2e%2e;x=1", "dot segment with parameters in path"),
        (b"/a/..%3bx", "dot segment with parameters in path"),
        (b"/a%2fb", "escaped slash in path"),
        (b"/a%5Cb", "escaped slash in path"),
        (b"/a\\b", "backslash in path"),
        (b"/a%00", "%00 in path"),
        (b"/a%", BAD_ESCAPE),
        (b"/a%2", BAD_ESCAPE),
        (b"/a%zz", BAD_ESCAPE),
        (b"/a%+1", BAD_ESCAPE),
        (b"/%%34%31", BAD_ESCAPE),
        (b"/a b", "invalid character in path"),
        (b"/a\tb", "invalid character in path"),
        (b"/a\x7f", "invalid character in path"),
        (b"/caf\xc3\xa9", "invalid character in path"),
        (b"/a#b", "invalid character in path"),
        (b"/a?b#c", "invalid character in query"),
        (b"/a?b c", "invalid character in query"),
        (b"/a?\xff", "invalid character in query"),
        (b"/%c0%af", "overlong UTF-8 in path"),
        (b"/%C0%AE%C0%AE/", "overlong UTF-8 in path"),
        (b"/%e0%80%af", "overlong UTF-8 in path"),
        (b"/%f0%80%80%af", "overlong UTF-8 in path"),
        (b"a/b", "path does not begin with a slash"),
        (b"?x", "path does not begin with a slash"),
        (b"http://a/", "path does not begin with a slash"),
    ];
    for (target, detail) in cases {
        assert_eq!(canonicalise(target, EDGE), Canonical::Reject(detail), "{}", target.escape_ascii());
    }
}

#[test]
fn settings() {
    use EscapedSlashes::*;
    let cases: &[(bool, bool, EscapedSlashes, &str, &str)] = &[
        (true, true, KeepUnchanged, "/a%2fb%5c", "/a%2Fb%5C"),
        (true, true, UnescapeAndForward, "/a%2fb/%5C../c?%2F", "/a/c?%2F"),
        (true, true, UnescapeAndRedirect, "/a%2Fb?q", "307 /a/b?q"),
        (true, true, UnescapeAndRedirect, "/a/../b", "/b"),
        (true, true, UnescapeAndRedirect, "/%2Fevil.example", "307 /evil.example"),
        (true, false, UnescapeAndRedirect, "/%2Fevil.example", "400 escaped slash at the root"),
        (true, true, UnescapeAndForward, "/a%2f..%2f..", "400 path climbs above its root"),
        (true, false, RejectRequest, "/a//b//../c/", "/a//b/c/"),
        (true, false, RejectRequest, "//..", "/"),
        (true, false, RejectRequest, "//", "//"),
        (false, true, RejectRequest, "/a//%41%c3/./..", "/a/%41%c3/./.."),
        (false, false, KeepUnchanged, "/a//%2f%2E", "/a//%2f%2E"),
        (false, false, RejectRequest, "/a\\", "400 backslash in path"),
        (false, false, RejectRequest, "/%00", "400 %00 in path"),
        (false, false, RejectRequest, "/%0", "400 invalid percent-encoding in path"),
    ];
    for &(normalize_path, merge_slashes, escaped_slashes, target, expected) in cases {
        let options = PathOptions { normalize_path, merge_slashes, escaped_slashes };
        assert_eq!(show(canonicalise(target.as_bytes(), options)), expected, "{target} {options:?}");
    }
}

#[test]
fn ordinary_targets_are_borrowed() {
    for target in ["/", "/index.html", "/api/v1/users/42?page=2", "/a%20b", "/.well-known/x", "/%252e"] {
        let verdict = canonicalise(target.as_bytes(), EDGE);
        assert!(matches!(verdict, Canonical::Target(Cow::Borrowed(_))), "{target}");
        assert!(is_canonical(target.as_bytes()), "{target} takes the fast path");
    }
}

/// A path out of the pieces that matter.
fn random_target(rng: &mut fastrand::Rng) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "/", "/", "/", ".", "..", "a", "b", "%2e", "%2E", "%2f", "%5C", "%41", "%c3", "%C3", "%25", "2e", ";x", ";",
        "%3b", "%0a", "?", "%7E", "//", "/./", "/../", "~", "%E0", "%a4", "%80", "C0",
    ];
    let mut target = b"/".to_vec();
    for _ in 0..rng.usize(0..10) {
        target.extend_from_slice(PIECES[rng.usize(0..PIECES.len())].as_bytes());
    }
    target
}

#[test]
fn canonical_is_a_fixed_point() {
    use EscapedSlashes::*;
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut forwarded, mut changed) = (0, 0);
    for _ in 0..100_000 {
        let target = random_target(&mut rng);
        let options = PathOptions {
            normalize_path: rng.bool(),
            merge_slashes: rng.bool(),
            escaped_slashes: [KeepUnchanged, RejectRequest, UnescapeAndRedirect, UnescapeAndForward][rng.usize(0..4)],
        };
        let shown = target.escape_ascii();
        let verdict = canonicalise(&target, options);
        if is_canonical(&target) {
            let slow =
                Output::of(&target[..target.iter().position(|&b| b == b'?').unwrap_or(target.len())], 0, options);
            let slow = slow.map(|output| output.text).unwrap_or_default();
            assert!(target.starts_with(&slow) && !slow.is_empty(), "the fast path agrees with the slow one: {shown}");
        }
        let once = match verdict {
            Canonical::Target(target) => target.into_owned(),
            Canonical::Redirect(location) => location,
            Canonical::Reject(_) => continue,
        };
        forwarded += 1;
        changed += usize::from(once != target);
        let again = canonicalise(&once, options);
        assert_eq!(again, Canonical::Target(Cow::Borrowed(&once[..])), "{shown} {options:?}");
        let path = once.split(|&byte| byte == b'?').next().unwrap().to_ascii_lowercase();
        let path = String::from_utf8(path).unwrap();
        if options.merge_slashes {
            assert!(!path.contains("//"), "{shown}");
        }
        if options.normalize_path {
            assert!(!path.contains("%2e") && !path.contains("%41"), "{shown}");
            let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
            assert!(!path.split('/').any(dots), "{shown} became {path}");
        }
        if options.escaped_slashes != KeepUnchanged {
            assert!(!path.contains("%2f") && !path.contains("%5c"), "{shown}");
        }
    }
    assert!(forwarded > 10_000 && changed > 5_000, "the generator reaches both: {forwarded} {changed}");
}
