//! `grpc`: `grpc.health.v1.Health/Check` ("gRPC Health Checking Protocol"). Its two messages have a field each, and are
//! written and read here.

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, HeaderList, Method, RequestHead, Scheme, Version};

use super::http::USER_AGENT;
use super::{BODY, Outcome, Refusal, quoted};
use crate::config::GrpcProbe;
use crate::upstream::control::{Answer, Client, ControlError, Keep};

const PATH: &[u8] = b"/grpc.health.v1.Health/Check";

pub(super) struct Call {
    head: RequestHead,
    body: Bytes,
}

impl Call {
    pub(super) fn new(probe: &GrpcProbe, called: &str) -> Call {
        let mut headers = HeaderList::new();
        headers.push(HeaderId::ContentType, b"application/grpc");
        headers.push(HeaderId::Te, b"trailers");
        headers.push(HeaderId::UserAgent, USER_AGENT);
        for (name, value) in &probe.request_headers {
            headers.set(name, value.as_bytes());
        }
        let body = framed(&request(&probe.service_name));
        let mut head = RequestHead::new(Method::Post, Version::Http2, headers);
        head.set_target(PATH);
        head.set_authority(probe.authority.as_deref().unwrap_or(called).as_bytes());
        head.body = BodyLength::Exact(body.len() as u64);
        Call { head, body }
    }

    pub(super) async fn ask(
        &self,
        client: &mut Client,
        secure: bool,
    ) -> Result<Result<Outcome, ControlError>, Refusal> {
        let mut head = self.head.clone();
        head.scheme = if secure { Scheme::Https } else { Scheme::Http };
        match client.ask(&head, self.body.clone(), Keep::Start(BODY)).await {
            Err(error) => Ok(Err(error)),
            Ok(answer) => judge(&answer).map(Ok),
        }
    }
}

/// What an answer says of its host.
fn judge(answer: &Answer) -> Result<Outcome, Refusal> {
    if answer.head.status != 200 {
        return Err(Refusal::active(format!("status {}", answer.head.status)));
    }
    // An answer that is trailers alone comes as a head.
    let status = answer.trailers.get(HeaderId::GrpcStatus).or_else(|| answer.head.headers.get(HeaderId::GrpcStatus));
    match status {
        Some(b"0") => {}
        Some(status) => return Err(Refusal::active(format!("grpc-status {}", quoted(status)))),
        None => return Err(Refusal::active("there is no grpc-status")),
    }
    match serving_status(&answer.body) {
        Some(SERVING) => Ok(Outcome::Healthy { degraded: false }),
        Some(status) => {
            let names = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
            let name = usize::try_from(status).ok().and_then(|at| names.get(at)).copied().unwrap_or("no known status");
            Err(Refusal::active(name))
        }
        None => Err(Refusal::active("the message cannot be read")),
    }
}

/// `ServingStatus.SERVING`
const SERVING: u64 = 1;

/// `HealthCheckRequest { string service = 1; }`
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // Protobuf leaves out what is empty.
    if !service.is_empty() {
        message.push(1 << 3 | LENGTH);
        put_varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    message
}

/// `status` of a framed `HealthCheckResponse { ServingStatus status = 1; }`; `None`: it is not one.
fn serving_status(body: &[u8]) -> Option<u64> {
    let (prefix, message) = body.split_first_chunk::<5>()?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 || u32::from_be_bytes(length) as usize != message.len() {
        return None;
    }
    let (mut rest, mut status) = (message, 0);
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        match (key >> 3, (key & 7) as u8) {
            (1, VARINT) => status = take_varint(&mut rest)?,
            // Fields of versions to come.
            (0, _) => return None,
            (_, VARINT) => drop(take_varint(&mut rest)?),
            (_, FIXED64) => rest = rest.get(8..)?,
            (_, LENGTH) => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, FIXED32) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// A message behind its prefix ("gRPC over HTTP2", Length-Prefixed-Message).
fn framed(message: &[u8]) -> Bytes {
    // A service name is short.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    #[test]
    fn requests() {
        assert_eq!(framed(&request("")), &b"\0\0\0\0\0"[..]);
        assert_eq!(framed(&request("shop")), &b"\0\0\0\0\x06\x0a\x04shop"[..]);
        let long = "s".repeat(200);
        assert_eq!(request(&long)[..4], [0x0a, 0xc8, 0x01, b's']);
    }

    #[test]
    fn responses() {
        let rows: [(&[u8], Option<u64>); 17] = [
            (b"", Some(0)),
            (b"\x08\x01", Some(1)),
            (b"\x08\x02", Some(2)),
            (b"\x08\x03", Some(3)),
            (b"\x08\x01\x08\x02", Some(2)),
            (b"\x08\x81\x00", Some(1)),
            (b"\x12\x02ab\x08\x01\x1d\0\0\0\0\x19\0\0\0\0\0\0\0\0\x20\x07", Some(1)),
            (b"\x08", None),
            (b"\x08\x80", None),
            (b"\x12\x05ab", None),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Some(u64::MAX)),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", None),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\x00\x01", None),
            (b"\x0b", None),
            (b"\x1d\0\0\0", None),
        ];
        for (message, expected) in rows {
            assert_eq!(serving_status(&framed(message)), expected, "{}", message.escape_ascii());
        }
        for broken in
            [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x02\x08\x01", b"\0\0\0\0\x01\x08\x01", b"\0\0\0\0\x03\x08\x01"]
        {
            assert_eq!(serving_status(broken), None, "{}", broken.escape_ascii());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let samples: [&[u8]; 3] =
            [b"\x08\x01", b"\x12\x02ab\x08\x01\x1d\0\0\0\0\x19\0\0\0\0\0\0\0\0\x20\x07", b"\x08\x81\x00"];
        let words: [&[u8]; 4] = [b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a", b"\x08\x01"];
        mutation::check(&samples, &words, |message| {
            let status = serving_status(&framed(message));
            assert!(serving_status(message).is_none() || message.first() == Some(&0));
            if status.is_some() {
                let another = [message, b"\x78\x07"].concat();
                assert_eq!(serving_status(&framed(&another)), status, "a field of versions to come");
                let last = [message, b"\x08\x02"].concat();
                assert_eq!(serving_status(&framed(&last)), Some(2), "the last one counts");
            }
        });
    }
}
