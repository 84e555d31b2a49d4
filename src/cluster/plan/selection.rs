//! A selection of hosts and how their requests are parted: first by priority and health, then by locality.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::group::Group;
use super::localities::{self, LocalZones, Part};
use super::priorities::{Level, Load, loads};
use super::slow_start::SlowStarts;
use super::table::{Entry, Maglev, Ring, Table};
use crate::cluster::{Flag, Health, Host};
use crate::config::{Balancing, Hashing, LoadBalancing};

/// All of a cluster, or one subset.
#[derive(Debug)]
pub struct Selection {
    /// Those that are drawn come first; behind them, groups without a share, for requests that have tried all others.
    shares: Box<[Share]>,
}

/// A group of hosts, and how much goes to it.
#[derive(Debug)]
pub struct Share {
    /// Of 2^32: the sum of the shares up to and with this one.
    upto: u64,
    pub why: Why,
    /// Its number among the groups of the plan.
    pub(in crate::cluster) number: usize,
    pub group: Group,
}

/// Why a request goes to this group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// By priority, health and the weights of localities.
    Load,
    /// Too few hosts are healthy: all are used.
    Panic,
    /// The hosts of our zone have room for all of its requests.
    ZoneDirect,
    /// They have room for a part of them.
    ZoneSampled,
    /// A host of another zone has room for what is too much for ours.
    ZoneCross,
    /// No zone has room for it.
    ZoneNoCapacity,
    /// Nothing, as long as the others have a host to offer.
    Spare,
}

const ALL: u64 = 1 << 32;

impl Selection {
    /// Draws a share; `random` is uniform over all of u32. `None`: no host may be used.
    #[inline]
    pub(in crate::cluster) fn draw(&self, random: impl FnOnce() -> u32) -> Option<&Share> {
        match &*self.shares {
            [share] if share.upto == ALL => Some(share),
            shares => {
                let point = u64::from(random());
                shares.iter().find(|share| point < share.upto)
            }
        }
        .filter(|share| !share.group.is_empty())
    }

    /// All of them, in the order in which they are tried where a request has been at all hosts of its own.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Each share as a fraction of all requests.
    pub fn fractions(&self) -> impl Iterator<Item = (f64, &Share)> {
        let before = std::iter::once(0).chain(self.shares.iter().map(|share| share.upto));
        before.zip(&self.shares).map(|(before, share)| ((share.upto - before) as f64 / ALL as f64, share))
    }
}

/// What selections of one plan are made from.
pub(super) struct Build<'a> {
    hosts: &'a [Arc<Host>],
    settings: &'a Balancing,
    /// What each host is hashed by; empty where nothing is hashed.
    keys: Vec<String>,
    zone: &'a str,
    local: Option<&'a LocalZones>,
    slow_starts: SlowStarts,
    groups: usize,
}

/// One priority.
#[derive(Default)]
struct Priority {
    all: Vec<u32>,
    healthy: Vec<u32>,
    degraded: Vec<u32>,
}

impl<'a> Build<'a> {
    pub(super) fn new(
        hosts: &'a [Arc<Host>],
        settings: &'a Balancing,
        zone: &'a str,
        local: Option<&'a LocalZones>,
        now: Instant,
    ) -> Build<'a> {
        let keys = match settings.policy.hashing() {
            Some(hashing) => hosts.iter().map(|host| key(host, hashing)).collect(),
            None => Vec::new(),
        };
        let slow_starts = SlowStarts::new(hosts, settings, now);
        Build { hosts, settings, keys, zone, local, slow_starts, groups: 0 }
    }

    pub(super) fn hosts(&self) -> &'a [Arc<Host>] {
        self.hosts
    }

    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    pub(super) fn next_change(&self) -> Option<Instant> {
        self.slow_starts.next_change()
    }

    /// `members`: places in the plan, ascending. Those that have not been checked yet are left out as long as there are others:
    /// they do not count as unhealthy, and panic does not send them anything.
    pub(super) fn selection(&mut self, mut members: Vec<u32>) -> Selection {
        let is_known = |member: &u32| !self.hosts[*member as usize].has(Flag::Unchecked);
        if members.iter().any(is_known) {
            members.retain(is_known);
        }
        let mut priorities: BTreeMap<u32, Priority> = BTreeMap::new();
        for member in members {
            let host = &self.hosts[member as usize];
            let priority = priorities.entry(host.priority).or_default();
            match host.health() {
                Health::Healthy => priority.healthy.push(member),
                Health::Degraded => priority.degraded.push(member),
                Health::Unhealthy => {}
            }
            priority.all.push(member);
        }
        let count = |members: &Vec<u32>| members.len() as u32;
        let levels: Vec<Level> = priorities
            .values()
            .map(|it| Level { total: count(&it.all), healthy: count(&it.healthy), degraded: count(&it.degraded) })
            .collect();
        let loads = loads(&levels, self.settings.overprovisioning_factor, self.settings.panic_threshold);
        let (mut drawn, mut spare) = (Vec::new(), Vec::new());
        for ((number, priority), load) in priorities.into_iter().zip(loads) {
            self.share(number, priority, load, &mut drawn, &mut spare);
        }
        let mut sum = 0.0;
        let last = drawn.len().saturating_sub(1);
        for (at, (fraction, share)) in drawn.iter_mut().enumerate() {
            sum += *fraction;
            share.upto = if at == last { ALL } else { (sum * ALL as f64) as u64 };
        }
        let end = if drawn.is_empty() { 0 } else { ALL };
        spare.iter_mut().for_each(|share: &mut Share| share.upto = end);
        Selection { shares: drawn.into_iter().map(|(_, share)| share).chain(spare).collect() }
    }

    /// The shares of one priority.
    fn share(
        &mut self,
        number: u32,
        priority: Priority,
        load: Load,
        drawn: &mut Vec<(f64, Share)>,
        spare: &mut Vec<Share>,
    ) {
        let Priority { all, healthy, degraded } = priority;
        let percent = |load: u32| f64::from(load) / 100.0;
        if load.panic && load.healthy > 0 {
            let members = if self.settings.fail_traffic_on_panic { Vec::new() } else { all };
            drawn.push((percent(load.healthy), self.group(members, Why::Panic, true)));
            return;
        }
        let parts = [(healthy, load.healthy, Health::Healthy), (degraded, load.degraded, Health::Degraded)];
        for (members, load, health) in parts {
            if load == 0 {
                // A retry may still go there, and needs no table to find it.
                if !members.is_empty() && !self.settings.fail_traffic_on_panic {
                    spare.push(self.group(members, Why::Spare, false));
                }
                continue;
            }
            for part in self.parts(number, &all, members, health) {
                let share = match part.weights {
                    None => self.group(part.members, part.why, true),
                    Some(weights) => self.weighted_group(part.members, &weights, part.why),
                };
                drawn.push((percent(load) * part.fraction, share));
            }
        }
    }

    /// The hosts of one priority and health by locality, where localities matter.
    fn parts(&self, priority: u32, all: &[u32], members: Vec<u32>, health: Health) -> Vec<Part> {
        let settings = self.settings;
        if !settings.locality_weights.is_empty() {
            return localities::weighted(self.hosts, all, members, settings);
        }
        match (&settings.zone_aware, self.local) {
            (Some(zone_aware), Some(local))
                if priority == 0 && health == Health::Healthy && settings.policy.hashing().is_none() =>
            {
                localities::zone_aware(self.hosts, members, self.zone, local, zone_aware)
            }
            _ => vec![Part::all(members)],
        }
    }

    /// A group by the hosts' own weights. `drawn`: it has a share.
    fn group(&mut self, members: Vec<u32>, why: Why, drawn: bool) -> Share {
        let weights: Vec<u32> = self.slow_starts.weights(self.hosts, &members);
        let weight = |at: usize| weights.get(at).copied().unwrap_or(1).into();
        let table = if drawn { self.table(&members, weight) } else { None };
        self.number(Group::new(members, &weights, table), why)
    }

    /// A group by the hosts' own weights and those of their localities.
    fn weighted_group(&mut self, members: Vec<u32>, weights: &[f64], why: Why) -> Share {
        let table = self.table(&members, |at| weights[at]);
        let lightest = weights.iter().copied().fold(f64::INFINITY, f64::min);
        let scaled: Vec<u32> = weights.iter().map(|weight| (weight / lightest * 100.0).min(1e9) as u32).collect();
        self.number(Group::new(members, &scaled, table), why)
    }

    fn number(&mut self, group: Group, why: Why) -> Share {
        let number = self.groups;
        self.groups += 1;
        Share { upto: 0, why, number, group }
    }

    fn table(&self, members: &[u32], weight: impl Fn(usize) -> f64) -> Option<Table> {
        if members.is_empty() || self.keys.is_empty() {
            return None;
        }
        let entry = |(at, &member): (usize, &u32)| Entry { key: &self.keys[member as usize], weight: weight(at) };
        let entries: Vec<Entry> = members.iter().enumerate().map(entry).collect();
        match self.settings.policy {
            LoadBalancing::RingHash(it) => {
                Some(Table::Ring(Ring::new(&entries, it.minimum_ring_size, it.maximum_ring_size)))
            }
            LoadBalancing::Maglev(it) => Some(Table::Maglev(Maglev::new(&entries, it.table_size))),
            _ => None,
        }
    }
}

fn key(host: &Host, hashing: &Hashing) -> String {
    match &host.name {
        Some(name) if hashing.use_hostname_for_hashing => name.to_string(),
        _ => host.address.to_string(),
    }
}
