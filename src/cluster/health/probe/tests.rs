//! Probes against small servers, a thread each.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_h2::{Recv, Side};
use nuncio_http::{BodyLength, HeaderList, ResponseHead};

use super::*;
use crate::config;
use crate::stats::Registry;

/// Serves each connection with `serve`, one at a time, and counts them.
fn server(serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, SeqCst);
            let mut stream = stream.unwrap();
            // Nothing is to wait for ever when a test has failed.
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = serve(&mut stream);
        }
    });
    (address, connections)
}

/// Answers each request with the same bytes, as often as it is asked.
fn answers(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    server(move |stream| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer)? > 0 {
            stream.write_all(answer)?;
        }
        Ok(())
    })
}

struct Setup {
    prober: Prober,
    settings: HealthCheck,
    stats: Handle<HealthCheckStats>,
}

/// The prober of a cluster `app` with one host; `cluster` are its keys besides `endpoints`.
fn setup(address: SocketAddr, cluster: &str) -> Setup {
    let text = format!(
        r#"{{ "admin": {{ "address": "127.0.0.1:0" }},
            "clusters": {{ "app": {{ "endpoints": ["{address}"], {cluster} }} }} }}"#
    );
    let (config, _) = config::parse(&text, std::path::Path::new("/"), "test").unwrap_or_else(|error| panic!("{error}"));
    let config = &config.clusters["app"];
    let cluster = Arc::new(Cluster::new("app", config, &[], &mut Registry::new(), 1, &Arc::default()).unwrap());
    let (settings, stats) = (config.health_check.clone().unwrap(), Handle::<HealthCheckStats>::detached());
    let host = cluster.hosts()[0].clone();
    Setup { prober: Prober::new(cluster, host, &settings, stats.clone()), settings: *settings, stats }
}

impl Setup {
    fn check(&mut self) -> Result<Outcome, Refusal> {
        control::block_on(self.prober.check(&self.settings))
    }
}

/// What came of one check, in a word or two.
fn told(result: &Result<Outcome, Refusal>) -> String {
    match result {
        Ok(Outcome::Healthy { degraded: false }) => "healthy".to_owned(),
        Ok(Outcome::Healthy { degraded: true }) => "degraded".to_owned(),
        Ok(outcome) => format!("{outcome:?}"),
        Err(Refusal { failure: Some(failure), why }) => format!("{failure:?}: {why}"),
        Err(Refusal { failure: None, why }) => format!("not asked: {why}"),
    }
}

#[test]
fn http_answers() {
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let rows: [(&str, &'static [u8], &str); 16] = [
        ("", ok, "healthy"),
        ("", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-envoy-degraded: \r\n\r\n", "degraded"),
        ("", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "healthy"),
        ("", b"HTTP/1.1 204 No Content\r\n\r\n", "Active: status 204"),
        ("", b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "Active: status 503"),
        (
            r#", "retriable_statuses": ["500-599"]"#,
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "Retriable: status 503",
        ),
        (r#", "expected_statuses": ["200-299", 404]"#, b"HTTP/1.1 204 No Content\r\n\r\n", "healthy"),
        (r#", "expected_statuses": ["200-299", 404]"#, b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "healthy"),
        (r#", "expected_statuses": ["201-299"]"#, ok, "Active: status 200"),
        (r#", "receive": ["o", "k"]"#, ok, "healthy"),
        (r#", "receive": ["k", "o"]"#, ok, "Active: the body is not what it should be: \"ok\""),
        (r#", "method": "HEAD""#, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", "healthy"),
        (r#", "service_name_matcher": { "prefix": "app" }"#, ok, "Active: it serves as nobody"),
        (
            r#", "service_name_matcher": { "prefix": "app" }"#,
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-envoy-upstream-healthchecked-cluster: app-1\r\n\r\n",
            "healthy",
        ),
        (
            r#", "service_name_matcher": { "prefix": "app" }"#,
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-envoy-upstream-healthchecked-cluster: db\r\n\r\n",
            "Active: it serves as \"db\"",
        ),
        ("", b"SSH-2.0\r\n", "Network: "),
    ];
    for (settings, answer, expected) in rows {
        let (address, _) = answers(answer);
        let mut setup = setup(
            address,
            &format!(r#""health_check": {{ "type": "http", "path": "/", "timeout": "20s"{settings} }}"#),
        );
        let result = setup.check();
        let told = told(&result);
        let same = if expected == "Network: " { told.starts_with(expected) } else { told == expected };
        assert!(same, "{settings} {}: {told}", answer.escape_ascii());
        assert_eq!(setup.stats.verify_cluster.get(), u64::from(settings.contains("service_name")));
    }
}

#[test]
fn the_request_is_what_the_settings_say() {
    let (sender, seen) = std::sync::mpsc::channel();
    let (address, _) = server(move |stream| {
        let (mut buffer, mut request) = ([0; 4096], String::new());
        while !request.ends_with("\r\n\r\n") {
            let read = stream.read(&mut buffer)?;
            assert_ne!(read, 0, "{request}");
            request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        sender.send(request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    let plain = r#""health_check": { "type": "http", "path": "/healthz?full=1", "timeout": "20s" }"#;
    assert!(setup(address, plain).check().is_ok());
    assert_eq!(seen.recv().unwrap(), "GET /healthz?full=1 HTTP/1.1\r\nhost: app\r\nuser-agent: Envoy/HC\r\n\r\n");
    let other = format!(
        r#""proxy_protocol": "v1", "health_check": {{ "type": "http", "path": "/", "timeout": "20s", "method": "OPTIONS",
            "host": "app.internal", "port": {}, "request_headers": {{ "User-Agent": "me", "x-a": "b" }} }}"#,
        address.port()
    );
    // The endpoint's own port is another one.
    let nowhere = SocketAddr::new(address.ip(), 1);
    assert!(setup(nowhere, &other).check().is_ok());
    let expected = "PROXY UNKNOWN\r\nOPTIONS / HTTP/1.1\r\nhost: app.internal\r\nuser-agent: me\r\nx-a: b\r\n\r\n";
    assert_eq!(seen.recv().unwrap(), expected);
}

#[test]
fn connections_are_kept_and_opened_anew_when_they_are_gone() {
    let http = r#""health_check": { "type": "http", "path": "/", "timeout": "20s" }"#;
    let (address, connections) = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut kept = setup(address, http);
    for _ in 0..3 {
        assert_eq!(told(&kept.check()), "healthy");
    }
    assert_eq!(connections.load(SeqCst), 1);

    // It closes after each answer without a word of it.
    let (address, connections) = server(|stream| {
        let _ = stream.read(&mut [0; 4096])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    });
    let mut closed = setup(address, http);
    for _ in 0..3 {
        assert_eq!(told(&closed.check()), "healthy");
    }
    assert_eq!(connections.load(SeqCst), 3);

    let (address, connections) = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let not = http.replace("\"path\"", "\"reuse_connection\": false, \"path\"");
    let mut anew = setup(address, &not);
    for _ in 0..3 {
        assert_eq!(told(&anew.check()), "healthy");
    }
    assert_eq!(connections.load(SeqCst), 3);
}

#[test]
fn who_cannot_be_reached_or_says_nothing_fails_by_the_network() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for probe in [r#""http", "path": "/""#, r#""tcp""#, r#""redis""#] {
        let result = setup(gone, &format!(r#""health_check": {{ "type": {probe}, "timeout": "20s" }}"#)).check();
        assert!(told(&result).starts_with("Network: Connection refused"), "{probe}: {}", told(&result));
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for probe in [r#""http", "path": "/""#, r#""tcp", "receive": "x""#, r#""redis""#] {
        let result = setup(address, &format!(r#""health_check": {{ "type": {probe}, "timeout": "20ms" }}"#)).check();
        assert_eq!(told(&result), "Timeout: no answer within 20ms", "{probe}");
    }
}

/// Bytes are there whenever they are asked for: the limit of time is looked at all the same.
#[test]
fn an_answer_without_end_takes_no_longer_than_it_may() {
    let (address, _) = server(|stream| {
        let _ = stream.read(&mut [0; 4096])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let (chunks, mut left) = (b"1\r\nx\r\n".repeat(64 * 1024), 10_000);
        // Not for ever, should nobody leave.
        while left > 0 {
            stream.write_all(&chunks)?;
            left -= 1;
        }
        Ok(())
    });
    let result = setup(address, r#""health_check": { "type": "http", "path": "/", "timeout": "100ms" }"#).check();
    assert_eq!(told(&result), "Timeout: no answer within 100ms");
}

#[test]
fn tcp_answers() {
    let receive = |payloads: &str| format!(r#""tcp", "timeout": "20s", "send": "hi", "receive": {payloads}"#);
    let rows: [(&'static [u8], String, &str); 4] = [
        (b"", r#""tcp", "timeout": "20s""#.to_owned(), "healthy"),
        (b"xxheyxx\x00\xffxx", receive(r#"["hey", { "hex": "00fF" }]"#), "healthy"),
        (b"abc", receive(r#""abcd""#), "Network: ended after \"abc\""),
        (b"abc", receive(r#"["bc", "ab"]"#), "Network: ended after \"abc\""),
    ];
    for (answer, probe, expected) in rows {
        let (address, _) = server(move |stream| {
            if !answer.is_empty() {
                let _ = stream.read(&mut [0; 64])?;
                // In pieces, as a network may.
                for byte in answer {
                    stream.write_all(&[*byte])?;
                }
            }
            Ok(())
        });
        let result = setup(address, &format!(r#""health_check": {{ "type": {probe} }}"#)).check();
        assert_eq!(told(&result), expected, "{probe}");
    }
    let (address, _) = answers(&[b'x'; 20_000]);
    let endless = setup(address, &format!(r#""health_check": {{ "type": {} }}"#, receive(r#""y""#))).check();
    assert_eq!(told(&endless), "Network: 16384 bytes came, and not what should");
}

#[test]
fn redis_answers() {
    let rows: [(&str, &'static [u8], &str); 8] = [
        ("", b"+PONG\r\n", "healthy"),
        ("", b"+OK\r\n", "Active: it answers \"+OK\""),
        ("", b"-NOAUTH Authentication required.\r\n", "Active: it answers \"-NOAUTH Authentication required.\""),
        ("", b"+PONG\r\n+PONG\r\n", "Network: more than one answer: \"+PONG\\r\\n+PONG\\r\\n\""),
        (r#", "key": "off""#, b":0\r\n", "healthy"),
        (r#", "key": "off""#, b":1\r\n", "Active: it has the key of the check"),
        (r#", "key": "off""#, b"+PONG\r\n", "Active: it answers \"+PONG\""),
        ("", &[b'x'; 1100], "Network: no answer is as long as"),
    ];
    for (settings, answer, expected) in rows {
        let (address, connections) = answers(answer);
        let probe = format!(r#""health_check": {{ "type": "redis", "timeout": "20s"{settings} }}"#);
        let mut setup = setup(address, &probe);
        let result = setup.check();
        assert!(told(&result).starts_with(expected), "{}: {}", answer.escape_ascii(), told(&result));
        if result.is_ok() {
            assert_eq!((told(&setup.check()), connections.load(SeqCst)), ("healthy".to_owned(), 1), "it is kept");
        }
    }
}

/// Answers every request over HTTP/2 like this; `most` requests a connection.
fn http2(
    status: u16,
    fields: &'static [(&str, &str)],
    body: &'static [u8],
    most: usize,
) -> (SocketAddr, Arc<AtomicUsize>) {
    server(move |stream| {
        let mut codec = nuncio_h2::Connection::new(Side::Server, Arc::default(), control::now());
        let (mut input, mut buffer, mut served) = (BytesMut::new(), [0; 4096], 0);
        loop {
            while !codec.output().is_empty() {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let filled = codec.output().io_slices(&mut slices);
                let written = stream.write_vectored(&slices[..filled])?;
                codec.output().advance(written);
            }
            codec.on_flushed();
            if served == most {
                // Closed with unread bytes, the socket would reset, and take the answer along.
                stream.shutdown(Shutdown::Write)?;
                while stream.read(&mut buffer)? > 0 {}
                return Ok(());
            }
            let event =
                codec.recv(&mut input, control::now()).map_err(|error| std::io::Error::other(format!("{error:?}")))?;
            match event {
                Recv::NeedMore => match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => input.extend_from_slice(&buffer[..read]),
                },
                Recv::Request { stream, request, .. } => {
                    assert_eq!(request.head.authority(), b"app");
                    let mut list = HeaderList::new();
                    for (name, value) in fields {
                        list.push_raw(name.as_bytes(), value.as_bytes());
                    }
                    let mut head = ResponseHead::new(status, list);
                    head.body = BodyLength::Unknown;
                    codec.send_response(stream, &head, false).unwrap();
                    codec.send_data(stream, Bytes::from_static(body), body.is_empty()).unwrap();
                    let mut trailers = HeaderList::new();
                    trailers.push_raw(b"grpc-status", b"0");
                    if !body.is_empty() {
                        codec.send_trailers(stream, &trailers).unwrap();
                    }
                    codec.fill(1 << 16);
                    served += 1;
                }
                _ => {}
            }
        }
    })
}

#[test]
fn http2_answers_over_one_connection() {
    let cluster = r#""protocol": "h2", "health_check": { "type": "http", "path": "/", "timeout": "20s" }"#;
    let (address, connections) = http2(200, &[("x-envoy-degraded", "")], b"", usize::MAX);
    let mut kept = setup(address, cluster);
    for _ in 0..3 {
        assert_eq!(told(&kept.check()), "degraded");
    }
    assert_eq!(connections.load(SeqCst), 1);
    let (address, connections) = http2(200, &[], &[b'x'; 5000], 1);
    let mut closed = setup(address, cluster);
    for _ in 0..3 {
        assert_eq!(told(&closed.check()), "healthy");
    }
    assert_eq!(connections.load(SeqCst), 3);
    let (address, _) = http2(503, &[], b"", usize::MAX);
    assert_eq!(told(&setup(address, cluster).check()), "Active: status 503");
    let (address, _) = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let told = told(&setup(address, cluster).check());
    assert!(told.starts_with("Network: "), "{told}");
}

#[test]
fn grpc_answers() {
    let cluster = r#""protocol": "h2", "health_check": { "type": "grpc", "service_name": "shop", "timeout": "20s" }"#;
    type Row = (u16, &'static [(&'static str, &'static str)], &'static [u8], &'static str);
    let rows: [Row; 7] = [
        (200, &[], b"\0\0\0\0\x02\x08\x01", "healthy"),
        (200, &[], b"\0\0\0\0\x02\x08\x02", "Active: NOT_SERVING"),
        (200, &[], b"\0\0\0\0\0", "Active: UNKNOWN"),
        (200, &[], b"\0\0\0\0\x02\x08\x09", "Active: no known status"),
        (200, &[], b"\0\0\0\0\x09\x08\x01", "Active: the message cannot be read"),
        (200, &[("grpc-status", "12")], b"", "Active: grpc-status \"12\""),
        (503, &[], b"", "Active: status 503"),
    ];
    for (status, fields, body, expected) in rows {
        let (address, _) = http2(status, fields, body, usize::MAX);
        let mut setup = setup(address, cluster);
        assert_eq!(told(&setup.check()), expected);
        assert_eq!(told(&setup.check()), expected, "again");
    }
}

#[test]
fn that_we_have_no_socket_left_says_nothing_of_the_host() {
    let result = |errno| Err(Refusal::unconnected(&ControlError::Io(std::io::Error::from_raw_os_error(errno))));
    assert!(told(&result(24)).starts_with("not asked: "), "EMFILE");
    assert!(told(&result(111)).starts_with("Network: "), "ECONNREFUSED");
}
