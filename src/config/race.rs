//! `race` of a route: when the first host is slow, a second one is asked as well, and the first answer wins.

use std::time::Duration;

use nuncio_http::Method;
use serde::{Serialize, Serializer};

use super::text::{Complaint, Cx, Node, quote, read, write};

/// When one more host is asked, and how many requests may be that dear.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Race {
    /// How long the hosts that were asked may take. Default `"p95"`.
    pub after: RaceAfter,
    /// Most hosts of one request, 2 to 10. Default 2.
    pub max: u32,
    /// Most requests on top of those of clients, of each worker to each cluster. Default 10.
    #[serde(serialize_with = "write::percent")]
    pub budget_percent: f64,
    /// Requests that may be acted on twice. Default GET and HEAD.
    #[serde(serialize_with = "write::display_list")]
    pub methods: Vec<Method>,
}

/// A time, or one that is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaceAfter {
    /// Zero: at once.
    Time(Duration),
    /// The time in which so many of a hundred requests to the cluster were answered of late: 50 to 99.
    Percentile(u8),
}

impl Serialize for RaceAfter {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            RaceAfter::Time(time) => write::duration(time, out),
            RaceAfter::Percentile(percent) => out.collect_str(&format_args!("p{percent}")),
        }
    }
}

impl Default for Race {
    fn default() -> Race {
        Race {
            after: RaceAfter::Percentile(95),
            max: 2,
            budget_percent: 10.0,
            methods: vec![Method::Get, Method::Head],
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Race> {
    let default = Race::default();
    let mut o = cx.object(node)?;
    let race = Race {
        after: o.optional("after", default.after, read_after),
        max: o.optional("max", default.max, read::integer(2..=10)),
        budget_percent: o.optional("budget_percent", default.budget_percent, read::percent),
        methods: o.optional("methods", default.methods, read::some(read_method)),
    };
    o.finish();
    Some(race)
}

fn read_after(cx: &Cx, node: &Node) -> Option<RaceAfter> {
    const EXPECTED: &str = "a duration such as \"20ms\", or \"p50\" to \"p99\"";
    let text = read::string(cx, node)?;
    match text.strip_prefix('p') {
        None => read::duration(cx, node).map(RaceAfter::Time),
        Some(percent) => match percent.parse() {
            Ok(percent @ 50..=99) => Some(RaceAfter::Percentile(percent)),
            _ => cx.refuse(node, Complaint::new(format!("{} is no such time", quote(&text))).expected(EXPECTED)),
        },
    }
}

fn read_method(cx: &Cx, node: &Node) -> Option<Method> {
    let method = read::method(cx, node)?;
    match method {
        Method::Connect => cx.refuse(node, "a tunnel goes to one host"),
        method if !method.is_idempotent() => {
            cx.warn(node, format!("two hosts may act on the same {method}"));
            Some(method)
        }
        method => Some(method),
    }
}
