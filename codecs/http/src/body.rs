//! The length of a message body, and the one place that checks it. Every codec, both directions, every
//! way to end a message goes through [`BodyAccountant`]: a body that disagrees with its declared length is
//! how requests are smuggled (RFC 9112 section 11.2, RFC 9113 section 8.1.1).

use std::fmt;

/// How long a body is going to be, as its head declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// No body at all: the message ends with its head.
    Empty,
    /// `Content-Length`, in bytes. `Exact(0)` is a declared empty body.
    Exact(u64),
    /// Ended by the framing: the last chunk, END_STREAM, or the end of the connection.
    Unknown,
}

impl BodyLength {
    /// The message ends with its head.
    pub fn is_empty(self) -> bool {
        matches!(self, BodyLength::Empty | BodyLength::Exact(0))
    }
}

/// Counts body bytes against the declared length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyAccountant {
    declared: BodyLength,
    seen: u64,
}

/// The body disagrees with its declared length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthError {
    /// More bytes came than were declared.
    TooLong,
    /// The message ended before the declared length.
    TooShort,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LengthError::TooLong => "body longer than its declared length",
            LengthError::TooShort => "body shorter than its declared length",
        })
    }
}

impl BodyAccountant {
    pub fn new(declared: BodyLength) -> BodyAccountant {
        BodyAccountant { declared, seen: 0 }
    }

    /// Body bytes counted so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Bytes still to come, where the length was declared.
    pub fn remaining(&self) -> Option<u64> {
        match self.declared {
            BodyLength::Empty => Some(0),
            BodyLength::Exact(length) => Some(length.saturating_sub(self.seen)),
            BodyLength::Unknown => None,
        }
    }

    /// Counts `bytes` more body bytes.
    pub fn on_data(&mut self, bytes: usize) -> Result<(), LengthError> {
        if self.remaining().is_some_and(|left| bytes as u64 > left) {
            return Err(LengthError::TooLong);
        }
        self.seen = self.seen.saturating_add(bytes as u64);
        Ok(())
    }

    /// The message ends here: by its last byte, by trailers, by an empty frame.
    pub fn on_end(&self) -> Result<(), LengthError> {
        match self.remaining() {
            Some(left) if left > 0 => Err(LengthError::TooShort),
            _ => Ok(()),
        }
    }
}

/// A length as `content-length` says it, at the end of `digits`.
pub fn decimal(length: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    let mut rest = length;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_decimal() {
        for length in [0, 7, 10, 1234, u64::MAX] {
            assert_eq!(decimal(length, &mut [0; 20]), length.to_string().as_bytes());
        }
    }

    #[test]
    fn exact_length_is_exact() {
        let mut body = BodyAccountant::new(BodyLength::Exact(5));
        assert_eq!(body.on_end(), Err(LengthError::TooShort));
        assert_eq!(body.on_data(3), Ok(()));
        assert_eq!(body.remaining(), Some(2));
        assert_eq!(body.on_data(3), Err(LengthError::TooLong));
        assert_eq!(body.on_data(2), Ok(()));
        assert_eq!(body.on_end(), Ok(()));
        assert_eq!(body.on_data(1), Err(LengthError::TooLong));
    }

    #[test]
    fn an_empty_body_takes_nothing_and_an_unknown_one_anything() {
        let mut none = BodyAccountant::new(BodyLength::Empty);
        assert_eq!(none.on_data(0), Ok(()));
        assert_eq!(none.on_data(1), Err(LengthError::TooLong));
        assert_eq!(none.on_end(), Ok(()));

        let mut unknown = BodyAccountant::new(BodyLength::Unknown);
        assert_eq!(unknown.on_data(usize::MAX), Ok(()));
        assert_eq!(unknown.on_data(usize::MAX), Ok(()), "the count saturates");
        assert_eq!(unknown.on_end(), Ok(()));
    }
}
