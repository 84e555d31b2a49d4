//! One set of records, as it was heard last. The rule of row 12: who does not know takes nothing away.
//!
//! ```text
//!   records  -> they replace what was there
//!   none     -> what was there stays until this has been heard for `hold`
//!   failure  -> what was there stays
//! ```

use std::time::{Duration, Instant};

/// What was heard of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// At least one.
    Records(Vec<T>),
    /// There are none.
    Nothing,
    Failure,
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    /// `None`: nobody has said anything yet.
    last: Option<Vec<T>>,
    /// Since when it has been said that there are none, while there are some here.
    gone: Option<Instant>,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot { last: None, gone: None }
    }
}

impl<T: Ord> Slot<T> {
    pub(super) fn hear(&mut self, now: Instant, hold: Duration, heard: Heard<T>) {
        match heard {
            Heard::Failure => {}
            Heard::Records(mut records) => {
                records.sort_unstable();
                records.dedup();
                (self.last, self.gone) = (Some(records), None);
            }
            Heard::Nothing if self.records().is_empty() => (self.last, self.gone) = (Some(Vec::new()), None),
            Heard::Nothing => {
                let since = *self.gone.get_or_insert(now);
                if now.saturating_duration_since(since) >= hold {
                    (self.last, self.gone) = (Some(Vec::new()), None);
                }
            }
        }
    }

    /// Sorted, each once.
    pub(super) fn records(&self) -> &[T] {
        self.last.as_deref().unwrap_or_default()
    }

    /// Somebody has said something definite.
    pub(super) fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// When to hear again that there are none, for that to count.
    pub(super) fn held_until(&self, hold: Duration) -> Option<Instant> {
        self.gone.map(|since| since + hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control;

    const HOLD: Duration = Duration::from_secs(30);

    #[test]
    fn nothing_counts_when_it_has_been_said_for_a_while() {
        let begun = control::now();
        let mut slot = Slot::default();
        let mut hear = |seconds, heard| {
            slot.hear(begun + Duration::from_secs(seconds), HOLD, heard);
            (slot.records().to_vec(), slot.held_until(HOLD).map(|it| (it - begun).as_secs()))
        };
        assert_eq!(hear(0, Heard::Failure), (vec![], None));
        assert_eq!(hear(1, Heard::Records(vec![2, 1, 2])), (vec![1, 2], None));
        assert_eq!(hear(2, Heard::Failure), (vec![1, 2], None));
        assert_eq!(hear(10, Heard::Nothing), (vec![1, 2], Some(40)));
        assert_eq!(hear(20, Heard::Failure), (vec![1, 2], Some(40)));
        assert_eq!(hear(39, Heard::Nothing), (vec![1, 2], Some(40)));
        assert_eq!(hear(39, Heard::Records(vec![3])), (vec![3], None), "it is back: from the start");
        assert_eq!(hear(41, Heard::Nothing), (vec![3], Some(71)));
        assert_eq!(hear(71, Heard::Nothing), (vec![], None));
        assert_eq!(hear(72, Heard::Records(vec![4])), (vec![4], None));
    }

    #[test]
    fn nothing_is_believed_at_once_where_there_was_nothing() {
        let mut slot = Slot::<u8>::default();
        assert!(!slot.is_known());
        slot.hear(control::now(), HOLD, Heard::Nothing);
        assert!(slot.is_known() && slot.held_until(HOLD).is_none());
    }
}
