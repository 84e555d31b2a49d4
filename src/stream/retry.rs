//! Sending a request once more: what failed is shown to the policy, and what the policy says is done.
//!
//! A try that cannot have done harm is made again at once, on a fresh connection to the same host, and takes no permit. Any
//! other retry takes one of the cluster's (`max_retries`, `retry_budget`) until its answer is taken; it goes to another host, if
//! there is one, after the policy's pause. All of the request that was sent must still be here. When nothing more may be tried,
//! the client gets what came last: the answer, or the error.

use std::task::Context;
use std::time::Duration;

use nuncio_http::{HeaderList, ResponseHead};

use super::attempt::{Sending, State, Try};
use super::run::Stream;
use crate::cluster::{Decision, Pace, Permit, Refusal, Resource, RetryCx, RetryEvent, RetryPolicy};
use crate::error::{Error, Kind, Phase, ResponseFlags, Side, Timeout};
use crate::grpc;
use crate::route::Route;
use crate::upstream::{Exchange, FromUpstream, Wanted};

/// What becomes of a response.
pub(super) enum Judgement {
    /// It goes to the client.
    Take,
    /// The request is sent again.
    Again,
    /// It is kept until its trailers are here, at most so many bytes of it.
    Hold(usize),
}

/// Reads of a response that nobody wants, to keep its connection.
const DRAIN_READS: usize = 4;
/// Bytes of one of them.
const DRAIN_BYTES: usize = 4 * 1024;

impl Stream {
    /// The policy of this request, where it is not the route's.
    pub(super) fn own_policy(&mut self, route: &Route) -> Option<Box<RetryPolicy>> {
        let head = self.info.request.as_ref()?;
        route.retry.for_request(head, self.asked.as_deref())
    }

    /// The head of a response has come.
    pub(super) fn judge_head(&mut self, task: &mut Context<'_>, head: &ResponseHead, end: bool) -> Judgement {
        self.report_head(head);
        let Some(sending) = self.attempt.0.as_deref() else { return Judgement::Take };
        if let (Some(health), Some(current)) = (&sending.view.shared.health, &sending.current)
            && health.on_response_head(current.host.shared(), head)
        {
            sending.view.shared.signal.raise();
        }
        if sending.accepted || head.status == 101 {
            return Judgement::Take;
        }
        let policy = sending.retry.policy(&self.listener);
        let hold = policy.hold_back();
        if !policy.is_active() {
            return Judgement::Take;
        }
        let raced = !sending.race.rivals().is_empty() && self.is_unwanted(head);
        if raced && self.promote_instead(false) || self.try_again(RetryEvent::Head(head), Some(task)) {
            return Judgement::Again;
        }
        if raced && self.promote_instead(true) {
            return Judgement::Again;
        }
        let is_grpc = || grpc::Kind::of(&head.headers) == Some(grpc::Kind::Grpc);
        if hold > 0 && !end && head.status == 200 && is_grpc() { Judgement::Hold(hold) } else { Judgement::Take }
    }

    /// An answer that nobody wants gives way to a rival. Says whether there was one.
    fn promote_instead(&mut self, overdue: bool) -> bool {
        let Some(sending) = self.attempt.0.as_deref_mut() else { return false };
        if !sending.race.rivals().iter().any(|rival| rival.overdue == overdue) {
            return false;
        }
        sending.report_answered();
        self.promote(overdue)
    }

    /// A response that was held has ended. Says whether the request is sent again.
    pub(super) fn retry_trailers(&mut self, trailers: &HeaderList) -> bool {
        self.try_again(RetryEvent::Trailers(trailers), None)
    }

    /// The try has failed. Says whether there is another one.
    pub(super) fn retry(&mut self, error: Error) -> bool {
        let held = self.response.deadline().is_some();
        let whole = self.request.is_received();
        let Some(sending) = self.attempt.0.as_deref_mut() else { return false };
        if sending.accepted {
            sending.report_failed(error, whole);
            return false;
        }
        let of_the_host = error.side == Side::Upstream;
        if of_the_host && sending.race.is_on_time() {
            sending.report_failed(error, whole);
            return self.promote(false);
        }
        let (reused, unsent) = match sending.current.as_mut().and_then(Try::exchange) {
            Some(exchange) => (exchange.is_reused(), exchange.is_unsent()),
            None => (false, true),
        };
        let event = match error.kind {
            Kind::Timeout(Timeout::PerTry | Timeout::PerTryIdle) => RetryEvent::TimedOut { unsent },
            _ => RetryEvent::Failed { error, reused: reused && !held, unsent },
        };
        if self.try_again(event, None) {
            return true;
        }
        // Nothing more is tried: what was too slow may still answer before the client's time is over.
        let waits = matches!(event, RetryEvent::TimedOut { .. }) && self.hedges();
        waits || of_the_host && self.promote(true)
    }

    /// A try that has taken too long is not given up.
    fn hedges(&self) -> bool {
        let may = self.request.is_bodyless() && self.request.upgrade.is_none();
        may && self.asked.as_ref().is_some_and(|asked| asked.hedge_on_per_try_timeout)
    }

    /// Shows the policy what has happened, and does what it says. `task`: for the rest of a response that is not wanted.
    fn try_again(&mut self, event: RetryEvent<'_>, task: Option<&mut Context<'_>>) -> bool {
        let now = self.rt.now();
        let time_left = self.timeouts.time_left(now);
        let Some(sending) = self.attempt.0.as_deref_mut() else { return false };
        let idempotent = self.info.request.as_ref().is_some_and(|head| head.method.is_idempotent());
        let mut rng = fastrand::Rng::new();
        let mut cx = RetryCx {
            replayable: sending.replay.is_kept() && sending.wanted != Wanted::Bytes,
            idempotent: idempotent && self.request.upgrade.is_none(),
            time_left,
            wall: self.rt.unix_time(),
            base: sending.view.shared.values.base_retry_backoff(),
            rng: &mut rng,
        };
        let whole = self.request.is_received();
        let mut state = sending.retry.state;
        let decision = sending.retry.policy(&self.listener).decide(&mut state, event, &mut cx);
        match (event, decision) {
            // The same host is asked again, and what it says then counts.
            (_, Decision::Retry { pace: Pace::AtOnce, .. }) => sending.answered = None,
            (RetryEvent::Failed { error, .. }, _) => sending.report_failed(error, whole),
            (RetryEvent::TimedOut { .. }, _) => {
                sending.report_failed(Error::upstream(Kind::Timeout(Timeout::PerTry), Phase::Request), whole);
            }
            (RetryEvent::Head(_) | RetryEvent::Trailers(_), Decision::Retry { .. }) => sending.report_answered(),
            (RetryEvent::Head(_) | RetryEvent::Trailers(_), Decision::No(_)) => {}
        }
        let (after, pace) = match decision {
            Decision::Retry { after, pace } => (after, pace),
            Decision::No(refusal) => {
                let answered = matches!(event, RetryEvent::Head(_) | RetryEvent::Trailers(_));
                sending.retry.in_vain = answered && refusal != Refusal::NotRetriable;
                if refusal == Refusal::LimitExceeded {
                    sending.view.stats.upstream_rq_retry_limit_exceeded.inc();
                    self.info.flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                }
                return false;
            }
        };
        sending.retry.in_vain = matches!(event, RetryEvent::Head(_) | RetryEvent::Trailers(_));
        let values = &sending.view.shared.values;
        if pace != Pace::AtOnce && !values.use_retry.is_hit(&mut rng) {
            return false;
        }
        if pace != Pace::AtOnce {
            // Each retry asks anew (Envoy's `resetRetry`): one that was allowed among many requests may be one of few now.
            sending.retry.permit = None;
            let priority = self.listener.route(sending.retry.route()).priority;
            sending.retry.permit = Permit::try_new(&sending.view, priority, Resource::Retries);
            if sending.retry.permit.is_none() {
                sending.view.stats.upstream_rq_retry_overflow.inc();
                return false;
            }
        }
        sending.retry.state = state;
        sending.retry.in_vain = false;
        self.again(event, after, pace, task);
        true
    }

    /// Another try begins, now or later.
    fn again(&mut self, event: RetryEvent<'_>, after: Duration, pace: Pace, task: Option<&mut Context<'_>>) {
        let (now, hedges) = (self.rt.now(), self.hedges());
        self.response.forget();
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        let view = sending.view.clone();
        let stats = &view.stats;
        stats.upstream_rq_retry.inc();
        let failed = sending.current.take();
        let host = failed.as_ref().map(|failed| failed.host.clone());
        if let RetryEvent::Head(head) = event {
            stats.retried(head.status);
        }
        match pace {
            Pace::AtOnce => {
                if let RetryEvent::Failed { error: Error { kind: Kind::Closed, .. }, .. } = event {
                    stats.upstream_rq_stale_connection_retry.inc();
                }
            }
            Pace::Exponential => stats.upstream_rq_retry_backoff_exponential.inc(),
            Pace::RateLimited => stats.upstream_rq_retry_backoff_ratelimited.inc(),
        }
        // Too slow is not too late: the slow one may still be first (`x-envoy-hedge-on-per-try-timeout`).
        match failed {
            Some(slow) if hedges && matches!(event, RetryEvent::TimedOut { .. }) => sending.race.add(slow),
            Some(failed) => end_unwanted(failed, event, now, task),
            None => {}
        }
        if let (Pace::AtOnce, Some(host)) = (pace, &host) {
            let next = self.try_host(&view, host.clone(), Wanted::Fresh);
            if let Some(Sending { current, .. }) = self.attempt.0.as_deref_mut() {
                *current = Some(next);
            }
            return;
        }
        if let Some(sending) = self.attempt.0.as_deref_mut() {
            let other_host = sending.retry.policy(&self.listener).other_host;
            sending.retry.tried.extend(host.filter(|_| other_host));
            sending.pause = Some(now + after);
        }
        self.moved = true;
    }

    /// The pause before a try is over.
    pub(super) fn end_pause(&mut self) -> Result<(), Error> {
        let Some(sending) = self.attempt.0.as_deref_mut() else { return Ok(()) };
        if sending.pause.is_none_or(|until| until > self.rt.now()) {
            return Ok(());
        }
        sending.pause = None;
        let (view, wanted, tried) = (sending.view.clone(), sending.wanted, std::mem::take(&mut sending.retry.tried));
        let host = self.pick_host(&view, &tried)?;
        let next = self.try_host(&view, host, wanted);
        if let Some(sending) = self.attempt.0.as_deref_mut() {
            sending.retry.tried = tried;
            sending.current = Some(next);
        }
        self.moved = true;
        Ok(())
    }
}

/// A try that has failed ends. The rest of its response is read if it is here: its connection may serve the next request.
fn end_unwanted(failed: Try, event: RetryEvent<'_>, now: std::time::Instant, task: Option<&mut Context<'_>>) {
    let Try { host, state: State::Open(mut exchange), .. } = failed else { return };
    host.stats.rq_error.inc();
    match (event, task) {
        (RetryEvent::Head(_), Some(task)) => {
            drain(&mut exchange, task);
            exchange.finish(now);
        }
        (RetryEvent::Trailers(_), _) => exchange.finish(now),
        _ => exchange.abandon(),
    }
}

fn drain(exchange: &mut Exchange, task: &mut Context<'_>) {
    for _ in 0..DRAIN_READS {
        match exchange.poll_recv(task, DRAIN_BYTES) {
            std::task::Poll::Ready(Ok(FromUpstream::Part(part))) if !part.is_end() => {}
            _ => return,
        }
    }
}
