use nuncio_http::BodyLength;

use super::*;
use crate::filter::testing::{Driven, Setup, on_worker, request, response, text};
use crate::filter::{Dir, Offer};

const PAGE: &str = "https://app.example.com";

type Fields = &'static [(&'static str, &'static str)];

fn policy(origins: &[&str]) -> config::Cors {
    config::Cors {
        allow_origin: origins.iter().copied().map(config::Matcher::exact).collect(),
        allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
        allow_headers: vec![HeaderName::new("x-a").unwrap(), HeaderName::new("X-B").unwrap()],
        expose_headers: vec![HeaderName::new("x-c").unwrap()],
        max_age: Some(Duration::from_millis(600_500)),
        allow_credentials: false,
    }
}

/// What comes of a request, with these fields, for this policy.
fn ask(rt: &crate::runtime::Rt, cors: config::Cors, method: Method, fields: &[(&str, &str)]) -> (Setup, Driven, Offer) {
    let setup = Setup::new(rt, &[config::Filter::Cors(cors)]);
    let mut stream = setup.stream(request(method, BodyLength::Empty, fields));
    let offer = stream.offer_head(Dir::Request).unwrap();
    (setup, stream, offer)
}

/// The answer to a preflight, as the client sees it.
fn preflight(rt: &crate::runtime::Rt, cors: config::Cors, fields: &[(&str, &str)]) -> String {
    let fields = [&[("origin", PAGE), ("access-control-request-method", "PUT")], fields].concat();
    let (mut setup, mut stream, offer) = ask(rt, cors, Method::Options, &fields);
    let Offer::Respond(reply) = offer else { panic!("{offer:?}") };
    assert_eq!((reply.status, reply.detail, reply.body.len()), (200, "cors_response", 0));
    assert_eq!((setup.stat("cors.origin_valid"), setup.stat("cors.origin_invalid")), (1, 0));
    stream.chain.abandon();
    text(stream.respond(ResponseHead::new(reply.status, reply.headers)))
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered() {
    on_worker(|rt| async move {
        let told = "access-control-allow-methods: GET, PUT\naccess-control-allow-headers: x-a, x-b\n\
                    access-control-max-age: 600\naccess-control-allow-origin: ";
        let exposed = "access-control-expose-headers: x-c\n";
        assert_eq!(
            preflight(&rt, policy(&["https://other.example", PAGE]), &[]),
            format!("{told}{PAGE}\n{exposed}vary: origin\n")
        );
        assert_eq!(preflight(&rt, policy(&["*"]), &[]), format!("{told}*\n{exposed}"));
        let credentials = config::Cors { allow_credentials: true, ..policy(&[PAGE]) };
        assert_eq!(
            preflight(&rt, credentials, &[]),
            format!("{told}{PAGE}\naccess-control-allow-credentials: true\n{exposed}vary: origin\n")
        );
    });
}

#[test]
fn wildcards_never_meet_credentials() {
    on_worker(|rt| async move {
        let star = || vec![HeaderName::new("*").unwrap()];
        let wild = |origins: &[&str], allow_credentials| config::Cors {
            allow_methods: vec!["*".to_owned()],
            allow_headers: star(),
            expose_headers: star(),
            max_age: None,
            allow_credentials,
            ..policy(origins)
        };
        // The configuration refuses this; if it comes all the same, the credentials go.
        let asked = [("access-control-request-headers", "x-q, authorization")];
        let answer = "access-control-allow-methods: *\naccess-control-allow-headers: *\n\
                      access-control-allow-origin: *\naccess-control-expose-headers: *\n";
        assert_eq!(preflight(&rt, wild(&["*"], true), &asked), answer);
        // Where `*` would be a method or header of that name, the page is told what it asked for.
        assert_eq!(
            preflight(&rt, wild(&[PAGE], true), &asked),
            format!(
                "access-control-allow-methods: PUT\naccess-control-allow-headers: x-q, authorization\n\
                 access-control-allow-origin: {PAGE}\naccess-control-allow-credentials: true\nvary: origin\n"
            )
        );
        // An upstream's own word for credentials goes too.
        let (_, mut stream, offer) = ask(&rt, policy(&["*"]), Method::Get, &[("origin", PAGE)]);
        assert!(matches!(offer, Offer::Head));
        let fields = [("access-control-allow-credentials", "true"), ("access-control-allow-origin", PAGE)];
        assert_eq!(
            text(stream.respond(response(200, &fields))),
            "access-control-allow-origin: *\naccess-control-expose-headers: x-c\n"
        );
    });
}

#[test]
fn what_is_no_allowed_preflight_goes_on() {
    on_worker(|rt| async move {
        const PREFLIGHT: (&str, &str) = ("access-control-request-method", "PUT");
        let rows: [(Method, Fields, [i64; 2]); 8] = [
            // method, fields, origins valid and invalid
            (Method::Options, &[("origin", "https://evil.example"), PREFLIGHT], [0, 1]),
            (Method::Options, &[("origin", "null"), PREFLIGHT], [0, 1]),
            (Method::Options, &[("origin", PAGE)], [1, 0]),
            (Method::Options, &[PREFLIGHT], [0, 0]),
            (Method::Get, &[("origin", PAGE), PREFLIGHT], [1, 0]),
            // Two origins are none.
            (Method::Options, &[("origin", PAGE), ("origin", PAGE), PREFLIGHT], [0, 0]),
            (Method::Options, &[("origin", PAGE), PREFLIGHT, PREFLIGHT], [1, 0]),
            (Method::Options, &[("origin", PAGE), ("access-control-request-method", "")], [1, 0]),
        ];
        for (method, fields, counts) in rows {
            let (mut setup, _, offer) = ask(&rt, policy(&[PAGE]), method, fields);
            assert!(matches!(offer, Offer::Head), "{fields:?}");
            assert_eq!([setup.stat("cors.origin_valid"), setup.stat("cors.origin_invalid")], counts, "{fields:?}");
        }
    });
}

#[test]
fn responses_are_marked() {
    on_worker(|rt| async move {
        let own = format!("access-control-allow-origin: {PAGE}\n");
        let exposed = "access-control-expose-headers: x-c\n";
        let theirs = "access-control-allow-origin: https://evil.example\n";
        let rows: [(&str, Fields, String); 6] = [
            // origin, the upstream's fields, the client's
            (PAGE, &[], format!("{own}{exposed}vary: origin\n")),
            // The upstream's own word is overwritten where we allow, and left where we do not.
            (PAGE, &[("access-control-allow-origin", "*")], format!("{own}{exposed}vary: origin\n")),
            (
                "https://evil.example",
                &[("access-control-allow-origin", "https://evil.example")],
                format!("{theirs}vary: origin\n"),
            ),
            // Without an origin too: the answer would differ with one.
            ("", &[("x-d", "1")], "x-d: 1\nvary: origin\n".to_owned()),
            (PAGE, &[("vary", "accept, Origin")], format!("vary: accept, Origin\n{own}{exposed}")),
            (PAGE, &[("vary", "accept")], format!("vary: accept\n{own}{exposed}vary: origin\n")),
        ];
        for (origin, fields, marked) in rows {
            let (_, mut stream, _) = ask(&rt, policy(&[PAGE]), Method::Get, &[("origin", origin)]);
            assert_eq!(text(stream.respond(response(200, fields))), marked, "{origin} {fields:?}");
        }
    });
}

#[test]
fn every_origin_gets_one_answer_for_caches() {
    on_worker(|rt| async move {
        for fields in [&[][..], &[("origin", PAGE)], &[("origin", "null")]] {
            let (_, mut stream, _) = ask(&rt, policy(&["*"]), Method::Get, fields);
            assert_eq!(
                text(stream.respond(response(200, &[]))),
                "access-control-allow-origin: *\naccess-control-expose-headers: x-c\n"
            );
        }
    });
}

#[test]
fn origins_match_by_pattern() {
    on_worker(|rt| async move {
        let suffix = config::Pattern::Suffix(".example.com".to_owned());
        let matcher = config::Matcher { pattern: suffix, ..config::Matcher::exact("") };
        for (origin, valid) in [(PAGE, 1), ("https://example.com", 0), ("https://app.example.com.evil", 0)] {
            let cors = config::Cors { allow_origin: vec![matcher.clone()], ..policy(&[]) };
            let (mut setup, ..) = ask(&rt, cors, Method::Get, &[("origin", origin)]);
            assert_eq!(setup.stat("cors.origin_valid"), valid, "{origin}");
        }
    });
}
