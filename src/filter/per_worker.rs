//! What the filters of one configuration entry share: one value for each worker, so that a stream's reference to it
//! is counted on a cache line that no other worker writes.

use std::ops::Deref;
use std::sync::Arc;

use crate::runtime::Rt;

/// One `T` a worker.
#[derive(Debug)]
pub(super) struct PerWorker<T>(Box<[Shared<T>]>);

/// A reference to one worker's `T`: all that a stateless filter holds.
#[derive(Debug)]
pub(super) struct Shared<T>(Arc<Aligned<T>>);

/// Keeps the values of two workers off each other's cache lines; 128 because CPUs fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Aligned<T>(T);

impl<T> PerWorker<T> {
    /// `make` gets the worker's index.
    pub(super) fn new(workers: usize, mut make: impl FnMut(usize) -> T) -> PerWorker<T> {
        PerWorker((0..workers).map(|index| Shared(Arc::new(Aligned(make(index))))).collect())
    }

    /// The value of the worker that runs this. `None`: there is no such worker.
    pub(super) fn of(&self, rt: &Rt) -> Option<Shared<T>> {
        let shared = self.0.get(rt.worker_index());
        debug_assert!(shared.is_some(), "no such worker");
        shared.map(|shared| Shared(shared.0.clone()))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}
