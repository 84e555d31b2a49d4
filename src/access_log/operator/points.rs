//! Durations between two points in time of a stream.

use std::time::Instant;

use super::Operator;
use crate::stream::StreamInfo;

/// A point in time of a stream, in Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Point {
    DsRxBeg,
    DsRxEnd,
    UsCxEnd,
    UsTxBeg,
    UsTxEnd,
    UsRxBeg,
    UsRxEnd,
    DsTxEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

pub(super) fn common_duration(argument: &str) -> Option<Operator> {
    let mut words = argument.split(':');
    let (from, to) = (Point::parse(words.next()?)?, Point::parse(words.next()?)?);
    let unit = match words.next()? {
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        _ => return None,
    };
    words.next().is_none().then_some(Operator::Duration(from, to, unit))
}

/// `None`: one of the two was not reached, or they are the wrong way round.
pub(super) fn duration(info: &StreamInfo, from: Point, to: Point, unit: Unit) -> Option<u64> {
    let span = to.of(info)?.checked_duration_since(from.of(info)?)?;
    let value = match unit {
        Unit::Millis => span.as_millis(),
        Unit::Micros => span.as_micros(),
        Unit::Nanos => span.as_nanos(),
    };
    u64::try_from(value).ok()
}

impl Point {
    fn parse(word: &str) -> Option<Point> {
        Some(match word {
            "DS_RX_BEG" => Point::DsRxBeg,
            "DS_RX_END" => Point::DsRxEnd,
            // The connection is ready when the handshake is over.
            "US_CX_END" | "US_HS_END" => Point::UsCxEnd,
            "US_TX_BEG" => Point::UsTxBeg,
            "US_TX_END" => Point::UsTxEnd,
            "US_RX_BEG" => Point::UsRxBeg,
            "US_RX_END" => Point::UsRxEnd,
            "DS_TX_END" => Point::DsTxEnd,
            _ => return None,
        })
    }

    fn of(self, info: &StreamInfo) -> Option<Instant> {
        let times = &info.times;
        match self {
            Point::DsRxBeg => Some(info.start),
            Point::DsRxEnd => times.request_end,
            Point::UsCxEnd => times.upstream_ready,
            Point::UsTxBeg => times.upstream_request_start,
            Point::UsTxEnd => times.upstream_request_end,
            Point::UsRxBeg => times.response_start,
            Point::UsRxEnd => times.response_end,
            Point::DsTxEnd => times.end,
        }
    }
}
