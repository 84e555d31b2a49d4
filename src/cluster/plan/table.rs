//! Tables that turn a hash into a member of a group. They depend on nothing but the hosts and their weights: all workers, and
//! all proxies with the same hosts, choose alike.

use crate::cluster::balance::{mix, xx_hash};
use crate::order;

/// What a hash is looked up in.
#[derive(Debug)]
pub(in crate::cluster) enum Table {
    Ring(Ring),
    Maglev(Maglev),
}

/// A host as the tables see it.
pub(super) struct Entry<'a> {
    /// What it is hashed by.
    pub(super) key: &'a str,
    /// Above 0, against those of the others.
    pub(super) weight: f64,
}

impl Table {
    /// The member for this hash.
    #[inline]
    pub(in crate::cluster) fn get(&self, hash: u64) -> usize {
        match self {
            Table::Ring(ring) => ring.get(hash),
            Table::Maglev(maglev) => maglev.get(hash),
        }
    }
}

/// Ketama: each host has points on a ring, by its weight; a hash belongs to the next point.
#[derive(Debug)]
pub(in crate::cluster) struct Ring {
    /// Sorted.
    points: Box<[u64]>,
    /// Whose they are.
    members: Box<[u32]>,
}

impl Ring {
    /// At least `minimum` points and, unless there are more hosts, at most `maximum`. `entries`: at least one. The lightest host
    /// has a power of two of points (Envoy: as few as suffice), so that one host more or less leaves the points of the others
    /// where they are.
    pub(super) fn new(entries: &[Entry], minimum: u32, maximum: u32) -> Ring {
        let total: f64 = entries.iter().map(|entry| entry.weight).sum();
        let lightest = entries.iter().map(|entry| entry.weight / total).fold(1.0, f64::min);
        let fewest = ((lightest * f64::from(minimum)).ceil() as u32).next_power_of_two();
        let scale = (f64::from(fewest) / lightest).min(f64::from(maximum));
        let mut points: Vec<(u64, u32)> = Vec::with_capacity(scale as usize + entries.len());
        for (at, entry) in (0..).zip(entries) {
            let mut key = format!("{}_", entry.key);
            let len = key.len();
            // A little more, for what should be whole.
            let count = (scale * entry.weight / total + 1e-6).max(1.0) as u32;
            for point in 0..count {
                key.truncate(len);
                key.push_str(&point.to_string());
                points.push((xx_hash(key.as_bytes(), 0), at));
            }
        }
        points.sort_unstable();
        Ring {
            points: points.iter().map(|&(point, _)| point).collect(),
            members: points.iter().map(|&(_, member)| member).collect(),
        }
    }

    fn get(&self, hash: u64) -> usize {
        let at = self.points.partition_point(|&point| point < hash);
        // Behind the last comes the first.
        self.members[if at == self.points.len() { 0 } else { at }] as usize
    }
}

/// Maglev (Eisenbud et al. 2016, section 3.4): each host has an order of preference of all places; in turns they take the first
/// that is free.
#[derive(Debug)]
pub(in crate::cluster) struct Maglev {
    members: Places,
}

#[derive(Debug)]
enum Places {
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Maglev {
    /// `size` is a prime. `entries`: at least one.
    pub(super) fn new(entries: &[Entry], size: u32) -> Maglev {
        struct Turn {
            member: u32,
            /// The next place it would take, and the step to the one after that.
            place: u64,
            step: u64,
            weight: f64,
            credit: f64,
        }
        const FREE: u32 = u32::MAX;
        let size = u64::from(size);
        let heaviest = entries.iter().map(|entry| entry.weight).fold(0.0, f64::max);
        let turn = |member: u32| {
            let entry = &entries[member as usize];
            let key = entry.key.as_bytes();
            Turn {
                member,
                place: xx_hash(key, 0) % size,
                step: xx_hash(key, 1) % (size - 1) + 1,
                weight: entry.weight / heaviest,
                credit: 0.0,
            }
        };
        let mut turns: Vec<Turn> = sorted(entries).into_iter().map(turn).collect();
        // Each host may take a place in the first round.
        turns.iter_mut().for_each(|turn| turn.credit = 1.0 - turn.weight);
        let mut places = vec![FREE; size as usize];
        let mut free = size;
        'all: loop {
            for turn in &mut turns {
                turn.credit += turn.weight;
                if turn.credit < 1.0 {
                    continue;
                }
                turn.credit -= 1.0;
                while places[turn.place as usize] != FREE {
                    turn.place = (turn.place + turn.step) % size;
                }
                places[turn.place as usize] = turn.member;
                free -= 1;
                if free == 0 {
                    break 'all;
                }
            }
        }
        let narrow = || places.iter().map(|&member| u16::try_from(member).ok()).collect::<Option<Box<[u16]>>>();
        Maglev { members: narrow().map(Places::Narrow).unwrap_or_else(|| Places::Wide(places.into_boxed_slice())) }
    }

    #[inline]
    fn get(&self, hash: u64) -> usize {
        match &self.members {
            Places::Narrow(places) => usize::from(places[(hash % places.len() as u64) as usize]),
            Places::Wide(places) => places[(hash % places.len() as u64) as usize] as usize,
        }
    }
}

/// The entries in an order that depends on nothing but their keys.
fn sorted(entries: &[Entry]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..entries.len() as u32).collect();
    order::sort_by_key(&mut order, |&at| entries[at as usize].key);
    order
}

/// Another order of all members of a group of `count` for each hash: where to look when the first does not do.
#[derive(Debug, Clone)]
pub(in crate::cluster) struct Walk {
    at: usize,
    step: usize,
    count: usize,
    left: usize,
}

impl Walk {
    pub(in crate::cluster) fn new(hash: u64, count: usize) -> Walk {
        let drawn = mix(hash);
        let size = count.max(1) as u64;
        let at = (drawn % size) as usize;
        // A step that has no divisor in common with the count comes by every member.
        let first = (mix(drawn) % size).max(1);
        let step = (first..size).find(|&step| gcd(step, size) == 1).unwrap_or(1) as usize;
        Walk { at, step, count, left: count }
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = (at + self.step) % self.count;
        Some(at)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
