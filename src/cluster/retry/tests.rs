use super::*;
use crate::config::{Matcher as MatcherConfig, Retry};

fn policy(on: &[&str]) -> RetryPolicy {
    let conditions = on.iter().map(|word| RetryOn::ALL.iter().find(|(name, _)| name == word).unwrap().1);
    let mut config = Retry::new(conditions.collect());
    config.attempts = 2;
    config.retriable_status_codes = vec![404];
    config.retriable_headers = vec![(HeaderName::new("x-again").unwrap(), MatcherConfig::exact("yes"))];
    RetryPolicy::new(&config).unwrap()
}

fn fields(list: &[(&str, &str)]) -> HeaderList {
    let mut fields = HeaderList::new();
    list.iter().for_each(|(name, value)| fields.push_raw(name.as_bytes(), value.as_bytes()));
    fields
}

fn head(status: u16, list: &[(&str, &str)]) -> ResponseHead {
    ResponseHead::new(status, fields(list))
}

/// One decision about a request of which nothing has been sent again, with all else in favour of it.
fn decide(policy: &RetryPolicy, event: RetryEvent<'_>) -> Decision {
    decide_for(policy, &mut RetryState::default(), event, false)
}

fn decide_for(policy: &RetryPolicy, state: &mut RetryState, event: RetryEvent<'_>, idempotent: bool) -> Decision {
    let (wall, mut rng) = (Duration::from_secs(784_111_777), Rng::with_seed(7));
    policy.decide(
        state,
        event,
        &mut RetryCx { replayable: true, idempotent, time_left: None, wall, base: None, rng: &mut rng },
    )
}

fn failed(kind: Kind, phase: Phase) -> RetryEvent<'static> {
    RetryEvent::Failed { error: Error::upstream(kind, phase), reused: false, unsent: phase == Phase::Connect }
}

const ALL: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "envoy-ratelimited",
    "retriable-4xx",
    "retriable-status-codes",
    "retriable-headers",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// The conditions, each alone, that ask for a retry after `event`.
fn asking(event: RetryEvent<'_>) -> Vec<&'static str> {
    let asks = |word: &&&str| decide(&policy(&[word]), event) != Decision::No(Refusal::NotRetriable);
    ALL.iter().filter(asks).copied().collect()
}

#[test]
fn each_failure_fulfils_its_conditions() {
    const NONE: &[&str] = &["5xx", "gateway-error", "reset"];
    let with = |more: &[&'static str]| [NONE, more].concat();
    let rows = [
        (failed(Kind::Closed, Phase::Request), with(&[])),
        (failed(Kind::Reset, Phase::Request), with(&[])),
        (failed(Kind::Protocol("x"), Phase::Request), with(&[])),
        (failed(Kind::Reset, Phase::Response), with(&[])),
        (failed(Kind::Refused, Phase::Connect), with(&["reset-before-request", "connect-failure"])),
        (failed(Kind::ConnectTimeout, Phase::Connect), with(&["reset-before-request", "connect-failure"])),
        (failed(Kind::Tls, Phase::Connect), with(&["reset-before-request", "connect-failure"])),
        (failed(Kind::Closed, Phase::Connect), with(&["reset-before-request", "connect-failure"])),
        (failed(Kind::Unprocessed, Phase::Response), with(&["refused-stream"])),
        (
            RetryEvent::Failed { error: Error::upstream(Kind::Closed, Phase::Request), reused: false, unsent: true },
            with(&["reset-before-request"]),
        ),
        (RetryEvent::TimedOut { unsent: false }, with(&[])),
        (RetryEvent::TimedOut { unsent: true }, with(&["reset-before-request"])),
    ];
    for (event, mut expected) in rows {
        expected.sort_by_key(|word| ALL.iter().position(|it| it == word));
        assert_eq!(asking(event), expected, "{event:?}");
    }
}

#[test]
fn what_is_not_the_hosts_doing_is_never_sent_again() {
    for error in [
        Error::local(Kind::Overflow),
        Error::local(Kind::NoHealthyHost),
        Error::local(Kind::Local("filter")),
        Error::upstream(Kind::Overflow, Phase::Connect),
        Error::downstream(Kind::Closed),
        Error::downstream(Kind::Reset),
        Error::timeout(crate::error::Timeout::Route, false),
        Error::bad_request(400, "x"),
    ] {
        for unsent in [false, true] {
            let event = RetryEvent::Failed { error, reused: true, unsent };
            assert_eq!(asking(event), [""; 0], "{error:?}");
        }
    }
}

#[test]
fn each_response_fulfils_its_conditions() {
    let rows: [(ResponseHead, &[&str]); 19] = [
        (head(200, &[]), &[]),
        (head(500, &[]), &["5xx"]),
        (head(501, &[]), &["5xx"]),
        (head(502, &[]), &["5xx", "gateway-error"]),
        (head(503, &[]), &["5xx", "gateway-error"]),
        (head(504, &[]), &["5xx", "gateway-error"]),
        (head(599, &[]), &["5xx"]),
        (head(600, &[]), &[]),
        (head(404, &[]), &["retriable-status-codes"]),
        (head(409, &[]), &["retriable-4xx"]),
        (head(429, &[]), &[]),
        (head(200, &[("x-again", "yes")]), &["retriable-headers"]),
        (head(200, &[("x-again", "no")]), &[]),
        (head(503, &[("x-envoy-ratelimited", "true")]), &["envoy-ratelimited"]),
        (head(200, &[("grpc-status", "1")]), &["cancelled"]),
        (head(200, &[("grpc-status", "4")]), &["deadline-exceeded"]),
        (head(200, &[("grpc-status", "8")]), &["resource-exhausted"]),
        (head(200, &[("grpc-status", "13")]), &["internal"]),
        (head(200, &[("grpc-status", "14")]), &["unavailable"]),
    ];
    for (head, expected) in rows {
        assert_eq!(asking(RetryEvent::Head(&head)), expected, "{} {:?}", head.status, head.headers);
        let trailers: Vec<_> = expected.iter().filter(|_| head.headers.contains(HeaderId::GrpcStatus)).collect();
        assert_eq!(asking(RetryEvent::Trailers(&head.headers)), trailers.into_iter().copied().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_harmless_is_sent_again_without_a_word_of_the_operator() {
    let none = RetryPolicy::default();
    assert!(!none.is_active());
    let kept =
        |unsent| RetryEvent::Failed { error: Error::upstream(Kind::Closed, Phase::Request), reused: true, unsent };
    let at_once = Decision::Retry { after: Duration::ZERO, pace: Pace::AtOnce };
    let no = Decision::No(Refusal::NotRetriable);

    assert_eq!(decide_for(&none, &mut RetryState::default(), kept(false), false), no, "it may have been acted on");
    for (unsent, idempotent) in [(true, false), (false, true), (true, true)] {
        let mut state = RetryState::default();
        assert_eq!(decide_for(&none, &mut state, kept(unsent), idempotent), at_once);
        assert_eq!(decide_for(&none, &mut state, kept(unsent), idempotent), no, "once");
        assert_eq!(state.retries(), 1);
    }
    let mut state = RetryState::default();
    let refused = failed(Kind::Unprocessed, Phase::Request);
    for _ in 0..UNPROCESSED_RETRIES {
        assert_eq!(decide_for(&none, &mut state, refused, false), at_once);
    }
    assert_eq!(decide_for(&none, &mut state, refused, false), no);
    let last = decide_for(&policy(&["refused-stream"]), &mut state, refused, false);
    assert!(matches!(last, Decision::Retry { pace: Pace::Exponential, .. }), "the operator wants more: {last:?}");

    for event in [failed(Kind::Closed, Phase::Request), failed(Kind::Unprocessed, Phase::Response)] {
        assert_eq!(decide(&none, event), no, "{event:?}");
    }
    let mut rng = Rng::with_seed(1);
    let mut cx = RetryCx {
        replayable: false,
        idempotent: true,
        time_left: None,
        wall: Duration::ZERO,
        base: None,
        rng: &mut rng,
    };
    assert_eq!(none.decide(&mut RetryState::default(), refused, &mut cx), no, "it is not here any more");
}

#[test]
fn retries_end_where_the_request_is_gone_or_the_time_is_up() {
    let policy = policy(&["5xx"]);
    let bad = head(503, &[]);
    let event = RetryEvent::Head(&bad);
    let mut state = RetryState::default();
    for _ in 0..2 {
        let decision = decide_for(&policy, &mut state, event, true);
        assert!(matches!(decision, Decision::Retry { pace: Pace::Exponential, .. }), "{decision:?}");
    }
    assert_eq!(decide_for(&policy, &mut state, event, true), Decision::No(Refusal::LimitExceeded));
    assert_eq!(state.retries(), 2);

    let mut rng = Rng::with_seed(1);
    let mut decide = |replayable, time_left| {
        let mut cx =
            RetryCx { replayable, idempotent: true, time_left, wall: Duration::ZERO, base: None, rng: &mut rng };
        policy.decide(&mut RetryState::default(), event, &mut cx)
    };
    assert_eq!(decide(false, None), Decision::No(Refusal::NotReplayable));
    assert_eq!(decide(true, Some(Duration::ZERO)), Decision::No(Refusal::TooLate));
    assert!(matches!(decide(true, Some(Duration::from_secs(1))), Decision::Retry { .. }));
}

#[test]
fn a_host_that_says_when_is_believed_within_limits() {
    let policy = policy(&["5xx"]);
    let says = |value: &str| {
        let head = head(503, &[("retry-after", value)]);
        decide(&policy, RetryEvent::Head(&head))
    };
    for (value, least) in [("2", 2), ("300", 300), ("Sun, 06 Nov 1994 08:50:37 GMT", 60)] {
        let Decision::Retry { after, pace: Pace::RateLimited } = says(value) else { panic!("{value}") };
        let least = Duration::from_secs(least);
        assert!((least..least * 3 / 2).contains(&after), "{value}: {after:?}");
    }
    assert_eq!(says("301"), Decision::No(Refusal::TooLate));
    for value in ["0", "later", "Sun, 06 Nov 1994 08:48:37 GMT"] {
        assert!(matches!(says(value), Decision::Retry { pace: Pace::Exponential, .. }), "{value}");
    }
    let deaf = Retry { retry_after: None, ..Retry::new(vec![RetryOn::ServerError]) };
    let head = head(503, &[("retry-after", "301")]);
    let decision = decide(&RetryPolicy::new(&deaf).unwrap(), RetryEvent::Head(&head));
    assert!(matches!(decision, Decision::Retry { pace: Pace::Exponential, .. }));
}

#[test]
fn grpc_conditions_alone_hold_a_response_back() {
    let most = |on: &[&str]| policy(on).hold_back();
    assert_eq!((most(&["unavailable"]), most(&["5xx", "reset"]), RetryPolicy::default().hold_back()), (16 << 10, 0, 0));
}

#[test]
fn a_trusted_client_asks_for_more() {
    let request = |list: &[(&str, &str)]| {
        let method = nuncio_http::Method::Get;
        RequestHead::new(method, nuncio_http::Version::Http11, fields(list))
    };
    let mut head = request(&[
        ("accept", "*/*"),
        ("x-envoy-retry-on", "connect-failure, retriable-status-codes,retriable-headers,nonsense"),
        ("x-envoy-retry-grpc-on", "internal"),
        ("x-envoy-max-retries", "7"),
        ("x-envoy-retriable-status-codes", "418, x, 70000"),
        ("x-envoy-retriable-header-names", "X-Busy, not a name"),
        ("x-envoy-upstream-rq-timeout-ms", "0"),
        ("x-envoy-upstream-stream-duration-ms", "9000"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "250"),
        ("x-envoy-upstream-rq-timeout-alt-response", "1"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-force-trace", "1"),
    ]);
    let asked = Asked::take(&mut head.headers).unwrap();
    let left: Vec<&[u8]> = head.headers.iter().map(|field| field.name).collect();
    assert_eq!(left, [&b"accept"[..], b"x-envoy-force-trace"], "none goes on");
    assert_eq!((asked.timeout, asked.stream_duration), (Some(None), Some(Some(Duration::from_secs(9)))));
    assert!(asked.alternative_response && asked.hedge_on_per_try_timeout);
    let policy = policy(&["5xx"]).for_request(&head, Some(&asked)).unwrap();
    assert_eq!((policy.attempts, policy.per_try_timeout), (7, Some(Duration::from_millis(250))));
    let retried = |head: &ResponseHead| matches!(decide(&policy, RetryEvent::Head(head)), Decision::Retry { .. });
    for (status, list, expected) in [
        (500, &[][..], true),
        (418, &[], true),
        (404, &[], true),
        (419, &[], false),
        (200, &[("x-busy", "")], true),
        (200, &[("grpc-status", "13")], true),
        (200, &[("grpc-status", "14")], false),
    ] {
        assert_eq!(retried(&self::head(status, list)), expected, "{status} {list:?}");
    }

    let mut plain = request(&[("x-envoy-force-trace", "1"), ("x-envoy-attempt-count", "1")]);
    assert!(Asked::take(&mut plain.headers).is_none());
    assert_eq!(plain.headers.len(), 2);
    let mut odd = request(&[
        ("x-envoy-max-retries", "-1"),
        ("x-envoy-upstream-rq-timeout-ms", "1s"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "99999999999999999999"),
        ("x-envoy-retriable-status-codes", &"500,".repeat(1000)),
    ]);
    let asked = Asked::take(&mut odd.headers).unwrap();
    let policy = RetryPolicy::default().for_request(&odd, Some(&asked)).unwrap();
    assert_eq!((policy.attempts, policy.per_try_timeout, asked.timeout), (1, None, None));
    assert_eq!(policy.statuses.len(), 32);
    assert!(odd.headers.is_empty() && !policy.is_active());
    let mut most = request(&[("x-envoy-max-retries", "4294967296"), ("x-envoy-retry-on", "5xx")]);
    let asked = Asked::take(&mut most.headers).unwrap();
    assert_eq!(RetryPolicy::default().for_request(&most, Some(&asked)).unwrap().attempts, Retry::MOST);
}

#[test]
fn requests_without_the_asked_fields_are_sent_once() {
    let mut config = Retry::new(vec![RetryOn::ServerError]);
    config.retriable_request_headers = vec![(HeaderName::new("x-key").unwrap(), MatcherConfig::exact("1"))];
    let policy = RetryPolicy::new(&config).unwrap();
    for (list, expected) in [(&[("x-key", "1")][..], true), (&[("x-key", "2")], false), (&[], false)] {
        let head = RequestHead::new(nuncio_http::Method::Get, nuncio_http::Version::Http11, fields(list));
        let own = policy.for_request(&head, None);
        assert_eq!(own.is_none_or(|own| own.is_active()), expected, "{list:?}");
    }
}
