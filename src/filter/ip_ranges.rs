//! `ip_allow`, `ip_deny`: who may come, by address and, if the configuration says, by the names in a certificate. A connection that carries bytes is closed before a byte of it is
//! read; a request is answered 403, by its client as `x-forwarded-for` gives it where the peer is trusted.

use nuncio_http::RequestHead;

use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config::{self, Cidr};
use crate::stats::{Handle, RbacStats};
use crate::tls::Names;

/// Envoy's response code details.
const DENIED: &str = "rbac_access_denied";

/// `ip_allow` and `ip_deny`.
pub(super) struct IpRangesFactory(PerWorker<Settings>);

struct Settings {
    ranges: Vec<Cidr>,
    /// Those in the ranges are let in, or kept out.
    allow: bool,
    /// Who is let in has one of these, too.
    san: Option<Names>,
    stats: Handle<RbacStats>,
}

struct IpRanges(Shared<Settings>);

impl IpRangesFactory {
    pub(super) fn new(config: &config::IpRanges, allow: bool, cx: &mut Build<'_>) -> IpRangesFactory {
        let stats = cx.scope::<RbacStats>();
        IpRangesFactory(PerWorker::new(cx.workers, |index| Settings {
            ranges: config.ranges.clone(),
            allow,
            // The reader of the configuration has compiled it before; were it not so, nobody would be let in.
            san: (!config.san.is_empty()).then(|| Names::new(&config.san).unwrap_or_default()),
            stats: stats.worker(index),
        }))
    }
}

impl FilterFactory for IpRangesFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(IpRanges(self.0.of(cx.rt)?)))
    }
}

impl IpRanges {
    fn lets_in(&self, cx: &StreamCx<'_>) -> bool {
        let Settings { ranges, allow, san, stats } = &*self.0;
        // A peer without an address came by a UNIX socket: it is in no range.
        let within = cx.info.client.is_some_and(|client| ranges.iter().any(|range| range.contains(client)));
        let named = |names: &Names| {
            let peer = cx.info.connection.tls.as_ref().and_then(|session| session.peer.as_ref());
            peer.is_some_and(|peer| names.fit(peer))
        };
        let lets_in = within == *allow && san.as_ref().is_none_or(named);
        if lets_in { &stats.allowed } else { &stats.denied }.inc();
        lets_in
    }
}

impl Filter for IpRanges {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        if self.lets_in(cx) { Flow::Continue } else { Flow::Reset(DENIED) }
    }

    fn on_request_head(&mut self, _head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        if self.lets_in(cx) {
            return Flow::Continue;
        }
        Flow::Respond(Box::new(LocalReply::text(403, "access denied\n", DENIED)))
    }
}

#[cfg(test)]
mod tests {
    use nuncio_http::{BodyLength, Method};

    use super::*;
    use crate::filter::testing::{Setup, on_worker, request};
    use crate::filter::{Dir, Offer};

    #[test]
    fn ranges_let_in_or_keep_out() {
        on_worker(|rt| async move {
            // The tests' client is 192.0.2.7.
            let filter = |allow: bool, ranges: &str| {
                let ranges = config::IpRanges { ranges: vec![ranges.parse().unwrap()], san: Vec::new() };
                if allow { config::Filter::IpAllow(ranges) } else { config::Filter::IpDeny(ranges) }
            };
            for (filter, status) in [
                (filter(true, "192.0.2.0/24"), None),
                (filter(true, "198.51.100.0/24"), Some(403)),
                (filter(false, "192.0.2.7"), Some(403)),
                (filter(false, "192.0.2.8"), None),
            ] {
                let mut setup = Setup::new(&rt, std::slice::from_ref(&filter));
                let mut stream = setup.stream(request(Method::Get, BodyLength::Empty, &[]));
                let answered = match stream.offer_head(Dir::Request) {
                    Some(Offer::Head) => None,
                    Some(Offer::Respond(reply)) => Some(reply.status),
                    other => panic!("{other:?}"),
                };
                assert_eq!(answered, status, "{filter:?}");
                assert_eq!(setup.stat("rbac.denied"), i64::from(status.is_some()));
                assert_eq!(setup.stat("rbac.allowed"), i64::from(status.is_none()));
            }
        });
    }
}
