//! The way of a query through servers that answer, fail, lie and are silent, on a clock of its own.

use super::*;
use crate::testing::{Built, question};
use crate::{Outcome, RecordType, Records};

/// A query and what it has sent.
struct Asking {
    query: Query,
    now: Instant,
    rng: fastrand::Rng,
    sent: Option<Transmit>,
}

#[expect(clippy::disallowed_methods, reason = "time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn servers(count: u8) -> Vec<SocketAddr> {
    (1..=count).map(|at| SocketAddr::from(([192, 0, 2, at], 53))).collect()
}

fn policy(attempts: u32) -> Policy {
    Policy { attempts, ..Policy::default() }
}

impl Asking {
    fn new(count: u8, policy: Policy) -> Asking {
        let query = Query::new(question("www.zone", RecordType::A), &servers(count), policy);
        let mut asking = Asking { query, now: start(), rng: fastrand::Rng::with_seed(7), sent: None };
        asking.poll();
        asking
    }

    fn poll(&mut self) {
        let rng = &mut self.rng;
        let random = || {
            let mut bytes = [0; RANDOM];
            rng.fill(&mut bytes);
            bytes
        };
        if let Some(transmit) = self.query.poll_transmit(self.now, random) {
            self.sent = Some(transmit);
        }
    }

    /// Whom it waits for: server and transport.
    fn waits_for(&self) -> (u8, Transport) {
        assert_eq!(self.query.outcome(), None);
        let sent = self.sent.as_ref().unwrap();
        let SocketAddr::V4(server) = sent.server else { panic!() };
        (server.ip().octets()[3], sent.transport)
    }

    fn message(&self) -> Vec<u8> {
        let sent = self.sent.as_ref().unwrap();
        match sent.transport {
            Transport::Datagram => sent.message.clone(),
            Transport::Stream => {
                let (len, message) = sent.message.split_at(2);
                assert_eq!(len, (message.len() as u16).to_be_bytes());
                message.to_vec()
            }
        }
    }

    fn answer(&mut self, build: impl FnOnce(Built) -> Built) {
        let answer = build(Built::to_message(&self.message()));
        self.query.handle_message(&answer.0);
        self.poll();
    }

    fn wait(&mut self) {
        let deadline = self.query.poll_timeout().unwrap();
        self.query.handle_timeout(deadline - Duration::from_millis(1));
        assert_eq!(self.query.poll_timeout(), Some(deadline), "not yet");
        self.now = deadline;
        self.query.handle_timeout(deadline);
        self.poll();
    }

    fn failure(&self) -> Failure {
        match self.query.outcome() {
            Some(Outcome::Failed(failure)) => *failure,
            other => panic!("{other:?}"),
        }
    }
}

fn good(built: Built) -> Built {
    built.a("www.zone", 5, "192.0.2.9")
}

/// The name in lower case, as servers do that know no better.
fn lower(mut built: Built) -> Built {
    built.0[12..22].make_ascii_lowercase();
    built
}

fn upper(mut built: Built) -> Built {
    built.0[13..16].make_ascii_uppercase();
    built
}

fn is_answered(asking: &Asking) -> bool {
    matches!(asking.query.outcome(), Some(Outcome::Answer { records: Records::Addresses(all), .. }) if all.len() == 1)
}

use Transport::{Datagram, Stream};

#[test]
fn the_first_answer_is_taken() {
    let mut asking = Asking::new(2, policy(2));
    assert_eq!(asking.waits_for(), (1, Datagram));
    asking.answer(good);
    assert!(is_answered(&asking));
    assert_eq!(asking.query.poll_timeout(), None);
    assert_eq!(asking.query.counts(), Counts { datagrams: 1, ..Counts::default() });
    for none in [2, 3] {
        let mut asking = Asking::new(2, policy(2));
        asking.answer(|built| built.flags(none));
        let known = matches!(asking.query.outcome(), Some(Outcome::NxDomain { .. }));
        assert_eq!(known, none == 3, "only a server that knows nothing is asked no more");
    }
}

#[test]
fn silence_goes_around_as_often_as_it_may() {
    let mut asking = Asking::new(3, policy(2));
    let begun = asking.now;
    for server in [1, 2, 3, 1, 2, 3] {
        assert_eq!(asking.waits_for(), (server, Datagram));
        asking.wait();
    }
    assert_eq!(asking.failure(), Failure::Timeout);
    assert_eq!(asking.now - begun, 6 * Policy::default().timeout);
    assert_eq!(asking.query.counts().timeouts, 6);
}

#[test]
fn who_has_failed_is_not_asked_again() {
    let mut asking = Asking::new(3, policy(2));
    asking.answer(|built| built.flags(2));
    assert_eq!(asking.waits_for(), (2, Datagram));
    asking.wait();
    asking.answer(|built| built.flags(5));
    assert_eq!(asking.waits_for(), (2, Datagram), "the silent one has another try");
    asking.wait();
    assert_eq!(asking.failure(), Failure::Code(5));

    let mut asking = Asking::new(1, policy(5));
    asking.query.handle_unreachable();
    asking.poll();
    assert_eq!(asking.waits_for(), (1, Datagram), "it may be back");
    asking.answer(|built| built.count(1, 1));
    assert_eq!(asking.failure(), Failure::Malformed);
}

#[test]
fn nobody_to_ask() {
    assert_eq!(Asking::new(0, policy(2)).failure(), Failure::NoServer);
    let mut asking = Asking::new(2, policy(1));
    for _ in 0..2 {
        asking.query.handle_unreachable();
        asking.poll();
    }
    assert_eq!(asking.failure(), Failure::Unreachable);
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp_from_the_same_server() {
    let mut asking = Asking::new(2, policy(1));
    asking.wait();
    asking.answer(|built| built.flags(1 << 9));
    assert_eq!(asking.waits_for(), (2, Stream));
    assert_eq!(asking.query.poll_timeout(), Some(asking.now + Duration::from_secs(5)));
    asking.answer(good);
    assert!(is_answered(&asking));
    // Not twice.
    let mut asking = Asking::new(1, policy(1));
    asking.answer(|built| built.flags(1 << 9));
    asking.answer(|built| built.flags(1 << 9));
    assert_eq!(asking.failure(), Failure::Malformed);
}

#[test]
fn each_message_has_its_own_id_and_case() {
    let mut asking = Asking::new(1, policy(20));
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        assert!(seen.insert(asking.message()[..22].to_vec()));
        asking.wait();
    }
}

#[test]
fn strays_are_ignored_until_they_are_too_many() {
    let mut asking = Asking::new(1, policy(1));
    for at in 0..MAX_STRAYS {
        let mut other = good(Built::to_message(&asking.message())).0;
        other[0] ^= 0x55;
        asking.query.handle_message(if at % 2 == 0 { &other } else { b"" });
        asking.poll();
        assert_eq!(asking.waits_for(), (1, Datagram));
    }
    asking.query.handle_message(b"one more");
    asking.poll();
    assert_eq!(asking.waits_for(), (1, Stream));
    asking.answer(good);
    assert!(is_answered(&asking));
    assert_eq!(asking.query.counts().strays, MAX_STRAYS + 1);
}

#[test]
fn a_server_that_changes_case_is_asked_again_then_plainly_then_over_tcp() {
    let mut asking = Asking::new(1, policy(1));
    for _ in 0..2 {
        let sent = asking.message();
        assert!(sent[13..22].iter().any(u8::is_ascii_uppercase), "mixed");
        asking.answer(|built| lower(good(built)));
        assert_eq!(asking.waits_for(), (1, Datagram));
    }
    assert!(!asking.message()[13..22].iter().any(u8::is_ascii_uppercase), "plain");
    let mut plain = Asking { sent: asking.sent.clone(), ..Asking::new(1, policy(1)) };
    std::mem::swap(&mut plain.query, &mut asking.query);
    plain.answer(|built| upper(good(built)));
    assert_eq!(plain.waits_for(), (1, Stream));
    plain.answer(|built| upper(good(built)));
    assert!(is_answered(&plain));
    assert_eq!(plain.query.counts().other_case, 3);
}

#[test]
fn a_server_without_edns_is_asked_without() {
    for code in [1, 4] {
        let mut asking = Asking::new(2, policy(1));
        assert_eq!(asking.message()[11], 1);
        asking.answer(|built| built.flags(code));
        assert_eq!((asking.waits_for(), asking.message()[11]), ((1, Datagram), 0));
        asking.answer(|built| built.flags(code));
        assert_eq!((asking.waits_for(), asking.message()[11]), ((2, Datagram), 1));
    }
}

#[test]
fn tcp_alone() {
    let mut asking = Asking::new(2, Policy { tcp_only: true, attempts: 1, ..Policy::default() });
    assert_eq!(asking.waits_for(), (1, Stream));
    asking.answer(|mut built| {
        built.0[0] ^= 1;
        built
    });
    assert_eq!(asking.waits_for(), (2, Stream), "another answer on a stream is the server's fault");
    asking.answer(good);
    assert!(is_answered(&asking));
}

/// Whatever comes in whatever order, a query ends after so many messages.
#[test]
fn every_query_ends() {
    for seed in 0..2000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut asking = Asking::new(rng.u8(1..4), policy(rng.u32(1..4)));
        let mut steps = 0;
        while asking.query.outcome().is_none() {
            steps += 1;
            assert!(steps < 12 * (70 + 6), "seed {seed}");
            match rng.u8(0..20) {
                0 => asking.wait(),
                1 => asking.query.handle_unreachable(),
                2 => asking.answer(|built| built.flags(1 << 9)),
                3 => asking.answer(|built| built.flags(2)),
                4 => asking.answer(|built| built.flags(1)),
                5 => asking.answer(|built| lower(good(built))),
                6 => asking.answer(|built| upper(good(built))),
                _ => asking.query.handle_message(b"stray"),
            }
            asking.poll();
        }
    }
}
