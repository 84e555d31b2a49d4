//! What is wrong with a file, and where. Text from the file is quoted with its control characters escaped.

use std::fmt;
use std::sync::Arc;

/// Longest piece of the operator's text that is quoted back, in characters.
const QUOTED: usize = 80;

/// One thing wrong (or, as a warning, doubtful), at one place.
/// Displays as `FILE:LINE:COLUMN: JSON.PATH: what is wrong; expected ...; did you mean "..."?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As given to `load` or `parse`.
    pub file: Arc<str>,
    /// From 1; 0 where the file could not be read at all.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// `listeners[0].routes[2].match.path`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, what was expected, what may help.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All that is wrong with a file, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// In file order, and how many there are besides.
    pub(crate) fn new(list: Vec<Problem>, omitted: usize) -> Problems {
        Problems { list, omitted }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many there are, with those that are not listed.
    pub fn count(&self) -> usize {
        self.list.len() + self.omitted
    }
}

impl fmt::Display for Problems {
    /// One line each, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "\nand {omitted} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// What a reader says of a node: what is wrong, what was expected, what may help.
#[derive(Debug, Clone)]
pub(crate) struct Complaint {
    what: String,
    expected: Option<String>,
    hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(what: impl Into<String>) -> Complaint {
        Complaint { what: what.into(), expected: None, hint: None }
    }

    /// Follows "expected".
    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Complaint {
        self.expected = Some(expected.into());
        self
    }

    /// A whole clause.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Complaint {
        self.hint = Some(hint.into());
        self
    }

    /// `did you mean "..."?`, where there is something near.
    pub(crate) fn did_you_mean(self, nearest: Option<&str>) -> Complaint {
        match nearest {
            Some(nearest) => self.hint(format!("did you mean {nearest:?}?")),
            None => self,
        }
    }

    pub(crate) fn message(self) -> String {
        let mut message = self.what;
        if let Some(expected) = self.expected {
            message.push_str("; expected ");
            message.push_str(&expected);
        }
        if let Some(hint) = self.hint {
            message.push_str("; ");
            message.push_str(&hint);
        }
        message
    }
}

impl From<&str> for Complaint {
    fn from(what: &str) -> Complaint {
        Complaint::new(what)
    }
}

impl From<String> for Complaint {
    fn from(what: String) -> Complaint {
        Complaint::new(what)
    }
}

/// The operator's text in quotes, escaped for a terminal and cut to a readable length.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((cut, _)) => format!("{:?}...", &text[..cut]),
        None => format!("{text:?}"),
    }
}
