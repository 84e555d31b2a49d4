//! `subset` of a route, held against the `subsets` of its clusters.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::balancing::read_subset;
use super::text::{Complaint, Cx, Node, quote};
use super::{SubsetFallback, Subsets};

/// Reads it. Refused is what no request could get a host by: a cluster without a way to part its hosts by these keys, and
/// without a fallback. Where there is one, a staged change may want it so. `names`: the clusters of the route.
pub(super) fn read(cx: &Cx, node: &Node, names: &[&str]) -> Option<BTreeMap<String, String>> {
    let subset = read_subset(cx, node)?;
    let parted: Vec<(&str, Option<Rc<Subsets>>)> =
        names.iter().filter_map(|name| Some((*name, cx.subsets_of(name)?))).collect();
    let has_keys = |subsets: &Subsets| subsets.keys.iter().any(|keys| keys.iter().eq(subset.keys()));
    let keys = list(subset.keys());
    for (name, subsets) in &parted {
        let Some(subsets) = subsets.as_ref().filter(|subsets| !has_keys(subsets)) else { continue };
        let ways = subsets.keys.iter().map(|keys| format!("[{}]", list(keys))).collect::<Vec<_>>().join(" or ");
        if subsets.fallback == SubsetFallback::None {
            let what = format!("the cluster {} has no subsets by [{keys}], and no fallback", quote(name));
            cx.refuse::<()>(node, Complaint::new(what).expected(ways));
        } else {
            let what =
                format!("the cluster {} has no subsets by [{keys}]: its fallback takes the requests", quote(name));
            cx.warn(node, Complaint::new(what).expected(ways));
        }
    }
    // Of several clusters some may have none.
    if !names.is_empty() && parted.len() == names.len() && parted.iter().all(|(_, subsets)| subsets.is_none()) {
        cx.warn(node, format!("has no effect: {} has no \"subsets\"", list(names)));
    }
    Some(subset)
}

/// Warns of a route without a `subset` that leads to no host.
pub(super) fn warn_of_none(cx: &Cx, node: &Node, names: &[&str]) {
    let lacks = |name: &&str| matches!(cx.subsets_of(name), Some(Some(it)) if it.fallback == SubsetFallback::None);
    if let Some(name) = names.iter().find(|name| lacks(name)) {
        let what = format!("has no \"subset\": the cluster {} has no fallback, and no host for it", quote(name));
        cx.warn(node, what);
    }
}

fn list(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(", ")
}
