//! Values as requests read them: a default from the configuration, and what stands over it.

use std::sync::Arc;
use std::time::Duration;

use super::kind::MAINTENANCE_MODE;
use super::{Kind, RuntimeValue, RuntimeValues};
use crate::config::{Percent, Weight};

/// A share of requests.
#[derive(Debug, Clone)]
pub struct RuntimePercent {
    /// 0 to 100.
    default: f64,
    key: Option<Arc<str>>,
    value: Option<Arc<RuntimeValue>>,
}

impl RuntimePercent {
    /// `well_known`: the key where the configuration names none.
    pub fn new(config: &Percent, well_known: Option<&str>, values: &mut RuntimeValues) -> RuntimePercent {
        let key = config.key.as_deref().or(well_known);
        RuntimePercent {
            default: config.value,
            key: key.map(Arc::from),
            value: key.map(|key| values.intern(key, Kind::Percent)),
        }
    }

    /// A share that no value changes.
    pub fn fixed(percent: f64) -> RuntimePercent {
        RuntimePercent { default: percent, key: None, value: None }
    }

    /// As it is now, 0 to 100.
    #[inline]
    pub fn get(&self) -> f64 {
        self.value.as_ref().and_then(|value| value.get()).unwrap_or(self.default)
    }

    /// Whether it takes the request that has this number, which is uniform over 0 up to but not including 100.
    #[inline]
    pub fn takes(&self, point: f64) -> bool {
        point < self.get()
    }

    /// Whether it takes one more request, by a throw of its own.
    #[inline]
    pub fn is_hit(&self, rng: &mut fastrand::Rng) -> bool {
        let percent = self.get();
        percent > 0.0 && rng.f64() * 100.0 < percent
    }

    /// The key that changes it.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// A whole number.
#[derive(Debug, Clone)]
pub struct RuntimeNumber {
    default: u32,
    key: Option<Arc<str>>,
    value: Option<Arc<RuntimeValue>>,
}

impl RuntimeNumber {
    pub fn new(default: u32, key: &str, kind: Kind, values: &mut RuntimeValues) -> RuntimeNumber {
        RuntimeNumber { default, key: Some(key.into()), value: Some(values.intern(key, kind)) }
    }

    /// A share among others.
    pub fn of_weight(config: &Weight, values: &mut RuntimeValues) -> RuntimeNumber {
        match &config.key {
            Some(key) => RuntimeNumber::new(config.value, key, Kind::Weight, values),
            None => RuntimeNumber { default: config.value, key: None, value: None },
        }
    }

    #[inline]
    pub fn get(&self) -> u32 {
        // Every kind that is read as a whole number fits.
        self.value.as_ref().and_then(|value| value.get()).map_or(self.default, |number| number as u32)
    }

    /// What it is while nothing is said.
    pub fn default(&self) -> u32 {
        self.default
    }

    /// The key that changes it.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What the values say of one cluster.
#[derive(Debug)]
pub struct ClusterValues {
    /// `upstream.maintenance_mode.NAME`: the share of its requests that is refused. Default 0.
    pub maintenance_mode: RuntimePercent,
    /// `upstream.use_retry`: the share of retries that is made. Default 100.
    pub use_retry: RuntimePercent,
    base_retry_backoff_ms: RuntimeNumber,
}

impl ClusterValues {
    pub fn new(cluster: &str, values: &mut RuntimeValues) -> ClusterValues {
        let maintenance = format!("{MAINTENANCE_MODE}{cluster}");
        ClusterValues {
            maintenance_mode: RuntimePercent::new(&Percent::fixed(0.0), Some(&maintenance), values),
            use_retry: RuntimePercent::new(&Percent::fixed(100.0), Some("upstream.use_retry"), values),
            // 0 is no value that the key can have.
            base_retry_backoff_ms: RuntimeNumber::new(0, "upstream.base_retry_backoff_ms", Kind::Millis, values),
        }
    }

    /// The share that a text of `upstream.maintenance_mode.NAME` stands for.
    pub fn parse_maintenance(text: &str) -> Option<f64> {
        Kind::Percent.parse(text)
    }

    /// `upstream.base_retry_backoff_ms`, in place of a route's own base interval; `None`: it stays.
    #[inline]
    pub fn base_retry_backoff(&self) -> Option<Duration> {
        match self.base_retry_backoff_ms.get() {
            0 => None,
            millis => Some(Duration::from_millis(millis.into())),
        }
    }
}

impl Default for ClusterValues {
    /// Those of a cluster that nobody can say anything of.
    fn default() -> ClusterValues {
        ClusterValues::new("", &mut RuntimeValues::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_was_said_last() {
        let mut values = RuntimeValues::default();
        let percent = RuntimePercent::new(&Percent { value: 20.0, key: Some("k".into()) }, Some("other"), &mut values);
        assert!(percent.takes(19.99) && !percent.takes(20.0));
        values.modify(&[("other".into(), "90".into())]).unwrap();
        assert_eq!(percent.get(), 20.0, "the key of the configuration, and no other");
        values.modify(&[("k".into(), "0.5".into())]).unwrap();
        assert!(percent.takes(0.49) && !percent.takes(0.5));
        let mut rng = fastrand::Rng::with_seed(5);
        let hits = (0..100_000).filter(|_| percent.is_hit(&mut rng)).count();
        assert!((400..600).contains(&hits), "{hits}");
    }

    #[test]
    fn nothing_and_all() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            assert!(!RuntimePercent::fixed(0.0).is_hit(&mut rng));
            assert!(RuntimePercent::fixed(100.0).is_hit(&mut rng));
        }
    }

    #[test]
    fn a_cluster_has_its_values() {
        let mut values = RuntimeValues::default();
        let (app, other) = (ClusterValues::new("app", &mut values), ClusterValues::new("other", &mut values));
        assert_eq!((app.maintenance_mode.get(), app.use_retry.get(), app.base_retry_backoff()), (0.0, 100.0, None));
        let say = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let said = [say("upstream.maintenance_mode.app", "100"), say("upstream.base_retry_backoff_ms", "40")];
        values.modify(&said).unwrap();
        assert_eq!((app.maintenance_mode.get(), other.maintenance_mode.get()), (100.0, 0.0));
        assert_eq!(other.base_retry_backoff(), Some(Duration::from_millis(40)));
    }
}
