//! So many at once, the others in the order they came: for TLS handshakes, which cost a thousand times what a request
//! does (row L-6).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Of one worker.
pub struct Gate {
    free: Cell<usize>,
    next: Cell<u64>,
    waiting: RefCell<VecDeque<(u64, Waker)>>,
}

/// One that wants through, or is. Dropping it lets the next one in.
pub(super) struct Pass {
    gate: Rc<Gate>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// By its place in the queue.
    Waiting(u64),
    Through,
}

impl Gate {
    pub fn new(most: usize) -> Gate {
        Gate { free: Cell::new(most), next: Cell::new(0), waiting: RefCell::default() }
    }

    fn wake_next(&self) {
        let next = self.waiting.borrow().front().map(|(_, waker)| waker.clone());
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Pass {
    pub(super) fn new(gate: &Rc<Gate>) -> Pass {
        Pass { gate: gate.clone(), state: State::New }
    }

    /// Ready when it is through; it stays so.
    pub(super) fn poll(&mut self, task: &Context<'_>) -> Poll<()> {
        if self.state == State::Through {
            return Poll::Ready(());
        }
        let mut waiting = self.gate.waiting.borrow_mut();
        let first = waiting.front().map(|(place, _)| *place);
        if self.gate.free.get() > 0 && first.is_none_or(|first| self.state == State::Waiting(first)) {
            if first.is_some() {
                waiting.pop_front();
            }
            self.gate.free.set(self.gate.free.get() - 1);
            self.state = State::Through;
            drop(waiting);
            if self.gate.free.get() > 0 {
                self.gate.wake_next();
            }
            return Poll::Ready(());
        }
        match self.state {
            State::Waiting(place) => {
                if let Some((_, waker)) = waiting.iter_mut().find(|(waiting, _)| *waiting == place) {
                    waker.clone_from(task.waker());
                }
            }
            _ => {
                let place = self.gate.next.get();
                self.gate.next.set(place + 1);
                waiting.push_back((place, task.waker().clone()));
                self.state = State::Waiting(place);
            }
        }
        Poll::Pending
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        match self.state {
            State::New => return,
            State::Waiting(place) => self.gate.waiting.borrow_mut().retain(|(waiting, _)| *waiting != place),
            State::Through => self.gate.free.set(self.gate.free.get() + 1),
        }
        self.gate.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_in_their_order() {
        let gate = Rc::new(Gate::new(2));
        let task = Context::from_waker(Waker::noop());
        let mut passes: Vec<Pass> = (0..5).map(|_| Pass::new(&gate)).collect();
        let through = |passes: &mut Vec<Pass>| -> Vec<bool> {
            passes.iter_mut().map(|pass| pass.poll(&task).is_ready()).collect()
        };
        assert_eq!(through(&mut passes), [true, true, false, false, false]);
        // One that waits goes away, one that is through too: the next in the queue is in, not the last.
        passes.remove(2);
        passes.remove(0);
        assert!(passes[2].poll(&task).is_pending(), "not its turn");
        assert_eq!(through(&mut passes), [true, true, false]);
        passes.clear();
        assert_eq!((gate.free.get(), gate.waiting.borrow().len()), (2, 0));
    }
}
