//! The filters of one stream, and the part each direction has parked in them.
//!
//! Per direction: the head stands before filter `head_at` (or has passed all), and at most one other part, the
//! *parked* part, stands before filter `part_at`, never ahead of the head. `stop` says what keeps them there.
//! Requests pass the filters in order, responses in reverse.
//!
//! ```text
//!             offer_head                 offer (chunk, trailers)
//!  Flowing ---------------> Held(i) --------------------------> head goes on from i+1, the part follows it
//!     |                        ^ |
//!     |  filter i: Wait        | | filter i: Wait
//!     v                        | v
//!  Waiting(i) -- poll_resume: Continue --> the part (or head) goes on from i+1
//! ```

use std::task::{Context, Poll};

use nuncio_http::HeaderList;

use super::{Chunk, Dir, Factories, Filter, Flow, LocalReply, ResetReason, StreamCx, StreamEnd};

/// A part that follows a head.
#[derive(Debug)]
pub enum Part {
    Data { chunk: Chunk, end: bool },
    Trailers(HeaderList),
}

impl Part {
    /// Nothing follows it in its direction.
    pub fn is_end(&self) -> bool {
        !matches!(self, Part::Data { end: false, .. })
    }
}

/// What came of an offer.
#[derive(Debug)]
pub enum Offer {
    /// The head may be forwarded; `poll` for the part behind it.
    Head,
    /// This part may be forwarded.
    Part(Part),
    /// Bring the next part.
    More,
    /// A filter wants its own answer sent.
    Respond(Box<LocalReply>),
    Reset(ResetReason),
}

/// The filters of one stream, in the order of the configuration.
#[derive(Default)]
pub struct Chain {
    filters: Vec<Box<dyn Filter>>,
    /// How many filters saw the request head: the first so many. Only these see a response, and the end.
    seen: usize,
    /// The request's and the response's; none without filters.
    lanes: Option<Box<[Lane; 2]>>,
}

/// One direction. Positions count filters in the order of this direction.
#[derive(Default)]
struct Lane {
    /// The filter that sees the head next; `None`: the head has passed all.
    head_at: Option<usize>,
    /// Why the head stays at `head_at`.
    head: Stop,
    part: Option<Part>,
    /// The filter that sees the part next.
    part_at: usize,
    /// The part waits at `part_at`.
    part_waits: bool,
    /// Trailers, and the filter that sees them next: behind the bytes that the filter before it kept until now, which
    /// are the part.
    behind: Option<(Part, usize)>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stop {
    #[default]
    None,
    /// The filter wants to see the next part first.
    Held,
    /// The filter wants to be polled.
    Waits,
}

impl Chain {
    /// The chain for one stream. Without filters this allocates nothing.
    pub fn new(factories: &Factories, cx: &StreamCx<'_>) -> Chain {
        let filters = factories.iter().filter_map(|factory| factory.new_filter(cx)).collect();
        Chain { filters, ..Chain::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Offers the head of a direction, which stands in the stream's info. A stream without heads offers its beginning as the
    /// request's.
    pub fn offer_head(&mut self, dir: Dir, cx: &mut StreamCx<'_>) -> Option<Offer> {
        if self.filters.is_empty() {
            return Some(Offer::Head);
        }
        self.lane(dir).head_at = Some(0);
        self.advance(dir, cx)
    }

    /// Offers the next part. Only after [`Offer::More`], or once the part before it was forwarded.
    pub fn offer(&mut self, dir: Dir, part: Part, cx: &mut StreamCx<'_>) -> Option<Offer> {
        if self.filters.is_empty() {
            return Some(Offer::Part(part));
        }
        let lane = self.lane(dir);
        lane.part = Some(part);
        lane.part_at = 0;
        self.advance(dir, cx)
    }

    /// Goes on with what is parked: after [`Offer::Head`], and whenever the task is woken. `None`: nothing to do.
    pub fn poll(&mut self, dir: Dir, task: &mut Context<'_>, cx: &mut StreamCx<'_>) -> Option<Offer> {
        let lane = &mut self.lanes.as_mut()?[dir as usize];
        let at = match (lane.part_waits, lane.head, lane.head_at) {
            (true, ..) => lane.part_at,
            (_, Stop::Waits, Some(at)) => at,
            _ if lane.has_part() => return self.advance(dir, cx),
            _ => return None,
        };
        match self.filter(dir, at).poll_resume(dir, task, cx) {
            Poll::Pending => None,
            Poll::Ready(flow) => self.resume(dir, flow, cx),
        }
    }

    /// A part or the head is parked: nothing may be pulled in this direction.
    pub fn is_waiting(&self, dir: Dir) -> bool {
        let lane = self.lanes.as_ref().map(|lanes| &lanes[dir as usize]);
        lane.is_some_and(|lane| lane.has_part() || lane.head == Stop::Waits)
    }

    /// A local reply takes the place of everything that is parked, both ways.
    pub fn abandon(&mut self) {
        self.lanes = None;
    }

    /// The stream is over.
    pub fn end(&mut self, end: &StreamEnd<'_>) {
        for filter in &mut self.filters[..self.seen] {
            filter.on_end(end);
        }
        self.seen = 0;
    }

    fn resume(&mut self, dir: Dir, flow: Flow, cx: &mut StreamCx<'_>) -> Option<Offer> {
        let lane = self.lane(dir);
        let part_waited = std::mem::take(&mut lane.part_waits);
        match flow {
            Flow::Continue if part_waited => self.pass_part(dir),
            Flow::Continue => lane.pass_head(),
            Flow::Hold if part_waited => {
                if lane.part.take().is_some_and(|part| part.is_end()) {
                    return Some(Offer::Reset(HELD_END));
                }
            }
            Flow::Hold => lane.head = Stop::Held,
            Flow::Wait => {
                lane.part_waits = part_waited;
                return None;
            }
            Flow::Respond(reply) => return Some(Offer::Respond(reply)),
            Flow::Reset(reason) => return Some(Offer::Reset(reason)),
        }
        self.advance(dir, cx)
    }

    /// Moves head and part as far as the filters let them.
    fn advance(&mut self, dir: Dir, cx: &mut StreamCx<'_>) -> Option<Offer> {
        let count = self.count(dir);
        loop {
            let lane = self.lane(dir);
            let offer = match (lane.head_at, lane.head) {
                (_, Stop::Waits) => return None,
                (Some(at), Stop::None) if at >= count => {
                    lane.head_at = None;
                    return Some(Offer::Head);
                }
                (Some(at), Stop::None) => self.show_head(dir, at, cx),
                _ if lane.part_waits => return None,
                _ if !lane.has_part() => return Some(Offer::More),
                _ if lane.part.is_none() => {
                    lane.bring_behind();
                    None
                }
                _ if lane.part_at >= count => return lane.part.take().map(Offer::Part),
                _ => self.show_part(dir, cx),
            };
            if offer.is_some() {
                return offer;
            }
        }
    }

    fn show_head(&mut self, dir: Dir, at: usize, cx: &mut StreamCx<'_>) -> Option<Offer> {
        let flow = match dir {
            Dir::Request => {
                self.seen = self.seen.max(at + 1);
                // The head stands in the info from the start of the stream to its end, except during this call.
                match cx.info.request.take() {
                    None => self.filter(dir, at).on_connection(cx),
                    Some(mut head) => {
                        let flow = self.filter(dir, at).on_request_head(&mut head, cx);
                        cx.info.request = Some(head);
                        flow
                    }
                }
            }
            Dir::Response => {
                let mut head = cx.info.response.take()?;
                let flow = self.filter(dir, at).on_response_head(&mut head, cx);
                cx.info.response = Some(head);
                flow
            }
        };
        let lane = self.lane(dir);
        match flow {
            Flow::Continue => lane.pass_head(),
            Flow::Hold => lane.head = Stop::Held,
            Flow::Wait => lane.head = Stop::Waits,
            Flow::Respond(reply) => return Some(Offer::Respond(reply)),
            Flow::Reset(reason) => return Some(Offer::Reset(reason)),
        }
        None
    }

    fn show_part(&mut self, dir: Dir, cx: &mut StreamCx<'_>) -> Option<Offer> {
        let lane = self.lane(dir);
        let at = lane.part_at;
        let mut part = lane.part.take()?;
        let last = part.is_end();
        let filter = self.filter(dir, at);
        let flow = match &mut part {
            Part::Data { chunk, end } => filter.on_data(dir, chunk, *end, cx),
            Part::Trailers(trailers) => filter.on_trailers(dir, trailers, cx),
        };
        let lane = self.lane(dir);
        match flow {
            Flow::Continue => {
                lane.part = Some(part);
                self.pass_part(dir);
            }
            // Nothing comes after the last part: a filter that keeps it would hang the stream.
            Flow::Hold if last => return Some(Offer::Reset(HELD_END)),
            Flow::Hold => {}
            Flow::Wait => {
                lane.part = Some(part);
                lane.part_waits = true;
            }
            Flow::Respond(reply) => return Some(Offer::Respond(reply)),
            Flow::Reset(reason) => return Some(Offer::Reset(reason)),
        }
        None
    }

    /// The part goes on to the next filter; before trailers goes what this filter kept of the body, and in place of
    /// trailers without a field.
    fn pass_part(&mut self, dir: Dir) {
        let lane = self.lane(dir);
        let at = lane.part_at;
        lane.pass_part();
        let Some(Part::Trailers(trailers)) = &lane.part else { return };
        let consumed = trailers.is_empty();
        let kept = self.filter(dir, at).take_kept(dir);
        let lane = self.lane(dir);
        if consumed {
            lane.part = Some(Part::Data { chunk: kept, end: true });
        } else if !kept.is_empty() {
            let trailers = lane.part.replace(Part::Data { chunk: kept, end: false });
            lane.behind = trailers.map(|trailers| (trailers, lane.part_at));
        }
    }

    fn count(&self, dir: Dir) -> usize {
        if dir == Dir::Request { self.filters.len() } else { self.seen }
    }

    fn filter(&mut self, dir: Dir, at: usize) -> &mut dyn Filter {
        let index = if dir == Dir::Request { at } else { self.seen - 1 - at };
        &mut *self.filters[index]
    }

    fn lane(&mut self, dir: Dir) -> &mut Lane {
        &mut self.lanes.get_or_insert_default()[dir as usize]
    }
}

impl Lane {
    /// The head goes on to the next filter.
    fn pass_head(&mut self) {
        self.head = Stop::None;
        self.head_at = self.head_at.map(|at| at + 1);
    }

    /// The part goes on to the next filter; a head that this filter held goes on before it.
    fn pass_part(&mut self) {
        if self.head_at == Some(self.part_at) {
            self.pass_head();
        }
        self.part_at += 1;
    }

    fn has_part(&self) -> bool {
        self.part.is_some() || self.behind.is_some()
    }

    /// The part is gone: the one behind it takes its place.
    fn bring_behind(&mut self) {
        if let Some((part, at)) = self.behind.take() {
            self.part = Some(part);
            self.part_at = at;
        }
    }
}

/// A filter kept the last part of a direction.
const HELD_END: ResetReason = "filter_held_end_of_stream";

#[cfg(test)]
mod tests;
