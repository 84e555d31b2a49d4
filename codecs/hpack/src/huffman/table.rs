//! The code of RFC 7541 appendix B and the tables that are made of it at compile time. The code is canonical: codes
//! ascend with their lengths, and among those of one length with their symbols, so that the lengths say all.

/// The end-of-string symbol.
pub(super) const EOS: usize = 256;

/// The longest code, in bits.
pub(super) const LONGEST: u32 = 30;

/// Bits of the code of each octet, and of EOS.
#[rustfmt::skip]
pub(super) static LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// A symbol's code.
#[derive(Clone, Copy)]
pub(super) struct Code {
    /// Right-aligned.
    pub(super) bits: u32,
    pub(super) len: u8,
}

/// The code of each octet, and of EOS.
pub(super) static CODES: [Code; 257] = codes();

const fn codes() -> [Code; 257] {
    let mut codes = [Code { bits: 0, len: 0 }; 257];
    let mut next = 0;
    let mut len = 1;
    while len as u32 <= LONGEST {
        next <<= 1;
        let mut symbol = 0;
        while symbol < codes.len() {
            if LENGTHS[symbol] == len {
                codes[symbol] = Code { bits: next, len };
                next += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    codes
}

/// Bits that one look-up decodes.
pub(super) const STEP_BITS: u32 = 10;

/// What the next [`STEP_BITS`] bits begin with.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) symbols: [u8; 2],
    /// Bits of the first symbol's code; 0 if the code is longer than [`STEP_BITS`].
    pub(super) first: u8,
    /// Bits of both; equal to `first` if only one symbol is complete.
    pub(super) both: u8,
}

pub(super) static STEPS: [Step; 1 << STEP_BITS] = steps();

const fn steps() -> [Step; 1 << STEP_BITS] {
    let codes = codes();
    let mut steps = [Step { symbols: [0; 2], first: 0, both: 0 }; 1 << STEP_BITS];
    // First each code alone, in all words that begin with it.
    let mut symbol = 0;
    while symbol < EOS {
        let Code { bits, len } = codes[symbol];
        if len as u32 <= STEP_BITS {
            let spare = STEP_BITS - len as u32;
            let mut low = 0;
            while low < 1 << spare {
                steps[(bits << spare | low) as usize] = Step { symbols: [symbol as u8, 0], first: len, both: len };
                low += 1;
            }
        }
        symbol += 1;
    }
    // Then the second: what the word shifted by the first begins with, if it lies within the word.
    let mut word = 0;
    while word < steps.len() {
        let first = steps[word].first;
        let second = steps[(word << first) & (steps.len() - 1)];
        if first > 0 && second.first > 0 && (first + second.first) as u32 <= STEP_BITS {
            steps[word].symbols[1] = second.symbols[0];
            steps[word].both = first + second.first;
        }
        word += 1;
    }
    steps
}

/// The codes of one length, left-aligned to 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// The first code.
    pub(super) first: u32,
    /// The last word that begins with one of these codes or a shorter one.
    pub(super) last: u32,
    /// Place of the first code's symbol in [`ORDER`].
    pub(super) start: u16,
}

/// By length.
pub(super) static ROWS: [Row; LONGEST as usize + 1] = rows();

/// All symbols in the order of their codes.
pub(super) static ORDER: [u16; 257] = order();

const fn rows() -> [Row; LONGEST as usize + 1] {
    let mut rows = [Row { first: 0, last: 0, start: 0 }; LONGEST as usize + 1];
    // 64 bits: the end of the longest codes is 2^32.
    let (mut next, mut start, mut len) = (0_u64, 0, 1);
    while len < rows.len() {
        let first = next;
        let row_start = start;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == len {
                next += 1 << (32 - len);
                start += 1;
            }
            symbol += 1;
        }
        rows[len] = Row { first: first as u32, last: next.saturating_sub(1) as u32, start: row_start };
        len += 1;
    }
    rows
}

const fn order() -> [u16; 257] {
    let mut order = [0; 257];
    let (mut at, mut len) = (0, 1);
    while len as u32 <= LONGEST {
        let mut symbol = 0;
        while symbol < order.len() {
            if LENGTHS[symbol] == len {
                order[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    order
}
