//! A worker's own part of the balancing of one cluster: whose turn it is in each group of the plan. Chance, load and the hosts
//! that were tried are arguments.

use super::turns::{PERIOD, Turns};
use super::{Rendezvous, mix};
use crate::cluster::plan::{Selected, Table, Walk};
use crate::cluster::{Group, Host, Plan, Selection, Share, SubsetKey, Why};
use crate::config::{self, Balancing, LoadBalancing};
use crate::stats::{ClusterStats, LazyHandle};

/// Draws that are made anew because the host was tried already, before others are looked for in order.
const REDRAWS: usize = 3;

/// What a pick depends on beside the plan.
#[derive(Clone, Copy, Default)]
pub struct PickCx<'a> {
    /// Of what the route's `hash` names. Requests with the same hash go to the same host, whatever the policy.
    pub hash: Option<u64>,
    /// What the route asks of the hosts.
    pub subset: Option<&'a SubsetKey>,
    /// The host that the client's cookie names.
    pub sticky: Option<u64>,
    /// Requests in flight on the whole cluster, over all workers: what `hash_balance_factor` goes by.
    pub in_flight: u32,
    /// Says which hosts this request has tried. Another is taken if there is one.
    pub tried: Option<&'a dyn Fn(&Host) -> bool>,
}

/// Picks hosts for one worker.
pub struct Picker {
    policy: LoadBalancing,
    stats: LazyHandle<ClusterStats>,
    /// The plan that the states are for.
    plan: u64,
    /// By number of the group; made when it is first used.
    states: Vec<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Unused,
    /// The next member, where all weigh the same.
    Next(usize),
    Turns(Turns),
    Rendezvous(Rendezvous),
}

impl Picker {
    pub fn new(settings: &Balancing, stats: LazyHandle<ClusterStats>) -> Picker {
        Picker { policy: settings.policy, stats, plan: 0, states: Vec::new() }
    }

    /// The host for the next request, by its place in the plan. `None`: no host may be used.
    pub fn pick(&mut self, plan: &Plan, cx: &PickCx<'_>, rng: &mut fastrand::Rng) -> Option<usize> {
        if self.plan != plan.id {
            self.plan = plan.id;
            self.states.clear();
            self.states.resize_with(plan.groups() * 2, State::default);
        }
        let is_tried = |host: usize| cx.tried.is_some_and(|tried| tried(&plan.hosts()[host]));
        let sticky = cx.sticky.and_then(|id| plan.sticky(id, cx.subset));
        if let Some(host) = sticky.filter(|&host| !is_tried(host)) {
            return Some(host);
        }
        let selection = self.select(plan, cx.subset)?;
        let share = selection.draw(|| match cx.hash {
            Some(hash) => (mix(hash) >> 32) as u32,
            None => rng.u32(..),
        })?;
        self.count(share.why);
        let first = self.pick_in(plan, share, cx, rng);
        if cx.tried.is_none() || !is_tried(share.group.host(first)) {
            return Some(share.group.host(first));
        }
        self.pick_other(plan, selection, share, cx, rng).or(Some(share.group.host(first)))
    }

    fn select<'p>(&self, plan: &'p Plan, subset: Option<&SubsetKey>) -> Option<&'p Selection> {
        match plan.select(subset) {
            Selected::All(selection) => Some(selection),
            Selected::Subset(selection) => {
                self.stats.lb_subsets_selected.inc();
                Some(selection)
            }
            Selected::Fallback(selection) => {
                self.stats.lb_subsets_fallback.inc();
                selection
            }
        }
    }

    fn count(&self, why: Why) {
        match why {
            Why::Load | Why::Spare => {}
            Why::Panic => self.stats.lb_healthy_panic.inc(),
            Why::ZoneDirect => self.stats.lb_zone_routing_all_directly.inc(),
            Why::ZoneSampled => self.stats.lb_zone_routing_sampled.inc(),
            Why::ZoneCross => self.stats.lb_zone_routing_cross_zone.inc(),
            Why::ZoneNoCapacity => self.stats.lb_zone_no_capacity_left.inc(),
        }
    }

    /// A host that was not tried yet: of the same group, or else of any other.
    fn pick_other(
        &mut self,
        plan: &Plan,
        selection: &Selection,
        share: &Share,
        cx: &PickCx<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<usize> {
        let is_fresh = |host: &usize| !cx.tried.is_some_and(|tried| tried(&plan.hosts()[*host]));
        if cx.hash.is_none() {
            let redraw = |_| share.group.host(self.pick_in(plan, share, cx, rng));
            if let Some(host) = (0..REDRAWS).map(redraw).find(is_fresh) {
                return Some(host);
            }
        }
        let seed = cx.hash.unwrap_or_else(|| rng.u64(..));
        let others = selection.shares().iter().filter(|other| other.number != share.number);
        std::iter::once(share)
            .chain(others)
            .flat_map(|share| Walk::new(seed, share.group.len()).map(|at| share.group.host(at)))
            .find(is_fresh)
    }

    /// A member of the group, which is not empty.
    fn pick_in(&mut self, plan: &Plan, share: &Share, cx: &PickCx<'_>, rng: &mut fastrand::Rng) -> usize {
        let group = &share.group;
        let active = |at: usize| plan.hosts()[group.host(at)].active_requests();
        match (&group.table, cx.hash) {
            (Some(table), hash) => self.by_table(group, table, hash.unwrap_or_else(|| rng.u64(..)), cx, active),
            (None, Some(hash)) => self.by_rendezvous(plan, share, hash),
            (None, None) => match self.policy {
                _ if group.len() == 1 => 0,
                LoadBalancing::RoundRobin => self.by_turns(share, rng, |at| PERIOD / group.weight(at)),
                LoadBalancing::LeastRequest(policy) if group.is_equal() => {
                    least_of(policy.choice_count, group.len(), active, rng)
                }
                LoadBalancing::LeastRequest(policy) => {
                    self.by_turns(share, rng, |at| period_by_load(policy, group.weight(at), active(at)))
                }
                // The groups of hash policies that have no table are those that retries look into.
                LoadBalancing::Random | LoadBalancing::RingHash(_) | LoadBalancing::Maglev(_) => group.draw(rng),
            },
        }
    }

    fn by_turns(&mut self, share: &Share, rng: &mut fastrand::Rng, period: impl Fn(usize) -> u64) -> usize {
        let group = &share.group;
        let state = &mut self.states[share.number * 2];
        if let State::Unused = state {
            *state = if group.is_equal() {
                // Not with the first: the workers do not all send their first request to the same host.
                State::Next(rng.usize(..group.len()))
            } else {
                // As if all were idle.
                State::Turns(Turns::new((0..group.len()).map(|at| PERIOD / group.weight(at)), rng))
            };
        }
        match state {
            State::Next(next) => {
                let at = *next;
                *next = if at + 1 == group.len() { 0 } else { at + 1 };
                at
            }
            State::Turns(turns) => turns.next(period).unwrap_or(0),
            State::Unused | State::Rendezvous(_) => 0,
        }
    }

    /// Where hosts are not looked up by hashes, but this request has one.
    fn by_rendezvous(&mut self, plan: &Plan, share: &Share, hash: u64) -> usize {
        let group = &share.group;
        let state = &mut self.states[share.number * 2 + 1];
        if let State::Unused = state {
            let host = |at: usize| (plan.hosts()[group.host(at)].address.to_string(), group.weight(at));
            *state = State::Rendezvous(Rendezvous::new((0..group.len()).map(host)));
        }
        match state {
            State::Rendezvous(rendezvous) => rendezvous.pick(hash).unwrap_or(0),
            _ => 0,
        }
    }

    fn by_table(
        &self,
        group: &Group,
        table: &Table,
        hash: u64,
        cx: &PickCx<'_>,
        active: impl Fn(usize) -> u32,
    ) -> usize {
        let first = table.get(hash);
        let Some(factor) = self.policy.hashing().and_then(|hashing| hashing.hash_balance_factor) else { return first };
        // What all hosts together may have, this request with it; each host has its part (Envoy's
        // `BoundedLoadHashingLoadBalancer`).
        let slots = ((u64::from(cx.in_flight) + 1) * u64::from(factor)).div_ceil(100);
        let total = group.total_weight();
        let load = |at: usize| {
            let own = (u128::from(slots) * u128::from(group.weight(at))).div_ceil(u128::from(total.max(1))).max(1);
            f64::from(active(at) + 1) / own as f64
        };
        let mut least = (load(first), first);
        if least.0 <= 1.0 {
            return first;
        }
        for at in Walk::new(hash, group.len()) {
            let load = load(at);
            if load <= 1.0 {
                return at;
            }
            if load < least.0 {
                least = (load, at);
            }
        }
        least.1
    }
}

/// Of a few hosts drawn, the one with least to do: nearly as even as looking at all, and without the herd that runs to the one
/// emptiest.
fn least_of(choices: u32, count: usize, active: impl Fn(usize) -> u32, rng: &mut fastrand::Rng) -> usize {
    let mut best = rng.usize(..count);
    let mut least = active(best);
    for _ in 1..choices {
        let drawn = rng.usize(..count);
        let other = if drawn != best { drawn } else { (drawn + 1) % count };
        let load = active(other);
        if load < least {
            (best, least) = (other, load);
        }
    }
    best
}

/// The time to a host's next turn, by its weight and what it has to do with this request.
fn period_by_load(policy: config::LeastRequest, weight: u64, active: u32) -> u64 {
    let load = f64::from(active) + 1.0;
    let load = if policy.active_request_bias == 1.0 { load } else { load.powf(policy.active_request_bias) };
    // Too large a number becomes the largest.
    (PERIOD as f64 * load / weight as f64) as u64
}

#[cfg(test)]
mod tests;
