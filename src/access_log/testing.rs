//! A stream for tests, with a value in every place.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_http::{HeaderId, HeaderList, Method, RequestHead, ResponseHead, Version};

use crate::cluster::{Host, HostView, Identity};
use crate::error::ResponseFlags;
use crate::stream::info::{ConnectionInfo, StreamInfo, Times};

/// `POST /new?q=1` from 192.0.2.7 by way of a trusted proxy, answered 503 after a second.
#[allow(clippy::disallowed_methods, reason = "an `Instant` comes from nowhere else")]
pub(super) fn stream() -> StreamInfo {
    let start = Instant::now();
    let after = |micros| Some(start + Duration::from_micros(micros));
    let mut request = RequestHead::new(Method::Post, Version::Http11, HeaderList::new());
    request.set_target(b"/new?q=1");
    request.set_authority(b"example.com");
    request.headers.push(HeaderId::XEnvoyOriginalPath, b"/old?q=1");
    request.headers.push(HeaderId::UserAgent, b"curl \"8\"\x1b");
    request.headers.push(HeaderId::XForwardedFor, b"192.0.2.7");
    let mut response = ResponseHead::new(503, HeaderList::new());
    response.headers.push(HeaderId::XEnvoyUpstreamServiceTime, b"12");
    let connection = ConnectionInfo { id: 42, ..ConnectionInfo::between("10.0.0.1:5000", "[2001:db8::1]:443") };
    let mut flags = ResponseFlags::default();
    flags.insert(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
    flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
    StreamInfo {
        connection: Rc::new(connection),
        start,
        start_time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_460_751_600_310),
        times: Times {
            request_end: after(2_000),
            upstream_ready: after(3_000),
            upstream_request_start: after(3_500),
            upstream_request_end: after(4_000),
            response_start: after(900_000),
            response_end: after(990_000),
            end: after(1_000_000),
        },
        client: Some("192.0.2.7".parse().unwrap()),
        request: Some(request),
        response: Some(response),
        response_trailers: None,
        status: 503,
        flags,
        detail: "via_upstream",
        route: Some(Arc::from("api")),
        cluster: Some(Rc::from("app")),
        host: Some(Rc::new(HostView::new(Arc::new(Host::new(Identity::of("127.0.0.1:9000".parse().unwrap()), 1))))),
        upstream_remote: None,
        upstream_local: Some("127.0.0.1:40000".parse().unwrap()),
        attempts: 2,
        bytes_received: 5,
        bytes_sent: 1024,
        target: None,
    }
}
