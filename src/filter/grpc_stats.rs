//! `grpc_stats`: counts gRPC calls by cluster, service and method, with Envoy's names below `cluster.<name>.grpc.`.
//!
//! Which methods there are comes from the network, so their counters are made as they come up: in a
//! [`Family`], which all workers read without a lock. A call to a known method costs a hash of its path
//! and no text. Only methods that the configuration lists have counters of their own, or, where it says so, all up to
//! [`MOST`] over all clusters; what is beyond is `grpc.other`. All that has none of its own is counted in `grpc` itself.
//!
//! Calls that Envoy leaves out are counted too: one that ends without a status is a failure (with the status that its HTTP
//! status stands for, if it was answered and not cut off). Messages are counted as they pass, by their prefixes.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_http::{HeaderId, HeaderList, RequestHead, ResponseHead};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Chunk, Dir, Filter, FilterFactory, Flow, StreamCx, StreamEnd};
use crate::config;
use crate::grpc::{Frames, Kind, Status, is_grpc};
use crate::stats::{Family, GrpcMethodStats, Handle, Origin};
use crate::stream::StreamInfo;

/// Most methods with counters of their own that nobody listed, over all clusters: each is some hundred bytes a worker, and
/// some lines of what operators scrape.
const MOST: usize = 1000;

/// Longest path that is taken for a method, in bytes.
const LONGEST: usize = 256;

/// No path: they begin with a slash.
const ALL_OTHERS: &[u8] = b"";
const BEYOND: &[u8] = b"other";

/// `grpc_stats`.
pub(super) struct GrpcStatsFactory(PerWorker<Settings>);

struct Settings {
    worker: usize,
    family: Arc<Family<GrpcMethodStats>>,
    all: bool,
    /// Paths.
    listed: Arc<HashSet<Box<[u8]>>>,
    time: bool,
}

/// Two allocations a gRPC stream: this, and its path, which is gone from the head once that is rewritten. None for others.
struct GrpcStats {
    settings: Shared<Settings>,
    /// It is a gRPC request, and counts as this: `ALL_OTHERS`, `BEYOND` or a path.
    key: Option<Box<[u8]>>,
    /// Once the cluster is known.
    stats: Option<Handle<GrpcMethodStats>>,
    frames: [Frames; 2],
    /// Messages that came before the cluster was known.
    pending: [u64; 2],
    status: Answered,
}

/// What was heard of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// No `grpc-status` so far.
    Nothing,
    /// `None`: a status that is not known.
    With(Option<Status>),
}

impl GrpcStatsFactory {
    pub(super) fn new(config: &config::GrpcStats, cx: &mut Build<'_>) -> GrpcStatsFactory {
        let family = cx.registry.family("cluster", cx.workers, MOST);
        let listed = config.methods.iter().map(|method| format!("/{method}").into_bytes().into()).collect();
        let listed = Arc::new(listed);
        GrpcStatsFactory(PerWorker::new(cx.workers, |worker| Settings {
            worker,
            family: Arc::clone(&family),
            all: config.stats_for_all_methods,
            listed: Arc::clone(&listed),
            time: config.enable_upstream_stats,
        }))
    }
}

impl FilterFactory for GrpcStatsFactory {
    /// For gRPC-Web too: it may be gRPC once it comes here.
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        cx.info.request.as_ref().and_then(|head| Kind::of(&head.headers))?;
        Some(Box::new(GrpcStats {
            settings: self.0.of(cx.rt)?,
            key: None,
            stats: None,
            frames: Default::default(),
            pending: [0; 2],
            status: Answered::Nothing,
        }))
    }
}

impl Filter for GrpcStats {
    fn on_request_head(&mut self, head: &mut RequestHead, _cx: &mut StreamCx<'_>) -> Flow {
        self.key = is_grpc(&head.headers).then(|| self.settings.key(head.path()).into());
        Flow::Continue
    }

    fn on_response_head(&mut self, head: &mut ResponseHead, cx: &mut StreamCx<'_>) -> Flow {
        self.status = Answered::Nothing;
        self.hear(&head.headers);
        self.find(cx.info);
        Flow::Continue
    }

    fn on_data(&mut self, dir: Dir, data: &mut Chunk, _end: bool, cx: &mut StreamCx<'_>) -> Flow {
        if self.key.is_some() {
            let frames = &mut self.frames[dir as usize];
            self.pending[dir as usize] += data.pieces().map(|piece| frames.pass(piece)).sum::<u64>();
            self.find(cx.info);
        }
        Flow::Continue
    }

    fn on_trailers(&mut self, dir: Dir, trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        if dir == Dir::Response {
            self.hear(trailers);
        }
        Flow::Continue
    }

    fn on_end(&mut self, end: &StreamEnd<'_>) {
        self.find(end.info);
        let Some(stats) = &self.stats else { return };
        let status = match self.status {
            Answered::With(status) => status,
            Answered::Nothing if matches!(end.info.status, 0 | 200) => None,
            Answered::Nothing => Some(Status::from_http(end.info.status)),
        };
        stats.outcome(status);
        let times = &end.info.times;
        if self.settings.time
            && let (Some(sent), Some(answered)) = (times.upstream_request_end, times.response_end)
        {
            stats.upstream_rq_time.record(answered.saturating_duration_since(sent));
        }
    }
}

impl GrpcStats {
    fn hear(&mut self, fields: &HeaderList) {
        if let Some(value) = fields.get(HeaderId::GrpcStatus) {
            self.status = Answered::With(Status::parse(value));
        }
    }

    /// Finds the counters as soon as the cluster is known, and brings the messages there.
    fn find(&mut self, info: &StreamInfo) {
        if let (None, Some(key), Some(cluster)) = (&self.stats, &self.key, &info.cluster) {
            self.stats = self.settings.find(cluster, key);
        }
        if let Some(stats) = &self.stats {
            let [requests, responses] = std::mem::take(&mut self.pending);
            stats.request_message_count.add(requests);
            stats.response_message_count.add(responses);
        }
    }
}

impl Settings {
    /// What a call of this path counts as.
    fn key<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        match self.all {
            true if is_method(path) => path,
            true => BEYOND,
            false if self.listed.contains(path) => path,
            false => ALL_OTHERS,
        }
    }

    fn find(&self, cluster: &str, key: &[u8]) -> Option<Handle<GrpcMethodStats>> {
        let origin = if self.all && key.first() == Some(&b'/') { Origin::Network } else { Origin::Config };
        let scope = self.family.get_or_add(cluster, key, origin, || name(key));
        let scope = scope.or_else(|| self.family.get_or_add(cluster, BEYOND, Origin::Config, || name(BEYOND)));
        scope.map(|scope| scope.worker(self.worker))
    }
}

/// `/package.Service/Method`.
fn is_method(path: &[u8]) -> bool {
    let mut parts = path.split(|&byte| byte == b'/');
    let empty = |part: Option<&[u8]>| part.is_some_and(<[u8]>::is_empty);
    let full = |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty());
    path.len() <= LONGEST && empty(parts.next()) && full(parts.next()) && full(parts.next()) && parts.next().is_none()
}

/// The name of a key's counters, of letters, digits, `_`, `-` and `.` only.
fn name(key: &[u8]) -> String {
    let mut name = "grpc".to_owned();
    if !key.is_empty() {
        let key = key.strip_prefix(b"/").unwrap_or(key);
        name.push('.');
        name.extend(key.iter().map(|&byte| match byte {
            b'/' => '.',
            b'.' | b'-' | b'_' => char::from(byte),
            _ if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '_',
        }));
    }
    name
}

#[cfg(test)]
mod tests;
