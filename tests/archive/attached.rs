//! Copies of the catalog behind a run: written, found from the end of the tape, and read back.

use std::io::{self, Read as _};

use tapewright::clock::SystemClock;
use tapewright::engine::MountedVolume;
use tapewright::engine::archive::{AttachPlan, AttachReport, attach};
use tapewright::engine::attached::{CatalogCopies, CatalogCopy, CatalogCopyReader, FoundCopy};
use tapewright::monitor::Silent;
use tapewright::units::BlockAddress;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::index::Content;
use tapewright::volume::member::FileTime;
use uuid::Uuid;

use crate::case::{Case, noise};
use crate::memory_tape::Object;
use crate::shelf::{Ledger, Shelf, TestDrive};

/// A tape with what jobs and copies wrote on it, one after the other.
struct Rig {
    case: Case,
    shelf: Shelf,
    ledger: Ledger,
}

impl Rig {
    fn new(capacity_bytes: Option<u64>) -> Rig {
        let case = Case::new();
        case.file("docs/letter", b"Dear reader");
        let shelf = Shelf::new(1, capacity_bytes);
        let ledger = Ledger::new(&shelf);
        Rig {
            case,
            shelf,
            ledger,
        }
    }

    /// Puts the tape in again, behind what was committed.
    fn turn(&mut self) {
        self.shelf.mounted = 0;
        self.shelf.released.clear();
        if let Some(last) = self.ledger.receipts.last() {
            self.shelf.points[0] = AppendPoint::behind(last);
        }
    }

    fn job(&mut self) {
        self.case.run(&mut self.shelf, &mut self.ledger).unwrap();
        self.turn();
    }

    /// Two parts to a segment.
    fn copy(&mut self, name: &str, pieces: Vec<io::Result<Vec<u8>>>) -> AttachReport {
        let mut memory = self.case.plan.memory;
        memory.members = 2;
        let plan = AttachPlan {
            job: self.case.plan.job.clone(),
            path: format!("tapewright/catalog/{name}").into_bytes(),
            made_at: FileTime::default(),
            memory,
        };
        let mut pieces = pieces.into_iter();
        let report = attach(
            &plan,
            &mut || pieces.next().transpose(),
            vec![&mut self.shelf],
            &mut self.ledger,
            &SystemClock,
            &Silent,
        );
        self.turn();
        report
    }

    fn mounted(&self) -> MountedVolume {
        let (label, tape) = &self.shelf.tapes[0];
        MountedVolume {
            device: Box::new(TestDrive {
                tape: tape.clone(),
                lag: 0,
                fault: None,
                mute: false,
                confirms_before: u64::MAX,
                boasts: false,
                held_until: None,
            }),
            label: label.clone(),
            append: None,
        }
    }

    /// The copies that are found, the newest first, and what comes of reading each.
    fn found(&self) -> Vec<Result<String, String>> {
        let mut mounted = self.mounted();
        let mut copies = CatalogCopies::default();
        let mut found = Vec::new();
        while let Some(copy) = copies.next_copy(&mut mounted, &Silent).unwrap() {
            found.push(match copy {
                FoundCopy::Copy(copy) => match copy.fault() {
                    Some(fault) => Err(fault),
                    None => read(&mut mounted, &copy),
                },
                FoundCopy::Unknown { why, .. } | FoundCopy::GaveUp { why, .. } => Err(why),
            });
        }
        found
    }

    /// The bad blocks of the newest copy.
    fn bad_blocks(&self) -> Vec<BlockAddress> {
        let mut mounted = self.mounted();
        let found = CatalogCopies::default().next_copy(&mut mounted, &Silent);
        let Ok(Some(FoundCopy::Copy(copy))) = found else {
            panic!("a copy: {found:?}");
        };
        copy.bad_blocks(&mut mounted, &Silent).unwrap()
    }

    fn lose(&self, block: BlockAddress) {
        let mut tape = self.shelf.tapes[0].1.lock().unwrap();
        tape.objects[block.0 as usize] = Object::Unreadable;
    }

    fn spoil(&self, block: BlockAddress) {
        let mut tape = self.shelf.tapes[0].1.lock().unwrap();
        tape.block_mut(block)[100] ^= 1;
    }
}

/// The digest of all of it.
fn read(mounted: &mut MountedVolume, copy: &CatalogCopy) -> Result<String, String> {
    let mut content = Vec::new();
    let mut reader = CatalogCopyReader::new(mounted, copy, &Silent);
    let read = reader.read_to_end(&mut content);
    assert!(reader.take_failure().is_none());
    read.map(|_| digest(&content))
        .map_err(|error| error.to_string())
}

fn digest(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

fn pieces(data: &[u8]) -> Vec<io::Result<Vec<u8>>> {
    data.chunks(1 << 20)
        .map(|piece| Ok(piece.to_vec()))
        .collect()
}

#[test]
fn a_copy_of_any_length_comes_back_from_segments_of_its_own() {
    // Empty, in one piece, the length of a part, and parts in two segments.
    for length in [0, 1, 70_000, 32 << 20, (96 << 20) + 5] {
        let mut rig = Rig::new(None);
        rig.job();
        let of_job = rig.ledger.receipts.len();
        let data = noise(1, length);
        let report = rig.copy("one", pieces(&data));
        assert!(report.volumes[0].whole, "{length}: {report:?}");
        let segments = &rig.ledger.receipts[of_job..];
        assert_eq!(
            segments.len(),
            1 + usize::from(length > 64 << 20),
            "{length}"
        );
        for (number, segment) in segments.iter().enumerate() {
            let info = &segment.info;
            assert_eq!(info.content_ends, number + 1 == segments.len());
            assert_eq!((info.content, info.job_segment), (Content::Catalog, 0));
            assert!(!info.job_ends);
            assert_eq!(info.job.id, rig.case.plan.job.id);
        }
        let job = &rig.ledger.receipts[of_job - 1].info;
        assert_eq!((job.content, job.job_ends), (Content::Files, true));
        assert_eq!(rig.found(), [Ok(digest(&data))], "{length}");
    }
}

#[test]
fn the_newest_copy_is_found_behind_jobs_and_what_is_no_whole_copy() {
    let mut rig = Rig::new(None);
    assert!(rig.found().is_empty(), "a tape with nothing but its label");
    rig.job();
    assert!(rig.found().is_empty(), "a tape without a copy");
    let first = noise(1, 40 << 20);
    rig.copy("first", pieces(&first));
    let second = noise(2, 100);
    rig.copy("second", pieces(&second));
    let both = [Ok(digest(&second)), Ok(digest(&first))];
    rig.job();
    rig.job();
    assert_eq!(rig.found(), both);

    // One that broke off: first with a segment, which is told, and then without.
    let mut with_broken = vec![Err("it was cut off".to_owned())];
    with_broken.extend(both.clone());
    for length in [100 << 20, 5 << 20] {
        let mut begun = pieces(&noise(3, length));
        begun.push(Err(io::Error::other("an entry file is damaged")));
        let report = rig.copy("third", begun);
        assert!(report.failure.is_some() && !report.volumes[0].whole);
        let begun = &rig.ledger.receipts.last().unwrap().info;
        assert_eq!(
            (begun.content, begun.content_ends),
            (Content::Catalog, false)
        );
        assert_eq!(rig.found(), with_broken);
    }
    rig.job();
    assert_eq!(
        rig.found(),
        with_broken,
        "what had no index is written over"
    );
}

#[test]
fn damage_is_told_and_older_copies_are_found_all_the_same() {
    let (first, second) = (noise(1, 300_000), noise(2, 300_000));
    let make = || {
        let mut rig = Rig::new(None);
        rig.job();
        rig.copy("first", pieces(&first));
        rig.copy("second", pieces(&second));
        rig
    };
    let rig = make();
    let last = rig.ledger.receipts.last().unwrap().info.clone();
    rig.spoil(last.first_block.plus(1));
    let found = rig.found();
    assert_eq!(found.len(), 2);
    let told = found[0].clone().unwrap_err();
    assert!(told.contains(&format!("segment {}", last.number)), "{told}");
    assert_eq!(found[1], Ok(digest(&first)));

    let rig = make();
    rig.lose(last.first_block.plus(1));
    let found = rig.found();
    assert!(found[0].is_err());
    assert_eq!(found[1], Ok(digest(&first)));
    assert_eq!(rig.bad_blocks(), [last.first_block.plus(1)]);
}

#[test]
fn without_its_index_a_copy_is_read_from_its_archive() {
    let (first, second) = (noise(1, 300_000), noise(2, (96 << 20) + 5));
    let make = || {
        let mut rig = Rig::new(None);
        rig.job();
        rig.copy("first", pieces(&first));
        rig.copy("second", pieces(&second));
        rig.job();
        rig
    };
    let whole = [Ok(digest(&second)), Ok(digest(&first))];
    let rig = make();
    assert_eq!(rig.found(), whole);
    let of = |name: &str| {
        let receipts = rig.ledger.receipts.iter();
        let path = format!("tapewright/catalog/{name}").into_bytes();
        let of_copy = receipts.filter(move |receipt| receipt.files[0].path == path);
        of_copy.map(|it| it.info.clone()).collect::<Vec<_>>()
    };
    let (older, newer) = (of("first"), of("second"));
    assert_eq!((older.len(), newer.len()), (1, 2));
    let last = rig.ledger.receipts.last().unwrap().info.clone();

    // Any of the indexes, also that of the job behind it, and all of them.
    let indexes = [&newer[0], &newer[1], &older[0], &last].map(|info| info.index_block);
    for spoiled in [&indexes[..1], &indexes[1..2], &indexes[3..], &indexes[..]] {
        let rig = make();
        spoiled.iter().for_each(|block| rig.spoil(*block));
        assert_eq!(rig.found(), whole, "{spoiled:?}");
        let rig = make();
        spoiled.iter().for_each(|block| rig.lose(*block));
        assert_eq!(rig.found(), whole, "{spoiled:?} lost");
    }

    // Its archive is damaged, too.
    let rig = make();
    let bad = newer[1].first_block.plus(2);
    rig.spoil(newer[1].index_block);
    rig.lose(bad);
    let found = rig.found();
    let told = found[0].clone().unwrap_err();
    assert!(
        told.contains(&format!("segment {}", newer[1].number)),
        "{told}"
    );
    assert_eq!(found[1], whole[1]);
    assert_eq!(rig.bad_blocks(), [bad]);

    // Nor does its beginning say what it is.
    let rig = make();
    rig.lose(newer[1].index_block);
    rig.spoil(newer[1].first_block);
    let found = rig.found();
    let told = found[0].clone().unwrap_err();
    assert!(told.contains("nobody knows what it holds"), "{told}");
    assert_eq!(
        found[1],
        Err("it was cut off".to_owned()),
        "its first segment"
    );
    assert_eq!(found[2], whole[1]);
}

#[test]
fn where_no_way_leads_on_it_is_told_and_not_taken_for_the_beginning() {
    let told = "the indexes of 16 segments in a row cannot be used".to_owned();
    for (has_copy, expected) in [(true, vec![Err(told)]), (false, Vec::new())] {
        let mut rig = Rig::new(None);
        if has_copy {
            rig.copy("first", pieces(&noise(1, 300_000)));
        }
        for _ in 0..16 {
            rig.job();
        }
        let receipts = rig.ledger.receipts.iter().rev().take(16);
        receipts.for_each(|receipt| rig.spoil(receipt.info.index_block));
        assert_eq!(rig.found(), expected);
    }

    let mut rig = Rig::new(None);
    rig.job();
    rig.shelf.tapes[0].0.volume = Uuid::new_v4();
    let found = rig.found();
    let told = found[0].clone().unwrap_err();
    assert!(
        told.contains("of another volume") && found.len() == 1,
        "{found:?}"
    );
}

#[test]
fn of_a_copy_with_many_bad_blocks_not_all_are_looked_for() {
    let mut rig = Rig::new(None);
    rig.copy("first", pieces(&noise(1, 20 << 20)));
    let info = rig.ledger.receipts.last().unwrap().info.clone();
    assert!(info.records > 20, "{info:?}");
    (1..20).for_each(|block| rig.lose(info.first_block.plus(block)));
    assert_eq!(rig.bad_blocks().len(), 16);
}

#[test]
fn a_tape_that_is_full_before_the_copy_is_through_has_no_whole_one_and_none_goes_elsewhere() {
    let mut rig = Rig::new(Some(60 << 20));
    rig.job();
    let report = rig.copy("one", pieces(&noise(1, 90 << 20)));
    assert!(!report.volumes[0].whole && !report.stopped, "{report:?}");
    assert!(report.failure.is_none());
    assert_eq!(rig.found(), [Err("it was cut off".to_owned())]);
}
