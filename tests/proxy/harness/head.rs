//! The head of a message, as it stood on the wire.

use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Request line or status line.
    pub(crate) start: String,
    /// In their order, as written.
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// `text` ends with the empty line.
    pub(crate) fn parse(text: &[u8]) -> Head {
        let text = String::from_utf8_lossy(text);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
            (name.to_owned(), value.to_owned())
        };
        Head { start, fields: lines.map(field).collect() }
    }

    /// The only field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| &**value);
        assert!(found.next().is_none(), "{name} twice: {self}");
        value
    }

    pub(crate) fn status(&self) -> u16 {
        let number = self.start.split(' ').nth(1).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no status line: {:?}", self.start))
    }

    /// The start line and the fields, one a line, without those of these names: they change from run to run.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let mut text = self.start.clone();
        for (name, value) in self.fields.iter().filter(|(name, _)| !names.contains(&&**name)) {
            text.push_str(&format!("\n{name}: {value}"));
        }
        text
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without(&[]))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
