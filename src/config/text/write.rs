//! How values are written, so that reading them again yields the same: the other half of `read`.

use std::fmt::Display;
use std::time::Duration;

use nuncio_http::HeaderName;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::units;

pub(crate) fn duration<S: Serializer>(value: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&units::format_duration(*value))
}

/// `None` is `"off"`.
pub(crate) fn duration_or_off<S: Serializer>(value: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => duration(value, out),
        None => out.serialize_str("off"),
    }
}

/// The outer `None` is no key at all; see `skip_serializing_if`.
pub(crate) fn own_duration_or_off<S: Serializer>(value: &Option<Option<Duration>>, out: S) -> Result<S::Ok, S::Error> {
    duration_or_off(&value.flatten(), out)
}

pub(crate) fn size<S: Serializer, T: Copy + TryInto<u64>>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    // Every size that is read fits.
    let bytes = (*value).try_into().unwrap_or(u64::MAX);
    match units::format_size(bytes) {
        Some(text) => out.serialize_str(&text),
        None => out.serialize_u64(bytes),
    }
}

/// `None` is `"off"`.
pub(crate) fn or_off<S: Serializer, T: Serialize>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
    or_word(value, "off", out)
}

/// `None` is `"auto"`.
pub(crate) fn or_auto<S: Serializer, T: Serialize>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
    or_word(value, "auto", out)
}

fn or_word<S: Serializer, T: Serialize>(value: &Option<T>, word: &str, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(out),
        None => out.serialize_str(word),
    }
}

/// A whole number where it is one: 5, not 5.0.
pub(crate) fn percent<S: Serializer>(value: &f64, out: S) -> Result<S::Ok, S::Error> {
    // From 0 to 100, so that whole ones fit.
    if value.fract() == 0.0 { out.serialize_u64(*value as u64) } else { out.serialize_f64(*value) }
}

pub(crate) fn display<S: Serializer, T: Display>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(crate) fn display_list<S: Serializer, T: Display>(list: &[T], out: S) -> Result<S::Ok, S::Error> {
    let mut seq = out.serialize_seq(Some(list.len()))?;
    for value in list {
        seq.serialize_element(&format_args!("{value}"))?;
    }
    seq.end()
}

/// Pairs as an object, in their order.
pub(crate) fn pairs<S: Serializer, V: Serialize>(pairs: &[(String, V)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// As `pairs`, by header name.
pub(crate) fn header_pairs<S: Serializer, V: Serialize>(pairs: &[(HeaderName, V)], out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name.as_str(), value)?;
    }
    map.end()
}
