//! Sets of HTTP statuses: `[200, "300-399"]`. Both ends of a range are within.

use std::ops::RangeInclusive;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::config::text::{Complaint, Cx, Kind, Node, quote, read};

/// Some HTTP statuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    pub fn one(status: u16) -> Statuses {
        Statuses(vec![status..=status])
    }

    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One or more statuses and ranges of them.
pub(super) fn read(cx: &Cx, node: &Node) -> Option<Statuses> {
    read::some(read_range)(cx, node).map(Statuses)
}

fn read_range(cx: &Cx, node: &Node) -> Option<RangeInclusive<u16>> {
    const EXPECTED: &str = "a status from 100 to 599, or a range such as \"200-299\"";
    match node.kind() {
        Kind::Number => read::integer(100..=599)(cx, node).map(|status| status..=status),
        Kind::String => {
            let text = read::string(cx, node)?;
            let ends = text.split_once('-').unwrap_or((&text, &text));
            let number = |digits: &str| {
                let plain = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
                digits.parse::<u16>().ok().filter(|status| plain && (100..=599).contains(status))
            };
            match (number(ends.0), number(ends.1)) {
                (Some(first), Some(last)) if first <= last => Some(first..=last),
                _ => cx.refuse(node, Complaint::new(format!("{} is no status", quote(&text))).expected(EXPECTED)),
            }
        }
        _ => cx.wrong_type(node, EXPECTED),
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut seq = out.serialize_seq(Some(self.0.len()))?;
        for range in &self.0 {
            if range.start() == range.end() {
                seq.serialize_element(range.start())?;
            } else {
                seq.serialize_element(&format_args!("{}-{}", range.start(), range.end()))?;
            }
        }
        seq.end()
    }
}
