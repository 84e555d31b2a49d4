//! The place of a chain on a worker: connections hold it, and find the newest view in it. A reload makes a new view and
//! puts it into the slot; streams in flight keep the one they began with.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Connections;
use crate::server::Worker;

pub struct Slot<V> {
    pub worker: Rc<Worker>,
    /// The chain's name.
    pub name: Arc<str>,
    pub connections: Connections,
    view: RefCell<Rc<V>>,
}

impl<V> Slot<V> {
    pub fn new(worker: Rc<Worker>, name: Arc<str>, connections: Connections, view: Rc<V>) -> Slot<V> {
        Slot { worker, name, connections, view: RefCell::new(view) }
    }

    pub fn view(&self) -> Rc<V> {
        self.view.borrow().clone()
    }

    /// The same place, with a new view in it.
    pub fn with_view(self: &Rc<Self>, view: Rc<V>) -> Rc<Self> {
        *self.view.borrow_mut() = view;
        self.clone()
    }
}
