//! CRC32C (RFC 9260 appendix A), bit by bit: a few hundred bytes once a connection, and only where the peer sends one.

/// The reversed polynomial 0x1edc6f41.
const POLYNOMIAL: u32 = 0x82f6_3b78;

pub(crate) fn of(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        let mixed = crc ^ u32::from(byte);
        (0..8).fold(mixed, |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    /// The check value of the catalogues, and RFC 3720 appendix B.4.
    #[test]
    fn known_values() {
        let ascending: Vec<u8> = (0..32).collect();
        let cases: &[(&[u8], u32)] = &[
            (b"", 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ];
        for (bytes, crc) in cases {
            assert_eq!(of(bytes.iter().copied()), *crc, "{bytes:x?}");
        }
    }
}
