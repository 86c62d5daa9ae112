//! Damaged tapes: what is lost is named, and nothing else is lost.

use tapewright::engine::VolumeEnd;
use tapewright::engine::restore::{RestoreOutcome, restore};
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentReport, SegmentVerdict, VerifyReport, verify};
use tapewright::monitor::Silent;
use tapewright::units::BlockAddress;
use tapewright::volume::index::{Codec, DigestAlgorithm};

use crate::restored::names_below;
use crate::rig::{Shelf, Volume, file, plan, two_segments, verify_plan};
use crate::tape::Object;

/// Blocks of the test volume: 2 to 12 are segment 1, with this in it.
pub fn volume() -> Volume {
    volume_digested_by(DigestAlgorithm::Blake3)
}

fn volume_digested_by(algorithm: DigestAlgorithm) -> Volume {
    two_segments(Codec::Plain, algorithm)
}

/// A kind of damage to segment 1, and the files that it costs.
struct Damage {
    what: &'static str,
    inflict: fn(&Volume),
    /// What restore cannot bring back: each file is judged by what it says of itself.
    restore_loses: &'static [&'static str],
    /// What verify finds bad: whatever has bytes in a bad record.
    verify_finds: &'static [&'static str],
    bad_blocks: &'static [u64],
    /// Records are not what was written, or cannot be read: a restore says so of the volume.
    suspect: bool,
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "none",
        inflict: |_| {},
        restore_loses: &[],
        verify_finds: &[],
        bad_blocks: &[],
        suspect: false,
    },
    Damage {
        what: "a flipped bit in the data of one file",
        inflict: |volume| volume.tape.flip(7, 1000),
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        suspect: true,
    },
    Damage {
        what: "a flipped bit in a header",
        inflict: |volume| {
            let line = &volume.receipts[0].files[2];
            assert_eq!(line.path, b"d/b");
            volume
                .tape
                .flip(line.place.block.0, line.place.offset_bytes as usize + 3);
        },
        restore_loses: &["d/b"],
        verify_finds: &["d/b"],
        bad_blocks: &[4],
        suspect: true,
    },
    Damage {
        what: "an unreadable record that three files share",
        inflict: |volume| {
            volume.tape.medium().bad.insert(4);
        },
        restore_loses: &["d/a", "d/b", "d/c"],
        verify_finds: &["d/a", "d/b", "d/c"],
        bad_blocks: &[4],
        suspect: true,
    },
    Damage {
        what: "unreadable records in and at the end of a file",
        inflict: |volume| volume.tape.medium().bad.extend([6, 7, 8, 10]),
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[6, 7, 8, 10],
        suspect: true,
    },
    Damage {
        what: "two records exchanged",
        inflict: |volume| volume.tape.medium().objects.swap(6, 8),
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[6],
        suspect: true,
    },
    Damage {
        what: "a record repeated",
        inflict: |volume| {
            let mut medium = volume.tape.medium();
            medium.objects[7] = medium.objects[6].clone();
        },
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        suspect: true,
    },
    Damage {
        what: "a record cut short",
        inflict: |volume| {
            volume.tape.medium().objects[7] = Object::Record(vec![0; 512]);
        },
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        suspect: true,
    },
    Damage {
        what: "a filemark in the middle",
        inflict: |volume| volume.tape.medium().objects[10] = Object::Filemark,
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[10, 11, 12],
        suspect: false,
    },
    Damage {
        what: "a record lost, so that what follows is nearer",
        inflict: |volume| {
            let mut medium = volume.tape.medium();
            medium.objects.remove(6);
            let last = medium.objects[11].clone();
            medium.objects.insert(12, last);
        },
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[6, 13],
        suspect: true,
    },
];

/// Each kind of damage, to segments with digests of each kind.
fn damaged_volumes() -> impl Iterator<Item = (&'static Damage, Volume)> {
    let algorithms = [DigestAlgorithm::Blake3, DigestAlgorithm::Sha256];
    let pairs = DAMAGES
        .iter()
        .flat_map(move |one| algorithms.map(|algorithm| (one, algorithm)));
    pairs.map(|(damage, algorithm)| {
        let volume = volume_digested_by(algorithm);
        (damage.inflict)(&volume);
        (damage, volume)
    })
}

const FILES: [&str; 7] = ["d", "d/a", "d/b", "d/c", "d/d", "d/e", "second"];

#[test]
fn a_restore_loses_exactly_what_is_damaged() {
    for (damage, volume) in damaged_volumes() {
        let directory = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::of(&[&volume]);
        let plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
        let report = restore(&plan, &mut shelf, &Silent).unwrap();
        let lost: Vec<&str> = report.problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(lost, damage.restore_loses, "{}: {report:?}", damage.what);
        let left: Vec<&str> = FILES
            .into_iter()
            .filter(|name| !damage.restore_loses.contains(name))
            .collect();
        assert_eq!(names_below(directory.path()), left, "{}", damage.what);
        assert_eq!(report.verified, 6 - lost.len() as u64, "{}", damage.what);
        let complete = report.outcome == RestoreOutcome::Complete;
        assert_eq!(complete, lost.is_empty(), "{}", damage.what);
        // A drive tries each bad record for minutes: three times, and never for another file.
        let medium = volume.tape.medium();
        assert!(
            medium.bad_reads <= 3 * medium.bad.len() as u64,
            "{}",
            damage.what
        );
        let suspect = matches!(shelf.ends[..], [(_, VolumeEnd::Suspect(_))]);
        assert_eq!(suspect, damage.suspect, "{}: {:?}", damage.what, shelf.ends);
    }
}

fn verified(volume: &Volume) -> VerifyReport {
    verify(&verify_plan(&[volume]), &mut Shelf::of(&[volume]), &Silent)
}

fn bad_paths(segment: &SegmentReport) -> Vec<&str> {
    segment
        .bad_files
        .iter()
        .map(|bad| bad.path.as_str())
        .collect()
}

#[test]
fn a_verification_pins_bad_records_to_files() {
    for (damage, volume) in damaged_volumes() {
        let report = verified(&volume);
        let [first, second] = &report.segments[..] else {
            panic!("{report:?}")
        };
        assert_eq!(
            bad_paths(first),
            damage.verify_finds,
            "{}: {report:?}",
            damage.what
        );
        let blocks: Vec<u64> = first.bad_records.iter().map(|bad| bad.block.0).collect();
        assert_eq!(blocks, damage.bad_blocks, "{}: {report:?}", damage.what);
        let good = damage.bad_blocks.is_empty();
        assert_eq!(
            first.verdict == SegmentVerdict::Good,
            good,
            "{}",
            damage.what
        );
        assert_eq!(
            first.verdict == SegmentVerdict::Bad,
            !good,
            "{}",
            damage.what
        );
        assert_eq!(first.files_verified, 5 - damage.verify_finds.len() as u64);
        assert_eq!(
            (&second.verdict, second.files_verified),
            (&SegmentVerdict::Good, 1)
        );
        assert_eq!(report.is_good(), good);
    }
}

#[test]
fn a_file_whose_digest_never_was_right_is_found() {
    let mut wrong = file("wrong", b"content");
    wrong.digest = Some(blake3::hash(b"other content").into());
    let volume = Volume::new("A00001L9").write(&[file("right", b"content"), wrong]);
    let report = verified(&volume);
    assert_eq!(bad_paths(&report.segments[0]), ["wrong"], "{report:?}");
    assert_eq!(report.segments[0].bad_record_count, 0);
}

#[test]
fn a_damaged_index_is_bad_and_costs_no_file() {
    let volume = volume();
    volume.tape.flip(volume.receipts[0].info.index_block.0, 600);
    let report = verified(&volume);
    let [first, second] = &report.segments[..] else {
        panic!("{report:?}")
    };
    assert_eq!(first.verdict, SegmentVerdict::Bad);
    assert!(first.index_damage.is_some());
    assert_eq!((first.bad_file_count, first.bad_record_count), (0, 0));
    assert_eq!(first.records, volume.receipts[0].info.records);
    assert_eq!(second.verdict, SegmentVerdict::Good);
}

#[test]
fn where_the_index_is_damaged_too_the_headers_name_what_is_lost() {
    let cases: [(&[u64], &[&str]); 5] = [
        (&[], &[]),
        // What begins in a record that is lost has no name.
        (&[4], &["d/a"]),
        (&[6, 7, 8], &["d/c"]),
        (&[6, 11], &["d/c", "d/e"]),
        (&[2], &[]),
    ];
    for (bad, named) in cases {
        let volume = volume();
        volume.tape.flip(volume.receipts[0].info.index_block.0, 600);
        volume.tape.medium().bad.extend(bad);
        let report = verified(&volume);
        let first = &report.segments[0];
        assert_eq!(first.verdict, SegmentVerdict::Bad, "{bad:?}");
        assert_eq!(first.bad_record_count, bad.len() as u64, "{bad:?}");
        assert_eq!(bad_paths(first), named, "{bad:?}: {report:?}");
    }
}

#[test]
fn the_test_volume_is_laid_out_as_the_cases_say() {
    let blocks: Vec<u64> = FILES.iter().map(|path| volume().block_of(path)).collect();
    assert_eq!(blocks[..6], [2, 2, 4, 4, 10, 10]);
    assert_eq!(
        volume().receipts[0].end_block,
        BlockAddress(volume().block_of("second"))
    );
}
