//! `http`: a request, and what its answer says.

use bytes::Bytes;
use nuncio_http::{HeaderId, HeaderList, RequestHead, ResponseHead, Scheme, Version};

use super::{BODY, Outcome, Refusal};
use crate::cluster::health::state::Failure;
use crate::config::{HttpProbe, Payload, Statuses};
use crate::route::Matcher;
use crate::stats::{Handle, HealthCheckStats};
use crate::upstream::control::{Client, ControlError, Keep};

/// As Envoy calls itself.
pub(super) const USER_AGENT: &[u8] = b"Envoy/HC";

pub(super) struct HttpRequest {
    head: RequestHead,
    expected: Statuses,
    retriable: Statuses,
    receive: Vec<Payload>,
    service_name: Option<Matcher>,
}

impl HttpRequest {
    /// `called`: the host, where the probe does not say.
    pub(super) fn new(probe: &HttpProbe, called: &str) -> HttpRequest {
        let mut headers = HeaderList::new();
        headers.push(HeaderId::UserAgent, USER_AGENT);
        for (name, value) in &probe.request_headers {
            headers.set(name, value.as_bytes());
        }
        let mut head = RequestHead::new(probe.method, Version::Http11, headers);
        head.set_target(probe.path.as_bytes());
        head.set_authority(probe.host.as_deref().unwrap_or(called).as_bytes());
        let service_name = probe.service_name_matcher.as_ref().and_then(|matcher| match Matcher::new(matcher) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                // The configuration's reader has compiled every regex already.
                debug_assert!(false, "{error}");
                log::error!("service_name_matcher: {error}: it is not looked at");
                None
            }
        });
        HttpRequest {
            head,
            expected: probe.expected_statuses.clone(),
            retriable: probe.retriable_statuses.clone(),
            receive: probe.receive.clone(),
            service_name,
        }
    }

    pub(super) async fn ask(
        &self,
        client: &mut Client,
        secure: bool,
        stats: &Handle<HealthCheckStats>,
    ) -> Result<Result<Outcome, ControlError>, Refusal> {
        let mut head = self.head.clone();
        head.scheme = if secure { Scheme::Https } else { Scheme::Http };
        match client.ask(&head, Bytes::new(), Keep::Start(BODY)).await {
            Err(error) => Ok(Err(error)),
            Ok(answer) => {
                if self.service_name.is_some() {
                    stats.verify_cluster.inc();
                }
                self.judge(&answer.head, &answer.body).map(Ok)
            }
        }
    }

    /// What an answer says of its host.
    fn judge(&self, head: &ResponseHead, body: &[u8]) -> Result<Outcome, Refusal> {
        if !self.expected.contains(head.status) {
            let failure = if self.retriable.contains(head.status) { Failure::Retriable } else { Failure::Active };
            return Err(Refusal { failure: Some(failure), why: format!("status {}", head.status) });
        }
        if !holds(body, &self.receive) {
            return Err(Refusal::active(format!("the body is not what it should be: {}", super::quoted(body))));
        }
        if let Some(matcher) = &self.service_name {
            let name = head.headers.get(HeaderId::XEnvoyUpstreamHealthcheckedCluster);
            if !matcher.matches(name) {
                let name = name.map_or_else(|| "nobody".to_owned(), super::quoted);
                return Err(Refusal::active(format!("it serves as {name}")));
            }
        }
        Ok(Outcome::Healthy { degraded: head.headers.contains(HeaderId::XEnvoyDegraded) })
    }
}

/// The payloads stand in `bytes` in their order, whatever is between them.
pub(super) fn holds(bytes: &[u8], payloads: &[Payload]) -> bool {
    let mut rest = bytes;
    for Payload(payload) in payloads {
        let Some(at) = rest.windows(payload.len().max(1)).position(|window| window == payload) else { return false };
        rest = &rest[at + payload.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stand_in_their_order_whatever_is_between() {
        let rows: [(&[u8], &[&str], bool); 8] = [
            (b"", &[], true),
            (b"", &["a"], false),
            (b"hello", &["hello"], true),
            (b"xxhexxlloxx", &["he", "llo"], true),
            (b"llohe", &["he", "llo"], false),
            (b"abab", &["ab", "ab"], true),
            (b"aba", &["ab", "ba"], false),
            (b"ab", &["abc"], false),
        ];
        for (bytes, payloads, expected) in rows {
            let payloads: Vec<Payload> = payloads.iter().map(|text| Payload(text.as_bytes().to_vec())).collect();
            assert_eq!(holds(bytes, &payloads), expected, "{} {payloads:?}", bytes.escape_ascii());
        }
    }
}
