//! VERIFY reads without sending, by blocks, filemarks and to the end.

mod common;

use common::*;

const IMMED: u8 = 0x04;
const BY_FILEMARKS: u8 = 0x08;
const TO_END: u8 = 0x20;

fn verify(flags: u8, length: u32) -> [u8; 6] {
    let [_, a, b, c] = length.to_be_bytes();
    [0x13, flags, a, b, c, 0]
}

/// Objects: two blocks of 100, one of 60, mark, 100, mark, mark, 100; EOD is 8. Block length 100.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    bench.block_length(100);
    for (blocks, marks) in [(&[100, 100, 60][..], 1), (&[100], 2), (&[100], 0)] {
        for length in blocks {
            assert_eq!(bench.write(&vec![1; *length]), "good");
        }
        assert_eq!(bench.none(&filemarks(marks, false)), "good");
    }
    bench
}

#[test]
fn verifying_ends_where_reading_would() {
    // Object, byte 1, length; outcome, object number afterwards.
    let cases: [(u32, u8, u32, &str, u64); 16] = [
        (0, 0, 100, "good", 1),
        (0, 0, 120, "00/00/00 ILI 20", 1),
        (0, 0, 80, "00/00/00 ILI -20", 1),
        (3, 0, 100, "00/00/01 FM 100", 4),
        (8, 0, 100, "08/00/05 100", 8),
        (0, 1, 2, "good", 2),
        (0, 1, 4, "00/00/00 ILI 2", 3),
        (4, 1, 3, "00/00/01 FM 2", 6),
        (7, 1, 3, "08/00/05 2", 8),
        (0, 1, 0, "good", 0),
        (0, BY_FILEMARKS, 1, "good", 4),
        (0, BY_FILEMARKS, 3, "good", 7),
        (0, BY_FILEMARKS, 5, "08/00/05 2", 8),
        (1, BY_FILEMARKS, 0, "good", 1),
        (2, TO_END, 0, "good", 8),
        (2, TO_END | BY_FILEMARKS, 1, "05/24/00", 2),
    ];
    let mut bench = recorded();
    for (object, flags, length, expected, after) in cases {
        let case = format!("object {object} flags {flags:02X} length {length}");
        for wide in [false, true] {
            let outcome = if wide {
                bench.none(&REWIND);
                let refused_unmoved = expected == "05/24/00" || length == 0 && flags & TO_END == 0;
                if refused_unmoved {
                    bench.none(&locate10(object));
                }
                bench.none(&explicit(0x8F, flags, 0, object.into(), length))
            } else {
                bench.none(&locate10(object));
                bench.none(&verify(flags, length))
            };
            assert_eq!(outcome, expected, "{case} wide {wide}");
            assert_eq!(bench.position().object, after, "{case} wide {wide}");
        }
    }
    // No LTO drive compares bytes.
    assert_eq!(bench.send(&verify(0x02, 100), &[1; 100]), "05/24/00");
}

#[test]
fn what_an_immediate_verify_finds_is_told_later() {
    let mut bench = recorded();
    bench.none(&REWIND);
    assert_eq!(bench.none(&verify(IMMED | BY_FILEMARKS, 9)), "good");
    let completion = bench.run(&REWIND, tape_sim::target::Data::None);
    assert_eq!(completion.sense[0] & 0x7F, 0x71);
    assert_eq!(completion.sense[2] & 0x0F, 8);
    // The command that brought the news was not carried out.
    assert_eq!(bench.position().object, 8);
    assert_eq!(bench.none(&REWIND), "good");
    assert_eq!(bench.none(&verify(IMMED | BY_FILEMARKS, 9)), "good");
    let sense = bench.reply(&[3, 0, 0, 0, 252, 0], 252);
    assert_eq!((sense[0] & 0x7F, sense[2] & 0x0F), (0x71, 8));
    assert_eq!(bench.none(&TUR), "good");
}
