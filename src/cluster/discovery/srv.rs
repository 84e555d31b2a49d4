//! SRV records (RFC 2782) as hosts: priorities from 0 without gaps, weights from 1 to 128 in the records' proportions. Sans-IO.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::order;
use nuncio_dns::Srv;

/// Heaviest host.
const HEAVIEST: u64 = 128;
/// Priorities that hosts may have; records of lower ones beyond that are all in the last.
const PRIORITIES: usize = 128;
/// What a record's weight is first multiplied by, so that most numbers of addresses divide it.
const PARTS: u64 = 840;

/// One record with the addresses of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) record: Srv,
    pub(super) addresses: Vec<IpAddr>,
}

/// One address of a record's target, as a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) ip: IpAddr,
    pub(super) priority: u32,
    pub(super) weight: u32,
}

/// The records that name something: a target that is the root says that there is no such service, and nobody serves port 0.
pub(super) fn usable(records: Vec<Srv>) -> Vec<Srv> {
    let records: BTreeSet<Srv> = order::set(records.into_iter().filter(|it| !it.target.is_root() && it.port != 0));
    records.into_iter().collect()
}

/// The hosts of each record, in the order of the records. The weight of a record is shared by the addresses of its target;
/// weights count among those of one priority, and targets without addresses count for nothing.
pub(super) fn shares(served: &[Served]) -> Vec<Vec<Share>> {
    let with_hosts = || served.iter().filter(|it| !it.addresses.is_empty());
    let priorities: BTreeSet<u16> = order::set(with_hosts().map(|it| it.record.priority));
    let mut scales = BTreeMap::new();
    for priority in &priorities {
        let of_it = with_hosts().filter(|it| it.record.priority == *priority);
        scales.insert(*priority, Scale::new(of_it.map(part)));
    }
    let place = |priority: u16| priorities.iter().take(PRIORITIES - 1).position(|it| *it == priority);
    let shares = |served: &Served| {
        let priority = place(served.record.priority).unwrap_or(PRIORITIES - 1) as u32;
        let weight = scales.get(&served.record.priority).map_or(1, |scale| scale.weight(part(served)));
        served.addresses.iter().map(|ip| Share { ip: *ip, priority, weight }).collect()
    };
    served.iter().map(shares).collect()
}

/// What each address of a record has of its weight.
fn part(served: &Served) -> u64 {
    u64::from(served.record.weight) * PARTS / served.addresses.len().max(1) as u64
}

/// From parts to weights.
struct Scale {
    /// Divides all parts.
    divisor: u64,
    heaviest: u64,
    /// Some have no weight: the others are as heavy as can be, so that these get next to nothing.
    has_zero: bool,
}

impl Scale {
    fn new(parts: impl Iterator<Item = u64> + Clone) -> Scale {
        let divisor = parts.clone().fold(0, gcd).max(1);
        let heaviest = parts.clone().max().unwrap_or(0) / divisor;
        Scale { divisor, heaviest, has_zero: parts.into_iter().any(|part| part == 0) }
    }

    /// 1 to 128.
    fn weight(&self, part: u64) -> u32 {
        let part = part / self.divisor;
        let weight = match self.heaviest {
            0 => 1,
            heaviest if heaviest <= HEAVIEST && self.has_zero => part * (HEAVIEST / heaviest),
            heaviest if heaviest <= HEAVIEST => part,
            heaviest => (part * HEAVIEST + heaviest / 2) / heaviest,
        };
        weight.clamp(1, HEAVIEST) as u32
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this priority and weight whose target has so many addresses.
    fn served(records: &[(u16, u16, u8)]) -> Vec<Served> {
        let served = |(at, (priority, weight, addresses)): (usize, &(u16, u16, u8))| Served {
            record: Srv {
                priority: *priority,
                weight: *weight,
                port: 80,
                target: format!("host{at}.internal").parse().unwrap(),
            },
            addresses: (0..*addresses).map(|last| IpAddr::from([192, 0, at as u8, last])).collect(),
        };
        records.iter().enumerate().map(served).collect()
    }

    fn weights(weights: &[(u16, u8)]) -> Vec<u32> {
        let records: Vec<_> = weights.iter().map(|(weight, addresses)| (0, *weight, *addresses)).collect();
        shares(&served(&records)).into_iter().flatten().map(|share| share.weight).collect()
    }

    #[test]
    fn weights_keep_their_proportions() {
        for (given, expected) in [
            (&[(0, 1)][..], &[1][..]),
            (&[(0, 1), (0, 1)], &[1, 1]),
            (&[(1, 1), (3, 1)], &[1, 3]),
            (&[(100, 1), (300, 1)], &[1, 3]),
            (&[(10, 1), (0, 1)], &[128, 1]),
            (&[(1, 1), (3, 1), (0, 1)], &[42, 126, 1]),
            (&[(65_535, 1), (0, 1), (1, 1)], &[128, 1, 1]),
            (&[(65_535, 1), (32_768, 1)], &[128, 64]),
            (&[(1, 2), (1, 1)], &[1, 1, 2]),
            (&[(2, 3), (1, 1)], &[2, 2, 2, 3]),
            (&[(5, 1), (7, 0)], &[1]),
        ] {
            assert_eq!(weights(given), expected, "{given:?}");
        }
    }

    #[test]
    fn any_weights_are_within_their_range_and_near_their_share() {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..2000 {
            let given: Vec<(u16, u8)> = (0..rng.usize(1..20)).map(|_| (rng.u16(..), 1)).collect();
            let weights = weights(&given);
            let heaviest = f64::from(given.iter().map(|(weight, _)| *weight).max().unwrap().max(1));
            let scaled = f64::from(*weights.iter().max().unwrap());
            for ((weight, _), share) in given.iter().zip(&weights) {
                assert!((1..=128).contains(share), "seed {seed}");
                let exact = f64::from(*weight) / heaviest * scaled;
                assert!((f64::from(*share) - exact).abs() <= 1.0, "seed {seed}: {share} for {exact}");
            }
        }
    }

    #[test]
    fn priorities_have_no_gaps() {
        let shares = shares(&served(&[(10, 1, 1), (65_535, 1, 1), (20, 5, 1), (10, 3, 2), (15, 1, 0)]));
        let priorities: Vec<u32> = shares.iter().flatten().map(|share| share.priority).collect();
        assert_eq!(priorities, [0, 2, 1, 0, 0], "a target without addresses takes no place");
        assert_eq!(shares[2][0].weight, 1, "alone in its priority");
        let many: Vec<(u16, u16, u8)> = (0..200).map(|priority| (priority, 1, 1)).collect();
        let last = super::shares(&served(&many)).pop().unwrap();
        assert_eq!(last[0].priority, 127);
    }

    #[test]
    fn what_names_no_host_is_left_out() {
        let [one] = <[Served; 1]>::try_from(served(&[(0, 1, 1)])).unwrap();
        let none = Srv { port: 0, ..one.record.clone() };
        assert_eq!(usable(vec![one.record.clone(), none, one.record.clone()]), [one.record]);
    }
}
