//! Feeds messages to the codec in every cut and writes down what it made of them.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::BytesMut;
use nuncio_http::{HeaderList, Method, Output, RequestHead, ResponseHead, Version};

use crate::body::ends_message;
use crate::{Client, Error, Limits, Recv, Request, Server, Upgrade};

/// What a message was read as, as text; and how many bytes of it were left unread.
pub(crate) type Verdict = Result<(String, usize), Error>;

pub(crate) fn bytes(out: &Output) -> Vec<u8> {
    let mut slices = [IoSlice::new(b""); 64];
    let filled = out.io_slices(&mut slices);
    slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
}

pub(crate) fn text(out: &Output) -> String {
    String::from_utf8(bytes(out)).unwrap()
}

/// Sends its text once, so that tests read only what is new.
pub(crate) fn take(out: &mut Output) -> String {
    let all = text(out);
    out.advance(all.len());
    all
}

/// One request as a server reads it, in pieces of `cuts`.
pub(crate) fn read_request(limits: &Arc<Limits>, pieces: &[&[u8]]) -> Verdict {
    let mut server = Server::new(limits.clone());
    let mut buf = BytesMut::new();
    let mut log = String::new();
    let mut pieces = pieces.iter();
    let mut paused = false;
    let mut left = 0;
    loop {
        if paused {
            left = buf.len();
        } else {
            let part = server.recv(&mut buf)?;
            if let Recv::Head { head, .. } = &part {
                write_request(&mut log, head);
            }
            write_part(&mut log, &part);
            paused = ends_message(&part);
            if paused || !matches!(part, Recv::NeedMore) {
                continue;
            }
        }
        match pieces.next() {
            Some(piece) => buf.extend_from_slice(piece),
            None if paused => return Ok((log, left)),
            None if server.is_idle() && buf.is_empty() => return Ok(("nothing".into(), 0)),
            None => return server.recv_eof(&buf).map(|_| (log, buf.len())),
        }
    }
}

/// One response, to a request of `method`, as a client reads it. The end of the pieces is the end of the connection.
pub(crate) fn read_response(
    limits: &Arc<Limits>,
    method: Method,
    upgrade: Option<Upgrade>,
    pieces: &[&[u8]],
) -> (Verdict, bool) {
    let mut client = Client::new(limits.clone());
    let mut request = RequestHead::new(method, Version::Http11, HeaderList::new());
    request.set_target(if method == Method::Connect { b"" } else { b"/" });
    request.set_authority(b"a:1");
    client.send_head(&request, upgrade, &mut Output::new()).unwrap();
    let mut buf = BytesMut::new();
    let mut log = String::new();
    let mut pieces = pieces.iter();
    let verdict = loop {
        let part = match client.recv(&mut buf) {
            Ok(part) => part,
            Err(error) => break Err(error),
        };
        if let Recv::Head { head, .. } = &part {
            write_response(&mut log, head);
        }
        write_part(&mut log, &part);
        if matches!(part, Recv::NeedMore | Recv::Paused) {
            match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None if matches!(part, Recv::Paused) => break Ok((log, buf.len())),
                None => {
                    break client.recv_eof(&buf).map(|part| {
                        write_part(&mut log, &part);
                        (log, 0)
                    });
                }
            }
        }
    };
    let pool = client.can_pool(buf.is_empty());
    (verdict, pool)
}

fn write_request(log: &mut String, request: &Request) {
    let head = &request.head;
    let _ = write!(
        log,
        "{} {} {} {:?} {:?} {:?}",
        head.method,
        head.target().escape_ascii(),
        head.version.as_str(),
        head.authority().escape_ascii().to_string(),
        head.body,
        head.headers
    );
    for (flag, name) in [(request.expect_continue, " continue"), (!request.keep_alive, " close")] {
        log.push_str(if flag { name } else { "" });
    }
    if let Some(upgrade) = request.upgrade {
        let _ = write!(log, " upgrade={upgrade:?}");
    }
}

fn write_response(log: &mut String, head: &ResponseHead) {
    let _ = write!(log, "{} {} {:?} {:?}", head.version.as_str(), head.status, head.body, head.headers);
}

/// Body bytes without the cuts, then how the message ended.
fn write_part<H>(log: &mut String, part: &Recv<H>) {
    match part {
        Recv::NeedMore | Recv::Paused => {}
        Recv::Head { end, .. } => log.push_str(if *end { "" } else { " | " }),
        Recv::Data { chunk, .. } => {
            let _ = write!(log, "{}", chunk.escape_ascii());
        }
        Recv::Trailers(trailers) => {
            let _ = write!(log, " {trailers:?}");
        }
        Recv::Tunnel(raw) => {
            let _ = write!(log, "{}", raw.escape_ascii());
        }
        Recv::End | Recv::Eof => {}
    }
}

/// Runs `read` on `sample` in every cut and holds all verdicts to the first.
pub(crate) fn at_every_cut<T: PartialEq + std::fmt::Debug>(sample: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = read(&[sample]);
    let single: Vec<&[u8]> = sample.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte: {}", sample.escape_ascii());
    for at in 1..sample.len() {
        let (first, second) = sample.split_at(at);
        assert_eq!(read(&[first, second]), whole, "cut at {at}: {}", sample.escape_ascii());
    }
    whole
}

/// [`at_every_cut`] for a request; then once more with bytes behind it, which a finished message must leave alone.
pub(crate) fn request(limits: &Limits, sample: &[u8]) -> Verdict {
    let limits = Arc::new(limits.clone());
    let verdict = at_every_cut(sample, |pieces| read_request(&limits, pieces));
    if let Ok((log, left)) = &verdict {
        for behind in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\r\n", b"0", b"\0\xff"] {
            let longer = [sample, behind].concat();
            let expected = Ok((log.clone(), left + behind.len()));
            assert_eq!(read_request(&limits, &[&longer]), expected, "bytes behind: {}", sample.escape_ascii());
        }
    }
    verdict
}

pub(crate) fn edge() -> Limits {
    Limits::default()
}

/// The error of a request that must be refused.
pub(crate) fn refused(limits: &Limits, sample: &[u8]) -> Error {
    match request(limits, sample) {
        Err(error) => error,
        Ok(read) => panic!("accepted: {} as {read:?}", sample.escape_ascii()),
    }
}

/// What a request that must be accepted was read as.
pub(crate) fn accepted(limits: &Limits, sample: &[u8]) -> String {
    match request(limits, sample) {
        Ok((log, 0)) => log,
        other => panic!("{} gave {other:?}", sample.escape_ascii()),
    }
}
