//! Pins: SHA-256 of a certificate (`sha256`, hexadecimal, as `openssl x509 -fingerprint` prints it) or of its public key
//! (`spki`, base64, as RFC 7469 section 2.4 has it).

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::text::{Complaint, Cx, Node, quote, read};
use crate::grpc::base64;

/// A SHA-256.
pub type Pin = [u8; 32];

pub(super) fn read_hex(cx: &Cx, node: &Node) -> Option<Pin> {
    const EXPECTED: &str = "64 hexadecimal digits, with or without colons: the SHA-256 of a certificate";
    let text = read::string(cx, node)?;
    parse(&text)
        .or_else(|| cx.refuse(node, Complaint::new(format!("{} is no fingerprint", quote(&text))).expected(EXPECTED)))
}

/// 64 hexadecimal digits; colons between them are skipped.
pub fn parse(text: &str) -> Option<Pin> {
    let digits: Option<Vec<u8>> =
        text.chars().filter(|&c| c != ':').map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1]))
}

pub(super) fn read_base64(cx: &Cx, node: &Node) -> Option<Pin> {
    const EXPECTED: &str = "44 letters of base64: the SHA-256 of a public key";
    let text = read::string(cx, node)?;
    let (mut decoder, mut bytes) = (base64::Decoder::default(), Vec::new());
    let whole = decoder.decode(text.as_bytes(), &mut bytes).is_ok() && decoder.is_between();
    match bytes.try_into() {
        Ok(pin) if whole => Some(pin),
        _ => cx.refuse(node, Complaint::new(format!("{} is no pin", quote(&text))).expected(EXPECTED)),
    }
}

pub(super) fn write_hex<S: Serializer>(pins: &[Pin], out: S) -> Result<S::Ok, S::Error> {
    write(pins, out, |pin| pin.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub(super) fn write_base64<S: Serializer>(pins: &[Pin], out: S) -> Result<S::Ok, S::Error> {
    write(pins, out, |pin| {
        let (mut encoder, mut text) = (base64::Encoder::default(), Vec::new());
        encoder.encode(pin, &mut text);
        encoder.pad(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn write<S: Serializer, T: Serialize>(pins: &[Pin], out: S, show: impl Fn(&Pin) -> T) -> Result<S::Ok, S::Error> {
    let mut seq = out.serialize_seq(Some(pins.len()))?;
    for pin in pins {
        seq.serialize_element(&show(pin))?;
    }
    seq.end()
}
