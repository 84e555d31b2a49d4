//! `grpc-message`: a text for people, percent-encoded ("gRPC over HTTP2", Status-Message).

/// Most bytes of an encoded message: clients take some 8 KiB of fields.
const MOST: usize = 1024;

/// `text` as a value of `grpc-message`: what is not printable ASCII is percent-encoded, and so are blanks at either end,
/// which would be cut off. Ends before the character that would make it longer than 1 KiB.
pub fn percent_encode(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(text.len().min(MOST));
    for (at, &byte) in text.iter().enumerate() {
        let outer_blank = byte == b' ' && (at == 0 || at + 1 == text.len());
        let plain = matches!(byte, b' '..=b'~') && byte != b'%' && !outer_blank;
        // A character of several bytes goes whole or not at all.
        let room = match byte {
            0xf0.. => 12,
            0xe0.. => 9,
            0xc0.. => 6,
            _ if plain => 1,
            _ => 3,
        };
        if encoded.len() + room > MOST {
            break;
        }
        if plain {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    while encoded.last() == Some(&b' ') {
        encoded.pop();
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded() {
        let rows: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b"no route", b"no route"),
            (b"100%", b"100%25"),
            (b"a\r\nb\x7f", b"a%0D%0Ab%7F"),
            ("é€😀".as_bytes(), b"%C3%A9%E2%82%AC%F0%9F%98%80"),
            (b" a b ", b"%20a b%20"),
            (b"\xff", b"%FF"),
            (b"~", b"~"),
        ];
        for (text, encoded) in rows {
            assert_eq!(percent_encode(text), encoded, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn long_texts_end_at_a_character() {
        assert_eq!(percent_encode(&[b'x'; 5000]), [b'x'; MOST]);
        let encoded = percent_encode("€".repeat(500).as_bytes());
        assert_eq!((encoded.len(), encoded.ends_with(b"%E2%82%AC")), (MOST / 9 * 9, true));
        let blank = [&[b'x'; MOST - 1][..], b" x"].concat();
        assert_eq!(percent_encode(&blank).len(), MOST - 1, "no blank at the end");
    }
}
