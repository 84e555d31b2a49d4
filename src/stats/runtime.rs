//! `runtime.`: the values that change while the proxy runs.

use super::scope::scope;

scope! {
    /// Counted by the control thread.
    pub struct RuntimeStats {
        /// Changes put in force: by the file, or by an operator.
        load_success: Counter,
        /// Changes of an operator that were refused.
        load_error: Counter,
        num_keys: Gauge,
        num_layers: Gauge,
        /// 1 while an operator has set a value.
        admin_overrides_active: Gauge,
    }
}
