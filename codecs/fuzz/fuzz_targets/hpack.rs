//! Two header blocks of any bytes on one connection: no panic; and what decodes, our encoder can write and our decoder
//! read again, through tables of other sizes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::split;
use nuncio_hpack::{Decoder, Encoder, Error};
use nuncio_http::HeaderId;

/// Id, name, value, never indexed.
type Field = (HeaderId, Vec<u8>, Vec<u8>, bool);

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    let visit = |field: nuncio_hpack::Field<'_>| {
        fields.push((field.id, field.name.to_vec(), field.value.to_vec(), field.never_indexed));
    };
    decoder.decode(block, visit).map(|()| fields)
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, input)) = input.split_first() else { return };
    let Some((blocks, cut)) = split(input) else { return };
    let (first, second) = blocks.split_at(cut);
    let mut received = Decoder::new(300);
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    for (block, size) in [(first, 4096), (second, u32::from(size) * 2)] {
        let Ok(fields) = decode(&mut received, block) else { return };
        encoder.set_peer_table_size(size);
        let mut written = Vec::new();
        encoder.begin(&mut written);
        for (id, name, value, never_indexed) in &fields {
            assert_eq!(*id, HeaderId::recognise(name));
            if *never_indexed {
                encoder.encode_never_indexed(*id, name, value, &mut written);
            } else {
                encoder.encode(*id, name, value, &mut written);
            }
        }
        let read = decode(&mut decoder, &written);
        let bare = |fields: &[Field]| -> Vec<_> {
            fields.iter().map(|(_, name, value, _)| (name.clone(), value.clone())).collect()
        };
        assert_eq!(read.as_deref().map(bare), Ok(bare(&fields)));
        let kept = read.iter().flatten().zip(&fields).all(|(read, field)| read.3 || !field.3);
        assert!(kept, "what is never indexed stays so");
    }
});
