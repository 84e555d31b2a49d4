//! The nearest right word for a wrong one.

/// Longer words are not compared: nobody misspells them by a letter.
const MAX_LEN: usize = 64;

/// The candidate that most resembles `word`, if any is near enough to be what was meant.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let near = |candidate: &'c str| {
        let limit = 1.max(folded.len().min(candidate.len()) / 3);
        let distance = distance(&folded, &candidate.to_ascii_lowercase().replace('-', "_"), limit)?;
        Some((distance, candidate))
    };
    let found = candidates.into_iter().filter_map(near).min_by_key(|(distance, _)| *distance);
    found.map(|(_, candidate)| candidate).filter(|candidate| *candidate != word)
}

/// Insertions, deletions, substitutions and swaps of neighbours that make one of the other; `None` beyond `limit`.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit || a.len().max(b.len()) > MAX_LEN {
        return None;
    }
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    Some(last[b.len()]).filter(|&distance| distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        let keys = ["address", "routes", "connect_timeout", "idle_timeout", "name"];
        for (word, expected) in [
            ("adress", Some("address")),
            ("addresss", Some("address")),
            ("Address", Some("address")),
            ("connect-timeout", Some("connect_timeout")),
            ("connectTimeout", Some("connect_timeout")),
            ("route", Some("routes")),
            ("naem", Some("name")),
            ("nmae", Some("name")),
            ("tls", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
        assert_eq!(nearest("name", ["name"]), None, "it is not wrong");
        assert_eq!(nearest(&"a".repeat(10_000), keys), None);
    }
}
