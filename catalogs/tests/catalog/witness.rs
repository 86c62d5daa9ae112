//! A process that writes and says what was acknowledged, and what must be in the catalog then.
//! This is judged from the bytes of ledger and entry files, and from what the writer is known to
//! have written, by none of the code under test; what the catalog answers has to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use catalogs::model::Entry;
use catalogs::model::event::Outcome;
use catalogs::model::event::{Event, VolumeState, VolumeStateChanged};
use catalogs::{Catalog, CatalogError, ENTRIES_DIRECTORY, FindOptions, LEDGER_FILE};
use serde_json::Value;
use uuid::Uuid;

use crate::support::*;

/// Entries of each receipt.
const ENTRIES: u64 = 40;
/// Segments of one writer have numbers of their own.
const NUMBERS_OF_A_WRITER: u64 = 1_000_000;

/// Something that a writer was told to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Number of its line in the ledger.
    pub seq: u64,
    /// The segment of a receipt; for another event the one it tells of.
    pub segment: u64,
    pub receipt: bool,
}

impl Acknowledged {
    fn say(self) {
        let Acknowledged {
            seq,
            segment,
            receipt,
        } = self;
        let what = if receipt { "receipt" } else { "event" };
        println!("acknowledged {what} {segment} {seq}");
        std::io::stdout().flush().unwrap();
    }

    /// What a line says that a writer printed. The test runner's own words may come before.
    pub fn hear(line: &str) -> Option<Acknowledged> {
        let (_, said) = line.rsplit_once("acknowledged ")?;
        let words: Vec<&str> = said.trim().split(' ').collect();
        let &[what, segment, seq] = &words[..] else {
            return None;
        };
        Some(Acknowledged {
            seq: seq.parse().ok()?,
            segment: segment.parse().ok()?,
            receipt: what == "receipt",
        })
    }
}

/// What is in a segment, from its number alone.
fn entries_of(segment: u64) -> Vec<Entry> {
    let own = (1..ENTRIES).map(|number| file(format!("s{segment}/{number}"), segment));
    own.chain([file("in all of them", segment)]).collect()
}

/// Commits segment after segment, appends other events, asks, merges, and opens and remakes the
/// index now and then. The catalog is made if there is none.
pub fn write(directory: &Path, writer: u64, commits: u64) {
    let catalog = match Catalog::exists(directory) {
        true => open(directory),
        false => create(directory),
    };
    catalog.append(at(1), &labelled(writer)).unwrap();
    let job = started(writer, "job", &[""], &[]);
    catalog.append(at(1), &job).unwrap();
    let begin = writer * NUMBERS_OF_A_WRITER;
    let last = catalog.last_receipt(&volume_id(writer)).unwrap();
    let next = last.map_or(begin, |last| u64::from(last.what.receipt.segment_number)) + 1;
    for segment in (next..).take(commits as usize) {
        let receipt = receipt(writer, writer, segment);
        let appended = catalog.commit(at(1), receipt, entries_of(segment)).unwrap();
        let acknowledged = Acknowledged {
            seq: appended.seq,
            segment,
            receipt: true,
        };
        acknowledged.say();
        if segment % 4 == 0 {
            let event = Event::VolumeState(VolumeStateChanged {
                volume: volume_id(writer),
                state: VolumeState::Appendable,
                reason: segment.to_string(),
            });
            let seq = catalog.append(at(1), &event).unwrap().seq;
            let receipt = false;
            let told = Acknowledged {
                seq,
                receipt,
                ..acknowledged
            };
            told.say();
        }
        if segment % 5 == 0 {
            // Only of what has ended files are merged. It goes on all the same.
            let ended = finished(writer, Outcome::Interrupted);
            catalog.append(at(1), &ended).unwrap();
            match catalog.compact(&|| at(1), &|_| {}) {
                Ok(compaction) => assert_eq!(compaction.damaged.len(), 0),
                Err(error) => assert!(matches!(error, CatalogError::Merging(_)), "{error}"),
            }
        }
        if segment % 3 == 0 {
            let path = format!("s{segment}/1");
            assert_eq!(found(&catalog, &path, &FindOptions::default()).len(), 1);
        }
        if segment % 7 == 0 {
            catalog.release_index();
        }
        if segment % 19 == 0 {
            catalog.rebuild_index().unwrap();
        }
    }
}

/// Opens the catalog again and again, its index remade now and then.
pub fn open_for_ever(directory: &Path) -> ! {
    for round in 1u64.. {
        let catalog = open(directory);
        if round % 3 == 0 {
            catalog.rebuild_index().unwrap();
        }
        catalog.volumes().unwrap();
    }
    unreachable!("there are more rounds than time");
}

/// A line of the ledger, read by the documentation alone.
struct Line {
    event: Value,
    end: usize,
}

/// The whole lines at the beginning of a ledger. Only behind the last of them something may be
/// that is none.
fn lines(ledger: &[u8], context: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut prev = "0".repeat(64);
    let mut end = 0;
    for text in ledger.split_inclusive(|&byte| byte == b'\n') {
        let seq = lines.len() as u64 + 1;
        let start = end;
        end += text.len();
        if !text.ends_with(b"\n") || text.contains(&0) {
            assert_eq!(
                end,
                ledger.len(),
                "{context}: line {seq} is torn amid others"
            );
            break;
        }
        let text = &text[..text.len() - 1];
        let (body, tail) = text.split_at(text.len() - 74);
        let sum = blake3::hash(body).to_hex();
        let due = format!(",\"sum\":\"{sum}\"}}");
        assert_eq!(tail, due.as_bytes(), "{context}: sum of line {seq}");
        let line: Value = serde_json::from_slice(&ledger[start..end]).unwrap();
        assert_eq!(line["seq"], seq, "{context}");
        assert_eq!(line["prev"], prev, "{context}: chain at line {seq}");
        prev = sum.to_string();
        let event = line["event"].clone();
        lines.push(Line { event, end });
    }
    lines
}

/// Fails unless all that was acknowledged is there, and nothing is there by half. Opens the
/// catalog, and so mends it. Returns the number of its receipts.
pub fn check(directory: &Path, acknowledged: &[Acknowledged], context: &str) -> u64 {
    let ledger_path = directory.join(LEDGER_FILE);
    let ledger = fs::read(&ledger_path).unwrap();
    let lines = lines(&ledger, context);
    for told in acknowledged {
        let line = lines.get(told.seq as usize - 1);
        let event = &line
            .unwrap_or_else(|| panic!("{context}: lost {told:?}"))
            .event;
        let says = match told.receipt {
            true => event["segment"] == segment_id(told.segment).to_string(),
            false => event["reason"].as_str() == Some(&told.segment.to_string()),
        };
        assert!(says, "{context}: {told:?} became {event}");
    }
    let receipts: Vec<&Value> = lines
        .iter()
        .map(|line| &line.event)
        .filter(|event| event["type"] == "receipt")
        .collect();
    let files = files_in_use(&lines);
    let files = files
        .iter()
        .map(|file| whole_file(directory, file, context));
    let named: BTreeSet<String> = files.collect();
    let expected: BTreeMap<Uuid, BTreeMap<Vec<u8>, Entry>> = receipts
        .iter()
        .map(|event| {
            let number = event["segment_number"].as_u64().unwrap();
            let entries = entries_of(number).into_iter();
            let entries = entries.map(|entry| (entry.path.clone(), entry));
            (segment_id(number), entries.collect())
        })
        .collect();
    assert_eq!(expected.len(), receipts.len(), "{context}: a segment twice");

    let catalog = open(directory);
    let kept = lines.last().map_or(0, |line| line.end);
    let after = fs::read(&ledger_path).unwrap();
    assert!(
        after == ledger[..kept],
        "{context}: opening cut off more, or less"
    );
    assert_eq!(catalog.lost_lines(), None, "{context}");
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let mut seen: BTreeMap<Uuid, BTreeMap<Vec<u8>, Entry>> = BTreeMap::new();
    for hit in find(&catalog, "", &all) {
        let of_segment = seen.entry(hit.receipt.receipt.segment).or_default();
        let path = hit.entry.path.clone();
        let twice = of_segment.insert(path, hit.entry.clone());
        assert_eq!(twice, None, "{context}: told twice");
    }
    let differs = |segment: &&Uuid| expected.get(*segment) != seen.get(*segment);
    let wrong: Vec<&Uuid> = expected.keys().chain(seen.keys()).filter(differs).collect();
    assert!(
        wrong.is_empty(),
        "{context}: not as they were written: {wrong:?}"
    );
    let report = catalog.check().unwrap();
    assert!(report.damaged.is_empty(), "{context}: {:?}", report.damaged);
    let listing = fs::read_dir(directory.join(ENTRIES_DIRECTORY)).unwrap();
    let there: BTreeSet<String> = listing
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, named, "{context}: files that no line names are left");
    receipts.len() as u64
}

/// The files that have the entries of receipts, as the last line says that speaks of each.
fn files_in_use(lines: &[Line]) -> Vec<Value> {
    let mut homes: BTreeMap<u64, Value> = BTreeMap::new();
    for (line, seq) in lines.iter().zip(1..) {
        let event = &line.event;
        let file = event["entry_file"].clone();
        match event["type"].as_str().unwrap() {
            "receipt" => {
                homes.insert(seq, file);
            }
            "entries_merged" => {
                for receipt in event["receipts"].as_array().unwrap() {
                    let home = homes.get_mut(&receipt.as_u64().unwrap()).unwrap();
                    *home = file.clone();
                }
            }
            _ => {}
        }
    }
    let mut files: Vec<Value> = homes.into_values().collect();
    files.dedup();
    files
}

/// The name of an entry file, which has to be as the line says.
fn whole_file(directory: &Path, file: &Value, context: &str) -> String {
    let name = file["name"].as_str().unwrap();
    let bytes = fs::read(directory.join(ENTRIES_DIRECTORY).join(name));
    let bytes = bytes.unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
    assert_eq!(file["bytes"], bytes.len() as u64, "{context}: {name}");
    let digest = blake3::hash(&bytes).to_hex();
    assert_eq!(file["digest"], digest.as_str(), "{context}: {name}");
    name.to_owned()
}

/// The check for catalogs that were written elsewhere, as by `tests/kernel/power-cuts`.
#[test]
#[ignore = "of a catalog and of what its writers said, both named in the environment"]
fn what_was_acknowledged_elsewhere_is_there() {
    let name = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let said = fs::read_to_string(name("CATALOGS_CHECK_SAID")).unwrap();
    let acknowledged: Vec<_> = said.lines().filter_map(Acknowledged::hear).collect();
    let directory = name("CATALOGS_CHECK_DIRECTORY");
    if acknowledged.is_empty() && !Path::new(&directory).join(LEDGER_FILE).exists() {
        return;
    }
    let receipts = check(Path::new(&directory), &acknowledged, &directory);
    println!(
        "{receipts} receipts, {} acknowledgements",
        acknowledged.len()
    );
}
