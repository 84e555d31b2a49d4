//! Which zone a request goes to: by weights that the operator gives (Envoy, "Locality weighted load balancing"), or to our own
//! as far as its hosts have room ("Zone aware routing").

use std::collections::BTreeMap;
use std::sync::Arc;

use super::selection::Why;
use crate::cluster::{Health, Host};
use crate::config::{Balancing, ZoneAware};
use crate::order;

/// Some of the hosts of one priority and health.
pub(super) struct Part {
    /// Of the requests of that priority and health.
    pub(super) fraction: f64,
    pub(super) why: Why,
    pub(super) members: Vec<u32>,
    /// In place of their own.
    pub(super) weights: Option<Vec<f64>>,
}

impl Part {
    pub(super) fn all(members: Vec<u32>) -> Part {
        Part { fraction: 1.0, why: Why::Load, members, weights: None }
    }
}

type Zones<'a> = BTreeMap<&'a str, Vec<u32>>;

fn zones<'a>(hosts: &'a [Arc<Host>], members: &[u32]) -> Zones<'a> {
    let mut zones = Zones::new();
    for &member in members {
        zones.entry(&*hosts[member as usize].zone).or_default().push(member);
    }
    zones
}

/// `all`: the hosts of the priority; `members`: those of one health. A zone whose hosts are not all of that health gets its
/// weight as long as overprovisioning allows, then less.
pub(super) fn weighted(hosts: &[Arc<Host>], all: &[u32], members: Vec<u32>, settings: &Balancing) -> Vec<Part> {
    let (totals, zones) = (zones(hosts, all), zones(hosts, &members));
    let factor = f64::from(settings.overprovisioning_factor) / 100.0;
    let weight = |zone: &str, count: usize| {
        let total = totals.get(zone).map_or(count, Vec::len).max(1);
        let available = (factor * count as f64 / total as f64).min(1.0);
        f64::from(settings.locality_weights.get(zone).copied().unwrap_or(0)) * available
    };
    let weights: BTreeMap<&str, f64> = order::map(zones.iter().map(|(zone, of)| (*zone, weight(zone, of.len()))));
    let sum: f64 = weights.values().sum();
    if sum == 0.0 {
        // No zone that counts has a host left: then zones do not count.
        return vec![Part::all(members)];
    }
    if settings.policy.hashing().is_some() {
        return vec![in_one_table(hosts, &zones, &weights)];
    }
    let part = |(zone, members): (&str, Vec<u32>)| {
        let fraction = weights.get(zone).copied().unwrap_or(0.0) / sum;
        (fraction > 0.0).then_some(Part { fraction, why: Why::Load, members, weights: None })
    };
    zones.into_iter().filter_map(part).collect()
}

/// A table of all zones, so that a hash stays where it is when another zone gets more or less.
fn in_one_table(hosts: &[Arc<Host>], zones: &Zones, weights: &BTreeMap<&str, f64>) -> Part {
    let mut part = Part { fraction: 1.0, why: Why::Load, members: Vec::new(), weights: None };
    let mut pairs: Vec<(u32, f64)> = Vec::new();
    for (zone, members) in zones {
        let weight = |&member: &u32| f64::from(hosts[member as usize].weight());
        let sum: f64 = members.iter().map(weight).sum();
        let zone = weights.get(zone).copied().unwrap_or(0.0);
        if zone > 0.0 {
            pairs.extend(members.iter().map(|member| (*member, weight(member) / sum * zone)));
        }
    }
    order::sort_by_key(&mut pairs, |&(member, _)| member);
    part.members = pairs.iter().map(|&(member, _)| member).collect();
    part.weights = Some(pairs.into_iter().map(|(_, weight)| weight).collect());
    part
}

/// Where the proxies are that do as this one does: how many of the local cluster's healthy hosts are in each zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalZones {
    counts: BTreeMap<Arc<str>, u32>,
    total: u32,
    /// Too few of them are healthy for the counts to mean anything.
    panic: bool,
}

impl LocalZones {
    /// `hosts`: those of the local cluster, and its `panic_threshold` in percent.
    pub fn of(hosts: &[Arc<Host>], panic_threshold: f64) -> LocalZones {
        let mut zones = LocalZones::default();
        for host in hosts.iter().filter(|host| host.health() == Health::Healthy) {
            *zones.counts.entry(host.zone.clone()).or_default() += 1;
            zones.total += 1;
        }
        zones.panic = f64::from(zones.total) * 100.0 < panic_threshold * hosts.len() as f64;
        zones
    }

    /// The share of the requests that comes from a zone.
    fn share(&self, zone: &str) -> f64 {
        f64::from(self.counts.get(zone).copied().unwrap_or(0)) / f64::from(self.total.max(1))
    }
}

/// `members`: the healthy hosts of the first priority; `own`: our zone.
pub(super) fn zone_aware(
    hosts: &[Arc<Host>],
    members: Vec<u32>,
    own: &str,
    local: &LocalZones,
    settings: &ZoneAware,
) -> Vec<Part> {
    let zones = zones(hosts, &members);
    let total = members.len() as f64;
    let from_here = local.share(own);
    let has_effect = zones.len() > 1
        && zones.contains_key(own)
        && members.len() >= settings.min_cluster_size as usize
        && !local.panic
        && from_here > 0.0
        && settings.routing_enabled > 0.0;
    if !has_effect {
        return vec![Part::all(members)];
    }
    let enabled = settings.routing_enabled / 100.0;
    let mut parts = Vec::new();
    let part = |fraction: f64, why, members: &Vec<u32>| {
        let members = members.clone();
        (fraction > 0.0).then_some(Part { fraction: fraction * enabled, why, members, weights: None })
    };
    let share = |members: &Vec<u32>| members.len() as f64 / total;
    let room_here = share(&zones[own]);
    if room_here >= from_here {
        parts.extend(part(1.0, Why::ZoneDirect, &zones[own]));
    } else {
        // The rest goes where there is more room than that zone's own requests need.
        let stays = room_here / from_here;
        parts.extend(part(stays, Why::ZoneSampled, &zones[own]));
        let others = zones.iter().filter(|(zone, _)| **zone != own);
        let room = |zone: &str, members: &Vec<u32>| (share(members) - local.share(zone)).max(0.0);
        let all_room: f64 = others.clone().map(|(zone, members)| room(zone, members)).sum();
        if all_room > 0.0 {
            let goes = |(zone, members): (&&str, &Vec<u32>)| {
                part((1.0 - stays) * room(zone, members) / all_room, Why::ZoneCross, members)
            };
            parts.extend(others.filter_map(goes));
        } else {
            let each = (1.0 - stays) / zones.len() as f64;
            parts.extend(zones.values().filter_map(|members| part(each, Why::ZoneNoCapacity, members)));
        }
    }
    if enabled < 1.0 {
        parts.push(Part { fraction: 1.0 - enabled, ..Part::all(members) });
    }
    parts
}
