use super::*;
use crate::config::{Matcher, PathMatch, PathPattern, Pattern};
use crate::route::Verdict;
use crate::route::testing::{head, head_with, http, path, route};
use nuncio_http::HeaderName;

fn table(routes: &[config::Route]) -> RouteTable {
    RouteTable::build(routes, &http(), &mut RuntimeValues::default(), |_| 0).unwrap()
}

fn found(table: &RouteTable, head: &RequestHead) -> Option<usize> {
    table.find(head, None, 0.0).map(|route| route.index)
}

fn matcher(pattern: Pattern) -> Matcher {
    Matcher { pattern, ignore_case: false, invert: false }
}

/// The rule itself, without the index.
fn first_by_asking_each(table: &RouteTable, head: &RequestHead, point: f64) -> Option<usize> {
    let subject = Subject::new(head, None, point);
    let holds = |route: &&Arc<Route>| route.predicates().iter().all(|predicate| predicate.holds(&subject));
    table.routes().iter().find(holds).map(|route| route.index)
}

#[test]
fn certificates_of_clients() {
    let asks = |presented, validated| Some(config::TlsMatch { presented, validated });
    let peer = |validated| crate::tls::Peer::new(&[vec![0].into()], validated).unwrap();
    let (trusted, pinned) = (peer(true), peer(false));
    for (asked, none, validated, unvalidated) in [
        (None, true, true, true),
        (asks(Some(true), None), false, true, true),
        (asks(Some(false), None), true, false, false),
        (asks(None, Some(true)), false, true, false),
        (asks(None, Some(false)), true, false, true),
        (asks(Some(true), Some(false)), false, false, true),
        (asks(Some(true), Some(true)), false, true, false),
    ] {
        let mut one = route();
        one.matches.tls = asked;
        let table = table(&[one]);
        for (peer, expected) in [(None, none), (Some(&trusted), validated), (Some(&pinned), unvalidated)] {
            assert_eq!(table.find(&head("GET", "a", "/"), peer, 0.0).is_some(), expected, "{asked:?} {peer:?}");
        }
    }
}

#[test]
fn a_table_is_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<RouteTable>();
}

#[test]
fn first_match_in_file_order() {
    let mut routes = vec![route(); 6];
    routes[0].matches.path = path(PathPattern::Exact("/a/b".into()));
    routes[1].matches.host = vec![HostPattern::Suffix(".example.com".into())];
    routes[1].matches.path = path(PathPattern::Prefix("/a".into()));
    routes[2].matches.path = path(PathPattern::PathSeparatedPrefix("/a".into()));
    routes[2].matches.method = vec![Method::Post];
    routes[3].matches.path = path(PathPattern::Regex("/[a-c]+(/.*)?".into()));
    routes[4].matches.host = vec![HostPattern::Exact("Www.Example.com.".into()), HostPattern::Prefix("api.".into())];
    routes[5].matches.headers = vec![(HeaderName::new("x-tier").unwrap(), matcher(Pattern::Exact("gold".into())))];
    let table = table(&routes);
    let cases = [
        ("GET", "www.example.com", "/a/b", Some(0)),
        ("GET", "WWW.example.com.:80", "/ab?q", Some(1)),
        ("GET", "example.com", "/ab", Some(3)),
        ("POST", "x", "/a/c", Some(2)),
        ("POST", "x", "/ac", Some(3)),
        ("GET", "x", "/a/c", Some(3)),
        ("GET", "x", "/d/a", None),
        ("GET", "www.example.com", "/d", Some(4)),
        ("GET", "api.test:8080", "/d", Some(4)),
        ("GET", "api.", "/d", None),
        ("GET", "", "/d", None),
    ];
    for (method, host, target, expected) in cases {
        assert_eq!(found(&table, &head(method, host, target)), expected, "{method} {host} {target}");
    }
    assert_eq!(found(&table, &head_with("/d", &[("x-tier", b"gold")])), Some(5));
    assert_eq!(found(&table, &head_with("/d", &[("x-tier", b"gold"), ("x-tier", b"iron")])), None, "the joined value");
}

#[test]
fn grpc_is_told_by_its_content_type() {
    let mut routes = vec![route(); 2];
    routes[0].matches.grpc = Some(true);
    routes[1].matches.grpc = Some(false);
    let table = table(&routes);
    let rows = [
        (Some("application/grpc"), 0),
        (Some("application/grpc+proto"), 0),
        (Some("application/grpc-web"), 1),
        (Some("text/plain"), 1),
        (None, 1),
    ];
    for (content_type, expected) in rows {
        let fields: Vec<(&str, &[u8])> = content_type.iter().map(|value| ("content-type", value.as_bytes())).collect();
        assert_eq!(found(&table, &head_with("/a.B/C", &fields)), Some(expected), "{content_type:?}");
    }
}

#[test]
fn connect_and_the_asterisk() {
    let mut routes = vec![route(); 5];
    routes[0].matches.path = path(PathPattern::Prefix("/".into()));
    routes[0].upgrades = Some(vec![Upgrade::Connect]);
    routes[1].matches.path = path(PathPattern::Regex(".*".into()));
    routes[2].matches.path = path(PathPattern::Exact("*".into()));
    routes[2].matches.host = vec![HostPattern::Exact("star".into())];
    routes[3].matches.host = vec![HostPattern::Exact("tunnel".into())];
    routes[3].upgrades = Some(vec![Upgrade::Connect]);
    let table = table(&routes);
    assert_eq!(found(&table, &head("CONNECT", "tunnel:443", "")), Some(3));
    assert_eq!(found(&table, &head("CONNECT", "other:443", "")), None, "no route allows it");
    assert_eq!(found(&table, &head("OPTIONS", "star", "*")), Some(2));
    assert_eq!(found(&table, &head("OPTIONS", "x", "*")), Some(4), "only routes without a path");
    let all = Http { upgrades: vec![Upgrade::Websocket, Upgrade::Connect], ..http() };
    let table = RouteTable::build(&[route()], &all, &mut RuntimeValues::default(), |_| 0).unwrap();
    assert_eq!(found(&table, &head("CONNECT", "x:443", "")), Some(0), "the listener allows it");
    assert_eq!(table.routes()[0].upgrades, all.upgrades);
}

#[test]
fn what_a_pattern_stands_for() {
    let cases = [
        (path(PathPattern::Prefix("/a".into())), "/abc?q", 2),
        (path(PathPattern::PathSeparatedPrefix("/a".into())), "/a/b", 2),
        (path(PathPattern::Exact("/a/b".into())), "/a/b?q", 4),
        (path(PathPattern::Regex("/a.*".into())), "/abc?q", 4),
        (None, "/abc", 1),
        (None, "", 0),
    ];
    for (path, target, expected) in cases {
        let mut config = route();
        config.matches.path = path;
        let table = table(&[config]);
        assert_eq!(table.routes()[0].matched_len(&head("GET", "x", target)), expected, "{target}");
    }
}

#[test]
fn what_cannot_be_built() {
    let mut routes = vec![route(); 2];
    routes[1].matches.path = path(PathPattern::Regex("a)|(b".into()));
    let (index, error) = RouteTable::build(&routes, &http(), &mut RuntimeValues::default(), |_| 0).unwrap_err();
    assert!(index == 1 && matches!(error, BuildError::Regex(_)), "{error}");
    routes[1].matches.path = None;
    routes[1].matches.host = vec![HostPattern::Suffix("example.com".into())];
    assert_eq!(
        RouteTable::build(&routes, &http(), &mut RuntimeValues::default(), |_| 0).unwrap_err(),
        (1, BuildError::Value("host"))
    );
}

fn pick<'a>(rng: &mut fastrand::Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(0..choices.len())]
}

fn random_path(rng: &mut fastrand::Rng) -> String {
    let mut path = String::from("/");
    for _ in 0..rng.usize(0..4) {
        path += pick(rng, &["a", "b", "A", "ab", "/", "/a", "/B"]);
    }
    path
}

fn random_host(rng: &mut fastrand::Rng) -> String {
    let labels: Vec<_> = (0..rng.usize(1..4)).map(|_| pick(rng, &["a", "b", "com"])).collect();
    labels.join(".")
}

fn random_match(rng: &mut fastrand::Rng) -> config::Match {
    let mut matches = config::Match::default();
    for _ in 0..rng.usize(0..3) {
        let host = random_host(rng);
        matches.host.push(match rng.u8(0..8) {
            0 => HostPattern::Any,
            1..4 => HostPattern::Suffix(format!(".{host}")),
            4 => HostPattern::Prefix(format!("{host}.")),
            _ => HostPattern::Exact(host),
        });
    }
    let text = random_path(rng);
    let pattern = match rng.u8(0..8) {
        0 => None,
        1 | 2 => Some(PathPattern::Exact(text)),
        3 | 4 => Some(PathPattern::Prefix(text)),
        5 | 6 => Some(PathPattern::PathSeparatedPrefix(text.trim_end_matches('/').into())),
        _ => Some(PathPattern::Regex(format!("{text}.?"))),
    };
    matches.path = pattern.map(|pattern| PathMatch { pattern, ignore_case: rng.u8(0..4) == 0 });
    if rng.u8(0..4) == 0 {
        matches.method = vec![Method::Post];
    }
    if rng.u8(0..4) == 0 {
        let pattern = if rng.bool() { Pattern::Present(rng.bool()) } else { Pattern::Exact("gold".into()) };
        let matcher = Matcher { pattern, ignore_case: false, invert: rng.bool() };
        matches.headers = vec![(HeaderName::new("x-tier").unwrap(), matcher)];
    }
    if rng.u8(0..8) == 0 {
        matches.grpc = Some(rng.bool());
    }
    if rng.u8(0..4) == 0 {
        let value = [0.0, 5.0, 50.0, 100.0][rng.usize(0..4)];
        matches.runtime = Some(config::Percent { value, key: Some("k".into()) });
    }
    if rng.u8(0..8) == 0 {
        matches.query = vec![("q".into(), matcher(Pattern::Prefix("1".into())))];
    }
    matches
}

fn random_head(rng: &mut fastrand::Rng) -> RequestHead {
    let host = pick(rng, &["", "", "", "."]).to_string() + &random_host(rng) + pick(rng, &["", "", ":80", ".", ".."]);
    let query = pick(rng, &["", "", "?q=1", "?p&q=2"]);
    let (method, target) = match rng.u8(0..16) {
        0 => ("CONNECT", String::new()),
        1 => ("OPTIONS", "*".into()),
        2..6 => ("POST", random_path(rng) + query),
        _ => ("GET", random_path(rng) + query),
    };
    let mut head = head(method, if rng.u8(0..16) == 0 { "" } else { &host }, &target);
    if rng.u8(0..4) == 0 {
        head.headers.push(HeaderName::new("content-type").unwrap(), b"application/grpc");
    }
    if rng.bool() {
        head.headers.push(HeaderName::new("x-tier").unwrap(), pick(rng, &["gold", "iron"]).as_bytes());
    }
    head
}

/// What those are told who ask why.
fn explained(table: &RouteTable, head: &RequestHead, point: f64) -> Option<usize> {
    let takes = |verdict: &Verdict<'_>| match verdict {
        Verdict::Takes(from, to) => (*from..*to).contains(&point),
        Verdict::Failed(_) | Verdict::NoneLeft(_) => false,
    };
    let steps = table.walk(&Subject::new(head, None, f64::NAN));
    let taking: Vec<usize> = steps.iter().filter(|step| takes(&step.verdict)).map(|step| step.route.index).collect();
    assert!(taking.len() <= 1, "one request, one route");
    taking.first().copied()
}

#[test]
fn neither_index_nor_explanation_changes_the_answer() {
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut matched, mut behind_first) = (0, 0);
    for _ in 0..3_000 {
        let routes: Vec<_> = (0..rng.usize(0..40))
            .map(|_| {
                let upgrades = (rng.u8(0..4) == 0).then(|| vec![Upgrade::Connect]);
                config::Route { matches: random_match(&mut rng), upgrades, ..route() }
            })
            .collect();
        let table = table(&routes);
        for _ in 0..40 {
            let head = random_head(&mut rng);
            let point = rng.f64() * 100.0;
            let expected = first_by_asking_each(&table, &head, point);
            let found = table.find(&head, None, point).map(|route| route.index);
            assert_eq!(found, expected, "{head:?} {point}\n{routes:#?}");
            assert_eq!(explained(&table, &head, point), expected, "{head:?} {point}\n{routes:#?}");
            matched += usize::from(expected.is_some());
            behind_first += usize::from(expected > Some(3));
        }
    }
    assert!(matched > 60_000 && behind_first > 10_000, "the generator reaches both: {matched} {behind_first}");
}
