//! `/etc/hosts` (hosts(5)): an address, then the names that have it.

use std::collections::HashMap;
use std::net::IpAddr;

use nuncio_dns::Name;

/// Addresses by name.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Name, Vec<IpAddr>>);

impl Hosts {
    /// Lines that are wrong are passed over.
    pub(super) fn parse(text: &str) -> Hosts {
        let mut hosts: HashMap<Name, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
            for name in words.filter_map(|word| word.parse().ok()) {
                let addresses = hosts.entry(name).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Hosts(hosts)
    }

    pub(super) fn get(&self, name: &Name) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let hosts = Hosts::parse(
            "# comment\n127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n192.0.2.1 App.Internal app # trailing\n\
             192.0.2.2 app.internal.\n192.0.2.1 app\nnonsense app\n192.0.2.300 app\n192.0.2.9 a..b\n192.0.2.3\n",
        );
        let get = |name: &str| hosts.get(&name.parse().unwrap()).map(|all| all.iter().map(IpAddr::to_string).collect());
        let texts = |all: &[&str]| Some(all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(get("localhost"), texts(&["127.0.0.1", "::1"]));
        assert_eq!(get("app.internal"), texts(&["192.0.2.1", "192.0.2.2"]));
        assert_eq!(get("app"), texts(&["192.0.2.1"]));
        assert_eq!(get("other"), None);
    }
}
