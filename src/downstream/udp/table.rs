//! The sessions of a listener on one worker: by key for what comes from clients, by index for what comes from hosts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::session::{Key, Session};

#[derive(Default)]
pub(super) struct Table {
    /// Clients choose their addresses: the hasher has a secret of its own.
    by_key: HashMap<Key, u32>,
    /// A place is used again; what still names it then reads a socket in vain, at worst.
    slots: Vec<Option<Session>>,
    free: Vec<u32>,
}

impl Table {
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, index: u32) -> Option<&Session> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Session> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// The place that the next session will have.
    pub(super) fn next_index(&self) -> u32 {
        // Each has a file descriptor: there are far fewer than 2^32.
        self.free.last().copied().unwrap_or(self.slots.len() as u32)
    }

    /// Adds a session, at `next_index`.
    pub(super) fn insert(&mut self, session: Session) -> u32 {
        let index = self.next_index();
        self.by_key.insert(session.key, index);
        match self.free.pop() {
            Some(index) => self.slots[index as usize] = Some(session),
            None => self.slots.push(Some(session)),
        }
        index
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Session> {
        let session = self.slots.get_mut(index as usize)?.take()?;
        self.by_key.remove(&session.key);
        self.free.push(index);
        if self.by_key.is_empty() {
            // After a flood the memory goes back.
            *self = Table::default();
        }
        Some(session)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Those without a datagram since `idle` before `now`; a limit of zero means all.
    pub(super) fn idle(&self, now: Instant, idle: Duration) -> Vec<u32> {
        let is_idle = |session: &Session| now.saturating_duration_since(session.last) >= idle;
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| slot.as_ref().is_some_and(is_idle)).map(|(at, _)| at as u32).collect()
    }
}
