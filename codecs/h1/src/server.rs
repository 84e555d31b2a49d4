//! The downstream side of one connection: receives requests, sends responses (RFC 9112 section 9).
//!
//! The two directions run side by side; a cycle is over when both are done.
//!
//! ```text
//! receive:  Head --body--> Body --end--> Done           next_request(): back to Head
//!             |---no body--------------> Done
//!             `---upgrade, CONNECT-----> Held --101, 2xx--> Tunnel --eof--> Done
//!                                          `--other status--> Done
//!           any --error--> Failed, and stays there
//!
//! send:     Head --head with body--> Body --end, trailers--> Done
//!             |---HEAD, 204, 304, length 0-----------------> Done
//!             `---101, 2xx to CONNECT--> Tunnel --end------> Done
//! ```

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use nuncio_http::{BodyLength, HeaderList, LengthError, Output, RequestKind, ResponseHead, validate};

use crate::body::{Body, ends_message};
use crate::error::{EncodeError, Error};
use crate::head::{Kind, Progress, parse_request};
use crate::limits::Limits;
use crate::plan::{Plan, Seen};
use crate::recv::{Recv, Request};
use crate::send::{BodyWriter, NO_TRAILERS, atomically, put_fields, put_status_line};

/// Empty lines before a request line that are skipped (RFC 9112 section 2.2). A client owes us none.
const MAX_BLANK_LINES: u8 = 2;

/// One HTTP/1 connection with a client.
#[derive(Debug)]
pub struct Server {
    limits: Arc<Limits>,
    recv: Receive,
    send: Send,
    request: Seen,
    /// No request follows this one.
    close: bool,
    /// The peer has closed its side.
    eof: bool,
}

#[derive(Debug)]
enum Receive {
    Head { progress: Progress, blank_lines: u8 },
    Body(Body),
    Held,
    Done,
    Tunnel,
    Failed(Error),
}

#[derive(Debug)]
enum Send {
    Head,
    Body(BodyWriter),
    Tunnel,
    /// `bodyless`: the response has no body by rule, so data that is offered for it is dropped.
    Done {
        bodyless: bool,
    },
}

impl Server {
    pub fn new(limits: Arc<Limits>) -> Server {
        Server { limits, recv: Receive::START, send: Send::Head, request: Seen::NOTHING, close: false, eof: false }
    }

    /// The next part of the request out of the front of `buf`. After an error the same error comes again; a response
    /// may still be sent, and will close the connection.
    pub fn recv(&mut self, buf: &mut BytesMut) -> Result<Recv<Request>, Error> {
        let part = match &mut self.recv {
            Receive::Head { .. } => self.recv_head(buf),
            Receive::Body(body) => body.recv(buf, Kind::Request, &self.limits),
            Receive::Held => return Ok(Recv::Paused),
            Receive::Done => return Ok(if self.eof { Recv::Eof } else { Recv::Paused }),
            Receive::Tunnel if buf.is_empty() => Ok(Recv::NeedMore),
            Receive::Tunnel => return Ok(Recv::Tunnel(buf.split().freeze())),
            Receive::Failed(error) => return Err(*error),
        };
        match &part {
            Err(error) => self.fail(*error),
            // What was held when the client closed has been read.
            Ok(Recv::NeedMore) if self.eof => return self.recv_eof(buf),
            Ok(part) if ends_message(part) && !matches!(self.recv, Receive::Held) => self.recv = Receive::Done,
            Ok(_) => {}
        }
        part
    }

    /// The client has closed its side; `buf` is what is left of its bytes after [`Server::recv`] wanted more. `Eof` between
    /// messages, behind a whole request, and in a tunnel; else an error. Whole requests that `buf` still holds are served.
    pub fn recv_eof(&mut self, buf: &BytesMut) -> Result<Recv<Request>, Error> {
        self.eof = true;
        self.close |= buf.is_empty();
        let error = match &self.recv {
            Receive::Head { .. } if buf.is_empty() => None,
            Receive::Head { .. } => Some(Error::TruncatedHead),
            Receive::Body(_) => Some(Error::TruncatedBody),
            Receive::Failed(error) => Some(*error),
            Receive::Held | Receive::Done | Receive::Tunnel => None,
        };
        if let Some(error) = error {
            self.fail(error);
            return Err(error);
        }
        if matches!(self.recv, Receive::Tunnel) {
            self.recv = Receive::Done;
        }
        Ok(Recv::Eof)
    }

    fn recv_head(&mut self, buf: &mut BytesMut) -> Result<Recv<Request>, Error> {
        let Receive::Head { progress, blank_lines } = &mut self.recv else { return Ok(Recv::Paused) };
        loop {
            match **buf {
                [b'\r', b'\n', ..] if *blank_lines < MAX_BLANK_LINES => {
                    buf.advance(2);
                    *blank_lines += 1;
                }
                [] => return Ok(Recv::NeedMore),
                [b'\r'] if *blank_lines < MAX_BLANK_LINES => return Ok(Recv::NeedMore),
                [b'\r', ..] if *blank_lines == MAX_BLANK_LINES => return Err(Error::BadRequestLine),
                [b'\r', ..] => return Err(Error::BareCr),
                [b'\n', ..] => return Err(Error::BareLf),
                [first, ..] if !validate::is_token(&[first]) => return Err(Error::BadMethod),
                _ => break,
            }
        }
        let Some((request, len)) = parse_request(progress, buf, &self.limits)? else { return Ok(Recv::NeedMore) };
        buf.advance(len);
        self.request = Seen::new(&request);
        self.close |= !request.keep_alive || self.eof && buf.is_empty();
        let waits = request.upgrade.is_some() || self.request.kind == RequestKind::Connect;
        self.recv = match request.head.body {
            // Row S-16: bytes behind this head belong to the tunnel, or to nobody yet.
            _ if waits => Receive::Held,
            BodyLength::Empty | BodyLength::Exact(0) => Receive::Done,
            BodyLength::Exact(length) => Receive::Body(Body::exact(length)),
            BodyLength::Unknown => Receive::Body(Body::chunked()),
        };
        let end = matches!(self.recv, Receive::Done | Receive::Held);
        Ok(Recv::Head { head: request, end })
    }

    fn fail(&mut self, error: Error) {
        self.recv = Receive::Failed(error);
        self.close = true;
    }

    /// Writes an interim response other than 101; skipped for HTTP/1.0 clients (RFC 9110 section 15.2).
    pub fn send_interim(&mut self, head: &ResponseHead, out: &mut Output) -> Result<(), EncodeError> {
        if !matches!(self.send, Send::Head) {
            return Err(EncodeError::State);
        }
        if !head.is_interim() {
            return Err(EncodeError::BadStatus);
        }
        if self.request.http10 {
            return Ok(());
        }
        atomically(out, |out| {
            put_status_line(out, head.status)?;
            put_fields(out, &head.headers)?;
            out.put_slice(b"\r\n");
            Ok(())
        })?;
        self.request.expect_continue &= head.status != 100;
        Ok(())
    }

    /// Writes `100 Continue` if the client waits for it: once, before any body byte and before the final head
    /// (RFC 9110 section 10.1.1, row S-15). Says whether it was written.
    pub fn send_continue(&mut self, out: &mut Output) -> bool {
        let waits = self.continue_pending();
        if waits {
            out.put_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.request.expect_continue = false;
        }
        waits
    }

    /// The client waits for `100 Continue`.
    pub fn continue_pending(&self) -> bool {
        let untouched = matches!(&self.recv, Receive::Body(body) if body.seen() == 0);
        self.request.expect_continue && untouched && matches!(self.send, Send::Head)
    }

    /// Writes the final head and decides the framing of the body (RFC 9112 section 6.3). 101 and 2xx to CONNECT open the tunnel.
    pub fn send_head(&mut self, head: &ResponseHead, out: &mut Output) -> Result<(), EncodeError> {
        if !matches!(self.send, Send::Head) {
            return Err(EncodeError::State);
        }
        let plan = Plan::new(&self.request, matches!(self.recv, Receive::Held), head)?;
        let switching = matches!(plan, Plan::Switch(_));
        // A client that was never told to continue may send the body or not: the next request cannot be found (row S-15).
        let refused_body = self.continue_pending();
        let refused_tunnel = self.request.kind == RequestKind::Connect;
        let close = self.close || switching || refused_body || refused_tunnel || matches!(plan, Plan::UntilClose);

        let http10_persists = self.request.http10 && !close;
        atomically(out, |out| {
            put_status_line(out, head.status)?;
            put_fields(out, &head.headers)?;
            plan.put_fields(out);
            if close && !switching {
                out.put_slice(b"connection: close\r\n");
            } else if http10_persists {
                out.put_slice(b"connection: keep-alive\r\n");
            }
            out.put_slice(b"\r\n");
            Ok(())
        })?;

        self.close = close;
        self.send = match plan {
            Plan::Bodyless { .. } => Send::Done { bodyless: true },
            Plan::Exact(0) => Send::Done { bodyless: false },
            Plan::Exact(length) => Send::Body(BodyWriter::plain(BodyLength::Exact(length))),
            Plan::Chunked => Send::Body(BodyWriter::chunked()),
            Plan::UntilClose => Send::Body(BodyWriter::plain(BodyLength::Unknown)),
            Plan::Switch(_) => Send::Tunnel,
        };
        if matches!(self.recv, Receive::Held) {
            self.recv = if switching { Receive::Tunnel } else { Receive::Done };
        }
        Ok(())
    }

    /// Writes body bytes, or tunnel bytes. For a response without a body by rule (HEAD, 204, 304) they are dropped.
    pub fn send_data(&mut self, chunk: Bytes, end: bool, out: &mut Output) -> Result<(), EncodeError> {
        let done = match &mut self.send {
            Send::Body(body) => body.data(chunk, end, out)?,
            Send::Tunnel => {
                out.push(chunk);
                end
            }
            Send::Done { bodyless: true } => return Ok(()),
            Send::Done { .. } if chunk.is_empty() => return Ok(()),
            Send::Done { .. } => return Err(LengthError::TooLong.into()),
            Send::Head => return Err(EncodeError::State),
        };
        if done {
            self.send = Send::Done { bodyless: false };
        }
        Ok(())
    }

    /// Ends the body with `trailers`, where [`Limits::keep_trailers`] allows them; only a chunked body can carry them, any
    /// other just ends.
    pub fn send_trailers(&mut self, trailers: &HeaderList, out: &mut Output) -> Result<(), EncodeError> {
        match &mut self.send {
            Send::Body(body) => body.trailers(if self.limits.keep_trailers { trailers } else { &NO_TRAILERS }, out)?,
            Send::Done { .. } => return Ok(()),
            Send::Head | Send::Tunnel => return Err(EncodeError::State),
        }
        self.send = Send::Done { bodyless: false };
        Ok(())
    }

    /// No request after this one: the head says so if it is still to come.
    pub fn close_after_response(&mut self) {
        self.close = true;
    }

    /// The client allows another request after this one.
    pub fn keep_alive_wanted(&self) -> bool {
        self.request.keep_alive
    }

    /// Nothing of a request has come yet.
    pub fn is_idle(&self) -> bool {
        matches!(&self.recv, Receive::Head { progress, blank_lines: 0 } if !progress.is_partial())
    }

    /// The final head is written.
    pub fn response_started(&self) -> bool {
        !matches!(self.send, Send::Head)
    }

    /// The request is received to its end.
    pub fn request_done(&self) -> bool {
        matches!(self.recv, Receive::Done | Receive::Held)
    }

    /// The response is written to its end.
    pub fn response_done(&self) -> bool {
        matches!(self.send, Send::Done { .. })
    }

    /// The connection ends with this response.
    pub fn will_close(&self) -> bool {
        self.close
    }

    /// A plain close now would look like the end of what is being sent: a body without a length, or a tunnel.
    pub fn close_is_end(&self) -> bool {
        matches!(&self.send, Send::Body(body) if body.is_until_close()) || matches!(self.send, Send::Tunnel)
    }

    pub fn is_tunnel(&self) -> bool {
        matches!(self.recv, Receive::Tunnel) || matches!(self.send, Send::Tunnel)
    }

    /// Request body bytes to come, where the length is declared.
    pub fn body_remaining(&self) -> Option<u64> {
        match &self.recv {
            Receive::Body(body) => body.remaining(),
            Receive::Done | Receive::Held => Some(0),
            Receive::Head { .. } | Receive::Tunnel | Receive::Failed(_) => None,
        }
    }

    /// Both messages are complete and the connection persists: gets ready for the next request, whose bytes may be in the
    /// caller's buffer already. False: not yet, or never.
    pub fn next_request(&mut self) -> bool {
        let ready = matches!(self.recv, Receive::Done) && self.response_done() && !self.close;
        if ready {
            self.recv = Receive::START;
            self.send = Send::Head;
            self.request = Seen::NOTHING;
        }
        ready
    }
}

impl Receive {
    const START: Receive = Receive::Head { progress: Progress::NEW, blank_lines: 0 };
}
