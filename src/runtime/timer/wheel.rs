//! A two-level timing wheel, sans-IO: time is a tick number, a waker is any `W` (Varghese and Lauck 1987, scheme 7).
//!
//! Level 0 has 256 slots of one tick (4 ms), level 1 has 256 slots of 256 ticks (about 1 s). A deadline beyond both
//! (about 4 minutes) waits in the slot of its block and is looked at each time that comes round. An entry is queued at its
//! deadline or *before* it: see `set`. Slots are doubly linked lists through one arena, so nothing is allocated but entries.

use std::time::Duration;

/// The length of a tick.
pub(in super::super) const TICK: Duration = Duration::from_millis(4);

const SLOTS: usize = 256;
const NIL: u32 = u32::MAX;
/// `Entry::slot` of an entry that is in no list.
const UNQUEUED: u16 = u16::MAX;
const NO_DEADLINE: u64 = u64::MAX;

pub(in super::super) struct Wheel<W> {
    entries: Vec<Entry<W>>,
    free: u32,
    /// The last tick that has been dealt with.
    cursor: u64,
    /// First entry of each slot: level 0, then level 1.
    heads: Box<[u32; 2 * SLOTS]>,
    /// One bit a slot: is it occupied.
    occupied: [[u64; SLOTS / 64]; 2],
}

struct Entry<W> {
    deadline: u64,
    waker: Option<W>,
    prev: u32,
    /// The next in the slot, or in the free list.
    next: u32,
    slot: u16,
}

impl<W> Wheel<W> {
    pub(in super::super) fn new() -> Wheel<W> {
        Wheel {
            entries: Vec::new(),
            free: NIL,
            cursor: 0,
            heads: Box::new([NIL; 2 * SLOTS]),
            occupied: Default::default(),
        }
    }

    pub(in super::super) fn insert(&mut self) -> u32 {
        let entry = Entry { deadline: NO_DEADLINE, waker: None, prev: NIL, next: NIL, slot: UNQUEUED };
        if self.free == NIL {
            self.entries.push(entry);
            return (self.entries.len() - 1) as u32;
        }
        let index = self.free;
        self.free = self.at(index).next;
        *self.at_mut(index) = entry;
        index
    }

    /// Frees the entry and gives back what was parked on it.
    pub(in super::super) fn remove(&mut self, index: u32) -> Option<W> {
        self.unlink(index);
        let free = self.free;
        let entry = self.at_mut(index);
        entry.next = free;
        let waker = entry.waker.take();
        self.free = index;
        waker
    }

    pub(in super::super) fn deadline(&self, index: u32) -> Option<u64> {
        let deadline = self.at(index).deadline;
        (deadline != NO_DEADLINE).then_some(deadline)
    }

    /// Sets the deadline. An entry already queued at or before the new deadline is left there.
    pub(in super::super) fn set(&mut self, index: u32, deadline: Option<u64>) {
        let deadline = deadline.unwrap_or(NO_DEADLINE);
        let entry = self.at_mut(index);
        let earlier = deadline < entry.deadline;
        entry.deadline = deadline;
        let queued = entry.slot;
        if queued == UNQUEUED {
            self.enqueue(index);
        } else if earlier && self.slot_start(queued) > deadline {
            // not compared with the old deadline: a postponed entry is queued well before that
            self.unlink(index);
            self.enqueue(index);
        }
    }

    /// Where the entry's waker is parked; empty again once it has fired.
    pub(in super::super) fn waker(&mut self, index: u32) -> &mut Option<W> {
        &mut self.at_mut(index).waker
    }

    /// Moves the wheel to tick `now` and hands out the wakers of all entries whose deadline has come.
    pub(in super::super) fn advance(&mut self, now: u64, fired: &mut Vec<W>) {
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= now) {
            self.cursor = tick;
            if tick % SLOTS as u64 == 0 {
                self.empty_slot(SLOTS + block_slot(tick), fired);
            }
            self.empty_slot(tick as usize % SLOTS, fired);
        }
        self.cursor = self.cursor.max(now);
    }

    /// The next tick at which `advance` has anything to do.
    pub(in super::super) fn next_tick(&self) -> Option<u64> {
        let near = self.distance(0, self.cursor).map(|slots| self.cursor + slots);
        let block = self.cursor / SLOTS as u64;
        let far = self.distance(1, block).map(|slots| (block + slots) * SLOTS as u64);
        match (near, far) {
            (Some(near), Some(far)) => Some(near.min(far)),
            (near, far) => near.or(far),
        }
    }

    /// Fires what is due in a slot and queues the rest anew.
    fn empty_slot(&mut self, slot: usize, fired: &mut Vec<W>) {
        let mut index = std::mem::replace(&mut self.heads[slot], NIL);
        self.mark(slot, false);
        while index != NIL {
            let cursor = self.cursor;
            let entry = self.at_mut(index);
            let next = entry.next;
            entry.slot = UNQUEUED;
            if entry.deadline > cursor {
                self.enqueue(index);
            } else {
                fired.extend(entry.waker.take());
            }
            index = next;
        }
    }

    fn enqueue(&mut self, index: u32) {
        let deadline = self.at(index).deadline;
        if deadline == NO_DEADLINE {
            return;
        }
        let slot = self.slot_for(deadline);
        let head = std::mem::replace(&mut self.heads[slot as usize], index);
        let entry = self.at_mut(index);
        (entry.prev, entry.next, entry.slot) = (NIL, head, slot);
        if head != NIL {
            self.at_mut(head).prev = index;
        }
        self.mark(slot as usize, true);
    }

    fn unlink(&mut self, index: u32) {
        let Entry { prev, next, slot, .. } = *self.at(index);
        if slot == UNQUEUED {
            return;
        }
        if prev == NIL {
            self.heads[slot as usize] = next;
            self.mark(slot as usize, next != NIL);
        } else {
            self.at_mut(prev).next = next;
        }
        if next != NIL {
            self.at_mut(next).prev = prev;
        }
        self.at_mut(index).slot = UNQUEUED;
    }

    /// Where a deadline belongs as seen from the cursor. One already passed goes to the very next tick.
    fn slot_for(&self, deadline: u64) -> u16 {
        let deadline = deadline.max(self.cursor + 1);
        if deadline - self.cursor < SLOTS as u64 {
            return (deadline % SLOTS as u64) as u16;
        }
        (SLOTS + block_slot(deadline)) as u16
    }

    /// The tick at which an occupied slot comes round next.
    fn slot_start(&self, slot: u16) -> u64 {
        let slot = u64::from(slot);
        let ahead = |base: u64| (slot.wrapping_sub(base) % SLOTS as u64 + SLOTS as u64 - 1) % SLOTS as u64 + 1;
        if slot < SLOTS as u64 {
            self.cursor + ahead(self.cursor)
        } else {
            let block = self.cursor / SLOTS as u64;
            (block + ahead(block)) * SLOTS as u64
        }
    }

    /// How many slots after position `from` the next occupied one is: 1 to 256.
    fn distance(&self, level: usize, from: u64) -> Option<u64> {
        let words = &self.occupied[level];
        let first = (from as usize + 1) % SLOTS;
        let (word, bit) = (first / 64, first % 64);
        // the first word is looked at twice: its upper part at the start, its lower part at the end
        for step in 0..=words.len() {
            let at = (word + step) % words.len();
            let mask = match step {
                0 => u64::MAX << bit,
                4 => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let bits = words[at] & mask;
            if bits != 0 {
                let slot = at * 64 + bits.trailing_zeros() as usize;
                return Some(((slot + SLOTS - first) % SLOTS + 1) as u64);
            }
        }
        None
    }

    fn mark(&mut self, slot: usize, occupied: bool) {
        let word = &mut self.occupied[slot / SLOTS][slot % SLOTS / 64];
        let bit = 1 << (slot % 64);
        if occupied { *word |= bit } else { *word &= !bit }
    }

    fn at(&self, index: u32) -> &Entry<W> {
        &self.entries[index as usize]
    }

    fn at_mut(&mut self, index: u32) -> &mut Entry<W> {
        &mut self.entries[index as usize]
    }
}

fn block_slot(tick: u64) -> usize {
    (tick / SLOTS as u64) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// The simplest thing that is right: a list of deadlines.
    #[derive(Default)]
    struct Naive(HashMap<u32, Option<u64>>);

    impl Naive {
        fn advance(&mut self, now: u64) -> Vec<u32> {
            let due: Vec<u32> =
                self.0.iter().filter(|(_, at)| at.is_some_and(|at| at <= now)).map(|(id, _)| *id).collect();
            for id in &due {
                self.0.insert(*id, None);
            }
            due
        }
    }

    fn park(wheel: &mut Wheel<u32>, index: u32) {
        *wheel.waker(index) = Some(index);
    }

    #[test]
    fn agrees_with_the_naive_model() {
        for seed in 0..60 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut wheel, mut naive, mut now) = (Wheel::new(), Naive::default(), 0u64);
            for _ in 0..4000 {
                let ids: Vec<u32> = naive.0.keys().copied().collect();
                let picked = (!ids.is_empty()).then(|| ids[rng.usize(..ids.len())]);
                match (rng.u8(..10), picked) {
                    (0, _) | (_, None) => {
                        let index = wheel.insert();
                        park(&mut wheel, index);
                        assert!(naive.0.insert(index, None).is_none(), "an entry in use was handed out again");
                    }
                    (1, Some(id)) => {
                        naive.0.remove(&id);
                        assert_eq!(wheel.remove(id), Some(id));
                    }
                    (2, Some(id)) => {
                        naive.0.insert(id, None);
                        wheel.set(id, None);
                    }
                    (3..=7, Some(id)) => {
                        let span = [3, 200, 300, 70_000, 500_000][rng.usize(..5)];
                        let at = now + 1 + rng.u64(..span);
                        naive.0.insert(id, Some(at));
                        wheel.set(id, Some(at));
                    }
                    (_, Some(_)) => {
                        // as the loop does: never sleep past what the wheel asks for, sometimes be late
                        let next = wheel.next_tick();
                        if let Some(first) = naive.0.values().flatten().min() {
                            assert!(next.is_some_and(|next| next <= *first && next > now), "{next:?} {first} {now}");
                        }
                        let span = [2, 50, 2000, 100_000][rng.usize(..4)];
                        let step = 1 + rng.u64(..span);
                        now = if rng.bool() { next.unwrap_or(now + step) } else { now + step };
                        let mut fired = Vec::new();
                        wheel.advance(now, &mut fired);
                        let mut due = naive.advance(now);
                        due.sort_unstable();
                        fired.sort_unstable();
                        assert_eq!(fired, due, "seed {seed}, tick {now}");
                        for id in fired {
                            wheel.set(id, None);
                            park(&mut wheel, id);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn postponing_neither_requeues_nor_wakes() {
        let mut wheel = Wheel::new();
        let index = wheel.insert();
        park(&mut wheel, index);
        wheel.set(index, Some(15_000));
        let queued = wheel.at(index).slot;
        for now in 1..10_000 {
            wheel.set(index, Some(now + 15_000));
            assert_eq!(wheel.at(index).slot, queued);
        }
        let mut fired = Vec::new();
        wheel.advance(20_000, &mut fired);
        assert!(fired.is_empty());
        wheel.advance(24_999, &mut fired);
        assert_eq!(fired, [index]);
    }

    #[test]
    fn far_timers_wake_the_loop_about_once_a_second() {
        let mut wheel = Wheel::new();
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..5000 {
            let index = wheel.insert();
            wheel.set(index, Some(15_000 + rng.u64(..50_000)));
        }
        let (mut turns, mut fired) = (0, Vec::<()>::new());
        while let Some(tick) = wheel.next_tick().filter(|tick| *tick < 15_000) {
            wheel.advance(tick, &mut fired);
            turns += 1;
        }
        assert!(turns <= 15_000 / 256 + 1, "{turns}");
    }

    #[test]
    fn entries_are_small() {
        assert!(size_of::<Entry<std::task::Waker>>() <= 48);
    }
}
