use nuncio_http::{HeaderName, Method, Version};

use super::*;
use crate::config::HashCookie;
use crate::mutation;

fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut headers = HeaderList::new();
    for (name, value) in fields {
        headers.push_raw(name.as_bytes(), value.as_bytes());
    }
    let mut head = RequestHead::new(Method::Get, Version::Http11, headers);
    head.set_target(target.as_bytes());
    head
}

fn part(on: HashOn) -> RouteHash {
    RouteHash { on, terminal: false }
}

fn header(name: &str) -> RouteHash {
    part(HashOn::Header(HeaderName::new(name).unwrap()))
}

fn cookie(ttl: Option<u64>) -> RouteHash {
    let ttl = ttl.map(Duration::from_secs);
    part(HashOn::Cookie(HashCookie { name: "id".to_owned(), ttl, path: "/shop".to_owned() }))
}

fn wish(parts: &[RouteHash], head: &RequestHead) -> Wish {
    Wish::of(parts, None, head, Some(IpAddr::from([192, 0, 2, 7])), || 0xabc)
}

fn hash(parts: &[RouteHash], head: &RequestHead) -> Option<u64> {
    wish(parts, head).hash
}

#[test]
fn each_part_has_the_hash_of_its_value() {
    let request = head("/a?q=1&p=%31&p=2", &[("x-user", "ann"), ("cookie", "a=b; id=\"42\"; id=43")]);
    for (part, value) in [
        (header("x-user"), Some(&b"ann"[..])),
        (header("x-none"), None),
        (cookie(None), Some(b"42")),
        (cookie(Some(5)), Some(b"42")),
        (part(HashOn::Query("p".to_owned())), Some(b"1")),
        (part(HashOn::Query("none".to_owned())), None),
        (part(HashOn::SourceAddress(true)), Some(&[192, 0, 2, 7])),
    ] {
        assert_eq!(hash(std::slice::from_ref(&part), &request), value.map(|value| xx_hash(value, 0)), "{part:?}");
    }
    assert_eq!(address_hash("::ffff:192.0.2.7".parse().unwrap()), address_hash(IpAddr::from([192, 0, 2, 7])));
}

#[test]
fn parts_add_up_until_a_terminal_one() {
    let request = head("/", &[("a", "1"), ("b", "2")]);
    let both = [header("a"), header("none"), header("b")];
    let (one, two) = (xx_hash(b"1", 0), xx_hash(b"2", 0));
    assert_eq!(hash(&both, &request), Some(one.rotate_left(1) ^ two));
    assert_ne!(hash(&[header("b"), header("a")], &request), hash(&both, &request));
    let terminal = RouteHash { terminal: true, ..header("a") };
    assert_eq!(hash(&[terminal, header("b")], &request), Some(one));
    let missing = RouteHash { terminal: true, ..header("none") };
    assert_eq!(hash(&[missing, header("b")], &request), Some(two), "one that is missing ends nothing");
    assert_eq!(hash(&[], &request), None);
}

#[test]
fn the_order_of_a_headers_values_does_not_matter() {
    let (forth, back) = (head("/", &[("a", "1"), ("a", "2")]), head("/", &[("a", "2"), ("a", "1")]));
    assert_eq!(hash(&[header("a")], &forth), hash(&[header("a")], &back));
    assert_ne!(hash(&[header("a")], &forth), hash(&[header("a")], &head("/", &[("a", "1")])));
}

fn cookies(wish: &Wish, parts: &[RouteHash], sticky: Option<&Sticky>, secure: bool) -> Vec<String> {
    let mut headers = HeaderList::new();
    wish.set_cookies(&mut headers, parts, sticky, &"192.0.2.1:80".parse().unwrap(), secure);
    let values = headers.get_all(&HeaderId::SetCookie).map(|value| String::from_utf8(value.to_vec()).unwrap());
    values.collect()
}

#[test]
fn a_missing_cookie_is_made_and_leads_to_the_same_host_from_then_on() {
    let parts = [cookie(Some(90))];
    let first = wish(&parts, &head("/", &[]));
    let set = cookies(&first, &parts, None, false);
    assert_eq!(set, ["id=00000000000000000000000000000abc; Max-Age=90; Path=/shop; HttpOnly"]);
    let value = set[0].split(';').next().unwrap();
    let second = wish(&parts, &head("/", &[("cookie", value)]));
    assert_eq!(second.hash, first.hash);
    assert_eq!(cookies(&second, &parts, None, false), [""; 0]);

    let session = [cookie(Some(0))];
    let set = cookies(&wish(&session, &head("/", &[])), &session, None, true);
    assert_eq!(set, ["id=00000000000000000000000000000abc; Path=/shop; HttpOnly; Secure"]);
    let none = [cookie(None)];
    assert_eq!(wish(&none, &head("/", &[])), Wish::default());
}

#[test]
fn the_sticky_cookie_is_set_when_the_host_is_another() {
    let sticky = Sticky { cookie: "host".to_owned(), ttl: Some(Duration::from_secs(60)), path: "/".to_owned() };
    let of = |head: &RequestHead| Wish::of(&[], Some(&sticky), head, None, || 0);
    let first = of(&head("/", &[]));
    assert_eq!(first.sticky, None);
    let set = cookies(&first, &[], Some(&sticky), false);
    let (value, rest) = set[0].split_once(';').unwrap();
    assert_eq!(rest, " Max-Age=60; Path=/; HttpOnly");
    assert!(!value.contains("192"), "the address is not told");

    let again = of(&head("/", &[("cookie", value)]));
    assert_eq!(again.sticky, Some(sticky_id(&sticky, &"192.0.2.1:80".parse().unwrap())));
    assert_eq!(cookies(&again, &[], Some(&sticky), false), [""; 0]);
    for odd in ["host=", "host=1", "host=+000000000000001", "host=zzzzzzzzzzzzzzzz", "host=0123456789abcdef0"] {
        assert_eq!(of(&head("/", &[("cookie", odd)])).sticky, None, "{odd}");
    }
}

#[test]
fn any_cookies_are_read() {
    let samples: [&[u8]; 3] = [b"a=1; id=0123456789abcdef; b=2", b"id=\"0123456789ABCDEF\"", b"id=x;id=y"];
    let words: [&[u8]; 7] = [b";", b"=", b"\"", b" ", b"id=", b"id=\"", b"\xff"];
    mutation::check(&samples, &words, |value| {
        let mut headers = HeaderList::new();
        headers.push(HeaderId::Cookie, value);
        let found = find(&headers, "id");
        let has = value.windows(3).any(|bytes| bytes == b"id=") || value.windows(2).any(|bytes| bytes == b"id");
        assert!(found.is_none() || has);
        if let Some(id) = found.and_then(parse_id) {
            let text = hex(u128::from(id));
            assert!(found.is_some_and(|value| value.eq_ignore_ascii_case(&text[16..])));
        }
    });
}
