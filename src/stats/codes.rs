//! One counter a status code: fixed slots for the registered codes (RFC 9110 section 15 and the IANA registry).
//! A code outside the registry is counted in its class only.

use std::sync::OnceLock;

use super::Counter;

const CODES: [u16; 63] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
    401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
    426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

const NO_SLOT: u8 = u8::MAX;

/// Slot of a status, at index `status - 100`.
const SLOTS: [u8; 500] = {
    let mut slots = [NO_SLOT; 500];
    let mut at = 0;
    while at < CODES.len() {
        slots[CODES[at] as usize - 100] = at as u8;
        at += 1;
    }
    slots
};

/// Counters by status code, made when the first is counted.
#[derive(Debug, Default)]
pub struct Codes(OnceLock<Box<[Counter; CODES.len()]>>);

impl Codes {
    #[inline]
    pub fn count(&self, status: u16) {
        let slot = SLOTS.get(usize::from(status).wrapping_sub(100)).copied().unwrap_or(NO_SLOT);
        if usize::from(slot) < CODES.len() {
            let counters = self.0.get_or_init(|| Box::new(std::array::from_fn(|_| Counter::default())));
            counters[usize::from(slot)].inc();
        }
    }

    /// The codes that were counted, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        let counters = self.0.get().into_iter().flat_map(|counters| counters.iter());
        CODES.iter().zip(counters).map(|(&code, counter)| (code, counter.get())).filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registered_code_has_its_slot() {
        let codes = Codes::default();
        for code in CODES {
            codes.count(code);
        }
        for other in [0, 99, 299, 599, 600, u16::MAX] {
            codes.count(other);
        }
        assert!(codes.iter().eq(CODES.map(|code| (code, 1))));
    }
}
