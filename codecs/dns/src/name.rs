//! Domain names (RFC 1035 section 3.1): at most 255 bytes in labels of at most 63. Case never matters, so a [`Name`] is
//! kept in lower case; a query mixes it again for itself.

use std::fmt;
use std::str::FromStr;

use crate::CASE;

/// Bytes of a name on the wire, the root's zero included.
pub(crate) const MAX: usize = 255;
/// Bytes of a label.
const MAX_LABEL: usize = 63;

/// A name in wire format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// Why a text is not the name of a host or service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    Empty,
    /// Two dots in a row, or one in front.
    EmptyLabel,
    /// More than 63 characters between two dots.
    LongLabel,
    /// More than 253 characters.
    Long,
    /// Other than letters, digits, `-` and `_`. Names in other scripts are written as their `xn--` form.
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the name is empty"),
            NameError::EmptyLabel => f.write_str("nothing stands between two dots"),
            NameError::LongLabel => write!(f, "more than {MAX_LABEL} characters stand between two dots"),
            NameError::Long => write!(f, "the name is longer than {} characters", MAX - 2),
            NameError::Character(c) => write!(f, "'{}' cannot stand in a name", c.escape_debug()),
        }
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// From wire format, checked by the caller.
    pub(crate) fn from_wire(wire: &[u8]) -> Name {
        // A length is at most 63 and no letter.
        Name(wire.to_ascii_lowercase().into())
    }

    /// From the left, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first().filter(|(len, _)| **len > 0)?;
            let (label, tail) = tail.split_at_checked(len.into())?;
            rest = tail;
            Some(label)
        })
    }

    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Only what a host or service is called by: letters, digits, `-` and `_`.
    pub fn is_plain(&self) -> bool {
        !self.is_root() && self.labels().flatten().all(|byte| is_plain(*byte))
    }

    /// This name within `domain`.
    ///
    /// # Errors
    /// [`NameError::Long`].
    pub fn within(&self, domain: &Name) -> Result<Name, NameError> {
        let own = self.0.split_last().map_or(&[][..], |(_, own)| own);
        if own.len() + domain.0.len() > MAX {
            return Err(NameError::Long);
        }
        Ok(Name([own, &domain.0].concat().into()))
    }

    /// On the wire with each letter's case by one of `bits`; in lower case without them (draft-vixie-dnsext-dns0x20).
    pub(crate) fn encode(&self, bits: Option<&[u8; CASE]>) -> Vec<u8> {
        let upper = |at: usize| bits.is_some_and(|bits| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1));
        let case = |(at, byte): (usize, &u8)| if upper(at) { byte.to_ascii_uppercase() } else { *byte };
        self.0.iter().enumerate().map(case).collect()
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl FromStr for Name {
    type Err = NameError;

    /// A final dot is allowed, and changes nothing here.
    fn from_str(text: &str) -> Result<Name, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(other) = text.chars().find(|c| *c != '.' && !u8::try_from(*c).is_ok_and(is_plain)) {
            return Err(NameError::Character(other));
        }
        if text.len() > MAX - 2 {
            return Err(NameError::Long);
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            match u8::try_from(label.len()) {
                Ok(0) => return Err(NameError::EmptyLabel),
                Ok(len) if usize::from(len) <= MAX_LABEL => wire.push(len),
                _ => return Err(NameError::LongLabel),
            }
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        Ok(Name::from_wire(&wire))
    }
}

impl fmt::Display for Name {
    /// Without the final dot; bytes that would mislead as RFC 4343 section 2.1 escapes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (at, label) in self.labels().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            for byte in label {
                match byte {
                    byte if is_plain(*byte) => write!(f, "{}", char::from(*byte))?,
                    byte => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, shown) in [
            ("api.internal", "api.internal"),
            ("API.Internal.", "api.internal"),
            ("_http._tcp.example", "_http._tcp.example"),
            ("localhost", "localhost"),
            (&"a.".repeat(126), &"a.".repeat(126)[..251]),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert!(name.is_plain());
        }
        let label = "x".repeat(64);
        let long = "a.".repeat(126) + "aa";
        for (text, error) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a b", NameError::Character(' ')),
            ("ä.example", NameError::Character('ä')),
            (&label, NameError::LongLabel),
            (&long, NameError::Long),
        ] {
            assert_eq!(text.parse::<Name>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_name_within_a_domain() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(name("api").within(&name("svc.local")).unwrap(), name("api.svc.local"));
        assert_eq!(name(&"a.".repeat(100)).within(&name(&"a.".repeat(28))), Err(NameError::Long));
    }

    #[test]
    fn case_is_mixed_by_the_bits_and_undone_by_reading() {
        let name: Name = "ab-c.de".parse().unwrap();
        assert_eq!(name.encode(None), b"\x04ab-c\x02de\0");
        assert_eq!(name.encode(Some(&[0xff; CASE])), b"\x04AB-C\x02DE\0");
        let mut bits = [0; CASE];
        bits[0] = 0b0100_0010;
        assert_eq!(name.encode(Some(&bits)), b"\x04Ab-c\x02De\0");
        assert_eq!(Name::from_wire(b"\x04Ab-c\x02De\0"), name);
    }

    #[test]
    fn bytes_that_mislead_are_escaped() {
        assert_eq!(Name::from_wire(b"\x03a.b\x01\n\0").to_string(), "a\\046b.\\010");
        assert!(!Name::from_wire(b"\x03a.b\0").is_plain());
        assert_eq!(Name::from_wire(b"\0").to_string(), ".");
    }
}
