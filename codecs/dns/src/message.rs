//! The query: a header, one question, and EDNS to say how much may come back (RFC 1035 section 4.1, RFC 6891).

use crate::{CASE, MAX_UDP, Name, RANDOM};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    pub name: Name,
    pub kind: RecordType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
    /// Hosts of a service, with their ports (RFC 2782).
    Srv,
}

impl RecordType {
    pub(crate) fn code(self) -> u16 {
        match self {
            RecordType::A => 1,
            RecordType::Aaaa => 28,
            RecordType::Srv => 33,
        }
    }
}

/// A query as it was sent: what its answer must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub(crate) question: Question,
    pub(crate) id: u16,
    /// The name, letter for letter.
    pub(crate) name: Vec<u8>,
    /// The answer must have each letter's case.
    pub(crate) exact: bool,
}

/// Class IN.
pub(crate) const INTERNET: u16 = 1;
pub(crate) const OPT: u16 = 41;
/// Recursion desired.
const RD: u16 = 1 << 8;

impl Asked {
    /// A query whose id, and case if `mixed`, are made of `random`.
    pub fn new(question: &Question, random: &[u8; RANDOM], mixed: bool) -> Asked {
        let [first, second, bits @ ..] = *random;
        let bits: [u8; CASE] = bits;
        let name = question.name.encode(mixed.then_some(&bits));
        Asked { id: u16::from_be_bytes([first, second]), name, exact: true, question: question.clone() }
    }

    /// The message of a datagram.
    pub fn encode(&self, edns: bool) -> Vec<u8> {
        let header = [self.id, RD, 1, 0, 0, edns.into()];
        let mut message: Vec<u8> = header.into_iter().flat_map(u16::to_be_bytes).collect();
        message.extend_from_slice(&self.name);
        message.extend(self.question.kind.code().to_be_bytes());
        message.extend(INTERNET.to_be_bytes());
        if edns {
            // The root's name, what fits into a datagram, then no flags and no options (RFC 6891 section 6.1.2).
            message.push(0);
            message.extend([OPT, MAX_UDP as u16, 0, 0, 0].into_iter().flat_map(u16::to_be_bytes));
        }
        message
    }

    /// The same for a stream: behind its length (RFC 1035 section 4.2.2).
    pub fn encode_stream(&self, edns: bool) -> Vec<u8> {
        let message = self.encode(edns);
        // A name and two dozen bytes.
        [&(message.len() as u16).to_be_bytes()[..], &message].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_on_the_wire() {
        let question = Question { name: "ab.c".parse().unwrap(), kind: RecordType::Aaaa };
        let mut random = [0; RANDOM];
        random[..3].copy_from_slice(&[0x12, 0x34, 0b0000_0010]);
        let plain = b"\x124\x01\0\0\x01\0\0\0\0\0\0\x02ab\x01c\0\0\x1c\0\x01";
        assert_eq!(Asked::new(&question, &random, false).encode(false), plain);
        let mixed = b"\x124\x01\0\0\x01\0\0\0\0\0\x01\x02Ab\x01c\0\0\x1c\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
        assert_eq!(Asked::new(&question, &random, true).encode(true), mixed);
        let stream = Asked::new(&question, &random, true).encode_stream(true);
        assert_eq!((&stream[..2], &stream[2..]), (&[0, mixed.len() as u8][..], &mixed[..]));
    }
}
