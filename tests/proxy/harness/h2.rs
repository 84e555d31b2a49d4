//! An HTTP/2 end held by a test (RFC 9113): frames are written by hand, and what comes is asked for stream by stream.
//! SETTINGS are acknowledged and PING is answered; WINDOW_UPDATE is counted. Windows open only when the test says so.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use nuncio_hpack::{Decoder, Encoder};
use nuncio_http::HeaderId;

use super::{Clock, Proxy, Upstream, Wire};

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER: usize = 9;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Settings (RFC 9113 section 6.5.2, RFC 8441 section 3).
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// Error codes (RFC 9113 section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) type Field<'a> = (&'a str, &'a str);

/// A request of this method for this path, without more fields.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> Vec<Field<'a>> {
    vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
}

/// With more fields.
pub(crate) fn with<'a>(head: &[Field<'a>], more: &[Field<'a>]) -> Vec<Field<'a>> {
    [head, more].concat()
}

pub(crate) const OK: &[Field<'static>] = &[(":status", "200")];

pub(crate) struct H2 {
    pub(crate) wire: Wire,
    decoder: Decoder,
    encoder: Encoder,
    /// Read and not yet asked for.
    frames: VecDeque<Frame>,
    /// The peer's settings as last said.
    pub(crate) settings: HashMap<u16, u32>,
    /// What the peer has opened of its windows, by stream.
    credit: HashMap<u32, u64>,
    pongs: u64,
    pings: u64,
}

#[derive(Debug)]
pub(crate) struct Frame {
    kind: u8,
    end: bool,
    stream: u32,
    payload: Vec<u8>,
    /// HEADERS: the decoded block.
    fields: Vec<(String, String)>,
}

/// A header section as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<(String, String)>,
    /// END_STREAM stands on it.
    pub(crate) end: bool,
}

impl Fields {
    /// The only field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| &**value);
        assert!(found.next().is_none(), "{name} twice: {self:?}");
        value
    }

    pub(crate) fn status(&self) -> u16 {
        self.get(":status").and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    /// The fields, one a line, without those of these names: they change from run to run.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let kept = self.fields.iter().filter(|(name, _)| !names.contains(&&**name));
        kept.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
    }
}

impl Proxy {
    /// An HTTP/2 client of the first listener.
    pub(crate) fn h2(&self) -> H2 {
        self.h2_with(&[])
    }

    pub(crate) fn h2_with(&self, settings: &[(u16, u32)]) -> H2 {
        H2::client(self.client(), settings)
    }
}

impl Upstream {
    /// The next connection, which is to speak HTTP/2.
    pub(crate) fn accept_h2(&self) -> H2 {
        self.accept_h2_with(&[])
    }

    pub(crate) fn accept_h2_with(&self, settings: &[(u16, u32)]) -> H2 {
        H2::server(self.accept(), settings)
    }
}

impl H2 {
    fn new(wire: Wire) -> H2 {
        H2 {
            wire,
            decoder: Decoder::new(nuncio_hpack::DEFAULT_TABLE_SIZE),
            encoder: Encoder::new(nuncio_hpack::DEFAULT_TABLE_SIZE),
            frames: VecDeque::new(),
            settings: HashMap::new(),
            credit: HashMap::new(),
            pongs: 0,
            pings: 0,
        }
    }

    /// Says hello and waits until the server has.
    pub(crate) fn client(mut wire: Wire, settings: &[(u16, u32)]) -> H2 {
        wire.send(PREFACE);
        let mut end = H2::new(wire);
        end.send_settings(settings);
        end.await_settings();
        end
    }

    /// Hears the client's hello and says its own.
    pub(crate) fn server(mut wire: Wire, settings: &[(u16, u32)]) -> H2 {
        wire.expect(PREFACE);
        let mut end = H2::new(wire);
        // The first frame, before the acknowledgement of the client's (RFC 9113 section 3.4).
        end.send_settings(settings);
        end.await_settings();
        end
    }

    fn await_settings(&mut self) {
        while self.settings.is_empty() {
            assert!(self.read(), "closed before SETTINGS");
        }
    }

    // What is sent.

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let bytes = bytes_of(kind, flags, stream, payload);
        self.wire.send(bytes);
    }

    /// A header block, in the order of the connection.
    pub(crate) fn block(&mut self, fields: &[Field<'_>]) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for (name, value) in fields {
            // Without the table: what is sent does not depend on what was sent.
            self.encoder.encode_never_indexed(HeaderId::Other, name.as_bytes(), value.as_bytes(), &mut block);
        }
        block
    }

    pub(crate) fn headers(&mut self, stream: u32, fields: &[Field<'_>], end: bool) {
        let block = self.block(fields);
        let end = if end { END_STREAM } else { 0 };
        let mut pieces = block.chunks(16 * 1024).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            let flags = if kind == HEADERS { end | last } else { last };
            self.frame(kind, flags, stream, piece);
            kind = CONTINUATION;
        }
    }

    /// A whole GET.
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        self.headers(stream, &request("GET", path), true);
    }

    /// The head of a POST.
    pub(crate) fn post(&mut self, stream: u32, path: &str) {
        self.headers(stream, &request("POST", path), false);
    }

    pub(crate) fn data(&mut self, stream: u32, bytes: impl AsRef<[u8]>, end: bool) {
        self.frame(DATA, if end { END_STREAM } else { 0 }, stream, bytes.as_ref());
    }

    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    pub(crate) fn window_update(&mut self, stream: u32, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    }

    pub(crate) fn goaway(&mut self, last: u32, code: u32) {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    }

    pub(crate) fn send_settings(&mut self, settings: &[(u16, u32)]) {
        let entry = |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let payload: Vec<u8> = settings.iter().flat_map(entry).collect();
        self.frame(SETTINGS, 0, 0, &payload);
    }

    // What comes.

    /// Reads one frame and puts it where it belongs; false at the end of the connection.
    fn read(&mut self) -> bool {
        loop {
            if let Some(frame) = self.next_whole() {
                self.sort(frame);
                return true;
            }
            if !self.wire.read_more() {
                return false;
            }
        }
    }

    /// The next frame, if it is here; a header block that is cut counts as one.
    fn next_whole(&mut self) -> Option<Frame> {
        let mut at = 0;
        let mut payload = Vec::new();
        let mut first = None;
        loop {
            let header: [u8; FRAME_HEADER] = self.wire.peek(at + FRAME_HEADER)?[at..].try_into().unwrap();
            let len = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let (kind, flags) = (header[3], header[4]);
            let stream = u32::from_be_bytes(header[5..].try_into().unwrap());
            payload.extend_from_slice(&self.wire.peek(at + FRAME_HEADER + len)?[at + FRAME_HEADER..]);
            at += FRAME_HEADER + len;
            let (kind, end, stream) = *first.get_or_insert((kind, flags & END_STREAM != 0, stream));
            if kind == HEADERS && flags & END_HEADERS == 0 {
                continue;
            }
            self.wire.take(at);
            return Some(Frame { kind, end, stream, payload, fields: Vec::new() });
        }
    }

    fn sort(&mut self, mut frame: Frame) {
        let number = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().unwrap());
        match frame.kind {
            SETTINGS if frame.end => {}
            SETTINGS => {
                for entry in frame.payload.chunks(6) {
                    let id = u16::from_be_bytes([entry[0], entry[1]]);
                    self.settings.insert(id, number(&entry[2..]));
                }
                let _ = self.wire.try_send(bytes_of(SETTINGS, ACK, 0, &[]));
            }
            PING if frame.end => self.pongs += 1,
            // The peer may be closing.
            PING => {
                let _ = self.wire.try_send(bytes_of(PING, ACK, 0, &frame.payload));
            }
            WINDOW_UPDATE => *self.credit.entry(frame.stream).or_default() += u64::from(number(&frame.payload)),
            HEADERS => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let visit = |field: nuncio_hpack::Field<'_>| frame.fields.push((text(field.name), text(field.value)));
                self.decoder.decode(&frame.payload, visit).expect("a header block");
                self.frames.push_back(frame);
            }
            _ => self.frames.push_back(frame),
        }
    }

    /// The next frame that this is true of; others stay for whoever asks for them.
    fn next_where(&mut self, wanted: &str, is: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            if let Some(at) = self.frames.iter().position(&is) {
                return self.frames.remove(at).unwrap();
            }
            assert!(self.read(), "closed, wanted {wanted}, has {:?}", self.frames);
        }
    }

    /// The next frame of a stream is of this kind.
    fn next_of(&mut self, stream: u32, kind: u8, wanted: &str) -> Frame {
        let frame = self.next_where(&format!("{wanted} on stream {stream}"), |frame| frame.stream == stream);
        assert_eq!(frame.kind, kind, "wanted {wanted} on stream {stream}, has {frame:?}");
        frame
    }

    pub(crate) fn expect_headers(&mut self, stream: u32) -> Fields {
        let frame = self.next_of(stream, HEADERS, "HEADERS");
        Fields { fields: frame.fields, end: frame.end }
    }

    /// The next request, on whatever stream.
    pub(crate) fn expect_request(&mut self) -> (u32, Fields) {
        let frame = self.next_where("a request", |frame| frame.kind == HEADERS);
        (frame.stream, Fields { fields: frame.fields, end: frame.end })
    }

    /// These bytes come next on a stream, in frames of any size, and END_STREAM stands behind them or does not.
    pub(crate) fn expect_data(&mut self, stream: u32, bytes: impl AsRef<[u8]>, end: bool) {
        let bytes = bytes.as_ref();
        let mut got = Vec::new();
        let mut ended = false;
        while got.len() < bytes.len() || end && !ended {
            let frame = self.next_of(stream, DATA, "DATA");
            got.extend(frame.payload);
            ended = frame.end;
            assert!(bytes.starts_with(&got), "wanted {}, has {}", bytes.escape_ascii(), got.escape_ascii());
        }
        assert_eq!(ended, end, "END_STREAM on stream {stream}");
    }

    /// One frame of a body that does not end with it: how many bytes.
    pub(crate) fn expect_some(&mut self, stream: u32) -> usize {
        let frame = self.next_of(stream, DATA, "DATA");
        assert!(!frame.end, "END_STREAM on stream {stream}");
        frame.payload.len()
    }

    /// The rest of a body.
    pub(crate) fn expect_body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.next_of(stream, DATA, "DATA");
            body.extend(frame.payload);
            if frame.end {
                return body;
            }
        }
    }

    /// A whole response: its head and its body.
    pub(crate) fn response(&mut self, stream: u32) -> (Fields, String) {
        let head = self.expect_headers(stream);
        let body = if head.end { Vec::new() } else { self.expect_body(stream) };
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    pub(crate) fn expect_reset(&mut self, stream: u32) -> u32 {
        let frame = self.next_of(stream, RST_STREAM, "RST_STREAM");
        u32::from_be_bytes(frame.payload[..4].try_into().unwrap())
    }

    /// Last stream and error code.
    pub(crate) fn expect_goaway(&mut self) -> (u32, u32) {
        let frame = self.next_where("GOAWAY", |frame| frame.kind == GOAWAY);
        let number = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        (number(0), number(4))
    }

    /// What the peer has opened of a window so far, in bytes; 0: the connection's.
    pub(crate) fn credit(&self, stream: u32) -> u64 {
        self.credit.get(&stream).copied().unwrap_or_default()
    }

    /// Waits until the peer has read everything that was sent, and all that it sent before is here.
    pub(crate) fn sync(&mut self) {
        self.pings += 1;
        self.frame(PING, 0, 0, b"testsync");
        while self.pongs < self.pings {
            assert!(self.read(), "closed, wanted PING ACK, has {:?}", self.frames);
        }
    }

    /// Nothing comes for a while that anybody would ask for.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        let clock = Clock::start();
        loop {
            while let Some(frame) = self.next_whole() {
                self.sort(frame);
            }
            assert!(self.frames.is_empty(), "wanted silence, has {:?}", self.frames);
            let left = time.saturating_sub(clock.elapsed());
            if left.is_zero() {
                return;
            }
            let before = self.wire.buffered();
            let more = self.wire.has_more_within(left);
            assert!(!more || self.wire.buffered() > before, "wanted silence, was closed");
        }
    }

    /// The stream gets nothing for a while; others may.
    pub(crate) fn expect_silence_on(&mut self, stream: u32, time: Duration) {
        let others: VecDeque<Frame> = std::mem::take(&mut self.frames);
        let (mine, others): (Vec<Frame>, Vec<Frame>) = others.into_iter().partition(|frame| frame.stream == stream);
        assert!(mine.is_empty(), "wanted silence, has {mine:?}");
        self.expect_silence(time);
        self.frames = others.into();
    }

    /// The peer closes; nothing but what nobody asks for comes before.
    pub(crate) fn expect_gone(&mut self) {
        while self.read() {}
        assert!(self.frames.is_empty(), "wanted the end, has {:?}", self.frames);
    }
}

/// Bytes of a frame.
pub(crate) fn bytes_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
