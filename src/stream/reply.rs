//! Answers of the proxy's own: redirects, fixed responses, errors. A reply takes the response's place and runs back
//! through the filters that saw the request.

use nuncio_http::{BodyLength, HeaderId, HeaderList, HeaderName, ResponseHead};

use super::ends::Downstream;
use super::run::Stream;
use crate::error::{Error, Kind, ResponseFlags, Timeout};
use crate::filter::LocalReply;
use crate::grpc::Status;
use crate::route::{Redirect, Respond};

/// A request body up to this many bytes is read after a reply that did not wait for it, in bytes (row S-13).
pub const DRAIN_LIMIT: u64 = 64 * 1024;

/// What a client is told of an error.
pub(super) fn for_error(error: Error) -> LocalReply {
    let body = match error.kind {
        Kind::NoRoute => "no route\n",
        Kind::NoHealthyHost => "no healthy upstream\n",
        Kind::Overflow => "upstream overflow\n",
        Kind::Maintenance => "maintenance mode\n",
        Kind::Refused | Kind::ConnectTimeout | Kind::Tls => "upstream connect error\n",
        Kind::Reset | Kind::Unprocessed => "upstream reset the stream before a response\n",
        Kind::Closed => "upstream closed the connection before a response\n",
        Kind::Timeout(Timeout::Grpc) => "deadline exceeded\n",
        Kind::Timeout(_) if error.status() == 504 => "upstream request timeout\n",
        Kind::Timeout(_) => "request timeout\n",
        Kind::Protocol(_) => "upstream protocol error\n",
        Kind::BadRequest { .. } => "bad request\n",
        Kind::Local(_) => "stream reset\n",
    };
    let mut reply = LocalReply::text(error.status(), body, error.detail());
    if error.flag() == ResponseFlags::UPSTREAM_OVERFLOW
        && let Ok(name) = HeaderName::new("x-envoy-overloaded")
    {
        reply.headers.push(name, b"true");
    }
    match error.kind {
        Kind::Timeout(Timeout::Grpc) => reply.with_grpc_status(Status::DeadlineExceeded),
        _ => reply,
    }
}

/// CONNECT where no route allows it (row S-16).
pub(super) fn connect_refused() -> LocalReply {
    let mut reply = LocalReply::text(405, "CONNECT is not allowed here\n", "connect_not_allowed");
    reply.headers.push(HeaderId::Allow, b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
    reply
}

impl Stream {
    /// Sends `reply` in place of whatever was to come. The upstream is given up.
    pub(super) fn reply(&mut self, mut reply: LocalReply, down: &mut dyn Downstream) {
        self.drop_attempt();
        self.request.ignore();
        self.chain.abandon();
        self.timeouts.on_local_reply(self.rt.now());
        self.info.detail = reply.detail;
        // 408: what did not come in time is not waited for again (RFC 9110 section 15.5.9).
        if !self.request.is_received() && (reply.status == 408 || !down.can_drain(DRAIN_LIMIT)) {
            down.close_after_response();
        }
        if let Some(request) = &self.info.request {
            super::grpc::convert(&mut reply, &request.headers);
        }
        self.info.status = reply.status;
        for (flag, ..) in crate::error::ResponseFlags::ALL {
            if reply.flags.contains(*flag) {
                self.info.flags.insert(*flag);
            }
        }
        let LocalReply { status, mut headers, body, .. } = reply;
        if !body.is_empty() && !headers.contains(HeaderId::ContentType) {
            headers.push(HeaderId::ContentType, b"text/plain");
        }
        let mut head = ResponseHead::new(status, headers);
        // Trailers-only answers to gRPC have no body either, not even a declared empty one.
        let bodyless = matches!(status, 204 | 304) || head.headers.contains(HeaderId::GrpcStatus);
        head.body = if bodyless { BodyLength::Empty } else { BodyLength::Exact(body.len() as u64) };
        self.info.response = Some(head);
        self.response.set_local(body);
        self.moved = true;
    }

    pub(super) fn respond(&mut self, respond: &Respond, down: &mut dyn Downstream) {
        let mut headers = HeaderList::new();
        if let Some(content_type) = &respond.content_type {
            headers.push(HeaderId::ContentType, content_type);
        }
        let reply = LocalReply {
            status: respond.status,
            headers,
            body: respond.body.clone(),
            flags: Default::default(),
            detail: "direct_response",
            grpc_status: None,
        };
        self.reply(reply, down);
        self.edit_response();
    }

    pub(super) fn redirect(&mut self, redirect: &Redirect, down: &mut dyn Downstream) -> Result<(), Error> {
        let listener = self.listener.clone();
        let (Some(head), Some(route)) = (&self.info.request, self.route.map(|route| listener.route(route))) else {
            return Err(Error::local(Kind::NoRoute));
        };
        let location =
            redirect.location(head, route.matched_len(head)).map_err(|detail| Error::bad_request(400, detail))?;
        let mut reply = LocalReply::text(redirect.status, "", "direct_response");
        reply.headers.push(HeaderId::Location, &location);
        self.reply(reply, down);
        self.edit_response();
        Ok(())
    }
}
