//! Numbers about everything. Slots are found when the configuration is built; counting is one relaxed load and one
//! relaxed store to a slot that only this thread writes. Readers sum over the threads. Names are Envoy's.
//! `Registry` lives on the control thread; the formats beside it turn its snapshot into text.

mod cluster;
mod codes;
mod dns;
mod family;
mod filter;
mod grpc;
mod health_check;
mod histogram;
mod host;
mod http;
mod http2;
mod json;
mod listener;
mod metric;
mod outlier;
mod prometheus;
mod registry;
mod runtime;
mod scope;
mod server;
mod tcp;
mod text;
mod tls;
mod udp;

pub use cluster::ClusterStats;
pub use codes::Codes;
pub use dns::DnsStats;
pub use family::{Family, Origin};
pub use filter::{
    BufferStats, ClientTlsAuthStats, ConnectionLimitStats, CorsStats, FaultStats, HealthCheckFilterStats,
    LocalRateLimitStats, RbacStats,
};
pub use grpc::GrpcMethodStats;
pub use health_check::HealthCheckStats;
pub use histogram::{BOUNDS_MS, Histogram, HistogramSnapshot, QUANTILES};
pub use host::HostStats;
pub use http::HttpStats;
pub use http2::Http2Stats;
pub use listener::ListenerStats;
pub use metric::{Counter, Gauge, SharedCounter, SharedGauge};
pub use outlier::OutlierStats;
pub use prometheus::CONTENT_TYPE as PROMETHEUS_CONTENT_TYPE;
pub use registry::{Filter, Registry, Sample, Snapshot, Value};
pub use runtime::RuntimeStats;
pub use scope::{Handle, LazyHandle, Metric, Scope, ScopeStats};
pub use server::{AccessLogStats, ClusterManagerStats, ListenerManagerStats, ServerStats, resident_bytes};
pub use tcp::TcpStats;
pub use tls::{CertificateStats, TlsStats};
pub use udp::{ClusterUdpStats, UdpStats};
