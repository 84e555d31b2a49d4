//! One HTTP/2 stream to a host. Dropping it resets the stream if it is still open.
//!
//! A WebSocket, which the proxy knows as a GET with an upgrade and a 101 in answer, goes out as an extended CONNECT and comes
//! back as a 2xx (RFC 8441 section 4).

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use nuncio_h2::EncodeError;
use nuncio_http::{BodyLength, Method, RequestHead, ResponseHead, Upgrade};

use super::super::{FromUpstream, websocket};
use super::Connection;
use crate::cluster::HostView;
use crate::error::{Error, Kind, Phase};
use crate::filter::Part;
use crate::h2::{Lost, Received, StreamHandle};
use crate::runtime::net::Addr;

pub struct Exchange {
    connection: Rc<Connection>,
    state: State,
    /// The connection carried a request before.
    reused: bool,
    /// A byte of the response came.
    started: bool,
    upgrade: Option<Pending>,
    /// 101 or 2xx to CONNECT came.
    tunnel: bool,
    connect: bool,
}

enum State {
    New,
    /// Waits until the host has said whether it takes extended CONNECT.
    Unsent(Box<RequestHead>, Upgrade),
    Open(StreamHandle),
}

/// A protocol switch that was asked for.
struct Pending {
    protocol: Upgrade,
    /// `sec-websocket-key`, where the client's is HTTP/1.
    key: Option<Vec<u8>>,
}

impl Exchange {
    pub fn new(connection: Rc<Connection>) -> Exchange {
        Exchange {
            connection,
            state: State::New,
            reused: false,
            started: false,
            upgrade: None,
            tunnel: false,
            connect: false,
        }
    }

    pub fn host(&self) -> &Rc<HostView> {
        self.connection.host()
    }

    pub fn local_addr(&self) -> &Addr {
        self.connection.local_addr()
    }

    pub fn peer_addr(&self) -> &Addr {
        self.connection.peer_addr()
    }

    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether the request left is the connection's secret: only that no stream was opened is certain.
    pub fn is_unsent(&self) -> bool {
        !matches!(self.state, State::Open(_))
    }

    pub fn is_broken(&self) -> bool {
        matches!(&self.state, State::Open(stream) if stream.is_lost())
    }

    pub fn has_output(&self) -> bool {
        matches!(&self.state, State::Open(stream) if stream.has_queued())
    }

    pub fn send_head(&mut self, head: &RequestHead, upgrade: Option<Upgrade>) -> Result<(), Error> {
        self.connect = head.method == Method::Connect;
        let Some(protocol) = upgrade else {
            let end = head.body.is_empty() && !self.connect;
            return self.open(head, None, end);
        };
        let mut head = head.clone();
        self.upgrade = Some(Pending { protocol, key: websocket::key(&head.headers) });
        websocket::strip(&mut head.headers);
        self.state = State::Unsent(Box::new(head), protocol);
        self.send_unsent()
    }

    /// Sends an extended CONNECT as soon as it is known that the host takes it.
    fn send_unsent(&mut self) -> Result<(), Error> {
        let State::Unsent(head, protocol) = &self.state else { return Ok(()) };
        match self.connection.mux.peer_connect_protocol() {
            None => Ok(()),
            Some(false) => Err(Error::upstream(Kind::Protocol("http2.no_extended_connect"), Phase::Request)),
            Some(true) => {
                let (head, protocol) = (head.clone(), *protocol);
                self.open(&head, Some(protocol), false)
            }
        }
    }

    fn open(&mut self, head: &RequestHead, protocol: Option<Upgrade>, end: bool) -> Result<(), Error> {
        let stream = self.connection.mux.open(head, protocol, end).map_err(|error| match error {
            // The last place was taken in between, or the connection is going.
            EncodeError::Refused => Error::upstream(Kind::Unprocessed, Phase::Request),
            other => Error::local(Kind::Local(other.detail())),
        })?;
        self.state = State::Open(stream);
        // Behind the stream: the last request that a connection may carry lets no other in.
        self.reused = self.connection.count_request() > 0;
        Ok(())
    }

    pub fn send_part(&mut self, part: Part) -> Result<(), Error> {
        let State::Open(stream) = &mut self.state else { return Ok(()) };
        match stream.send_part(part) {
            // The reset is found where the response is read: it may have come before.
            Ok(()) | Err(EncodeError::Closed) => Ok(()),
            Err(error) => Err(Error::local(Kind::Local(error.detail()))),
        }
    }

    pub fn poll_room(&mut self, task: &mut Context<'_>) -> Poll<usize> {
        match &mut self.state {
            State::Open(stream) => stream.poll_room(task),
            _ => Poll::Pending,
        }
    }

    /// The next part of the response.
    pub fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<Result<FromUpstream, Error>> {
        if let State::Unsent(..) = self.state {
            if self.connection.mux.is_lost() {
                return Poll::Ready(Err(Error::upstream(Kind::Unprocessed, Phase::Request)));
            }
            self.send_unsent()?;
            if let State::Unsent(..) = self.state {
                self.connection.mux.park_for_settings(task);
                return Poll::Pending;
            }
        }
        let State::Open(stream) = &mut self.state else { return Poll::Pending };
        let received = ready!(stream.poll_recv(task)).map_err(|lost| self.lost(lost))?;
        self.started = true;
        Poll::Ready(Ok(match received {
            Received::Part(part) => FromUpstream::Part(part),
            Received::Head { head, end } => self.on_head(head, end),
        }))
    }

    fn on_head(&mut self, mut head: ResponseHead, end: bool) -> FromUpstream {
        let success = (200..300).contains(&head.status);
        if let Some(pending) = self.upgrade.take_if(|_| head.status >= 200) {
            if success && !end {
                head.status = 101;
                self.tunnel = true;
                if let Some(key) = pending.key
                    && pending.protocol == Upgrade::Websocket
                {
                    websocket::set_accept(&mut head.headers, &key);
                }
            }
        } else if self.connect && success {
            self.tunnel = true;
        }
        if self.tunnel {
            head.body = BodyLength::Empty;
            return FromUpstream::Head { head, end: false };
        }
        FromUpstream::Head { head, end }
    }

    fn lost(&self, lost: Lost) -> Error {
        let phase = if self.started { Phase::Response } else { Phase::Request };
        let kind = match lost {
            Lost::Reset(reset) if reset.unprocessed => Kind::Unprocessed,
            Lost::Reset(reset) if reset.by_peer => Kind::Reset,
            Lost::Reset(reset) => Kind::Protocol(reset.detail),
            Lost::Protocol(detail) => Kind::Protocol(detail),
            Lost::Unsent => Kind::Unprocessed,
            Lost::Closed => Kind::Closed,
        };
        Error::upstream(kind, phase)
    }
}
