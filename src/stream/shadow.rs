//! Copies of a request for another cluster: sent and forgotten.
//!
//! ```text
//!   stream --offer--> Queue (bounded, copies) --> Copying, a task of its own --> host of the other cluster
//!                                                    `-- reads the answer to its end, and throws it away
//! ```
//! Nothing of it reaches the stream: the queue never says "full", it gives the copy up. A copy that meets a closed breaker, no
//! host, a slow host or its time limit ends, and is counted. When the stream ends before its request was whole, so does the copy.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nuncio_http::{HeaderList, Method, RequestHead};

use super::attempt::{State, Try};
use super::buffers::Buffers;
use super::info::ConnectionInfo;
use super::run::Stream;
use crate::cluster::{ClusterView, Permit, Resource};
use crate::config::Priority;
use crate::error::{Error, Kind};
use crate::filter::{Chunk, Part};
use crate::route::Route;
use crate::runtime::{Rt, Timer};
use crate::upstream::acquire::Acquire;
use crate::upstream::{FromUpstream, Wanted};

/// Bytes of a body that wait for the other cluster's host. Beyond it the copy is given up.
const QUEUE_LIMIT: usize = 64 * 1024;
/// Bytes of the answer that are read at once.
const READ: usize = 16 * 1024;
/// A copy takes no longer, where its route has no `timeout`.
const LONGEST: Duration = Duration::from_secs(60);
/// Turns of a copy before others of its worker have theirs.
const TURNS: usize = 8;

/// The stream's end of a copy. Dropping it before the request's end gives the copy up.
pub(super) struct Shadow(Rc<Queue>);

/// What waits to be sent, as one piece: a part costs more than its bytes, and may have only one.
#[derive(Default)]
struct Queue {
    data: RefCell<BytesMut>,
    /// Behind all data.
    trailers: RefCell<Option<HeaderList>>,
    /// The last part is here.
    ended: Cell<bool>,
    /// It was taken.
    taken: Cell<bool>,
    /// The copy is given up.
    over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What a copy needs of its stream.
pub(super) struct Copy {
    pub(super) head: RequestHead,
    /// The request ends with its head.
    pub(super) bodyless: bool,
    pub(super) client: Rc<ConnectionInfo>,
    pub(super) view: Rc<ClusterView>,
    pub(super) buffers: Rc<Buffers>,
    pub(super) limits: Arc<nuncio_h1::Limits>,
    /// For all of it.
    pub(super) timeout: Duration,
}

impl Shadow {
    /// Starts a copy; `None`: it is not to be, which is counted.
    pub(super) fn start(copy: Copy, rt: &Rt) -> Option<Shadow> {
        let stats = copy.view.stats.clone();
        let Some(permit) = Permit::try_new(&copy.view, Priority::Default, Resource::Requests) else {
            stats.upstream_rq_shadow_dropped.inc();
            return None;
        };
        let Some(host) = copy.view.pick() else {
            stats.upstream_cx_none_healthy.inc();
            stats.upstream_rq_shadow_dropped.inc();
            return None;
        };
        stats.upstream_rq_shadow.inc();
        stats.upstream_rq_active.inc();
        let queue = Rc::new(Queue::new(copy.bodyless));
        let acquire = Acquire::new(copy.view.clone(), host.clone(), Wanted::Any, &copy.client);
        let copying = Copying {
            queue: queue.clone(),
            deadline: rt.now() + copy.timeout,
            timer: rt.timer(),
            rt: rt.clone(),
            attempt: Try::new(host, acquire, 1),
            status: 0,
            copy,
            _permit: permit,
        };
        rt.spawn_boxed(Box::pin(copying.run()));
        Some(Shadow(queue))
    }

    /// A part of the request goes to its host: a copy of it goes to the other one.
    pub(super) fn offer(&self, part: &Part) {
        let queue = &*self.0;
        if queue.over.get() {
            return;
        }
        match part {
            Part::Trailers(trailers) => *queue.trailers.borrow_mut() = Some(trailers.clone()),
            Part::Data { chunk, .. } => {
                let mut data = queue.data.borrow_mut();
                if data.len() + chunk.len() > QUEUE_LIMIT {
                    drop(data);
                    return queue.give_up();
                }
                // Copied: a slow host must not hold the client's read buffer.
                data.reserve(chunk.len());
                chunk.pieces().for_each(|piece| data.extend_from_slice(piece));
            }
        }
        queue.ended.set(part.is_end());
        queue.wake();
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if !self.0.ended.get() {
            self.0.give_up();
        }
    }
}

impl Queue {
    /// For a request that ends with its head, if so.
    fn new(bodyless: bool) -> Queue {
        Queue { ended: Cell::new(bodyless), taken: Cell::new(bodyless), ..Queue::default() }
    }

    fn give_up(&self) {
        self.over.set(true);
        self.data.take();
        self.trailers.take();
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// All that is here, as one part; trailers, or an end that comes late, as another.
    fn pop(&self) -> Option<Part> {
        let data = self.data.take();
        let trailers = if data.is_empty() { self.trailers.take() } else { None };
        let end = self.ended.get() && (trailers.is_some() || self.trailers.borrow().is_none());
        if data.is_empty() && (!end || self.taken.get()) {
            return None;
        }
        self.taken.set(end);
        Some(trailers.map_or_else(|| Part::Data { chunk: Chunk::from(data.freeze()), end }, Part::Trailers))
    }
}

/// The task that sends a copy.
struct Copying {
    queue: Rc<Queue>,
    copy: Copy,
    attempt: Try,
    /// Of the answer.
    status: u16,
    deadline: Instant,
    timer: Timer,
    rt: Rt,
    _permit: Permit,
}

/// How a copy goes on.
enum Step {
    Moved,
    Waits,
    /// The answer is here whole.
    Done,
}

impl Copying {
    async fn run(mut self) {
        let done = std::future::poll_fn(|task| self.poll(task)).await;
        self.queue.over.set(true);
        let stats = &self.copy.view.stats;
        stats.upstream_rq_active.dec();
        let Try { host, state, .. } = self.attempt;
        match (done, state) {
            (Ok(()), State::Open(exchange)) => {
                stats.upstream_rq_completed.inc();
                stats.response(self.status);
                host.stats.answered(self.status);
                exchange.finish(self.rt.now());
            }
            (_, state) => {
                stats.upstream_rq_shadow_dropped.inc();
                if let State::Open(exchange) = state {
                    exchange.abandon();
                }
            }
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = task.waker();
        self.queue.waker.borrow_mut().get_or_insert_with(|| waker.clone()).clone_from(waker);
        for _ in 0..TURNS {
            if self.queue.over.get() {
                return Poll::Ready(Err(Error::local(Kind::Local("shadow_given_up"))));
            }
            if self.deadline <= self.rt.now() {
                return Poll::Ready(Err(Error::local(Kind::Local("shadow_timeout"))));
            }
            match self.step(task) {
                Ok(Step::Moved) => {}
                Ok(Step::Waits) => {
                    // The connect has no timer of its own.
                    self.timer.set(self.attempt.deadline().into_iter().chain([self.deadline]).min());
                    if self.timer.poll(task).is_pending() {
                        return Poll::Pending;
                    }
                }
                Ok(Step::Done) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.rt.yield_to_io(task);
        Poll::Pending
    }

    fn step(&mut self, task: &mut Context<'_>) -> Result<Step, Error> {
        let exchange = match &mut self.attempt.state {
            State::Acquiring(acquire) => {
                let Poll::Ready(ready) = acquire.poll(task, &self.rt, &self.copy.buffers) else {
                    return Ok(Step::Waits);
                };
                let mut exchange = ready?.exchange(&self.copy.limits, &self.copy.buffers);
                self.copy.view.stats.upstream_rq_total.inc();
                self.attempt.host.stats.rq_total.inc();
                let sent = exchange.send_head(&self.copy.head, None);
                self.attempt.state = State::Open(exchange);
                return sent.map(|()| Step::Moved);
            }
            State::Open(exchange) => exchange,
        };
        let mut moved = false;
        while !exchange.is_broken() && exchange.poll_room(task).is_ready() {
            let Some(part) = self.queue.pop() else { break };
            exchange.send_part(part)?;
            moved = true;
        }
        moved |= exchange.flush(task);
        if let Poll::Ready(part) = exchange.poll_recv(task, READ) {
            moved = true;
            match part? {
                FromUpstream::Head { head, .. } if head.is_interim() => {}
                FromUpstream::Head { head, end } => {
                    self.status = head.status;
                    if end {
                        return Ok(Step::Done);
                    }
                }
                FromUpstream::Part(part) if part.is_end() => return Ok(Step::Done),
                FromUpstream::Part(_) => {}
            }
        }
        Ok(if moved { Step::Moved } else { Step::Waits })
    }
}

impl Stream {
    /// Copies of the request for the clusters that the route names.
    pub(super) fn start_shadows(&mut self, route: &Route) {
        let Some(head) = &self.info.request else { return };
        // There is nothing to copy of a tunnel, and no answer to throw away.
        if route.shadow.is_empty() || self.request.upgrade.is_some() || head.method == Method::Connect {
            return;
        }
        let mut rng = fastrand::Rng::new();
        for shadow in route.shadow.iter().filter(|shadow| shadow.share.is_hit(&mut rng)) {
            let view = &self.listener.clusters[shadow.cluster.slot];
            let Some(view) = view.serving(&self.info.connection) else { continue };
            let mut head = head.clone();
            let name = authority(head.authority());
            head.set_authority(&name);
            let copy = Copy {
                head,
                bodyless: self.request.is_bodyless(),
                client: self.info.connection.clone(),
                view,
                buffers: self.listener.worker.buffers.clone(),
                limits: self.listener.upstream_limits.clone(),
                timeout: route.timeout.unwrap_or(LONGEST),
            };
            self.shadows.extend(Shadow::start(copy, &self.rt));
        }
    }
}

/// The authority of a copy: hosts can tell it from the request (Envoy's `-shadow`, in front of the port).
pub(super) fn authority(authority: &[u8]) -> Vec<u8> {
    let port = match authority.iter().rposition(|&byte| byte == b':') {
        // The colons of an IPv6 address are inside its brackets.
        Some(at) if authority[at + 1..].iter().all(u8::is_ascii_digit) => at,
        _ => authority.len(),
    };
    [&authority[..port], b"-shadow", &authority[port..]].concat()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_host_is_told_apart_and_the_port_stays() {
        for (given, expected) in [
            ("example.com", "example.com-shadow"),
            ("example.com:8080", "example.com-shadow:8080"),
            ("[::1]:80", "[::1]-shadow:80"),
            ("[::1]", "[::1]-shadow"),
        ] {
            assert_eq!(String::from_utf8(authority(given.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn a_queue_that_is_full_gives_the_copy_up() {
        let shadow = Shadow(Rc::default());
        let half = Part::Data { chunk: Chunk::from(Bytes::from(vec![0; QUEUE_LIMIT / 2])), end: false };
        shadow.offer(&half);
        shadow.offer(&half);
        assert!(!shadow.0.over.get());
        shadow.0.pop();
        shadow.offer(&half);
        shadow.offer(&half);
        assert!(!shadow.0.over.get(), "what was sent makes room");
        shadow.offer(&Part::Data { chunk: Chunk::from(Bytes::from_static(b"x")), end: true });
        assert!(shadow.0.over.get() && shadow.0.pop().is_none());
    }

    #[test]
    fn what_waits_is_one_piece_and_its_end_comes_once() {
        let data = |bytes: &'static [u8], end| Part::Data { chunk: Chunk::from(Bytes::from_static(bytes)), end };
        let popped = |queue: &Queue| {
            queue.pop().map(|part| match part {
                Part::Data { chunk, end } => {
                    (chunk.pieces().flat_map(|piece| piece.to_vec()).collect::<Vec<u8>>(), end)
                }
                Part::Trailers(trailers) => (format!("{} trailers", trailers.len()).into_bytes(), true),
            })
        };
        let trailers = || Part::Trailers(HeaderList::new());
        let (abc, empty) = (b"abc".to_vec(), Vec::new());
        for (offered, expected) in [
            (vec![data(b"ab", false), data(b"c", true)], vec![(abc.clone(), true)]),
            (vec![data(b"ab", false), data(b"c", false), data(b"", true)], vec![(abc.clone(), true)]),
            (vec![data(b"abc", false), trailers()], vec![(abc.clone(), false), (b"0 trailers".to_vec(), true)]),
            (vec![data(b"abc", false)], vec![(abc.clone(), false)]),
            (vec![data(b"", true)], vec![(empty.clone(), true)]),
            (vec![], vec![]),
        ] {
            let shadow = Shadow(Rc::new(Queue::new(false)));
            offered.iter().for_each(|part| shadow.offer(part));
            let all: Vec<_> = std::iter::from_fn(|| popped(&shadow.0)).take(5).collect();
            assert_eq!(all, expected);
        }
        let shadow = Shadow(Rc::new(Queue::new(false)));
        shadow.offer(&data(b"abc", false));
        assert_eq!(popped(&shadow.0), Some((abc, false)));
        shadow.offer(&data(b"", true));
        assert_eq!((popped(&shadow.0), popped(&shadow.0)), (Some((empty, true)), None), "an end that comes late");
        assert!(Queue::new(true).pop().is_none());
    }

    #[test]
    fn a_stream_that_ends_early_takes_its_copy_along() {
        for (end, over) in [(false, true), (true, false)] {
            let shadow = Shadow(Rc::default());
            let queue = shadow.0.clone();
            shadow.offer(&Part::Data { chunk: Chunk::default(), end });
            drop(shadow);
            assert_eq!(queue.over.get(), over);
        }
    }
}
