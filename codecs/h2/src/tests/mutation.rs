//! Seeded random frame sequences, mostly valid and then damaged, against both sides: no panic, nothing held without bound, the
//! same events in any cut, and books that balance. And a pair of ours that does random things to each other: no error at all.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use nuncio_http::{BodyLength, HeaderList, Method};

use super::pair::{End, Pair, epoch, get, pattern, post, response};
use super::raw::{
    ACK, CONTINUATION, DATA, END, GET, GOAWAY, HEADERS, PADDED, PING, POST, PREFACE, PRIORITY, PRIORITY_UPDATE,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WEIGHTED, WHOLE, WINDOW_UPDATE, block, frame, hello, settings, with,
};
use crate::{Connection, EncodeError, Limits, Reason, Recv, Request, Side, StreamRef};

/// Frame sequences of each side.
const SEQUENCES: u32 = 500_000;

/// Pairs of connections.
const PAIRS: u32 = 300;

/// Limits so small that random frames reach them.
fn small() -> Limits {
    Limits {
        head_bytes: 600,
        fields: 6,
        cookie_crumbs: 3,
        target_bytes: 20,
        trailer_bytes: 100,
        trailer_fields: 2,
        interim_responses: 2,
        max_concurrent_streams: 3,
        initial_stream_window: 300,
        connect_protocol: true,
        header_memory: 1000,
        continuations: 2,
        reset_burst: 5,
        glitch_burst: 12,
        outbound_control_frames: 8,
        outbound_frames: 20,
        ..Limits::default()
    }
}

const HEADS: &[&[(&str, &str)]] = &[
    GET,
    POST,
    &[(":method", "CONNECT"), (":authority", "a:1")],
    &[(":status", "200")],
    &[(":status", "103")],
    &[(":status", "204"), ("content-length", "0")],
    &[("x", "y")],
    &[],
];

const FIELDS: &[(&str, &str)] = &[
    ("content-length", "5"),
    ("content-length", "0"),
    ("cookie", "a=b"),
    ("cookie", ""),
    ("host", "a"),
    ("te", "trailers"),
    ("expect", "100-continue"),
    ("priority", "u=1"),
    ("connection", "close"),
    ("transfer-encoding", "chunked"),
    ("a_b", "c"),
    ("x", "a\nb"),
    (":protocol", "websocket"),
    ("x-long", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"),
];

/// A frame that makes some sense, put together in place.
fn put_frame(random: &mut Rng, out: &mut Vec<u8>) {
    let shift = random.u32(0..32);
    let id = if random.u8(..) < 8 { random.u32(..) >> shift } else { random.u32(0..5) * 2 + 1 };
    let flag = |random: &mut Rng, flag: u8, odds: u8| if random.u8(..) < odds { flag } else { 0 };
    let word = |random: &mut Rng| -> [u8; 4] {
        let shift = random.u32(0..32);
        (random.u32(..) >> shift).to_be_bytes()
    };
    match random.u32(0..20) {
        0..6 => {
            let mut payload = block(HEADS[random.usize(..HEADS.len())]);
            for _ in 0..random.u32(0..4) {
                payload.extend(block(&FIELDS[random.usize(..FIELDS.len())..][..1]));
            }
            if random.u8(..) < 20 {
                payload.extend_from_slice(&[0x82, 0x40, 1, b'x', 1, b'y', 0xbe]);
            }
            let mut flags = flag(random, END, 120) | flag(random, WHOLE, 230);
            if random.u8(..) < 20 {
                flags |= WEIGHTED;
                payload.splice(0..0, [word(random).as_slice(), &[9]].concat());
            }
            if random.u8(..) < 20 {
                flags |= PADDED;
                payload.insert(0, random.u8(0..4));
                payload.extend_from_slice(&[0; 3]);
            }
            out.extend(frame(HEADERS, flags, id, &payload));
        }
        6..11 => {
            let padded = flag(random, PADDED, 40);
            let payload = [random.u8(0..8); 100];
            let most = if random.bool() { 8 } else { 100 };
            let len = random.usize(0..most);
            out.extend(frame(DATA, flag(random, END, 60) | padded, id, &payload[..len]));
        }
        11 => out.extend(frame(RST_STREAM, 0, id, &word(random))),
        12 => {
            let setting = (random.u16(0..10), u32::from_be_bytes(word(random)));
            out.extend(if random.bool() { settings(&[setting]) } else { frame(SETTINGS, ACK, 0, b"") });
        }
        13 => out.extend(frame(PING, flag(random, ACK, 60), 0, &[0; 8])),
        14 => out.extend(frame(GOAWAY, 0, 0, &[word(random), word(random)].concat())),
        15 | 16 => {
            let to = if random.bool() { id } else { 0 };
            out.extend(frame(WINDOW_UPDATE, 0, to, &word(random)));
        }
        17 => {
            let fragment = block(&FIELDS[random.usize(..FIELDS.len())..][..1]);
            out.extend(frame(CONTINUATION, flag(random, WHOLE, 128), id, &fragment));
        }
        18 => match random.bool() {
            true => out.extend(frame(PRIORITY, 0, id, &[&word(random)[..], &[1]].concat())),
            false => out.extend(frame(PRIORITY_UPDATE, 0, 0, &[&word(random)[..], b"u=0"].concat())),
        },
        _ => out.extend(frame(if random.bool() { PUSH_PROMISE } else { random.u8(..) }, random.u8(..), id, &[0; 4])),
    }
}

/// Changes a few bytes.
fn damage(random: &mut Rng, sample: &mut Vec<u8>) {
    for _ in 0..random.u32(1..4) {
        let at = random.usize(..sample.len());
        match random.u32(0..4) {
            0 => sample.truncate(at + 1),
            1 => drop(sample.remove(at)),
            2 => sample.insert(at, random.u8(..)),
            _ => sample[at] = random.u8(..),
        }
        if sample.is_empty() {
            sample.push(0);
        }
    }
}

/// A caller that does something with what it gets, by dice.
struct Caller {
    connection: Connection,
    streams: Vec<StreamRef>,
    buf: BytesMut,
}

impl Caller {
    fn new(side: Side, limits: &Arc<Limits>, now: std::time::Instant) -> Caller {
        Caller { connection: Connection::new(side, limits.clone(), now), streams: Vec::new(), buf: BytesMut::new() }
    }

    /// Reads until there is no more; false: the connection is over.
    fn read(&mut self, random: &mut Rng, now: std::time::Instant) -> bool {
        loop {
            match self.connection.recv(&mut self.buf, now) {
                Ok(Recv::NeedMore) => return true,
                Err(_) => return false,
                Ok(Recv::Request { stream, .. } | Recv::Refused { stream, .. }) => self.streams.push(stream),
                Ok(Recv::Data { stream, chunk, .. }) if random.bool() => self.connection.release(stream, chunk.len()),
                Ok(_) => {}
            }
            if random.u8(..) < 200 {
                self.act(random);
            }
        }
    }

    fn act(&mut self, random: &mut Rng) {
        let connection = &mut self.connection;
        if !self.streams.is_empty() {
            let at = random.usize(..self.streams.len());
            let stream = self.streams[at];
            let end = random.bool();
            match random.u32(0..8) {
                0 | 1 => drop(connection.send_response(stream, &response(200, BodyLength::Unknown), end)),
                2 => drop(connection.send_interim(stream, &response(103, BodyLength::Empty))),
                3 => drop(connection.send_data(stream, Bytes::from_static(&[7; 500]), end)),
                4 => drop(connection.send_trailers(stream, &HeaderList::new())),
                5 => connection.reset(stream, Reason::CANCEL),
                6 => {
                    connection.forget(stream);
                    self.streams.swap_remove(at);
                }
                _ => drop(connection.send_continue(stream)),
            }
        }
        if random.bool() {
            connection.fill(1000);
            connection.output().clear();
            connection.on_flushed();
        }
    }

    /// What is held when all is given back: nothing.
    fn check_books(&mut self) {
        for stream in self.streams.drain(..) {
            self.connection.forget(stream);
        }
        assert_eq!((self.connection.streams(), self.connection.queued_total()), (0, 0));
        assert!(!self.connection.wants_fill());
        assert!(self.connection.memory() < 64 * 1024, "{}", self.connection.memory());
    }
}

fn random_sequences(side: Side, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let limits = Arc::new(small());
    let now = epoch();
    let front = match side {
        Side::Server => hello(),
        Side::Client => settings(&[]),
    };
    let (mut survived, mut sample) = (0, Vec::new());
    for _ in 0..SEQUENCES {
        sample.clear();
        for _ in 0..random.u32(1..6) {
            put_frame(&mut random, &mut sample);
        }
        if random.bool() {
            damage(&mut random, &mut sample);
        }
        let mut caller = Caller::new(side, &limits, now);
        caller.buf.extend_from_slice(&front);
        if side == Side::Client {
            let connect = random.u8(..) < 32;
            for _ in 0..3 {
                let mut head = if connect {
                    super::pair::request(Method::Connect, BodyLength::Unknown, &[])
                } else {
                    post(BodyLength::Unknown)
                };
                head.set_authority(b"a:1");
                caller.streams.extend(caller.connection.open(&head, None, random.bool()).ok());
            }
        }
        let (first, second) = sample.split_at(random.usize(..=sample.len()));
        caller.buf.extend_from_slice(first);
        if caller.read(&mut random, now) {
            caller.buf.extend_from_slice(second);
            survived += u32::from(caller.read(&mut random, now));
        }
        caller.check_books();
    }
    assert!(survived > SEQUENCES / 10, "too wild to test what is accepted: {survived}");
    assert!(survived < SEQUENCES / 10 * 9, "too tame: {survived}");
}

#[test]
fn random_frames_from_a_client() {
    random_sequences(Side::Server, 1);
}

#[test]
fn random_frames_from_a_server() {
    random_sequences(Side::Client, 2);
}

#[test]
fn random_frames_mean_the_same_in_any_cut() {
    let mut random = Rng::with_seed(3);
    for _ in 0..20_000 {
        let mut sample = [PREFACE, &settings(&[]), &super::raw::headers(1, 0, &with(POST, &[]))].concat();
        for _ in 0..random.u32(1..8) {
            put_frame(&mut random, &mut sample);
        }
        if random.u8(..) < 64 {
            damage(&mut random, &mut sample);
        }
        let read = |pieces: &[&[u8]]| {
            let mut end = End::new(Side::Server, small(), epoch());
            let now = end.now;
            for piece in pieces {
                end.feed(piece, now);
            }
            for (_, request) in &end.requests {
                let sent = resend(request);
                assert!(sent.is_ok(), "accepted, so it can be sent: {sent:?}: {}", sample.escape_ascii());
            }
            (end.take_log(), end.bodies, end.error)
        };
        let whole = read(&[&sample]);
        let (first, second) = sample.split_at(random.usize(..=sample.len()));
        assert_eq!(read(&[first, second]), whole, "cut at {}: {}", first.len(), sample.escape_ascii());
        let single: Vec<_> = sample.chunks(1).collect();
        assert_eq!(read(&single), whole, "byte by byte: {}", sample.escape_ascii());
    }
}

/// Sends a request on to a server that takes extended CONNECT.
fn resend(request: &Request) -> Result<StreamRef, EncodeError> {
    let mut client = End::new(Side::Client, Limits::default(), epoch());
    client.events(&settings(&[(8, 1)]));
    client.connection.open(&request.head, request.protocol, false)
}

/// Any mixture of what callers of both sides may do: all bodies arrive, and neither side ever finds fault with the other.
#[test]
fn random_exchanges_between_honest_sides() {
    let mut random = Rng::with_seed(4);
    for _ in 0..PAIRS {
        let window = |random: &mut Rng| random.u32(1..100_000);
        let limits = |random: &mut Rng| Limits {
            initial_stream_window: window(random),
            initial_connection_window: window(random),
            max_concurrent_streams: random.u32(1..20),
            header_table_size: random.u32(0..5000),
            ..Limits::default()
        };
        let (client, server) = (limits(&mut random), limits(&mut random));
        let mut pair = Pair::with(client, server);
        let mut sent: Vec<(StreamRef, usize)> = Vec::new();
        for _ in 0..random.u32(1..40) {
            if pair.client.connection.capacity() > 0 {
                let len = random.usize(0..40_000);
                let head = if len == 0 { get() } else { post(BodyLength::Exact(len as u64)) };
                let stream = pair.client.connection.open(&head, None, len == 0).unwrap();
                if len > 0 {
                    pair.client.connection.send_data(stream, pattern(len), true).unwrap();
                }
                sent.push((stream, len));
            }
            if random.bool() {
                exchange(&mut pair, &mut random, &mut sent);
            }
        }
        exchange(&mut pair, &mut random, &mut sent);
        assert_eq!((pair.client.error, pair.server.error), (None, None));
        assert_eq!((pair.client.connection.last_fault(), pair.server.connection.last_fault()), (None, None));
        assert_eq!((pair.client.connection.streams(), pair.server.connection.streams()), (0, 0));
    }
}

/// Answers what has come, some of it by a reset, and forgets it.
fn exchange(pair: &mut Pair, random: &mut Rng, sent: &mut Vec<(StreamRef, usize)>) {
    pair.run();
    let requests = std::mem::take(&mut pair.server.requests);
    assert_eq!(requests.len(), sent.len());
    let mut answers = Vec::new();
    for (&(client, len), (server, _)) in sent.iter().zip(&requests) {
        assert_eq!(client.id, server.id);
        assert_eq!(pair.server.body(*server), &pattern(len)[..]);
        let connection = &mut pair.server.connection;
        let len = random.usize(0..40_000);
        connection.send_response(*server, &response(200, BodyLength::Unknown), len == 0).unwrap();
        if len > 0 {
            connection.send_data(*server, pattern(len), true).unwrap();
        }
        let cancelled = random.u8(..) < 16;
        if cancelled {
            pair.client.connection.reset(client, Reason::CANCEL);
        }
        answers.push(if cancelled { None } else { Some(len) });
    }
    pair.run();
    for ((&(client, _), (server, _)), answer) in sent.iter().zip(&requests).zip(answers) {
        if let Some(len) = answer {
            assert_eq!(pair.client.body(client), &pattern(len)[..]);
            assert!(pair.client.connection.recv_done(client));
        }
        pair.client.connection.forget(client);
        pair.server.connection.forget(*server);
    }
    pair.run();
    sent.clear();
    for end in [&mut pair.client, &mut pair.server] {
        end.bodies.clear();
        end.log.clear();
    }
}
