//! What may be picked: made on the control thread whenever hosts or their health change, shared by all workers, never changed.

use std::sync::Arc;

use super::Host;

/// The hosts of a cluster at one time.
#[derive(Debug, Default)]
pub struct Plan {
    /// All of them.
    pub hosts: Vec<Arc<Host>>,
}
