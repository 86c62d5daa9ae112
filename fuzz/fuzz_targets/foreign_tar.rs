//! Any bytes where another program's tar archive should be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapewright::volume::tar::{Event, MemberParser};

fuzz_target!(|data: &[u8]| {
    let mut parser = MemberParser::foreign();
    let mut input = data;
    let mut payload_bytes = 0;
    while let Ok(Some(event)) = parser.next(&mut input) {
        match event {
            Event::Member { member, .. } => {
                assert!(!member.path.starts_with(b"/") && !member.path.contains(&0));
                assert!(
                    member
                        .path
                        .split(|&byte| byte == b'/')
                        .all(|name| name != b"..")
                );
                payload_bytes = member.payload_bytes();
            }
            Event::Data { bytes, .. } => {
                let left = payload_bytes.checked_sub(bytes.len() as u64);
                payload_bytes = left.expect("no more data than the member has");
            }
            Event::MemberEnd => assert_eq!(payload_bytes, 0),
            _ => {}
        }
        let _ = parser.take_remarks();
    }
    assert!(parser.position() <= data.len() as u64);
});
