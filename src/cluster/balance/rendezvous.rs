//! Rendezvous hashing: each host draws a number from its address and the key, the highest takes it. All workers, and all
//! proxies with the same hosts, choose alike; a host that goes moves only its own keys, one that comes takes its share.

use super::mix;

/// The hosts of a cluster as hashes see them: what each draws with, and its weight.
pub struct Rendezvous(Vec<(u64, f64)>);

impl Rendezvous {
    /// `hosts`: the address as text and the weight of each.
    pub fn new(hosts: impl Iterator<Item = (String, u64)>) -> Rendezvous {
        Rendezvous(hosts.map(|(address, weight)| (hash(address.as_bytes()), weight.max(1) as f64)).collect())
    }

    /// The host for this key.
    pub fn pick(&self, key: u64) -> Option<usize> {
        let score = |&(seed, weight): &(u64, f64)| {
            // Uniform in (0, 1]; its negative logarithm is exponential, and of exponentials with rates the least falls to
            // each in proportion to its rate.
            let drawn = (mix(seed ^ mix(key)) >> 11) as f64 + 1.0;
            -(drawn / (1u64 << 53) as f64).ln() / weight
        };
        let scores = self.0.iter().map(score).enumerate();
        scores.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
    }
}

/// FNV-1a, 64 bits: not for keys of an attacker's choice where collisions would cost something. Here they cost evenness.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(weights: &[u64]) -> Rendezvous {
        let host = |(at, &weight): (usize, &u64)| (format!("192.0.2.{at}:53"), weight);
        Rendezvous::new(weights.iter().enumerate().map(host))
    }

    #[test]
    fn keys_spread_by_weight_and_stay() {
        let (four, three) = (hosts(&[1, 2, 5, 2]), hosts(&[1, 2, 5]));
        let mut counts = [0usize; 4];
        for key in 0..100_000u32 {
            let key = hash(&key.to_be_bytes());
            let host = four.pick(key).unwrap();
            assert_eq!(four.pick(key), Some(host));
            counts[host] += 1;
            if host != 3 {
                assert_eq!(three.pick(key), Some(host), "only the keys of the host that went move");
            }
        }
        for (count, expected) in counts.into_iter().zip([10_000, 20_000, 50_000, 20_000]) {
            assert!(count.abs_diff(expected) < 800, "{counts:?}");
        }
    }

    #[test]
    fn no_hosts_no_pick() {
        assert_eq!(hosts(&[]).pick(1), None);
    }
}
