//! What the encoder indexes, how it refers to what is indexed, and when it says that its table changed.

use super::*;
use crate::dynamic_table;

/// The first octet of a field's representation, with the bits of its index cleared.
fn representation(block: &[u8]) -> u8 {
    match block[0] {
        0x80.. => 0x80,
        0x40.. => 0x40,
        first => first & 0xf0,
    }
}

/// Encodes one field, which must decode to itself.
fn encode_one(encoder: &mut Encoder, decoder: &mut Decoder, line: &str) -> Vec<u8> {
    let fields = pairs(&[line]);
    let block = encode(encoder, &fields);
    assert_eq!(decode(decoder, &block), Ok(fields), "{line}");
    assert_eq!(entries(encoder.table()), entries(decoder.table()), "{line}");
    block
}

#[test]
fn static_fields() {
    let cases = [
        (":method: GET", 2),
        (":method: POST", 3),
        (":path: /", 4),
        (":path: /index.html", 5),
        (":scheme: https", 7),
        (":status: 200", 8),
        (":status: 404", 13),
        (":status: 500", 14),
        ("accept-encoding: gzip, deflate", 16),
        ("accept-language: ", 17),
    ];
    for (line, index) in cases {
        assert_eq!(encode(&mut Encoder::new(0), &pairs(&[line])), [&[0x20][..], &[0x80 | index]].concat(), "{line}");
    }
}

/// How a field goes the first, the second and, with another value, the third time.
#[test]
fn representations() {
    const INDEXED: u8 = 0x80;
    const INSERTED: u8 = 0x40;
    const WITHOUT: u8 = 0x00;
    const NEVER: u8 = 0x10;
    let cases = [
        ("authorization", [NEVER; 3]),
        ("cookie", [NEVER; 3]),
        ("set-cookie", [NEVER; 3]),
        ("proxy-authorization", [NEVER; 3]),
        (":path", [WITHOUT; 3]),
        ("content-length", [WITHOUT; 3]),
        ("etag", [WITHOUT; 3]),
        ("location", [WITHOUT; 3]),
        ("age", [WITHOUT; 3]),
        ("last-modified", [WITHOUT; 3]),
        ("if-none-match", [WITHOUT; 3]),
        ("if-modified-since", [WITHOUT; 3]),
        ("range", [WITHOUT; 3]),
        ("content-range", [WITHOUT; 3]),
        // Inserted once for their names, which no static entry has.
        ("x-request-id", [INSERTED, INDEXED, WITHOUT]),
        ("x-forwarded-for", [INSERTED, INDEXED, WITHOUT]),
        (":method", [INSERTED, INDEXED, INSERTED]),
        (":status", [INSERTED, INDEXED, INSERTED]),
        (":authority", [INSERTED, INDEXED, INSERTED]),
        ("date", [INSERTED, INDEXED, INSERTED]),
        ("server", [INSERTED, INDEXED, INSERTED]),
        ("content-type", [INSERTED, INDEXED, INSERTED]),
        ("user-agent", [INSERTED, INDEXED, INSERTED]),
        ("x-custom", [INSERTED, INDEXED, INSERTED]),
    ];
    for (name, expected) in cases {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        let seen = ["one", "one", "two"]
            .map(|value| representation(&encode_one(&mut encoder, &mut decoder, &format!("{name}: {value}"))));
        assert_eq!(seen, expected, "{name}");
    }
}

/// An identifier with an unknown name, new in each message, must not push out what repeats.
#[test]
fn some_values_of_an_unknown_name_are_inserted() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    encode_one(&mut encoder, &mut decoder, "server: nuncio");
    for nth in 0..1000 {
        let block = encode_one(&mut encoder, &mut decoder, &format!("traceparent: 00-{nth:032x}-01"));
        assert_eq!(representation(&block), if nth < 4 { 0x40 } else { 0x00 }, "{nth}");
        assert!(block.len() < 40, "name by index");
    }
    assert_eq!(representation(&encode_one(&mut encoder, &mut decoder, "server: nuncio")), 0x80);
}

#[test]
fn secrets_are_never_indexed_even_when_empty() {
    for line in ["cookie: ", "authorization: "] {
        let block = encode(&mut Encoder::new(4096), &pairs(&[line]));
        assert_eq!(representation(&block), 0x10, "{line}");
        let mut never_indexed = false;
        Decoder::new(4096).decode(&block, |field| never_indexed = field.never_indexed).unwrap();
        assert!(never_indexed);
    }
}

/// Section 6.2.3: even a field of the static table.
#[test]
fn what_came_never_indexed_goes_on_so() {
    for (name, value) in [("server", "a"), ("x-custom", "b"), (":status", "200")] {
        let (mut encoder, mut block) = (Encoder::new(4096), Vec::new());
        encoder.begin(&mut block);
        let id = HeaderId::recognise(name.as_bytes());
        encoder.encode_never_indexed(id, name.as_bytes(), value.as_bytes(), &mut block);
        assert_eq!(representation(&block), 0x10);
        assert_eq!(decode(&mut Decoder::new(4096), &block), Ok(vec![(name.into(), value.into())]));
        assert_eq!(encoder.table().len(), 0);
    }
}

/// One large field must not push out all others.
#[test]
fn fields_above_three_quarters_of_the_table_are_not_inserted() {
    let (mut encoder, mut decoder) = (Encoder::new(400), Decoder::new(4096));
    for (len, inserted) in [(300 - 32 - 8, true), (301 - 32 - 8, false), (1000, false)] {
        let block = encode_one(&mut encoder, &mut decoder, &format!("x-custom: {}", "v".repeat(len)));
        let at = usize::from(block[0] == 0x3f) * 3;
        assert_eq!(representation(&block[at..]), if inserted { 0x40 } else { 0x00 }, "{len}");
    }
    assert_eq!(encoder.table().len(), 1);
}

#[test]
fn huffman_code_only_where_it_is_shorter() {
    // `~` has thirteen bits.
    for (value, octets) in [("~~~", 1 + 3), ("aaaaaaaa", 1 + 5), ("a", 1 + 1), ("\u{e9}", 1 + 2)] {
        let block = encode(&mut Encoder::new(4096), &pairs(&[&format!("etag: {value}")]));
        assert_eq!(block.len(), 2 + octets, "{value}");
    }
    // `X` has eight.
    assert!(encode(&mut Encoder::new(4096), &pairs(&["etag: X"])).ends_with(b"\x01X"));
}

/// Section 4.2: the size goes out when it changed, after the smallest in between.
#[test]
fn size_updates() {
    let cases: &[(&[u32], &str, usize)] = &[
        (&[], "", 4096),
        (&[4096], "", 4096),
        (&[u32::MAX], "", 4096),
        (&[100], "3f45", 100),
        (&[0], "20", 0),
        (&[0, 4096], "20 3fe11f", 4096),
        (&[0, 200, 100, 300], "20 3f8d02", 300),
        (&[300, 100, 200], "3f45 3fa901", 200),
        (&[200, 100], "3f45", 100),
        (&[100, u32::MAX], "3f45 3fe11f", 4096),
    ];
    for (sizes, updates, size) in cases {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        encode_one(&mut encoder, &mut decoder, "x-custom: 1");
        sizes.iter().for_each(|&size| encoder.set_peer_table_size(size));
        let mut block = Vec::new();
        encoder.begin(&mut block);
        assert_eq!(block, hex(updates), "{sizes:?}");
        assert_eq!(decode(&mut decoder, &block), Ok(vec![]));
        assert_eq!((encoder.table().max_size(), decoder.table().max_size()), (*size, *size), "{sizes:?}");
        assert_eq!(entries(encoder.table()), entries(decoder.table()));
        // Only once.
        assert_eq!(encode_one(&mut encoder, &mut decoder, ":method: GET"), [0x82]);
    }
}

#[test]
fn an_own_limit_below_the_default_is_announced_and_kept() {
    let mut encoder = Encoder::new(100);
    assert_eq!(encode(&mut encoder, &[]), hex("3f45"));
    encoder.set_peer_table_size(u32::MAX);
    assert_eq!(encode(&mut encoder, &[]), hex(""));
    encoder.set_peer_table_size(50);
    assert_eq!(encode(&mut encoder, &[]), hex("3f13"));
    // Row H2-14: above the default only as far as we want, and only when the peer allows it.
    let mut encoder = Encoder::new(8192);
    assert_eq!((encode(&mut encoder, &[]), encoder.table().max_size()), (hex(""), 4096));
    encoder.set_peer_table_size(u32::MAX);
    assert_eq!((encode(&mut encoder, &[]), encoder.table().max_size()), (hex("3fe13f"), 8192));
}

/// Fields whose prints are the same are still told apart.
#[test]
fn equal_prints() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    // Prints look at eight octets at either end.
    let values = ["begin---A---the end", "begin---B---the end"];
    for _ in 0..3 {
        for name in ["x-begin---A---the-end", "x-begin---B---the-end", "server"] {
            for value in values {
                encode_one(&mut encoder, &mut decoder, &format!("{name}: {value}"));
            }
        }
    }
    assert_eq!(encoder.table().len(), 6, "each once");
    let sizes = entries(encoder.table()).iter().map(|(name, value)| dynamic_table::entry_size(name, value)).sum();
    assert_eq!(encoder.table().size(), sizes);
}
