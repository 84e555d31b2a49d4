//! A value that the control thread replaces now and then, and that workers read often: a look costs one relaxed load while
//! nothing has changed; the lock is taken only to fetch a new value.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The writer's end, shared with those who make readers of it.
#[derive(Debug)]
pub struct Published<T> {
    version: AtomicU64,
    value: Mutex<Arc<T>>,
}

/// A worker's end.
#[derive(Debug)]
pub struct Reader<T> {
    published: Arc<Published<T>>,
    version: Cell<u64>,
    value: RefCell<Arc<T>>,
}

impl<T> Published<T> {
    pub fn new(value: T) -> Published<T> {
        Published { version: AtomicU64::new(0), value: Mutex::new(Arc::new(value)) }
    }

    pub fn get(&self) -> Arc<T> {
        // Nothing that runs under the lock panics; were it otherwise, the value would still be whole.
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives what was there before.
    pub fn set(&self, value: T) -> Arc<T> {
        let before =
            std::mem::replace(&mut *self.value.lock().unwrap_or_else(PoisonError::into_inner), Arc::new(value));
        // Behind the value: who sees the version finds it, or a newer one.
        self.version.fetch_add(1, Ordering::Release);
        before
    }

    pub fn reader(self: &Arc<Self>) -> Reader<T> {
        let version = self.version.load(Ordering::Acquire);
        Reader { version: Cell::new(version), value: RefCell::new(self.get()), published: self.clone() }
    }
}

impl<T> Reader<T> {
    /// The newest value, if it is another one than at the last look.
    pub fn newer(&self) -> Option<Arc<T>> {
        let version = self.published.version.load(Ordering::Acquire);
        (version != self.version.get()).then(|| self.get())
    }

    /// The newest value.
    pub fn get(&self) -> Arc<T> {
        let version = self.published.version.load(Ordering::Acquire);
        if version != self.version.replace(version) {
            *self.value.borrow_mut() = self.published.get();
        }
        self.value.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_what_was_set_last() {
        let published = Arc::new(Published::new(1));
        let (one, other) = (published.reader(), published.reader());
        assert_eq!((*one.get(), *other.get()), (1, 1));
        assert_eq!(one.newer(), None);
        published.set(2);
        assert_eq!((one.newer().as_deref(), one.newer()), (Some(&2), None));
        published.set(3);
        assert_eq!((*one.get(), *other.get(), *published.reader().get()), (3, 3, 3));
    }
}
