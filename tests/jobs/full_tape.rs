//! Restores from tapes that are as long and as full as real ones: what was foretold of the
//! whole beside what the simulator's clock says of it. Its tapes differ from the planner's:
//! wraps are longer or shorter, each locate deviates, and the robot has a way to go.
//!
//! Eighteen terabytes cannot be written in a test. So a few files are archived as ever, and
//! then the tape is pulled apart: between each two of them come blocks of zeros, which take
//! tape and no room, and the catalog is told where the files are now.

use std::fs;
use std::path::Path;

use catalogs::ENTRIES_DIRECTORY;
use jiff::Timestamp;
use tape_sim::cartridge::Cartridge;
use tape_sim::cartridge::partition::file_names;
use tape_sim::cartridge::record::{Kind, RECORD_BYTES, Record};
use tape_sim::generation::Generation;
use tape_sim::inventory::read_hold;
use tape_sim::library::LibrarySpec;
use tape_sim::physics::deck::MotionCounters;
use tapewright::jobs::Outcome;
use tapewright::jobs::label::{LabelOptions, label};
use tapewright::jobs::restore::{Certainty, RestoreOptions, plan, restore};

use crate::lab::{A, B, Lab, archive_path, label_options, noise};

const BLOCK_BYTES: u32 = 1 << 20;
/// What lies behind each file, and is pulled apart: a record ends in it.
const PADDING: &str = ".padding";
/// Tape that is left at the end.
const LEFT_BYTES: u64 = 1 << 30;

/// One drive, and tapes of their full size.
fn whole_tapes() -> Lab {
    Lab::with(&LibrarySpec {
        drives: 1,
        slots: 12,
        cartridges: Some(2),
        capacity_bytes: None,
        seed: Some(7),
        ..Lab::small()
    })
}

fn name(pool: &str, number: u64) -> String {
    format!("source/{pool}/{number:03}")
}

/// Archives so many files on one tape, and spreads them over all of it.
fn spread(lab: &Lab, tape: &str, pool: &str, files: u64) {
    fs::create_dir_all(lab.path("source").join(pool)).unwrap();
    for number in 0..files {
        let file = lab.path(&name(pool, number));
        fs::write(&file, noise(number, 100_000)).unwrap();
        let padding = vec![0; BLOCK_BYTES as usize * 11 / 10];
        fs::write(file.with_extension(&PADDING[1..]), padding).unwrap();
    }
    let options = LabelOptions {
        block_bytes: Some(BLOCK_BYTES),
        ..label_options(&[tape], pool, None)
    };
    label(lab.site(), &options).unwrap();
    let summary = lab.archive(&[&format!("source/{pool}")], pool).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    pull_apart(lab, tape);
}

/// Puts blocks of zeros into each padding, until the tape is full.
fn pull_apart(lab: &Lab, tape: &str) {
    let catalog = lab.catalog();
    let volume = catalog.volume_by_barcode(tape).unwrap().unwrap();
    let receipts = catalog
        .receipts_of_volume(&volume.label.what.volume)
        .unwrap();
    let [receipt] = &receipts[..] else {
        panic!("one segment: {receipts:?}");
    };
    let record = receipt.what.clone();
    let mut entries = catalog.entries_in_tape_order(&record).unwrap();
    let is_padding = |path: &[u8]| path.ends_with(PADDING.as_bytes());
    let padded = entries.iter().filter(|entry| is_padding(&entry.path));
    let cuts: Vec<u64> = padded.map(|entry| entry.block + 1).collect();
    let cartridge = lab.library().cartridge(tape).unwrap();
    let zeros = stretch(&cartridge, &cuts);
    let moved = |block: u64| {
        let before = cuts.iter().filter(|cut| **cut <= block).count() as u64;
        block + zeros * before
    };
    for entry in &mut entries {
        entry.block = moved(entry.block);
    }
    let mut told = record.receipt.clone();
    told.records += zeros * cuts.len() as u64;
    for block in [
        &mut told.first_block,
        &mut told.index_block,
        &mut told.end_block,
    ] {
        *block = moved(*block);
    }
    // What the catalog has lost it takes anew.
    let file = Path::new("state/catalog").join(ENTRIES_DIRECTORY);
    let file = file.join(&record.entry_file.name);
    fs::remove_file(lab.path(file.to_str().unwrap())).unwrap();
    let committed = catalog.commit(Timestamp::now(), told, entries).unwrap();
    assert!(!committed.known);
}

/// Puts as many blocks of zeros before each of these as there is room for; returns how many.
fn stretch(cartridge: &Cartridge, cuts: &[u64]) -> u64 {
    let (map, _) = file_names(&cartridge.folder, 0);
    let bytes = fs::read(&map).unwrap();
    let (header, records) = bytes.split_at(RECORD_BYTES);
    let (records, _) = records.as_chunks::<RECORD_BYTES>();
    let records: Vec<Record> = records
        .iter()
        .map(|record| Record::decode(record).unwrap())
        .collect();
    let used = records.last().unwrap().position_end();
    let free = cartridge.info.partitions_bytes[0] - used - LEFT_BYTES;
    let zeros = free / cuts.len() as u64 / u64::from(BLOCK_BYTES + 4);
    let mut stretched = header.to_vec();
    let mut position_bytes = 0;
    let mut append = |record: Record| {
        let record = Record {
            position_bytes,
            ..record
        };
        stretched.extend_from_slice(&record.encode());
        position_bytes = record.position_end();
    };
    for (block, record) in (0..).zip(records) {
        if cuts.contains(&block) {
            let zero = Record {
                kind: Kind::Zeros,
                length_bytes: BLOCK_BYTES,
                ..record
            };
            (0..zeros).for_each(|_| append(zero));
        }
        append(record);
    }
    fs::write(map, stretched).unwrap();
    zeros
}

/// Restores these files, and fails if that does not take what was foretold of it.
fn takes_as_long_as_foretold(lab: &Lab, case: &str, files: &[String]) {
    let patterns = files.iter().map(|file| archive_path(&lab.path(file)));
    let options = RestoreOptions {
        patterns: patterns.collect(),
        target: lab.path(case),
        ..RestoreOptions::default()
    };
    let finish = plan(lab.site(), &options).unwrap().finish;
    assert_eq!(finish.certainty, Certainty::Likely, "{case}");
    let begun = lab.library().elapsed().unwrap();
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{case}: {summary:?}");
    assert_eq!(summary.verified_files, summary.files, "{case}");
    let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
    let foretold_s = finish.seconds.unwrap();
    let off = took_s / foretold_s - 1.0;
    println!(
        "{case}: foretold {foretold_s:.0} s, took {took_s:.0} s, {:+.1} %",
        100.0 * off
    );
    assert!(off.abs() < 0.1, "{case}: {took_s} s, foretold {finish:?}");
}

#[test]
fn restores_from_full_tapes_take_as_long_as_foretold() {
    let lab = whole_tapes();
    spread(&lab, A, "first", 500);
    spread(&lab, B, "second", 40);
    let of = |pool: &str, numbers: &mut dyn Iterator<Item = u64>| -> Vec<String> {
        numbers.map(|number| name(pool, number)).collect()
    };
    let one = |number| of("first", &mut std::iter::once(number));
    let twelve = of("first", &mut (0..12).map(|number| number * 211 % 500));
    let two_tapes = [
        of("first", &mut (0..40).map(|number| number * 211 % 500)),
        of("second", &mut (0..40)),
    ];
    for (case, files) in [
        ("one file near the beginning", one(3)),
        ("one file in the middle", one(240)),
        ("one file near the end", one(490)),
        ("twelve files", twelve),
        ("500 files of one tape", of("first", &mut (0..500))),
        ("two tapes in one drive", two_tapes.concat()),
    ] {
        takes_as_long_as_foretold(&lab, case, &files);
    }
}

/// What the tapes in the only drive were moved in its life.
fn moved(lab: &Lab) -> MotionCounters {
    let hold = read_hold(lab.library().dir(), 0).unwrap();
    hold.life.motion
}

#[test]
fn a_whole_volume_takes_as_long_as_foretold_and_streams() {
    for generation in [Generation::Lto5, Generation::Lto9] {
        let lab = Lab::with(&LibrarySpec {
            drives: 1,
            slots: 8,
            cartridges: Some(1),
            capacity_bytes: Some(3 << 30),
            generation,
            ..Lab::small()
        });
        let tape = format!("SIM001{}", generation.format().media_id);
        fs::create_dir_all(lab.path("source")).unwrap();
        for number in 0..20 {
            let file = lab.path(&format!("source/{number}"));
            fs::write(file, vec![0; 100_000_000]).unwrap();
        }
        lab.label(&[&tape], "docs");
        lab.archive(&["source"], "docs").unwrap();
        let case = format!("the whole of {tape}");
        let before = moved(&lab);
        takes_as_long_as_foretold(&lab, &case, &["source".to_owned()]);
        let after = moved(&lab);
        let stops = after.backhitches - before.backhitches;
        let locates = after.locates - before.locates;
        println!("{case}: {stops} stops, {locates} locates");
        assert_eq!(stops, 0, "{case}: the tape stopped, and had to go back");
        assert!(
            locates <= 1,
            "{case}: {locates} locates for 20 files in a row"
        );
    }
}
