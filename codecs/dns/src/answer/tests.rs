//! What is believed of an answer, and what is not; each message also cut at every byte, and with every byte changed.

use super::*;
use crate::testing::{Built, asked, name};

const SECOND: Duration = Duration::from_secs(1);

fn a() -> Asked {
    asked("www.zone", RecordType::A)
}

/// The outcome; no shorter or changed message panics, nor is read as an outcome of another query.
fn outcome(message: &Built, asked: &Asked) -> Outcome {
    let bytes = &message.0;
    for cut in 0..bytes.len() {
        let _ = parse(&bytes[..cut], asked);
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[cut] ^= flip;
            let _ = parse(&changed, asked);
        }
    }
    match parse(bytes, asked) {
        Ok(Reply::Outcome(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

fn addresses(texts: &[&str], ttl: u64) -> Outcome {
    let addresses = texts.iter().map(|it| it.parse().unwrap()).collect();
    Outcome::Answer { records: Records::Addresses(addresses), ttl: Duration::from_secs(ttl) }
}

#[test]
fn addresses_in_the_answers_order_with_the_least_ttl() {
    let message = Built::to(&a()).a("www.zone", 60, "192.0.2.2").a("www.zone", 30, "192.0.2.1").opt(0);
    assert_eq!(outcome(&message, &a()), addresses(&["192.0.2.2", "192.0.2.1"], 30));
    let asked = asked("www.zone", RecordType::Aaaa);
    let message = Built::to(&asked).aaaa("WWW.zone", 1, "2001:db8::1");
    assert_eq!(outcome(&message, &asked), addresses(&["2001:db8::1"], 1));
}

#[test]
fn only_the_chain_of_aliases_counts() {
    let message = Built::to(&a())
        .a("evil", 9, "198.51.100.1")
        .a("b.zone", 60, "192.0.2.1")
        .cname("a.zone", 20, "b.zone")
        .cname("www.zone", 40, "a.zone")
        .a("www.zone.evil", 9, "198.51.100.2")
        .record(2, "www.zone", 1, 1, 9, &[198, 51, 100, 3])
        .record(3, "b.zone", 1, 1, 9, &[198, 51, 100, 4]);
    assert_eq!(outcome(&message, &a()), addresses(&["192.0.2.1"], 20));
    // An address beside an alias is not the name's.
    let message = Built::to(&a()).a("www.zone", 9, "198.51.100.1").cname("www.zone", 40, "a.zone");
    assert_eq!(outcome(&message, &a()), Outcome::NoData { ttl: None });
    // Nor one of another class or type.
    let message = Built::to(&a()).record(1, "www.zone", 1, 3, 9, &[198, 51, 100, 1]).aaaa("www.zone", 9, "2001:db8::1");
    assert_eq!(outcome(&message, &a()), Outcome::NoData { ttl: None });
}

#[test]
fn chains_are_followed_for_eight_names() {
    let chain = |len: usize| {
        let owner = |at: usize| if at == 0 { "www.zone".to_owned() } else { format!("n{at}.zone") };
        let links = (0..len).rev().fold(Built::to(&a()), |it, at| it.cname(&owner(at), 5, &owner(at + 1)));
        links.a(&owner(len), 5, "192.0.2.1")
    };
    assert_eq!(outcome(&chain(MAX_CHAIN), &a()), addresses(&["192.0.2.1"], 5));
    assert_eq!(outcome(&chain(MAX_CHAIN + 1), &a()), Outcome::Failed(Failure::LongChain));
    let circle = Built::to(&a()).cname("www.zone", 5, "a.zone").cname("a.zone", 5, "www.zone");
    assert_eq!(outcome(&circle, &a()), Outcome::Failed(Failure::LongChain));
}

#[test]
fn services() {
    let asked = asked("_x._tcp.zone", RecordType::Srv);
    let message = Built::to(&asked)
        .srv("_x._tcp.zone", 10, [1, 0, 8080], "a.zone")
        .srv("_x._tcp.zone", 10, [0, 7, 80], "b.zone")
        .srv("_x._tcp.zone", 10, [0, 7, 0], ".");
    let srv = |priority, weight, port, target| Srv { priority, weight, port, target: name(target) };
    let records = Records::Srv(vec![srv(1, 0, 8080, "a.zone"), srv(0, 7, 80, "b.zone")]);
    assert_eq!(outcome(&message, &asked), Outcome::Answer { records, ttl: 10 * SECOND });
    let gone = Built::to(&asked).srv("_x._tcp.zone", 10, [0, 0, 0], ".");
    assert_eq!(outcome(&gone, &asked), Outcome::NoData { ttl: None });
    let portless = Built::to(&asked).srv("_x._tcp.zone", 10, [0, 0, 0], "a.zone");
    assert_eq!(outcome(&portless, &asked), Outcome::Failed(Failure::Malformed));
    let odd = Built::to(&asked).record(1, "_x._tcp.zone", 33, 1, 10, b"\0\0\0\0\0\x50\x03a\nb\0");
    assert_eq!(outcome(&odd, &asked), Outcome::Failed(Failure::Malformed), "no host is called so");
}

#[test]
fn nothing_and_for_how_long() {
    let ttl = |seconds| Some(Duration::from_secs(seconds));
    let none = Built::to(&a());
    for (message, expected) in [
        (none.clone(), Outcome::NoData { ttl: None }),
        (none.clone().soa(300, 20), Outcome::NoData { ttl: ttl(20) }),
        (none.clone().soa(10, 20), Outcome::NoData { ttl: ttl(10) }),
        (none.clone().cname("www.zone", 5, "a.zone").soa(300, 20), Outcome::NoData { ttl: ttl(5) }),
        (none.clone().flags(3), Outcome::NxDomain { ttl: None }),
        (none.clone().flags(3).cname("www.zone", 5, "a.zone").soa(300, 300), Outcome::NxDomain { ttl: ttl(5) }),
        (none.clone().record(2, "zone", 2, 1, 5, b"\x01n\0"), Outcome::Failed(Failure::Referral)),
        (none.record(2, "zone", 2, 1, 5, b"\x01n\0").soa(7, 9), Outcome::NoData { ttl: ttl(7) }),
    ] {
        assert_eq!(outcome(&message, &a()), expected);
    }
}

#[test]
fn errors() {
    let none = Built::to(&a());
    for (message, failure) in [
        (none.clone().flags(2), Failure::Code(2)),
        (none.clone().flags(5).count(1, 1), Failure::Code(5)),
        // BADVERS looks like success without the record of EDNS.
        (none.clone().opt(1), Failure::Code(16)),
        (none.clone().opt(0).opt(0), Failure::Malformed),
        (none.clone().count(1, 1), Failure::Malformed),
        (none.clone().flags(3).count(2, 1), Failure::Malformed),
        (none.clone().count(1, 0xffff), Failure::Malformed),
        (none.clone().record(1, "www.zone", 1, 1, 5, &[1, 2, 3]), Failure::Malformed),
        (none.clone().record(1, "www.zone", 1, 1, 5, &[1, 2, 3, 4, 5]), Failure::Malformed),
        (none.clone().record(1, "www.zone", 5, 1, 5, b"\x01a\0\0"), Failure::Malformed),
        (none.clone().record(1, "www.zone", 5, 1, 5, b"\x01a"), Failure::Malformed),
        (none.record(1, "www.zone", 5, 1, 5, b""), Failure::Malformed),
    ] {
        assert_eq!(outcome(&message, &a()), Outcome::Failed(failure));
    }
}

#[test]
fn as_many_records_as_are_read() {
    let many = |count: usize| (0..count).fold(Built::to(&a()), |it, _| it.a("www.zone", 5, "192.0.2.1"));
    let parsed = |message: Built| parse(&message.0, &a());
    let Ok(Reply::Outcome(Outcome::Answer { .. })) = parsed(many(MAX_RECORDS)) else { panic!() };
    assert_eq!(parsed(many(MAX_RECORDS + 1)), Ok(Reply::Outcome(Outcome::Failed(Failure::Malformed))));
}

#[test]
fn a_ttl_beyond_all_bounds_is_none() {
    assert_eq!(outcome(&Built::to(&a()).a("www.zone", 1 << 31, "192.0.2.1"), &a()), addresses(&["192.0.2.1"], 0));
}

#[test]
fn what_does_not_answer_the_query_is_no_answer() {
    let sound = Built::to(&a()).a("www.zone", 5, "192.0.2.1");
    let other = |edit: fn(&mut Vec<u8>)| {
        let mut message = sound.clone().0;
        edit(&mut message);
        parse(&message, &a())
    };
    for (edit, stray) in [
        ((|it| it[0] ^= 1) as fn(&mut Vec<u8>), Stray::Other),
        (|it| it[1] ^= 0x80, Stray::Other),
        (|it| it[2] &= 0x7f, Stray::Other),
        (|it| it[2] |= 0x10, Stray::Other),
        (|it| it[5] = 0, Stray::Other),
        (|it| it[5] = 2, Stray::Other),
        (|it| it[13] = b'v', Stray::Other),
        (|it| it[13] ^= 0x20, Stray::OtherCase),
        (|it| it[23] = 28, Stray::Other),
        (|it| it[25] = 3, Stray::Other),
        (|it| it.truncate(25), Stray::Other),
        (|it| it.truncate(11), Stray::Other),
        (Vec::clear, Stray::Other),
    ] {
        assert_eq!(other(edit), Err(stray));
    }
    let lenient = Asked { exact: false, ..a() };
    let mut message = sound.0;
    message[13] ^= 0x20;
    assert!(parse(&message, &lenient).is_ok());
}

#[test]
fn truncated() {
    assert_eq!(parse(&Built::to(&a()).flags(TC).0, &a()), Ok(Reply::Truncated));
}
