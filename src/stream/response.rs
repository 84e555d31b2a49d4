//! The response's way: from the upstream, or from the proxy itself, through the filters to the client.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderList, Method, ResponseHead};

use super::ends::Downstream;
use super::hold::{Held, Known};
use super::reply::DRAIN_LIMIT;
use super::retry::Judgement;
use super::run::Stream;
use crate::error::{Error, Kind, Phase, Side};
use crate::filter::{Chunk, Dir, Offer, Part};
use crate::upstream::FromUpstream;

/// Bytes read for the sake of a head while the client takes no body.
const HEAD_ROOM: usize = 4 * 1024;

/// How far the response is.
#[derive(Debug, Default)]
pub(super) struct ResponseLane {
    source: Source,
    /// The final head went to the client.
    started: bool,
    /// The last part came from the source.
    received: bool,
    /// The last part went to the client's output.
    done: bool,
    /// Kept back until it is known whether another answer is wanted.
    held: Option<Box<Held>>,
    /// Parts that were held, to go on before others.
    released: VecDeque<Part>,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    Upstream,
    /// The upstream's final head came.
    UpstreamBody,
    /// A local reply's head is to be shown to the filters.
    LocalHead(Bytes),
    LocalBody(Bytes),
}

impl ResponseLane {
    /// The client has the final head: what goes wrong now can only cut the response short.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn is_from_upstream(&self) -> bool {
        matches!(self.source, Source::UpstreamBody)
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.source, Source::LocalHead(_) | Source::LocalBody(_))
    }

    /// When what is held goes on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }

    /// What came of a response counts no more: there will be another.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// A local reply takes over; its head stands in the info.
    pub(super) fn set_local(&mut self, body: Bytes) {
        *self = ResponseLane { source: Source::LocalHead(body), ..ResponseLane::default() };
    }
}

/// What the source has.
enum Pulled {
    /// The final head; it stands in the info.
    Head,
    Part(Part),
    Nothing,
}

impl Stream {
    pub(super) fn poll_response(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<(), Error> {
        while !self.response.done {
            let mut cx = Stream::cx(&self.rt, &mut self.info);
            let offer = match self.chain.poll(Dir::Response, task, &mut cx) {
                Some(offer) => Some(offer),
                None if self.chain.is_waiting(Dir::Response) => return Ok(()),
                None => match self.pull_response(task, down)? {
                    Pulled::Nothing => return Ok(()),
                    Pulled::Head => self.chain.offer_head(Dir::Response, &mut Stream::cx(&self.rt, &mut self.info)),
                    Pulled::Part(part) => {
                        self.chain.offer(Dir::Response, part, &mut Stream::cx(&self.rt, &mut self.info))
                    }
                },
            };
            self.moved = true;
            if let Some(offer) = offer {
                self.on_response_offer(offer, down)?;
            }
        }
        Ok(())
    }

    fn pull_response(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<Pulled, Error> {
        match std::mem::take(&mut self.response.source) {
            Source::LocalHead(body) => {
                self.response.source = Source::LocalBody(body);
                Ok(Pulled::Head)
            }
            // The end of a local reply is brought even when it is empty: a filter may hold the head for it.
            Source::LocalBody(body) if !self.response.received => {
                self.response.received = true;
                self.response.source = Source::LocalBody(Bytes::new());
                Ok(Pulled::Part(Part::Data { chunk: Chunk::from(body), end: true }))
            }
            source => {
                self.response.source = source;
                self.pull_upstream(task, down)
            }
        }
    }

    fn pull_upstream(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<Pulled, Error> {
        if let Some(part) = self.response.released.pop_front() {
            return Ok(self.on_upstream_part(part));
        }
        if self.response.received {
            // A filter holds the head of a response without a body.
            let held = self.response.is_from_upstream() && !self.response.started;
            let end = Part::Data { chunk: Chunk::default(), end: true };
            return Ok(if held { Pulled::Part(end) } else { Pulled::Nothing });
        }
        loop {
            if self.response.deadline().is_some_and(|until| until <= self.rt.now()) {
                return Ok(self.release());
            }
            if let Some(FromUpstream::Head { head, end }) = self.attempt.take_won() {
                self.report_head(&head);
                self.on_upstream_head(head, end);
                return Ok(Pulled::Head);
            }
            let Some(exchange) = self.attempt.exchange() else { return Ok(Pulled::Nothing) };
            let room = match down.poll_room(task) {
                Poll::Ready(room) => room,
                // A head needs no window.
                Poll::Pending if !matches!(self.response.source, Source::UpstreamBody) => HEAD_ROOM,
                Poll::Pending => {
                    exchange.rest();
                    return Ok(Pulled::Nothing);
                }
            };
            let Poll::Ready(part) = exchange.poll_recv(task, room)? else { return Ok(Pulled::Nothing) };
            self.moved = true;
            self.on_upstream_progress();
            match part {
                FromUpstream::Head { head, .. } if head.is_interim() => {
                    // We answer `Expect` ourselves, so an upstream's 100 is nobody's business.
                    if head.status != 100 {
                        down.send_interim(&head)?;
                    }
                }
                FromUpstream::Head { head, end } => match self.judge_head(task, &head, end) {
                    Judgement::Again => return Ok(Pulled::Nothing),
                    Judgement::Hold(most) => {
                        self.response.held = Some(Box::new(Held::new(head, most, self.rt.now())));
                    }
                    Judgement::Take => {
                        self.on_upstream_head(head, end);
                        return Ok(Pulled::Head);
                    }
                },
                FromUpstream::Part(part) => match &mut self.response.held {
                    None => return Ok(self.on_upstream_part(part)),
                    Some(held) => match held.add(part) {
                        Known::More => {}
                        Known::Stream => return Ok(self.release()),
                        Known::Ended => return Ok(self.judge_held()),
                    },
                },
            }
        }
    }

    /// What was held is whole: another answer may be wanted.
    fn judge_held(&mut self) -> Pulled {
        let Some(held) = self.response.held.take() else { return Pulled::Nothing };
        if let (Some(sending), Some(trailers)) = (self.attempt.0.as_deref_mut(), held.trailers()) {
            sending.report_trailers(trailers);
        }
        if held.trailers().is_some_and(|trailers| self.retry_trailers(trailers)) {
            return Pulled::Nothing;
        }
        self.response.held = Some(held);
        self.release()
    }

    /// What was held goes on.
    fn release(&mut self) -> Pulled {
        let Some(held) = self.response.held.take() else { return Pulled::Nothing };
        let (head, parts) = held.release();
        self.response.released = parts;
        self.on_upstream_head(head, false);
        Pulled::Head
    }

    fn on_upstream_part(&mut self, part: Part) -> Pulled {
        if let (Some(sending), Part::Trailers(trailers)) = (self.attempt.0.as_deref_mut(), &part) {
            sending.report_trailers(trailers);
        }
        if part.is_end() {
            self.on_upstream_end();
        }
        Pulled::Part(part)
    }

    fn on_upstream_head(&mut self, head: ResponseHead, end: bool) {
        self.on_response_accepted();
        self.response.source = Source::UpstreamBody;
        self.info.times.response_start = Some(self.rt.now());
        self.info.detail = "via_upstream";
        if end {
            self.response.received = true;
            self.on_upstream_end();
        }
        self.info.status = head.status;
        self.info.response = Some(head);
        self.set_cookies();
        self.edit_response();
    }

    fn on_upstream_end(&mut self) {
        self.response.received = true;
        if let Some(sending) = self.attempt.0.as_deref_mut() {
            sending.report_answered();
        }
        self.info.times.response_end = Some(self.rt.now());
        self.timeouts.on_response_end();
    }

    fn on_response_offer(&mut self, offer: Offer, down: &mut dyn Downstream) -> Result<(), Error> {
        match offer {
            Offer::Head => self.send_response_head(down),
            Offer::Part(part) => self.send_response_part(part, down),
            Offer::More => Ok(()),
            // A reply to a reply would never end.
            Offer::Respond(reply) if !self.response.started && !self.response.is_local() => {
                self.reply(*reply, down);
                Ok(())
            }
            Offer::Respond(_) => Err(Error::local(Kind::Local("filter_reply_after_response"))),
            Offer::Reset(reason) => Err(Error::local(Kind::Local(reason))),
        }
    }

    fn send_response_head(&mut self, down: &mut dyn Downstream) -> Result<(), Error> {
        self.finish_response_head();
        let Some(head) = &self.info.response else { return Err(Error::local(Kind::Local("no_response"))) };
        self.info.status = head.status;
        let bodyless = match self.response.is_from_upstream() {
            true => self.response.received,
            // A gRPC client takes trailers in the head for such only if nothing follows it.
            false => head.body.is_empty(),
        };
        // A part that a filter holds behind the head says the end itself.
        let end = bodyless && !self.chain.is_waiting(Dir::Response);
        // An early answer that will end: the client may be sending for as long as it likes, and is told what that comes to (RFC
        // 9112 section 9.6). One of unknown length may go on as long as the request. A local reply has seen to this.
        let early = self.response.is_from_upstream() && !self.request.is_received() && head.body != BodyLength::Unknown;
        if early && !down.can_drain(DRAIN_LIMIT) {
            down.close_after_response();
        }
        down.send_head(head, end)?;
        self.response.started = true;
        if down.is_tunnel() {
            self.request.open_tunnel();
            self.listener.stats.downstream_cx_upgrades_total.inc();
            self.listener.stats.downstream_cx_upgrades_active.inc();
            self.timeouts.on_tunnel();
            return Ok(());
        }
        if end {
            return self.send_response_part(Part::Data { chunk: Chunk::default(), end: true }, down);
        }
        Ok(())
    }

    fn send_response_part(&mut self, part: Part, down: &mut dyn Downstream) -> Result<(), Error> {
        match &part {
            Part::Data { chunk, .. } if !self.is_head_request() => self.info.bytes_sent += chunk.len() as u64,
            Part::Data { .. } => {}
            Part::Trailers(trailers) => self.info.response_trailers = Some(HeaderList::clone(trailers)),
        }
        self.response.done = part.is_end();
        down.send_part(part).map_err(|error| match error.kind {
            // The upstream's body disagrees with its head: its fault, whoever notices.
            Kind::Local(detail) if self.response.is_from_upstream() => {
                Error { kind: Kind::Protocol(detail), side: Side::Upstream, phase: Phase::Response }
            }
            _ => error,
        })
    }

    /// The body of the response stays with the proxy (RFC 9110 section 9.3.2).
    fn is_head_request(&self) -> bool {
        self.info.request.as_ref().is_some_and(|head| head.method == Method::Head)
    }
}
