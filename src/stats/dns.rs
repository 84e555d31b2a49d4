//! `dns.`: what the control thread asks of DNS servers (near Envoy's `dns.cares.`).

use nuncio_dns::{Counts, Failure, Outcome};

use super::scope::scope;

scope! {
    /// `dns.`
    pub struct DnsStats {
        /// Questions that have come to an end.
        resolve_total: Counter,
        /// Questions that wait for an answer, or to be asked.
        pending_resolutions: Gauge,
        /// There was no such name, or nothing of it.
        not_found: Counter,
        /// Nobody knew, for whatever reason.
        resolve_failure: Counter,
        /// The same because nobody answered.
        timeout: Counter,
        udp_queries: Counter,
        tcp_queries: Counter,
        /// Servers that did not answer in time.
        server_timeout: Counter,
        server_unreachable: Counter,
        /// Answers that say or are an error.
        server_failure: Counter,
        /// Answers over UDP that were fetched again over TCP.
        truncated: Counter,
        /// Datagrams that did not answer the question: forged, or late.
        stray: Counter,
        /// Answers whose letters were in another case than the question's.
        other_case: Counter,
    }
}

impl DnsStats {
    /// A question has come to an end.
    pub fn count(&self, outcome: &Outcome, counts: Counts) {
        self.resolve_total.inc();
        match outcome {
            Outcome::Answer { .. } => {}
            Outcome::NoData { .. } | Outcome::NxDomain { .. } => self.not_found.inc(),
            Outcome::Failed(failure) => {
                self.resolve_failure.inc();
                self.timeout.add((*failure == Failure::Timeout).into());
            }
        }
        let Counts { datagrams, streams, strays, other_case, truncated, timeouts, unreachable, failures } = counts;
        for (counter, count) in [
            (&self.udp_queries, datagrams),
            (&self.tcp_queries, streams),
            (&self.stray, strays),
            (&self.other_case, other_case),
            (&self.truncated, truncated),
            (&self.server_timeout, timeouts),
            (&self.server_unreachable, unreachable),
            (&self.server_failure, failures),
        ] {
            counter.add(count.into());
        }
    }
}
