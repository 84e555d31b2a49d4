//! Clocks. Deadlines live on the monotonic clock; the wall clock is for logs and the `date` field only, and is read
//! once a second, so that a jump of it changes nothing but stamps. Dates are IMF-fixdate (RFC 9110 section 5.6.7).

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock, read now.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub(super) fn monotonic() -> Instant {
    Instant::now()
}

/// Time since 1970-01-01 UTC, read now; zero if the wall clock stands before that.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The wall clock of one worker: one reading a second, carried on by the monotonic clock.
pub(super) struct WallClock {
    read_at: Cell<Instant>,
    reading: Cell<Duration>,
    date: Cell<[u8; 29]>,
}

impl WallClock {
    pub(super) fn new(now: Instant) -> WallClock {
        let reading = wall();
        WallClock {
            read_at: Cell::new(now),
            reading: Cell::new(reading),
            date: Cell::new(imf_fixdate(reading.as_secs())),
        }
    }

    /// Time since 1970-01-01 UTC at the monotonic time `now`.
    pub(super) fn unix_time(&self, now: Instant) -> Duration {
        self.refresh(now);
        self.reading.get() + now.saturating_duration_since(self.read_at.get())
    }

    pub(super) fn date(&self, now: Instant) -> [u8; 29] {
        self.refresh(now);
        self.date.get()
    }

    /// Reads the clock again once the second that it showed is over.
    fn refresh(&self, now: Instant) {
        let shown = Duration::from_nanos(u64::from(self.reading.get().subsec_nanos()));
        if now.saturating_duration_since(self.read_at.get()) + shown < Duration::from_secs(1) {
            return;
        }
        let reading = wall();
        self.read_at.set(now);
        if reading.as_secs() != self.reading.replace(reading).as_secs() {
            self.date.set(imf_fixdate(reading.as_secs()));
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` for seconds since 1970-01-01 UTC; years beyond 9999 wrap.
pub(super) fn imf_fixdate(unix_seconds: u64) -> [u8; 29] {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let days = unix_seconds / 86_400;
    let second = unix_seconds % 86_400;
    let (year, month, day) = civil(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let weekday = (days % 7) as usize * 3;
    date[0..3].copy_from_slice(&DAYS[weekday..weekday + 3]);
    digits(&mut date[5..7], day);
    let month = (month as usize - 1) * 3;
    date[8..11].copy_from_slice(&MONTHS[month..month + 3]);
    digits(&mut date[12..16], year);
    digits(&mut date[17..19], second / 3600);
    digits(&mut date[20..22], second / 60 % 60);
    digits(&mut date[23..25], second % 60);
    date
}

/// Year, month and day of a day number since 1970-01-01 (Hinnant, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn digits(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&imf_fixdate(seconds)), Ok(date));
        }
    }

    #[test]
    fn the_second_is_read_anew_when_it_is_over() {
        let now = monotonic();
        let clock = WallClock::new(now);
        let start = clock.unix_time(now);
        assert_eq!(clock.date(now), imf_fixdate(start.as_secs()));
        // pretend that the reading is two seconds old and a minute off: the next look puts it right
        clock.reading.set(start + Duration::from_secs(60));
        assert!(clock.unix_time(now + Duration::from_secs(2)) < start + Duration::from_secs(30));
    }
}
