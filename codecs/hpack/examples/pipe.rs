//! Both directions on a pipe, for `interop/hpack`. Reads commands, one a line, and answers each with one line:
//!
//! ```text
//! decoder SIZE        a new decoder, SETTINGS_HEADER_TABLE_SIZE as announced
//! encoder SIZE        a new encoder, its largest table
//! peer SIZE           SETTINGS_HEADER_TABLE_SIZE of the encoder's peer
//! encode FIELD...     a block: answered by its octets in hexadecimal
//! decode BLOCK        answered by fields, or by `error: ` and why
//! ```
//!
//! A field is `NAME:VALUE`, both in hexadecimal, with `!` behind it if it is never indexed.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use nuncio_hpack::{Decoder, Encoder};
use nuncio_http::HeaderId;

struct Pipe {
    decoder: Decoder,
    encoder: Encoder,
}

impl Pipe {
    /// `None`: no such command.
    fn answer(&mut self, line: &str) -> Option<String> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "decoder" => self.decoder = Decoder::new(rest.parse().ok()?),
            "encoder" => self.encoder = Encoder::new(rest.parse().ok()?),
            "peer" => self.encoder.set_peer_table_size(rest.parse().ok()?),
            "encode" => return self.encode(rest),
            "decode" => return Some(self.decode(&octets(rest)?)),
            _ => return None,
        }
        Some("ok".to_owned())
    }

    fn encode(&mut self, fields: &str) -> Option<String> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for field in fields.split_whitespace() {
            let (name, value) = field.trim_end_matches('!').split_once(':')?;
            let (name, value) = (octets(name)?, octets(value)?);
            let id = HeaderId::recognise(&name);
            if field.ends_with('!') {
                self.encoder.encode_never_indexed(id, &name, &value, &mut block);
            } else {
                self.encoder.encode(id, &name, &value, &mut block);
            }
        }
        Some(hex(&block))
    }

    fn decode(&mut self, block: &[u8]) -> String {
        let mut fields = String::new();
        let result = self.decoder.decode(block, |field| {
            let mark = if field.never_indexed { "!" } else { "" };
            let _ = write!(fields, "{}:{}{mark} ", hex(field.name), hex(field.value));
        });
        result.map_or_else(|error| format!("error: {error}"), |()| fields)
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let digit = |at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len()).step_by(2).map(digit).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn main() -> io::Result<()> {
    let mut pipe = Pipe { decoder: Decoder::new(4096), encoder: Encoder::new(4096) };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = pipe.answer(&line).ok_or_else(|| io::Error::other(format!("not a command: {line}")))?;
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
