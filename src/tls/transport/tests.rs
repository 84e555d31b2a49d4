use std::future::poll_fn;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::unbuffered::ConnectionState;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::runtime::Transport as _;
use crate::tls::engine::Engine;
use crate::tls::state::BATCH;
use crate::tls::testing::{Established, Tap, both, client_config, handshake, server_config, server_name, settle, wire};
use crate::tls::{HandshakeErrorKind, accept, connect};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Client, server and the wire between them: end 0 is the client's.
fn pair(version: &'static SupportedProtocolVersion) -> (Transport, Transport, Tap) {
    let (client, server) = (client_config(&[version], None), server_config(&[version]));
    let (client, server, tap) = handshake(Arc::new(client), Arc::new(server), "site.example.com");
    (client.unwrap().0, server.unwrap().0, tap)
}

async fn write_all(transport: &mut Transport, mut bytes: &[u8], rng: &mut fastrand::Rng) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut slices = Vec::new();
        let mut rest = &bytes[..rng.usize(1..=bytes.len())];
        while !rest.is_empty() && slices.len() < 16 {
            let (slice, behind) = rest.split_at(rng.usize(1..=rest.len()));
            slices.push(IoSlice::new(slice));
            rest = behind;
        }
        let written = poll_fn(|cx| transport.poll_write_vectored(cx, &slices)).await?;
        assert!(written > 0);
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads `len` bytes, or to the end.
async fn read(transport: &mut Transport, len: usize, rng: &mut fastrand::Rng) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let most = [1, 7, 1000, 16 << 10, 300_000][rng.usize(..5)].min(len - bytes.len());
        let mut buf = BytesMut::with_capacity(most);
        if rng.bool() {
            poll_fn(|cx| transport.poll_readable(cx)).await;
        }
        let read = poll_fn(|cx| transport.poll_read(cx, &mut buf, most)).await?;
        assert_eq!(read, buf.len());
        assert!(read <= most);
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buf);
    }
    Ok(bytes)
}

async fn close(transport: &mut Transport) {
    poll_fn(|cx| transport.poll_close(cx)).await.unwrap();
}

fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

fn read_now(transport: &mut Transport) -> Poll<io::Result<Vec<u8>>> {
    let mut buf = BytesMut::with_capacity(100_000);
    now(|cx| transport.poll_read(cx, &mut buf, usize::MAX)).map_ok(|_| buf.to_vec())
}

fn write_now(transport: &mut Transport, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
    let slices: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
    now(|cx| transport.poll_write_vectored(cx, &slices))
}

fn bytes(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

#[test]
fn both_ways_at_random_cuts_from_the_first_byte_to_both_ends() {
    for seed in 0..60 {
        let version = VERSIONS[seed as usize % 2];
        let mut rng = fastrand::Rng::with_seed(seed);
        let capacity = [1, 100, 5000, 70_000, 1 << 20][rng.usize(..5)];
        let lens = [0, 1, 300, 20_000, 200_000];
        let len = |rng: &mut fastrand::Rng| lens[rng.usize(..if capacity < 100 { 3 } else { 5 })];
        let (up, down) = (len(&mut rng), len(&mut rng));
        let (up, down) = (bytes(&mut rng, up), bytes(&mut rng, down));
        let (left, right, _) = wire(capacity, Some(seed));
        let (client, server) = (client_config(&[version], None), server_config(&[version]));
        let client = async {
            let mut rng = fastrand::Rng::with_seed(seed + 1);
            let mut connect = connect(left, Arc::new(client), server_name("site.example.com"));
            let (mut transport, session) = poll_fn(|cx| connect.poll(cx)).await.unwrap();
            assert_eq!(session.sni.as_deref(), Some("site.example.com"));
            write_all(&mut transport, &up, &mut rng).await.unwrap();
            close(&mut transport).await;
            assert_eq!(read(&mut transport, usize::MAX, &mut rng).await.unwrap(), down, "seed {seed}");
        };
        let server = async {
            let mut rng = fastrand::Rng::with_seed(seed + 2);
            let mut accept = accept(right, BytesMut::new(), Arc::new(server));
            let (mut transport, _) = poll_fn(|cx| accept.poll(cx)).await.unwrap();
            // The half-close leaves the other way open.
            let got = read(&mut transport, usize::MAX, &mut rng).await.unwrap();
            assert!(got == up, "seed {seed}");
            write_all(&mut transport, &down, &mut rng).await.unwrap();
            close(&mut transport).await;
        };
        both(client, server);
    }
}

#[test]
fn both_at_once() {
    for seed in 0..20 {
        let version = VERSIONS[seed as usize % 2];
        let (mut client, mut server, tap) = pair(version);
        tap.set_capacity([50, 3000, 100_000][seed as usize % 3]);
        let mut rng = fastrand::Rng::with_seed(seed);
        let data = bytes(&mut rng, 100_000);
        let talk = async |transport: &mut Transport, seed: u64| {
            // One task for both directions, as everywhere in the proxy.
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut sent, mut got) = (0, BytesMut::with_capacity(data.len()));
            poll_fn(|cx| {
                loop {
                    let before = (sent, got.len());
                    if sent < data.len()
                        && let Poll::Ready(written) = transport.poll_write_vectored(cx, &[IoSlice::new(&data[sent..])])
                    {
                        sent += written.unwrap();
                    }
                    if got.len() < data.len()
                        && let Poll::Ready(read) = transport.poll_read(cx, &mut got, rng.usize(1..20_000))
                    {
                        assert!(read.unwrap() > 0);
                    }
                    if (sent, got.len()) == (data.len(), data.len()) {
                        return Poll::Ready(());
                    }
                    if before == (sent, got.len()) {
                        return Poll::Pending;
                    }
                }
            })
            .await;
            assert!(got == data[..]);
        };
        both(talk(&mut client, seed + 1), talk(&mut server, seed + 2));
    }
}

#[test]
fn an_end_without_close_notify_is_an_error_behind_the_data() {
    for version in VERSIONS {
        let (mut client, mut server, tap) = pair(version);
        assert!(matches!(write_now(&mut server, &[b"cut"]), Poll::Ready(Ok(3))));
        tap.close(1);
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"cut"));
        for _ in 0..2 {
            match read_now(&mut client) {
                Poll::Ready(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
                other => panic!("{other:?}"),
            }
        }
        assert!(client.has_pending_read());
        // Within a record too.
        let (mut client, mut server, tap) = pair(version);
        assert!(read_now(&mut client).is_pending());
        assert!(write_now(&mut server, &[b"cut"]).is_ready());
        let record = tap.take(1);
        tap.put(1, &record[..record.len() - 1]);
        tap.close(1);
        assert!(
            matches!(read_now(&mut client), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof)
        );
    }
}

#[test]
fn a_half_close_reads_as_the_end_again_and_again() {
    for version in VERSIONS {
        let (mut client, mut server, _) = pair(version);
        assert!(write_now(&mut client, &[b"last"]).is_ready());
        assert!(matches!(now(|cx| client.poll_close(cx)), Poll::Ready(Ok(()))));
        assert!(matches!(now(|cx| client.poll_close(cx)), Poll::Ready(Ok(()))), "harmless");
        assert!(matches!(write_now(&mut client, &[b"more"]), Poll::Ready(Err(_))), "we have ended");
        assert!(matches!(read_now(&mut server), Poll::Ready(Ok(got)) if got == b"last"));
        for _ in 0..3 {
            assert!(matches!(read_now(&mut server), Poll::Ready(Ok(got)) if got.is_empty()));
        }
        assert_eq!(now(|cx| server.poll_hangup(cx)), Poll::Ready(Hangup::HalfClosed));
        assert!(now(|cx| server.poll_reset(cx)).is_pending());
        assert!(matches!(write_now(&mut server, &[b"answer"]), Poll::Ready(Ok(6))));
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"answer"));
        drop(server);
        assert!(matches!(read_now(&mut client), Poll::Ready(Err(_))), "it did not say that it was done");
    }
}

#[test]
fn a_write_says_only_what_has_left() {
    for version in VERSIONS {
        let (mut client, mut server, tap) = pair(version);
        assert!(read_now(&mut client).is_pending());
        let data = bytes(&mut fastrand::Rng::with_seed(1), 200_000);
        tap.set_capacity(40_000);
        // Two of the four records of a batch fit.
        let (head, body) = data.split_at(100);
        let before = tap.writes(1);
        assert!(matches!(write_now(&mut server, &[head, body]), Poll::Ready(Ok(32_768))));
        let rest = &data[32_768..];
        for _ in 0..3 {
            assert!(write_now(&mut server, &[rest]).is_pending());
            assert!(write_now(&mut server, &[&rest[..10], &rest[10..50_000]]).is_pending(), "fewer, cut elsewhere");
        }
        let kept = server.state.borrow().outgoing.len();
        assert!(kept <= BATCH - 32_768 + 1000, "{kept}");
        assert_eq!(tap.writes(1), before + 1, "one write, and none while there is no room");
        let mut got = Vec::new();
        while let Poll::Ready(Ok(read)) = read_now(&mut client) {
            got.extend(read);
        }
        assert!(matches!(write_now(&mut server, &[&rest[..10]]), Poll::Ready(Ok(10))));
        assert!(
            matches!(write_now(&mut server, &[&rest[10..]]), Poll::Ready(Ok(32_758))),
            "those sealed at first, no more"
        );
        while let Poll::Ready(Ok(read)) = read_now(&mut client) {
            got.extend(read);
        }
        assert!(got == data[..65_536]);
    }
}

#[test]
fn one_write_for_a_head_its_body_and_the_tickets() {
    let (mut client, mut server, tap) = pair(&TLS13);
    let before = tap.writes(1);
    assert!(!server.state.borrow().outgoing.is_empty(), "tickets wait for data");
    assert!(matches!(write_now(&mut server, &[b"head", b"body"]), Poll::Ready(Ok(8))));
    assert_eq!(tap.writes(1), before + 1);
    assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"headbody"));
    // A second one of known size: both slices are in one record.
    assert!(write_now(&mut server, &[b"head", b"body"]).is_ready());
    assert_eq!(tap.take(1).len(), 5 + 8 + 1 + 16);
}

#[test]
fn tickets_leave_when_the_server_waits_for_a_request() {
    let (mut client, mut server, tap) = pair(&TLS13);
    let before = tap.writes(1);
    assert!(now(|cx| server.poll_readable(cx)).is_pending());
    assert_eq!(tap.writes(1), before + 1);
    assert!(server.state.borrow().outgoing.is_empty());
    // They are nothing to read: the connection stays fit for a pool.
    assert!(!client.has_pending_read());
    assert!(read_now(&mut client).is_pending());
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    for version in VERSIONS {
        let (mut client, mut server, _) = pair(version);
        for _ in 0..2 {
            assert!(write_now(&mut client, &[&[1; 50_000]]).is_ready());
            while let Poll::Ready(Ok(_)) = read_now(&mut server) {}
            assert!(write_now(&mut server, &[&[1; 50_000]]).is_ready());
            while let Poll::Ready(Ok(_)) = read_now(&mut client) {}
        }
        for end in [&client, &server] {
            let state = end.state.borrow();
            assert_eq!((state.incoming.held, state.plain.capacity()), (0, 0));
            assert!(state.outgoing.is_empty());
        }
    }
    assert!(size_of::<Transport>() <= 512, "{}", size_of::<Transport>());
}

#[test]
fn what_is_pending() {
    for version in VERSIONS {
        let (mut client, mut server, tap) = pair(version);
        assert!(!client.has_pending_read() && !server.has_pending_read());
        assert!(write_now(&mut server, &[b"12345"]).is_ready());
        assert!(client.has_pending_read());
        assert!(now(|cx| client.poll_readable(cx)).is_ready());
        // A record that does not fit comes in pieces.
        for piece in [b"12", b"34"] {
            let mut buf = BytesMut::with_capacity(100);
            assert!(matches!(now(|cx| client.poll_read(cx, &mut buf, 2)), Poll::Ready(Ok(2))));
            assert_eq!(&buf[..], piece);
            assert!(client.has_pending_read() && now(|cx| client.poll_readable(cx)).is_ready());
        }
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"5"));
        assert!(!client.has_pending_read() && now(|cx| client.poll_readable(cx)).is_pending());
        // A part of a record may become anything.
        assert!(write_now(&mut server, &[b"6"]).is_ready());
        let record = tap.take(1);
        tap.put(1, &record[..6]);
        assert!(client.has_pending_read());
        assert!(read_now(&mut client).is_pending());
        assert!(client.has_pending_read());
        assert!(now(|cx| client.poll_readable(cx)).is_pending(), "but there is nothing to do about it");
        let held = client.state.borrow().incoming.held;
        assert!(held < 100, "{held}");
        tap.put(1, &record[6..]);
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"6"));
        // The end.
        assert!(now(|cx| server.poll_close(cx)).is_ready());
        assert!(client.has_pending_read());
        assert!(now(|cx| client.poll_readable(cx)).is_ready());
    }
}

#[test]
fn a_writer_does_not_read_what_nobody_asked_for() {
    for version in VERSIONS {
        let (mut client, mut server, _) = pair(version);
        let data = bytes(&mut fastrand::Rng::with_seed(2), 60_000);
        assert!(write_now(&mut client, &[&data]).is_ready());
        let mut buf = BytesMut::with_capacity(10);
        assert!(now(|cx| server.poll_read(cx, &mut buf, 10)).is_ready());
        for _ in 0..5 {
            assert!(write_now(&mut server, &[b"x"]).is_ready());
        }
        assert!(server.state.borrow().plain.len() <= 16 << 10);
        let mut got = buf.to_vec();
        while let Poll::Ready(Ok(read)) = read_now(&mut server) {
            got.extend(read);
        }
        assert!(got == data);
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"xxxxx"));
    }
}

#[test]
fn a_broken_record_is_an_error_and_the_other_side_is_told() {
    for version in VERSIONS {
        let (mut client, mut server, tap) = pair(version);
        assert!(read_now(&mut client).is_pending());
        assert!(write_now(&mut server, &[b"data"]).is_ready());
        let mut record = tap.take(1);
        *record.last_mut().unwrap() ^= 1;
        tap.put(1, &record);
        assert!(matches!(read_now(&mut client), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData));
        assert!(now(|cx| client.poll_reset(cx)).is_ready());
        assert!(matches!(write_now(&mut client, &[b"x"]), Poll::Ready(Err(_))));
        assert!(
            matches!(read_now(&mut server), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset)
        );
    }
}

#[test]
fn what_is_no_tls_is_told_apart() {
    let answers: [(&[u8], HandshakeErrorKind); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", HandshakeErrorKind::NotTls),
        (b"SSH-2.0-x\r\n", HandshakeErrorKind::NotTls),
        (b"\x17\x03\x03\0\x01a", HandshakeErrorKind::NotTls),
        (b"\x15\x03\x03\0\x02\x02\x70", HandshakeErrorKind::UnknownName),
        (b"", HandshakeErrorKind::Closed),
    ];
    for (answer, kind) in answers {
        let (left, right, tap) = wire(10_000, None);
        let mut connect = connect(left, Arc::new(client_config(&[&TLS13], None)), server_name("site.example.com"));
        tap.put(1, answer);
        drop(right);
        let result = now(|cx| connect.poll(cx)).map(|result| result.map(drop).map_err(|error| error.kind));
        assert_eq!(result, Poll::Ready(Err(kind)), "{answer:?}");
    }
    for (request, kind) in
        [(&b"GET / HTTP/1.1\r\n"[..], HandshakeErrorKind::NotTls), (b"\x16\x03\x01\0\x05", HandshakeErrorKind::Closed)]
    {
        let (left, right, _) = wire(10_000, None);
        let mut accept = accept(right, request.into(), Arc::new(server_config(&[&TLS13])));
        drop(left);
        let result = now(|cx| accept.poll(cx)).map(|result| result.map(drop).map_err(|error| error.kind));
        assert_eq!(result, Poll::Ready(Err(kind)), "{request:?}");
    }
}

#[test]
fn each_side_knows_why_there_is_no_session() {
    let kinds = |client: rustls::ClientConfig, server: rustls::ServerConfig, name: &str| {
        let (client, server, _) = handshake(Arc::new(client), Arc::new(server), name);
        let kind =
            |result: Result<Established, _>| result.map(drop).map_err(|error: crate::tls::HandshakeError| error.kind);
        (kind(client), kind(server))
    };
    use HandshakeErrorKind::*;
    assert_eq!(
        kinds(client_config(&[&TLS12], None), server_config(&[&TLS13]), "site.example.com"),
        (Err(Version), Err(Version))
    );
    assert_eq!(
        kinds(client_config(&[&TLS13], None), server_config(&[&TLS12]), "site.example.com"),
        (Err(Version), Err(Version))
    );
    assert_eq!(
        kinds(client_config(&[&TLS13], None), server_config(&[&TLS13]), "else.example.com"),
        (Err(BadCertificate), Err(BadCertificate))
    );
    let (mut client, mut server) = (client_config(&[&TLS13], None), server_config(&[&TLS13]));
    client.alpn_protocols = vec![b"a".to_vec()];
    server.alpn_protocols = vec![b"b".to_vec()];
    assert_eq!(kinds(client, server, "site.example.com"), (Err(Mismatch), Err(Mismatch)));
}

#[test]
fn bytes_read_before_are_the_first() {
    let (left, mut right, _) = wire(1 << 20, None);
    let client = async {
        let mut connect = connect(left, Arc::new(client_config(&[&TLS13], None)), server_name("site.example.com"));
        poll_fn(|cx| connect.poll(cx)).await.unwrap()
    };
    let server = async {
        let mut first = BytesMut::with_capacity(64);
        poll_fn(|cx| right.poll_read(cx, &mut first, 11)).await.unwrap();
        let mut accept = accept(right, first, Arc::new(server_config(&[&TLS13])));
        poll_fn(|cx| accept.poll(cx)).await.unwrap()
    };
    let ((_, client), (_, server)) = both(client, server);
    assert_eq!((client.cipher, server.cipher), ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"));
    assert!(client.peer.as_ref().is_some_and(|peer| peer.validated) && server.peer.is_none());
}

#[test]
fn a_change_of_keys_is_nothing_to_read_and_is_answered_with_the_next_write() {
    let (mut client, mut server, tap) = pair(&TLS13);
    settle(&mut client, &mut server);
    for _ in 0..3 {
        let state = server.state.get_mut();
        let Engine::Server(connection) = &mut state.engine else { panic!() };
        loop {
            match connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(traffic)) => break traffic.refresh_traffic_keys().unwrap(),
                other => panic!("{other:?}"),
            }
        }
        state.say_all();
        settle(&mut client, &mut server);
        assert!(read_now(&mut client).is_pending() && now(|cx| client.poll_readable(cx)).is_pending());
        assert!(matches!(write_now(&mut client, &[b"request"]), Poll::Ready(Ok(7))));
        let sent = tap.take(0);
        assert!(sent.len() > 5 + 7 + 17, "the answer comes before the data: {}", sent.len());
        tap.put(0, &sent);
        assert!(matches!(read_now(&mut server), Poll::Ready(Ok(got)) if got == b"request"));
        assert!(write_now(&mut server, &[b"response"]).is_ready());
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"response"));
    }
}

/// rustls notes places in the input while a message of the handshake is not whole: the input must stay there for it.
#[test]
fn a_write_between_the_parts_of_a_ticket() {
    let mut server = server_config(&[&TLS13]);
    server.max_fragment_size = Some(64);
    let (client, server) = (Arc::new(client_config(&[&TLS13], None)), Arc::new(server));
    let mut cut = 1;
    loop {
        let (left, right, tap) = handshake(client.clone(), server.clone(), "site.example.com");
        let ((mut client, _), (mut server, _)) = (left.unwrap(), right.unwrap());
        assert!(write_now(&mut server, &[b"data"]).is_ready());
        let tickets = tap.take(1);
        if cut > tickets.len() {
            break;
        }
        tap.put(1, &tickets[..cut]);
        if cut % 2 == 0 {
            assert!(client.has_pending_read() || cut % 5 == 0);
        } else {
            let _ = read_now(&mut client);
        }
        assert!(write_now(&mut client, &[b"request"]).is_ready());
        assert!(matches!(read_now(&mut server), Poll::Ready(Ok(got)) if got == b"request"));
        if cut == tickets.len() && cut % 2 == 1 {
            continue;
        }
        tap.put(1, &tickets[cut..]);
        assert!(matches!(read_now(&mut client), Poll::Ready(Ok(got)) if got == b"data"), "{cut}");
        cut += 7;
    }
    assert!(cut > 400);
}

#[test]
fn broken_bytes_end_in_errors() {
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let version = VERSIONS[seed as usize % 2];
        let (client, server) = (client_config(&[version], None), server_config(&[version]));
        let (left, right, tap) = wire(1 << 20, None);
        let mut connect = connect(left, Arc::new(client), server_name("site.example.com"));
        let mut accept = accept(right, BytesMut::new(), Arc::new(server));
        let (mut client, mut server) = (None, None);
        let mut damage = rng.usize(..6);
        for _ in 0..8 {
            match &mut client {
                None => client = ready_or_none(now(|cx| connect.poll(cx))),
                Some(Ok((transport, _))) => use_somehow(transport, &mut rng),
                Some(Err(_)) => break,
            }
            match &mut server {
                None => server = ready_or_none(now(|cx| accept.poll(cx))),
                Some(Ok((transport, _))) => use_somehow(transport, &mut rng),
                Some(Err(_)) => break,
            }
            if damage == 0 {
                let from = rng.usize(..2);
                let mut bytes = tap.take(from);
                match (rng.usize(..4), bytes.len()) {
                    (_, 0) => bytes = vec![rng.u8(..); rng.usize(..40)],
                    (0, len) => bytes.truncate(rng.usize(..len)),
                    (1, len) => bytes.extend_from_within(rng.usize(..len)..),
                    (_, len) => bytes[rng.usize(..len)] ^= 1 << rng.u8(..8),
                }
                tap.put(from, &bytes);
            }
            damage = damage.wrapping_sub(1);
        }
    }
}

fn ready_or_none<T>(poll: Poll<T>) -> Option<T> {
    if let Poll::Ready(value) = poll { Some(value) } else { None }
}

fn use_somehow(transport: &mut Transport, rng: &mut fastrand::Rng) {
    match rng.usize(..5) {
        0 => drop(read_now(transport)),
        1 => drop(write_now(transport, &[b"abc", &[0; 20_000]])),
        2 => drop(transport.has_pending_read()),
        3 => drop(now(|cx| transport.poll_readable(cx))),
        _ => drop(now(|cx| transport.poll_hangup(cx))),
    }
}

#[test]
fn a_reader_that_gets_nothing_lets_others_have_their_turn() {
    let (mut client, mut server, tap) = pair(&TLS13);
    settle(&mut client, &mut server);
    assert!(write_now(&mut server, &[&[7; 1000]]).is_ready());
    tap.set_most(1);
    assert!(client.has_pending_read(), "it cannot tell");
    assert!(read_now(&mut client).is_pending(), "a byte at a time");
    let woken = both(poll_fn(|cx| client.poll_read(cx, &mut BytesMut::with_capacity(2000), 2000)), async {}).0;
    assert!(matches!(woken, Ok(1000)), "it is polled again");
}
