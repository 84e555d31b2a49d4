use nuncio_http::{HeaderId, Method};

use super::*;
use crate::filter::testing::{Driven, Setup, data, on_worker, request, response};
use crate::filter::{Offer, Part};

fn setup(rt: &crate::runtime::Rt, max_request_bytes: u64) -> Setup {
    Setup::new(rt, &[config::Filter::Buffer(config::Buffer { max_request_bytes })])
}

fn post(setup: &Setup, body: BodyLength) -> Driven {
    setup.stream(request(Method::Post, body, &[]))
}

/// The body that comes out in one part.
fn released(stream: &mut Driven) -> (Chunk, bool) {
    match stream.poll(Dir::Request) {
        Some(Offer::Part(Part::Data { chunk, end })) => (chunk, end),
        offer => panic!("{offer:?}"),
    }
}

fn bytes(chunk: &Chunk) -> Vec<u8> {
    chunk.pieces().flatten().copied().collect()
}

#[test]
fn a_chunked_body_goes_on_whole_and_with_its_length() {
    on_worker(|rt| async move {
        let setup = setup(&rt, 10);
        let mut stream = post(&setup, BodyLength::Unknown);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("01234", false)), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("56789", false)), Some(Offer::More)));
        assert!(!stream.chain.is_waiting(Dir::Request));
        assert!(matches!(stream.offer(Dir::Request, data("", true)), Some(Offer::Head)));
        assert_eq!(stream.request().body, BodyLength::Exact(10));
        let (chunk, end) = released(&mut stream);
        assert_eq!((&bytes(&chunk)[..], end), (&b"0123456789"[..], true));
        assert!(stream.poll(Dir::Request).is_none());
    });
}

#[test]
fn an_empty_chunked_body_has_length_zero() {
    on_worker(|rt| async move {
        let setup = setup(&rt, 10);
        let mut stream = post(&setup, BodyLength::Unknown);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("", true)), Some(Offer::Head)));
        assert_eq!(stream.request().body, BodyLength::Exact(0));
        assert!(released(&mut stream).1);
    });
}

#[test]
fn a_body_with_trailers_keeps_them() {
    on_worker(|rt| async move {
        let buffer = || config::Filter::Buffer(config::Buffer { max_request_bytes: 10 });
        // Two: the second keeps what the first lets go.
        let setup = Setup::new(&rt, &[buffer(), buffer()]);
        let mut stream = post(&setup, BodyLength::Unknown);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("012", false)), Some(Offer::More)));
        let mut trailers = HeaderList::new();
        trailers.push(HeaderId::Etag, b"x");
        assert!(matches!(stream.offer(Dir::Request, Part::Trailers(trailers)), Some(Offer::Head)));
        assert_eq!(stream.request().body, BodyLength::Unknown);
        let (chunk, end) = released(&mut stream);
        assert_eq!((&bytes(&chunk)[..], end), (&b"012"[..], false));
        assert!(stream.chain.is_waiting(Dir::Request), "the trailers are still to come");
        let Some(Offer::Part(Part::Trailers(trailers))) = stream.poll(Dir::Request) else { panic!("no trailers") };
        assert_eq!(trailers.get(HeaderId::Etag), Some(&b"x"[..]));
        assert!(stream.poll(Dir::Request).is_none());
    });
}

#[test]
fn what_is_too_large_is_refused() {
    on_worker(|rt| async move {
        let mut setup = setup(&rt, 10);
        // At once where the length says so.
        let offer = post(&setup, BodyLength::Exact(11)).offer_head(Dir::Request);
        let Some(Offer::Respond(reply)) = offer else { panic!("{offer:?}") };
        assert_eq!((reply.status, reply.detail), (413, "request_payload_too_large"));
        assert!(reply.flags.is_empty());
        // With the byte that is one too many where it does not.
        let mut stream = post(&setup, BodyLength::Unknown);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("0123456789", false)), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("0", false)), Some(Offer::Respond(_))));
        // Exactly the limit passes.
        let mut stream = post(&setup, BodyLength::Exact(10));
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::More)));
        assert!(matches!(stream.offer(Dir::Request, data("0123456789", true)), Some(Offer::Head)));
        assert_eq!(setup.stat("buffer.rq_too_large"), 2);
    });
}

#[test]
fn what_has_no_body_is_not_held() {
    on_worker(|rt| async move {
        let setup = setup(&rt, 10);
        for body in [BodyLength::Empty, BodyLength::Exact(0)] {
            let mut stream = post(&setup, body);
            assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
            // A tunnel's bytes, more than the limit, both ways.
            for dir in [Dir::Request, Dir::Response] {
                if dir == Dir::Response {
                    stream.respond(response(101, &[]));
                }
                for _ in 0..3 {
                    assert!(matches!(stream.offer(dir, data("0123456789", false)), Some(Offer::Part(_))));
                }
            }
        }
    });
}

#[test]
fn large_pieces_are_not_copied_and_small_ones_are_put_together() {
    on_worker(|rt| async move {
        let setup = setup(&rt, 1 << 20);
        let mut stream = post(&setup, BodyLength::Unknown);
        stream.offer_head(Dir::Request);
        let large = Bytes::from(vec![7; SMALL]);
        let mut sent = Vec::new();
        for piece in [&b"a"[..], b"b", &large, b"c", b"d", &large, &large] {
            sent.extend_from_slice(piece);
            let piece = if piece.len() == SMALL { large.clone() } else { Bytes::copy_from_slice(piece) };
            let part = Part::Data { chunk: Chunk::from(piece), end: false };
            assert!(matches!(stream.offer(Dir::Request, part), Some(Offer::More)));
        }
        stream.offer(Dir::Request, data("e", true));
        sent.push(b'e');
        let (chunk, _) = released(&mut stream);
        assert_eq!(bytes(&chunk), sent);
        let pieces: Vec<&Bytes> = chunk.pieces().collect();
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [2, SMALL, 2, SMALL, SMALL, 1]);
        assert!(pieces.iter().filter(|piece| piece.len() == SMALL).all(|piece| piece.as_ptr() == large.as_ptr()));

        // A body that comes in one part stays where it is, however small.
        let mut stream = post(&setup, BodyLength::Exact(1));
        stream.offer_head(Dir::Request);
        let part = data("x", true);
        let Part::Data { chunk, .. } = &part else { unreachable!() };
        let at = chunk.pieces().next().unwrap().as_ptr();
        stream.offer(Dir::Request, part);
        assert_eq!(released(&mut stream).0.pieces().next().unwrap().as_ptr(), at);
    });
}
