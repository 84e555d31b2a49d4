//! `priority` of a route: by which of a cluster's two circuit breakers its requests are counted.

use serde::Serialize;

/// Which circuit breaker (Envoy's `RoutingPriority`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    #[default]
    Default,
    /// For requests that must come through when the others have used up theirs.
    High,
}

impl Priority {
    pub const ALL: [Priority; 2] = [Priority::Default, Priority::High];

    pub(super) const NAMES: &[(&str, Priority)] = &[("default", Priority::Default), ("high", Priority::High)];

    pub(super) fn is_default(&self) -> bool {
        *self == Priority::Default
    }
}
