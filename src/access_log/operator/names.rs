//! The names, and what a misspelt one probably means.

use crate::access_log::FormatErrorKind;

/// Every name, for the hint after a misspelt one.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "START_TIME", "EMIT_TIME", "PROTOCOL", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG", "BYTES_RECEIVED", "BYTES_SENT", "DURATION", "REQUEST_DURATION", "REQUEST_TX_DURATION",
    "RESPONSE_DURATION", "RESPONSE_TX_DURATION", "COMMON_DURATION", "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_CLUSTER", "UPSTREAM_LOCAL_ADDRESS", "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT", "ROUTE_NAME", "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_LOCAL_PORT", "CONNECTION_ID", "REQ", "RESP", "TRAILER",
    "HOSTNAME", "ENVIRONMENT",
];

pub(super) fn unknown(name: &str) -> FormatErrorKind {
    let wrong = name.to_ascii_uppercase();
    let nearest = NAMES.iter().map(|&known| (distance(&wrong, known), known)).min();
    let near = |&(distance, known): &(usize, &str)| distance <= known.len() / 3;
    FormatErrorKind::Unknown { name: name.to_owned(), nearest: nearest.filter(near).map(|(_, known)| known) }
}

/// Insertions, deletions and substitutions that make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}
