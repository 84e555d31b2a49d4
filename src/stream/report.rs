//! What outlier detection is told of a stream's tries: one status or one failure of each that has ended because of its host,
//! and how long the host took.
//!
//! ```text
//!  head: 5xx, or the first of a tunnel ----> its status, at once
//!  head: any other ----> kept; the whole answer, its trailers' grpc-status or whoever breaks it off ----> a status
//!                          `-- the host breaks it off ----> a failure: it does not count as an answer
//!  no head: not reached, reset, a limit of time ----> a failure, unless the host is asked again at once
//!  the other one of a race was first ----> only how long it has taken so far
//! ```
//! A host is not to blame for what its client does: resets and limits of time count when it has the whole request, and a
//! `grpc-timeout` never does. That it has not acted on a request (a GOAWAY) is no failure as long as it is asked again.

use std::time::Instant;

use nuncio_http::{HeaderId, HeaderList, ResponseHead};

use super::attempt::{Sending, State, Try};
use super::run::Stream;
use crate::cluster::ClusterView;
use crate::cluster::outlier::Outcome;
use crate::error::{Error, Kind, Side, Timeout};
use crate::grpc;

impl Stream {
    /// The final head has come from the host that counts.
    pub(super) fn report_head(&mut self, head: &ResponseHead) {
        let now = self.rt.now();
        // How long an answer to half a request took says nothing.
        let whole = self.request.is_bodyless().then_some(self.info.start);
        let asked = whole.or(self.info.times.upstream_request_end);
        let tunnel = self.request.upgrade.is_some() || head.status == 101;
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        let Some(current) = sending.current.as_ref().filter(|_| sending.view.detects_outliers()) else { return };
        if let Some((since, asked)) = current.since.zip(asked) {
            let took = now.saturating_duration_since(since.max(asked));
            sending.view.report(&current.host, Outcome::Latency(took));
        }
        let status = status_of(head);
        if status >= 500 || tunnel {
            sending.view.report(&current.host, Outcome::Status(status));
        } else {
            sending.answered = Some(status);
        }
    }
}

impl Sending {
    /// The answer has ended with these.
    pub(super) fn report_trailers(&mut self, trailers: &HeaderList) {
        if let (Some(answered), Some(status)) = (&mut self.answered, grpc_status(trailers)) {
            *answered = status;
        }
    }

    /// The answer is whole, or whoever did not want the rest of it was not its host.
    pub(super) fn report_answered(&mut self) {
        if let (Some(status), Some(current)) = (self.answered.take(), &self.current) {
            self.view.report(&current.host, Outcome::Status(status));
        }
    }

    /// What the client gets is not, or not only, what the host sent. `whole`: the host has the whole request.
    pub(super) fn report_failed(&mut self, error: Error, whole: bool) {
        let Some(current) = &self.current else { return };
        match failure(error, current, self.accepted, whole) {
            Some(outcome) => {
                self.answered = None;
                self.view.report(&current.host, outcome);
            }
            None => self.report_answered(),
        }
    }
}

/// A rival is of no use.
pub(super) fn report_rival(view: &ClusterView, rival: &Try, error: Error) {
    if let Some(outcome) = failure(error, rival, false, true) {
        view.report(&rival.host, outcome);
    }
}

/// A rival has answered.
pub(super) fn report_rival_head(view: &ClusterView, rival: &Try, head: &ResponseHead, now: Instant) {
    report_slow(view, rival, now);
    view.report(&rival.host, Outcome::Status(status_of(head)));
}

/// Another one was first. How slow this one would have been nobody will know, but that it was slower.
pub(super) fn report_slow(view: &ClusterView, given_up: &Try, now: Instant) {
    if let Some(since) = given_up.since {
        view.report(&given_up.host, Outcome::Latency(now.saturating_duration_since(since)));
    }
}

/// `None`: it is not the host's failure. `accepted`: its head was taken.
fn failure(error: Error, at: &Try, accepted: bool, whole: bool) -> Option<Outcome> {
    let open = matches!(at.state, State::Open(_));
    match (error.kind, error.side) {
        (Kind::Refused | Kind::ConnectTimeout | Kind::Tls, _) => Some(Outcome::ConnectFailed),
        // It has spoken, and what it said was no HTTP.
        (Kind::Protocol(_), Side::Upstream) => Some(Outcome::Status(502)),
        (Kind::Closed | Kind::Reset | Kind::Unprocessed, Side::Upstream) if whole || !open => Some(Outcome::Reset),
        // One that waits for its turn in the pool waits for others, not for the host.
        (Kind::Timeout(Timeout::Route | Timeout::PerTry | Timeout::PerTryIdle), _) if !accepted && whole => {
            (open || at.deadline().is_some()).then_some(Outcome::Timeout)
        }
        _ => None,
    }
}

/// The status of a response, or the one that its `grpc-status` stands for.
fn status_of(head: &ResponseHead) -> u16 {
    match grpc::Kind::of(&head.headers) {
        Some(_) => grpc_status(&head.headers).unwrap_or(head.status),
        None => head.status,
    }
}

/// As Envoy: a status that is none is an unknown one.
fn grpc_status(fields: &HeaderList) -> Option<u16> {
    let value = fields.get(HeaderId::GrpcStatus)?;
    Some(grpc::Status::parse(value).unwrap_or(grpc::Status::Unknown).to_http())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_status_counts_as_its_http_status() {
        let head = |status: u16, fields: &[(HeaderId, &str)]| {
            let mut headers = HeaderList::new();
            fields.iter().for_each(|(name, value)| headers.push(*name, value.as_bytes()));
            status_of(&ResponseHead::new(status, headers))
        };
        let grpc = (HeaderId::ContentType, "application/grpc");
        let status = |number| (HeaderId::GrpcStatus, number);
        let rows = [
            (head(200, &[grpc, status("14")]), 503),
            (head(200, &[grpc, status("0")]), 200),
            (head(200, &[grpc, status("5")]), 404),
            (head(200, &[grpc, status("99")]), 500),
            (head(200, &[grpc]), 200),
            (head(502, &[grpc]), 502),
            (head(200, &[status("14")]), 200),
        ];
        for (at, (found, expected)) in rows.into_iter().enumerate() {
            assert_eq!(found, expected, "row {at}");
        }
    }
}
