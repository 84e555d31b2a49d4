//! `/stats` as text: `name: value`, counters and gauges first, then histograms with their percentiles. Envoy prints
//! each percentile for the last interval and for all time; there is no interval here, so the first is `nan`.

use std::fmt::Write;

use super::{HistogramSnapshot, QUANTILES, Snapshot, Value};

impl Snapshot {
    pub fn to_text(&self) -> String {
        let (mut text, mut histograms) = (String::new(), String::new());
        for sample in &self.samples {
            let name = sample.full_name();
            // Writing to a String does not fail.
            let _ = match &sample.value {
                Value::Counter(count) => writeln!(text, "{name}: {count}"),
                Value::Gauge(value) => writeln!(text, "{name}: {value}"),
                Value::Histogram(histogram) => writeln!(histograms, "{name}: {}", percentiles(histogram)),
            };
        }
        text + &histograms
    }
}

fn percentiles(histogram: &HistogramSnapshot) -> String {
    let words: Option<Vec<String>> = QUANTILES
        .iter()
        .map(|&percent| histogram.quantile(percent).map(|value| format!("P{percent}(nan,{})", rounded(value))))
        .collect();
    words.map_or("No recorded values".to_owned(), |words| words.join(" "))
}

/// Interpolated values have no more than three useful decimals.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::stats::{Filter, HttpStats, Registry};

    #[test]
    fn text_is_as_envoy_prints_it() {
        let mut registry = Registry::new();
        let scope = registry.scope::<HttpStats>("http.web", 1);
        scope.worker(0).response(200);
        for _ in 0..4 {
            scope.worker(0).downstream_rq_time.record(Duration::from_millis(20));
        }
        let text = registry.snapshot(&Filter::default()).to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"http.web.downstream_rq_2xx: 1"));
        assert!(lines.contains(&"http.web.http1.requests_rejected_with_underscores_in_headers: 0"));
        assert_eq!(
            &lines[lines.len() - 2..],
            [
                "http.web.downstream_cx_length_ms: No recorded values",
                "http.web.downstream_rq_time: P0(nan,10) P25(nan,13.75) P50(nan,17.5) P75(nan,21.25) P90(nan,23.5) \
                 P95(nan,24.25) P99(nan,24.85) P99.5(nan,24.925) P99.9(nan,24.985) P100(nan,25)",
            ]
        );
    }
}
