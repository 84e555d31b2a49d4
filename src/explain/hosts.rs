//! The hosts of a cluster: the share that each gets by the plan that workers pick from, and why it is in or out.

use super::answer::HostAnswer;
use crate::cluster::{Flag, Health, Host, Plan, SubsetKey, Why};
use crate::config;
use crate::runtime::control;

/// `names`: what to call the hosts, in their order, where nobody knows how they are.
pub(super) fn answer(plan: &Plan, subset: Option<&SubsetKey>, names: Option<&[String]>) -> Vec<HostAnswer> {
    let mut shares: Vec<(f64, Option<Why>)> = vec![(0.0, None); plan.hosts().len()];
    let selection = plan.selection(subset);
    for (fraction, share) in selection.into_iter().flat_map(|selection| selection.fractions()) {
        let total = share.group.total_weight().max(1) as f64;
        for (at, host) in share.group.hosts().enumerate() {
            let Some((percent, why)) = shares.get_mut(host) else { continue };
            *percent += fraction * 100.0 * share.group.weight(at) as f64 / total;
            if fraction > 0.0 || why.is_none() {
                *why = Some(share.why);
            }
        }
    }
    let hosts = plan.hosts().iter().zip(shares).enumerate();
    let answer = hosts.map(|(at, (host, (percent, why)))| {
        let name = names.and_then(|names| names.get(at));
        let flags: Vec<&'static str> =
            Flag::ALL.iter().filter(|(flag, _)| host.has(*flag)).map(|(_, word)| *word).collect();
        HostAnswer {
            address: name.cloned().unwrap_or_else(|| host.shown_address().to_string()),
            weight: host.weight(),
            priority: host.priority,
            zone: host.zone.to_string(),
            health: match host.health() {
                _ if names.is_some() => "assumed healthy",
                Health::Healthy => "healthy",
                Health::Degraded => "degraded",
                Health::Unhealthy => "unhealthy",
            },
            why: reason(host, percent, why, &flags),
            flags,
            active_requests: names.is_none().then(|| host.active_requests()),
            percent,
            candidate: percent > 0.0,
        }
    });
    answer.collect()
}

fn reason(host: &Host, percent: f64, why: Option<Why>, flags: &[&str]) -> String {
    match (percent > 0.0, why, host.health()) {
        (true, Some(Why::Panic), _) => "in: too few hosts are healthy, so that all are taken".to_owned(),
        (true, Some(Why::ZoneDirect | Why::ZoneSampled), _) => "in: of our zone".to_owned(),
        (true, Some(Why::ZoneCross | Why::ZoneNoCapacity), _) => "in: for what is too much for our zone".to_owned(),
        (true, _, Health::Degraded) => "in: degraded, and the healthy do not suffice".to_owned(),
        (true, ..) => "in".to_owned(),
        (false, _, Health::Unhealthy) => format!("out: {}", flags.join(", ")),
        (false, Some(Why::Spare), _) => "out: the others suffice; taken when they have failed a request".to_owned(),
        (false, None, _) => "out: not of the subset, or its zone has no weight".to_owned(),
        (false, Some(_), _) => "out: the others suffice".to_owned(),
    }
}

/// Those of a file that nobody runs, all healthy; what is found by a name stands there by its name.
pub(super) fn of_file(config: &config::Cluster, subset: Option<&SubsetKey>, zone: &str) -> Vec<HostAnswer> {
    let hosts = config.endpoints.iter().map(|endpoint| endpoint.assumed_host()).collect();
    let names: Vec<String> = config.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    let plan = Plan::build(hosts, &config.balancing, zone, None, control::now());
    answer(&plan, subset, Some(&names))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::Identity;
    use crate::config::Balancing;

    fn host(at: u8, priority: u32) -> Arc<Host> {
        let identity = Identity::of(format!("192.0.2.{at}:80").parse().unwrap());
        Arc::new(Host::new(Identity { priority, ..identity }, 1))
    }

    fn told(hosts: &[Arc<Host>]) -> Vec<(f64, String)> {
        let plan = Plan::build(hosts.to_vec(), &Balancing::default(), "", None, control::now());
        answer(&plan, None, None).into_iter().map(|host| ((host.percent * 10.0).round() / 10.0, host.why)).collect()
    }

    #[test]
    fn a_host_is_in_or_out_for_a_reason() {
        let hosts = [host(1, 0), host(2, 0), host(3, 0), host(4, 1)];
        let spare = "out: the others suffice; taken when they have failed a request";
        let row = |percent: f64, why: &str| (percent, why.to_owned());
        assert_eq!(told(&hosts), [row(33.3, "in"), row(33.3, "in"), row(33.3, "in"), row(0.0, spare)]);
        // Two of three, with overprovisioning: 93 % stay with the first priority.
        hosts[0].set(Flag::Ejected, true);
        let out = row(0.0, "out: failed_outlier_check");
        assert_eq!(told(&hosts), [out, row(46.5, "in"), row(46.5, "in"), row(7.0, "in")]);
        for host in &hosts {
            host.set(Flag::FailedActive, true);
        }
        let panic = "in: too few hosts are healthy, so that all are taken";
        assert!(told(&hosts).iter().all(|(percent, why)| *percent > 0.0 && why == panic), "{:?}", told(&hosts));
    }
}
