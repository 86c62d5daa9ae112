//! ERASE, FORMAT MEDIUM and SET CAPACITY take their time, and with IMMED tell how far they are.

mod common;

use std::time::Duration;

use common::*;
use tape_sim::library::LibrarySpec;

const HOUR: Duration = Duration::from_secs(3600);

fn native() -> Bench {
    Bench::with(&LibrarySpec {
        capacity_bytes: None,
        ..small()
    })
}

/// Progress that REQUEST SENSE tells, of 65536.
fn progress(bench: &mut Bench) -> Option<u16> {
    let sense = bench.reply(&[3, 0, 0, 0, 252, 0], 252);
    (sense[15] & 0x80 != 0).then(|| u16::from_be_bytes([sense[16], sense[17]]))
}

#[test]
fn operations_last_as_long_with_immed_as_without() {
    // Command, what is said meanwhile, least and greatest duration.
    let cases: [([u8; 6], u8, &str, Duration, Duration); 4] = [
        (
            [0x19, 0x01, 0, 0, 0, 0],
            0x02,
            "02/04/07",
            12 * HOUR,
            13 * HOUR,
        ),
        (
            [0x19, 0x00, 0, 0, 0, 0],
            0x02,
            "02/04/07",
            HOUR / 3600,
            HOUR / 360,
        ),
        // With the optimization of an LTO-9 cartridge, 20 minutes to 2 hours.
        (
            [0x04, 0x00, 0, 0, 0, 0],
            0x01,
            "02/04/04",
            HOUR / 3,
            3 * HOUR,
        ),
        (
            [0x0B, 0x00, 0, 0xFF, 0xFF, 0],
            0x01,
            "02/04/04",
            HOUR / 60,
            HOUR / 10,
        ),
    ];
    for (cdb, immed, busy, least, most) in cases {
        let mut waits = native();
        let before = waits.drive().elapsed();
        assert_eq!(waits.none(&cdb), "good", "{cdb:02X?}");
        let taken = waits.drive().elapsed() - before;
        assert!((least..most).contains(&taken), "{cdb:02X?} took {taken:?}");
        assert_eq!(waits.none(&TUR), "good", "{cdb:02X?}");

        let mut goes_on = native();
        let before = goes_on.drive().elapsed();
        let mut immediate = cdb;
        immediate[1] |= immed;
        assert_eq!(goes_on.none(&immediate), "good", "{cdb:02X?}");
        assert_eq!(goes_on.drive().elapsed(), before, "{cdb:02X?}");
        // What wants the medium has to wait, and so has the robot.
        for refused in [&TUR, &REWIND, &UNLOAD, &write(false, 1)] {
            if goes_on.drive().elapsed() - before < least / 2 {
                assert_eq!(
                    goes_on.send(refused, &[1]),
                    busy,
                    "{cdb:02X?} {refused:02X?}"
                );
            }
        }
        assert_eq!(goes_on.poll(busy), "good", "{cdb:02X?}");
        assert_eq!(goes_on.drive().elapsed() - before, taken, "{cdb:02X?}");
    }
}

#[test]
fn progress_grows_until_the_drive_is_ready() {
    let mut bench = native();
    assert_eq!(bench.none(&[0x19, 0x03, 0, 0, 0, 0]), "good");
    let mut told = Vec::new();
    while let Some(done) = progress(&mut bench) {
        told.push(done);
        bench.drive().host_spends(HOUR);
    }
    assert_eq!(told.len(), 13, "{told:?}");
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert!(told[0] < 200 && told[12] > 60_000, "{told:?}");
    assert_eq!(bench.none(&TUR), "good");
}

#[test]
fn an_erase_takes_as_long_as_there_is_tape_behind_it() {
    let mut bench = native();
    let zeros = vec![0; 8 << 20];
    for _ in 0..100 {
        assert_eq!(bench.write(&zeros), "good");
    }
    let took = |bench: &mut Bench, object: u32| {
        bench.none(&locate10(object));
        let before = bench.drive().elapsed();
        assert_eq!(bench.none(&[0x19, 0x01, 0, 0, 0, 0]), "good");
        bench.drive().elapsed() - before
    };
    let (less, more) = (took(&mut bench, 99), took(&mut bench, 0));
    // 99 blocks of 8 MiB at 400 MB/s.
    assert_eq!((more - less).as_secs(), 2);
}
