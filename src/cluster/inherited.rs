//! Which hosts a cluster has from the one that it replaces on a reload, before it has found its own: those that it could have
//! found itself. What the operator has taken out of the configuration serves no longer.

use std::sync::Arc;

use super::{Cluster, Host};
use crate::config::{self, Discovery, Endpoint, Target};

impl Cluster {
    /// Its hosts that `config`, which replaces its own, may have as well.
    pub fn hosts_for(&self, config: &config::Cluster) -> Vec<Arc<Host>> {
        let mut hosts = self.hosts();
        let alike = self.config.discovery == config.discovery;
        match config.discovery {
            // Whoever makes the cluster takes those that are its endpoints.
            Discovery::Static => {}
            Discovery::OriginalDst => hosts.clear(),
            Discovery::File => hosts.retain(|_| alike && self.config.file == config.file),
            // Which of the services a host was found by is not known.
            Discovery::Srv => hosts.retain(|_| alike && self.config.endpoints == config.endpoints),
            Discovery::StrictDns | Discovery::LogicalDns => {
                hosts.retain(|host| alike && config.endpoints.iter().any(|endpoint| is_of(host, endpoint)));
            }
        }
        hosts
    }
}

/// The endpoint may have led to the host.
fn is_of(host: &Host, endpoint: &Endpoint) -> bool {
    let found = match &endpoint.address {
        Target::Address(address) => host.name.is_none() && host.address == *address,
        Target::Name(name, port) => {
            host.name.as_deref() == Some(&*name.name.to_string())
                && host.address.inet().is_some_and(|address| address.port() == *port)
        }
        Target::Service(_) => false,
    };
    found && host.is(&host_identity(host, endpoint))
}

/// Who the host would be as one of the endpoint.
fn host_identity(host: &Host, endpoint: &Endpoint) -> super::Identity {
    let of_endpoint = endpoint.identity_at(host.address.clone());
    super::Identity { name: host.name.clone(), alternatives: host.alternatives.clone(), ..of_endpoint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Identity, Plan};
    use crate::runtime::control;
    use crate::stats::Registry;

    fn config(text: &str) -> Arc<config::Cluster> {
        let text = format!(r#"{{ "admin": {{ "address": "127.0.0.1:1" }}, "clusters": {{ "c": {text} }} }}"#);
        config::parse(&text, std::path::Path::new("/"), "test").unwrap().0.clusters.remove("c").unwrap()
    }

    #[test]
    fn only_what_could_have_been_found_is_inherited() {
        let one = r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"] }"#;
        let strict = |endpoints: &str| format!(r#"{{ "discovery": "strict_dns", "endpoints": [{endpoints}] }}"#);
        let file = |name: &str| format!(r#"{{ "discovery": "file", "file": "{name}" }}"#);
        let srv = |name: &str| format!(r#"{{ "discovery": "srv", "endpoints": ["{name}"] }}"#);
        for (before, name, after, kept) in [
            (one, Some("one.test"), strict(r#""one.test:80""#), true),
            (one, Some("one.test"), strict(r#""one.test.:80", "two.test:80""#), true),
            (one, Some("one.test"), strict(r#""two.test:80""#), false),
            (one, Some("one.test"), strict(r#""one.test:81""#), false),
            (one, Some("one.test"), strict(r#"{ "address": "one.test:80", "zone": "b" }"#), false),
            (one, Some("one.test"), strict(r#"{ "address": "one.test:80", "weight": 2 }"#), true),
            (one, Some("one.test"), strict(r#""192.0.2.1:80""#), false),
            (one, None, strict(r#""192.0.2.1:80""#), true),
            (one, Some("one.test"), one.replace("strict", "logical"), false),
            (&file("a"), None, file("a"), true),
            (&file("a"), None, file("b"), false),
            (&srv("_a._tcp.test"), Some("one.test"), srv("_a._tcp.test"), true),
            (&srv("_a._tcp.test"), Some("one.test"), srv("_b._tcp.test"), false),
        ] {
            let cluster = Cluster::new("c", &config(before), &[], &mut Registry::new(), 1, &Arc::default()).unwrap();
            let identity = Identity { name: name.map(Arc::from), ..Identity::of("192.0.2.1:80".parse().unwrap()) };
            let hosts = vec![Arc::new(Host::new(identity, 1))];
            cluster.publish(Plan::build(hosts, &cluster.config.balancing, "", None, control::now()));
            assert_eq!(cluster.hosts_for(&config(&after)).len(), usize::from(kept), "{before} {after}");
        }
    }
}
