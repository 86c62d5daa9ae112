//! A catalog of twenty tapes lost and made again from them, three of their indexes damaged: its
//! export says what that of the lost one said. Both are read and compared here as sets, by the
//! documentation of the export, with nothing of the code that made them.
//!
//! What may differ: numbers of lines; events that tapes do not carry (where
//! tapes were, verifications, restores, problems one by one); of a job what sort of sources it
//! had. Of a segment whose index is damaged also digests, inode
//! numbers and the names that were gone, and so whether its job was complete; and of a job that has
//! no other segment all but its identity, level and pool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{Compress, JobDescription, archive};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::{Level, Outcome};
use tapewright::volume::index::DigestAlgorithm;

use crate::lab::{Lab, label_options, noise};

const TAPES: u64 = 20;
/// So many tapes are of one pool, and one job fills them. Each other tape has a pool of its own.
const WIDE: u64 = 4;

fn barcode(tape: u64) -> String {
    format!("SIM{tape:03}L9")
}

fn pool(tape: u64) -> String {
    match tape <= WIDE {
        true => "wide".to_owned(),
        false => format!("p{tape}"),
    }
}

/// A segment by volume and segment.
pub type Place = (String, String);

/// What an export says.
#[derive(Debug, Default)]
pub struct Told {
    pub volumes: BTreeMap<String, Value>,
    pub jobs: BTreeMap<String, Value>,
    pub outcomes: BTreeMap<String, Value>,
    pub receipts: BTreeMap<Place, Value>,
    pub entries: BTreeMap<Place, BTreeSet<String>>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn without(mut object: Value, keys: &[&str]) -> Value {
    for key in keys {
        object.as_object_mut().unwrap().remove(*key);
    }
    object
}

impl Told {
    pub fn by(lab: &Lab) -> Told {
        let mut export = Vec::new();
        let catalog = lab.catalog();
        catalog.export("test", &mut export, &|| true).unwrap();
        let export = zstd::decode_all(&export[..]).unwrap();
        let lines = export
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut told = Told::default();
        let mut place = Place::default();
        for line in lines {
            let line: Value = serde_json::from_slice(line).unwrap();
            if let Some(entry) = line.get("entry") {
                let new = told
                    .entries
                    .get_mut(&place)
                    .unwrap()
                    .insert(entry.to_string());
                assert!(new, "twice in one segment: {entry}");
            } else if let Some(line) = line.get("receipt") {
                let mut receipt = line["receipt"].clone();
                receipt["time"] = line["time"].clone();
                place = (text(&receipt["volume"]), text(&receipt["segment"]));
                told.entries.insert(place.clone(), BTreeSet::new());
                told.receipts.insert(place.clone(), receipt);
            } else if let Some(line) = line.get("event") {
                told.event(line);
            }
        }
        told
    }

    fn event(&mut self, line: &Value) {
        let event = line["event"].clone();
        let mut dated = event.clone();
        dated["time"] = line["time"].clone();
        match event["type"].as_str().unwrap() {
            "volume_labelled" => {
                self.volumes.insert(text(&event["volume"]), dated);
            }
            "job_started" => {
                let lost = ["one_file_system", "more_sources"];
                self.jobs.insert(text(&event["job"]), without(dated, &lost));
            }
            "job_finished" => {
                let outcome = event["outcome"].clone();
                self.outcomes.insert(text(&event["job"]), outcome);
            }
            _ => {}
        }
    }

    /// The entries of a segment as its headers alone tell them.
    fn by_headers(&self, place: &Place) -> BTreeSet<String> {
        let entries = self.entries[place].iter();
        let entries = entries.map(|entry| serde_json::from_str::<Value>(entry).unwrap());
        let members = entries.filter(|entry| entry["type"] != "gone");
        members
            .map(|entry| without(entry, &["digest", "inode"]).to_string())
            .collect()
    }
}

pub fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    lost: &BTreeMap<K, V>,
    made: &BTreeMap<K, V>,
    spared: impl Fn(&K) -> bool,
) {
    let keys: BTreeSet<&K> = lost.keys().chain(made.keys()).collect();
    for key in keys.into_iter().filter(|key| !spared(key)) {
        assert_eq!(
            made.get(key),
            lost.get(key),
            "{what} {key:?}, made again and lost"
        );
    }
}

/// A tree of its own for each tape, in its state of the `step`th job.
fn grow(tree: &Path, tape: u64, step: u64) {
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    for number in 0..8 {
        let length = 100 + 997 * (tape * number) as usize % 9_000;
        let path = tree.join(format!("file {number}"));
        // The same file each time, unless this step changes it.
        if step == 0 || number == step {
            fs::write(path, noise(tape * 100 + number * 10 + step, length)).unwrap();
        }
    }
    fs::write(tree.join(format!("deep/er/step {step}")), tape.to_string()).unwrap();
    if step > 0 {
        fs::remove_file(tree.join(format!("deep/er/step {}", step - 1))).unwrap();
    }
    if step == 0 {
        std::os::unix::fs::symlink("../file 1", tree.join("deep/link")).unwrap();
        fs::hard_link(tree.join("file 2"), tree.join("deep/same")).unwrap();
    }
}

/// Full, then changes alone: differently compressed and digested, one with a copy on the tape of
/// another pool.
fn fill(lab: &Lab) {
    fs::create_dir(lab.path("wide")).unwrap();
    for number in 0..5 {
        fs::write(
            lab.path("wide").join(format!("{number}")),
            noise(number, 12 << 20),
        )
        .unwrap();
    }
    let wide = lab.archive(&["wide"], "wide").unwrap();
    let tapes: BTreeSet<&String> = wide.segments.iter().map(|it| &it.barcode).collect();
    assert_eq!(tapes.len() as u64, WIDE);
    for tape in WIDE + 1..=TAPES {
        let tree = lab.path(&format!("tree {tape}"));
        for step in 0..2 + tape % 2 {
            grow(&tree, tape, step);
            let job = JobDescription {
                level: if step == 0 {
                    Level::Full
                } else {
                    Level::Incremental
                },
                compress: (tape % 3 == 0).then_some(Compress::Auto),
                digest: match tape % 4 {
                    0 => DigestAlgorithm::Sha256,
                    _ => DigestAlgorithm::Blake3,
                },
                excludes: if tape % 5 == 0 {
                    vec!["*.tmp".to_owned()]
                } else {
                    Vec::new()
                },
                copy_pool: (tape == 6).then(|| pool(7)),
                ..crate::lab::of_paths(vec![tree.clone()], &pool(tape))
            };
            let done = archive(lab.site(), &job).unwrap();
            assert_eq!(done.outcome, Outcome::Complete, "{done:?}");
        }
    }
}

#[test]
fn a_catalog_made_again_from_twenty_tapes_says_what_the_lost_one_said() {
    let lab = Lab::with(&LibrarySpec {
        slots: 24,
        cartridges: Some(TAPES as u16),
        capacity_bytes: Some(20 << 20),
        ..Lab::small()
    });
    for tape in 1..=TAPES {
        let options = label_options(&[&barcode(tape)], &pool(tape), None);
        tapewright::jobs::label::label(lab.site(), &options).unwrap();
    }
    fill(&lab);
    let lost = Told::by(&lab);
    let written: BTreeSet<&String> = lost.receipts.keys().map(|(volume, _)| volume).collect();
    assert_eq!(written.len() as u64, TAPES, "each tape has something");

    // The first index of a tape with more behind it, the last of another, and one of four.
    let mut damaged = BTreeSet::new();
    for (tape, number) in [(9, 1), (11, 3), (2, 1)] {
        let mut receipts = lost.receipts.iter();
        let of_tape = |volume: &String| lost.volumes[volume]["barcode"] == barcode(tape);
        let found = receipts
            .find(|((volume, _), receipt)| of_tape(volume) && receipt["segment_number"] == number);
        let (place, receipt) = found.unwrap();
        lab.spoil(&barcode(tape), receipt["index_block"].as_u64().unwrap());
        damaged.insert(place.clone());
    }
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.volumes.len() as u64, TAPES, "{summary:?}");
    let made = Told::by(&lab);

    let is_damaged = |place: &Place| damaged.contains(place);
    let hurt: BTreeSet<String> = damaged
        .iter()
        .map(|place| text(&lost.receipts[place]["job"]))
        .collect();
    same("volume", &lost.volumes, &made.volumes, |_| false);
    // Where a job has another segment, that tells of it.
    let nowhere_else = |job: &String| {
        let mut receipts = lost
            .receipts
            .iter()
            .filter(|(_, receipt)| receipt["job"] == **job);
        receipts.all(|(place, _)| is_damaged(place))
    };
    same("job", &lost.jobs, &made.jobs, nowhere_else);
    same("receipt", &lost.receipts, &made.receipts, is_damaged);
    same("entries of", &lost.entries, &made.entries, is_damaged);
    same("outcome of", &lost.outcomes, &made.outcomes, |job| {
        hurt.contains(job)
    });
    for place in &damaged {
        assert_eq!(made.entries[place], lost.by_headers(place), "{place:?}");
        let kept = [
            "job",
            "segment_number",
            "file_number",
            "first_block",
            "index_block",
            "end_block",
        ];
        for key in kept {
            let (now, before) = (&made.receipts[place][key], &lost.receipts[place][key]);
            assert_eq!(now, before, "{key} of {place:?}");
        }
    }
    for job in &hurt {
        for key in ["job", "level", "pool"] {
            assert_eq!(
                made.jobs[job].get(key),
                lost.jobs[job].get(key),
                "{key} of {job}"
            );
        }
        assert_ne!(
            made.outcomes[job], "complete",
            "files without digests: {job}"
        );
    }
}
