//! For the tests of this module: an in-memory pair of transports that cut bytes anywhere and take only so many, tasks
//! that are polled only when woken, and the certificates of `testdata/tls`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::BytesMut;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::{HandshakeError, Session, Transport};
use crate::config::{ClusterTls, ListenerTls, parse};
use crate::runtime::net::Addr;
use crate::runtime::{self, Hangup};

/// One direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Wire {
    ways: [Way; 2],
    reset: bool,
    capacity: usize,
    /// Bytes of one read or write.
    most: usize,
    rng: Option<fastrand::Rng>,
    /// Writes of each end so far.
    writes: [usize; 2],
}

impl Wire {
    fn cut(&mut self, most: usize) -> usize {
        match &mut self.rng {
            Some(rng) => most.min([1, 3, 50, 2000, usize::MAX][rng.usize(..5)]).max(1),
            None => most.min(self.most),
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One end of a wire. Dropping it ends both directions.
pub(super) struct Pipe {
    wire: Rc<RefCell<Wire>>,
    end: usize,
    addr: Addr,
}

/// What a test does to a wire from outside.
#[derive(Clone)]
pub(super) struct Tap(Rc<RefCell<Wire>>);

impl Tap {
    /// Takes what end `from` has sent and the other has not read.
    pub(super) fn take(&self, from: usize) -> Vec<u8> {
        let mut wire = self.0.borrow_mut();
        wake(&mut wire.ways[from].writer);
        wire.ways[from].bytes.drain(..).collect()
    }

    /// Puts bytes into the way that starts at `from`.
    pub(super) fn put(&self, from: usize, bytes: &[u8]) {
        let way = &mut self.0.borrow_mut().ways[from];
        way.bytes.extend(bytes);
        wake(&mut way.reader);
    }

    /// Ends the way that starts at `from`.
    pub(super) fn close(&self, from: usize) {
        let way = &mut self.0.borrow_mut().ways[from];
        way.closed = true;
        wake(&mut way.reader);
    }

    pub(super) fn writes(&self, from: usize) -> usize {
        self.0.borrow().writes[from]
    }

    pub(super) fn set_most(&self, most: usize) {
        self.0.borrow_mut().most = most;
    }

    pub(super) fn set_capacity(&self, capacity: usize) {
        let mut wire = self.0.borrow_mut();
        wire.capacity = capacity;
        wire.ways.iter_mut().for_each(|way| wake(&mut way.writer));
    }
}

/// A wire that holds `capacity` bytes each way; with a seed, one that cuts them.
pub(super) fn wire(capacity: usize, seed: Option<u64>) -> (Box<Pipe>, Box<Pipe>, Tap) {
    let rng = seed.map(fastrand::Rng::with_seed);
    let wire = Wire { ways: Default::default(), reset: false, capacity, most: usize::MAX, rng, writes: [0; 2] };
    let wire = Rc::new(RefCell::new(wire));
    let end = |end: usize| {
        let addr = Addr::Inet(([127, 0, 0, 1], end as u16 + 1).into());
        Box::new(Pipe { wire: wire.clone(), end, addr })
    };
    (end(0), end(1), Tap(wire.clone()))
}

impl Pipe {
    /// Elsewhere.
    pub(super) fn at(mut self: Box<Pipe>, addr: &str) -> Box<Pipe> {
        self.addr = addr.parse().unwrap();
        self
    }

    fn incoming(&self) -> usize {
        1 - self.end
    }

    fn hangup(&self) -> Option<Hangup> {
        let wire = self.wire.borrow();
        match (wire.reset, wire.ways[self.incoming()].closed) {
            (true, _) => Some(Hangup::Reset),
            (_, closed) => closed.then_some(Hangup::HalfClosed),
        }
    }
}

impl runtime::Transport for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        let room = (buf.capacity() - buf.len()).min(most);
        assert!(room > 0);
        let mut wire = self.wire.borrow_mut();
        if wire.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let len = wire.cut(room);
        let way = &mut wire.ways[self.incoming()];
        let len = len.min(way.bytes.len());
        if len == 0 && !way.closed {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.extend(way.bytes.drain(..len));
        wake(&mut way.writer);
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire.borrow_mut();
        if wire.reset || wire.ways[self.end].closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        let space = wire.capacity.saturating_sub(wire.ways[self.end].bytes.len());
        if space == 0 {
            wire.ways[self.end].writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = wire.cut(offered).min(space).min(offered);
        let way = &mut wire.ways[self.end];
        way.bytes.extend(bufs.iter().flat_map(|buf| buf.iter()).take(len));
        wake(&mut way.reader);
        wire.writes[self.end] += 1;
        Poll::Ready(Ok(len))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let way = &mut self.wire.borrow_mut().ways[self.end];
        way.closed = true;
        wake(&mut way.reader);
        Poll::Ready(Ok(()))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_pending_read() {
            return Poll::Ready(());
        }
        self.wire.borrow_mut().ways[self.incoming()].reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn has_pending_read(&self) -> bool {
        self.hangup().is_some() || !self.wire.borrow().ways[self.incoming()].bytes.is_empty()
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<Hangup> {
        match self.hangup() {
            Some(hangup) => Poll::Ready(hangup),
            None => {
                self.wire.borrow_mut().ways[self.incoming()].reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hangup() == Some(Hangup::Reset) {
            return Poll::Ready(());
        }
        self.wire.borrow_mut().ways[self.incoming()].reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn abort(&mut self) {
        let mut wire = self.wire.borrow_mut();
        wire.reset = true;
        for way in &mut wire.ways {
            wake(&mut way.reader);
            wake(&mut way.writer);
        }
    }

    fn detach(&mut self) {}

    fn local_addr(&self) -> &Addr {
        &self.addr
    }

    fn peer_addr(&self) -> &Addr {
        &self.addr
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut wire = self.wire.borrow_mut();
        wire.ways[self.end].closed = true;
        wire.ways.iter_mut().for_each(|way| {
            wake(&mut way.reader);
            wake(&mut way.writer);
        });
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs two tasks to their ends, each polled only when it was woken: a waker that was forgotten is a failure.
pub(super) fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let flags = [0, 1].map(|_| Arc::new(Flag(AtomicBool::new(true))));
    let wakers = flags.each_ref().map(|flag| Waker::from(flag.clone()));
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut a_done, mut b_done) = (None, None);
    for _ in 0..10_000_000 {
        let woken = flags.each_ref().map(|flag| flag.0.swap(false, Ordering::Relaxed));
        let woken = [woken[0] && a_done.is_none(), woken[1] && b_done.is_none()];
        assert!(woken[0] || woken[1], "stuck: {} {}", a_done.is_some(), b_done.is_some());
        if woken[0] {
            poll_into(a.as_mut(), &wakers[0], &mut a_done);
        }
        if woken[1] {
            poll_into(b.as_mut(), &wakers[1], &mut b_done);
        }
        (a_done, b_done) = match (a_done, b_done) {
            (Some(a), Some(b)) => return (a, b),
            others => others,
        };
    }
    panic!("no end");
}

fn poll_into<T>(task: Pin<&mut impl Future<Output = T>>, waker: &Waker, done: &mut Option<T>) {
    if let Poll::Ready(value) = task.poll(&mut Context::from_waker(waker)) {
        *done = Some(value);
    }
}

pub(super) type Established = (Transport, Rc<Session>);

/// Shakes hands over a wire that holds much and cuts nothing.
pub(super) fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> (Result<Established, HandshakeError>, Result<Established, HandshakeError>, Tap) {
    let (left, right, tap) = wire(1 << 20, None);
    let (mut connect, mut accept) =
        (super::connect(left, client, server_name(name)), super::accept(right, BytesMut::new(), server));
    let (client, server) =
        both(std::future::poll_fn(|cx| connect.poll(cx)), std::future::poll_fn(|cx| accept.poll(cx)));
    (client, server, tap)
}

pub(super) fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

/// A file of `testdata/tls`.
pub(super) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

pub(super) fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path(&format!("{name}.pem"))).unwrap().map(Result::unwrap).collect()
}

pub(super) fn key(name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path(&format!("{name}.key"))).unwrap()
}

/// A server with the certificate `site`.
pub(super) fn server_config(versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let mut config = builder
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates("site"), key("site"))
        .unwrap();
    config.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
    config
}

/// A client that believes `ca` and shows the certificate `own`.
pub(super) fn client_config(versions: &[&'static SupportedProtocolVersion], own: Option<&str>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificates("ca").remove(0)).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap().with_webpki_verifier(verifier);
    match own {
        Some(own) => builder.with_client_auth_cert(certificates(own), key(own)).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// The `tls` of a cluster; its files are those of `testdata/tls`.
pub(super) fn cluster_tls(json: &str) -> ClusterTls {
    let text = format!(
        r#"{{ "admin": {{ "address": "127.0.0.1:1" }}, "clusters": {{ "a": {{ "endpoints": ["127.0.0.1:1"], "tls": {json} }} }} }}"#
    );
    match parse(&text, &path(""), "test") {
        Ok((mut config, _)) => config.clusters.remove("a").unwrap().tls.as_deref().unwrap().clone(),
        Err(problems) => panic!("{problems}"),
    }
}

/// The `tls` of a listener; its files are those of `testdata/tls`.
pub(super) fn listener_tls(json: &str) -> ListenerTls {
    let text = format!(r#"{{ "listeners": [{{ "address": "127.0.0.1:1", "tls": {json} }}] }}"#);
    match parse(&text, &path(""), "test") {
        Ok((config, _)) => config.listeners[0].chains[0].service.tls.clone().unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

/// A copy of some files of `testdata/tls`, in a directory of its own that goes away with it.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str, files: &[&str]) -> Directory {
        let directory = std::env::temp_dir().join(format!("nuncio-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let directory = Directory(directory);
        files.iter().for_each(|file| directory.copy(file, file));
        directory
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        std::fs::write(self.0.join(to), std::fs::read(path(from)).unwrap()).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets both ends say and read what is left over from the handshake.
pub(super) fn settle(client: &mut Transport, server: &mut Transport) {
    use runtime::Transport as _;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(server.poll_readable(&mut cx).is_pending());
    assert!(!client.has_pending_read());
}
