//! Envoy's `FractionalPercent`: a share with a denominator of its own.

use serde_json::Value as Json;

/// The percentage that `{ "numerator": 5, "denominator": "TEN_THOUSAND" }` stands for. Without a denominator it is of a
/// hundred. `None`: it is not of that form.
pub fn fraction(value: &Json) -> Option<f64> {
    let members = value.as_object()?;
    let numerator = members.get("numerator")?.as_u64()?;
    let denominator = match members.get("denominator") {
        None => 100.0,
        Some(name) => match name.as_str()? {
            "HUNDRED" => 100.0,
            "TEN_THOUSAND" => 10_000.0,
            "MILLION" => 1_000_000.0,
            _ => return None,
        },
    };
    let known = members.keys().all(|key| key == "numerator" || key == "denominator");
    known.then_some(numerator as f64 * 100.0 / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_each_denominator() {
        for (text, percent) in [
            (r#"{ "numerator": 5 }"#, Some(5.0)),
            (r#"{ "numerator": 5, "denominator": "HUNDRED" }"#, Some(5.0)),
            (r#"{ "numerator": 5, "denominator": "TEN_THOUSAND" }"#, Some(0.05)),
            (r#"{ "numerator": 5, "denominator": "MILLION" }"#, Some(0.0005)),
            (r#"{ "numerator": 5, "denominator": "DOZEN" }"#, None),
            (r#"{ "numerator": -5 }"#, None),
            (r#"{ "numerator": 5, "of": 1 }"#, None),
            (r#"{ "denominator": "HUNDRED" }"#, None),
            ("5", None),
        ] {
            assert_eq!(fraction(&serde_json::from_str(text).unwrap()), percent, "{text}");
        }
    }
}
