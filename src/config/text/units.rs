//! Durations, sizes: text to value and back.

use std::time::Duration;

/// Longest duration taken: a year. Timers and sums of timers hold it.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `"250ms"`, `"1.5s"`, `"10m"`, `"1h"`: whole milliseconds, at most a year.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text);
    let &(_, millis) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or(match unit {
        "" => "has no unit",
        "d" => "days are not a unit here: write hours",
        "us" | "ns" => "is finer than a millisecond",
        _ => "is not a duration",
    })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return Err("is not a duration");
    }
    // At most nine digits, and a power of ten of as many.
    let scale = 10u64.pow(fraction.len() as u32);
    let part: u64 = fraction.parse().map_err(|_| "is not a duration")?;
    if !(part * millis).is_multiple_of(scale) {
        return Err("is finer than a millisecond");
    }
    let total = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(millis));
    total
        .and_then(|total| total.checked_add(part * millis / scale))
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or("is longer than a year")
}

/// In the largest unit that needs no fraction.
pub(crate) fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = |unit: &&(&str, u64)| millis != 0 && millis.is_multiple_of(unit.1);
    match DURATION_UNITS.iter().rev().find(whole) {
        Some((unit, size)) => format!("{}{unit}", millis / size),
        None => "0s".to_owned(),
    }
}

/// `"16KiB"`, `"1MiB"`, `"512B"`, `"512"`: bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = split(text);
    let size = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, size)) => *size,
        None if unit.is_empty() => 1,
        None if matches!(unit, "K" | "k" | "KB" | "kB" | "M" | "MB" | "G" | "GB") => {
            return Err("is not a size: units are KiB, MiB and GiB, powers of 1024");
        }
        None => return Err("is not a size"),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a size");
    }
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(size)).ok_or("is too large")
}

/// In the largest unit that needs no fraction; `None`: write a plain number.
pub(crate) fn format_size(bytes: u64) -> Option<String> {
    let whole = |unit: &&(&str, u64)| bytes != 0 && unit.1 > 1 && bytes.is_multiple_of(unit.1);
    SIZE_UNITS.iter().find(whole).map(|(unit, size)| format!("{}{unit}", bytes / size))
}

/// A number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis, back) in [
            ("250ms", 250, "250ms"),
            ("5s", 5000, "5s"),
            ("10m", 600_000, "10m"),
            ("1h", 3_600_000, "1h"),
            ("1.5s", 1500, "1500ms"),
            ("0.5m", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1m"),
            ("0s", 0, "0s"),
            ("0.001s", 1, "1ms"),
            ("8760h", 31_536_000_000, "8760h"),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(millis)), back);
        }
        let long = "9".repeat(400) + "s";
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            " 5s",
            "5s ",
            "-5s",
            "+5s",
            "5S",
            "5d",
            "5us",
            ".5s",
            "5.s",
            "1.2.3s",
            "0.5ms",
            "0.0001s",
            "8761h",
            "1e3s",
            "5s5s",
            "0.0000000001s",
            "５s",
            "18446744073709551615h",
            &long,
        ] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes, back) in [
            ("16KiB", 16 << 10, Some("16KiB")),
            ("1MiB", 1 << 20, Some("1MiB")),
            ("1024KiB", 1 << 20, Some("1MiB")),
            ("2GiB", 2 << 30, Some("2GiB")),
            ("512B", 512, None),
            ("512", 512, None),
            ("0", 0, None),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(format_size(bytes).as_deref(), back);
        }
        for bad in ["", "KiB", "1.5KiB", "1KB", "1k", "-1", "1 KiB", "99999999999GiB", "99999999999999999999"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }
}
