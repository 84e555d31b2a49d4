//! Sockets against plain blocking std sockets on the other end. Order is forced by what the peer has seen or by waiting
//! for readiness, not by sleeping.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;

use super::*;
use crate::runtime::{Hangup, Rt, Transport, run_worker};

/// Runs `test` on a worker of its own; a test that hangs fails.
fn on_worker<F: Future<Output = ()> + 'static>(test: impl FnOnce(Rt) -> F + 'static) {
    let guarded = |rt: Rt| async move {
        let hung = async {
            rt.sleep(Duration::from_secs(20)).await;
            panic!("the test hangs");
        };
        futures_lite::future::or(test(rt.clone()), hung).await;
    };
    run_worker(0, guarded).unwrap();
}

/// A worker's stream and the std socket at its other end.
async fn pair(rt: &Rt) -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = Stream::connect(rt, &listener.local_addr().unwrap().into()).await.unwrap();
    (stream, listener.accept().unwrap().0)
}

async fn read(stream: &mut Stream, buf: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_read(cx, buf, usize::MAX)).await
}

async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_write_vectored(cx, &[IoSlice::new(bytes)])).await
}

async fn readable(stream: &mut Stream) {
    poll_fn(|cx| stream.poll_readable(cx)).await;
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn short_read_with_fin_behind_it_finds_the_end() {
    on_worker(|rt| async move {
        let (mut stream, mut peer) = pair(&rt).await;
        peer.write_all(b"last words").unwrap();
        drop(peer);
        // both were sent before the loop looks: one edge tells of both
        readable(&mut stream).await;
        let mut buf = BytesMut::with_capacity(100);
        assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 10);
        assert_eq!(read(&mut stream, &mut buf).await.unwrap(), 0);
        assert_eq!(&buf[..], b"last words");
        assert_eq!(poll_fn(|cx| stream.poll_hangup(cx)).await, Hangup::HalfClosed);
        assert!(stream.poll_reset(&mut noop()).is_pending());
    });
}

#[test]
fn half_close_both_ways() {
    on_worker(|rt| async move {
        let (mut stream, mut peer) = pair(&rt).await;
        write(&mut stream, b"question").await.unwrap();
        poll_fn(|cx| stream.poll_close(cx)).await.unwrap();
        poll_fn(|cx| stream.poll_close(cx)).await.unwrap();
        let mut question = String::new();
        peer.read_to_string(&mut question).unwrap();
        assert_eq!(question, "question");
        peer.write_all(b"answer").unwrap();
        drop(peer);
        let mut buf = BytesMut::with_capacity(64);
        while read(&mut stream, &mut buf).await.unwrap() > 0 {}
        assert_eq!(&buf[..], b"answer");
        // EPOLLHUP, but orderly: we ended our side ourselves
        assert_eq!(stream.poll_hangup(&mut noop()), Poll::Ready(Hangup::HalfClosed));

        let (mut stream, mut peer) = pair(&rt).await;
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(poll_fn(|cx| stream.poll_hangup(cx)).await, Hangup::HalfClosed);
        write(&mut stream, b"still heard").await.unwrap();
        drop(stream);
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "still heard");
    });
}

#[test]
fn a_reset_is_told_apart_and_can_be_sent() {
    on_worker(|rt| async move {
        let mut listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), ListenOptions::default())
            .unwrap()
            .into_worker(&rt)
            .unwrap();
        let mut client = Stream::connect(&rt, listener.local_addr()).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        assert_eq!(client.local_addr(), server.peer_addr());
        assert_eq!(client.peer_addr(), server.local_addr());
        server.abort();
        drop(server);
        assert_eq!(poll_fn(|cx| client.poll_hangup(cx)).await, Hangup::Reset);
        poll_fn(|cx| client.poll_reset(cx)).await;
        let error = read(&mut client, &mut BytesMut::with_capacity(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = write(&mut client, b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn waiting_for_a_hangup_is_not_woken_by_data() {
    on_worker(|rt| async move {
        let (mut stream, mut peer) = pair(&rt).await;
        let mut polls = 0;
        let mut peer_steps = vec!["end", "b", "a"];
        let hangup = poll_fn(|cx| {
            polls += 1;
            stream.poll_hangup(cx)
        });
        let step = async {
            while let Some(step) = peer_steps.pop() {
                match step {
                    "end" => peer.shutdown(Shutdown::Write).unwrap(),
                    data => peer.write_all(data.as_bytes()).unwrap(),
                }
                rt.sleep(Duration::from_millis(8)).await;
            }
            Hangup::Reset
        };
        // a task of its own for the steps would count as well; here each turn of `step` polls `hangup` first
        let hangup = futures_lite::future::or(hangup, step).await;
        assert_eq!(hangup, Hangup::HalfClosed);
        assert!(polls <= 4, "{polls}");
        assert!(stream.has_pending_read());
    });
}

#[test]
fn a_full_socket_parks_the_writer_until_there_is_room() {
    on_worker(|rt| async move {
        let (mut stream, mut peer) = pair(&rt).await;
        let chunk = vec![7u8; 1 << 20];
        let mut sent = 0;
        let slices = [IoSlice::new(&chunk), IoSlice::new(&[]), IoSlice::new(&chunk)];
        while let Poll::Ready(len) = stream.poll_write_vectored(&mut noop(), &slices) {
            sent += len.unwrap();
        }
        assert!(sent > 0);
        let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()).unwrap());
        sent += poll_fn(|cx| stream.poll_write_vectored(cx, &slices)).await.unwrap();
        drop(stream);
        assert_eq!(reader.join().unwrap(), sent as u64);
    });
}

#[test]
fn the_hint_of_an_idle_connection() {
    on_worker(|rt| async move {
        let (mut stream, mut peer) = pair(&rt).await;
        assert!(!stream.has_pending_read());
        peer.write_all(b"0123456789").unwrap();
        readable(&mut stream).await;
        assert!(stream.has_pending_read());
        // a read of exactly what there is leaves the flag up; the hint makes sure
        let mut buf = BytesMut::with_capacity(10);
        assert_eq!(read(&mut stream, &mut buf).await.unwrap(), buf.capacity());
        assert!(!stream.has_pending_read());
        stream.detach();
        peer.shutdown(Shutdown::Write).unwrap();
        // nobody polls the connection, as in a pool: the loop alone must notice
        while !stream.has_pending_read() {
            rt.sleep(Duration::from_millis(4)).await;
        }
    });
}

#[test]
fn reads_need_room_and_empty_writes_do_nothing() {
    on_worker(|rt| async move {
        let (mut stream, _peer) = pair(&rt).await;
        let error = read(&mut stream, &mut BytesMut::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(write(&mut stream, b"").await.unwrap(), 0);
    });
}

#[test]
fn a_refused_connection_says_so() {
    on_worker(|rt| async move {
        let addr: Addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().into();
        let error = Stream::connect(&rt, &addr).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = Stream::connect(&rt, &"unix:/nonexistent/socket".parse().unwrap()).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_group_spreads_connections_and_refuses_a_taken_address() {
    let group = Listener::bind_group(&"[::1]:0".parse().unwrap(), ListenOptions::default(), 2).unwrap();
    let addr = group[0].local_addr().clone();
    assert_eq!(&addr, group[1].local_addr());
    let taken = Listener::bind_group(&addr, ListenOptions::default(), 2).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    on_worker(|rt| async move {
        let mut group: Vec<_> = group.into_iter().map(|listener| listener.into_worker(&rt).unwrap()).collect();
        let mut kept = Vec::new();
        for _ in 0..40 {
            kept.push(Stream::connect(&rt, &addr).await.unwrap());
        }
        let mut counts = [0, 0];
        while counts[0] + counts[1] < 40 {
            poll_fn(|cx| {
                let accepted = (0..2).find(|one| group[*one].poll_accept(cx).is_ready());
                accepted.map_or(Poll::Pending, |one| {
                    counts[one] += 1;
                    Poll::Ready(())
                })
            })
            .await;
        }
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    });
}

#[test]
fn accepted_sockets_send_at_once() {
    on_worker(|rt| async move {
        let mut listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), ListenOptions::default())
            .unwrap()
            .into_worker(&rt)
            .unwrap();
        let client = Stream::connect(&rt, listener.local_addr()).await.unwrap();
        let server = listener.accept().await.unwrap();
        for stream in [&client, &server] {
            assert!(stream.is_nodelay());
        }
    });
}

#[test]
fn unix_sockets_are_replaced_when_stale_and_only_then() {
    let dir = std::env::temp_dir().join(format!("nuncio-net-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("socket");
    let addr: Addr = format!("unix:{}", path.display()).parse().unwrap();
    // a std listener leaves its file behind
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let group = Listener::bind_group(&addr, ListenOptions::default(), 2).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Listener::bind(&addr, ListenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "somebody listens");
    on_worker(|rt| async move {
        let mut group: Vec<_> = group.into_iter().map(|listener| listener.into_worker(&rt).unwrap()).collect();
        // a stopped sharer leaves nothing behind in the reactor
        drop(group.pop());
        let mut client = Stream::connect(&rt, &addr).await.unwrap();
        let mut server = group[0].accept().await.unwrap();
        assert_eq!(server.peer_addr().to_string(), "unix:");
        assert_eq!(server.local_addr(), &addr);
        write(&mut client, b"hello").await.unwrap();
        let mut buf = BytesMut::with_capacity(64);
        assert_eq!(read(&mut server, &mut buf).await.unwrap(), 5);
        drop(client);
        assert_eq!(poll_fn(|cx| server.poll_hangup(cx)).await, Hangup::Reset);
        assert_eq!(read(&mut server, &mut buf).await.unwrap(), 0);
    });
    assert!(!path.exists(), "the file goes with the listener");
    let file = dir.join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(Listener::bind(&Addr::unix(&file), ListenOptions::default()).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_socket_file_goes_with_its_listener_unless_it_is_another_ones() {
    let dir = std::env::temp_dir().join(format!("nuncio-files-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("socket");
    let addr = Addr::unix(&path);
    let bind = || Listener::bind_group(&addr, ListenOptions::default(), 2).unwrap();

    let mut group = bind();
    drop(group.pop());
    assert!(path.exists(), "the other half of the group listens");
    let file = group[0].take_file();
    assert!(group[0].take_file().is_none());
    drop(group);
    assert!(path.exists(), "whoever took it decides");
    drop(file);
    assert!(!path.exists());

    let group = bind();
    std::fs::remove_file(&path).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(group);
    assert!(path.exists(), "another process has bound it since");
    drop(other);

    let group = bind();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(group);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Runs in a process of its own, because the limit holds for all threads.
#[test]
fn accept_goes_on_once_there_are_descriptors_again() {
    const CHILD: &str = "NUNCIO_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "runtime::net::tests::accept_goes_on_once_there_are_descriptors_again";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    on_worker(|rt| async move {
        let mut listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), ListenOptions::default())
            .unwrap()
            .into_worker(&rt)
            .unwrap();
        let addr = listener.local_addr().inet().unwrap();
        let _clients = [TcpStream::connect(addr).unwrap(), TcpStream::connect(addr).unwrap()];
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let lowest_free = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
        let set = |current| {
            let limit = rustix::process::Rlimit { current, ..limit };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        };
        set(Some(lowest_free as u64));
        for _ in 0..2 {
            let error = listener.accept().await.err().unwrap();
            assert!(is_fd_exhausted(&error), "{error}");
        }
        // no new edge comes for the connections that wait: the listener itself has to remember them
        set(limit.current);
        let _accepted = [listener.accept().await.unwrap(), listener.accept().await.unwrap()];
        assert!(listener.poll_accept(&mut noop()).is_pending());
    });
}
