//! Both copies are damaged: all that is good in one of them comes back, whether the drive told of
//! the damage or not, and however the copies are stored. Of one copy exactly what is hit is lost.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

use tapewright::engine::VolumeEnd;
use tapewright::engine::restore::{RestorePlan, RestoreReport, restore};
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentVerdict, verify};
use tapewright::monitor::Silent;
use tapewright::units::BlockAddress;
use tapewright::volume::index::{Codec, FramePlaces, Index, read_index};

use crate::rig::{BLOCK_BYTES, Item, Shelf, Volume, file, noise, plan, verify_plan};
use crate::tape::Object;

const FRAME_BYTES: u64 = 1 << 20;

/// Large files and small ones, that shrink and that do not: 25 MB.
fn items() -> Vec<Item> {
    let text = |bytes: usize| b"a line that comes again\n".repeat(bytes / 24);
    let mut items = vec![
        file("large/noise", &noise(1, 9_000_000)),
        file("large/text", &text(6_000_000)),
        file("large/last", &noise(2, 3_300_000)),
    ];
    for number in 0..150 {
        let name = format!("small/{number:03}");
        let bytes = 1 + number as usize * 7_919 % 90_000;
        items.push(match number % 3 {
            0 => file(&name, &text(bytes)),
            _ => file(&name, &noise(10 + number, bytes)),
        });
    }
    items
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// The drive cannot read it.
    Unreadable,
    /// A byte of it is another, without a word.
    Silent,
}

/// A volume, and what of its files lies where.
struct Copy {
    volume: Volume,
    index: Index,
    codec: Codec,
}

/// Bytes of a member, by its number.
type Hit = (usize, Range<u64>);

impl Copy {
    fn new(barcode: &str, codec: Codec, items: &[Item]) -> Self {
        let volume = Volume::new(barcode).write_as(codec, items);
        let at = volume.receipts[0].info.index_block;
        let index = read_index(volume.tape.load().as_mut(), BLOCK_BYTES, at).unwrap();
        Self {
            volume,
            index,
            codec,
        }
    }

    /// Another tape with the same on it.
    fn again(&self) -> Self {
        let volume = Volume {
            tape: self.volume.tape.copy(),
            ..self.volume.clone()
        };
        Self {
            volume,
            index: self.index.clone(),
            ..*self
        }
    }

    /// Where in the archive each member begins and ends.
    fn extents(&self) -> Vec<Range<u64>> {
        let info = &self.index.info;
        let position = |block: BlockAddress, offset: u32| {
            (block.0 - info.first_block.0) * u64::from(BLOCK_BYTES) + u64::from(offset)
        };
        let begin = |place: &tapewright::volume::index::Place| {
            let at = position(place.block, place.offset_bytes);
            match (place.skip_bytes, &self.index.frames) {
                (Some(skip), Some(frames)) => {
                    frames.beginning_at(at).unwrap() as u64 * FRAME_BYTES + u64::from(skip)
                }
                _ => at,
            }
        };
        let lines = self.index.files.iter();
        let extent = |place| begin(place)..begin(place) + place.length_bytes;
        lines.map(|line| extent(&line.place)).collect()
    }

    /// What the damage to a record costs of the archive: itself, or the frames in it; of one byte
    /// the frame with that.
    fn costs(&self, block: u64, wrong: Wrong, offset: u64) -> Vec<Range<u64>> {
        let record = (block - self.index.info.first_block.0) * u64::from(BLOCK_BYTES);
        let whole = record..record + u64::from(BLOCK_BYTES);
        let Some(frames) = &self.index.frames else {
            return vec![whole];
        };
        let hit = match wrong {
            Wrong::Unreadable => whole,
            Wrong::Silent => record + offset..record + offset + 1,
        };
        let overlaps = |frame: &usize| {
            let extent = frames.extent(*frame).unwrap();
            extent.start < hit.end && hit.start < extent.end
        };
        let hurt = (0..frames.count()).filter(overlaps);
        hurt.map(|frame| frame as u64 * FRAME_BYTES..(frame as u64 + 1) * FRAME_BYTES)
            .collect()
    }

    /// What is hit of the members, each counted from its first header.
    fn hits(&self, costs: &[Range<u64>]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (number, extent) in self.extents().into_iter().enumerate() {
            for cost in costs {
                let (from, to) = (cost.start.max(extent.start), cost.end.min(extent.end));
                if from < to {
                    hits.push((number, from - extent.start..to - extent.start));
                }
            }
        }
        hits
    }

    /// Makes a hundredth of the records bad, sparing what is hit already. What is hit now.
    fn damage(&self, seed: u64, wrong: &[Wrong], spared: &[Hit]) -> Vec<Hit> {
        let info = &self.index.info;
        let wanted = info.records.div_ceil(100);
        let (mut bad, mut hit, mut at) = (BTreeSet::new(), Vec::new(), seed);
        while (bad.len() as u64) < wanted {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let block = info.first_block.0 + (at >> 33) % info.records;
            let offset = (at >> 12) % u64::from(BLOCK_BYTES);
            let wrong = wrong[bad.len() % wrong.len()];
            let hits = self.hits(&self.costs(block, wrong, offset));
            let is_spared = hits
                .iter()
                .any(|hit| spared.iter().any(|other| meet(hit, other)));
            if is_spared || hits.is_empty() || !bad.insert(block) {
                continue;
            }
            hit.extend(hits);
            match wrong {
                Wrong::Unreadable => {
                    self.volume.tape.medium().bad.insert(block);
                }
                Wrong::Silent => self.volume.tape.flip(block, offset as usize),
            }
        }
        hit
    }
}

fn meet((one, at): &Hit, (other, also): &Hit) -> bool {
    one == other && at.start < also.end && also.start < at.end
}

fn restored(target: &Path, first: &Copy, spare: Option<&Copy>) -> (RestoreReport, Vec<String>) {
    let mut plan: RestorePlan = plan(target, TargetOptions::default(), &[&first.volume]);
    plan.spares = spare.iter().map(|copy| copy.volume.reads()).collect();
    let volumes: Vec<&Volume> = spare.iter().map(|copy| &copy.volume).collect();
    let mut shelf = Shelf::of(&[&[&first.volume], &volumes[..]].concat());
    let report = restore(&plan, &mut shelf, &Silent).unwrap();
    let suspect = |(barcode, end): (String, VolumeEnd)| match end {
        VolumeEnd::Suspect(_) => Some(barcode),
        _ => None,
    };
    let mut suspects: Vec<String> = shelf.ends.into_iter().filter_map(suspect).collect();
    suspects.sort();
    suspects.dedup();
    (report, suspects)
}

const WRONGS: [&[Wrong]; 3] = [
    &[Wrong::Unreadable],
    &[Wrong::Silent],
    &[Wrong::Unreadable, Wrong::Silent],
];

#[test]
fn of_two_copies_with_one_bad_record_in_a_hundred_each_everything_comes_back() {
    use Codec::{Plain, Zstd};
    let items = items();
    let of = |codec| {
        (
            Copy::new("A00001L9", codec, &items),
            Copy::new("A00002L9", codec, &items),
        )
    };
    let (plain, zstd) = (of(Plain), of(Zstd));
    let directory = tempfile::tempdir().unwrap();
    for (first, spare) in [
        (&plain.0, &plain.1),
        (&zstd.0, &zstd.1),
        (&plain.0, &zstd.1),
        (&zstd.0, &plain.1),
    ] {
        for (seed, wrong) in (1..).zip(WRONGS) {
            let what = format!("{:?} and {:?}, {wrong:?}", first.codec, spare.codec);
            let (first, spare) = (first.again(), spare.again());
            let hit = first.damage(seed, wrong, &[]);
            spare.damage(seed + 50, wrong, &hit);
            let (report, suspects) = restored(directory.path(), &first, Some(&spare));
            assert_eq!(report.problem_count, 0, "{what}: {:?}", report.problems);
            assert_eq!(report.verified, items.len() as u64, "{what}: {report:?}");
            assert!(report.from_spares > 0, "{what}");
            for item in &items {
                let path = directory
                    .path()
                    .join(String::from_utf8(item.member.path.clone()).unwrap());
                assert!(fs::read(&path).unwrap() == item.payload, "{what}: {path:?}");
                fs::remove_file(path).unwrap();
            }
            // Of the other copy it may be that nothing bad was needed.
            assert!(
                suspects.contains(&"A00001L9".to_owned()),
                "{what}: {suspects:?}"
            );
        }
    }
}

#[test]
fn of_one_copy_exactly_what_is_hit_is_missing() {
    let items = items();
    let directory = tempfile::tempdir().unwrap();
    for codec in [Codec::Plain, Codec::Zstd] {
        let whole = Copy::new("A00001L9", codec, &items);
        // Of a plain segment a byte of a record is no more than that byte: `damage.rs` has it.
        let wrongs = &WRONGS[..if codec == Codec::Plain { 1 } else { 3 }];
        for (seed, wrong) in (7..).zip(wrongs) {
            let what = format!("{codec:?}, {wrong:?}");
            let copy = whole.again();
            let hit = copy.damage(seed, wrong, &[]);
            let expected: BTreeSet<&[u8]> = hit
                .iter()
                .map(|(number, _)| copy.index.files[*number].path.as_slice())
                .collect();
            let target = directory.path().join(&what);
            let (report, suspects) = restored(&target, &copy, None);
            let lost: BTreeSet<&[u8]> = report
                .problems
                .iter()
                .map(|problem| problem.path.trim_start_matches('/').as_bytes())
                .collect();
            assert_eq!(lost, expected, "{what}");
            assert_eq!(
                report.files + lost.len() as u64,
                items.len() as u64,
                "{what}"
            );
            assert_eq!(suspects, ["A00001L9"], "{what}");
        }
    }
}

#[test]
fn silent_damage_is_named_by_tape_and_block() {
    for codec in [Codec::Plain, Codec::Zstd] {
        let copy = Copy::new("A00001L9", codec, &[file("f", &noise(5, 700_000))]);
        copy.volume.tape.flip(7, 1_000);
        let directory = tempfile::tempdir().unwrap();
        let (report, suspects) = restored(directory.path(), &copy, None);
        let [problem] = &report.problems[..] else {
            panic!("{report:?}")
        };
        for words in ["A00001L9", "block 7"] {
            assert!(problem.what.contains(words), "{codec:?}: {problem:?}");
        }
        assert_eq!(suspects, ["A00001L9"], "{codec:?}");
    }
}

#[test]
fn a_file_that_was_archived_with_another_digest_says_nothing_of_its_tape() {
    let mut wrong = file("f", &noise(6, 300_000));
    wrong.digest = Some(blake3::hash(b"something else").into());
    for codec in [Codec::Plain, Codec::Zstd] {
        let copy = Copy::new("A00001L9", codec, &[wrong.clone()]);
        let directory = tempfile::tempdir().unwrap();
        let (report, suspects) = restored(directory.path(), &copy, None);
        assert_eq!(report.problem_count, 1, "{codec:?}: {report:?}");
        assert!(report.problems[0].what.contains("digest"), "{report:?}");
        assert_eq!(suspects, [""; 0], "{codec:?}");
    }
}

#[test]
fn what_is_lost_in_both_copies_names_both() {
    let items = [file("f", &noise(8, 700_000)), file("g", b"whole")];
    let first = Copy::new("A00001L9", Codec::Plain, &items);
    let spare = Copy::new("A00002L9", Codec::Plain, &items);
    first.volume.tape.medium().bad.insert(6);
    spare.volume.tape.flip(6, 4_711);
    let directory = tempfile::tempdir().unwrap();
    let (report, suspects) = restored(directory.path(), &first, Some(&spare));
    let [problem] = &report.problems[..] else {
        panic!("{report:?}")
    };
    for words in ["A00001L9", "A00002L9", "block 6"] {
        assert!(problem.what.contains(words), "{problem:?}");
    }
    assert_eq!(suspects, ["A00001L9", "A00002L9"]);
    assert_eq!(report.files, 1);
}

#[test]
fn the_places_that_a_list_gives_are_where_the_bytes_are() {
    let items = items();
    let copy = Copy::new("A00001L9", Codec::Zstd, &items);
    let frames = copy.index.frames.clone().expect("it is compressed");
    let places = FramePlaces::new(frames, &copy.index.info);
    let mut device = copy.volume.tape.load();
    let mut reader = tapewright::volume::read::RecordReader::new(device.as_mut(), BLOCK_BYTES);
    let pairs = copy.index.files.iter().zip(&items);
    for (line, item) in pairs.filter(|(_, item)| !item.payload.is_empty()) {
        let headers = line.place.length_bytes - item.payload.len().next_multiple_of(512) as u64;
        for behind in [0, item.payload.len() / 3, item.payload.len() - 1] {
            let bytes = (item.payload.len() - behind).min(3_000);
            let place = places.within(&line.place, headers + behind as u64, bytes as u64);
            reader.open_member(&place.unwrap());
            let mut found = Vec::new();
            while let Some(chunk) = reader.chunk().unwrap() {
                found.extend_from_slice(chunk);
            }
            assert!(found == item.payload[behind..behind + bytes], "{line:?}");
        }
    }
}

/// Has a list of frames that is no more what is on tape: the boundary between two frames of a large
/// file lies elsewhere, and all sums are right.
fn with_wrong_list(copy: &Copy) -> Copy {
    let copy = copy.again();
    let count = copy.index.frames.as_ref().unwrap().count();
    let mut medium = copy.volume.tape.medium();
    let at = copy.index.info.index_block.0 as usize;
    let records = medium.objects[at..]
        .iter()
        .map_while(|object| match object {
            Object::Record(bytes) => Some(bytes.as_slice()),
            Object::Filemark => None,
        });
    let mut bytes = records.collect::<Vec<_>>().concat();
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|one| one == what);
    let header = find(&bytes, b"frames.lengths").unwrap() / 512 * 512;
    let list = &mut bytes[header + 512..header + 512 + 4 * count];
    let before = blake3::hash(list).to_hex();
    for (frame, by) in [(3, 1_i64), (4, -1)] {
        let length = list[4 * frame..4 * frame + 4]
            .first_chunk_mut::<4>()
            .unwrap();
        let other = i64::from(u32::from_be_bytes(*length)) + by;
        *length = u32::try_from(other).unwrap().to_be_bytes();
    }
    let after = blake3::hash(list).to_hex();
    let sum = find(&bytes, before.as_bytes()).unwrap();
    bytes[sum..sum + after.len()].copy_from_slice(after.as_bytes());
    for (record, bytes) in (at..).zip(bytes.chunks(BLOCK_BYTES as usize)) {
        medium.objects[record] = Object::Record(bytes.to_vec());
    }
    drop(medium);
    copy
}

#[test]
fn a_list_that_is_not_what_is_on_tape_is_found_and_brings_nothing_wrong() {
    let items = items();
    let [first, spare] = ["A00001L9", "A00002L9"].map(|barcode| {
        let copy = Copy::new(barcode, Codec::Zstd, &items);
        with_wrong_list(&copy)
    });
    let volumes = [&first.volume];
    let report = verify(&verify_plan(&volumes), &mut Shelf::of(&volumes), &Silent);
    let segment = &report.segments[0];
    assert_eq!(segment.verdict, SegmentVerdict::Bad, "{report:?}");
    let damage = segment.index_damage.as_ref().unwrap();
    assert!(damage.contains("frames.lengths"), "{damage}");
    assert_eq!(segment.bad_file_count, 0, "{report:?}");
    // In the first frames of the large file: where to go on behind it is not known.
    let begin = first.index.info.first_block.0;
    first.volume.tape.medium().bad.insert(begin + 50);
    spare.volume.tape.medium().bad.insert(begin + 100);
    let directory = tempfile::tempdir().unwrap();
    let (report, _) = restored(directory.path(), &first, Some(&spare));
    let problems = report.problems.iter();
    let named: Vec<&str> = problems
        .map(|one| one.path.trim_start_matches('/'))
        .collect();
    for item in &items {
        let name = String::from_utf8(item.member.path.clone()).unwrap();
        match fs::read(directory.path().join(&name)) {
            Ok(content) => assert!(content == item.payload, "{name}"),
            Err(_) => assert!(named.contains(&name.as_str()), "{name}"),
        }
    }
    assert!(report.files + 1 >= items.len() as u64, "{report:?}");
}
