//! Hosts among which one draw is made: those of one priority and health, or of one locality.

use super::table::Table;

/// Hosts by their place in the plan, with what each is to get.
#[derive(Debug)]
pub struct Group {
    members: Members,
    /// Sums of the weights up to and with each member. `None`: all weigh the same.
    sums: Option<Box<[u64]>>,
    /// Where the policy goes by a hash.
    pub(in crate::cluster) table: Option<Table>,
}

#[derive(Debug)]
enum Members {
    /// The first so many hosts of the plan.
    First(u32),
    Some(Box<[u32]>),
}

impl Group {
    /// `weights`: one for each of `members`, at least 1 each; empty where all weigh the same.
    pub(super) fn new(members: Vec<u32>, weights: &[u32], table: Option<Table>) -> Group {
        let equal = weights.windows(2).all(|pair| pair[0] == pair[1]);
        let sum = |sum: &mut u64, &weight: &u32| {
            *sum += u64::from(weight.max(1));
            Some(*sum)
        };
        let sums = (!equal).then(|| weights.iter().scan(0, sum).collect());
        let in_order = members.iter().enumerate().all(|(at, &member)| at == member as usize);
        // A file has no 2^32 hosts, nor has an answer of a name server.
        let members =
            if in_order { Members::First(members.len() as u32) } else { Members::Some(members.into_boxed_slice()) };
        Group { members, sums, table }
    }

    pub fn len(&self) -> usize {
        match &self.members {
            Members::First(count) => *count as usize,
            Members::Some(members) => members.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place in the plan of member `at`.
    #[inline]
    pub fn host(&self, at: usize) -> usize {
        match &self.members {
            Members::First(_) => at,
            Members::Some(members) => members[at] as usize,
        }
    }

    pub fn hosts(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|at| self.host(at))
    }

    /// All members get the same.
    #[inline]
    pub fn is_equal(&self) -> bool {
        self.sums.is_none()
    }

    /// Against that of the other members, slow start and all. At least 1.
    #[inline]
    pub fn weight(&self, at: usize) -> u64 {
        match &self.sums {
            None => 1,
            Some(sums) => sums[at] - at.checked_sub(1).map_or(0, |before| sums[before]),
        }
    }

    /// Of all members.
    pub fn total_weight(&self) -> u64 {
        match &self.sums {
            None => self.len() as u64,
            Some(sums) => sums.last().copied().unwrap_or(0),
        }
    }

    /// A member by chance, by weight.
    #[inline]
    pub(in crate::cluster) fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        match &self.sums {
            None => rng.usize(..self.len()),
            Some(sums) => {
                let point = rng.u64(..self.total_weight());
                sums.partition_point(|&sum| sum <= point)
            }
        }
    }
}
