//! What a reader of a key makes of its text, and which texts it takes.

use super::fraction;

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 0 to 100, fractions too; or Envoy's `FractionalPercent` as JSON.
    Percent,
    /// A status of a final response: 200 to 599.
    Status,
    /// Milliseconds: 1 to an hour.
    Millis,
    /// A share among others: 0 to 1 000 000.
    Weight,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Percent, Kind::Status, Kind::Millis, Kind::Weight];

    /// The kind of a key that is read whatever the configuration says (Envoy's names).
    pub fn of(key: &str) -> Option<Kind> {
        Some(match key {
            "fault.http.delay.fixed_delay_percent" | "fault.http.abort.abort_percent" | "upstream.use_retry" => {
                Kind::Percent
            }
            "fault.http.delay.fixed_duration_ms" | "upstream.base_retry_backoff_ms" => Kind::Millis,
            "fault.http.abort.http_status" => Kind::Status,
            key if key.starts_with(MAINTENANCE_MODE) => Kind::Percent,
            _ => return None,
        })
    }

    /// The number that a text stands for; `None`: this kind does not take it.
    pub fn parse(self, text: &str) -> Option<f64> {
        let number = match self {
            Kind::Percent if text.starts_with('{') => fraction(&serde_json::from_str(text).ok()?)?,
            Kind::Percent => decimal(text)?,
            _ => f64::from(text.parse::<u32>().ok()?),
        };
        let (least, most) = match self {
            Kind::Percent => (0.0, 100.0),
            Kind::Status => (200.0, 599.0),
            Kind::Millis => (1.0, 3_600_000.0),
            Kind::Weight => (0.0, 1_000_000.0),
        };
        // Adding zero makes a negative zero positive.
        (least..=most).contains(&number).then_some(number + 0.0)
    }

    /// What it takes, for people.
    pub fn expected(self) -> &'static str {
        match self {
            Kind::Percent => "a number from 0 to 100",
            Kind::Status => "a whole number from 200 to 599",
            Kind::Millis => "a whole number of milliseconds from 1 to 3600000",
            Kind::Weight => "a whole number from 0 to 1000000",
        }
    }
}

/// What stands before the name of a cluster whose requests are refused.
pub(super) const MAINTENANCE_MODE: &str = "upstream.maintenance_mode.";

/// A number as JSON writes them: Rust would take `inf` and `+5` as well.
fn decimal(text: &str) -> Option<f64> {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'-');
    if starts { serde_json::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_its_numbers() {
        for (kind, text, number) in [
            (Kind::Percent, "5", Some(5.0)),
            (Kind::Percent, "0.25", Some(0.25)),
            (Kind::Percent, "100", Some(100.0)),
            (Kind::Percent, "1e1", Some(10.0)),
            (Kind::Percent, r#"{"numerator": 1, "denominator": "MILLION"}"#, Some(0.0001)),
            (Kind::Percent, r#"{"numerator": 101}"#, None),
            (Kind::Percent, "100.1", None),
            (Kind::Percent, "-1", None),
            (Kind::Percent, "inf", None),
            (Kind::Percent, "NaN", None),
            (Kind::Percent, "5%", None),
            (Kind::Percent, "true", None),
            (Kind::Percent, " 5", None),
            (Kind::Status, "503", Some(503.0)),
            (Kind::Status, "199", None),
            (Kind::Status, "600", None),
            (Kind::Status, "503.5", None),
            (Kind::Millis, "25", Some(25.0)),
            (Kind::Millis, "0", None),
            (Kind::Millis, "4294967296", None),
            (Kind::Weight, "0", Some(0.0)),
            (Kind::Weight, "1000001", None),
        ] {
            assert_eq!(kind.parse(text), number, "{kind:?} {text}");
        }
        assert!(Kind::Percent.parse("-0").unwrap().is_sign_positive());
    }

    #[test]
    fn well_known_keys() {
        assert_eq!(Kind::of("upstream.maintenance_mode.app"), Some(Kind::Percent));
        assert_eq!(Kind::of("fault.http.abort.http_status"), Some(Kind::Status));
        assert_eq!(Kind::of("checkout.canary"), None);
    }
}
