//! A DNS answer of any bytes: no panic; with the right header and question before them it is read the same each time, in
//! bounds; what answers another query is never an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_dns::{Asked, MAX_RECORDS, Outcome, Question, RANDOM, RecordType, Records, Reply, parse};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let kind = [RecordType::A, RecordType::Aaaa, RecordType::Srv][usize::from(choice % 3)];
    let Ok(name) = "www.example.com".parse() else { return };
    let asked = Asked::new(&Question { name, kind }, &[choice; RANDOM], choice & 4 != 0);
    let _ = parse(rest, &asked);
    // The counts of records and what follows the question are the input's.
    let Some((counts, body)) = rest.split_at_checked(6) else { return };
    let mut message = asked.encode(false);
    message[2] |= 0x80;
    message[6..12].copy_from_slice(counts);
    message.extend_from_slice(body);
    let Ok(Reply::Outcome(outcome)) = parse(&message, &asked) else { panic!("our own question is not answered") };
    assert_eq!(parse(&message, &asked), Ok(Reply::Outcome(outcome.clone())));
    if let Outcome::Answer { records, .. } = outcome {
        let count = match records {
            Records::Addresses(all) => all.len(),
            Records::Srv(all) => all.len(),
        };
        assert!((1..=MAX_RECORDS).contains(&count));
    }
    message[0] ^= 1;
    assert!(parse(&message, &asked).is_err());
});
