//! Racing: when the host that was asked first is slow, others are asked as well, and the first answer wins.
//!
//! ```text
//!   current: Open, no head -----due, budget, another host----> rival: Acquiring -> Open
//!   head from current ----> taken; every rival is given up: its connection closes, or its stream is reset
//!   head from a rival ----> it changes places with current, which is given up
//!   current fails --------> a rival takes its place: no retry is spent; of those that are overdue only when none is left
//!   a rival fails, or answers what the policy would not take --> it is gone, and nobody is told
//! ```
//! Only requests without a body race: what is sent twice is a head.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_http::ResponseHead;

use super::attempt::{Sending, State, Try};
use super::report::{report_rival, report_rival_head, report_slow};
use super::run::Stream;
use crate::cluster::{ClusterView, HostView, Permit, Resource};
use crate::error::{Error, Kind, Phase};
use crate::route::Route;
use crate::upstream::{FromUpstream, Wanted};

/// Bytes read for the sake of a head.
const HEAD: usize = 4 * 1024;

/// The rivals of a try.
#[derive(Default)]
pub(super) struct Racing {
    /// The route lets the request race.
    on: bool,
    /// One more host is asked then.
    due: Option<Instant>,
    rivals: Vec<Try>,
    /// One for each host that was asked besides, until an answer is taken: it is a request of the cluster like any other.
    permits: Vec<Permit>,
    /// The head by which a rival has won.
    won: Option<FromUpstream>,
}

impl Racing {
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A try that was the one that counts has taken too long, and goes on besides the next.
    pub(super) fn add(&mut self, mut rival: Try) {
        rival.overdue = true;
        self.rivals.push(rival);
    }

    pub(super) fn rivals(&self) -> &[Try] {
        &self.rivals
    }

    /// There are rivals that may still answer in time.
    pub(super) fn is_on_time(&self) -> bool {
        self.rivals.iter().any(|rival| !rival.overdue)
    }

    /// The head that the client gets, if a rival had it first.
    pub(super) fn take_head(&mut self) -> Option<FromUpstream> {
        self.won.take()
    }
}

impl Sending {
    /// The answer is taken: nobody else is asked.
    pub(super) fn end_race(&mut self, now: Instant) {
        self.race.due = None;
        self.race.permits.clear();
        for rival in self.race.rivals.drain(..) {
            report_slow(&self.view, &rival, now);
            self.view.stats.upstream_rq_race_cancelled.inc();
            rival.abandon();
        }
    }
}

impl Stream {
    /// When a second host is asked, if ever.
    pub(super) fn racing(&self, route: &Route, view: &ClusterView, wanted: Wanted) -> Racing {
        let Some(race) = &route.race else { return Racing::default() };
        let may = self.request.is_bodyless() && self.request.upgrade.is_none() && wanted == Wanted::Any;
        let method = self.info.request.as_ref().map(|head| &head.method);
        if !may || !method.is_some_and(|method| race.methods.contains(method)) {
            return Racing::default();
        }
        let mut tempo = view.tempo().borrow_mut();
        tempo.earn(race);
        let delay = tempo.delay(race);
        Racing { on: true, due: delay.map(|delay| self.rt.now() + delay), ..Racing::default() }
    }

    /// Asks one more host when that is due, and looks whether one of those asked besides has answered.
    pub(super) fn poll_race(&mut self, task: &mut Context<'_>) {
        let Some(sending) = self.attempt.0.as_deref() else { return };
        if sending.race.due.is_some_and(|due| due <= self.rt.now()) {
            self.ask_another();
        }
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        if sending.race.rivals.is_empty() {
            return;
        }
        let mut racing = std::mem::take(&mut sending.race.rivals);
        let (mut winner, mut at) = (None, 0);
        racing.retain_mut(|rival| {
            if winner.is_some() {
                return true;
            }
            match self.poll_rival(task, rival) {
                Poll::Pending => {
                    at += 1;
                    true
                }
                Poll::Ready(Ok(head)) => {
                    winner = Some(head);
                    true
                }
                Poll::Ready(Err(_)) => false,
            }
        });
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        sending.race.rivals = racing;
        // By its place: two that were too slow may be at one host.
        let Some(head) = winner else { return };
        sending.view.stats.upstream_rq_race_won_by_other.inc();
        if let Some(beaten) = &sending.current {
            report_slow(&sending.view, beaten, self.rt.now());
        }
        sending.race.won = Some(head);
        self.change_places(at);
    }

    /// The request goes to one more host, if there is one and the budget has room.
    fn ask_another(&mut self) {
        let listener = self.listener.clone();
        let Some(route) = self.route.map(|route| listener.route(route)) else { return };
        let (Some(race), Some(sending)) = (&route.race, self.attempt.0.as_deref_mut()) else { return };
        sending.race.due = None;
        let view = sending.view.clone();
        let mut asked: Vec<Rc<HostView>> = sending.retry.tried.clone();
        asked.extend(sending.current.iter().chain(&sending.race.rivals).map(|it| it.host.clone()));
        let count = sending.race.rivals.len() + 2;
        // While it waits for a retry there is nobody to race.
        if sending.current.is_none() || count > race.max as usize {
            return;
        }
        let Ok(host) = self.pick_host(&view, &asked) else { return };
        // Last of all, whether it can be paid for.
        if asked.iter().any(|asked| Rc::ptr_eq(asked, &host)) {
            return;
        }
        let Some(permit) = Permit::try_new(&view, route.priority, Resource::Requests) else { return };
        if !view.tempo().borrow_mut().try_spend() {
            return;
        }
        view.stats.upstream_rq_race_started.inc();
        let again = view.tempo().borrow().delay(race).map(|delay| self.rt.now() + delay);
        let rival = self.new_try(&view, host, Wanted::Any, route.priority);
        if let Some(sending) = self.attempt.0.as_deref_mut() {
            sending.race.rivals.push(rival);
            sending.race.permits.push(permit);
            sending.race.due = again.filter(|_| count < race.max as usize);
        }
        self.moved = true;
    }

    /// Ready with a head that the client may get, or because the rival is of no use.
    fn poll_rival(&mut self, task: &mut Context<'_>, rival: &mut Try) -> Poll<Result<FromUpstream, ()>> {
        let Some(sending) = self.attempt.0.as_deref() else { return Poll::Ready(Err(())) };
        let now = self.rt.now();
        if let Some(timeout) = rival.expired(now) {
            report_rival(&sending.view, rival, Error::upstream(Kind::Timeout(timeout), Phase::Request));
            return Poll::Ready(Err(()));
        }
        if let State::Acquiring(acquire) = &mut rival.state {
            let ready = std::task::ready!(acquire.poll(task, &self.rt, &self.listener.worker.buffers));
            let ready = match ready {
                Ok(ready) => ready,
                Err(error) => {
                    report_rival(&sending.view, rival, error);
                    return Poll::Ready(Err(()));
                }
            };
            let mut exchange = ready.exchange(&self.listener.upstream_limits, &self.listener.worker.buffers);
            sending.view.stats.upstream_rq_total.inc();
            rival.host.stats.rq_total.inc();
            let Some(head) = &mut self.info.request else { return Poll::Ready(Err(())) };
            rival.tell_number(head, &self.listener.http);
            if exchange.send_head(head, None).is_err() {
                return Poll::Ready(Err(()));
            }
            rival.open(exchange, sending.retry.policy(&self.listener), true, now);
        }
        let Some(exchange) = rival.exchange() else { return Poll::Pending };
        exchange.flush(task);
        loop {
            match std::task::ready!(exchange.poll_recv(task, HEAD)) {
                Ok(FromUpstream::Head { head, .. }) if head.is_interim() => {}
                Ok(FromUpstream::Head { head, end }) if !self.is_unwanted(&head) => {
                    return Poll::Ready(Ok(FromUpstream::Head { head, end }));
                }
                Ok(FromUpstream::Head { head, .. }) => {
                    report_rival_head(&sending.view, rival, &head, now);
                    return Poll::Ready(Err(()));
                }
                Ok(FromUpstream::Part(_)) => return Poll::Ready(Err(())),
                Err(error) => {
                    // A kept connection that had died says nothing of its host.
                    if error.kind != Kind::Closed || !exchange.is_reused() {
                        report_rival(&sending.view, rival, error);
                    }
                    return Poll::Ready(Err(()));
                }
            }
        }
    }

    /// The retry policy would rather have another answer, whether it may still ask for one or not.
    pub(super) fn is_unwanted(&self, head: &ResponseHead) -> bool {
        let sending = self.attempt.0.as_deref();
        sending.is_some_and(|sending| sending.retry.policy(&self.listener).is_unwanted(head))
    }

    /// The try has failed: one of its rivals takes its place, of those that have taken longer than a try may (`overdue`) or of
    /// the others. Says whether there was one.
    pub(super) fn promote(&mut self, overdue: bool) -> bool {
        let Some(sending) = self.attempt.0.as_deref() else { return false };
        let rivals = || sending.race.rivals.iter().enumerate().filter(|(_, rival)| rival.overdue == overdue);
        let open = rivals().find(|(_, rival)| matches!(rival.state, State::Open(_)));
        let Some((at, _)) = open.or_else(|| rivals().next()) else { return false };
        self.change_places(at);
        true
    }

    /// The rival at this place is the one that counts now; what it replaces is given up.
    fn change_places(&mut self, at: usize) {
        // What was held of the other's answer is not this one's.
        self.response.forget();
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        let rival = sending.race.rivals.swap_remove(at);
        sending.retry.in_vain = false;
        self.info.host = Some(rival.host.clone());
        if let Some(since) = rival.since {
            self.info.times.upstream_ready = Some(since);
            self.info.times.upstream_request_start = Some(since);
        }
        self.info.upstream_remote = None;
        if let State::Open(exchange) = &rival.state {
            self.info.upstream_local = Some(exchange.local_addr().clone());
            self.info.upstream_remote = rival.host.reached(exchange.peer_addr());
        }
        // It may have won during a pause: then nothing more is tried.
        sending.pause = None;
        if let Some(given_up) = sending.current.replace(rival) {
            given_up.abandon();
        }
        self.moved = true;
    }
}
