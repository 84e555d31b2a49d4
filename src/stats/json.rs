//! `/stats?format=json`: Envoy's shape, one array of values and, as its last element, all histograms.

use serde_json::{Value as Json, json};

use super::text::rounded;
use super::{QUANTILES, Snapshot, Value};

impl Snapshot {
    pub fn to_json(&self) -> Json {
        let (mut stats, mut histograms) = (Vec::new(), Vec::new());
        for sample in &self.samples {
            let name = sample.full_name();
            match &sample.value {
                Value::Counter(count) => stats.push(json!({ "name": name, "value": count })),
                Value::Gauge(value) => stats.push(json!({ "name": name, "value": value })),
                Value::Histogram(histogram) => {
                    let quantile = |percent| histogram.quantile(percent).map(rounded);
                    let values = QUANTILES.map(|percent| json!({ "interval": null, "cumulative": quantile(percent) }));
                    histograms.push(json!({ "name": name, "values": values }));
                }
            }
        }
        if !histograms.is_empty() {
            let all = json!({ "supported_quantiles": QUANTILES, "computed_quantiles": histograms });
            stats.push(json!({ "histograms": all }));
        }
        json!({ "stats": stats })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::stats::{Filter, ListenerStats, Registry};

    #[test]
    fn json_is_shaped_as_envoys() {
        let mut registry = Registry::new();
        let scope = registry.scope::<ListenerStats>("listener.[::1]:80", 1);
        scope.worker(0).downstream_cx_active.dec();
        scope.worker(0).downstream_cx_length_ms.record(Duration::from_millis(1));
        let json = registry.snapshot(&Filter { used_only: true, name: None }).to_json();
        assert_eq!(json["stats"][0], json!({ "name": "listener.[__1]_80.downstream_cx_active", "value": -1 }));
        let histograms = &json["stats"][1]["histograms"];
        assert_eq!(histograms["supported_quantiles"][8], json!(99.9));
        let computed = &histograms["computed_quantiles"][0];
        assert_eq!(computed["name"], "listener.[__1]_80.downstream_cx_length_ms");
        assert_eq!(computed["values"][9], json!({ "interval": null, "cumulative": 1.0 }));
        assert_eq!(json["stats"].as_array().unwrap().len(), 2);
    }
}
