//! A client and a server in memory, on a simulated clock. What each yields is written down as text.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use nuncio_http::{BodyLength, HeaderId, HeaderList, Method, Output, RequestHead, ResponseHead, Version};

use crate::{Connection, Error, Limits, Recv, Request, Side, StreamRef};

/// The beginning of simulated time.
#[allow(clippy::disallowed_methods)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// Takes what a connection wants to write.
pub(crate) fn take(out: &mut Output) -> Vec<u8> {
    let mut all = Vec::new();
    while !out.is_empty() {
        let mut slices = [IoSlice::new(b""); 64];
        let filled = out.io_slices(&mut slices);
        let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
        out.advance(bytes.len());
        all.extend_from_slice(&bytes);
    }
    all
}

/// One side and what it made of the bytes it got.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) buf: BytesMut,
    /// Everything it yielded, in short.
    pub(crate) log: Vec<String>,
    pub(crate) requests: Vec<(StreamRef, Request)>,
    pub(crate) responses: Vec<(StreamRef, ResponseHead)>,
    pub(crate) trailers: Vec<HeaderList>,
    /// Body bytes by stream identifier.
    pub(crate) bodies: Vec<(u32, Vec<u8>)>,
    pub(crate) error: Option<Error>,
    /// Body bytes are released as they come.
    pub(crate) releases: bool,
    /// Streams it has met.
    pub(crate) met: Vec<StreamRef>,
    /// Most bytes `fill` puts out at a time.
    pub(crate) fill: usize,
    /// The time, where there is no pair to keep it.
    pub(crate) now: Instant,
}

impl End {
    pub(crate) fn new(side: Side, limits: Limits, now: Instant) -> End {
        End {
            connection: Connection::new(side, Arc::new(limits), now),
            buf: BytesMut::new(),
            log: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            trailers: Vec::new(),
            bodies: Vec::new(),
            error: None,
            releases: true,
            met: Vec::new(),
            fill: 64 * 1024,
            now,
        }
    }

    /// Takes bytes in and yields all they bring.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant) {
        self.buf.extend_from_slice(bytes);
        loop {
            match self.connection.recv(&mut self.buf, now) {
                Ok(Recv::NeedMore) => return,
                Ok(event) => self.note(event),
                Err(error) => {
                    if self.error.is_none() {
                        self.log.push(format!("error {error}"));
                    }
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: Recv) {
        let text = match event {
            Recv::NeedMore | Recv::Settings => return,
            Recv::Request { stream, request, end } => {
                let text = format!("{} request {:?}{}", stream.id, request.head, end_mark(end));
                self.met.push(stream);
                self.requests.push((stream, request));
                text
            }
            Recv::Refused { stream, status, detail } => {
                self.met.push(stream);
                format!("{} refused {status} {detail}", stream.id)
            }
            Recv::Response { stream, head, end } => {
                let text = format!("{} response {:?}{}", stream.id, head, end_mark(end));
                self.responses.push((stream, head));
                text
            }
            Recv::Data { stream, chunk, end } => {
                if self.releases {
                    self.connection.release(stream, chunk.len());
                }
                match self.bodies.iter_mut().find(|(id, _)| *id == stream.id) {
                    Some((_, body)) => body.extend_from_slice(&chunk),
                    None => self.bodies.push((stream.id, chunk.to_vec())),
                }
                if !end {
                    return;
                }
                format!("{} data .", stream.id)
            }
            Recv::Trailers { stream, trailers } => {
                let text = format!("{} trailers {trailers:?}", stream.id);
                self.trailers.push(trailers);
                text
            }
            Recv::Reset { stream, reset } => {
                let by = if reset.by_peer { "peer" } else { "us" };
                let again = if reset.unprocessed { " unprocessed" } else { "" };
                format!("{} reset {} by {by} {}{again}", stream.id, reset.reason, reset.detail)
            }
            Recv::Goaway { reason } => format!("goaway {reason}"),
        };
        self.log.push(text);
    }

    /// What it wants to write, with as much body as may go.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        self.connection.fill(self.fill);
        let bytes = take(self.connection.output());
        self.connection.on_flushed();
        bytes
    }

    pub(crate) fn body(&self, stream: StreamRef) -> &[u8] {
        self.bodies.iter().find(|(id, _)| *id == stream.id).map_or(&[], |(_, body)| body)
    }

    /// Takes the log so far.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

fn end_mark(end: bool) -> &'static str {
    if end { " ." } else { "" }
}

/// Both sides.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) now: Instant,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::with(Limits::default(), Limits::default())
    }

    /// A pair that has exchanged settings.
    pub(crate) fn with(client: Limits, server: Limits) -> Pair {
        let now = epoch();
        let mut pair =
            Pair { client: End::new(Side::Client, client, now), server: End::new(Side::Server, server, now), now };
        pair.run();
        assert!(pair.client.connection.settings_received() && pair.server.connection.settings_received());
        pair
    }

    /// Carries bytes until both are silent.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            let (up, down) = (self.client.output(), self.server.output());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.server.feed(&up, self.now);
            self.client.feed(&down, self.now);
        }
        panic!("the two never fall silent");
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Opens a stream and carries it over.
    pub(crate) fn open(&mut self, head: &RequestHead, end: bool) -> (StreamRef, StreamRef) {
        let stream = self.client.connection.open(head, None, end).unwrap();
        self.run();
        let (other, _) = *self.server.requests.last().unwrap();
        assert_eq!(stream.id, other.id);
        (stream, other)
    }
}

/// A request with these fields.
pub(crate) fn request(method: Method, body: BodyLength, fields: &[(&str, &str)]) -> RequestHead {
    let mut list = HeaderList::new();
    for (name, value) in fields {
        list.push_raw(name.as_bytes(), value.as_bytes());
    }
    let mut head = RequestHead::new(method, Version::Http11, list);
    head.set_authority(b"example.com");
    head.set_target(b"/path?query");
    head.body = body;
    head
}

pub(crate) fn get() -> RequestHead {
    request(Method::Get, BodyLength::Empty, &[("accept", "*/*")])
}

pub(crate) fn post(body: BodyLength) -> RequestHead {
    request(Method::Post, body, &[])
}

pub(crate) fn response(status: u16, body: BodyLength) -> ResponseHead {
    let mut list = HeaderList::new();
    list.push(HeaderId::Server, b"nuncio");
    let mut head = ResponseHead::new(status, list);
    head.body = body;
    head
}

/// Bytes that tell where they stand.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}
