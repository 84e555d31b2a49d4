//! HTTP dates, in the three forms that a recipient has to take (RFC 9110 section 5.6.7).

/// Seconds since 1970-01-01 UTC. `None`: no date, or one before that.
pub(super) fn parse(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().take(7).collect();
    let (day, month, year, time) = match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, "GMT"] if weekday.ends_with(',') => (day, month, whole_year(year)?, time),
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, "GMT"] if weekday.ends_with(',') => {
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            (day, month, short_year(year)?, time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => (day, month, whole_year(year)?, time),
        _ => return None,
    };
    let day = number(day, 2).filter(|day| (1..=31).contains(day))?;
    let days = days_since_1970(year, month_number(month)?, day)?;
    Some(days * 86_400 + seconds_of_day(time)?)
}

fn whole_year(text: &str) -> Option<u64> {
    number(text, 4).filter(|_| text.len() == 4)
}

/// The nearest: no server that speaks of 1970 and before is alive.
fn short_year(text: &str) -> Option<u64> {
    let year = number(text, 2)?;
    Some(if year < 70 { 2000 + year } else { 1900 + year })
}

fn month_number(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().zip(1..).find(|(month, _)| **month == text).map(|(_, number)| number)
}

/// `08:49:37`; 60 is a leap second.
fn seconds_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let mut part = |most: u64| parts.next().and_then(|text| number(text, 2)).filter(|number| *number <= most);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

/// One to `most` digits.
fn number(text: &str, most: usize) -> Option<u64> {
    let digits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Hinnant, `days_from_civil`. Four digits of a year hold no overflow.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_read() {
        for (date, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Thu, 29 Feb 2024 23:59:60 GMT", 1_709_251_200),
            ("Monday, 01-Mar-00 00:00:00 GMT", 951_868_800),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(parse(date.as_bytes()), Some(seconds), "{date}");
        }
        for other in [
            "",
            "120",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Jan 0000 08:49:37 GMT",
            "Sunday, 06-Nov 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT and more words than there are",
        ] {
            assert_eq!(parse(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 \xff"), None);
    }
}
