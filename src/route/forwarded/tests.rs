use super::*;
use crate::route::testing::{head, head_with, http};

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn cidr(text: &str) -> Cidr {
    let (address, prefix_len) = text.split_once('/').unwrap();
    Cidr { address: address.parse().unwrap(), prefix_len: prefix_len.parse().unwrap() }
}

fn proxies() -> Http {
    Http { trusted_proxies: vec![cidr("10.0.0.0/8"), cidr("2001:db8::/32")], ..http() }
}

fn hops(hops: u32) -> Http {
    Http { xff_num_trusted_hops: hops, ..http() }
}

fn show(head: &RequestHead) -> String {
    head.headers.iter().map(|field| format!("{field:?};")).collect()
}

#[test]
fn an_untrusted_peer_is_not_believed() {
    let mut head = head_with(
        "/",
        &[
            ("x-forwarded-for", b"127.0.0.1"),
            ("accept", b"*/*"),
            ("x-real-ip", b"127.0.0.1"),
            ("forwarded", b"for=127.0.0.1"),
            ("x-forwarded-proto", b"https"),
            ("x-forwarded-host", b"bank.example"),
            ("x-forwarded-port", b"443"),
            ("x-envoy-original-path", b"/admin"),
            ("x-envoy-attempt-count", b"1"),
            ("x-envoy-upstream-rq-timeout-ms", b"1"),
            ("x-envoy-internal", b"true"),
            ("x-nuncio-x", b"1"),
            ("x-envoyish", b"1"),
            ("x-forwarded-for", b"127.0.0.2"),
        ],
    );
    let forwarded = apply(&mut head, address("192.0.2.7"), Scheme::Http, &http());
    assert_eq!(forwarded, Forwarded { client: address("192.0.2.7"), trusted: false });
    assert_eq!(show(&head), "accept: */*;x-envoyish: 1;x-forwarded-for: 192.0.2.7;x-forwarded-proto: http;");
    assert_eq!(head.scheme, Scheme::Http);
}

#[test]
fn a_trusted_peer_is_believed() {
    let mut head = head_with(
        "/",
        &[
            ("x-forwarded-for", b"198.51.100.1"),
            ("x-forwarded-for", b"192.0.2.9"),
            ("x-forwarded-proto", b"https"),
            ("x-forwarded-host", b"a.example"),
            ("x-envoy-attempt-count", b"2"),
        ],
    );
    let forwarded = apply(&mut head, address("::ffff:10.1.2.3"), Scheme::Http, &proxies());
    assert_eq!(forwarded, Forwarded { client: address("192.0.2.9"), trusted: true });
    assert_eq!(
        show(&head),
        "x-forwarded-for: 198.51.100.1, 192.0.2.9, 10.1.2.3;x-forwarded-proto: https;x-forwarded-host: a.example;\
         x-envoy-attempt-count: 2;"
    );
    assert_eq!(head.scheme, Scheme::Https, "TLS ended at the proxy in front");
}

#[test]
fn whose_address_is_the_client() {
    let near = Http { use_remote_address: false, ..http() };
    let near_hops = Http { use_remote_address: false, xff_num_trusted_hops: 1, ..http() };
    let proxies_hops = Http { xff_num_trusted_hops: 2, ..proxies() };
    // (settings, peer, x-forwarded-for) -> (client, x-forwarded-for)
    let cases = [
        (&http(), "192.0.2.7", "1.1.1.1", "192.0.2.7", "192.0.2.7"),
        (&hops(1), "192.0.2.7", "1.1.1.1, 2.2.2.2", "2.2.2.2", "1.1.1.1, 2.2.2.2, 192.0.2.7"),
        (&hops(2), "192.0.2.7", "1.1.1.1, 2.2.2.2", "1.1.1.1", "1.1.1.1, 2.2.2.2, 192.0.2.7"),
        (&hops(3), "192.0.2.7", "1.1.1.1, 2.2.2.2", "192.0.2.7", "1.1.1.1, 2.2.2.2, 192.0.2.7"),
        (&hops(1), "192.0.2.7", "", "192.0.2.7", "192.0.2.7"),
        (&hops(1), "192.0.2.7", "1.1.1.1, unknown", "192.0.2.7", "1.1.1.1, unknown, 192.0.2.7"),
        (&near, "192.0.2.7", "1.1.1.1, 2.2.2.2", "2.2.2.2", "1.1.1.1, 2.2.2.2"),
        (&near, "192.0.2.7", "", "192.0.2.7", ""),
        (&near_hops, "192.0.2.7", "1.1.1.1, 2.2.2.2", "1.1.1.1", "1.1.1.1, 2.2.2.2"),
        (&proxies(), "192.0.2.7", "1.1.1.1", "192.0.2.7", "192.0.2.7"),
        (&proxies(), "10.0.0.1", "1.1.1.1, 2.2.2.2,10.9.9.9", "2.2.2.2", "1.1.1.1, 2.2.2.2,10.9.9.9, 10.0.0.1"),
        (&proxies(), "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        (&proxies(), "10.0.0.1", "1.1.1.1, x, 10.0.0.2", "10.0.0.2", "1.1.1.1, x, 10.0.0.2, 10.0.0.1"),
        (&proxies(), "10.0.0.1", "[2001:db9::1]:443", "2001:db9::1", "[2001:db9::1]:443, 10.0.0.1"),
        (&proxies(), "2001:db8::1", "1.1.1.1:99", "1.1.1.1", "1.1.1.1:99, 2001:db8::1"),
        (&proxies_hops, "192.0.2.7", "1.1.1.1, 2.2.2.2", "192.0.2.7", "192.0.2.7"),
        (&proxies_hops, "10.0.0.1", "1.1.1.1, 2.2.2.2", "1.1.1.1", "1.1.1.1, 2.2.2.2, 10.0.0.1"),
    ];
    for (http, peer, given, client, passed) in cases {
        let mut head = head("GET", "a.example", "/");
        if !given.is_empty() {
            head.headers.push(HeaderId::XForwardedFor, given.as_bytes());
        }
        let forwarded = apply(&mut head, address(peer), Scheme::Https, http);
        assert_eq!(forwarded.client, address(client), "{peer} {given}");
        let field = head.headers.joined(&HeaderId::XForwardedFor).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&field), passed, "{peer} {given}");
        assert_eq!(head.headers.get(HeaderId::XForwardedProto), Some(&b"https"[..]));
    }
}

#[test]
fn a_peer_on_a_unix_socket_has_no_address() {
    let given: &[(&str, &[u8])] = &[("x-forwarded-for", b"1.1.1.1")];
    let mut head = head_with("/", given);
    assert_eq!(apply(&mut head, None, Scheme::Http, &http()), Forwarded { client: None, trusted: false });
    assert_eq!(show(&head), "x-forwarded-proto: http;");
    let mut head = head_with("/", given);
    assert_eq!(apply(&mut head, None, Scheme::Http, &hops(1)), Forwarded { client: address("1.1.1.1"), trusted: true });
    assert_eq!(show(&head), "x-forwarded-for: 1.1.1.1;x-forwarded-proto: http;");
}

#[test]
fn an_odd_scheme_is_replaced() {
    let mut head = head_with("/", &[("x-forwarded-proto", b"javascript")]);
    apply(&mut head, address("10.0.0.1"), Scheme::Https, &proxies());
    assert_eq!(show(&head), "x-forwarded-proto: https;x-forwarded-for: 10.0.0.1;");
    assert_eq!(head.scheme, Scheme::Https);
}

#[test]
fn ranges() {
    let cases = [
        ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "ffff::1", true),
        ("192.0.2.0/25", "192.0.2.127", true),
        ("192.0.2.0/25", "192.0.2.128", false),
        ("192.0.2.1/32", "192.0.2.1", true),
        ("192.0.2.1/32", "192.0.2.0", false),
        ("2001:db8::/33", "2001:db8:8000::", false),
    ];
    for (range, text, expected) in cases {
        assert_eq!(contains(&cidr(range), address(text).unwrap()), expected, "{range} {text}");
    }
}

#[test]
fn addresses_as_text() {
    let mut rng = fastrand::Rng::with_seed(1);
    let same = |address: IpAddr| assert_eq!(IpText::new(address).as_bytes(), address.to_string().as_bytes());
    for _ in 0..1000 {
        same(IpAddr::V4(rng.u32(..).into()));
        same(IpAddr::V6(rng.u128(..).into()));
    }
    for text in ["0.0.0.0", "10.100.9.255", "::", "::ffff:255.255.255.255", "::1"] {
        same(text.parse().unwrap());
    }
}
