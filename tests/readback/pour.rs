//! One file onto an output: whole from what copies there are, and told where it is not.

use tapewright::engine::VolumeEnd;
use tapewright::engine::restore::{PourReport, VolumeReads, pour};
use tapewright::monitor::Silent;
use tapewright::volume::index::Codec;

use crate::rig::{Shelf, Volume, file, noise, part};

fn poured(copies: &[&[&Volume]]) -> (PourReport, Vec<u8>) {
    let plan: Vec<Vec<VolumeReads>> = copies
        .iter()
        .map(|copy| copy.iter().map(|volume| volume.reads()).collect())
        .collect();
    let all: Vec<&Volume> = copies
        .iter()
        .flat_map(|copy| copy.iter().copied())
        .collect();
    let (mut shelf, mut out) = (Shelf::of(&all), Vec::new());
    let report = pour(&plan, &mut shelf, &mut out, &Silent).unwrap();
    (report, out)
}

#[test]
fn parts_are_joined_from_two_tapes() {
    let whole = noise(1, 500_000);
    let first = Volume::new("A00001L9").write(&[part("f", &whole, 1, 0..200_192)]);
    let second = Volume::new("A00002L9").write(&[part("f", &whole, 2, 200_192..500_000)]);
    let (report, out) = poured(&[&[&first, &second]]);
    assert!(report.is_whole && out == whole);
    assert_eq!(report.agrees, Some(true));
    for (copy, came) in [(&[&first][..], 200_192), (&[&second], 0)] {
        let (report, out) = poured(&[copy]);
        assert!(!report.is_whole && !report.failures.is_empty());
        assert!(out == whole[..came]);
    }
}

#[test]
fn where_a_copy_breaks_off_another_goes_on() {
    let whole = noise(2, 400_000);
    let bad = Volume::new("A00001L9").write(&[file("f", &whole)]);
    bad.tape.medium().bad.insert(5);
    let good = Volume::new("A00002L9").write(&[file("f", &whole)]);
    let (report, out) = poured(&[&[&bad], &[&good]]);
    assert!(report.is_whole && out == whole, "{report:?}");
    assert_eq!(report.agrees, Some(true));
    assert_eq!(report.failures.len(), 1);
    let (report, out) = poured(&[&[&bad]]);
    assert!(!report.is_whole && whole.starts_with(&out) && !out.is_empty());
}

#[test]
fn content_that_is_not_what_was_archived_is_told() {
    let volume = Volume::new("A00001L9").write(&[file("f", &noise(3, 200_000))]);
    volume.tape.flip(3, 100);
    let (report, _) = poured(&[&[&volume]]);
    assert_eq!((report.is_whole, report.agrees), (true, Some(false)));
}

#[test]
fn another_copy_goes_on_where_the_output_stands_and_gives_back_at_its_own_gap() {
    let whole = noise(4, 6_000_000);
    let cases = [
        (Codec::Plain, Codec::Plain),
        (Codec::Zstd, Codec::Zstd),
        (Codec::Plain, Codec::Zstd),
        (Codec::Zstd, Codec::Plain),
    ];
    for (first, second) in cases {
        let case = format!("{first:?} {second:?}");
        let before = file("before", &noise(9, 40_000));
        let first = Volume::new("A00001L9").write_as(first, &[before, file("f", &whole)]);
        let second = Volume::new("A00002L9").write_as(second, &[file("f", &whole)]);
        // Bad in the first, behind that in the second; and what the other has given out by then.
        first.tape.medium().bad.insert(40);
        second.tape.medium().bad.extend([8, 60]);
        first.tape.medium().bad.insert(92);
        let of_file = |volume: &Volume| {
            let mut reads = volume.reads();
            reads.reads.retain(|read| read.path == b"f");
            vec![reads]
        };
        let plan = [of_file(&first), of_file(&second)];
        let (mut shelf, mut out) = (Shelf::of(&[&first, &second]), Vec::new());
        let report = pour(&plan, &mut shelf, &mut out, &Silent).unwrap();
        assert!(report.is_whole && out == whole, "{case}: {report:?}");
        assert_eq!(report.agrees, Some(true), "{case}");
        assert_eq!(report.failures.len(), 3, "{case}: {report:?}");
        for (failure, barcode) in report
            .failures
            .iter()
            .zip(["A00001L9", "A00002L9", "A00001L9"])
        {
            assert!(failure.what.contains(barcode), "{case}: {report:?}");
        }
        assert_eq!(report.turned_from().count(), 2, "{case}: {report:?}");
        let suspect = |(_, end): &(String, VolumeEnd)| matches!(end, VolumeEnd::Suspect(_));
        let suspects = shelf.ends.iter().filter(|end| suspect(end));
        assert_eq!(suspects.count(), 3, "{case}: {:?}", shelf.ends);
    }
}

#[test]
fn a_wrong_digest_names_tape_and_blocks_and_the_tape_is_suspect() {
    let volume = Volume::new("A00001L9").write(&[file("f", &noise(3, 400_000))]);
    for block in [3, 6] {
        volume.tape.flip(block, 100);
    }
    let (mut shelf, mut out) = (Shelf::of(&[&volume]), Vec::new());
    let report = pour(&[vec![volume.reads()]], &mut shelf, &mut out, &Silent).unwrap();
    assert_eq!((report.is_whole, report.agrees), (true, Some(false)));
    let [doubt] = &report.doubts[..] else {
        panic!("{report:?}")
    };
    for words in ["A00001L9", "block 3 ", "block 6 "] {
        assert!(doubt.contains(words), "{words}: {doubt}");
    }
    assert!(matches!(shelf.ends[..], [(_, VolumeEnd::Suspect(_))]));
}

#[test]
fn a_header_that_is_not_what_was_written_costs_one_copy() {
    let whole = noise(5, 300_000);
    let (bad, good) = (
        Volume::new("A00001L9").write(&[file("f", &whole)]),
        Volume::new("A00002L9").write(&[file("f", &whole)]),
    );
    let line = bad.receipts[0].files[0].place;
    bad.tape.flip(line.block.0, line.offset_bytes as usize + 3);
    let (report, out) = poured(&[&[&bad], &[&good]]);
    assert!(report.is_whole && out == whole, "{report:?}");
    let [failure] = &report.failures[..] else {
        panic!("{report:?}")
    };
    for words in ["A00001L9", "block 2 "] {
        assert!(failure.what.contains(words), "{failure:?}");
    }
}
