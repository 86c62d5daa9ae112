//! How the tape moves before the first byte of a restore, by the drive's own log of commands.

use std::fs;

use tape_sim::commands::{self, Command};
use tape_sim::library::Library;
use tape_sim::target::{Data, Target, status};

use crate::harness::{Place, random_files, restored};

/// What a locate deviates from the mean by at most, in seconds (docs/sim-physics.md).
const DEVIATION_S: f64 = 2.0;

fn took_s(command: &Command) -> f64 {
    (command.end_ns - command.begin_ns) as f64 / 1e9
}

fn is(command: &Command, opcodes: &[&str]) -> bool {
    opcodes.iter().any(|opcode| command.cdb.starts_with(opcode))
}

/// What `mt fsf FILE` takes on a tape that is rewound, in seconds.
fn spaced_s(place: &Place, file: u8) -> f64 {
    let library = Library::open(&place.path("library")).expect("the library");
    let (mut changer, mut drive) = (
        library.changer().expect("the robot"),
        library.drive(0).expect("the drive is free"),
    );
    // Slot 1001 to drive 1.
    let load = [0xA5, 0, 0, 0, 0x03, 0xE9, 0, 1, 0, 0, 0, 0];
    // Unit attentions are heard first, and the load is waited for.
    let loaded = (0..10).any(|_| changer.execute(&load, Data::None).status == status::GOOD);
    let ready = (0..100).any(|_| drive.execute(&[0; 6], Data::None).status == status::GOOD);
    assert!(loaded && ready);
    let before = drive.elapsed();
    let space = [0x11, 1, 0, 0, file, 0];
    assert_eq!(drive.execute(&space, Data::None).status, status::GOOD);
    (drive.elapsed() - before).as_secs_f64()
}

#[test]
fn a_file_in_the_middle_costs_one_locate_and_no_more_than_a_space_to_its_segment() {
    let place = Place::with_pool("1GiB", 1);
    for (seed, name) in [(1, "before"), (2, "wanted"), (3, "behind")] {
        random_files(&place.path(name), seed, 12, 4_000_000);
        place
            .run(
                ["archive", "--pool", "p", "--catalog-copy", "never"],
                [place.path(name)],
            )
            .expect_done();
    }
    let source = place.path("wanted/0006");
    let found = place
        .json(["find", source.to_str().expect("text")])
        .remove(0);
    let number = |field: &str| found[field].as_u64().expect("a number");
    let (block, file) = (number("block"), number("tape_file"));

    commands::begin(&place.path("library"), 0).expect("a log");
    let target = place.path("target");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    let got = fs::read(restored(&target, &source)).expect("the file");
    assert!(got == fs::read(&source).expect("the source"));

    let log = commands::read(&place.path("library"), 0).expect("the log");
    let first = log
        .iter()
        .position(|c| is(c, &["08", "88"]) && c.moved_bytes > 0 && c.object > Some(block))
        .expect("the file's first record was read");
    // Behind the load, which each program waits for.
    let ready = log[..first].iter().rposition(|c| c.status == Some(2));
    let way = &log[ready.map_or(0, |last| last + 1)..=first];
    let locates: Vec<_> = way.iter().filter(|c| is(c, &["2b", "92"])).collect();
    let total_s: f64 = way.iter().map(took_s).sum();
    assert_eq!(locates.len(), 1, "{way:#?}");
    // The directories above lie at the segment's beginning, 24 MB before the file: read through.
    assert!(
        total_s - took_s(locates[0]) < 0.1,
        "label and file take {total_s} s, the locate {} of it: {way:#?}",
        took_s(locates[0])
    );
    let by_mt_s = spaced_s(&place, u8::try_from(file).expect("a few files"));
    assert!(
        total_s < by_mt_s + 2.0 * DEVIATION_S,
        "{total_s} s, and mt takes {by_mt_s} s to the segment's beginning alone"
    );
}
