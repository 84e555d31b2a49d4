//! The code against what RFC 7541 appendix B prints, and the decoder against one that goes bit by bit.

use super::*;

fn decoded(input: &[u8]) -> Result<Vec<u8>, Error> {
    decode(input, &mut Vec::new()).map(<[u8]>::to_vec)
}

fn encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(text, &mut out);
    out
}

/// Decodes as section 5.2 words it.
fn decoded_bit_by_bit(input: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let (mut bits, mut len) = (0, 0);
    for octet in input {
        for at in (0..8).rev() {
            bits = bits << 1 | u32::from(octet >> at & 1);
            len += 1;
            if let Some(symbol) = CODES.iter().position(|code| (code.bits, code.len) == (bits, len)) {
                text.push(u8::try_from(symbol).map_err(|_| Error::HuffmanEos)?);
                (bits, len) = (0, 0);
            }
        }
    }
    if len < 8 && bits == (1 << len) - 1 { Ok(text) } else { Err(Error::HuffmanPadding) }
}

#[test]
fn codes_of_appendix_b() {
    let codes: &[(usize, u32, u8)] = &[
        (0, 0x1ff8, 13),
        (1, 0x7f_ffd8, 23),
        (9, 0xff_ffea, 24),
        (10, 0x3fff_fffc, 30),
        (13, 0x3fff_fffd, 30),
        (22, 0x3fff_fffe, 30),
        (32, 0x14, 6),
        (48, 0x0, 5),
        (58, 0x5c, 7),
        (60, 0x7ffc, 15),
        (88, 0xfc, 8),
        (92, 0x7_fff0, 19),
        (97, 0x3, 5),
        (122, 0x7b, 7),
        (126, 0x1ffd, 13),
        (127, 0xfff_fffc, 28),
        (128, 0xf_ffe6, 20),
        (153, 0x1f_ffdc, 21),
        (199, 0x1ff_ffec, 25),
        (203, 0x7ff_ffde, 27),
        (220, 0xfff_fffd, 28),
        (249, 0xfff_fffe, 28),
        (254, 0x7ff_fff0, 27),
        (255, 0x3ff_ffee, 26),
        (EOS, 0x3fff_ffff, 30),
    ];
    for &(symbol, bits, len) in codes {
        assert_eq!((CODES[symbol].bits, CODES[symbol].len), (bits, len), "{symbol}");
    }
    let all: u64 = CODES.iter().map(|code| 1 << (LONGEST - u32::from(code.len))).sum();
    assert_eq!(all, 1 << LONGEST, "complete");
}

#[test]
fn every_octet_and_every_pair() {
    for first in 0..=255 {
        assert_eq!(decoded(&encoded(&[first])), Ok(vec![first]));
        for second in 0..=255 {
            for text in [&[first, second][..], &[first, b'a', second, b'0', first]] {
                let out = encoded(text);
                assert_eq!(out.len(), encoded_len(text));
                assert_eq!(decoded(&out).as_deref(), Ok(text));
            }
        }
    }
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    assert_eq!(decoded(&encoded(&all)), Ok(all));
    assert_eq!((encoded(b""), decoded(b"")), (vec![], Ok(vec![])));
}

#[test]
fn padding_and_eos() {
    type Case = (&'static [u8], Result<&'static [u8], Error>);
    let cases: &[Case] = &[
        // `0` is 00000, `a` is 00011, `&` is 11111000, EOS is thirty ones.
        (&[0b0001_1111], Ok(b"a")),
        (&[0b0001_1110], Err(Error::HuffmanPadding)),
        (&[0b0001_1011], Err(Error::HuffmanPadding)),
        (&[0b0000_0000], Err(Error::HuffmanPadding)),
        (&[0b1111_1000], Ok(b"&")),
        (&[0b1111_1000, 0xff], Err(Error::HuffmanPadding)),
        (&[0b0001_1111, 0xff], Err(Error::HuffmanPadding)),
        (&[0b0001_1111, 0xff, 0xff, 0xff], Err(Error::HuffmanPadding)),
        (&[0xff], Err(Error::HuffmanPadding)),
        (&[0xff, 0xff, 0xff], Err(Error::HuffmanPadding)),
        (&[0b1111_1110], Err(Error::HuffmanPadding)),
        (&[0xff, 0xff, 0xff, 0xfc], Err(Error::HuffmanEos)),
        (&[0xff, 0xff, 0xff, 0xff], Err(Error::HuffmanEos)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Err(Error::HuffmanEos)),
        (&[0b0001_1111, 0xff, 0xff, 0xff, 0b1110_0000], Err(Error::HuffmanEos)),
        // Seven ones may follow, an eighth may not: `aaaaa` has 25 bits.
        (&[0x18, 0xc6, 0x31, 0b1111_1111], Ok(b"aaaaa")),
        (&[0x18, 0xc6, 0x31, 0b1111_1111, 0xff], Err(Error::HuffmanPadding)),
    ];
    for (input, expected) in cases {
        assert_eq!(decoded_bit_by_bit(input).as_deref(), expected.as_deref(), "{input:x?}");
        assert_eq!(decoded(input).as_deref(), expected.as_deref(), "{input:x?}");
    }
}

#[test]
fn any_octets_decode_as_bit_by_bit() {
    let mut rng = fastrand::Rng::with_seed(7541);
    let mut verdicts = [0; 3];
    for _ in 0..20_000 {
        let mut input: Vec<u8> = (0..rng.usize(0..24)).map(|_| rng.u8(..)).collect();
        // Ones, for long codes and padding.
        for octet in &mut input {
            if rng.bool() {
                *octet |= 0xff << rng.u8(0..5);
            }
        }
        if rng.bool() {
            input = encoded(&input);
        }
        let expected = decoded_bit_by_bit(&input);
        assert_eq!(decoded(&input), expected, "{input:x?}");
        verdicts[match expected {
            Ok(_) => 0,
            Err(Error::HuffmanEos) => 1,
            Err(_) => 2,
        }] += 1;
    }
    assert!(verdicts.iter().all(|&count| count > 100), "{verdicts:?}");
}

/// What was decoded before does not show.
#[test]
fn scratch_is_used_again() {
    let mut scratch = Vec::new();
    for text in [&b"a longer text than the next one"[..], b"short", b"", b"a text of some middling length"] {
        assert_eq!(decode(&encoded(text), &mut scratch), Ok(text));
    }
    assert!(scratch.len() < 64);
}
