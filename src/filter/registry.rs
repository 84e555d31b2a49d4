//! From the configuration's `type` to the filter: one exhaustive match.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FilterFactory;
use crate::config::{Filter, FilterOverride};

/// The filters of a listener or route, in the order of the configuration.
pub type Factories = [Arc<dyn FilterFactory>];

/// The factory for each configured filter.
pub fn build(filters: &[Filter]) -> Vec<Arc<dyn FilterFactory>> {
    filters.iter().map(factory).collect()
}

fn factory(filter: &Filter) -> Arc<dyn FilterFactory> {
    todo!()
}
