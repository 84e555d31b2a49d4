//! All scopes by prefix, on the control thread. A prefix that a reload asks for again gets the scope it had, so its
//! counters go on; a scope that nobody holds any more is forgotten.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use regex_lite::Regex;

use super::scope::AnyScope;
use super::{Family, HistogramSnapshot, Scope, ScopeStats};
use crate::order;

/// Every scope of the process.
#[derive(Default)]
pub struct Registry {
    scopes: BTreeMap<(Arc<str>, TypeId), Entry>,
}

struct Entry {
    scope: Arc<dyn AnyScope>,
    /// Counters as they stood at the last reset, by prefix and name: they have one writer each, and it is not the control
    /// thread.
    baseline: BTreeMap<(Arc<str>, Cow<'static, str>), u64>,
}

/// One value under its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `cluster.app`; empty at the top.
    pub prefix: Arc<str>,
    /// `upstream_rq_total`
    pub name: Cow<'static, str>,
    pub value: Value,
}

/// A value, summed over all threads.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Counter(u64),
    Gauge(i64),
    Histogram(Box<HistogramSnapshot>),
}

/// What a snapshot leaves out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only names in which this is found.
    pub name: Option<Regex>,
    /// Only values that are not zero.
    pub used_only: bool,
}

/// All values at one moment, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    pub samples: Vec<Sample>,
}

impl Registry {
    pub fn new() -> Registry {
        Registry::default()
    }

    /// The scope of this type under this prefix, such as `cluster.app`: the one it had, or a new one. Characters
    /// that a name must not have (`:` above all) become `_`.
    pub fn scope<T: ScopeStats>(&mut self, prefix: &str, workers: usize) -> Arc<Scope<T>> {
        self.entry(prefix, TypeId::of::<T>(), workers, || Scope::new(workers))
    }

    /// The family of this type under this prefix, as [`Registry::scope`]. `limit`: most members from the network.
    pub fn family<T: ScopeStats>(&mut self, prefix: &str, workers: usize, limit: usize) -> Arc<Family<T>> {
        self.entry(prefix, TypeId::of::<Family<T>>(), workers, || Family::new(workers, limit))
    }

    /// What stands under this key, if it is for as many workers, or else what `make` makes.
    fn entry<S: AnyScope>(&mut self, prefix: &str, id: TypeId, workers: usize, make: impl FnOnce() -> S) -> Arc<S> {
        let key = (Arc::from(clean(prefix)), id);
        if let Some(entry) = self.scopes.get(&key)
            && entry.scope.workers() == workers
        {
            let scope: Arc<dyn Any + Send + Sync> = Arc::clone(&entry.scope) as _;
            if let Ok(scope) = scope.downcast() {
                return scope;
            }
        }
        let scope = Arc::new(make());
        let entry = Entry { scope: Arc::clone(&scope) as _, baseline: BTreeMap::new() };
        self.scopes.insert(key, entry);
        scope
    }

    /// Forgets the scopes that neither the configuration nor a thread holds. Called by `snapshot`.
    pub fn sweep(&mut self) {
        self.scopes.retain(|_, entry| Arc::strong_count(&entry.scope) > 1 || entry.scope.is_used());
    }

    /// All values that pass the filter, sorted by full name.
    pub fn snapshot(&mut self, filter: &Filter) -> Snapshot {
        self.sweep();
        let mut samples = Vec::new();
        for ((prefix, _), entry) in &self.scopes {
            entry.scope.collect(&mut |owner, values| {
                let prefix = owned(prefix, owner);
                for (name, mut value) in values {
                    if let Value::Counter(count) = &mut value {
                        let key = (Arc::clone(&prefix), name.clone());
                        *count = count.wrapping_sub(entry.baseline.get(&key).copied().unwrap_or(0));
                    }
                    let sample = Sample { prefix: Arc::clone(&prefix), name, value };
                    if filter.passes(&sample) {
                        samples.push(sample);
                    }
                }
            });
        }
        let mut named: Vec<_> = samples.into_iter().map(|sample| (sample.full_name(), sample)).collect();
        order::sort_by(&mut named, |(one, _), (other, _)| one.cmp(other));
        Snapshot { samples: named.into_iter().map(|(_, sample)| sample).collect() }
    }

    /// Counters count from zero again.
    pub fn reset_counters(&mut self) {
        for ((prefix, _), entry) in &mut self.scopes {
            let baseline = &mut entry.baseline;
            entry.scope.collect(&mut |owner, values| {
                let prefix = owned(prefix, owner);
                for (name, value) in values {
                    if let Value::Counter(count) = value {
                        baseline.insert((Arc::clone(&prefix), name), count);
                    }
                }
            });
        }
    }
}

impl Sample {
    /// `cluster.app.upstream_rq_total`
    pub fn full_name(&self) -> String {
        let dot = if self.prefix.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.prefix, self.name)
    }
}

impl Value {
    fn is_zero(&self) -> bool {
        match self {
            Value::Counter(count) => *count == 0,
            Value::Gauge(value) => *value == 0,
            Value::Histogram(histogram) => histogram.count() == 0,
        }
    }
}

impl Filter {
    fn passes(&self, sample: &Sample) -> bool {
        let named = || self.name.as_ref().is_none_or(|regex| regex.is_match(&sample.full_name()));
        !(self.used_only && sample.value.is_zero()) && named()
    }
}

/// The prefix of an owner's values.
fn owned(prefix: &Arc<str>, owner: Option<&str>) -> Arc<str> {
    owner.map_or_else(|| Arc::clone(prefix), |owner| format!("{prefix}.{}", clean(owner)).into())
}

/// Envoy replaces `:`, which separates name and value in statsd; control characters would break the text formats.
fn clean(prefix: &str) -> String {
    prefix.chars().map(|c| if c == ':' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{ClusterStats, CorsStats, HttpStats, Origin};

    fn value(registry: &mut Registry, name: &str) -> Option<Value> {
        let snapshot = registry.snapshot(&Filter::default());
        snapshot.samples.into_iter().find(|sample| sample.full_name() == name).map(|sample| sample.value)
    }

    #[test]
    fn a_prefix_asked_for_again_goes_on_counting() {
        let mut registry = Registry::new();
        let first = registry.scope::<ClusterStats>("cluster.app", 1);
        first.worker(0).upstream_cx_total.add(5);
        let again = registry.scope::<ClusterStats>("cluster.app", 1);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(value(&mut registry, "cluster.app.upstream_cx_total"), Some(Value::Counter(5)));
    }

    #[test]
    fn a_scope_goes_with_its_last_holder() {
        let mut registry = Registry::new();
        let scope = registry.scope::<ClusterStats>("cluster.app", 1);
        let draining = scope.worker(0);
        drop(scope);
        assert!(value(&mut registry, "cluster.app.upstream_cx_total").is_some(), "a worker still counts");
        drop(draining);
        assert_eq!(value(&mut registry, "cluster.app.upstream_cx_total"), None);
    }

    #[test]
    fn two_types_share_a_prefix_and_names_are_clean() {
        let mut registry = Registry::new();
        let _http = registry.scope::<HttpStats>("http.0.0.0.0:80", 1);
        let cors = registry.scope::<CorsStats>("http.0.0.0.0:80", 1);
        cors.worker(0).origin_valid.inc();
        assert_eq!(value(&mut registry, "http.0.0.0.0_80.cors.origin_valid"), Some(Value::Counter(1)));
        assert_eq!(value(&mut registry, "http.0.0.0.0_80.downstream_rq_total"), Some(Value::Counter(0)));
    }

    #[test]
    fn filters_select() {
        let mut registry = Registry::new();
        let scope = registry.scope::<ClusterStats>("cluster.app", 1);
        scope.worker(0).upstream_rq_total.inc();
        let names = |registry: &mut Registry, filter: &Filter| -> Vec<String> {
            registry.snapshot(filter).samples.iter().map(Sample::full_name).collect()
        };
        let used = Filter { used_only: true, name: None };
        assert_eq!(names(&mut registry, &used), ["cluster.app.upstream_rq_total"]);
        let named = Filter { used_only: false, name: Some(Regex::new("membership_h|rq_rx_").unwrap()) };
        assert_eq!(
            names(&mut registry, &named),
            ["cluster.app.membership_healthy", "cluster.app.upstream_rq_rx_reset"]
        );
        let all = names(&mut registry, &Filter::default());
        assert!(all.is_sorted() && all.len() > 30);
    }

    #[test]
    fn a_family_lists_what_it_has_while_somebody_holds_it() {
        let mut registry = Registry::new();
        let family = registry.family::<CorsStats>("cluster", 1, 0);
        assert!(Arc::ptr_eq(&family, &registry.family("cluster", 1, 0)));
        let member = family.get_or_add("a:b", b"key", Origin::Config, || "x".into()).unwrap().worker(0);
        member.origin_valid.inc();
        let name = "cluster.a_b.x.cors.origin_valid";
        assert_eq!(value(&mut registry, name), Some(Value::Counter(1)));
        registry.reset_counters();
        assert_eq!(value(&mut registry, name), Some(Value::Counter(0)));
        member.origin_valid.inc();
        assert_eq!(value(&mut registry, name), Some(Value::Counter(1)));
        drop(family);
        assert!(value(&mut registry, name).is_some(), "a worker still counts");
        drop(member);
        assert_eq!(value(&mut registry, name), None);
    }

    #[test]
    fn a_reset_takes_counters_only() {
        let mut registry = Registry::new();
        let scope = registry.scope::<ClusterStats>("cluster.app", 1);
        scope.worker(0).response(200);
        scope.worker(0).upstream_rq_active.inc();
        registry.reset_counters();
        assert_eq!(value(&mut registry, "cluster.app.upstream_rq_200"), Some(Value::Counter(0)));
        assert_eq!(value(&mut registry, "cluster.app.upstream_rq_active"), Some(Value::Gauge(1)));
        scope.worker(0).response(200);
        assert_eq!(value(&mut registry, "cluster.app.upstream_rq_200"), Some(Value::Counter(1)));
    }
}
