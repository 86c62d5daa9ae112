//! Any bytes where a tape's label, segment or index should be.
#![no_main]

use libfuzzer_sys::fuzz_target;
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
});
