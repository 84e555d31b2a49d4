//! `x-request-id`: one id for a request in every log on its way.

use nuncio_http::{HeaderId, RequestHead};

use crate::config::Http;

/// Longest id taken from a peer, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Leaves `head` with one `x-request-id`, or with none where ids are not generated. The peer's own is kept if the
/// peer is trusted, or if the operator preserves it, and if it is sane: 1 to 128 visible characters.
pub fn apply(head: &mut RequestHead, trusted: bool, http: &Http) {
    let sane = |id: &[u8]| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    if trusted || http.preserve_external_request_id {
        let mut given = head.headers.get_all(&HeaderId::XRequestId);
        if given.next().is_some_and(sane) && given.next().is_none() {
            return;
        }
    }
    if http.generate_request_id {
        head.headers.set(HeaderId::XRequestId, &uuid_v4());
    } else {
        head.headers.remove(HeaderId::XRequestId);
    }
}

/// A random UUID (RFC 9562 section 5.4) as text. It is unique, not secret.
pub fn uuid_v4() -> [u8; 36] {
    // RFC 9562 sections 4.1 and 4.2: the variant is 0b10, the version 4.
    const VARIANT: u128 = 0b10 << 62;
    const VERSION: u128 = 4 << 76;
    let random = fastrand::u128(..) & !(0b11 << 62) & !(0xf << 76);
    format_uuid(random | VARIANT | VERSION)
}

fn format_uuid(value: u128) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for byte in value.to_be_bytes() {
        if matches!(at, 8 | 13 | 18 | 23) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xf)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::testing::{head, http};

    #[test]
    fn the_form_of_an_id() {
        assert_eq!(&format_uuid(0x0123_4567_89ab_cdef_0011_2233_4455_6677), b"01234567-89ab-cdef-0011-223344556677");
        for _ in 0..100 {
            let id = uuid_v4();
            assert_eq!((id[8], id[13], id[14], id[18], id[23]), (b'-', b'-', b'4', b'-', b'-'));
            assert!(b"89ab".contains(&id[19]), "{}", id.escape_ascii());
        }
        assert_ne!(uuid_v4(), uuid_v4());
    }

    #[test]
    fn whose_id_is_kept() {
        // (given, trusted, preserve, generate) -> the id: kept, new, or none
        let cases: &[(&[&str], bool, bool, bool, &str)] = &[
            (&[], false, false, true, "new"),
            (&[], false, false, false, "none"),
            (&["mine"], false, false, true, "new"),
            (&["mine"], false, true, true, "kept"),
            (&["mine"], true, false, true, "kept"),
            (&["mine"], false, false, false, "none"),
            (&["mine"], true, false, false, "kept"),
            (&["mine", "yours"], true, false, true, "new"),
            (&["a b"], true, false, true, "new"),
            (&[""], true, false, true, "new"),
        ];
        for &(given, trusted, preserve, generate, expected) in cases {
            let mut head = head("GET", "a.example", "/");
            for id in given {
                head.headers.push(HeaderId::XRequestId, id.as_bytes());
            }
            let http = Http { preserve_external_request_id: preserve, generate_request_id: generate, ..http() };
            apply(&mut head, trusted, &http);
            let ids: Vec<_> = head.headers.get_all(&HeaderId::XRequestId).collect();
            let found = match ids[..] {
                [] => "none",
                [b"mine"] => "kept",
                [id] if id.len() == 36 => "new",
                _ => "wrong",
            };
            assert_eq!(found, expected, "{given:?} {trusted} {preserve} {generate}");
        }
    }
}
