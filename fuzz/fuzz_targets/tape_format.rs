//! Any bytes where a tape's label, segment or index should be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapewright::volume::frames::{FRAME_BYTES, FrameReader};
use tapewright::volume::tar::{MemberParser, find_member};
use tapewright::volume::{index, label};

fuzz_target!(|data: &[u8]| {
    let _ = label::decode_label(data);
    let _ = index::decode(data);
    let _ = find_member(data);
    let mut parser = MemberParser::new();
    let mut input = data;
    loop {
        let left = input.len();
        match parser.next(&mut input) {
            Ok(Some(_)) => assert!(input.len() <= left),
            Ok(None) | Err(_) => break,
        }
    }
    assert!(parser.position() <= data.len() as u64);
    frames(data);
});

/// The same bytes as records of a compressed segment.
fn frames(data: &[u8]) {
    let mut reader = FrameReader::new(0);
    for piece in data.chunks(512) {
        reader.feed(piece);
        loop {
            let before = reader.position();
            let found = match reader.next_frame() {
                Ok(found) => found.map(|frame| frame.content.len()),
                Err(_) => reader.find(false).map(|frame| frame.content.len()),
            };
            assert!(found.is_none_or(|bytes| (1..=FRAME_BYTES).contains(&bytes)));
            assert!(reader.position() >= before);
            if found.is_none() {
                break;
            }
        }
    }
    while reader.find(true).is_some() {}
    assert!(reader.position() <= data.len() as u64);
}
