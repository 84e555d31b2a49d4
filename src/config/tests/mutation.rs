//! Good files with parts cut out, replaced, doubled: whatever is said of them, nothing panics.

use std::path::Path;

use serde_json::Value;

use super::{BASE, files, parse};

const PIECES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "1.5",
    "18446744073709551616",
    "\"\"",
    "\"off\"",
    "\"%\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"é\"",
    "\"*\"",
    "\"/\"",
    "\"//\"",
    "\"5s\"",
    "[]",
    "{}",
    "[[]]",
    "{\"a\":1,\"a\":2}",
    "[null]",
    ",",
    ":",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "\u{feff}",
    "\u{2028}",
    "\\",
];

#[test]
fn mutated_files_never_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut loaded, mut refused) = (0, 0);
    for (_, text) in files("good") {
        for _ in 0..2000 {
            let mut mutant = text.clone();
            match serde_json::from_str(&text) {
                Ok(mut value) if random.bool() => {
                    mutate_value(&mut value, &mut random);
                    mutant = value.to_string();
                }
                _ => (0..random.usize(1..4)).for_each(|_| mutate(&mut mutant, &mut random)),
            }
            match parse(&mutant, Path::new(BASE), "mutant") {
                Ok((config, _)) => {
                    loaded += 1;
                    let again = parse(&config.to_json(), Path::new(BASE), "again");
                    assert_eq!(again.map(|(again, _)| again), Ok(config), "{mutant}");
                }
                Err(problems) => {
                    refused += 1;
                    assert!(problems.count() > 0 && !problems.to_string().contains('\0'));
                }
            }
        }
    }
    assert!(loaded > 100 && refused > 1000, "{loaded} loaded, {refused} refused");
}

/// Drops or replaces one value somewhere within: what is left is JSON.
fn mutate_value(value: &mut Value, random: &mut fastrand::Rng) {
    let size = match value {
        Value::Object(members) => members.len(),
        Value::Array(elements) => elements.len(),
        _ => 0,
    };
    let at = random.usize(..size.max(1));
    let drop = random.u8(..4) == 0;
    match value {
        Value::Object(members) if size > 0 => {
            let key = members.keys().nth(at).unwrap().clone();
            if drop {
                members.remove(&key);
            } else {
                mutate_value(&mut members[&key], random);
            }
        }
        Value::Array(elements) if size > 0 && drop => {
            elements.remove(at);
        }
        Value::Array(elements) if size > 0 => mutate_value(&mut elements[at], random),
        _ => {
            let pieces = PIECES.iter().filter_map(|piece| serde_json::from_str(piece).ok());
            *value = random.choice(pieces.collect::<Vec<Value>>()).unwrap();
        }
    }
}

fn mutate(text: &mut String, random: &mut fastrand::Rng) {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return;
    }
    let (start, end) = tokens[random.usize(..tokens.len())];
    match random.u8(..4) {
        0 => text.replace_range(start..end, ""),
        1 | 2 => text.replace_range(start..end, PIECES[random.usize(..PIECES.len())]),
        _ => {
            let (start, end) = tokens[random.usize(..tokens.len())];
            let (_, at) = tokens[random.usize(..tokens.len())];
            let copy = text[start..end].to_owned();
            text.insert_str(at, &copy);
        }
    }
}

/// Strings, words and single signs: enough of JSON to cut it where it may still be JSON.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap();
        let len = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ if first.is_alphanumeric() => rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        if !first.is_whitespace() {
            tokens.push((at, at + len));
        }
        at += len;
    }
    tokens
}
