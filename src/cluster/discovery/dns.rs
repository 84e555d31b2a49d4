//! Clusters whose endpoints are names: a task for each of them asks, waits, and asks again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_dns::{Failure, Name, Outcome};

use super::NamedHost;
use super::name::families;
use super::pace::Pace;
use super::source::{Kind, Source};
use crate::cluster::Cluster;
use crate::config::{Discovery, Dns, HostName};
use crate::dns::Resolver;
use crate::runtime::control::{self, Control, Owned};
use crate::stats::{ClusterStats, Handle};

pub(super) fn start(
    control: &Control,
    cluster: &Arc<Cluster>,
    resolver: &Resolver,
    report: Box<dyn Fn(Vec<NamedHost>)>,
) -> Vec<Owned> {
    let dns = cluster.config.dns.clone().unwrap_or_default();
    let following = Rc::new(Following {
        before: cluster.hosts().iter().map(|host| (host.identity(), host.weight())).collect(),
        sources: cluster.config.endpoints.iter().map(|it| RefCell::new(Source::new(it))).collect(),
        reported: RefCell::new(None),
        stats: cluster.stats.control(),
        cluster: cluster.clone(),
        resolver: resolver.clone(),
        dns,
        report,
    });
    // What has an address needs no answer.
    following.report();
    let names = (0..following.sources.len()).filter(|at| !following.sources[*at].borrow().is_fixed());
    names.map(|at| control.spawn_owned(follow(following.clone(), at))).collect()
}

/// What the tasks of a cluster share.
struct Following {
    cluster: Arc<Cluster>,
    dns: Dns,
    resolver: Resolver,
    stats: Handle<ClusterStats>,
    sources: Vec<RefCell<Source>>,
    /// Hosts that were found under an earlier configuration: they stay until it is known what the names have now.
    before: Vec<NamedHost>,
    reported: RefCell<Option<Vec<NamedHost>>>,
    report: Box<dyn Fn(Vec<NamedHost>)>,
}

async fn follow(following: Rc<Following>, at: usize) {
    let mut rng = fastrand::Rng::new();
    let mut pace = Pace::default();
    let mut failing = None;
    loop {
        let pause = following.round(at, &mut pace, &mut failing, &mut rng).await;
        control::sleep(pause).await;
    }
}

impl Following {
    /// Asks once. Says how long to wait before the next time.
    async fn round(
        &self,
        at: usize,
        pace: &mut Pace,
        failing: &mut Option<Failure>,
        rng: &mut fastrand::Rng,
    ) -> Duration {
        self.stats.update_attempt.inc();
        let name = self.sources[at].borrow().name();
        let outcomes = match name {
            None => return self.dns.refresh,
            Some((name, false)) => self.ask_host(at, &name, pace).await,
            Some((name, true)) => self.ask_service(at, &name, pace).await,
        };
        let now = control::now();
        let source = self.sources[at].borrow();
        self.tally(&source, &outcomes, failing);
        let held_until = source.held_until(&self.dns);
        drop(source);
        self.report();
        pace.end_round(now, &self.dns, held_until, rng)
    }

    async fn ask_host(&self, at: usize, host: &HostName, pace: &mut Pace) -> Vec<Outcome> {
        let dns = &self.dns;
        let addresses = self.resolver.addresses(host, families(dns.family), &dns.resolvers).await;
        if let Kind::Name(_, _, source) = &mut self.sources[at].borrow_mut().kind {
            source.hear(control::now(), dns, &addresses, pace);
        }
        addresses.v4.into_iter().chain(addresses.v6).collect()
    }

    async fn ask_service(&self, at: usize, service: &HostName, pace: &mut Pace) -> Vec<Outcome> {
        let dns = &self.dns;
        let outcome = self.resolver.services(service, &dns.resolvers).await;
        let targets: Vec<Name> = match &mut self.sources[at].borrow_mut().kind {
            Kind::Service(_, source) => {
                source.hear_services(control::now(), dns, &outcome, pace);
                source.targets()
            }
            _ => Vec::new(),
        };
        let ask = |name: Name| async {
            let host = HostName { name, absolute: true };
            let addresses = self.resolver.addresses(&host, families(dns.family), &dns.resolvers).await;
            (host.name, addresses)
        };
        let all = control::all(targets.into_iter().map(ask)).await;
        let mut outcomes = vec![outcome];
        if let Kind::Service(_, source) = &mut self.sources[at].borrow_mut().kind {
            for (name, addresses) in all {
                source.hear_addresses(control::now(), dns, &name, &addresses, pace);
                outcomes.extend(addresses.v4.into_iter().chain(addresses.v6));
            }
            source.end_round(dns.family, control::has_route);
        }
        outcomes
    }

    /// Counts a round, and logs when a name begins or ceases to fail.
    fn tally(&self, source: &Source, outcomes: &[Outcome], failing: &mut Option<Failure>) {
        let failure = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Failed(failure) => Some(*failure),
            _ => None,
        });
        match failure {
            Some(_) => self.stats.update_failure.inc(),
            None => self.stats.update_success.inc(),
        }
        if failure.is_none() && !outcomes.iter().any(|it| matches!(it, Outcome::Answer { .. })) {
            self.stats.update_empty.inc();
        }
        let cluster = &self.cluster.name;
        match (failure, *failing) {
            (Some(failure), before) if before != Some(failure) => {
                log::warn!("cluster {cluster}: {}: {failure}; its hosts stay as they are", source.shown());
            }
            (None, Some(_)) => log::info!("cluster {cluster}: {} is resolved again", source.shown()),
            _ => {}
        }
        *failing = failure;
    }

    /// Tells who the hosts are, if that is news.
    fn report(&self) {
        let logical = self.cluster.config.discovery == Discovery::LogicalDns;
        let mut hosts: Vec<NamedHost> = Vec::new();
        let mut ranks = BTreeSet::new();
        let sources: Vec<_> = self.sources.iter().map(RefCell::borrow).collect();
        for source in &sources {
            source.ranks(&mut ranks);
        }
        let ranks: Vec<u16> = ranks.into_iter().collect();
        for source in &sources {
            source.hosts(&self.dns, logical, &ranks, control::has_route, &mut hosts);
        }
        if !sources.iter().all(|source| source.is_known(&self.dns)) {
            let new = |host: &&NamedHost| !hosts.iter().any(|(identity, _)| identity.address == host.0.address);
            let kept: Vec<NamedHost> = self.before.iter().filter(new).cloned().collect();
            hosts.extend(kept);
            if hosts.is_empty() {
                // Nothing is known yet: that is no news.
                return;
            }
        }
        if self.reported.borrow().as_ref() == Some(&hosts) {
            self.stats.update_no_rebuild.inc();
            return;
        }
        *self.reported.borrow_mut() = Some(hosts.clone());
        (self.report)(hosts);
    }
}
