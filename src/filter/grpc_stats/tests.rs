use std::rc::Rc;

use bytes::Bytes;
use nuncio_http::{BodyLength, Method};

use super::*;
use crate::filter::testing::{Driven, Setup, on_worker, request, response};
use crate::filter::{Offer, Part};
use crate::runtime::Rt;

const LISTED: &str = "pkg.Greeter/SayHello";

fn setup(rt: &Rt, all: bool) -> Setup {
    let config = config::GrpcStats {
        stats_for_all_methods: all,
        methods: if all { Vec::new() } else { vec![LISTED.to_owned()] },
        enable_upstream_stats: true,
    };
    Setup::new(rt, &[config::Filter::GrpcWeb(config::GrpcWeb {}), config::Filter::GrpcStats(config)])
}

/// A call whose head has passed the filters and went to the cluster "app".
fn call(setup: &Setup, content_type: &str, path: &str) -> Driven {
    let mut head = request(Method::Post, BodyLength::Unknown, &[("content-type", content_type)]);
    head.set_target(path.as_bytes());
    let mut stream = setup.stream(head);
    assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
    // As the route's rewrite may do.
    stream.info.request.as_mut().unwrap().set_target(b"/rewritten/Path");
    stream.info.cluster = Some(Rc::from("app"));
    stream
}

fn send(stream: &mut Driven, dir: Dir, bytes: &'static [u8]) {
    let part = Part::Data { chunk: Chunk::from(Bytes::from_static(bytes)), end: false };
    assert!(matches!(stream.offer(dir, part), Some(Offer::Part(_))));
}

fn end_with(stream: &mut Driven, status: &str) {
    let mut trailers = HeaderList::new();
    trailers.push(HeaderId::GrpcStatus, status.as_bytes());
    assert!(matches!(stream.offer(Dir::Response, Part::Trailers(trailers)), Some(Offer::Part(_))));
    stream.info.status = 200;
    stream.end();
}

fn respond(stream: &mut Driven, status: u16, fields: &[(&str, &str)]) {
    let mut head = response(status, fields);
    head.body = BodyLength::Unknown;
    stream.respond(head);
    stream.info.status = status;
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

#[test]
fn a_listed_method_has_counters_of_its_own() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, false);
        for status in ["0", "5", "17", "x"] {
            let mut stream = call(&setup, "application/grpc+proto", "/pkg.Greeter/SayHello?a=b");
            send(&mut stream, Dir::Request, b"\0\0\0\0\x01x\0\0\0");
            // While the call goes on.
            assert_eq!(stream.info.cluster.as_deref(), Some("app"));
            send(&mut stream, Dir::Request, b"\0\0");
            respond(&mut stream, 200, GRPC);
            send(&mut stream, Dir::Response, b"\0\0\0\0\0");
            stream.info.times.upstream_request_end = Some(rt.now());
            stream.info.times.response_end = Some(rt.now());
            end_with(&mut stream, status);
        }
        let mut stat = |name: &str| setup.stat_at(&format!("cluster.app.grpc.pkg.Greeter.SayHello.{name}"));
        assert_eq!([stat("0"), stat("5"), stat("16")], [Some(1), Some(1), None]);
        assert_eq!([stat("success"), stat("failure"), stat("total")], [Some(1), Some(3), Some(4)]);
        assert_eq!([stat("request_message_count"), stat("response_message_count")], [Some(8), Some(4)]);
        assert_eq!(stat("upstream_rq_time"), Some(4));
        assert_eq!(setup.stat_at("cluster.app.grpc.total"), None);
    });
}

#[test]
fn messages_are_counted_while_the_call_goes_on() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, false);
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        let cluster = stream.info.cluster.take();
        send(&mut stream, Dir::Request, b"\0\0\0\0\0");
        assert_eq!(setup.stat_at("cluster.app.grpc.request_message_count"), None, "the cluster is not known yet");
        stream.info.cluster = cluster;
        send(&mut stream, Dir::Request, b"\0\0\0\0\0");
        assert_eq!(setup.stat_at("cluster.app.grpc.request_message_count"), Some(2));
        assert_eq!(setup.stat_at("cluster.app.grpc.total"), Some(0));
    });
}

#[test]
fn outcomes_without_trailers() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, false);
        // Trailers-only.
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        respond(&mut stream, 200, &[("grpc-status", "12")]);
        stream.end();
        // No gRPC at all.
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        respond(&mut stream, 503, &[]);
        stream.end();
        // Cut off, before and after the head.
        call(&setup, "application/grpc", "/a.B/C").end();
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        respond(&mut stream, 200, GRPC);
        stream.end();
        // A local reply takes the place of a response.
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        respond(&mut stream, 200, &[("grpc-status", "0")]);
        stream.chain.abandon();
        respond(&mut stream, 200, &[("grpc-status", "4")]);
        stream.end();
        let mut stat = |name: &str| setup.stat_at(&format!("cluster.app.grpc.{name}"));
        assert_eq!([stat("12"), stat("14"), stat("4"), stat("0")], [Some(1), Some(1), Some(1), None]);
        assert_eq!([stat("failure"), stat("total")], [Some(5), Some(5)]);
    });
}

#[test]
fn who_is_counted_as_what() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, false);
        for (content_type, path) in [
            ("application/grpc", "/pkg.Greeter/SayHello"),
            ("application/grpc", "/pkg.Greeter/SayHello/x"),
            ("application/grpc", "/"),
            // gRPC by now.
            ("application/grpc-web", "/a.B/C"),
            ("application/json", "/a.B/C"),
        ] {
            call(&setup, content_type, path).end();
        }
        // No cluster: a redirect, a refusal.
        let mut stream = call(&setup, "application/grpc", "/a.B/C");
        stream.info.cluster = None;
        stream.end();
        assert_eq!(setup.stat_at("cluster.app.grpc.pkg.Greeter.SayHello.total"), Some(1));
        assert_eq!(setup.stat_at("cluster.app.grpc.total"), Some(3));
    });
}

#[test]
fn all_methods_up_to_a_limit() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, true);
        for path in ["/a.B/C", "/a.B/C", "/a%20b/C:\u{e9}\n", "/a", "//a", "/a/", "/a/b/c", "*"] {
            call(&setup, "application/grpc", path).end();
        }
        let long = format!("/{}/m", "s".repeat(LONGEST));
        call(&setup, "application/grpc", &long).end();
        assert_eq!(setup.stat_at("cluster.app.grpc.a.B.C.total"), Some(2));
        assert_eq!(setup.stat_at("cluster.app.grpc.a_20b.C____.total"), Some(1));
        assert_eq!(setup.stat_at("cluster.app.grpc.other.total"), Some(6));
        for at in 0..MOST {
            call(&setup, "application/grpc", &format!("/made/up{at}")).end();
        }
        // Two were there before.
        assert_eq!(setup.stat_at("cluster.app.grpc.other.total"), Some(8));
        assert_eq!(setup.stat_at("cluster.app.grpc.made.up997.total"), Some(1));
        assert_eq!(setup.stat_at("cluster.app.grpc.made.up998.total"), None);
        call(&setup, "application/grpc", "/a.B/C").end();
        assert_eq!(setup.stat_at("cluster.app.grpc.a.B.C.total"), Some(3), "what is known stays");
    });
}
