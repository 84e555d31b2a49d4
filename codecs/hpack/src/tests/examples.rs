//! RFC 7541 appendix C, C.2 to C.6: blocks, field lists and what stands in the table behind each.

use super::*;

struct Example {
    block: &'static str,
    fields: &'static [&'static str],
    /// The table behind the block, newest entry first.
    table: &'static [&'static str],
    size: usize,
}

const REQUESTS: [(&[&str], &[&str], usize); 3] = [
    (
        &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
        &[":authority: www.example.com"],
        57,
    ),
    (
        &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
        &["cache-control: no-cache", ":authority: www.example.com"],
        110,
    ),
    (
        &[
            ":method: GET",
            ":scheme: https",
            ":path: /index.html",
            ":authority: www.example.com",
            "custom-key: custom-value",
        ],
        &["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"],
        164,
    ),
];

const DATE: &str = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const LATER: &str = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION: &str = "location: https://www.example.com";
const COOKIE: &str = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const PRIVATE: &str = "cache-control: private";

const RESPONSES: [(&[&str], &[&str], usize); 3] = [
    (&[":status: 302", PRIVATE, DATE, LOCATION], &[LOCATION, DATE, PRIVATE, ":status: 302"], 222),
    (&[":status: 307", PRIVATE, DATE, LOCATION], &[":status: 307", LOCATION, DATE, PRIVATE], 222),
    (
        &[":status: 200", PRIVATE, LATER, LOCATION, "content-encoding: gzip", COOKIE],
        &[COOKIE, "content-encoding: gzip", LATER],
        215,
    ),
];

const C3: [&str; 3] = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];

const C4: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

const C5: [&str; 3] = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
     3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
     7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
     6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
];

const C6: [&str; 3] = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
     1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
     e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
];

/// Series of blocks on one connection: the size of the table, then the blocks.
fn series() -> Vec<(usize, Vec<Example>)> {
    let join = |blocks: [&'static str; 3], lists: [(&'static [&str], &'static [&str], usize); 3]| {
        let examples = blocks.into_iter().zip(lists);
        examples.map(|(block, (fields, table, size))| Example { block, fields, table, size }).collect()
    };
    let single = |block, fields, table, size| vec![Example { block, fields, table, size }];
    vec![
        (
            4096,
            single(
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                &["custom-key: custom-header"],
                &["custom-key: custom-header"],
                55,
            ),
        ),
        (4096, single("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"], &[], 0)),
        (4096, single("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"], &[], 0)),
        (4096, single("82", &[":method: GET"], &[], 0)),
        (4096, join(C3, REQUESTS)),
        (4096, join(C4, REQUESTS)),
        (256, join(C5, RESPONSES)),
        (256, join(C6, RESPONSES)),
    ]
}

#[test]
fn decoded() {
    for (max_table_size, examples) in series() {
        let mut decoder = Decoder::new(max_table_size);
        for Example { block, fields, table, size } in examples {
            assert_eq!(decode(&mut decoder, &hex(block)).as_ref(), Ok(&pairs(fields)), "{block}");
            assert_eq!(entries(decoder.table()), pairs(table), "{block}");
            assert_eq!(decoder.table().size(), size, "{block}");
        }
    }
}

#[test]
fn only_c_2_3_is_never_indexed() {
    for (_, examples) in series() {
        let Example { block, .. } = &examples[0];
        let mut never_indexed = false;
        Decoder::new(4096).decode(&hex(block), |field| never_indexed |= field.never_indexed).unwrap();
        assert_eq!(never_indexed, block.starts_with("10"), "{block}");
    }
}

/// C.4 is what our encoder makes of these requests too. The other examples do without Huffman code, or insert what we do not.
#[test]
fn encoded() {
    let mut encoder = Encoder::new(4096);
    for (block, (fields, table, _)) in C4.into_iter().zip(REQUESTS) {
        assert_eq!(encode(&mut encoder, &pairs(fields)), hex(block));
        assert_eq!(entries(encoder.table()), pairs(table));
    }
}

#[test]
fn responses_there_and_back_in_a_small_table() {
    let mut encoder = Encoder::new(4096);
    encoder.set_peer_table_size(256);
    let mut decoder = Decoder::new(4096);
    for (fields, ..) in RESPONSES.into_iter().chain(RESPONSES) {
        let block = encode(&mut encoder, &pairs(fields));
        assert_eq!(decode(&mut decoder, &block), Ok(pairs(fields)));
        assert_eq!(entries(encoder.table()), entries(decoder.table()));
    }
}

/// A block that ends too early is refused, or is a block of fewer fields.
#[test]
fn truncated() {
    for (max_table_size, examples) in series() {
        for nth in 0..examples.len() {
            let block = hex(examples[nth].block);
            let fields = pairs(examples[nth].fields);
            for len in 0..block.len() {
                let mut decoder = Decoder::new(max_table_size);
                for before in &examples[..nth] {
                    decode(&mut decoder, &hex(before.block)).unwrap();
                }
                match decode(&mut decoder, &block[..len]) {
                    Ok(prefix) => assert!(prefix.len() < fields.len() && fields.starts_with(&prefix)),
                    Err(error) => assert_eq!(error, Error::Truncated),
                }
            }
        }
    }
}
