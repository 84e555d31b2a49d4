//! From the configuration's `type` to the filter: one exhaustive match.

use std::sync::Arc;

use super::FilterFactory;
use crate::config::Filter;
use crate::stats::Registry;

/// The filters of a listener or route, in the order of the configuration.
pub type Factories = [Arc<dyn FilterFactory>];

/// What a factory is built with.
pub struct Build<'a> {
    pub registry: &'a mut Registry,
    /// The listener's name: `http.NAME.` stands before the filter's own stats.
    pub listener: &'a str,
    pub workers: usize,
}

/// The factory for each configured filter.
pub fn build(filters: &[Filter], cx: &mut Build<'_>) -> Vec<Arc<dyn FilterFactory>> {
    filters.iter().map(|filter| factory(filter, cx)).collect()
}

fn factory(filter: &Filter, _cx: &mut Build<'_>) -> Arc<dyn FilterFactory> {
    match filter {
        _ => todo!(),
    }
}
