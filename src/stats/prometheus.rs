//! `/stats/prometheus`: the text exposition format 0.0.4. What is a part of the name in Envoy's tree becomes a label,
//! as Envoy itself does it: the cluster, the HTTP prefix, the listener, the status code and its class.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::{HistogramSnapshot, Sample, Snapshot, Value};

/// The media type of this format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// First segment of a prefix, and the label that takes the rest.
const LABELS: [(&str, &str); 3] =
    [("cluster", "cluster_name"), ("http", "http_conn_manager_prefix"), ("listener", "listener_address")];

impl Snapshot {
    pub fn to_prometheus(&self) -> String {
        let mut families: BTreeMap<String, (&'static str, String)> = BTreeMap::new();
        for sample in &self.samples {
            let (name, labels) = name_and_labels(sample);
            let kind = match sample.value {
                Value::Counter(_) => "counter",
                Value::Gauge(_) => "gauge",
                Value::Histogram(_) => "histogram",
            };
            let (_, lines) = families.entry(name.clone()).or_insert_with(|| (kind, String::new()));
            // Writing to a String does not fail.
            let _ = match &sample.value {
                Value::Counter(count) => writeln!(lines, "{name}{} {count}", braces(&labels)),
                Value::Gauge(value) => writeln!(lines, "{name}{} {value}", braces(&labels)),
                Value::Histogram(histogram) => {
                    write_histogram(lines, &name, &labels, histogram);
                    Ok(())
                }
            };
        }
        let mut text = String::new();
        for (name, (kind, lines)) in families {
            let _ = write!(text, "# TYPE {name} {kind}\n{lines}");
        }
        text
    }
}

/// The metric's name, and its labels as they stand between the braces.
fn name_and_labels(sample: &Sample) -> (String, String) {
    let (family, owner) = sample.prefix.split_once('.').unwrap_or((&sample.prefix, ""));
    let grpc = (family == "cluster").then(|| split_grpc(&sample.name)).flatten();
    let (name, code) = match grpc {
        Some((leaf, _)) => (Cow::Owned(format!("grpc_{leaf}")), None),
        None => split_code(&sample.name),
    };
    let mut labels = String::new();
    let mut label = |key: &str, value: &str| {
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = write!(labels, "{comma}nuncio_{key}=\"{}\"", escape(value));
    };
    let mut full = format!("nuncio_{family}");
    match LABELS.iter().find(|(known, _)| *known == family) {
        Some((_, key)) if !owner.is_empty() => label(key, owner),
        _ if owner.is_empty() => {}
        _ => {
            full.push('_');
            full.push_str(owner);
        }
    }
    if let Some((_, of)) = grpc {
        let (service, method) = of.rsplit_once('.').unwrap_or((of, ""));
        for (key, value) in [("grpc_bridge_service", service), ("grpc_bridge_method", method)] {
            if !value.is_empty() {
                label(key, value);
            }
        }
    }
    if let Some((key, value)) = code {
        label(key, value);
    }
    full.push('_');
    full.push_str(&name);
    (full.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect(), labels)
}

/// A name's status code or class, taken out of it: `upstream_rq_503`, `upstream_rq_5xx`.
fn split_code(name: &str) -> (Cow<'_, str>, Option<(&'static str, &str)>) {
    let Some((stem, last)) = name.rsplit_once('_') else { return (Cow::Borrowed(name), None) };
    match last.as_bytes() {
        [b'1'..=b'5', b'x', b'x'] => (Cow::Owned(format!("{stem}_xx")), Some(("response_code_class", &last[..1]))),
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => (Cow::Borrowed(stem), Some(("response_code", last))),
        _ => (Cow::Borrowed(name), None),
    }
}

/// The last part of `grpc.pkg.Service.Method.total`, and what it is of: service and method, or nothing.
fn split_grpc(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("grpc.")?;
    let (of, leaf) = rest.rsplit_once('.').unwrap_or(("", rest));
    Some((leaf, of))
}

fn write_histogram(lines: &mut String, name: &str, labels: &str, histogram: &HistogramSnapshot) {
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, count) in histogram.cumulative() {
        let _ = writeln!(lines, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
    }
    let count = histogram.count();
    let _ = writeln!(lines, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(lines, "{name}_sum{} {}", braces(labels), histogram.sum_ms());
    let _ = writeln!(lines, "{name}_count{} {count}", braces(labels));
}

fn braces(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
