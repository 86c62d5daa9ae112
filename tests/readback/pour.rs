//! One file onto an output: whole from what copies there are, and told where it is not.

use tapewright::engine::restore::{PourReport, VolumeReads, pour};
use tapewright::monitor::Silent;

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
