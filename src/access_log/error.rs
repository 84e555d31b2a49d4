//! What is wrong with a format.

use std::fmt;

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// Where the bad `%OPERATOR%` begins, in bytes of the format.
    pub at: usize,
    pub kind: FormatErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatErrorKind {
    /// A `%` that starts no operator.
    NotAnOperator,
    /// No operator of this name; the one that was probably meant.
    Unknown { name: String, nearest: Option<&'static str> },
    /// What the operator wants between its parentheses.
    Argument { name: String, expected: &'static str },
    /// `:N` behind the operator is no length from 1.
    Length,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FormatErrorKind::NotAnOperator => {
                f.write_str("a \"%\" that starts no %OPERATOR% (write %% for a percent sign)")
            }
            FormatErrorKind::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "no operator %{name}%: did you mean %{nearest}%?")
            }
            FormatErrorKind::Unknown { name, nearest: None } => write!(f, "no operator %{name}%"),
            FormatErrorKind::Argument { name, expected } => write!(f, "%{name}% takes {expected}"),
            FormatErrorKind::Length => f.write_str("the length behind \":\" is not a number from 1"),
        }
    }
}

impl std::error::Error for FormatError {}
