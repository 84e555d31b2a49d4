//! The addresses of one name, of both families: what is known, and which of them are taken. Sans-IO.
//!
//! Both are asked for at once. If one is late, what the other has is taken early, and the late one stays as it is until it is
//! there. That a family has no records any more is believed only while the other one does not fail.

use std::net::IpAddr;
use std::time::Instant;

use super::question::{Last, Question, Said};
use crate::config::{Dns, DnsFamily};
use crate::order;

/// Addresses that a connect may try, of one name.
pub(super) const MOST_TRIED: usize = 8;

#[derive(Debug)]
pub(super) struct Addresses {
    family: DnsFamily,
    /// `None`: it is not asked for.
    v4: Option<Question<IpAddr>>,
    v6: Option<Question<IpAddr>>,
    /// It is being asked.
    asking: bool,
    /// What has been said of this family, IPv4 or not, is taken already.
    early: Option<bool>,
}

impl Addresses {
    /// `known`: addresses that the name had before.
    pub(super) fn new(family: DnsFamily, known: &[IpAddr], now: Instant) -> Addresses {
        let question = |v4: bool| Question::new(known.iter().copied().filter(|ip| ip.is_ipv4() == v4).collect(), now);
        Addresses {
            family,
            v4: (family != DnsFamily::V6).then(|| question(true)),
            v6: (family != DnsFamily::V4).then(|| question(false)),
            asking: false,
            early: None,
        }
    }

    /// Is it due? If so, both families are being asked for now.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            self.v4.iter_mut().chain(&mut self.v6).for_each(Question::begin);
            (self.asking, self.early) = (true, None);
        }
        due
    }

    /// That a name has nothing of one family is said for a shorter time than what it has of the other: it is not asked for
    /// again because of that alone.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.asking {
            return None;
        }
        let has_none = |question: &&Question<IpAddr>| question.last() == Last::Nothing && question.records().is_empty();
        let others = self.questions().filter(|question| !has_none(question));
        others.filter_map(Question::due).min().or_else(|| self.questions().filter_map(Question::due).min())
    }

    /// What one family has, while the other one is still waited for.
    pub(super) fn handle_early(
        &mut self,
        v4: bool,
        said: Said<IpAddr>,
        dns: &Dns,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        let question = if v4 { &mut self.v4 } else { &mut self.v6 };
        if let Some(question) = question
            && self.asking
            && matches!(said, Said::Records(..))
        {
            question.handle(said, true, dns, now, rng);
            self.early = Some(v4);
        }
    }

    /// What was said of both families in the end; one that was not asked for is left out.
    pub(super) fn handle(
        &mut self,
        v4: Option<Said<IpAddr>>,
        v6: Option<Said<IpAddr>>,
        dns: &Dns,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        let sure = v4 != Some(Said::Failed) && v6 != Some(Said::Failed);
        self.asking = false;
        let early = self.early.take();
        for (is_v4, question, said) in [(true, &mut self.v4, v4), (false, &mut self.v6, v6)] {
            if let Some(question) = question
                && early != Some(is_v4)
            {
                question.handle(said.unwrap_or(Said::Failed), sure, dns, now, rng);
            }
        }
    }

    /// Something was said.
    pub(super) fn is_answered(&self) -> bool {
        self.questions().any(|question| matches!(question.last(), Last::Records | Last::Nothing))
    }

    /// It has been asked for, whatever came of it. If one family has addresses, that is enough.
    pub(super) fn is_tried(&self) -> bool {
        self.questions().any(|question| question.last() == Last::Records)
            || self.questions().all(|question| question.last() != Last::Never)
    }

    /// Those that are hosts, sorted. `reaches`: this host has a way there.
    pub(super) fn hosts(&self, reaches: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        let (v4, v6) = (records(&self.v4), records(&self.v6));
        let taken = match self.family {
            DnsFamily::V4 => v4.to_vec(),
            DnsFamily::V6 => v6.to_vec(),
            DnsFamily::V4Preferred => if v4.is_empty() { v6 } else { v4 }.to_vec(),
            DnsFamily::All => [v4, v6].concat(),
            // Without any IPv4 those without a way are as good as others.
            DnsFamily::Auto if v4.is_empty() => v6.to_vec(),
            DnsFamily::Auto => {
                let reached: Vec<IpAddr> = v6.iter().copied().filter(|ip| reaches(*ip)).collect();
                if reached.is_empty() { v4.to_vec() } else { reached }
            }
        };
        sorted(taken)
    }

    /// Those that a connect tries, in its order: the families in turn (RFC 8305 section 4), in the order of the answers.
    pub(super) fn tried(&self) -> Vec<IpAddr> {
        let (v4, v6) = (records(&self.v4), records(&self.v6));
        let (first, second) = if self.family == DnsFamily::V4Preferred { (v4, v6) } else { (v6, v4) };
        let turns = (0..first.len().max(second.len())).flat_map(|at| [first.get(at), second.get(at)]);
        turns.flatten().copied().take(MOST_TRIED).collect()
    }

    fn questions(&self) -> impl Iterator<Item = &Question<IpAddr>> {
        [&self.v4, &self.v6].into_iter().flatten()
    }
}

fn records(question: &Option<Question<IpAddr>>) -> &[IpAddr] {
    question.as_ref().map_or(&[], Question::records)
}

fn sorted(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    order::sort(&mut addresses);
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::control;

    const A: &str = "192.0.2.1";
    const B: &str = "192.0.2.2";
    const SIX: &str = "2001:db8::1";
    const OTHER_SIX: &str = "2001:db8::2";

    struct Name(Addresses, Instant, Dns);

    impl Name {
        fn new(family: DnsFamily) -> Name {
            let now = control::now();
            Name(Addresses::new(family, &[], now), now, Dns { family, ..Dns::default() })
        }

        /// What both families say: addresses, nothing, or `fail`.
        fn say(&mut self, v4: &[&str], v6: &[&str]) {
            let said = |said: &[&str]| match said {
                [] => Said::Nothing(None),
                ["fail"] => Said::Failed,
                some => Said::Records(some.iter().map(|ip| ip.parse().unwrap()).collect(), Duration::from_secs(60)),
            };
            let (v4, v6) = (Some(said(v4)), Some(said(v6)));
            self.0.handle(v4, v6, &self.2, self.1, &mut fastrand::Rng::with_seed(1));
        }

        /// What one family has, in time.
        fn say_early(&mut self, ip: &str, ttl: u64) {
            let ip: IpAddr = ip.parse().unwrap();
            let said = Said::Records(vec![ip], Duration::from_secs(ttl));
            self.0.handle_early(ip.is_ipv4(), said, &self.2, self.1, &mut fastrand::Rng::with_seed(1));
        }

        fn hosts(&self) -> Vec<String> {
            self.0.hosts(|_| true).iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn both_families_are_asked_for_together() {
        let mut name = Name::new(DnsFamily::Auto);
        assert!(name.0.begin(name.1) && !name.0.begin(name.1));
        assert_eq!(name.0.due(), None);
        name.say(&["fail"], &[SIX]);
        name.1 = name.0.due().unwrap();
        assert!(name.0.begin(name.1) && name.0.due().is_none());
    }

    #[test]
    fn a_family_that_a_name_does_not_have_does_not_hurry_it() {
        let mut name = Name::new(DnsFamily::Auto);
        name.say(&[A], &[]);
        assert!(name.0.due().unwrap() >= name.1 + Duration::from_secs(60), "the TTL of what it has");
        name.say(&[A], &["fail"]);
        assert!(name.0.due().unwrap() < name.1 + Duration::from_secs(2), "a failure does");
        name.say(&[], &[]);
        assert!(name.0.due().unwrap() < name.1 + Duration::from_secs(6), "and so does having lost all");
    }

    #[test]
    fn families() {
        for (family, v4, v6, hosts, tried) in [
            (DnsFamily::Auto, &[A, B][..], &[SIX][..], &[SIX][..], &[SIX, A, B][..]),
            (DnsFamily::Auto, &[B, A], &[], &[A, B], &[B, A]),
            (DnsFamily::Auto, &[], &[SIX], &[SIX], &[SIX]),
            (DnsFamily::Auto, &[A], &["fail"], &[A], &[A]),
            (DnsFamily::V4Preferred, &[A, B], &[SIX], &[A, B], &[A, SIX, B]),
            (DnsFamily::V4Preferred, &[], &[SIX], &[SIX], &[SIX]),
            (DnsFamily::V4, &[A], &[], &[A], &[A]),
            (DnsFamily::V6, &[], &[OTHER_SIX, SIX], &[SIX, OTHER_SIX], &[OTHER_SIX, SIX]),
            (DnsFamily::All, &[B, A], &[SIX], &[A, B, SIX], &[SIX, B, A]),
        ] {
            let mut name = Name::new(family);
            name.say(v4, v6);
            assert_eq!(name.hosts(), hosts, "{family:?}");
            let order: Vec<String> = name.0.tried().iter().map(ToString::to_string).collect();
            assert_eq!(order, tried, "{family:?}");
        }
    }

    #[test]
    fn no_way_to_ipv6_leaves_ipv4() {
        let mut name = Name::new(DnsFamily::Auto);
        name.say(&[], &[SIX]);
        let none = |name: &Name| name.0.hosts(|_| false);
        assert_eq!(none(&name).len(), 1, "better than nothing");
        name.say(&[A], &[SIX]);
        assert_eq!(none(&name), [A.parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_half_that_fails_takes_nothing_away() {
        let mut name = Name::new(DnsFamily::All);
        name.say(&[A], &[SIX]);
        for _ in 0..100 {
            name.say(&[], &["fail"]);
            name.1 += Duration::from_secs(5);
        }
        assert_eq!(name.hosts(), [A, SIX], "one says nothing, the other fails");
        name.say(&[B], &["fail"]);
        assert_eq!(name.hosts(), [B, SIX], "what is found is taken");
    }

    #[test]
    fn a_family_that_is_late_holds_nothing_up_and_loses_nothing() {
        let mut name = Name::new(DnsFamily::All);
        assert!(name.0.begin(name.1));
        name.say_early(A, 5);
        assert_eq!(name.hosts(), [A], "at once");
        assert!(name.0.is_answered() && name.0.is_tried());
        name.1 += Duration::from_secs(8);
        assert!(!name.0.begin(name.1), "nobody asks a second time while the other family is waited for");
        name.say(&[A], &[SIX]);
        assert_eq!(name.hosts(), [A, SIX]);
        assert!(name.0.begin(name.1), "its time runs from when it was said");
        name.say_early(B, 5);
        assert_eq!(name.hosts(), [B, SIX], "what it had stays while it is late");
        name.say(&[B], &["fail"]);
        assert_eq!(name.hosts(), [B, SIX], "and when it fails");
        name.1 += Duration::from_secs(60);
        assert!(name.0.begin(name.1));
        name.say_early(OTHER_SIX, 60);
        name.say(&["fail"], &[OTHER_SIX]);
        assert_eq!(name.hosts(), [B, OTHER_SIX], "either family");
        name.say_early(A, 60);
        assert_eq!(name.hosts(), [B, OTHER_SIX], "nobody asks");
    }

    #[test]
    fn nothing_of_a_late_family_is_believed_beside_what_was_said_early() {
        let mut name = Name::new(DnsFamily::All);
        name.say(&[A], &[SIX]);
        for _ in 0..10 {
            name.1 += Duration::from_secs(70);
            assert!(name.0.begin(name.1));
            name.say_early(A, 60);
            name.say(&[A], &[]);
        }
        assert_eq!(name.hosts(), [A]);
    }

    #[test]
    fn nothing_on_both_families_empties_it_after_a_while() {
        let mut name = Name::new(DnsFamily::All);
        name.say(&[A], &[]);
        let start = name.1;
        while !name.hosts().is_empty() {
            name.1 += Duration::from_secs(1);
            name.say(&[], &[]);
        }
        assert_eq!((name.1 - start).as_secs(), 31, "30 from when it was first said");
    }
}
