//! What the decoder refuses, how it keeps its table, and that its memory is bounded.

use super::*;
use crate::integer;

#[test]
fn blocks() {
    let cases: &[(&str, Result<&[&str], Error>)] = &[
        ("", Ok(&[])),
        ("80", Err(Error::BadIndex)),
        ("bd", Ok(&["www-authenticate: "])),
        ("be", Err(Error::BadIndex)),
        ("7f00 0161", Err(Error::BadIndex)),
        ("0f2f 00", Err(Error::BadIndex)),
        ("0f2e 00", Ok(&["www-authenticate: "])),
        ("ff ffffffff 0f", Err(Error::IntegerOverflow)),
        ("ff 8080 8080 8000", Err(Error::IntegerOverflow)),
        ("ff 80ff ffff 0f", Err(Error::BadIndex)),
        ("00", Err(Error::Truncated)),
        ("0001 61", Err(Error::Truncated)),
        ("0001 6102 62", Err(Error::Truncated)),
        ("0001 617f ffff ffff 07 62", Err(Error::Truncated)),
        ("00 0161 00", Ok(&["a: "])),
        ("10 0161 0162", Ok(&["a: b"])),
        // The last index of the static table, then the first of the dynamic one.
        ("40 0161 0162 be 7e 0163 bf be", Ok(&["a: b", "a: b", "a: c", "a: b", "a: c"])),
        ("40 0161 0162 bf", Err(Error::BadIndex)),
        // Huffman strings: `a` is 1f; bad padding, and EOS.
        ("00 811f 811f", Ok(&["a: a"])),
        ("00 811e 811f", Err(Error::HuffmanPadding)),
        ("00 811f 821f ff", Err(Error::HuffmanPadding)),
        ("00 811f 84ff ffff ff", Err(Error::HuffmanEos)),
        ("00 811f 80", Ok(&["a: "])),
    ];
    for (block, expected) in cases {
        let expected = expected.map(pairs);
        assert_eq!(decode(&mut Decoder::new(4096), &hex(block)), expected, "{block}");
    }
}

/// Section 4.2, row H2-14.
#[test]
fn size_updates() {
    let cases: &[(&str, Result<usize, Error>)] = &[
        ("", Ok(4096)),
        ("20", Ok(0)),
        ("3f e1 1f", Ok(4096)),
        ("3f e1 3f", Ok(8192)),
        ("3f e2 3f", Err(Error::SizeUpdateTooLarge)),
        ("3f ff ff ff ff 0f", Err(Error::IntegerOverflow)),
        ("3f e0 ff ff ff 0f", Err(Error::SizeUpdateTooLarge)),
        ("20 3f e1 1f 82", Ok(4096)),
        ("3f e1 1f 20", Ok(0)),
        ("20 20 20", Err(Error::TooManySizeUpdates)),
        ("82 20", Err(Error::MisplacedSizeUpdate)),
        ("20 82 20", Err(Error::MisplacedSizeUpdate)),
        ("3f", Err(Error::Truncated)),
    ];
    for (block, expected) in cases {
        let mut decoder = Decoder::new(8192);
        assert_eq!(decoder.table().max_size(), 4096, "the default until the peer says so");
        let size = decode(&mut decoder, &hex(block)).map(|_| decoder.table().max_size());
        assert_eq!(size, *expected, "{block}");
    }
    assert_eq!(decode(&mut Decoder::new(0), &hex("20 82")), Ok(pairs(&[":method: GET"])));
    assert_eq!(decode(&mut Decoder::new(0), &hex("21")), Err(Error::SizeUpdateTooLarge));
}

/// A literal with incremental indexing: a new name, or that of an index.
fn insertion(name: Result<&[u8], usize>, value: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    integer::write(name.err().unwrap_or(0), 6, 0x40, &mut block);
    for string in name.iter().chain([&value]) {
        integer::write(string.len(), 7, 0, &mut block);
        block.extend_from_slice(string);
    }
    block
}

/// Sections 4.1 to 4.4, in a table of 100 octets.
#[test]
fn eviction() {
    let steps: &[(&[u8], &[&str])] = &[
        (&insertion(Ok(b"aa"), b"1"), &["aa: 1"]),
        // 35 and 65 are 100: just fits.
        (&insertion(Ok(b"bb"), &[b'2'; 31]), &["bb: 2222222222222222222222222222222", "aa: 1"]),
        (&insertion(Ok(b"cc"), b""), &["cc: ", "bb: 2222222222222222222222222222222"]),
        // The name of an entry that goes for the new one.
        (&insertion(Err(63), &[b'3'; 34]), &["bb: 3333333333333333333333333333333333"]),
        // The same, and the new one is as large as the table.
        (&insertion(Err(62), &[b'4'; 66]), &["bb: 444444444444444444444444444444444444444444444444444444444444444444"]),
        // Larger than the table: empties it and is no error.
        (&insertion(Err(62), &[b'5'; 67]), &[]),
        (&insertion(Ok(b""), b""), &[": "]),
        (&[0x20], &[]),
        (&insertion(Ok(b""), b""), &[]),
    ];
    let mut decoder = Decoder::new(100);
    for (nth, (block, table)) in steps.iter().enumerate() {
        let fields = decode(&mut decoder, block).unwrap();
        assert_eq!(entries(decoder.table()), pairs(table), "step {nth}");
        if let (Some(field), Some(entry)) = (fields.first(), entries(decoder.table()).first()) {
            assert_eq!(field, entry, "step {nth}");
        }
    }
}

#[test]
fn a_smaller_table_keeps_the_newest() {
    let mut decoder = Decoder::new(4096);
    for value in [b"1", b"2", b"3"] {
        decode(&mut decoder, &insertion(Ok(b"a"), value)).unwrap();
    }
    decode(&mut decoder, &[0x3f, 68 - 31]).unwrap();
    assert_eq!(entries(decoder.table()), pairs(&["a: 3", "a: 2"]));
    decode(&mut decoder, &[0x3f, 67 - 31]).unwrap();
    assert_eq!(entries(decoder.table()), pairs(&["a: 3"]));
    // Larger again: nothing comes back.
    assert_eq!(decode(&mut decoder, &[0x3f, 0xe1, 0x1f, 0xbf]), Err(Error::BadIndex));
}

#[test]
fn ids_come_with_fields_and_entries() {
    let block = [
        &insertion(Ok(b"x-request-id"), b"1")[..],
        &[0xbe, 0x7e, 0, 0x82, 0x0f, 58 - 15, 0],
        &insertion(Ok(b"X-Request-Id"), b""),
    ];
    let mut ids = Vec::new();
    Decoder::new(4096).decode(&block.concat(), |field| ids.push(field.id)).unwrap();
    let id = HeaderId::XRequestId;
    assert_eq!(ids, [id, id, id, HeaderId::Other, HeaderId::UserAgent, HeaderId::Other]);
}

/// Rows H2-4 and H2-5: one octet refers to nearly all of the table, 60,000 times.
#[test]
fn references_cost_the_decoder_nothing() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &insertion(Ok(b"a"), &[b'x'; 4000])).unwrap();
    let before = decoder.memory();
    let (mut count, mut octets) = (0, 0);
    let visit = |field: crate::Field<'_>| {
        count += 1;
        octets += field.value.len();
    };
    decoder.decode(&[0xbe; 60_000], visit).unwrap();
    assert_eq!((count, octets), (60_000, 240_000_000));
    assert_eq!(decoder.memory(), before);
}

#[test]
fn memory_is_twice_the_table_and_the_block() {
    let mut rng = fastrand::Rng::with_seed(4096);
    let mut decoder = Decoder::new(4096);
    for _ in 0..20_000 {
        let value = vec![b'v'; rng.usize(0..120)];
        let from_table = decoder.table().len() > 0 && rng.bool();
        let name = if from_table { Err(62) } else { Ok(&b"name"[..]) };
        decode(&mut decoder, &insertion(name, &value)).unwrap();
        // Text, and at most 128 entries in a ring of a power of two.
        assert!(decoder.memory() <= 2 * 4096 + 128 * 16, "{}", decoder.memory());
    }
    // Room for a large string goes with its block.
    let mut large = vec![0x00];
    for first in [0x80, 0x80] {
        integer::write(40_000, 7, first, &mut large);
        large.extend_from_slice(&[0x00; 40_000]);
    }
    let before = decoder.memory();
    let mut len = 0;
    decoder.decode(&large, |field| len = field.name.len() + field.value.len()).unwrap();
    assert_eq!(len, 128_000);
    assert_eq!(decoder.memory(), before);
    // A peer that wants no table gets all of it back.
    decode(&mut decoder, &[0x20]).unwrap();
    assert_eq!(decoder.memory(), 0);
}
