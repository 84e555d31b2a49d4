//! A PROXY header of any bytes: no panic; fewer bytes are no other verdict; what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::split;
use nuncio_proxy_protocol::{Error, Parsed, Tlv, Transport, encode_v2, kind, parse};

fuzz_target!(|input: &[u8]| {
    let Some((sample, cut)) = split(input) else { return };
    let whole = parse(sample);
    let early = parse(&sample[..cut]);
    assert!(early == Ok(Parsed::NeedMore) || early == whole);
    let Ok(Parsed::Header { header, .. }) = whole else { return };
    let (Some((source, destination)), Transport::Stream) = (header.addresses, header.transport) else { return };
    let tlvs: Vec<(u8, &[u8])> = header
        .tlvs
        .iter()
        .filter_map(|tlv| match tlv {
            Tlv::Alpn(value) => Some((kind::ALPN, value)),
            Tlv::Authority(value) => Some((kind::AUTHORITY, value)),
            Tlv::UniqueId(value) => Some((kind::UNIQUE_ID, value)),
            Tlv::Ssl(_) => None,
        })
        .chain([(kind::CRC32C, &[][..])])
        .collect();
    let mut written = Vec::new();
    match encode_v2(header.command, source, destination, &tlvs, &mut written) {
        Ok(()) => {}
        // A header that was full, with a checksum more.
        Err(error) => return assert_eq!(error, Error::TooLong),
    }
    let read = parse(&written);
    let Ok(Parsed::Header { header: read, len }) = read else { panic!("{read:?}") };
    assert_eq!(len, written.len());
    assert_eq!(read.addresses, header.addresses);
    assert!(read.tlvs.iter().eq(header.tlvs.iter().filter(|tlv| !matches!(tlv, Tlv::Ssl(_)))));
});
