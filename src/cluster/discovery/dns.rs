//! Asks DNS what the finder wants to know, all at once, and passes on what it makes of the answers.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_dns::{Failure, Outcome};

use super::Found;
use super::finder::{Answered, Ask, Finder};
use crate::cluster::{Cluster, Host};
use crate::config::{Dns, DnsFamily};
use crate::dns::{Addresses, Families, Resolver};
use crate::runtime::control::{self, Control, Owned, has_route};

/// Answers that wait for the finder; whoever has one more waits.
const WAITING: usize = 64;

/// Finds hosts until it is dropped; `known` are those of before.
pub(super) async fn run(
    control: Control,
    cluster: Arc<Cluster>,
    known: Vec<Arc<Host>>,
    resolver: Resolver,
    found: Rc<Found>,
) {
    let stats = cluster.stats.control();
    let dns: Rc<Dns> = Rc::from(cluster.config.dns.clone().unwrap_or_default());
    let mut finder = Finder::new(&cluster.config, &known, control::now());
    drop(known);
    let mut rng = fastrand::Rng::new();
    let (answer, answers) = control::channel(WAITING);
    let mut asking: HashMap<Ask, Owned> = HashMap::new();
    let mut failing: HashSet<Ask> = HashSet::new();
    let mut succeeded = false;
    loop {
        let now = control::now();
        while let Some(ask) = finder.poll_ask(now) {
            stats.update_attempt.inc();
            let (resolver, dns, answer, asked) = (resolver.clone(), dns.clone(), answer.clone(), ask.clone());
            let lookup = async move {
                let early = async |said| {
                    let _ = answer.send((asked.clone(), Reply::Early(said))).await;
                };
                let said = look_up(&resolver, &asked, &dns, early).await;
                // Nobody listens any more: we are about to be dropped.
                let _ = answer.send((asked, said)).await;
            };
            asking.insert(ask, control.spawn_owned(lookup));
        }
        match finder.hosts(has_route) {
            Some(hosts) => {
                found.set(hosts);
                cluster.signal.raise();
            }
            None => stats.update_no_rebuild.add(u64::from(succeeded)),
        }
        succeeded = false;
        let received = match finder.poll_timeout() {
            Some(at) => control::timeout(at.saturating_duration_since(now), answers.recv()).await,
            None => Some(answers.recv().await),
        };
        let Some(Ok((ask, said))) = received else { continue };
        if let Reply::Early(said) = said {
            finder.handle_early(ask.name(), (said.v4, said.v6), control::now(), &mut rng);
            continue;
        }
        asking.remove(&ask);
        tell(&cluster.name, &ask, said.failure(), &mut failing);
        let answered = match (&ask, said) {
            (Ask::Addresses(name), Reply::Addresses(said)) => {
                finder.handle_addresses(name, (said.v4, said.v6), control::now(), &mut rng)
            }
            (Ask::Services(name), Reply::Services(said)) => {
                finder.handle_services(name, said, control::now(), &mut rng)
            }
            // No question is answered so.
            _ => continue,
        };
        succeeded = matches!(answered, Answered::Success | Answered::Empty);
        match answered {
            Answered::Success => stats.update_success.inc(),
            Answered::Empty => {
                stats.update_success.inc();
                stats.update_empty.inc();
            }
            Answered::Failure => stats.update_failure.inc(),
            Answered::Denied => {
                stats.update_failure.inc();
                log::warn!("cluster {}: all addresses of {} are in \"deny\"", cluster.name, ask.name());
            }
        }
    }
}

/// The answer to a question.
enum Reply {
    Addresses(Addresses),
    /// The addresses of one family; those of the other are late. There is more to come.
    Early(Addresses),
    Services(Outcome),
}

impl Reply {
    /// What has failed of it, for the log, and why.
    fn failure(&self) -> Option<(&'static str, Failure)> {
        let failure = |outcome: &Outcome| match outcome {
            Outcome::Failed(why) => Some(*why),
            _ => None,
        };
        match self {
            Reply::Addresses(Addresses { v4, v6 }) | Reply::Early(Addresses { v4, v6 }) => {
                let (v4, v6) = (v4.as_ref().map(failure), v6.as_ref().map(failure));
                match (v4, v6) {
                    (Some(Some(why)), Some(None)) => Some((" (IPv4)", why)),
                    (Some(None), Some(Some(why))) => Some((" (IPv6)", why)),
                    _ => Some(("", v4.flatten().or(v6.flatten())?)),
                }
            }
            Reply::Services(outcome) => Some(("", failure(outcome)?)),
        }
    }
}

async fn look_up(resolver: &Resolver, ask: &Ask, dns: &Dns, early: impl AsyncFn(Addresses)) -> Reply {
    let families = match dns.family {
        DnsFamily::V4 => Families::V4,
        DnsFamily::V6 => Families::V6,
        DnsFamily::Auto | DnsFamily::V4Preferred | DnsFamily::All => Families::Both,
    };
    match ask {
        Ask::Addresses(name) => Reply::Addresses(resolver.addresses(name, families, &dns.resolvers, early).await),
        Ask::Services(name) => Reply::Services(resolver.services(name, &dns.resolvers).await),
    }
}

/// Says so when a name begins or ceases to fail.
fn tell(cluster: &str, ask: &Ask, failure: Option<(&str, Failure)>, failing: &mut HashSet<Ask>) {
    let (name, known) = (ask.name(), failing.contains(ask));
    match failure {
        Some((of, why)) if !known => {
            log::warn!("cluster {cluster}: {name}{of}: {why}; its hosts stay as they are");
            failing.insert(ask.clone());
        }
        None if known => {
            log::info!("cluster {cluster}: {name} is resolved again");
            failing.remove(ask);
        }
        _ => {}
    }
}
