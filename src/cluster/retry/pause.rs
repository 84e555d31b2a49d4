//! How long a retry waits: a random part of a time that doubles, or what the host has asked for.

use std::time::Duration;

use fastrand::Rng;
use nuncio_http::{HeaderList, HeaderName};

use super::date;
use crate::config::{self, BackOff, ResetFormat};

/// A compiled [`config::RetryAfter`].
#[derive(Debug, Clone)]
pub(super) struct RetryAfter {
    headers: Vec<(HeaderName, ResetFormat)>,
    pub(super) max: Duration,
}

impl RetryAfter {
    pub(super) fn new(config: &config::RetryAfter) -> RetryAfter {
        let headers = config.headers.iter().map(|header| (header.name.clone(), header.format)).collect();
        RetryAfter { headers, max: config.max }
    }

    /// What the host asks for. `None`: it asks for nothing, or for a time that is over.
    pub(super) fn asked(&self, fields: &HeaderList, wall: Duration) -> Option<Duration> {
        let read = |(name, format): &(HeaderName, ResetFormat)| {
            let value = fields.get(name)?;
            let until = |unix: u64| Duration::from_secs(unix).saturating_sub(wall);
            match format {
                ResetFormat::Seconds => {
                    seconds(value).map(Duration::from_secs).or_else(|| date::parse(value).map(until))
                }
                ResetFormat::UnixTimestamp => seconds(value).map(until),
            }
        };
        self.headers.iter().find_map(read).filter(|asked| !asked.is_zero())
    }
}

/// Digits alone; more than fit are the largest number.
fn seconds(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    digits.then(|| value.iter().fold(0, add))
}

/// What was asked for, and up to half of it more: those who were turned away together do not come back together.
pub(super) fn later(asked: Duration, rng: &mut Rng) -> Duration {
    asked.saturating_add(part(asked / 2, rng))
}

/// A random part of `(2^N - 1) * base` before the Nth retry, at most `max`. `retries`: those before it.
pub(super) fn jittered(back_off: BackOff, retries: u32, rng: &mut Rng) -> Duration {
    // Beyond 31 doublings the time is long at its limit.
    let factor = 1u32.checked_shl(retries.saturating_add(1)).map_or(u32::MAX, |doubled| doubled - 1);
    part(back_off.base.saturating_mul(factor).min(back_off.max), rng)
}

/// From zero to below `limit`.
fn part(limit: Duration, rng: &mut Rng) -> Duration {
    let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(if micros == 0 { 0 } else { rng.u64(..micros) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ResetHeader;
    use crate::mutation;

    #[test]
    fn the_limit_doubles_up_to_its_most() {
        let back_off = BackOff { base: Duration::from_millis(25), max: Duration::from_millis(250) };
        let mut rng = Rng::with_seed(1);
        for (retries, limit) in [(0, 25), (1, 75), (2, 175), (3, 250), (30, 250), (31, 250), (32, 250), (u32::MAX, 250)]
        {
            let limit = Duration::from_millis(limit);
            let pauses: Vec<Duration> = (0..2000).map(|_| jittered(back_off, retries, &mut rng)).collect();
            assert!(pauses.iter().all(|pause| *pause < limit), "{retries}");
            assert!(pauses.iter().any(|pause| *pause > limit * 9 / 10), "{retries}");
            assert!(pauses.iter().any(|pause| *pause < limit / 10), "{retries}");
        }
    }

    #[test]
    fn what_a_host_asks_for_is_read() {
        let header = |name: &str, format| ResetHeader { name: HeaderName::new(name).unwrap(), format };
        let config = config::RetryAfter {
            headers: vec![
                header("retry-after", ResetFormat::Seconds),
                header("x-reset", ResetFormat::UnixTimestamp),
                header("x-pause", ResetFormat::Seconds),
            ],
            max: Duration::from_secs(300),
        };
        let retry_after = RetryAfter::new(&config);
        let wall = Duration::from_secs(784_111_777);
        let rows = [
            (&[][..], None),
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")], None),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon"), ("x-reset", "784111787")], Some(10)),
            (&[("retry-after", "1"), ("x-reset", "784111787")], Some(1)),
            (&[("x-reset", "1"), ("x-pause", "7")], None),
            (&[("x-pause", "99999999999999999999999999")], Some(u64::MAX)),
        ];
        for (fields, expected) in rows {
            let mut list = HeaderList::new();
            fields.iter().for_each(|(name, value)| list.push_raw(name.as_bytes(), value.as_bytes()));
            assert_eq!(retry_after.asked(&list, wall), expected.map(Duration::from_secs), "{fields:?}");
        }
        let samples: [&[u8]; 4] =
            [b"120", b"Sun, 06 Nov 1994 08:50:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"];
        let words: [&[u8]; 6] = [b"9999", b"00", b" ", b":", b"Dec", b"29 Feb"];
        mutation::check(&samples, &words, |value| {
            for name in ["retry-after", "x-reset"] {
                let mut list = HeaderList::new();
                list.push_raw(name.as_bytes(), value);
                let asked = retry_after.asked(&list, wall);
                assert!(asked.is_none_or(|asked| asked > Duration::ZERO), "{}", value.escape_ascii());
            }
            // What is a date is one of at most four digits of a year.
            assert!(date::parse(value).is_none_or(|unix| unix < 253_402_300_801 + 86_400 * 3));
        });
        let mut rng = Rng::with_seed(2);
        let asked = Duration::from_secs(10);
        for _ in 0..1000 {
            let pause = later(asked, &mut rng);
            assert!((asked..asked * 3 / 2).contains(&pause), "{pause:?}");
        }
        assert!(later(Duration::MAX, &mut rng) == Duration::MAX);
    }
}
