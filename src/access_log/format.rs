//! Text with `%OPERATORS%`, parsed once.

use nuncio_http::validate::is_field_byte;

use super::error::{FormatError, FormatErrorKind};
use super::escape::{Field, Mode};
use super::operator::{Operator, Value};
use crate::stream::StreamInfo;

/// A parsed format: `NAME(ARGUMENT):LENGTH` between percent signs is an operator, `%%` a percent sign, the rest text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Operator { operator: Operator, max: Option<usize> },
}

impl Format {
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            let at = text.len() - after.len() - 1;
            literal.extend_from_slice(before.as_bytes());
            if let Some(after) = after.strip_prefix('%') {
                literal.push(b'%');
                rest = after;
                continue;
            }
            let (part, after) = parse_operator(after).map_err(|kind| FormatError { at, kind })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = after;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Format(parts))
    }

    /// Appends the text for a stream as it may stand in a line of text; `-` for what is not known.
    pub fn render(&self, info: &StreamInfo, out: &mut Vec<u8>) {
        self.render_mode(info, Mode::Text, out);
    }

    /// Appends a valid header value (RFC 9110 section 5.5): bytes that cannot stand there are left out, what is not known
    /// is empty. A value that comes out empty means, as in Envoy, that the field is not to be added.
    pub fn render_header(&self, info: &StreamInfo, out: &mut Vec<u8>) {
        let start = out.len();
        self.render_mode(info, Mode::Header, out);
        let value = out[start..].trim_ascii();
        let (skipped, len) = (value.as_ptr() as usize - out[start..].as_ptr() as usize, value.len());
        out.truncate(start + skipped + len);
        out.drain(start..start + skipped);
    }

    /// The whole value if there is no operator in it; for those who need to render once only.
    pub fn literal(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends a JSON value: a number or `null` where the format is a single operator, else a string.
    pub(super) fn render_json(&self, info: &StreamInfo, out: &mut Vec<u8>) {
        if let [Part::Operator { operator, max: None }] = &self.0[..] {
            match operator.value(info) {
                Value::Absent => return out.extend_from_slice(b"null"),
                Value::Number(number) => {
                    Value::Number(number).write(&mut Field::new(out, Mode::Json, None));
                    return;
                }
                _ => {}
            }
        }
        out.push(b'"');
        self.render_mode(info, Mode::Json, out);
        out.push(b'"');
    }

    fn render_mode(&self, info: &StreamInfo, mode: Mode, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                // The operator of this proxy wrote it: it is trusted in a line of text, but must fit its place.
                Part::Text(text) => match mode {
                    Mode::Text => out.extend_from_slice(text),
                    Mode::Json => super::escape::json(text, false, out),
                    Mode::Header => out.extend(text.iter().filter(|&&byte| is_field_byte(byte))),
                },
                Part::Operator { operator, max } => match operator.value(info) {
                    Value::Absent if mode == Mode::Header => {}
                    Value::Absent => out.push(b'-'),
                    value => value.write(&mut Field::new(out, mode, *max)),
                },
            }
        }
    }
}

/// What follows a `%`, and the text behind the operator's second one.
fn parse_operator(text: &str) -> Result<(Part, &str), FormatErrorKind> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).ok_or(FormatErrorKind::NotAnOperator)?;
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return Err(FormatErrorKind::NotAnOperator);
    }
    let mut argument = None;
    if let Some(inside) = rest.strip_prefix('(') {
        let (found, behind) = inside.split_once(')').ok_or(FormatErrorKind::NotAnOperator)?;
        argument = Some(found);
        rest = behind;
    }
    let mut max = None;
    if let Some(length) = rest.strip_prefix(':') {
        let (digits, _) = length.split_once('%').ok_or(FormatErrorKind::NotAnOperator)?;
        max = Some(digits.parse().ok().filter(|&max| max > 0).ok_or(FormatErrorKind::Length)?);
        rest = &length[digits.len()..];
    }
    let rest = rest.strip_prefix('%').ok_or(FormatErrorKind::NotAnOperator)?;
    Ok((Part::Operator { operator: Operator::parse(name, argument)?, max }, rest))
}

#[cfg(test)]
mod tests;
