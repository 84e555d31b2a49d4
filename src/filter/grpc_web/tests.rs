use nuncio_http::{HeaderName, Method};

use super::*;
use crate::config;
use crate::filter::testing::{Driven, Setup, on_worker, request, response, text};
use crate::filter::{Offer, Part};

fn call(rt: &crate::runtime::Rt, fields: &[(&str, &str)]) -> Driven {
    let setup = Setup::new(rt, &[config::Filter::GrpcWeb(config::GrpcWeb {})]);
    let mut stream = setup.stream(request(Method::Post, BodyLength::Exact(40), fields));
    assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
    stream
}

fn part(bytes: &[u8], end: bool) -> Part {
    Part::Data { chunk: Chunk::from(Bytes::copy_from_slice(bytes)), end }
}

fn trailers(fields: &[(&str, &str)]) -> HeaderList {
    let mut list = HeaderList::new();
    for (name, value) in fields {
        list.push(HeaderName::new(name).unwrap(), value.as_bytes());
    }
    list
}

/// What comes out of an offer, and whether it is the end.
fn out(offer: Option<Offer>) -> (Vec<u8>, bool) {
    match offer {
        Some(Offer::Part(Part::Data { chunk, end })) => (chunk.pieces().flatten().copied().collect(), end),
        Some(Offer::More) => (Vec::new(), false),
        offer => panic!("{offer:?}"),
    }
}

fn answered(stream: &mut Driven, content_type: &str) -> (String, BodyLength) {
    let mut head = response(200, &[("content-type", content_type), ("content-length", "7")]);
    head.body = BodyLength::Exact(7);
    stream.respond(head);
    let head = stream.info.response.as_ref().unwrap();
    (text(&head.headers), head.body)
}

/// As a server of gRPC writes it.
fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, bytes.len() as u8], bytes].concat()
}

#[test]
fn heads_are_those_of_grpc() {
    on_worker(|rt| async move {
        let rows = [
            ("application/grpc-web", "application/grpc", BodyLength::Exact(40)),
            ("application/grpc-web+json", "application/grpc+json", BodyLength::Exact(40)),
            ("application/grpc-web-text", "application/grpc", BodyLength::Unknown),
            ("application/grpc-web-text+proto", "application/grpc+proto", BodyLength::Unknown),
        ];
        for (web, grpc, length) in rows {
            let stream = call(&rt, &[("te", "gzip"), ("content-type", web)]);
            assert_eq!(text(&stream.request().headers), format!("te: trailers\ncontent-type: {grpc}\n"));
            assert_eq!(stream.request().body, length);
        }
    });
}

#[test]
fn other_requests_have_no_filter() {
    on_worker(|rt| async move {
        for content_type in ["application/grpc", "text/plain"] {
            assert!(call(&rt, &[("content-type", content_type)]).chain.is_empty());
        }
    });
}

#[test]
fn accept_says_which_form_comes_back() {
    on_worker(|rt| async move {
        let (web, web_text) = ("application/grpc-web", "application/grpc-web-text");
        let rows = [
            (web, None, web),
            (web_text, None, web_text),
            (web, Some("application/grpc-web-text"), web_text),
            (web_text, Some("text/html, application/grpc-web+proto;q=1"), web),
            (web_text, Some("*/*"), web_text),
        ];
        for (content_type, accept, expected) in rows {
            let accept = accept.map(|value| ("accept", value));
            let fields: Vec<_> = [("content-type", content_type)].into_iter().chain(accept).collect();
            let mut stream = call(&rt, &fields);
            let (head, length) = answered(&mut stream, "application/grpc");
            assert_eq!(head, format!("content-type: {expected}+proto\n"), "{fields:?}");
            assert_eq!(length, BodyLength::Unknown);
        }
    });
}

#[test]
fn trailers_are_the_last_frame_of_the_body() {
    on_worker(|rt| async move {
        let mut stream = call(&rt, &[("content-type", "application/grpc-web+proto")]);
        answered(&mut stream, "application/grpc+proto");
        assert_eq!(out(stream.offer(Dir::Response, part(&message(b"hi"), false))), (message(b"hi"), false));
        let fields = trailers(&[("grpc-status", "0"), ("x-a", "b c")]);
        let (last, end) = out(stream.offer(Dir::Response, Part::Trailers(fields)));
        assert_eq!((&last[..], end), (&b"\x80\0\0\0\x1agrpc-status: 0\r\nx-a: b c\r\n"[..], true));
        assert!(stream.poll(Dir::Response).is_none() && !stream.chain.is_waiting(Dir::Response));
        let logged = stream.info.response_trailers.as_ref().unwrap();
        assert_eq!(text(logged), "grpc-status: 0\nx-a: b c\n");
    });
}

#[test]
fn a_body_without_trailers_is_no_success() {
    on_worker(|rt| async move {
        let fields = "grpc-status: 13\r\ngrpc-message: the response ended without a status\r\n";
        for (form, is_text) in [("application/grpc-web", false), ("application/grpc-web-text", true)] {
            let mut stream = call(&rt, &[("content-type", form)]);
            answered(&mut stream, "application/grpc");
            let (body, end) = out(stream.offer(Dir::Response, part(&message(b"hi"), true)));
            let body = if is_text { decoded(&body) } else { body };
            let frame = [&[0x80, 0, 0, 0, fields.len() as u8], fields.as_bytes()].concat();
            assert_eq!((body, end), ([message(b"hi"), frame].concat(), true), "{form}");
        }
        // A status in the head is one.
        let mut stream = call(&rt, &[("content-type", "application/grpc-web")]);
        let mut head = response(200, &[("content-type", "application/grpc"), ("grpc-status", "0")]);
        head.body = BodyLength::Unknown;
        stream.respond(head);
        assert_eq!(out(stream.offer(Dir::Response, part(b"", true))), (Vec::new(), true));
    });
}

#[test]
fn trailers_in_the_head_stay_there() {
    on_worker(|rt| async move {
        let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
        let fields = [("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no")];
        let headers = text(stream.respond(response(200, &fields)));
        assert_eq!(headers, "content-type: application/grpc-web-text+proto\ngrpc-status: 5\ngrpc-message: no\n");
        assert_eq!(stream.info.response.as_ref().unwrap().body, BodyLength::Empty);
        // As a local reply brings its end.
        assert_eq!(out(stream.offer(Dir::Response, part(b"", true))), (Vec::new(), true));
    });
}

#[test]
fn what_is_no_grpc_passes() {
    on_worker(|rt| async move {
        let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
        let (head, length) = answered(&mut stream, "text/html");
        assert_eq!((&head[..], length), ("content-type: text/html\ncontent-length: 7\n", BodyLength::Exact(7)));
        assert_eq!(out(stream.offer(Dir::Response, part(b"<html>!", true))), (b"<html>!".to_vec(), true));
    });
}

#[test]
fn a_text_request_is_decoded_however_it_is_cut() {
    on_worker(|rt| async move {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..300 {
            let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
            let (mut plain, mut sent) = (Vec::new(), Vec::new());
            // Parts that were encoded one by one.
            for _ in 0..rng.usize(..5) {
                let bytes: Vec<u8> = (0..rng.usize(..9)).map(|_| rng.u8(..)).collect();
                let (mut encoder, mut text) = (Encoder::default(), Vec::new());
                encoder.encode(&bytes, &mut text);
                encoder.pad(&mut text);
                plain.extend(bytes);
                sent.extend(text);
            }
            let mut received = Vec::new();
            while !sent.is_empty() {
                let piece: Vec<u8> = sent.drain(..rng.usize(1..=sent.len().min(6))).collect();
                received.extend(out(stream.offer(Dir::Request, part(&piece, false))).0);
            }
            assert_eq!(out(stream.offer(Dir::Request, part(b"", true))), (Vec::new(), true));
            assert_eq!(received, plain);
        }
    });
}

#[test]
fn bad_base64_is_refused() {
    on_worker(|rt| async move {
        for (bytes, last) in [(&b"AA*A"[..], false), (b"AAA", true)] {
            let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
            let offer = stream.offer(Dir::Request, part(bytes, last));
            let Some(Offer::Respond(reply)) = offer else { panic!("{offer:?}") };
            assert_eq!((reply.status, reply.detail), (400, "grpc_base_64_decode_failed"));
        }
        let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
        out(stream.offer(Dir::Request, part(b"AAA", false)));
        let offer = stream.offer(Dir::Request, Part::Trailers(trailers(&[("x-a", "b")])));
        assert!(matches!(offer, Some(Offer::Respond(_))), "{offer:?}");
    });
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut decoder, mut bytes) = (Decoder::default(), Vec::new());
    decoder.decode(text, &mut bytes).unwrap();
    assert!(decoder.is_between());
    bytes
}

#[test]
fn a_text_response_is_whole_after_each_message() {
    on_worker(|rt| async move {
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..300 {
            let mut stream = call(&rt, &[("content-type", "application/grpc-web-text")]);
            answered(&mut stream, "application/grpc");
            let (mut plain, mut text) = (Vec::new(), Vec::new());
            for _ in 0..rng.usize(..5) {
                let mut rest = message(&vec![9; rng.usize(..20)]);
                plain.extend_from_slice(&rest);
                while !rest.is_empty() {
                    let piece: Vec<u8> = rest.drain(..rng.usize(1..=rest.len().min(8))).collect();
                    text.extend(out(stream.offer(Dir::Response, part(&piece, false))).0);
                }
                assert_eq!(decoded(&text), plain);
            }
            let (last, end) = out(stream.offer(Dir::Response, Part::Trailers(trailers(&[("grpc-status", "0")]))));
            assert!(end);
            text.extend(last);
            plain.extend(b"\x80\0\0\0\x10grpc-status: 0\r\n");
            assert_eq!(decoded(&text), plain);
        }
    });
}
