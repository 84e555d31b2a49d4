//! Whose turn it is (RFC 9218): the lowest urgency first. Among equals, streams that say they are of no use in part go one
//! after the other in the order of their identifiers, all others take turns frame by frame.

use std::collections::VecDeque;

use nuncio_http::HeaderList;

/// Urgencies are 0 to 7.
const LEVELS: usize = 8;

/// RFC 9218 section 4.1.
const DEFAULT_URGENCY: u8 = 3;

/// What a `priority` field or a PRIORITY_UPDATE says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority {
    /// 0 to 7, 0 first.
    urgency: u8,
    /// It is said that the response is of no use in part.
    in_order: bool,
}

impl Priority {
    /// Nothing was said.
    pub(crate) const DEFAULT: Priority = Priority { urgency: DEFAULT_URGENCY, in_order: false };

    /// Reads `u=` and `i` of a dictionary (RFC 9218 section 4, RFC 8941 section 3.2) and ignores the rest of it, and
    /// values that make no sense.
    pub(crate) fn parse(value: &[u8]) -> Priority {
        let mut priority = Priority { urgency: DEFAULT_URGENCY, in_order: true };
        for member in value.split(|&byte| byte == b',') {
            match member.trim_ascii() {
                [b'u', b'=', urgency @ b'0'..=b'7'] => priority.urgency = urgency & 7,
                b"i" | b"i=?1" => priority.in_order = false,
                b"i=?0" => priority.in_order = true,
                _ => {}
            }
        }
        priority
    }

    /// Of a request or response head.
    pub(crate) fn of(headers: &HeaderList) -> Priority {
        let field = headers.iter().find(|field| field.name == b"priority");
        field.map_or(Priority::DEFAULT, |field| Priority::parse(field.value))
    }
}

/// A stream that has something to send and a window to send it.
#[derive(Debug, Clone, Copy)]
struct Ready {
    slot: u32,
    id: u32,
    priority: Priority,
}

/// The streams that are ready.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    ready: VecDeque<Ready>,
    /// How many of them are of each urgency.
    levels: [u32; LEVELS],
}

impl Schedule {
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn insert(&mut self, slot: u32, id: u32, priority: Priority) {
        self.ready.push_back(Ready { slot, id, priority });
        if let Some(level) = self.levels.get_mut(usize::from(priority.urgency)) {
            *level += 1;
        }
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(at) = self.ready.iter().position(|ready| ready.slot == slot) else { return };
        if let Some(ready) = self.ready.remove(at)
            && let Some(level) = self.levels.get_mut(usize::from(ready.priority.urgency))
        {
            *level = level.saturating_sub(1);
        }
    }

    /// The slot of the stream that sends the next frame. It stays ready until it is removed.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let urgency = self.levels.iter().position(|&count| count > 0)?;
        let at = self.ready.iter().position(|ready| usize::from(ready.priority.urgency) == urgency)?;
        let turn = self.ready.remove(at)?;
        // Whoever is served, this turn is over.
        self.ready.push_back(turn);
        if !turn.priority.in_order {
            return Some(turn.slot);
        }
        // The turns of streams that go in order are all used by the first of them.
        let in_order = self.ready.iter().filter(|ready| ready.priority == turn.priority);
        in_order.min_by_key(|ready| ready.id).map(|first| first.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_fields() {
        let priority = |urgency, in_order| Priority { urgency, in_order };
        for (text, expected) in [
            ("", priority(3, true)),
            ("u=0", priority(0, true)),
            ("u=7, i", priority(7, false)),
            ("i, u=1", priority(1, false)),
            ("i=?1", priority(3, false)),
            ("i=?0,u=2", priority(2, true)),
            ("u=8", priority(3, true)),
            ("u=-1", priority(3, true)),
            ("u=1;x=y", priority(3, true)),
            ("foo, u=5, bar=\"u=1\"", priority(5, true)),
            ("\0\u{7f}", priority(3, true)),
        ] {
            assert_eq!(Priority::parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    fn turns(streams: &[(u32, Priority)], count: usize) -> Vec<u32> {
        let mut schedule = Schedule::default();
        for &(id, priority) in streams {
            schedule.insert(id / 2, id, priority);
        }
        (0..count).map(|_| schedule.next().unwrap() * 2 + 1).collect()
    }

    #[test]
    fn the_urgent_first_and_equals_by_turns_or_in_order() {
        let (turn, urgent) = (Priority::DEFAULT, Priority::parse(b"u=1,i"));
        let order = Priority::parse(b"");
        assert_eq!(turns(&[(1, turn), (3, turn), (5, turn)], 6), [1, 3, 5, 1, 3, 5]);
        assert_eq!(turns(&[(1, turn), (3, urgent), (5, urgent)], 4), [3, 5, 3, 5]);
        assert_eq!(turns(&[(5, order), (3, order), (1, order)], 3), [1, 1, 1]);
        assert_eq!(turns(&[(5, order), (7, turn), (3, order)], 6), [3, 7, 3, 3, 7, 3], "all get on");
    }

    #[test]
    fn what_is_removed_has_no_turn() {
        let mut schedule = Schedule::default();
        schedule.insert(0, 1, Priority::DEFAULT);
        schedule.insert(1, 3, Priority::parse(b"u=0"));
        assert_eq!(schedule.next(), Some(1));
        schedule.remove(1);
        schedule.remove(1);
        assert_eq!(schedule.next(), Some(0));
        schedule.remove(0);
        assert_eq!(schedule.next(), None);
        assert!(schedule.is_empty());
    }
}
