//! Orders of operators, by the admin port.

use std::cell::RefCell;
use std::rc::Rc;

use super::process::Process;
use super::run::{Event, RunError};
use crate::runtime::control::{Control, Sender};

/// What an operator wants of the control thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Drain,
    Quit,
    ReopenLogs,
}

/// Opens the admin port, if there is one.
pub(super) async fn start(_control: &Control, _process: &Rc<RefCell<Process>>, _events: &Sender<Event>) -> Result<(), RunError> {
    Ok(())
}
