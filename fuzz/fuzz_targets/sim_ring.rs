//! Any content of the memory shared with the kernel: the ring's decoder stays inside, ends, and
//! answers what it takes for commands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tape_sim::tcmu::ring::{Answer, Entry, Ring};

/// More than fit any ring of this size: going round for ever would be noticed.
const ENTRIES_MAX: usize = 4096;

fuzz_target!(|memory: &[u8]| {
    let mut memory = memory.to_vec();
    // A mailbox that is accepted more often than by chance: a ring at 128, its data behind.
    if memory.len() >= 512 && memory[16] & 1 == 0 {
        let ring_bytes = (memory.len() as u32 - 128) / 2 & !63;
        memory[0..2].copy_from_slice(&2_u16.to_ne_bytes());
        memory[2..4].copy_from_slice(&3_u16.to_ne_bytes());
        memory[4..8].copy_from_slice(&128_u32.to_ne_bytes());
        memory[8..12].copy_from_slice(&ring_bytes.to_ne_bytes());
        for end in [12, 64] {
            memory[end + 2..end + 4].copy_from_slice(&[0, 0]);
            memory[end] &= 0xF8;
        }
    }
    let Ok(mut ring) = Ring::open(memory) else {
        return;
    };
    for _ in 0..ENTRIES_MAX {
        match ring.oldest() {
            Ok(Some(Entry::Command(request) | Entry::Malformed(request))) => {
                let bytes = request.data_bytes();
                let mut buffer = vec![0; bytes.min(1 << 20)];
                ring.fetch(&request, &mut buffer);
                let answer = Answer {
                    status: 2,
                    sense: &[0x70, 0, 5],
                    data_in: Some(&buffer),
                };
                ring.answer(&request, answer);
            }
            Ok(Some(Entry::TaskManagement { place, .. })) => ring.skip(place),
            Ok(Some(Entry::Unknown(place))) => ring.refuse(place),
            Ok(None) | Err(_) => return,
        }
    }
    panic!("the ring has no end");
});
