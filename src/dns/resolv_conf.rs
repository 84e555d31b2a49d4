//! `/etc/resolv.conf` (resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use nuncio_dns::{Name, Policy};

/// What of it matters to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvConf {
    nameservers: Vec<SocketAddr>,
    pub(super) search: Vec<Name>,
    /// A name with so many dots is first asked for as it is.
    pub(super) ndots: usize,
    /// For each answer. `None`: not said.
    timeout: Option<Duration>,
    attempts: Option<u32>,
    rotate: bool,
    tcp_only: bool,
}

const MAX_NAMESERVERS: usize = 8;
const MAX_SEARCH: usize = 8;
/// The system's resolver has the same (resolv.h: RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY).
const MAX_NDOTS: usize = 15;
const MAX_TIMEOUT: u64 = 30;
const MAX_ATTEMPTS: u32 = 5;

impl Default for ResolvConf {
    fn default() -> ResolvConf {
        ResolvConf {
            nameservers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: None,
            attempts: None,
            rotate: false,
            tcp_only: false,
        }
    }
}

impl ResolvConf {
    /// What is wrong or not known is passed over.
    pub(super) fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf::default();
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if conf.nameservers.len() < MAX_NAMESERVERS => {
                    conf.nameservers.extend(words.next().and_then(server));
                }
                // The last line of these counts. A root among them is what a name is anyway.
                Some("search" | "domain") => {
                    conf.search = words.filter_map(|word| word.parse().ok()).take(MAX_SEARCH).collect();
                }
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        match key {
            "ndots" => self.ndots = value.parse().map_or(self.ndots, |dots: usize| dots.min(MAX_NDOTS)),
            "timeout" => {
                let seconds = value.parse().ok().map(|seconds: u64| seconds.clamp(1, MAX_TIMEOUT));
                self.timeout = seconds.map(Duration::from_secs).or(self.timeout);
            }
            "attempts" => {
                self.attempts = value.parse().ok().map(|count: u32| count.clamp(1, MAX_ATTEMPTS)).or(self.attempts);
            }
            "rotate" => self.rotate = true,
            "use-vc" => self.tcp_only = true,
            _ => {}
        }
    }

    /// In the order in which they are asked now.
    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        if self.nameservers.is_empty() {
            // resolv.conf(5): the one on this host.
            return vec![(Ipv4Addr::LOCALHOST, 53).into()];
        }
        let mut servers = self.nameservers.clone();
        if self.rotate {
            let first = fastrand::usize(..servers.len());
            servers.rotate_left(first);
        }
        servers
    }

    /// With other servers.
    #[cfg(test)]
    pub(super) fn on(self, servers: &[SocketAddr]) -> ResolvConf {
        ResolvConf { nameservers: servers.to_vec(), ..self }
    }

    pub(super) fn policy(&self) -> Policy {
        let default = Policy::default();
        Policy {
            timeout: self.timeout.unwrap_or(default.timeout),
            attempts: self.attempts.unwrap_or(default.attempts),
            tcp_only: self.tcp_only,
            ..default
        }
    }
}

/// An address, of IPv6 also with the number of an interface behind a `%`.
fn server(word: &str) -> Option<SocketAddr> {
    match word.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, 53)),
        Err(_) => format!("[{word}]:53").parse::<SocketAddrV6>().ok().map(SocketAddr::V6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let conf = ResolvConf::parse(
            "# comment\n; comment\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\nnameserver fe80::1%3\n\
             nameserver resolver.internal\ndomain old.internal\nsearch svc.cluster.local cluster.local ä .\n\
             options ndots:5 timeout:3 attempts:9 rotate use-vc edns0 timeout:x\nsortlist 192.0.2.0\n",
        );
        let servers: Vec<String> = conf.nameservers.iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:53", "[fe80::1%3]:53"]);
        let search: Vec<String> = conf.search.iter().map(Name::to_string).collect();
        assert_eq!(search, ["svc.cluster.local", "cluster.local"]);
        let policy = conf.policy();
        assert_eq!((policy.timeout, policy.attempts, policy.tcp_only), (Duration::from_secs(3), 5, true));
        assert_eq!((conf.ndots, conf.rotate), (5, true));
        let mut rotated = conf.servers();
        rotated.sort_unstable();
        assert_eq!(rotated.len(), 3);
    }

    #[test]
    fn an_empty_file_is_a_server_on_this_host() {
        let conf = ResolvConf::parse("");
        assert_eq!(conf, ResolvConf::default());
        assert_eq!(conf.servers(), ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(conf.policy(), Policy::default());
    }

    #[test]
    fn numbers_are_bounded() {
        let conf = ResolvConf::parse("options ndots:99 timeout:999 attempts:0 ndots:-1 timeout:99999999999999999999\n");
        assert_eq!((conf.ndots, conf.timeout, conf.attempts), (15, Some(Duration::from_secs(30)), Some(1)));
        let many = "nameserver 192.0.2.1\n".repeat(100);
        assert_eq!(ResolvConf::parse(&many).nameservers.len(), MAX_NAMESERVERS);
    }
}
