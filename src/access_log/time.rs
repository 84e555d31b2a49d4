//! Points in time as text: the part of strftime(3) that makes sense in UTC, and Envoy's fractions of a second.

use std::fmt::{self, Write};
use std::time::SystemTime;

/// A format such as `%Y-%m-%dT%H:%M:%S.%3fZ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeFormat(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    /// A conversion of one letter; `parse` lets only known ones in.
    Letter(char),
    /// Digits of the second's fraction.
    Fraction(u8),
    /// Seconds since 1970, followed by so many digits of its fraction without a dot, as Envoy's `%3s`.
    Epoch(u8),
}

const LETTERS: &str = "YCymbBdejHIMSpaAuwzZnt";

/// Compound conversions and what they stand for.
const COMPOUND: [(char, &str); 5] =
    [('F', "%Y-%m-%d"), ('T', "%H:%M:%S"), ('D', "%m/%d/%y"), ('R', "%H:%M"), ('c', "%a %b %e %H:%M:%S %Y")];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
#[rustfmt::skip]
const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
];

impl TimeFormat {
    /// Envoy's default.
    pub(crate) fn iso() -> TimeFormat {
        let mut items = Vec::new();
        parse_into("%Y-%m-%dT%H:%M:%S.%3fZ", &mut items);
        TimeFormat(items)
    }

    /// The same in whole seconds.
    pub(crate) fn seconds() -> TimeFormat {
        let mut items = Vec::new();
        parse_into("%Y-%m-%dT%H:%M:%SZ", &mut items);
        TimeFormat(items)
    }

    /// `None`: a conversion that is not known.
    pub(super) fn parse(text: &str) -> Option<TimeFormat> {
        let mut items = Vec::new();
        parse_into(text, &mut items).then_some(TimeFormat(items))
    }

    pub(crate) fn write(&self, time: SystemTime, out: &mut impl Write) -> fmt::Result {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
        let date = Date::of(seconds);
        for item in &self.0 {
            match item {
                Item::Text(text) => out.write_str(text)?,
                Item::Letter(letter) => date.write(*letter, out)?,
                Item::Fraction(digits) => fraction(nanos, *digits, out)?,
                Item::Epoch(digits) => {
                    write!(out, "{seconds}")?;
                    fraction(nanos, *digits, out)?;
                }
            }
        }
        Ok(())
    }
}

fn parse_into(text: &str, items: &mut Vec<Item>) -> bool {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        if !before.is_empty() {
            items.push(Item::Text(before.to_owned()));
        }
        let mut chars = after.chars();
        let Some(letter) = chars.next() else { return false };
        rest = chars.as_str();
        match letter {
            '%' => items.push(Item::Text("%".to_owned())),
            'f' => items.push(Item::Fraction(9)),
            's' => items.push(Item::Epoch(0)),
            '1'..='9' => {
                let digits = letter as u8 - b'0';
                match chars.next() {
                    Some('f') => items.push(Item::Fraction(digits)),
                    Some('s') => items.push(Item::Epoch(digits)),
                    _ => return false,
                }
                rest = chars.as_str();
            }
            _ if LETTERS.contains(letter) => items.push(Item::Letter(letter)),
            _ => match COMPOUND.iter().find(|(compound, _)| *compound == letter) {
                Some((_, meaning)) => {
                    parse_into(meaning, items);
                }
                None => return false,
            },
        }
    }
    if !rest.is_empty() {
        items.push(Item::Text(rest.to_owned()));
    }
    true
}

fn fraction(nanos: u32, digits: u8, out: &mut impl Write) -> fmt::Result {
    if digits == 0 {
        return Ok(());
    }
    let digits = u32::from(digits.min(9));
    let value = nanos / 10u32.pow(9 - digits);
    write!(out, "{value:0width$}", width = digits as usize)
}

/// A moment in the calendar.
struct Date {
    year: u64,
    /// 1 to 12.
    month: u64,
    day: u64,
    /// 0 is Sunday.
    weekday: u64,
    /// 1 to 366.
    day_of_year: u64,
    second_of_day: u64,
}

impl Date {
    /// Proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.
    fn of(seconds: u64) -> Date {
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let from_march = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * from_march + 2) / 153;
        let day = from_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year = if month > 2 { from_march + 60 + u64::from(leap) } else { from_march - 305 };
        Date { year, month, day, weekday: (days + 4) % 7, day_of_year, second_of_day: seconds % 86_400 }
    }

    fn write(&self, letter: char, out: &mut impl Write) -> fmt::Result {
        let hour = self.second_of_day / 3600;
        let (day, month) = (DAYS[(self.weekday % 7) as usize], MONTHS[(self.month as usize + 11) % 12]);
        match letter {
            'Y' => two(out, self.year / 100).and_then(|()| two(out, self.year % 100)),
            'C' => two(out, self.year / 100),
            'y' => two(out, self.year % 100),
            'm' => two(out, self.month),
            'b' => out.write_str(&month[..3]),
            'B' => out.write_str(month),
            'd' => two(out, self.day),
            'e' => write!(out, "{:2}", self.day),
            'j' => write!(out, "{:03}", self.day_of_year),
            'H' => two(out, hour),
            'I' => two(out, (hour + 11) % 12 + 1),
            'M' => two(out, self.second_of_day / 60 % 60),
            'S' => two(out, self.second_of_day % 60),
            'p' => out.write_str(if hour < 12 { "AM" } else { "PM" }),
            'a' => out.write_str(&day[..3]),
            'A' => out.write_str(day),
            'u' => write!(out, "{}", if self.weekday == 0 { 7 } else { self.weekday }),
            'w' => write!(out, "{}", self.weekday),
            'z' => out.write_str("+0000"),
            'Z' => out.write_str("UTC"),
            'n' => out.write_char('\n'),
            't' => out.write_char('\t'),
            _ => Ok(()),
        }
    }
}

/// Two digits, in one piece: a line has seven such pairs. Years beyond 9999 wrap.
fn two(out: &mut impl Write, value: u64) -> fmt::Result {
    let digits = [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
    out.write_str(std::str::from_utf8(&digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, nanos: u32, format: &str) -> String {
        let mut text = String::new();
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        TimeFormat::parse(format).unwrap().write(time, &mut text).unwrap();
        text
    }

    #[test]
    fn dates() {
        for (seconds, format, expected) in [
            (0, "%F %T %a %j", "1970-01-01 00:00:00 Thu 001"),
            (951_782_399, "%F %T %A %j", "2000-02-28 23:59:59 Monday 059"),
            (951_782_400, "%F %j", "2000-02-29 060"),
            (951_868_800, "%F %j", "2000-03-01 061"),
            (1_709_251_199, "%D %e %B", "02/29/24 29 February"),
            (1_735_689_599, "%F %j %u %w", "2024-12-31 366 2 2"),
            (1_767_225_599, "%F %j", "2025-12-31 365"),
            (4_107_542_400, "%Y/%m/%d %b %y %C", "2100/03/01 Mar 00 21"),
            (1_460_751_600 + 46_800, "%I:%M %p %H", "09:20 AM 09"),
            (1_460_678_400, "%I %p %z %Z 100%%", "12 AM +0000 UTC 100%"),
        ] {
            assert_eq!(at(seconds, 0, format), expected, "{seconds} {format}");
        }
    }

    #[test]
    fn fractions() {
        assert_eq!(at(1_460_751_600, 310_004_567, "%s %3s %6s %1f %3f %6f %f"), {
            "1460751600 1460751600310 1460751600310004 3 310 310004 310004567"
        });
        let mut text = String::new();
        TimeFormat::iso().write(SystemTime::UNIX_EPOCH + Duration::from_millis(5), &mut text).unwrap();
        assert_eq!(text, "1970-01-01T00:00:00.005Z");
    }

    #[test]
    fn unknown_conversions_are_refused() {
        for bad in ["%", "%Q", "%3", "%3x", "%0f", "a %"] {
            assert_eq!(TimeFormat::parse(bad), None, "{bad}");
        }
    }
}
