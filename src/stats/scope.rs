//! A scope is a struct of slots under one prefix, such as `cluster.app`. Each thread has its own instance, on cache
//! lines of its own, so that counting shares nothing; readers sum over the instances. An instance is made when it is first
//! counted on: most clusters have threads that never do.

use std::any::Any;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::registry::Value;
use super::{Codes, Counter, Gauge, Histogram, HistogramSnapshot, SharedCounter};

/// One slot, by kind.
#[derive(Debug, Clone, Copy)]
pub enum Metric<'a> {
    Counter(&'a Counter),
    SharedCounter(&'a SharedCounter),
    Gauge(&'a Gauge),
    Histogram(&'a Histogram),
    /// A family of counters: the status code is appended to the name.
    Codes(&'a Codes),
}

/// A struct of slots; made by the macro `scope!`.
pub trait ScopeStats: Default + Send + Sync + 'static {
    /// Offers each slot with its name.
    fn visit(&self, visitor: &mut dyn FnMut(&'static str, Metric<'_>));
}

/// Defines a scope: fields with their kinds. A name that is no identifier follows the kind.
macro_rules! scope {
    ($(#[$doc:meta])* $vis:vis struct $scope:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ident $(= $name:literal)?,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $vis struct $scope { $($(#[$field_doc])* pub $field: $crate::stats::$kind,)+ }

        impl $crate::stats::ScopeStats for $scope {
            // Not where it is called: there the visitor is known, and would be put in once a slot.
            #[inline(never)]
            fn visit(&self, visitor: &mut dyn FnMut(&'static str, $crate::stats::Metric<'_>)) {
                $(visitor($crate::stats::scope::name!($field $($name)?), $crate::stats::Metric::$kind(&self.$field));)+
            }
        }
    };
}

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

pub(super) use {name, scope};

/// The instances of one scope, one a worker and one for the control thread.
#[derive(Debug)]
pub struct Scope<T> {
    instances: Box<[OnceLock<Handle<T>>]>,
}

/// One thread's instance of a scope. Only that thread may count on it.
#[derive(Debug)]
pub struct Handle<T>(Arc<Aligned<T>>);

/// The same, but for who may never count: the instance is made when this is first looked at.
#[derive(Debug)]
pub struct LazyHandle<T> {
    scope: Arc<Scope<T>>,
    index: usize,
    made: OnceCell<Handle<T>>,
}

/// Keeps the instances of two threads off each other's cache lines; 128 because CPUs fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Aligned<T>(T);

impl<T: ScopeStats> Scope<T> {
    pub(super) fn new(workers: usize) -> Scope<T> {
        Scope { instances: (0..=workers).map(|_| OnceLock::new()).collect() }
    }

    /// The instance of worker `index`; index `workers` is the control thread's.
    pub fn worker(&self, index: usize) -> Handle<T> {
        debug_assert!(index < self.instances.len(), "no such worker");
        let instance = self.instances.get(index).unwrap_or(&self.instances[self.instances.len() - 1]);
        instance.get_or_init(Handle::detached).clone()
    }

    /// The same, made when it is first counted on.
    pub fn lazy_worker(self: &Arc<Self>, index: usize) -> LazyHandle<T> {
        LazyHandle { scope: self.clone(), index, made: OnceCell::new() }
    }

    /// The instances that were made.
    fn made(&self) -> impl Iterator<Item = &Handle<T>> {
        self.instances.iter().filter_map(OnceLock::get)
    }

    /// Some instance on which a thread has counted is as asked.
    pub fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        self.made().any(|instance| is(instance))
    }

    /// The values of scopes by name, summed over all their instances.
    pub(super) fn sum<'s>(scopes: impl IntoIterator<Item = &'s Scope<T>>) -> Values {
        let mut values = BTreeMap::new();
        for instance in scopes.into_iter().flat_map(Scope::made) {
            instance.visit(&mut |name, metric| add(&mut values, name, metric));
        }
        if values.is_empty() {
            // Nobody has counted: all values are there nevertheless.
            T::default().visit(&mut |name, metric| add(&mut values, name, metric));
        }
        values
    }

    /// The control thread's instance.
    pub fn control(&self) -> Handle<T> {
        self.worker(self.instances.len() - 1)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Handle<T> {
        Handle(Arc::clone(&self.0))
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: ScopeStats> Handle<T> {
    /// An instance that no registry knows, for tests and for what is built without one.
    pub fn detached() -> Handle<T> {
        Handle(Arc::default())
    }
}

impl<T> Clone for LazyHandle<T> {
    fn clone(&self) -> LazyHandle<T> {
        LazyHandle { scope: self.scope.clone(), index: self.index, made: self.made.clone() }
    }
}

impl<T: ScopeStats> Deref for LazyHandle<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.made.get_or_init(|| self.scope.worker(self.index))
    }
}

impl<T: ScopeStats> LazyHandle<T> {
    /// As [`Handle::detached`].
    pub fn detached() -> LazyHandle<T> {
        Arc::new(Scope::new(0)).lazy_worker(0)
    }
}

/// Values by name.
pub(super) type Values = BTreeMap<Cow<'static, str>, Value>;

/// A scope whose type is forgotten, as the registry keeps it.
pub(super) trait AnyScope: Any + Send + Sync {
    fn workers(&self) -> usize;
    /// Somebody holds an instance.
    fn is_used(&self) -> bool;
    /// Gives all values by name, summed over the instances. Where they have owners, the owner comes with its values: it
    /// stands between the prefix and the names.
    fn collect(&self, each: &mut dyn FnMut(Option<&str>, Values));
}

impl<T: ScopeStats> AnyScope for Scope<T> {
    fn workers(&self) -> usize {
        self.instances.len() - 1
    }

    fn is_used(&self) -> bool {
        self.made().any(|instance| Arc::strong_count(&instance.0) > 1)
    }

    fn collect(&self, each: &mut dyn FnMut(Option<&str>, Values)) {
        each(None, Scope::sum([self]));
    }
}

fn add(values: &mut Values, name: &'static str, metric: Metric<'_>) {
    let mut count = |name: Cow<'static, str>, amount: u64| {
        if let Value::Counter(sum) = values.entry(name).or_insert(Value::Counter(0)) {
            *sum = sum.wrapping_add(amount);
        }
    };
    match metric {
        Metric::Counter(counter) => count(Cow::Borrowed(name), counter.get()),
        Metric::SharedCounter(counter) => count(Cow::Borrowed(name), counter.get()),
        Metric::Codes(codes) => {
            for (code, amount) in codes.iter() {
                count(Cow::Owned(format!("{name}{code}")), amount);
            }
        }
        Metric::Gauge(gauge) => {
            if let Value::Gauge(sum) = values.entry(Cow::Borrowed(name)).or_insert(Value::Gauge(0)) {
                *sum = sum.wrapping_add(gauge.get());
            }
        }
        Metric::Histogram(histogram) => {
            let empty = || Value::Histogram(Box::<HistogramSnapshot>::default());
            if let Value::Histogram(sum) = values.entry(Cow::Borrowed(name)).or_insert_with(empty) {
                sum.add(histogram);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    scope! {
        struct Sample {
            hits: Counter,
            dotted: Counter = "cache.hits",
            active: Gauge,
            time: Histogram,
            codes: Codes = "rq_",
        }
    }

    #[test]
    fn an_instance_is_made_when_it_is_counted_on() {
        let scope = Arc::new(Scope::<Sample>::new(2));
        let (worker, same) = (scope.lazy_worker(1), scope.lazy_worker(1));
        assert_eq!(scope.made().count(), 0);
        assert_eq!(Scope::sum([&*scope])["hits"], Value::Counter(0), "the names are there");
        worker.hits.inc();
        same.hits.inc();
        assert_eq!((scope.made().count(), scope.worker(1).hits.get()), (1, 2));
        assert!(scope.any(|sample| sample.hits.get() == 2));
    }

    #[test]
    fn readers_sum_over_the_instances() {
        let scope = Scope::<Sample>::new(2);
        scope.worker(0).hits.add(3);
        scope.worker(1).hits.add(4);
        scope.control().hits.inc();
        scope.worker(0).active.inc();
        scope.worker(1).active.sub(1);
        scope.worker(1).codes.count(404);
        scope.worker(1).time.record(std::time::Duration::from_millis(2));
        let values = Scope::sum([&scope]);
        assert_eq!(values["hits"], Value::Counter(8));
        assert_eq!(values["active"], Value::Gauge(0));
        assert_eq!(values["rq_404"], Value::Counter(1));
        assert_eq!(values["cache.hits"], Value::Counter(0));
        assert_eq!(values.len(), 5);
        assert!(!scope.is_used());
        let handle = scope.worker(0);
        assert!(scope.is_used());
        assert_eq!(handle.clone().hits.get(), 3);
    }

    #[test]
    fn instances_share_no_cache_line() {
        let scope = Scope::<Sample>::new(1);
        let at = |handle: Handle<Sample>| &raw const *handle as usize;
        assert_eq!((at(scope.worker(0)) % 128, at(scope.worker(1)) % 128), (0, 0));
    }
}
