//! A TLS hello of any bytes: no panic; fewer bytes are no other verdict; the same hello in records of another length is read
//! as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::split;
use nuncio_tls_hello::{MAX_BYTES, Peeked, peek};

fuzz_target!(|input: &[u8]| {
    let Some((&len, input)) = input.split_first() else { return };
    let Some((sample, cut)) = split(input) else { return };
    let whole = peek(sample);
    let early = peek(&sample[..cut]);
    assert!(early == Ok(Peeked::NeedMore) || early == whole);
    let Ok(Peeked::Hello(_)) = whole else { return };
    let mut payload = Vec::new();
    let mut rest = sample;
    while let [22, _, _, high, low, tail @ ..] = rest {
        let (fragment, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(tail.len()));
        payload.extend_from_slice(fragment);
        rest = tail;
    }
    let again: Vec<u8> = payload
        .chunks(usize::from(len).max(1))
        .flat_map(|fragment| [&[22, 3, 3, 0, fragment.len() as u8], fragment].concat())
        .collect();
    if again.len() <= MAX_BYTES {
        assert_eq!(peek(&again), whole);
    }
});
