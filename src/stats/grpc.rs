//! `cluster.<name>.grpc.<service>.<method>.`: calls of one gRPC method. Made by the filter `grpc_stats`, as a family.

use super::{Counter, Histogram, Metric, ScopeStats};
use crate::grpc::Status;

/// One method of one cluster. What is zero for want of cause is not listed: statuses that never came, and the time where
/// nobody asked for it.
#[derive(Debug, Default)]
pub struct GrpcMethodStats {
    status: [Counter; Status::ALL.len()],
    success: Counter,
    failure: Counter,
    total: Counter,
    pub request_message_count: Counter,
    pub response_message_count: Counter,
    pub upstream_rq_time: Histogram,
}

impl GrpcMethodStats {
    /// Counts a call that is over. `None`: it ended without a status, or with one that is not known.
    pub fn outcome(&self, status: Option<Status>) {
        if let Some(status) = status {
            self.status[status as usize].inc();
        }
        if status == Some(Status::Ok) {
            self.success.inc()
        } else {
            self.failure.inc()
        }
        self.total.inc();
    }
}

impl ScopeStats for GrpcMethodStats {
    fn visit(&self, visitor: &mut dyn FnMut(&'static str, Metric<'_>)) {
        for ((_, number, _), counter) in Status::ALL.iter().zip(&self.status) {
            if counter.get() > 0 {
                visitor(number, Metric::Counter(counter));
            }
        }
        let counters = [
            ("success", &self.success),
            ("failure", &self.failure),
            ("total", &self.total),
            ("request_message_count", &self.request_message_count),
            ("response_message_count", &self.response_message_count),
        ];
        for (name, counter) in counters {
            visitor(name, Metric::Counter(counter));
        }
        if self.upstream_rq_time.snapshot().count() > 0 {
            visitor("upstream_rq_time", Metric::Histogram(&self.upstream_rq_time));
        }
    }
}
