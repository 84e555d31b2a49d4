//! A server for tests: it builds answers, sound and unsound.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{Asked, Name, Question, RANDOM, RecordType};

pub(crate) fn name(text: &str) -> Name {
    if text == "." { Name::from_wire(b"\0") } else { text.parse().unwrap() }
}

pub(crate) fn question(text: &str, kind: RecordType) -> Question {
    Question { name: name(text), kind }
}

/// A query in mixed case.
pub(crate) fn asked(text: &str, kind: RecordType) -> Asked {
    let mut random = [0b1010_0110; RANDOM];
    random[0] = 7;
    Asked::new(&question(text, kind), &random, true)
}

/// A message under construction.
#[derive(Clone)]
pub(crate) struct Built(pub(crate) Vec<u8>);

impl Built {
    /// An answer without records.
    pub(crate) fn to(asked: &Asked) -> Built {
        let header = [asked.id, 0x8180, 1, 0, 0, 0];
        let mut message: Vec<u8> = header.into_iter().flat_map(u16::to_be_bytes).collect();
        message.extend_from_slice(&asked.name);
        message.extend(asked.question.kind.code().to_be_bytes());
        message.extend(1u16.to_be_bytes());
        Built(message)
    }

    /// An answer to a message as it was sent.
    pub(crate) fn to_message(query: &[u8]) -> Built {
        let mut end = 12;
        while query[end] != 0 {
            end += usize::from(query[end]) + 1;
        }
        let mut message = query[..end + 5].to_vec();
        message[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        Built(message)
    }

    /// Sets bits of the second word.
    pub(crate) fn flags(mut self, bits: u16) -> Built {
        let [high, low] = bits.to_be_bytes();
        self.0[2] |= high;
        self.0[3] |= low;
        self
    }

    pub(crate) fn count(mut self, section: usize, count: u16) -> Built {
        self.0[4 + 2 * section..6 + 2 * section].copy_from_slice(&count.to_be_bytes());
        self
    }

    /// Adds a record; sections are filled in order, 1 answer, 2 authority, 3 additional.
    pub(crate) fn record(mut self, section: usize, owner: &str, kind: u16, class: u16, ttl: u32, data: &[u8]) -> Built {
        let at = 4 + 2 * section;
        let count = u16::from_be_bytes([self.0[at], self.0[at + 1]]) + 1;
        self.0.extend_from_slice(&name(owner).encode(None));
        self.0.extend([kind, class].into_iter().flat_map(u16::to_be_bytes));
        self.0.extend(ttl.to_be_bytes());
        self.0.extend((data.len() as u16).to_be_bytes());
        self.0.extend_from_slice(data);
        self.count(section, count)
    }

    pub(crate) fn a(self, owner: &str, ttl: u32, address: &str) -> Built {
        self.record(1, owner, 1, 1, ttl, &address.parse::<Ipv4Addr>().unwrap().octets())
    }

    pub(crate) fn aaaa(self, owner: &str, ttl: u32, address: &str) -> Built {
        self.record(1, owner, 28, 1, ttl, &address.parse::<Ipv6Addr>().unwrap().octets())
    }

    pub(crate) fn cname(self, owner: &str, ttl: u32, target: &str) -> Built {
        self.record(1, owner, 5, 1, ttl, &name(target).encode(None))
    }

    pub(crate) fn srv(self, owner: &str, ttl: u32, numbers: [u16; 3], target: &str) -> Built {
        let numbers: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
        self.record(1, owner, 33, 1, ttl, &[&numbers[..], &name(target).encode(None)].concat())
    }

    pub(crate) fn soa(self, ttl: u32, minimum: u32) -> Built {
        let data = [b"\x01n\0\x01m\0", &[0; 16][..], &minimum.to_be_bytes()].concat();
        self.record(2, "zone", 6, 1, ttl, &data)
    }

    pub(crate) fn opt(self, extended: u8) -> Built {
        self.record(3, ".", 41, 1232, u32::from(extended) << 24, b"")
    }
}
