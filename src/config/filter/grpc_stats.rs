//! `grpc_stats`: counts the calls of gRPC methods.

use serde::Serialize;

use crate::config::text::{Complaint, Cx, Node, Object, quote, read};

/// `grpc_stats`: counters by cluster, service and method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrpcStats {
    /// Every method that is called has counters of its own, up to a limit. Default false: only `methods`.
    pub stats_for_all_methods: bool,
    /// `package.Service/Method`. All others are counted together. Default: none.
    pub methods: Vec<String>,
    /// Also a histogram of the time from the end of the request to the end of the response. Default false.
    pub enable_upstream_stats: bool,
}

pub(super) fn read(cx: &Cx, node: &Node, o: &mut Object, base: Option<&GrpcStats>) -> Option<GrpcStats> {
    o.later(&["emit_filter_state", "individual_method_stats_allowlist", "replace_dots_in_grpc_service_name"]);
    let given = o.has("methods");
    let default = GrpcStats { stats_for_all_methods: false, methods: Vec::new(), enable_upstream_stats: false };
    let base = base.cloned().unwrap_or(default);
    let mut stats = GrpcStats {
        stats_for_all_methods: o.optional("stats_for_all_methods", base.stats_for_all_methods, read::boolean),
        methods: o.optional("methods", base.methods, read::one_or_list(read_method)),
        enable_upstream_stats: o.optional("enable_upstream_stats", base.enable_upstream_stats, read::boolean),
    };
    if stats.stats_for_all_methods {
        if given && !stats.methods.is_empty() {
            cx.warn(node, "\"methods\" has no effect: every method has counters of its own");
        }
        stats.methods.clear();
    }
    Some(stats)
}

fn read_method(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    match text.split_once('/') {
        Some((service, method)) if sound(service) && sound(method) => Some(text),
        _ => {
            let complaint = Complaint::new(format!("{} is not a method", quote(&text)));
            cx.refuse(node, complaint.expected("\"package.Service/Method\""))
        }
    }
}
