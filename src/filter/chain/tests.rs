//! Scripted filters at random, in a chain that is driven as a stream drives it.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, Method, RequestHead, ResponseHead};

use super::*;
use crate::filter::testing::{Driven, data, on_worker, request, response};

const DIRS: [Dir; 2] = [Dir::Request, Dir::Response];

/// What all filters of a chain write down, and the dice they share.
struct Watch {
    rng: fastrand::Rng,
    /// How often a filter does anything but pass, in percent.
    busy: u32,
    /// How often a filter breaks off, in permille.
    fatal: u32,
    /// By direction: the filter that waits.
    waits: [Option<usize>; 2],
    /// By direction: the whole body.
    body: [Vec<u8>; 2],
    /// By direction: a filter made the trailers a part of the body.
    consumed: [bool; 2],
    seen: Vec<Seen>,
}

/// What one filter has seen.
#[derive(Clone, Default)]
struct Seen {
    lanes: [SeenLane; 2],
    ends: u32,
}

#[derive(Clone, Default)]
struct SeenLane {
    head: bool,
    bytes: usize,
    end: bool,
}

struct Scripted {
    index: usize,
    watch: Rc<RefCell<Watch>>,
    kept: [Chunk; 2],
    /// What the filter says when it is polled: it has taken the chunk already, or wants to see what follows the head.
    holds_next: [bool; 2],
}

impl Watch {
    fn fatal(&mut self) -> Option<Flow> {
        match self.rng.u32(..1000) {
            dice if dice >= self.fatal => None,
            dice if dice % 2 == 0 => Some(Flow::Reset("scripted")),
            _ => Some(Flow::Respond(Box::new(LocalReply::text(503, "reply", "scripted")))),
        }
    }

    fn is_busy(&mut self) -> bool {
        self.rng.u32(..100) < self.busy
    }

    /// Filter `index` is shown something: nobody may be waiting, and the filter before it must have seen it.
    fn on_shown(&self, index: usize, dir: Dir) -> &SeenLane {
        assert_eq!(self.waits[dir as usize], None, "filter {index}, {dir:?}: a part while a filter waits");
        let lane = &self.seen[index].lanes[dir as usize];
        assert!(!lane.end, "filter {index}, {dir:?}: a part after the end");
        lane
    }

    fn on_body(&mut self, index: usize, dir: Dir, chunk: &Chunk, end: bool) {
        let lane = self.on_shown(index, dir);
        assert!(lane.head, "filter {index}, {dir:?}: data before the head");
        let (from, to) = (lane.bytes, lane.bytes + chunk.len());
        let bytes: Vec<u8> = chunk.pieces().flatten().copied().collect();
        assert_eq!(self.body[dir as usize].get(from..to), Some(&bytes[..]), "filter {index}, {dir:?}");
        let lane = &mut self.seen[index].lanes[dir as usize];
        (lane.bytes, lane.end) = (to, end);
    }

    fn on_head(&mut self, index: usize, dir: Dir) {
        assert!(!self.on_shown(index, dir).head, "filter {index}, {dir:?}: a second head");
        self.seen[index].lanes[dir as usize].head = true;
        let before = match dir {
            Dir::Request => index.checked_sub(1),
            Dir::Response => Some(index + 1).filter(|next| self.saw_request(*next)),
        };
        assert!(
            before.is_none_or(|before| self.seen[before].lanes[dir as usize].head),
            "filter {index} before its turn"
        );
        assert!(self.saw_request(index), "filter {index} saw a response without a request");
    }

    fn saw_request(&self, index: usize) -> bool {
        self.seen.get(index).is_some_and(|seen| seen.lanes[0].head)
    }
}

impl Scripted {
    fn wait(&self, watch: &mut Watch, dir: Dir) -> Flow {
        watch.waits[dir as usize] = Some(self.index);
        Flow::Wait
    }

    fn on_head(&mut self, dir: Dir) -> Flow {
        let watch = self.watch.clone();
        let watch = &mut *watch.borrow_mut();
        watch.on_head(self.index, dir);
        if let Some(flow) = watch.fatal() {
            return flow;
        }
        match watch.rng.bool() {
            _ if !watch.is_busy() => Flow::Continue,
            true => Flow::Hold,
            false => {
                self.holds_next[dir as usize] = watch.rng.bool();
                self.wait(watch, dir)
            }
        }
    }
}

impl Filter for Scripted {
    fn on_request_head(&mut self, head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        assert!(cx.info.request.is_none());
        let trace = self.index.to_string();
        head.headers.push(HeaderId::Via, trace.as_bytes());
        self.on_head(Dir::Request)
    }

    fn on_response_head(&mut self, head: &mut ResponseHead, cx: &mut StreamCx<'_>) -> Flow {
        assert!(cx.info.request.is_some() && cx.info.response.is_none());
        head.headers.push(HeaderId::Via, self.index.to_string().as_bytes());
        // A local reply begins anew.
        self.kept[Dir::Response as usize] = Chunk::default();
        self.holds_next[Dir::Response as usize] = false;
        self.on_head(Dir::Response)
    }

    fn on_data(&mut self, dir: Dir, chunk: &mut Chunk, end: bool, cx: &mut StreamCx<'_>) -> Flow {
        assert!(cx.info.request.is_some());
        let watch = self.watch.clone();
        let watch = &mut *watch.borrow_mut();
        watch.on_body(self.index, dir, chunk, end);
        if let Some(flow) = watch.fatal() {
            return flow;
        }
        let mut all = std::mem::take(&mut self.kept[dir as usize]);
        all.append(std::mem::take(chunk));
        let busy = watch.is_busy();
        match watch.rng.u8(..3) {
            0 if busy && !end => {
                self.kept[dir as usize] = all;
                Flow::Hold
            }
            1 if busy && !end => {
                self.kept[dir as usize] = all;
                self.holds_next[dir as usize] = true;
                self.wait(watch, dir)
            }
            _ => {
                *chunk = all;
                if busy { self.wait(watch, dir) } else { Flow::Continue }
            }
        }
    }

    fn on_trailers(&mut self, dir: Dir, trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        let watch = self.watch.clone();
        let watch = &mut *watch.borrow_mut();
        assert_eq!(trailers.len(), 1);
        watch.on_body(self.index, dir, &Chunk::default(), true);
        if watch.rng.u8(..8) == 0 {
            trailers.clear();
            watch.consumed[dir as usize] = true;
        }
        match watch.fatal() {
            Some(flow) => flow,
            None if watch.is_busy() => self.wait(watch, dir),
            None => Flow::Continue,
        }
    }

    fn take_kept(&mut self, dir: Dir) -> Chunk {
        std::mem::take(&mut self.kept[dir as usize])
    }

    fn poll_resume(&mut self, dir: Dir, _task: &mut Context<'_>, _cx: &mut StreamCx<'_>) -> Poll<Flow> {
        let watch = self.watch.clone();
        let watch = &mut *watch.borrow_mut();
        assert_eq!(watch.waits[dir as usize], Some(self.index), "{dir:?}: polled while it does not wait");
        match watch.rng.u8(..6) {
            0 | 1 => return Poll::Pending,
            2 => return Poll::Ready(Flow::Wait),
            _ => watch.waits[dir as usize] = None,
        }
        if std::mem::take(&mut self.holds_next[dir as usize]) {
            return Poll::Ready(Flow::Hold);
        }
        Poll::Ready(watch.fatal().unwrap_or(Flow::Continue))
    }

    fn on_end(&mut self, _end: &StreamEnd<'_>) {
        self.watch.borrow_mut().seen[self.index].ends += 1;
    }
}

/// One direction of the simulated stream.
#[derive(Default)]
struct Way {
    /// What the source still has.
    source: std::collections::VecDeque<Part>,
    head_out: bool,
    out: Vec<u8>,
    trailers_out: bool,
    done: bool,
}

struct Sim {
    stream: Driven,
    watch: Rc<RefCell<Watch>>,
    ways: [Way; 2],
    /// The response's head was offered.
    responding: bool,
    local: bool,
    /// A local reply took over.
    ignored: bool,
}

/// How it ended.
enum Ended {
    Whole,
    Aborted,
}

impl Sim {
    fn new(rt: &crate::runtime::Rt, seed: u64) -> Sim {
        let mut rng = fastrand::Rng::with_seed(seed);
        let filters = rng.usize(1..6);
        let (requests, request_parts) = body(&mut rng);
        let (responses, response_parts) = body(&mut rng);
        let watch = Rc::new(RefCell::new(Watch {
            busy: [0, 20, 60, 95][rng.usize(..4)],
            fatal: [0, 0, 20, 100][rng.usize(..4)],
            rng,
            waits: [None; 2],
            body: [requests, responses],
            consumed: [false; 2],
            seen: vec![Seen::default(); filters],
        }));
        let mut stream = Driven::new(rt, request(Method::Post, BodyLength::Unknown, &[]), &[]);
        let scripted = |index| -> Box<dyn Filter> {
            Box::new(Scripted { index, watch: watch.clone(), kept: Default::default(), holds_next: [false; 2] })
        };
        stream.chain = Chain { filters: (0..filters).map(scripted).collect(), ..Chain::default() };
        let way = |source: Vec<Part>| Way { source: source.into(), ..Way::default() };
        let ways = [way(request_parts), way(response_parts)];
        Sim { stream, watch, ways, responding: false, local: false, ignored: false }
    }

    fn run(&mut self) -> Ended {
        if let Some(offer) = self.stream.offer_head(Dir::Request)
            && let Some(ended) = self.on_offer(Dir::Request, offer)
        {
            return ended;
        }
        for _ in 0..20_000 {
            let dir = DIRS[self.watch.borrow_mut().rng.usize(..2)];
            if let Some(ended) = self.step(dir) {
                return ended;
            }
            if self.ways[1].done && (self.ignored || self.ways[0].done) {
                return Ended::Whole;
            }
        }
        panic!("it hangs");
    }

    fn step(&mut self, dir: Dir) -> Option<Ended> {
        if self.ways[dir as usize].done || (dir == Dir::Request && self.ignored) {
            return None;
        }
        let offer = match self.stream.poll(dir) {
            Some(offer) => Some(offer),
            None if self.stream.chain.is_waiting(dir) => None,
            None => self.pull(dir),
        };
        offer.and_then(|offer| self.on_offer(dir, offer))
    }

    fn pull(&mut self, dir: Dir) -> Option<Offer> {
        if dir == Dir::Response && !self.responding {
            // The upstream answers once it has the request's head, and when it likes.
            let ready = self.local || self.ways[0].head_out && self.watch.borrow_mut().rng.u8(..4) == 0;
            if !ready {
                return None;
            }
            self.responding = true;
            self.stream.info.response = Some(response(200, &[]));
            return self.stream.offer_head(dir);
        }
        let part = self.ways[dir as usize].source.pop_front()?;
        self.stream.offer(dir, part)
    }

    fn on_offer(&mut self, dir: Dir, offer: Offer) -> Option<Ended> {
        let way = &mut self.ways[dir as usize];
        match offer {
            Offer::Head => {
                assert!(!way.head_out, "{dir:?}: a second head");
                way.head_out = true;
            }
            Offer::Part(part) => {
                assert!(way.head_out && !way.done, "{dir:?}: {part:?} out of order");
                way.done = part.is_end();
                match part {
                    Part::Data { chunk, .. } => way.out.extend(chunk.into_pieces().flatten()),
                    Part::Trailers(_) => way.trailers_out = true,
                }
            }
            Offer::More => assert!(!self.stream.chain.is_waiting(dir)),
            Offer::Respond(_) | Offer::Reset(_) if self.ways[1].head_out || self.local => return Some(Ended::Aborted),
            Offer::Respond(_) | Offer::Reset(_) => self.reply(),
        }
        None
    }

    /// As a stream does with a local reply.
    fn reply(&mut self) {
        self.stream.chain.abandon();
        (self.ignored, self.local, self.responding) = (true, true, false);
        self.ways[1] = Way { source: [data("reply", true)].into(), ..Way::default() };
        let watch = &mut *self.watch.borrow_mut();
        watch.waits = [None; 2];
        watch.body[1] = b"reply".to_vec();
        for seen in &mut watch.seen {
            seen.lanes[1] = SeenLane::default();
        }
    }
}

/// A body, and the parts in which it comes.
fn body(rng: &mut fastrand::Rng) -> (Vec<u8>, Vec<Part>) {
    let mut body = Vec::new();
    let mut parts = Vec::new();
    for _ in 0..rng.usize(..8) {
        let piece: Vec<u8> = (0..rng.usize(..5)).map(|_| rng.u8(..)).collect();
        body.extend_from_slice(&piece);
        parts.push(Part::Data { chunk: Chunk::from(Bytes::from(piece)), end: false });
    }
    match (rng.u8(..3), parts.last_mut()) {
        (0, Some(Part::Data { end, .. })) => *end = true,
        (1, _) => {
            let mut trailers = HeaderList::new();
            trailers.push(HeaderId::Etag, b"x");
            parts.push(Part::Trailers(trailers));
        }
        _ => parts.push(data("", true)),
    }
    (body, parts)
}

#[test]
fn random_scripts_keep_the_properties() {
    on_worker(|rt| async move {
        let (mut whole, mut replied, mut aborted) = (0, 0, 0);
        for seed in 0..20_000 {
            let mut sim = Sim::new(&rt, seed);
            let has_trailers = |way: &Way| matches!(way.source.back(), Some(Part::Trailers(_)));
            let trailers = [has_trailers(&sim.ways[0]), has_trailers(&sim.ways[1])];
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sim.run()));
            let ended = ended.unwrap_or_else(|_| panic!("seed {seed}"));
            sim.stream.end();
            sim.stream.end();
            let watch = sim.watch.borrow();
            let via = |headers: &HeaderList| headers.joined(&HeaderId::Via).unwrap_or_default().into_owned();
            let saw = (0..watch.seen.len()).take_while(|index| watch.saw_request(*index)).count();
            for (index, seen) in watch.seen.iter().enumerate() {
                assert_eq!(seen.ends, u32::from(index < saw), "seed {seed}: filter {index}");
                assert_eq!(seen.lanes[0].head, index < saw, "seed {seed}: filter {index}");
            }
            match ended {
                Ended::Aborted => {
                    aborted += 1;
                    continue;
                }
                Ended::Whole if sim.local => replied += 1,
                Ended::Whole => whole += 1,
            }
            for (dir, way) in sim.ways.iter().enumerate() {
                if dir == 0 && sim.ignored {
                    continue;
                }
                assert_eq!(way.out, watch.body[dir], "seed {seed}");
                let gone = watch.consumed[dir] || dir == 1 && sim.local;
                assert_eq!(way.trailers_out, trailers[dir] && !gone, "seed {seed}");
                for seen in &watch.seen[..saw] {
                    assert!(seen.lanes[dir].end && seen.lanes[dir].bytes == way.out.len(), "seed {seed}");
                }
            }
            // Each filter that saw the request edited both heads once, responses from the last to the first.
            let order: Vec<String> = (0..saw).map(|index| index.to_string()).collect();
            assert_eq!(via(&sim.stream.request().headers), order.join(", ").as_bytes(), "seed {seed}");
            let order: Vec<String> = order.into_iter().rev().collect();
            let response = sim.stream.info.response.as_ref().unwrap();
            assert_eq!(via(&response.headers), order.join(", ").as_bytes(), "seed {seed}");
        }
        assert!(whole > 10_000 && replied > 2_000 && aborted > 500, "{whole} {replied} {aborted}");
    });
}

/// Makes the trailers the end of the body, as bytes; keeps all bytes till then where it is told to.
struct Consuming {
    keeps: bool,
    kept: Chunk,
}

impl Filter for Consuming {
    fn on_data(&mut self, _dir: Dir, data: &mut Chunk, end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        assert!(!end);
        if self.keeps {
            self.kept.append(std::mem::take(data));
            return Flow::Hold;
        }
        Flow::Continue
    }
    fn on_trailers(&mut self, _dir: Dir, trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        trailers.clear();
        self.kept.append(Chunk::from(Bytes::from_static(b"T")));
        Flow::Continue
    }
    fn take_kept(&mut self, _dir: Dir) -> Chunk {
        std::mem::take(&mut self.kept)
    }
}

/// Writes down what it is shown.
struct Observer(Rc<RefCell<Vec<String>>>);

impl Filter for Observer {
    fn on_data(&mut self, _dir: Dir, data: &mut Chunk, end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        let bytes: Vec<u8> = data.pieces().flatten().copied().collect();
        self.0.borrow_mut().push(format!("{}{}", bytes.escape_ascii(), if end { "." } else { "" }));
        Flow::Continue
    }
    fn on_trailers(&mut self, _dir: Dir, trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        self.0.borrow_mut().push(format!("{trailers:?}"));
        Flow::Continue
    }
}

#[test]
fn trailers_without_a_field_are_the_end_of_the_body() {
    on_worker(|rt| async move {
        for (keeps, out) in [(false, ["x", "T."].as_slice()), (true, &["xT."])] {
            let seen = [Rc::default(), Rc::default()];
            let observer = |at: usize| -> Box<dyn Filter> { Box::new(Observer(Rc::clone(&seen[at]))) };
            let filters = vec![observer(0), Box::new(Consuming { keeps, kept: Chunk::default() }), observer(1)];
            let mut stream = Driven::new(&rt, request(Method::Post, BodyLength::Unknown, &[]), &[]);
            stream.chain = Chain { filters, ..Chain::default() };
            assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
            stream.offer(Dir::Request, data("x", false));
            let mut trailers = HeaderList::new();
            trailers.push(HeaderId::Etag, b"y");
            let offer = stream.offer(Dir::Request, Part::Trailers(trailers));
            assert!(matches!(offer, Some(Offer::Part(Part::Data { end: true, .. }))), "{offer:?}");
            assert!(stream.poll(Dir::Request).is_none() && !stream.chain.is_waiting(Dir::Request));
            assert_eq!(*seen[0].borrow(), ["x", "[etag: y]"]);
            assert_eq!(*seen[1].borrow(), out);
        }
    });
}

/// Waits for ever in one direction.
struct Stuck(Dir);

impl Filter for Stuck {
    fn on_data(&mut self, dir: Dir, _data: &mut Chunk, _end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        if dir == self.0 { Flow::Wait } else { Flow::Continue }
    }
    fn poll_resume(&mut self, dir: Dir, _task: &mut Context<'_>, _cx: &mut StreamCx<'_>) -> Poll<Flow> {
        assert_eq!(dir, self.0);
        Poll::Pending
    }
}

#[test]
fn a_wait_in_one_direction_does_not_stop_the_other() {
    on_worker(|rt| async move {
        for stuck in DIRS {
            let mut stream = Driven::new(&rt, request(Method::Post, BodyLength::Unknown, &[]), &[]);
            stream.chain = Chain { filters: vec![Box::new(Stuck(stuck))], ..Chain::default() };
            assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
            stream.respond(response(200, &[]));
            assert!(stream.offer(stuck, data("x", false)).is_none());
            let free = if stuck == Dir::Request { Dir::Response } else { Dir::Request };
            for last in [false, true] {
                assert!(stream.poll(stuck).is_none() && stream.chain.is_waiting(stuck));
                assert!(stream.poll(free).is_none() && !stream.chain.is_waiting(free));
                assert!(matches!(stream.offer(free, data("y", last)), Some(Offer::Part(_))));
            }
        }
    });
}

/// Keeps everything, even the end.
struct Greedy;

impl Filter for Greedy {
    fn on_data(&mut self, _dir: Dir, _data: &mut Chunk, _end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Hold
    }
    fn on_trailers(&mut self, _dir: Dir, _trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Hold
    }
}

#[test]
fn keeping_the_end_is_a_reset() {
    on_worker(|rt| async move {
        for last in [data("x", true), Part::Trailers(HeaderList::new())] {
            let mut stream = Driven::new(&rt, request(Method::Post, BodyLength::Unknown, &[]), &[]);
            stream.chain = Chain { filters: vec![Box::new(Greedy)], ..Chain::default() };
            assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
            assert!(matches!(stream.offer(Dir::Request, data("x", false)), Some(Offer::More)));
            assert!(matches!(stream.offer(Dir::Request, last), Some(Offer::Reset(HELD_END))));
        }
    });
}

#[test]
fn an_empty_chain_passes_everything_and_holds_no_memory() {
    on_worker(|rt| async move {
        let mut stream = Driven::new(&rt, request(Method::Post, BodyLength::Unknown, &[]), &[]);
        assert!(stream.chain.is_empty() && stream.chain.filters.capacity() == 0);
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
        assert!(matches!(stream.offer(Dir::Request, data("x", true)), Some(Offer::Part(_))));
        stream.respond(response(200, &[]));
        assert!(!stream.chain.is_waiting(Dir::Request));
    });
}
