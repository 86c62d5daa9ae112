//! The log of commands: what was asked, and when on the drive's own clock.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, TAPE};
use tape_sim::commands::{self, Command};
use tape_sim::target::Data;

const LOAD: [u8; 6] = [0x1B, 0, 0, 0, 1, 0];
const WRITE_1000: [u8; 6] = [0x0A, 0, 0, 0x03, 0xE8, 0];
const REWIND: [u8; 6] = [1, 0, 0, 0, 0, 0];
const READ_1000: [u8; 6] = [0x08, 0, 0, 0x03, 0xE8, 0];

fn log(bench: &Bench) -> Vec<Command> {
    commands::read(bench.library.dir(), 0).unwrap()
}

#[test]
fn a_drive_logs_its_commands_in_its_own_time_where_it_is_asked_to() {
    let mut bench = Bench::ready();
    bench.none(&LOAD);
    assert!(
        commands::read(bench.library.dir(), 0).is_err(),
        "nobody asked for a log"
    );

    commands::begin(bench.library.dir(), 0).unwrap();
    bench.none(&REWIND);
    assert_eq!(log(&bench), [], "the drive was taken before");
    bench.close();
    bench.open();
    let begun = bench.drive().elapsed();
    bench.run(&WRITE_1000, Data::Out(&[7; 1000]));
    bench.none(&REWIND);
    let mut block = [0; 1000];
    bench.run(&READ_1000, Data::In(&mut block));

    let log = log(&bench);
    let seen: Vec<_> = log
        .iter()
        .map(|c| (c.cdb.as_str(), c.status, c.moved_bytes, c.object))
        .collect();
    assert_eq!(
        seen,
        [
            ("0a000003e800", Some(0), 1000, Some(1)),
            ("010000000000", Some(0), 0, Some(0)),
            ("08000003e800", Some(0), 1000, Some(1)),
        ]
    );
    assert_eq!(u128::from(log[0].begin_ns), begun.as_nanos());
    for (before, after) in log.iter().zip(&log[1..]) {
        assert_eq!(before.end_ns, after.begin_ns, "the host takes no time");
    }
    let rewind_s = (log[1].end_ns - log[1].begin_ns) as f64 / 1e9;
    assert!(rewind_s > 3.0, "a rewind takes {rewind_s} s");
    assert_eq!(
        u128::from(log[2].end_ns),
        bench.drive().elapsed().as_nanos()
    );
}

#[test]
fn a_log_goes_on_in_the_next_process_and_is_begun_anew_when_asked() {
    let mut bench = Bench::ready();
    commands::begin(bench.library.dir(), 0).unwrap();
    bench.close();
    for _ in 0..2 {
        bench.open();
        bench.none(&REWIND);
        bench.close();
    }
    assert_eq!(log(&bench).len(), 2);
    commands::begin(bench.library.dir(), 0).unwrap();
    bench.open();
    bench.put(None);
    bench.none(&REWIND);
    let log = log(&bench);
    assert_eq!(log.len(), 1, "{TAPE} is out");
    assert_eq!((log[0].status, log[0].object), (Some(2), None));
}
