//! xxHash64 (the public specification "xxHash fast digest algorithm", version 0.1.1): what Envoy hashes hosts and requests by.
//! Fast and even, but not secret: who chooses the input can choose the hash.

use std::net::IpAddr;

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

pub fn xx_hash(bytes: &[u8], seed: u64) -> u64 {
    let (stripes, mut rest) = bytes.as_chunks::<32>();
    let mut hash = if stripes.is_empty() { seed.wrapping_add(PRIME_5) } else { of_stripes(stripes, seed) };
    hash = hash.wrapping_add(bytes.len() as u64);

    while let Some((lane, after)) = rest.split_first_chunk::<8>() {
        hash = (hash ^ round(0, u64::from_le_bytes(*lane))).rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        rest = after;
    }
    if let Some((lane, after)) = rest.split_first_chunk::<4>() {
        let lane = u64::from(u32::from_le_bytes(*lane)).wrapping_mul(PRIME_1);
        hash = (hash ^ lane).rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = after;
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte).wrapping_mul(PRIME_5)).rotate_left(11).wrapping_mul(PRIME_1);
    }

    hash = (hash ^ hash >> 33).wrapping_mul(PRIME_2);
    hash = (hash ^ hash >> 29).wrapping_mul(PRIME_3);
    hash ^ hash >> 32
}

/// The same for an IPv4 address and its mapped form.
pub fn address_hash(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => xx_hash(&ip.octets(), 0),
        IpAddr::V6(ip) => xx_hash(&ip.octets(), 0),
    }
}

/// One more part of a hash, if there is one. As Envoy's `HashPolicyImpl`: the same parts in another order are another hash.
pub fn join_hashes(before: Option<u64>, hash: Option<u64>) -> Option<u64> {
    match (before, hash) {
        (Some(before), Some(hash)) => Some(before.rotate_left(1) ^ hash),
        (before, hash) => before.or(hash),
    }
}

fn of_stripes(stripes: &[[u8; 32]], seed: u64) -> u64 {
    let mut lanes = [
        seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
        seed.wrapping_add(PRIME_2),
        seed,
        seed.wrapping_sub(PRIME_1),
    ];
    for stripe in stripes {
        for (lane, bytes) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
            *lane = round(*lane, u64::from_le_bytes(*bytes));
        }
    }
    let [a, b, c, d] = lanes;
    let sums = [a.rotate_left(1), b.rotate_left(7), c.rotate_left(12), d.rotate_left(18)];
    let hash = sums.into_iter().fold(0, u64::wrapping_add);
    lanes.into_iter().fold(hash, |hash, lane| (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4))
}

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

/// Each bit of the result depends on every bit of `x` (SplitMix64, Steele et al. 2014).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The buffer that the reference implementation checks itself by (`cli/xsum_sanity_check.c`).
    fn sanity_buffer(len: usize) -> Vec<u8> {
        let mut generator = 2_654_435_761u64;
        let mut next = || {
            let byte = (generator >> 56) as u8;
            generator = generator.wrapping_mul(11_400_714_785_074_694_797);
            byte
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn vectors_of_the_reference_implementation() {
        const PRIME32: u64 = 2_654_435_761;
        for (len, seed, hash) in [
            (0, 0, 0xef46_db37_51d8_e999),
            (0, PRIME32, 0xac75_fda2_929b_17ef),
            (1, 0, 0xe934_a84a_db05_2768),
            (1, PRIME32, 0x5014_6076_43a9_b4c3),
            (4, 0, 0x9136_a0dc_a574_57ee),
            (14, 0, 0x8282_dcc4_994e_35c8),
            (14, PRIME32, 0xc3bd_6bf6_3deb_6df0),
            (222, 0, 0xb641_ae8c_b691_c174),
            (222, PRIME32, 0x20cb_8ab7_ae10_c14a),
        ] {
            assert_eq!(xx_hash(&sanity_buffer(len), seed), hash, "{len} bytes, seed {seed}");
        }
        for (text, hash) in [("a", 0xd24e_c4f1_a98c_6e5b), ("abc", 0x44bc_2cf5_ad77_0999)] {
            assert_eq!(xx_hash(text.as_bytes(), 0), hash, "{text}");
        }
    }
}
