//! The addresses of one name, of both families, and which of them are hosts.

use std::net::IpAddr;
use std::time::Instant;

use nuncio_dns::{Outcome, Records};

use super::pace::Pace;
use super::slot::{Heard, Slot};
use crate::config::{Dns, DnsFamily};
use crate::dns::{Addresses, Families};

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct NameSource {
    v4: Slot<IpAddr>,
    v6: Slot<IpAddr>,
}

/// Which addresses are asked for.
pub(super) fn families(family: DnsFamily) -> Families {
    match family {
        DnsFamily::V4 => Families::V4,
        DnsFamily::V6 => Families::V6,
        DnsFamily::Auto | DnsFamily::V4Preferred | DnsFamily::All => Families::Both,
    }
}

impl NameSource {
    /// An answer. One family adds nothing to the other and takes nothing away; that one has no records any more is believed
    /// only if the other is answered too.
    pub(super) fn hear(&mut self, now: Instant, dns: &Dns, addresses: &Addresses, pace: &mut Pace) {
        let outcomes = || addresses.v4.iter().chain(&addresses.v6);
        let half = outcomes().any(|outcome| heard(dns, outcome) == Heard::Failure);
        for (slot, outcome) in [(&mut self.v4, &addresses.v4), (&mut self.v6, &addresses.v6)] {
            let Some(outcome) = outcome else { continue };
            pace.hear(dns, outcome);
            let heard = heard(dns, outcome);
            if heard == Heard::Failure {
                pace.hear_failure();
            }
            let unsure = half && heard == Heard::Nothing && !slot.records().is_empty();
            slot.hear(now, dns.hold, if unsure { Heard::Failure } else { heard });
        }
    }

    /// The addresses that are hosts, the first ones to be tried first. `has_route`: this host has a way to an address.
    pub(super) fn addresses(&self, family: DnsFamily, has_route: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        let (v4, v6) = (self.v4.records(), self.v6.records());
        let first_or_else = |first: &[IpAddr], other: &[IpAddr]| match first.is_empty() {
            false => first.to_vec(),
            true => other.to_vec(),
        };
        match family {
            DnsFamily::V4 => v4.to_vec(),
            DnsFamily::V6 => v6.to_vec(),
            DnsFamily::V4Preferred => first_or_else(v4, v6),
            DnsFamily::Auto if v6.first().is_some_and(|ip| !has_route(*ip)) => first_or_else(v4, v6),
            DnsFamily::Auto => first_or_else(v6, v4),
            // RFC 8305 section 4: families take turns, IPv6 first.
            DnsFamily::All => {
                let longest = v4.len().max(v6.len());
                (0..longest).flat_map(|at| [v6.get(at), v4.get(at)]).flatten().copied().collect()
            }
        }
    }

    /// Somebody has said what there is: hosts, or definitely none.
    pub(super) fn is_known(&self, family: DnsFamily) -> bool {
        let (v4, v6) = (self.v4.is_known(), self.v6.is_known());
        match families(family) {
            Families::V4 => v4,
            Families::V6 => v6,
            // With hosts of one family it is known enough.
            Families::Both => v4 && v6 || !self.v4.records().is_empty() || !self.v6.records().is_empty(),
        }
    }

    pub(super) fn held_until(&self, dns: &Dns) -> Option<Instant> {
        self.v4.held_until(dns.hold).into_iter().chain(self.v6.held_until(dns.hold)).min()
    }
}

/// An answer without the addresses that are denied. One that leads nowhere else is as good as none.
fn heard(dns: &Dns, outcome: &Outcome) -> Heard<IpAddr> {
    match outcome {
        Outcome::Answer { records: Records::Addresses(all), .. } => {
            let denied = |ip: &IpAddr| dns.deny.iter().any(|range| range.contains(*ip));
            let allowed: Vec<IpAddr> = all.iter().copied().filter(|ip| !denied(ip)).collect();
            if allowed.is_empty() { Heard::Failure } else { Heard::Records(allowed) }
        }
        Outcome::NoData { .. } | Outcome::NxDomain { .. } => Heard::Nothing,
        Outcome::Answer { .. } | Outcome::Failed(_) => Heard::Failure,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_dns::Failure;

    use super::*;
    use crate::runtime::control;

    fn some(ip: &str) -> Option<Outcome> {
        let records = Records::Addresses(vec![ip.parse().unwrap()]);
        Some(Outcome::Answer { records, ttl: Duration::from_secs(60) })
    }

    #[test]
    fn half_an_answer_takes_nothing_away() {
        const NONE: Option<Outcome> = Some(Outcome::NoData { ttl: None });
        const FAILED: Option<Outcome> = Some(Outcome::Failed(Failure::Code(2)));
        let dns = Dns { family: DnsFamily::All, ..Dns::default() };
        let (begun, a, b) = (control::now(), "192.0.2.1", "2001:db8::1");
        for (what, v4, v6, expected) in [
            ("one has none, the other fails", NONE, FAILED, &[b, a][..]),
            ("the other way round", FAILED, NONE, &[b, a]),
            ("both fail", FAILED, FAILED, &[b, a]),
            ("both are answered", NONE, some(b), &[b]),
            ("both have none", NONE, NONE, &[]),
        ] {
            let mut source = NameSource::default();
            source.hear(begun, &dns, &Addresses { v4: some(a), v6: some(b) }, &mut Pace::default());
            for at in [1, 2] {
                let later = begun + at * (dns.hold + Duration::from_secs(1));
                source.hear(later, &dns, &Addresses { v4: v4.clone(), v6: v6.clone() }, &mut Pace::default());
            }
            let expected: Vec<IpAddr> = expected.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(source.addresses(dns.family, |_| true), expected, "{what}");
        }
    }
}
