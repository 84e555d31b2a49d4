//! What a stream does differently for gRPC: the proxy's own answers are gRPC statuses, and the client's `grpc-timeout` is
//! the deadline.

use std::time::Duration;

use nuncio_http::{HeaderId, HeaderList, Version};

use super::run::Stream;
use crate::filter::LocalReply;
use crate::grpc::{Kind, Status, format_timeout, parse_timeout, percent_encode};

/// Turns an answer to a gRPC or gRPC-Web request into one that its client understands: trailers in the head, status 200
/// ("gRPC over HTTP2", Trailers-Only). A redirect is for whoever follows one, and stays.
pub(super) fn convert(reply: &mut LocalReply, request: &HeaderList) {
    let Some(kind) = Kind::of(request).filter(|_| !(300..400).contains(&reply.status)) else { return };
    let status = reply.grpc_status.unwrap_or_else(|| Status::from_http(reply.status));
    let body = std::mem::take(&mut reply.body);
    let headers = &mut reply.headers;
    headers.set(HeaderId::ContentType, &kind.media_type(b""));
    headers.set(HeaderId::GrpcStatus, status.as_str().as_bytes());
    let message = percent_encode(body.strip_suffix(b"\n").unwrap_or(&body));
    if !message.is_empty() {
        headers.set(HeaderId::GrpcMessage, &message);
    }
    reply.status = 200;
}

impl Stream {
    /// The limits of time of a gRPC request. The deadline that its client names stands in place of the route's `timeout`;
    /// where the route's `grpc_timeout_max` is less, the upstream is told of that.
    pub(super) fn start_grpc_timeouts(&mut self, most: Option<Duration>) {
        let Some(head) = &mut self.info.request else { return };
        let Some(kind) = Kind::of(&head.headers) else { return };
        if kind == Kind::Grpc && head.version >= Version::Http2 {
            self.timeouts.on_grpc_stream();
        }
        // A value that is none is left for the upstream to judge; so are two.
        let Some(asked) = head.headers.joined(&HeaderId::GrpcTimeout).and_then(|value| parse_timeout(&value)) else {
            return;
        };
        let timeout = most.map_or(asked, |most| most.min(asked));
        if timeout < asked {
            head.headers.set(HeaderId::GrpcTimeout, format_timeout(timeout).as_bytes());
        }
        self.timeouts.set_grpc(timeout, self.rt.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderList {
        let mut headers = HeaderList::new();
        headers.push(HeaderId::ContentType, content_type.as_bytes());
        headers
    }

    fn converted(mut reply: LocalReply, content_type: &str) -> String {
        convert(&mut reply, &headers(content_type));
        let fields: String = reply.headers.iter().map(|field| format!(" {field:?};")).collect();
        format!("{}{fields} {:?}", reply.status, reply.body)
    }

    #[test]
    fn an_answer_to_grpc_is_a_grpc_status() {
        let reply = || LocalReply::text(503, "no healthy\n upstream\n", "x");
        let rows = [
            ("application/grpc+proto", "application/grpc"),
            ("application/grpc-web", "application/grpc-web+proto"),
            ("application/grpc-web-text+proto", "application/grpc-web-text+proto"),
        ];
        for (asked, told) in rows {
            let fields = format!("content-type: {told}; grpc-status: 14; grpc-message: no healthy%0A upstream;");
            assert_eq!(converted(reply(), asked), format!("200 {fields} b\"\""));
        }
        assert_eq!(converted(reply(), "text/plain"), "503 b\"no healthy\\n upstream\\n\"");
    }

    #[test]
    fn what_else_a_reply_holds_stays() {
        let mut reply = LocalReply::text(429, "", "x").with_grpc_status(Status::ResourceExhausted);
        reply.headers.push(HeaderId::RetryAfter, b"1");
        reply.headers.push(HeaderId::ContentType, b"text/html");
        let expected = "200 retry-after: 1; content-type: application/grpc; grpc-status: 8; b\"\"";
        assert_eq!(converted(reply, "application/grpc"), expected);
        let mut redirect = LocalReply::text(307, "", "x");
        redirect.headers.push(HeaderId::Location, b"/a");
        assert_eq!(converted(redirect, "application/grpc"), "307 location: /a; b\"\"");
    }
}
