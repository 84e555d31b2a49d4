//! Validity dates (RFC 5280 section 4.1.2.5): always seconds, always Z, never a fraction.

use crate::der::{Value, tag};
use crate::error::Error;

/// Seconds since 1970 without leap seconds.
pub(crate) fn parse(value: Value<'_>) -> Result<i64, Error> {
    let digits = value.body.strip_suffix(b"Z").ok_or(Error::BadTime)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::BadTime);
    }
    let pairs: Vec<i64> = digits.chunks(2).map(number).collect();
    match (value.tag, &pairs[..], digits.len()) {
        // Section 4.1.2.5.1: below 50 of this century.
        (tag::UTC_TIME, [year, rest @ ..], 12) => seconds(year + if *year < 50 { 2000 } else { 1900 }, rest),
        (tag::GENERALIZED_TIME, [century, year, rest @ ..], 14) => seconds(century * 100 + year, rest),
        (tag::UTC_TIME | tag::GENERALIZED_TIME, ..) => Err(Error::BadTime),
        _ => Err(Error::UnexpectedTag),
    }
}

fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// `rest`: month, day, hour, minute, second.
fn seconds(year: i64, rest: &[i64]) -> Result<i64, Error> {
    let &[month @ 1..=12, day, hour @ 0..24, minute @ 0..60, second @ 0..60] = rest else { return Err(Error::BadTime) };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (before, rest) = months.split_at(month as usize - 1);
    if !(1..=rest[0]).contains(&day) {
        return Err(Error::BadTime);
    }
    let days = days_before(year) - days_before(1970) + before.iter().sum::<i64>() + day - 1;
    Ok(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// From the first day of the year 1, in this calendar, to that of `year`.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let (utc, general) = (tag::UTC_TIME, tag::GENERALIZED_TIME);
        let cases: &[(u8, &str, Result<i64, Error>)] = &[
            (utc, "700101000000Z", Ok(0)),
            (utc, "491231235959Z", Ok(2_524_607_999)),
            (utc, "500101000000Z", Ok(-631_152_000)),
            (utc, "000229120001Z", Ok(951_825_601)),
            (utc, "240229000000Z", Ok(1_709_164_800)),
            (general, "19700101000000Z", Ok(0)),
            (general, "20380119031408Z", Ok(1 << 31)),
            (general, "99991231235959Z", Ok(253_402_300_799)),
            (general, "00000101000000Z", Ok(-62_167_219_200)),
            (general, "00000229000000Z", Ok(-62_162_121_600)),
            (utc, "230229000000Z", Err(Error::BadTime)),
            (general, "19000229000000Z", Err(Error::BadTime)),
            (utc, "240001000000Z", Err(Error::BadTime)),
            (utc, "241301000000Z", Err(Error::BadTime)),
            (utc, "240100000000Z", Err(Error::BadTime)),
            (utc, "240431000000Z", Err(Error::BadTime)),
            (utc, "240101240000Z", Err(Error::BadTime)),
            (utc, "240101006000Z", Err(Error::BadTime)),
            (utc, "240101000060Z", Err(Error::BadTime)),
            (utc, "2401010000Z", Err(Error::BadTime)),
            (utc, "240101000000", Err(Error::BadTime)),
            (utc, "240101000000z", Err(Error::BadTime)),
            (utc, "2401010000000Z", Err(Error::BadTime)),
            (utc, "240101000000+0100", Err(Error::BadTime)),
            (utc, "24010100 000Z", Err(Error::BadTime)),
            (utc, "-40101000000Z", Err(Error::BadTime)),
            (utc, "20240101000000Z", Err(Error::BadTime)),
            (general, "240101000000Z", Err(Error::BadTime)),
            (general, "20240101000000.5Z", Err(Error::BadTime)),
            (general, "20240101000000.0Z", Err(Error::BadTime)),
            (general, "", Err(Error::BadTime)),
            (general, "Z", Err(Error::BadTime)),
            (0x0c, "240101000000Z", Err(Error::UnexpectedTag)),
        ];
        for &(tag, text, expected) in cases {
            let value = Value { tag, body: text.as_bytes(), whole: &[] };
            assert_eq!(parse(value), expected, "{text}");
        }
    }
}
