//! Distinguished names as text (RFC 2253), as OpenSSL's XN_FLAG_RFC2253 and with it Envoy write them: the last part first,
//! `+` within a part of several, short names of the types, UTF-8 with every byte that is not printable ASCII escaped.

mod types;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::der::{Der, Value, tag};
use crate::error::Error;

/// String types (X.680 section 8.6).
const UTF8: u8 = 0x0c;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const T61: u8 = 0x14;
const IA5: u8 = 0x16;
const VISIBLE: u8 = 0x1a;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;

/// Type and value, and which part of the name they belong to.
struct Attribute<'a> {
    part: usize,
    kind: &'a [u8],
    value: Value<'a>,
}

/// `name`: the body of the sequence of parts (RFC 5280 section 4.1.2.4).
pub(crate) fn to_text(mut name: Der<'_>) -> Result<String, Error> {
    let mut attributes = Vec::new();
    for part in 0.. {
        if name.is_empty() {
            break;
        }
        let mut set = Der(name.expect(tag::SET)?);
        if set.is_empty() {
            return Err(Error::Empty);
        }
        while !set.is_empty() {
            let mut attribute = set.sequence()?;
            let (kind, value) = (attribute.expect(tag::OID)?, attribute.value()?);
            attribute.finish()?;
            attributes.push(Attribute { part, kind, value });
        }
    }
    let mut text = String::new();
    let mut previous = None;
    for attribute in attributes.iter().rev() {
        match previous.replace(attribute.part) {
            None => {}
            Some(part) if part == attribute.part => text.push('+'),
            Some(_) => text.push(','),
        }
        write_attribute(attribute, &mut text)?;
    }
    Ok(text)
}

fn write_attribute(attribute: &Attribute<'_>, text: &mut String) -> Result<(), Error> {
    let characters = characters(attribute.value)?;
    match (types::short_name(attribute.kind), characters) {
        (Some(kind), Some(characters)) => {
            text.push_str(kind);
            text.push('=');
            escape(&characters, text);
        }
        // RFC 2253 section 2.4: in hexadecimal if the type has no name, or the value no string.
        (kind, _) => {
            match kind {
                Some(kind) => text.push_str(kind),
                None => write_oid(attribute.kind, text)?,
            }
            text.push_str("=#");
            attribute.value.whole.iter().for_each(|&byte| push_hex(byte, text));
        }
    }
    Ok(())
}

/// The value in UTF-8. None if it is no string. What says that it is UTF-8 is taken as it is, since each byte is escaped.
fn characters(value: Value<'_>) -> Result<Option<Cow<'_, [u8]>>, Error> {
    let body = value.body;
    Ok(Some(match value.tag {
        UTF8 => body.into(),
        // Bytes of Latin-1 where the text has no others (T.61 has, and nobody uses them).
        NUMERIC | PRINTABLE | T61 | IA5 | VISIBLE => {
            body.iter().copied().map(char::from).collect::<String>().into_bytes().into()
        }
        BMP => wide(body.as_chunks::<2>(), |&unit| u16::from_be_bytes(unit).into())?.into(),
        UNIVERSAL => wide(body.as_chunks::<4>(), |&unit| u32::from_be_bytes(unit))?.into(),
        _ => return Ok(None),
    }))
}

/// Characters of several bytes each.
fn wide<const N: usize>(units: (&[[u8; N]], &[u8]), number: fn(&[u8; N]) -> u32) -> Result<Vec<u8>, Error> {
    let (units, rest) = units;
    if !rest.is_empty() {
        return Err(Error::BadString);
    }
    let text: Option<String> = units.iter().map(|unit| char::from_u32(number(unit))).collect();
    text.map(String::into_bytes).ok_or(Error::BadString)
}

/// RFC 2253 section 2.4. (OpenSSL forgets the backslash of a value that is one `#`; BoringSSL, and so Envoy, does not.)
fn escape(value: &[u8], text: &mut String) {
    for (nth, &byte) in value.iter().enumerate() {
        let backslash = match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => true,
            b'#' => nth == 0,
            b' ' => nth == 0 || nth + 1 == value.len(),
            _ => false,
        };
        match byte {
            _ if backslash => text.extend(['\\', char::from(byte)]),
            0x20..0x7f => text.push(char::from(byte)),
            _ => {
                text.push('\\');
                push_hex(byte, text);
            }
        }
    }
}

fn push_hex(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.extend([byte >> 4, byte & 0x0f].map(|digit| char::from(DIGITS[usize::from(digit)])));
}

/// Numbers with dots (X.690 section 8.19).
fn write_oid(oid: &[u8], text: &mut String) -> Result<(), Error> {
    let (mut number, mut first, mut begun) = (0_u64, true, false);
    for &byte in oid {
        // Of no more than 64 bits, and not with zeros in front.
        if number >> 57 != 0 || (!begun && byte == 0x80) {
            return Err(Error::BadOid);
        }
        number = number << 7 | u64::from(byte & 0x7f);
        begun = byte & 0x80 != 0;
        if begun {
            continue;
        }
        // Writing to a string does not fail.
        if first {
            let root = (number / 40).min(2);
            let _ = write!(text, "{root}.{}", number - root * 40);
        } else {
            let _ = write!(text, ".{number}");
        }
        (number, first) = (0, false);
    }
    if first || begun { Err(Error::BadOid) } else { Ok(()) }
}
