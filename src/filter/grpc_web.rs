//! `grpc_web`: gRPC-Web from a browser becomes gRPC for the upstream, and the answer becomes gRPC-Web (the gRPC document
//! "PROTOCOL-WEB"). A browser can read no trailers: they go as the last frame of the body, with the flag 0x80. In the text
//! form both bodies are base64.
//!
//! An answer that is no gRPC passes as it is: the client reads its HTTP status. Trailers that stand in the head stay there.
//! What a page may read of the head is for the filter `cors` to say, which stands before this one.

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, HeaderList, RequestHead, ResponseHead};

use super::{Chunk, Dir, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::grpc::base64::{Decoder, Encoder, Invalid};
use crate::grpc::{Frames, Kind, Status};

/// Marks the frame that holds the trailers.
const TRAILERS: u8 = 0x80;

/// `grpc_web`.
pub(super) struct GrpcWebFactory;

/// One allocation a stream of gRPC-Web, none for others. In the binary form bodies are not touched.
#[derive(Default)]
struct GrpcWeb {
    /// The request is gRPC-Web.
    active: bool,
    /// The request's body is text.
    decoder: Option<Decoder>,
    /// The client wants text.
    wants_text: bool,
    /// The response is gRPC, and needs a frame of trailers unless its head has a status.
    answer: Option<Answer>,
    /// What goes on in place of the response's trailers.
    last: Chunk,
}

/// A response that is on its way.
struct Answer {
    status_in_head: bool,
    text: Option<Text>,
}

/// Its text form. Padded between messages and nowhere else: whoever has the last byte of a message has its text.
#[derive(Default)]
struct Text {
    encoder: Encoder,
    frames: Frames,
}

impl FilterFactory for GrpcWebFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        let kind = cx.info.request.as_ref().and_then(|head| Kind::of(&head.headers));
        matches!(kind, Some(Kind::Web | Kind::WebText)).then(|| Box::new(GrpcWeb::default()) as Box<dyn Filter>)
    }
}

impl Filter for GrpcWeb {
    fn on_request_head(&mut self, head: &mut RequestHead, _cx: &mut StreamCx<'_>) -> Flow {
        let content_type = head.headers.get(HeaderId::ContentType).and_then(Kind::parse);
        let Some((kind @ (Kind::Web | Kind::WebText), format)) = content_type else { return Flow::Continue };
        let media_type = Kind::Grpc.media_type(format);
        self.active = true;
        self.wants_text = accepted(&head.headers).unwrap_or(kind) == Kind::WebText;
        head.headers.set(HeaderId::ContentType, &media_type);
        // A server may refuse a client that does not say that it reads trailers.
        head.headers.set(HeaderId::Te, b"trailers");
        if kind == Kind::WebText {
            self.decoder = Some(Decoder::default());
            forget_length(&mut head.headers, &mut head.body);
        }
        Flow::Continue
    }

    fn on_response_head(&mut self, head: &mut ResponseHead, _cx: &mut StreamCx<'_>) -> Flow {
        // What was kept of another response is void.
        (self.answer, self.last) = (None, Chunk::default());
        let content_type = head.headers.get(HeaderId::ContentType).and_then(Kind::parse);
        let Some((Kind::Grpc, format)) = content_type.filter(|_| self.active) else { return Flow::Continue };
        let kind = if self.wants_text { Kind::WebText } else { Kind::Web };
        let media_type = kind.media_type(format);
        head.headers.set(HeaderId::ContentType, &media_type);
        if head.body.is_empty() {
            return Flow::Continue;
        }
        forget_length(&mut head.headers, &mut head.body);
        let status_in_head = head.headers.contains(HeaderId::GrpcStatus);
        self.answer = Some(Answer { status_in_head, text: self.wants_text.then(Text::default) });
        Flow::Continue
    }

    fn on_data(&mut self, dir: Dir, data: &mut Chunk, end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        match dir {
            Dir::Request => {
                let Some(decoder) = &mut self.decoder else { return Flow::Continue };
                match decode(decoder, data, end) {
                    Ok(bytes) => *data = bytes,
                    Err(Invalid) => return refuse(),
                }
            }
            Dir::Response => {
                let Some(answer) = &mut self.answer else { return Flow::Continue };
                answer.pass(data, end);
            }
        }
        if data.is_empty() && !end { Flow::Hold } else { Flow::Continue }
    }

    fn on_trailers(&mut self, dir: Dir, trailers: &mut HeaderList, cx: &mut StreamCx<'_>) -> Flow {
        match (dir, &mut self.answer) {
            (Dir::Request, _) if self.decoder.as_ref().is_some_and(|decoder| !decoder.is_between()) => refuse(),
            (Dir::Response, Some(answer)) => {
                self.last = answer.last(frame(trailers).into());
                // No longer trailers, and still what logs ask for by that name.
                cx.info.response_trailers = Some(std::mem::take(trailers));
                Flow::Continue
            }
            _ => Flow::Continue,
        }
    }

    fn take_kept(&mut self, dir: Dir) -> Chunk {
        if dir == Dir::Response { std::mem::take(&mut self.last) } else { Chunk::default() }
    }
}

impl Answer {
    /// Makes of a part of the body what the client is sent.
    fn pass(&mut self, data: &mut Chunk, end: bool) {
        if let Some(text) = &mut self.text {
            *data = text.encode(data, end);
        }
        if end && !self.status_in_head {
            // A client takes a body without trailers for success.
            let mut trailers = HeaderList::new();
            trailers.push(HeaderId::GrpcStatus, Status::Internal.as_str().as_bytes());
            trailers.push(HeaderId::GrpcMessage, b"the response ended without a status");
            let last = self.last(frame(&trailers).into());
            data.append(last);
        }
    }

    /// The last frame as the client is sent it.
    fn last(&mut self, frame: Chunk) -> Chunk {
        match &mut self.text {
            Some(text) => text.encode(&frame, true),
            None => frame,
        }
    }
}

impl Text {
    fn encode(&mut self, data: &Chunk, end: bool) -> Chunk {
        let mut text = Vec::with_capacity(data.len() / 3 * 4 + 8);
        for piece in data.pieces() {
            self.encoder.encode(piece, &mut text);
            self.frames.pass(piece);
        }
        if end || self.frames.is_between() {
            self.encoder.pad(&mut text);
        }
        Chunk::from(Bytes::from(text))
    }
}

fn decode(decoder: &mut Decoder, text: &Chunk, end: bool) -> Result<Chunk, Invalid> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for piece in text.pieces() {
        decoder.decode(piece, &mut bytes)?;
    }
    if end && !decoder.is_between() { Err(Invalid) } else { Ok(Chunk::from(Bytes::from(bytes))) }
}

fn refuse() -> Flow {
    Flow::Respond(Box::new(LocalReply::text(400, "the request is not valid base64\n", "grpc_base_64_decode_failed")))
}

/// The form of gRPC-Web that the client asks for by `accept`; the first, if it names both.
fn accepted(headers: &HeaderList) -> Option<Kind> {
    let mut names = headers.get_all(&HeaderId::Accept).flat_map(|value| value.split(|&byte| byte == b','));
    names.find_map(|name| match Kind::parse(name.trim_ascii()) {
        Some((kind @ (Kind::Web | Kind::WebText), _)) => Some(kind),
        _ => None,
    })
}

/// The body will be another one.
fn forget_length(headers: &mut HeaderList, body: &mut BodyLength) {
    headers.remove(HeaderId::ContentLength);
    if !body.is_empty() {
        *body = BodyLength::Unknown;
    }
}

/// Trailers as a frame: the fields as HTTP/1 writes them, without the empty line. Names are lower case, and neither they nor
/// the values hold a line end: their codec has seen to that.
fn frame(trailers: &HeaderList) -> Bytes {
    let mut frame = vec![TRAILERS, 0, 0, 0, 0];
    for field in trailers.iter() {
        for text in [field.name, b": ", field.value, b"\r\n"] {
            frame.extend_from_slice(text);
        }
    }
    // A trailer section is some KiB at most.
    let len = u32::try_from(frame.len() - 5).unwrap_or(u32::MAX);
    frame[1..5].copy_from_slice(&len.to_be_bytes());
    Bytes::from(frame)
}

#[cfg(test)]
mod tests;
