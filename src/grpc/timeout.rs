//! `grpc-timeout`: how long a client waits, one to eight digits and a unit ("gRPC over HTTP2", Timeout).

use std::time::Duration;

/// The largest number of eight digits.
const MOST: u128 = 99_999_999;

/// Units from small to large, in nanoseconds.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// Longest time that is told apart from no limit: a year. Timers hold it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The value of a `grpc-timeout` field; at most a year. `None`: it is none.
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (_, nanos) = UNITS.iter().find(|(known, _)| known == unit)?;
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    // Eight digits of hours are some 10^20 ns: within 128 bits, not within 64.
    let total = u128::from(number) * nanos;
    Some(u64::try_from(total).map_or(LONGEST, Duration::from_nanos).min(LONGEST))
}

/// `timeout` as a field value: in the smallest unit that has room for it, rounded down.
pub fn format_timeout(timeout: Duration) -> String {
    let total = timeout.as_nanos();
    let fits = UNITS.iter().find(|(_, nanos)| total / nanos <= MOST);
    // 99999999 hours are more than any deadline.
    let (unit, nanos) = fits.unwrap_or(&UNITS[5]);
    format!("{}{}", (total / nanos).min(MOST), char::from(*unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        let rows = [
            ("1H", Some(3_600_000_000_000)),
            ("2M", Some(120_000_000_000)),
            ("10S", Some(10_000_000_000)),
            ("100m", Some(100_000_000)),
            ("100u", Some(100_000)),
            ("0n", Some(0)),
            ("00000001n", Some(1)),
            ("99999999H", Some(LONGEST.as_nanos())),
            ("99999999M", Some(LONGEST.as_nanos())),
        ];
        for (text, nanos) in rows {
            assert_eq!(parse_timeout(text.as_bytes()).map(|timeout| timeout.as_nanos()), nanos, "{text}");
        }
        for text in
            ["", "H", "1", "1s", "1h", "000000001n", "-1S", "+1S", "1.5S", " 1S", "1S ", "1 S", "1S, 2S", "\u{663}S"]
        {
            assert_eq!(parse_timeout(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_no_more() {
        let rows = [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_millis(250), "250000u"),
            (Duration::from_secs(60), "60000000u"),
            (Duration::from_secs(3600), "3600000m"),
            (LONGEST, "31536000S"),
            (Duration::MAX, "99999999H"),
        ];
        for (timeout, text) in rows {
            assert_eq!(format_timeout(timeout), text);
            let read = parse_timeout(text.as_bytes()).unwrap();
            assert!(read <= timeout && timeout.min(LONGEST) - read < Duration::from_millis(1), "{text}");
        }
    }
}
