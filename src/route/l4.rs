//! The routes of a listener that carries bytes and not HTTP, compiled: the first match in file order. There are few, and
//! each is asked once a connection or session: a walk along the list is all the index they need.

use std::net::IpAddr;
use std::sync::Arc;

use super::action::ClusterRef;
use super::table::BuildError;
use super::weighted::WeightedClusters;
use super::words::any_of;
use crate::cluster::SubsetKey;
use crate::cluster::balance::{address_hash, join_hashes, xx_hash};
use crate::config::{self, Cidr, HostPattern, L4Hash, L4HashOn};
use crate::runtime_values::RuntimeValues;

/// Shared by all workers, never changed.
#[derive(Debug, Default)]
pub struct L4Table {
    routes: Vec<L4Route>,
}

/// A compiled [`config::L4Route`].
#[derive(Debug)]
pub struct L4Route {
    /// Its place in the file, from 0.
    pub index: usize,
    /// For logs and stats; may be empty.
    pub name: Arc<str>,
    pub action: L4Action,
    /// What its host is chosen by.
    hash: Vec<L4Hash>,
    /// What its host must have, where the cluster has subsets by it.
    pub subset: Option<Arc<SubsetKey>>,
    matches: config::L4Match,
}

#[derive(Debug, Clone)]
pub enum L4Action {
    Cluster(ClusterRef),
    Clusters(WeightedClusters),
}

/// A connection or session as routes see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct L4Info<'a> {
    /// The client's address; a client on a UNIX socket has none.
    pub source: Option<IpAddr>,
    /// The port that the client spoke to; 0 on a UNIX socket.
    pub destination_port: u16,
    /// The name in the hello of TLS, in any case of letters (RFC 6066 section 3: without a dot at its end).
    pub sni: Option<&'a str>,
}

impl L4Table {
    /// Compiles `routes`. `resolve` gives a cluster's place by its name; every name is known to exist. Weights follow
    /// `values`. The error comes with the index of its route.
    pub fn build(
        routes: &[config::L4Route],
        values: &mut RuntimeValues,
        resolve: impl Fn(&str) -> usize,
    ) -> Result<L4Table, (usize, BuildError)> {
        let compile = |(index, config): (usize, &config::L4Route)| {
            let action = L4Action::new(&config.action, values, &resolve).map_err(|error| (index, error))?;
            let (name, hash) = (config.name.as_str().into(), config.hash.clone());
            let subset = SubsetKey::of(&config.subset).map(Arc::new);
            Ok(L4Route { index, name, action, hash, subset, matches: config.matches.clone() })
        };
        Ok(L4Table { routes: routes.iter().enumerate().map(compile).collect::<Result<_, _>>()? })
    }

    /// The first route in file order whose every condition holds.
    pub fn pick(&self, l4: &L4Info<'_>) -> Option<&L4Route> {
        self.routes.iter().find(|route| route.holds(l4))
    }

    /// All routes, in file order.
    pub fn routes(&self) -> &[L4Route] {
        &self.routes
    }
}

impl L4Route {
    fn holds(&self, l4: &L4Info<'_>) -> bool {
        self.failed(l4).is_none()
    }

    /// The first condition that does not hold, by its key.
    pub fn failed(&self, l4: &L4Info<'_>) -> Option<&'static str> {
        let config::L4Match { sni, source, destination_port } = &self.matches;
        let has_source = |range: &Cidr| l4.source.is_some_and(|ip| range.contains(ip));
        let has_name = |pattern: &HostPattern| l4.sni.is_some_and(|name| name_matches(pattern, name));
        if !(destination_port.is_empty() || destination_port.contains(&l4.destination_port)) {
            Some("destination_port")
        } else if !(source.is_empty() || source.iter().any(has_source)) {
            Some("source")
        } else if !(sni.is_empty() || sni.iter().any(has_name)) {
            Some("sni")
        } else {
            None
        }
    }

    /// What the client's host is chosen by. `None`: there is no such part, or the client has none of them.
    pub fn hash(&self, l4: &L4Info<'_>) -> Option<u64> {
        let mut hash = None;
        for part in &self.hash {
            let one = match part.on {
                L4HashOn::SourceAddress(_) => l4.source.map(address_hash),
                L4HashOn::Sni(_) => l4.sni.map(|name| xx_hash(name.to_ascii_lowercase().as_bytes(), 0)),
            };
            hash = join_hashes(hash, one);
            if part.terminal && hash.is_some() {
                break;
            }
        }
        hash
    }

    /// What it asks for, by the key of [`L4Route::failed`].
    pub fn asks(&self, key: &str) -> String {
        let config::L4Match { sni, source, destination_port } = &self.matches;
        match key {
            "sni" => any_of(sni),
            "source" => any_of(source),
            _ => any_of(destination_port),
        }
    }
}

/// A wildcard stands for one label or more.
fn name_matches(pattern: &HostPattern, name: &str) -> bool {
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => exact.eq_ignore_ascii_case(name),
        HostPattern::Suffix(suffix) => {
            let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
            let at = name.len().saturating_sub(suffix.len());
            at > 0 && name[at..].eq_ignore_ascii_case(suffix)
        }
        HostPattern::Prefix(prefix) => {
            let (name, prefix) = (name.as_bytes(), prefix.as_bytes());
            name.len() > prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix)
        }
    }
}

impl L4Action {
    fn new(
        action: &config::L4Action,
        values: &mut RuntimeValues,
        resolve: &impl Fn(&str) -> usize,
    ) -> Result<L4Action, BuildError> {
        let cluster = |name: &String| ClusterRef { name: name.as_str().into(), slot: resolve(name) };
        Ok(match action {
            config::L4Action::Cluster(name) => L4Action::Cluster(cluster(name)),
            config::L4Action::Clusters(shares) => {
                L4Action::Clusters(WeightedClusters::new(shares, values, cluster).ok_or(BuildError::NoWeight)?)
            }
        })
    }

    /// The cluster to forward to. `random` is uniform over all of u64.
    pub fn cluster(&self, random: u64) -> &ClusterRef {
        match self {
            L4Action::Cluster(cluster) => cluster,
            L4Action::Clusters(clusters) => clusters.pick(random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(cluster: &str, matches: config::L4Match) -> config::L4Route {
        let action = config::L4Action::Cluster(cluster.to_owned());
        config::L4Route { name: String::new(), matches, action, hash: Vec::new(), subset: Default::default() }
    }

    fn table() -> L4Table {
        let any = config::L4Match::default;
        let sni = |pattern| config::L4Match { sni: vec![pattern], ..any() };
        let routes = [
            route("0", sni(HostPattern::Exact("a.example.com".to_owned()))),
            route("1", sni(HostPattern::Suffix(".example.com".to_owned()))),
            route("2", config::L4Match { source: vec!["192.0.2.0/24".parse().unwrap()], ..any() }),
            route(
                "3",
                config::L4Match {
                    source: vec!["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
                    destination_port: vec![53, 5353],
                    ..any()
                },
            ),
            route("4", config::L4Match { destination_port: vec![9], ..any() }),
        ];
        L4Table::build(&routes, &mut RuntimeValues::default(), |name| name.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_first_match_in_file_order_wins() {
        type Row<'a> = (Option<&'a str>, u16, Option<&'a str>, Option<usize>);
        let rows: [Row<'_>; 14] = [
            (None, 1, Some("a.example.com"), Some(0)),
            (None, 1, Some("A.Example.COM"), Some(0)),
            (None, 1, Some("b.example.com"), Some(1)),
            (None, 1, Some("c.b.example.com"), Some(1)),
            (None, 1, Some("example.com"), None),
            (None, 1, Some(".example.com"), None),
            (None, 1, Some("aexample.com"), None),
            (Some("192.0.2.7"), 9, Some("b.example.com"), Some(1)),
            (Some("192.0.2.7"), 9, None, Some(2)),
            (Some("::ffff:192.0.2.7"), 9, None, Some(2)),
            (Some("198.51.100.1"), 53, None, Some(3)),
            (Some("2001:db8::1"), 5353, None, Some(3)),
            (Some("198.51.100.1"), 9, None, Some(4)),
            (Some("203.0.113.1"), 53, None, None),
        ];
        let table = table();
        for (source, destination_port, sni, expected) in rows {
            let info = L4Info { source: source.map(|ip| ip.parse().unwrap()), destination_port, sni };
            let picked = table.pick(&info).map(|route| route.action.cluster(0).slot);
            assert_eq!(picked, expected, "{info:?}");
        }
    }

    #[test]
    fn clients_that_are_the_same_in_all_parts_have_the_same_hash() {
        let part = |on, terminal| L4Hash { on, terminal };
        let (source, name) = (L4HashOn::SourceAddress(true), L4HashOn::Sni(true));
        let hash = |parts: &[L4Hash], source: Option<&str>, sni: Option<&str>| {
            let config = config::L4Route { hash: parts.to_vec(), ..route("0", config::L4Match::default()) };
            let table = L4Table::build(&[config], &mut RuntimeValues::default(), |_| 0).unwrap();
            let info = L4Info { source: source.map(|ip| ip.parse().unwrap()), destination_port: 1, sni };
            table.pick(&info).unwrap().hash(&info)
        };
        let (one, other) = (Some("192.0.2.1"), Some("192.0.2.2"));
        let by_source = [part(source, false)];
        assert_eq!(hash(&[], one, None), None);
        assert_eq!(hash(&by_source, None, None), None, "on a UNIX socket");
        assert_eq!(hash(&by_source, one, Some("a")), hash(&by_source, Some("::ffff:192.0.2.1"), None));
        assert_ne!(hash(&by_source, one, None), hash(&by_source, other, None));
        let by_name = [part(name, false)];
        assert_eq!(hash(&by_name, one, None), None);
        assert_eq!(hash(&by_name, one, Some("A.example")), hash(&by_name, other, Some("a.example")));
        let both = [part(name, false), part(source, false)];
        assert_ne!(hash(&both, one, Some("a")), hash(&both, other, Some("a")));
        assert_eq!(hash(&both, one, None), hash(&by_source, one, None), "what is missing does not count");
        let first = [part(name, true), part(source, false)];
        assert_eq!(hash(&first, one, Some("a")), hash(&by_name, other, Some("a")));
        assert_eq!(hash(&first, one, None), hash(&by_source, one, None), "one that is missing ends nothing");
    }
}
