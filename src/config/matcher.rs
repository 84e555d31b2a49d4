//! String matchers: `{ "prefix": "/a", "ignore_case": true }`. A plain string is an exact match.

/// What a text must look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    pub pattern: Pattern,
    /// ASCII case. Default false.
    pub ignore_case: bool,
    /// True where the pattern does not match. Default false. An absent value matches nothing, and its inversion.
    pub invert: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// Matches the whole text, in linear time. Checked when read.
    Regex(String),
    /// `"present": true`: there is a value; `false`: there is none.
    Present(bool),
    /// `"range": [start, end]`: a decimal integer, start inclusive, end exclusive.
    Range(i64, i64),
}
