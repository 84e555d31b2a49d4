//! Frames by hand, for what no honest peer sends; and frames read back as text.

use nuncio_http::{BodyLength, Method};

use super::pair::{End, epoch, request};
use crate::frame::{HEADER_LEN, Header};
use crate::{Limits, Reason, Side, StreamRef};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const PRIORITY_UPDATE: u8 = 16;

/// Flags.
pub(crate) const END: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const WHOLE: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WEIGHTED: u8 = 0x20;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals that touch no table.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        literal(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

pub(crate) fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        // An integer with a prefix of seven bits (RFC 7541 section 5.1).
        match text.len() {
            len @ 0..127 => block.push(len as u8),
            len => {
                block.push(127);
                let mut rest = len - 127;
                while rest >= 128 {
                    block.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                block.push(rest as u8);
            }
        }
        block.extend_from_slice(text);
    }
}

pub(crate) const GET: &[(&str, &str)] = &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
pub(crate) const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

/// Pseudo-header fields and more.
pub(crate) fn with<'a>(head: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [head, more].concat()
}

/// A whole request, or the head of one.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE | flags, stream, &block(fields))
}

pub(crate) fn rst(stream: u32, reason: Reason) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.0.to_be_bytes())
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        entries.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn goaway(last: u32, reason: Reason) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.0.to_be_bytes()].concat())
}

/// What a client says first.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &settings(&[]), &frame(SETTINGS, ACK, 0, b"")].concat()
}

/// A server whose client has said hello, and what it answered taken.
pub(crate) fn server(limits: Limits) -> End {
    let mut server = End::new(Side::Server, limits, epoch());
    let now = server.now;
    server.feed(&hello(), now);
    server.output();
    assert_eq!(server.error, None);
    server
}

/// A client that has sent a request of this method without an end, and whose server has said hello.
pub(crate) fn client(limits: Limits, method: Method) -> (End, StreamRef) {
    let mut client = End::new(Side::Client, limits, epoch());
    let now = client.now;
    client.feed(&[settings(&[]), frame(SETTINGS, ACK, 0, b"")].concat(), now);
    let mut head = request(method, BodyLength::Empty, &[]);
    if method == Method::Connect {
        head.set_authority(b"a:1");
    }
    let stream = client.connection.open(&head, None, method != Method::Connect).unwrap();
    client.output();
    (client, stream)
}

/// Frames as text, heads and bodies without their content.
pub(crate) fn frames(bytes: &[u8]) -> Vec<String> {
    let mut rest = bytes;
    let mut all = Vec::new();
    while let Some(header) = Header::peek(rest) {
        let (frame, behind) = rest.split_at(HEADER_LEN + header.len);
        rest = behind;
        all.push(describe(header, &frame[HEADER_LEN..]));
    }
    assert!(rest.is_empty(), "whole frames are sent");
    all
}

fn describe(header: Header, payload: &[u8]) -> String {
    let Header { len, flags, stream, .. } = header;
    let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    let end = if flags & END != 0 { " ." } else { "" };
    match header.kind {
        DATA => format!("{stream} DATA {len}{end}"),
        HEADERS if flags & WHOLE == 0 => format!("{stream} HEADERS...{end}"),
        HEADERS => format!("{stream} HEADERS{end}"),
        CONTINUATION => format!("{stream} CONTINUATION"),
        RST_STREAM => format!("{stream} RST_STREAM {}", Reason(number(0))),
        SETTINGS if flags & ACK != 0 => "SETTINGS ACK".into(),
        SETTINGS => "SETTINGS".into(),
        PING if flags & ACK != 0 => "PING ACK".into(),
        PING => "PING".into(),
        GOAWAY => format!("GOAWAY {} {}", number(0), Reason(number(4))),
        WINDOW_UPDATE => format!("{stream} WINDOW_UPDATE {}", number(0)),
        kind => format!("frame of type {kind}"),
    }
}

impl End {
    /// Feeds bytes and says, as text, which frames they brought about.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<String> {
        let now = self.now;
        self.feed(bytes, now);
        frames(&self.output())
    }

    /// Feeds bytes and takes what they yielded.
    pub(crate) fn events(&mut self, bytes: &[u8]) -> Vec<String> {
        let now = self.now;
        self.feed(bytes, now);
        self.take_log()
    }
}

/// What a connection makes of some bytes: its events and the frames it answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) events: Vec<String>,
    pub(crate) frames: Vec<String>,
    pub(crate) fault: Option<&'static str>,
}

/// Feeds `sample` to a new connection whole, byte by byte, in every cut and with bytes behind it, and holds all to the first.
pub(crate) fn at_every_cut(new: &dyn Fn() -> End, sample: &[u8]) -> Made {
    let read = |pieces: &[&[u8]]| {
        let mut end = new();
        let now = end.now;
        for piece in pieces {
            end.feed(piece, now);
        }
        let frames = frames(&end.output());
        Made { events: end.take_log(), frames, fault: end.connection.last_fault() }
    };
    let whole = read(&[sample]);
    let single: Vec<&[u8]> = sample.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte: {}", sample.escape_ascii());
    for at in 1..sample.len() {
        let (first, second) = sample.split_at(at);
        assert_eq!(read(&[first, second]), whole, "cut at {at}: {}", sample.escape_ascii());
    }
    // The front of another frame changes nothing.
    let behind = frame(PING, 0, 0, &[0; 8]);
    for len in [1, 8, 9, 16] {
        let longer = [sample, &behind[..len]].concat();
        assert_eq!(read(&[&longer]), whole, "bytes behind: {}", sample.escape_ascii());
    }
    whole
}
