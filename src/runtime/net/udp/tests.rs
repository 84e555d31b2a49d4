//! Sockets against plain std sockets on the other end.

use std::net::UdpSocket;
use std::time::Duration;

use super::outbox::Message;
use super::*;
use crate::runtime::run_worker;

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn recv(socket: &UdpSocket) -> Vec<u8> {
    let mut buf = vec![0; 1 << 16];
    let len = socket.recv(&mut buf).unwrap();
    buf.truncate(len);
    buf
}

fn connected(bytes: &[u8]) -> Outgoing<'_> {
    Outgoing { bytes, path: None }
}

/// Everything in the inbox, cut into datagrams.
fn datagrams(inbox: &Inbox) -> Vec<Vec<u8>> {
    let slots = inbox.received().iter().enumerate();
    slots.flat_map(|(slot, received)| received.datagrams().map(move |at| inbox.bytes(slot)[at].to_vec())).collect()
}

#[test]
fn parts_of_a_coalesced_batch() {
    let parts = |len, segment| {
        let received = Received { peer: None, local: None, len, segment };
        received.datagrams().map(|range| range.len()).collect::<Vec<_>>()
    };
    assert_eq!(parts(0, 0), [0]);
    assert_eq!(parts(7, 0), [7]);
    assert_eq!(parts(7, 7), [7]);
    assert_eq!(parts(15, 7), [7, 7, 1]);
    assert_eq!(parts(14, 7), [7, 7]);
}

#[test]
fn batches_arrive_in_order_and_as_they_were() {
    let peer = peer();
    let connection = UdpConnection::connect(peer.local_addr().unwrap()).unwrap();
    peer.connect(connection.local_addr().inet().unwrap()).unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    // equal ones, shorter ones behind them, empty ones, and more than one system call takes
    let lengths = [10, 10, 10, 4, 10, 0, 0, 3, 3, 2, 2, 60_000];
    let sent: Vec<Vec<u8>> = (0..180).map(|at| vec![at as u8; lengths[at % 12].min(200)]).collect();
    let result = outbox.send(&connection, sent.iter().map(|datagram| connected(datagram)));
    let bytes = sent.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(result, Sent { datagrams: 180, bytes, ..Sent::default() });
    for datagram in &sent {
        assert_eq!(&recv(&peer), datagram);
    }
    for datagram in &sent[..40] {
        peer.send(datagram).unwrap();
    }
    let mut received = Vec::new();
    while received.len() < 40 {
        inbox.clear();
        let (count, more) = inbox.recv_batch(&connection).unwrap();
        assert_eq!(more, count == Inbox::SLOTS);
        received.extend(datagrams(&inbox));
    }
    assert_eq!(received, sent[..40]);
    assert_eq!(inbox.recv_batch(&connection).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn what_the_kernel_coalesced_is_cut_apart() {
    let receiver = &UdpListener::bind_group("127.0.0.1:0".parse().unwrap(), 1).unwrap()[0];
    let connection = UdpConnection::connect(receiver.local_addr()).unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let sent: Vec<Vec<u8>> = (0..9).map(|at| vec![at; if at == 8 { 20 } else { 100 }]).collect();
    outbox.send(&connection, sent.iter().map(|datagram| connected(datagram)));
    inbox.recv_batch(receiver).unwrap();
    assert_eq!(datagrams(&inbox), sent);
    let peer = connection.local_addr().inet();
    assert!(inbox.received().iter().all(|received| received.peer == peer));
    // on this kernel they left as one message and came as one
    assert!(inbox.received().len() < 9);
}

#[test]
fn segments_longer_than_a_packet_leave_apart() {
    let peer = peer();
    let connection = UdpConnection::connect(peer.local_addr().unwrap()).unwrap();
    let mut outbox = Outbox::new();
    // an error that only segments meet: as where the link's packets are shorter than these
    let sent = [vec![1u8; 30_000], vec![2; 30_000], vec![3; 30_000]];
    let mut result = Sent::default();
    outbox.messages.push(Message { path: None, first: 0, count: 3, segment: 30_000, len: 90_000, open: true });
    for (piece, datagram) in outbox.pieces.iter_mut().zip(&sent) {
        *piece = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    }
    outbox.transmit(connection.as_fd(), &mut result);
    assert_eq!(result, Sent { datagrams: 3, bytes: 90_000, ..Sent::default() });
    assert_eq!(outbox.longest_segment, 29_999, "not tried again");
    sent.iter().for_each(|datagram| assert_eq!(&recv(&peer), datagram));
}

#[test]
fn a_wildcard_socket_knows_what_was_asked_and_answers_from_there() {
    let listener = &UdpListener::bind_group("0.0.0.0:0".parse().unwrap(), 2).unwrap()[..];
    let port = listener[0].local_addr().port();
    assert_eq!(listener[1].local_addr().port(), port);
    let client = peer();
    let to: SocketAddr = format!("127.0.0.9:{port}").parse().unwrap();
    client.send_to(b"question", to).unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let socket = listener.iter().find(|socket| inbox.recv_batch(*socket).is_ok()).unwrap();
    let received = inbox.received()[0];
    assert_eq!((received.peer, received.local), (client.local_addr().ok(), Some(to.ip())));
    let path = Path { peer: client.local_addr().unwrap(), local: received.local };
    let answers = [&b"one"[..], b"two", b"three"].map(|bytes| Outgoing { bytes, path: Some(path) });
    assert_eq!(outbox.send(socket, answers).datagrams, 3);
    for answer in answers {
        let mut buf = [0; 100];
        let (len, from) = client.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (answer.bytes, to));
    }
}

#[test]
fn a_refusal_is_told_once_and_loses_nothing() {
    let gone = peer();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let connection = UdpConnection::connect(address).unwrap();
    let mut outbox = Outbox::new();
    assert_eq!(outbox.send(&connection, [connected(b"1")]), Sent { datagrams: 1, bytes: 1, ..Sent::default() });
    let back = UdpSocket::bind(address).unwrap();
    for datagrams in [&[b"2"][..], &[b"3", b"4"]] {
        let sent = outbox.send(&connection, datagrams.iter().map(|bytes| connected(*bytes)));
        let refused = u64::from(datagrams.len() == 1);
        let count = datagrams.len() as u64;
        assert_eq!(sent, Sent { datagrams: count, bytes: count, lost: 0, refused });
        datagrams.iter().for_each(|bytes| assert_eq!(recv(&back), bytes.as_slice()));
    }
}

#[test]
fn one_at_a_time_until_it_coalesces() {
    let (one, other) = (peer(), peer());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    let [connection, back] = [one, other].map(|socket| UdpConnection { fd: socket.into() });
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let sent = [&b"11"[..], b"22", b"3"];
    outbox.send(&back, sent.map(connected));
    (0..3).for_each(|_| inbox.recv_one(&connection).unwrap());
    assert_eq!(datagrams(&inbox), sent);
    assert_eq!(inbox.recv_one(&connection).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    connection.coalesce();
    outbox.send(&back, sent.map(connected));
    inbox.clear();
    inbox.recv_batch(&connection).unwrap();
    assert_eq!(datagrams(&inbox), sent);
    assert_eq!(inbox.received().len(), 1);
    while !inbox.is_full() {
        outbox.send(&back, [connected(b"")]);
        inbox.recv_one(&connection).unwrap();
    }
    inbox.recv_one(&connection).unwrap();
    assert_eq!(inbox.received().len(), Inbox::SLOTS, "no room, no read");
}

#[test]
fn too_long_is_lost_alone() {
    let peer = peer();
    let connection = UdpConnection::connect(peer.local_addr().unwrap()).unwrap();
    let long = vec![0; 65_508];
    let datagrams = [&b"a"[..], &long, b"b"];
    let sent = Outbox::new().send(&connection, datagrams.map(connected));
    assert_eq!(sent, Sent { datagrams: 2, bytes: 2, lost: 1, refused: 0 });
    assert_eq!((recv(&peer), recv(&peer)), (b"a".to_vec(), b"b".to_vec()));
}

#[test]
fn edges_bring_up_keys() {
    let done = run_worker(0, |rt| async move {
        let peers = [peer(), peer()];
        let sockets = peers.each_ref().map(|peer| UdpConnection::connect(peer.local_addr().unwrap()).unwrap());
        for (peer, socket) in peers.iter().zip(&sockets) {
            peer.connect(socket.local_addr().inet().unwrap()).unwrap();
        }
        peers[1].send(b"before it was added").unwrap();
        let set = UdpSet::new(&rt);
        for (socket, key) in sockets.iter().zip([7, 8]) {
            set.add(socket, key, Trigger::Edge).unwrap();
        }
        let (mut inbox, mut keys) = (Inbox::new(), VecDeque::new());
        std::future::poll_fn(|cx| set.poll_ready(cx, &mut keys)).await;
        assert_eq!(keys, [8]);
        inbox.recv_batch(&sockets[1]).unwrap();
        for (at, key) in [(0, 7), (1, 8), (1, 8)] {
            keys.clear();
            inbox.clear();
            peers[at].send(b"x").unwrap();
            std::future::poll_fn(|cx| set.poll_ready(cx, &mut keys)).await;
            assert_eq!(keys, [key]);
            inbox.recv_batch(&sockets[at]).unwrap();
        }
        // an address in use is refused, even by one that would share it
        let group = UdpListener::bind_group("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert!(UdpListener::bind_group(group[0].local_addr(), 1).is_err());
        true
    });
    assert!(done.unwrap());
}
