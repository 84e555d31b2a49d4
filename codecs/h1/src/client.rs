//! The upstream side of one connection: sends requests, receives responses (RFC 9112 sections 6.3 and 9).
//!
//! ```text
//! send:     Idle --head with body--> Body --end, trailers--> Done
//!             `----head without----------------------------> Done --101, 2xx to CONNECT--> Tunnel --end--> Done
//!
//! receive:  Idle --request head--> Head --1xx--> Head
//!                                   |--body--> Body --end, or eof where that is the end--> Done
//!                                   |--none, HEAD, 204, 304------------------------------> Done
//!                                   `--101, 2xx to CONNECT--> Tunnel --eof--> Done
//!           any --error--> Failed, and stays there
//! ```
//!
//! Both Done, nothing left over and the server willing: [`Client::can_pool`], and the next `send_head` starts again.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use nuncio_http::{
    BodyLength, HeaderList, LengthError, Method, Output, RequestHead, RequestKind, ResponseHead, Upgrade, validate,
};

use crate::body::{Body, ends_message};
use crate::error::{EncodeError, Error};
use crate::head::{Kind, Progress, Response, parse_response};
use crate::limits::Limits;
use crate::plan::put_upgrade;
use crate::recv::Recv;
use crate::send::{BodyWriter, CHUNKED_FIELD, NO_TRAILERS, atomically, put_content_length, put_fields};

/// One HTTP/1 connection with a server.
#[derive(Debug)]
pub struct Client {
    limits: Arc<Limits>,
    recv: Receive,
    send: Send,
    method: RequestKind,
    /// The protocol we asked for.
    upgrade: Option<Upgrade>,
    /// Interim responses to this request.
    interim: u8,
    /// A byte of response has come.
    started: bool,
    /// The connection serves no further request.
    close: bool,
}

#[derive(Debug)]
enum Receive {
    Idle,
    Head(Progress),
    Body(Body),
    Done,
    Tunnel,
    Failed(Error),
}

#[derive(Debug)]
enum Send {
    Idle,
    Body(BodyWriter),
    Done,
    Tunnel,
}

impl Client {
    pub fn new(limits: Arc<Limits>) -> Client {
        Client {
            limits,
            recv: Receive::Idle,
            send: Send::Idle,
            method: RequestKind::Other,
            upgrade: None,
            interim: 0,
            started: false,
            close: false,
        }
    }

    /// Writes the head of a request, on a new connection or one that [`Client::can_pool`] approved. `upgrade` asks for a
    /// protocol switch; such a request has no body.
    pub fn send_head(
        &mut self,
        head: &RequestHead,
        upgrade: Option<Upgrade>,
        out: &mut Output,
    ) -> Result<(), EncodeError> {
        let fresh = matches!((&self.recv, &self.send), (Receive::Idle, Send::Idle));
        if !fresh && !self.can_pool(true) {
            return Err(EncodeError::State);
        }
        let kind = RequestKind::new(head.method);
        let bodyless = kind == RequestKind::Connect || upgrade.is_some();
        if bodyless && !head.body.is_empty() {
            return Err(EncodeError::State);
        }
        let close = self.close;
        atomically(out, |out| {
            put_request_line(out, head)?;
            put_fields(out, &head.headers)?;
            match head.body {
                BodyLength::Exact(length) if !bodyless => put_content_length(out, length),
                BodyLength::Unknown => out.put_slice(CHUNKED_FIELD),
                // RFC 9110 section 8.6: where a body has a meaning, its absence is said.
                BodyLength::Empty if matches!(head.method, Method::Post | Method::Put | Method::Patch) && !bodyless => {
                    put_content_length(out, 0);
                }
                _ => {}
            }
            if let Some(upgrade) = upgrade {
                put_upgrade(out, upgrade);
            } else if close {
                out.put_slice(b"connection: close\r\n");
            }
            out.put_slice(b"\r\n");
            Ok(())
        })?;
        self.method = kind;
        self.upgrade = upgrade;
        self.interim = 0;
        self.started = false;
        self.recv = Receive::Head(Progress::NEW);
        self.send = match head.body {
            BodyLength::Empty | BodyLength::Exact(0) => Send::Done,
            BodyLength::Exact(length) => Send::Body(BodyWriter::plain(BodyLength::Exact(length))),
            BodyLength::Unknown => Send::Body(BodyWriter::chunked()),
        };
        Ok(())
    }

    /// Writes body bytes, or tunnel bytes.
    pub fn send_data(&mut self, chunk: Bytes, end: bool, out: &mut Output) -> Result<(), EncodeError> {
        let done = match &mut self.send {
            Send::Body(body) => body.data(chunk, end, out)?,
            Send::Tunnel => {
                out.push(chunk);
                end
            }
            Send::Done if chunk.is_empty() => return Ok(()),
            Send::Done => return Err(LengthError::TooLong.into()),
            Send::Idle => return Err(EncodeError::State),
        };
        if done {
            self.send = Send::Done;
        }
        Ok(())
    }

    /// Ends the body with `trailers`, where [`Limits::keep_trailers`] allows them; only a chunked body can carry them, any
    /// other just ends.
    pub fn send_trailers(&mut self, trailers: &HeaderList, out: &mut Output) -> Result<(), EncodeError> {
        match &mut self.send {
            Send::Body(body) => body.trailers(if self.limits.keep_trailers { trailers } else { &NO_TRAILERS }, out)?,
            Send::Done => return Ok(()),
            Send::Idle | Send::Tunnel => return Err(EncodeError::State),
        }
        self.send = Send::Done;
        Ok(())
    }

    /// The next part of the response out of the front of `buf`. Interim heads come first, with `end: false`; so do 101 and 2xx
    /// to CONNECT, behind which the tunnel lies. After an error the same error comes again.
    pub fn recv(&mut self, buf: &mut BytesMut) -> Result<Recv<ResponseHead>, Error> {
        let part = match &mut self.recv {
            Receive::Idle if buf.is_empty() => return Ok(Recv::Paused),
            Receive::Idle => Err(Error::UnexpectedResponse),
            Receive::Head(_) => self.recv_head(buf),
            Receive::Body(body) => body.recv(buf, Kind::Response, &self.limits),
            Receive::Done => return Ok(Recv::Paused),
            Receive::Tunnel if buf.is_empty() => return Ok(Recv::NeedMore),
            Receive::Tunnel => return Ok(Recv::Tunnel(buf.split().freeze())),
            Receive::Failed(error) => return Err(*error),
        };
        match &part {
            Err(error) => self.fail(*error),
            Ok(part) if ends_message(part) => self.recv = Receive::Done,
            Ok(_) => {}
        }
        part
    }

    /// The server has closed its side; `buf` is what is left of its bytes after [`Client::recv`] wanted more. `End` where that
    /// ends the body, `Eof` between messages and in a tunnel; else an error.
    pub fn recv_eof(&mut self, buf: &BytesMut) -> Result<Recv<ResponseHead>, Error> {
        self.close = true;
        let (error, part) = match &self.recv {
            Receive::Head(_) if buf.is_empty() && !self.started => (Some(Error::NoResponse), Recv::Eof),
            Receive::Head(_) => (Some(Error::TruncatedHead), Recv::Eof),
            Receive::Body(body) => (body.recv_eof().err(), Recv::End),
            Receive::Failed(error) => (Some(*error), Recv::Eof),
            Receive::Idle | Receive::Done | Receive::Tunnel => (None, Recv::Eof),
        };
        if let Some(error) = error {
            self.fail(error);
            return Err(error);
        }
        if matches!(self.recv, Receive::Body(_) | Receive::Tunnel) {
            self.recv = Receive::Done;
        }
        Ok(part)
    }

    fn recv_head(&mut self, buf: &mut BytesMut) -> Result<Recv<ResponseHead>, Error> {
        let Receive::Head(progress) = &mut self.recv else { return Ok(Recv::Paused) };
        let Some(&first) = buf.first() else { return Ok(Recv::NeedMore) };
        self.started = true;
        // No empty lines before a response, no greetings of other protocols.
        if first != b'H' {
            return Err(if validate::is_token(&[first]) { Error::BadVersion } else { Error::BadStatusLine });
        }
        let Some((response, len)) = parse_response(progress, buf, &self.limits)? else { return Ok(Recv::NeedMore) };
        let part = self.on_head(response)?;
        buf.advance(len);
        Ok(part)
    }

    /// Decides what the body is, in the order of RFC 9112 section 6.3.
    fn on_head(&mut self, response: Response) -> Result<Recv<ResponseHead>, Error> {
        let Response { mut head, declared, chunked, keep_alive, upgrade } = response;
        let status = head.status;
        let tunnel = match status {
            101 if self.upgrade.is_some() && upgrade == self.upgrade => true,
            101 => return Err(Error::UnexpectedUpgrade),
            // RFC 9110 section 9.3.6: framing fields of such a response are ignored, even malformed ones.
            200..=299 if self.method == RequestKind::Connect => true,
            _ => false,
        };
        if tunnel {
            self.close = true;
            self.recv = Receive::Tunnel;
            self.send = Send::Tunnel;
            head.body = BodyLength::Empty;
            return Ok(Recv::Head { head, end: false });
        }
        let declared = declared?;
        if status < 200 || status == 204 {
            // Row S-22. A length of 0 is a common slip and means what the rule says anyway.
            if chunked || declared.is_some_and(|length| length != BodyLength::Exact(0)) {
                return Err(Error::BodyNotAllowed);
            }
        }
        if status < 200 {
            self.interim = self.interim.saturating_add(1);
            if self.interim > self.limits.interim_responses {
                return Err(Error::TooManyInterim);
            }
            return Ok(Recv::Head { head, end: false });
        }
        // Row S-16: after a refused CONNECT or upgrade the connection serves nobody else.
        self.close |= !keep_alive || self.method == RequestKind::Connect || self.upgrade.is_some();
        let bodyless = matches!(status, 204 | 304) || self.method == RequestKind::Head;
        let (length, body) = match declared {
            // The length of the body that a GET would have had still goes to the client.
            Some(BodyLength::Exact(length)) if bodyless && status != 204 => (BodyLength::Exact(length), None),
            _ if bodyless => (BodyLength::Empty, None),
            Some(BodyLength::Exact(0)) => (BodyLength::Exact(0), None),
            Some(BodyLength::Exact(length)) => (BodyLength::Exact(length), Some(Body::exact(length))),
            Some(_) => (BodyLength::Unknown, Some(Body::chunked())),
            None => {
                self.close = true;
                (BodyLength::Unknown, Some(Body::until_close()))
            }
        };
        head.body = length;
        let end = body.is_none();
        self.recv = body.map_or(Receive::Done, Receive::Body);
        Ok(Recv::Head { head, end })
    }

    fn fail(&mut self, error: Error) {
        self.recv = Receive::Failed(error);
        self.close = true;
    }

    /// The connection may serve another request (rows S-14, S-16, S-22): this one is fully sent, its response fully read, nothing
    /// is left over in the buffer, and both sides want to go on. True also of a connection that has served none yet.
    pub fn can_pool(&self, buf_is_empty: bool) -> bool {
        let between = matches!((&self.recv, &self.send), (Receive::Done, Send::Done) | (Receive::Idle, Send::Idle));
        between && buf_is_empty && !self.close
    }

    /// No request after this one; the head says so if it is still to be written.
    pub fn close_after_response(&mut self) {
        self.close = true;
    }

    /// A byte of the response to this request has come.
    pub fn response_started(&self) -> bool {
        self.started
    }

    /// The request is written to its end.
    pub fn request_done(&self) -> bool {
        matches!(self.send, Send::Done)
    }

    /// The response is received to its end.
    pub fn response_done(&self) -> bool {
        matches!(self.recv, Receive::Done)
    }

    /// The connection ends with this response.
    pub fn will_close(&self) -> bool {
        self.close
    }

    pub fn is_tunnel(&self) -> bool {
        matches!(self.recv, Receive::Tunnel) || matches!(self.send, Send::Tunnel)
    }

    /// Response body bytes to come, where the length is declared.
    pub fn body_remaining(&self) -> Option<u64> {
        match &self.recv {
            Receive::Body(body) => body.remaining(),
            Receive::Done => Some(0),
            Receive::Idle | Receive::Head(_) | Receive::Tunnel | Receive::Failed(_) => None,
        }
    }
}

/// `method SP request-target SP HTTP/1.1` and `host` (RFC 9112 sections 3 and 3.2).
fn put_request_line(out: &mut Output, head: &RequestHead) -> Result<(), EncodeError> {
    let connect = head.method == Method::Connect;
    let authority = head.authority();
    let target = if connect { authority } else { head.target() };
    let form_fits = match target {
        [b'/', ..] => !connect,
        b"*" => head.method == Method::Options,
        _ => connect,
    };
    let authority_fits = if authority.is_empty() { !connect } else { validate::is_target(authority) };
    if !form_fits || !authority_fits || !validate::is_target(target) || target.contains(&b'#') {
        return Err(EncodeError::BadTarget);
    }
    out.put_slice(head.method.as_bytes());
    out.put_slice(b" ");
    out.put_slice(target);
    out.put_slice(b" HTTP/1.1\r\nhost: ");
    out.put_slice(authority);
    out.put_slice(b"\r\n");
    Ok(())
}
