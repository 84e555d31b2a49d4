//! The log of the process: the `log` crate's records on stderr, one line each, at a level that `/logging` can change.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::SystemTime;

use log::{LevelFilter, Log, Metadata, Record};

use super::{AdminState, Reply, Request};
use crate::access_log::TimeFormat;
use crate::runtime::control;

/// Longer records are cut.
const RECORD_MAX: usize = 8 * 1024;

struct Stderr;

/// Sends the records of the `log` crate to stderr from now on. To be called once; later calls set the level only.
pub fn init(level: LevelFilter) {
    // An error says that there is a logger already: ours.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}

/// The level of this name: Envoy's words and the `log` crate's.
pub fn parse_level(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_lowercase().as_str() {
        "warning" => Some(LevelFilter::Warn),
        "critical" => Some(LevelFilter::Error),
        name => name.parse().ok(),
    }
}

/// `GET /logging` and `POST /logging?level=`.
pub(super) fn endpoint(_state: &dyn AdminState, request: &Request) -> Reply {
    if request.method == nuncio_http::Method::Post {
        let Some(level) = request.parameter("level").and_then(parse_level) else {
            return Reply::text(400, "usage: POST /logging?level=trace|debug|info|warn|error|off\n");
        };
        log::set_max_level(level);
    }
    Reply::text(200, format!("active loggers:\n  nuncio: {}\n", log::max_level().as_str().to_ascii_lowercase()))
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // One write a line keeps the lines of several threads apart; there is nobody to tell if it fails.
        let _ = std::io::stderr().lock().write_all(line(record, control::system_time()).as_bytes());
    }

    fn flush(&self) {}
}

fn line(record: &Record<'_>, now: SystemTime) -> String {
    let mut line = String::new();
    // Writing to a String does not fail, and a record that breaks off is printed as far as it goes.
    let _ = TimeFormat::iso().write(now, &mut line);
    let _ = write!(line, " {:5} {}: ", record.level(), record.target());
    let _ = write!(Escaped { out: &mut line, left: RECORD_MAX }, "{}", record.args());
    line.push('\n');
    line
}

/// Text in which nothing can end the line or control a terminal (row T-11 of the threat list).
struct Escaped<'a> {
    out: &'a mut String,
    left: usize,
}

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(c.len_utf8()).ok_or(std::fmt::Error)?;
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(self.out, "\\x{:02X}", c as u32)?;
            } else {
                self.out.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    fn printed(message: &str) -> String {
        let args = format_args!("{message}");
        let record = Record::builder().level(log::Level::Warn).target("nuncio::x").args(args).build();
        line(&record, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(printed("all \"fine\" é"), "1970-01-01T00:00:00.000Z WARN  nuncio::x: all \"fine\" é\n");
        assert!(printed("a\r\nb\x1b[0m\u{85}\u{2028}").ends_with(": a\\x0D\\x0Ab\\x1B[0m\\x85\\x2028\n"));
        let long = printed(&"x".repeat(100_000));
        assert!(long.len() < 9000 && long.ends_with("x\n"));
    }

    #[test]
    fn the_level_is_listed_and_set() {
        let before = log::max_level();
        let ask = |method, target| handle(&TestState::default(), &request(method, target));
        assert_eq!(ask("POST", "/logging?level=warning").body, "active loggers:\n  nuncio: warn\n");
        assert_eq!(ask("GET", "/logging").body, "active loggers:\n  nuncio: warn\n");
        assert_eq!(ask("GET", "/logging?level=trace").body, "active loggers:\n  nuncio: warn\n", "GET changes nothing");
        for bad in ["/logging", "/logging?level=", "/logging?level=loud"] {
            assert_eq!(ask("POST", bad).status, 400);
        }
        assert_eq!(parse_level("CRITICAL"), Some(LevelFilter::Error));
        log::set_max_level(before);
    }
}
