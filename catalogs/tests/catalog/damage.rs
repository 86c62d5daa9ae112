//! Damaged ledgers and entry files: each kind of damage at every place.

use std::fs;
use std::path::{Path, PathBuf};

use catalogs::model::event::Outcome;
use catalogs::{
    Catalog, CatalogError, EntriesError, FindOptions, LEDGER_FILE, LedgerError, LineFault, Notice,
    OpenOptions, Pattern,
};

use crate::support::*;

struct Sample {
    directory: tempfile::TempDir,
    ledger: Vec<u8>,
    answers: Vec<String>,
}

impl Sample {
    fn new() -> Sample {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        fill(&catalog);
        Sample::of(directory, &catalog)
    }

    /// One whose last file has the entries of two receipts.
    fn merged() -> Sample {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        fill(&catalog);
        let begun = started(9, "job9", &["small"], &[]);
        catalog.append(at(40), &begun).unwrap();
        for segment in [8, 9] {
            let names = ["small/both".to_owned(), format!("small/{segment}")];
            let entries = names.map(|name| file(name, segment)).into();
            catalog
                .commit(at(41), receipt(9, 2, segment), entries)
                .unwrap();
        }
        let ended = finished(9, Outcome::Complete);
        catalog.append(at(42), &ended).unwrap();
        catalog.compact(&|| at(43), &|_| {}).unwrap();
        Sample::of(directory, &catalog)
    }

    fn of(directory: tempfile::TempDir, catalog: &Catalog) -> Sample {
        Sample {
            answers: answers(catalog),
            ledger: fs::read(directory.path().join(LEDGER_FILE)).unwrap(),
            directory,
        }
    }

    /// A fresh copy whose ledger is `ledger`.
    fn with_ledger(&self, ledger: &[u8]) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_truth(self.directory.path(), copy.path());
        fs::write(copy.path().join(LEDGER_FILE), ledger).unwrap();
        copy
    }

    /// The first one; the merged one if there is one.
    fn entry_file(&self) -> PathBuf {
        let mut paths = self.entry_files();
        let merged = |path: &PathBuf| path.extension().is_some_and(|end| end == "merged");
        let number = paths.iter().position(merged);
        paths.remove(number.unwrap_or(0))
    }

    fn entry_files(&self) -> Vec<PathBuf> {
        let listing = fs::read_dir(self.directory.path().join("entries")).unwrap();
        let mut paths: Vec<PathBuf> = listing.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn in_memory(directory: &Path) -> Result<Catalog, CatalogError> {
    Catalog::open(
        directory,
        OpenOptions {
            memory_index: true,
            ..quick()
        },
    )
}

fn altered_line(opened: Result<Catalog, CatalogError>) -> u64 {
    match opened.map(|_| ()) {
        Err(CatalogError::Ledger(LedgerError::Altered { line, .. })) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flipped_byte_of_the_ledger_is_told_with_its_line() {
    let sample = Sample::new();
    let copy = sample.with_ledger(&sample.ledger);
    let mut line = 1;
    for at in 0..sample.ledger.len() - 1 {
        let mut bad = sample.ledger.clone();
        bad[at] ^= 1;
        fs::write(copy.path().join(LEDGER_FILE), &bad).unwrap();
        assert_eq!(altered_line(in_memory(copy.path())), line, "byte {at}");
        line += u64::from(sample.ledger[at] == b'\n');
    }
}

#[test]
fn lines_removed_repeated_or_swapped_are_told() {
    let sample = Sample::new();
    let lines: Vec<&[u8]> = sample
        .ledger
        .split_inclusive(|&byte| byte == b'\n')
        .collect();
    let swapped = [&lines[..3], &lines[4..5], &lines[3..4], &lines[5..]]
        .concat()
        .concat();
    let removed = [&lines[..3], &lines[4..]].concat().concat();
    let repeated = [&lines[..4], &lines[3..]].concat().concat();
    let nonsense = [&sample.ledger[..], b"nonsense\n"].concat();
    let first_gone = lines[1..].concat();
    let count = lines.len() as u64;
    let cases = [
        (swapped, 4),
        (removed, 4),
        (repeated, 5),
        (nonsense, count + 1),
        (first_gone, 1),
    ];
    for (ledger, line) in cases {
        let copy = sample.with_ledger(&ledger);
        assert_eq!(altered_line(in_memory(copy.path())), line);
        let kept = fs::read(copy.path().join(LEDGER_FILE)).unwrap();
        assert_eq!(kept, ledger, "an altered ledger is left as it is");
    }
}

#[test]
fn a_torn_end_is_cut_back_to_the_last_whole_line_wherever_it_tears() {
    let sample = Sample::new();
    let first_line = sample
        .ledger
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    for length in (first_line..sample.ledger.len())
        .step_by(7)
        .chain([sample.ledger.len() - 1])
    {
        let copy = sample.with_ledger(&sample.ledger[..length]);
        let catalog = in_memory(copy.path()).unwrap();
        let kept = fs::read(copy.path().join(LEDGER_FILE)).unwrap();
        let whole = sample.ledger[..length]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap()
            + 1;
        assert_eq!(kept, sample.ledger[..whole]);
        let notices = catalog.take_notices();
        let cut = notices
            .iter()
            .any(|notice| matches!(notice, Notice::TornLineCut { .. }));
        assert_eq!(cut, whole < length);
        if cut {
            let aside = fs::read(copy.path().join("ledger.cut")).unwrap();
            assert_eq!(&aside[..aside.len() - 1], &sample.ledger[whole..length]);
        }
        let report = catalog.check().unwrap();
        assert!(report.damaged.is_empty());
        let left = fs::read_dir(copy.path().join("entries")).unwrap().count();
        let kept = catalog.unnamed_entry_files().unwrap().len();
        assert_eq!(left, report.receipts as usize + kept);
        assert!(
            kept == 0 || catalog.lost_lines().is_some(),
            "uncommitted entry files are removed"
        );
        assert!(answers(&catalog).len() <= sample.answers.len());
        // And the ledger goes on.
        catalog.append(at(200), &labelled(77)).unwrap();
        assert!(in_memory(copy.path()).is_ok());
    }
}

#[test]
fn blocks_a_power_cut_left_unwritten_are_cut_off() {
    let sample = Sample::new();
    for tail in [&b"\0\0\0\0"[..], b"{\"seq\":12,\0\0\0\0\0\0\"}\n", b"\0\n"] {
        let copy = sample.with_ledger(&[&sample.ledger[..], tail].concat());
        let catalog = in_memory(copy.path()).unwrap();
        assert_eq!(answers(&catalog), sample.answers);
        assert_eq!(
            fs::read(copy.path().join(LEDGER_FILE)).unwrap(),
            sample.ledger
        );
    }
}

#[test]
fn later_formats_are_refused_and_later_events_kept() {
    let sample = Sample::new();
    let text = String::from_utf8(sample.ledger.clone()).unwrap();
    let (seq, sum) = ledger_end(&text);
    let hold = ledger_line(seq + 1, &sum, r#"{"type":"hold","until":"2036-01-01"}"#);
    let copy = sample.with_ledger(format!("{text}{hold}").as_bytes());
    let catalog = in_memory(copy.path()).unwrap();
    let notice = Notice::UnknownEvents {
        kind: "hold".into(),
        count: 1,
    };
    assert_eq!(catalog.take_notices(), [notice]);
    assert_eq!(answers(&catalog), sample.answers);
    assert_eq!(
        catalog
            .append(at(300), &finished(3, Outcome::Failed))
            .unwrap()
            .seq,
        seq + 2
    );
    assert!(
        fs::read_to_string(copy.path().join(LEDGER_FILE))
            .unwrap()
            .contains("2036-01-01")
    );

    let id = uuid::Uuid::from_u128(1);
    let event =
        format!(r#"{{"type":"catalog_created","format":4,"catalog":"{id}","software":"later"}}"#);
    let later = ledger_line(1, &"0".repeat(64), &event);
    let copy = sample.with_ledger(later.as_bytes());
    let refused = in_memory(copy.path()).map(|_| ());
    assert!(matches!(
        refused,
        Err(CatalogError::Ledger(LedgerError::NewerFormat {
            found: 4,
            ..
        }))
    ));
}

#[test]
fn a_line_of_a_known_type_that_cannot_be_read_is_told() {
    let sample = Sample::new();
    let text = String::from_utf8(sample.ledger.clone()).unwrap();
    let (seq, sum) = ledger_end(&text);
    let unknown_job = format!(
        r#"{{"type":"job_finished","job":"{}","outcome":"failed","files":0,"file_bytes":0}}"#,
        job_id(99)
    );
    let receipt = text
        .lines()
        .find(|line| line.contains(r#""receipt""#))
        .unwrap();
    let (_, receipt) = receipt.split_once(r#""event":"#).unwrap();
    let (receipt, _) = receipt.rsplit_once(r#","sum""#).unwrap();
    let named = |name: &str| receipt.replace(r#""name":""#, &format!(r#""name":"{name}"#));
    let (above, root) = (named("../"), named("/"));
    let merged = |name: &str| {
        let id = segment_id(1);
        let file = format!(r#"{{"name":"{name}","digest":"","entries":0,"bytes":0}}"#);
        format!(r#"{{"type":"entries_merged","id":"{id}","entry_file":{file},"receipts":[4]}}"#)
    };
    let dropped = format!(r#"{{"type":"entries_dropped","job":"{}"}}"#, job_id(99));
    for event in [
        &merged("../a.merged"),
        &merged("/a.merged"),
        &dropped,
        r#"{"type":"receipt"}"#,
        r#"{"type":7}"#,
        &unknown_job,
        &above,
        &root,
    ] {
        let copy =
            sample.with_ledger(format!("{text}{}", ledger_line(seq + 1, &sum, event)).as_bytes());
        assert_eq!(altered_line(in_memory(copy.path())), seq + 1, "{event}");
    }
    let long = format!(r#"{{"type":"hold","x":"{}"}}"#, "x".repeat(1024 * 1024));
    let copy =
        sample.with_ledger(format!("{text}{}", ledger_line(seq + 1, &sum, &long)).as_bytes());
    let fault = in_memory(copy.path()).map(|_| ());
    let too_long = CatalogError::Ledger(LedgerError::Altered {
        path: copy.path().join(LEDGER_FILE),
        line: seq + 1,
        at: sample.ledger.len() as u64,
        fault: LineFault::TooLong,
    });
    assert_eq!(fault.unwrap_err().to_string(), too_long.to_string());
}

/// Damage to one entry file, seen by a check and by a search that must not invent anything.
fn expect_told(sample: &Sample, name: &Path, bytes: Option<&[u8]>, what: &str) {
    let copy = sample.with_ledger(&sample.ledger);
    let path = copy.path().join("entries").join(name);
    match bytes {
        Some(bytes) => fs::write(&path, bytes).unwrap(),
        None => fs::remove_file(&path).unwrap(),
    }
    let catalog = in_memory(copy.path()).unwrap();
    assert_eq!(catalog.check().unwrap().damaged.len(), 1, "{what}");
    let (files, damaged) = catalog.check_files().unwrap();
    assert_eq!(files as usize, sample.entry_files().len(), "{what}");
    assert_eq!(damaged.len(), 1, "{what}");
    let of_volume = catalog.receipts_of_volume(&damaged[0].volume).unwrap();
    assert!(!of_volume.is_empty(), "{what}");
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let mut told = false;
    let mut hits = 0;
    for hit in catalog.find(&Pattern::parse(b"").unwrap(), &all).unwrap() {
        match hit {
            Ok(hit) => {
                let path = String::from_utf8(hit.entry.path.clone()).unwrap();
                let job = &hit.job.start.what.name;
                let known = |line: &String| line.trim_start_matches('!') == format!("{path}@{job}");
                assert!(sample.answers.iter().any(known), "{what}: {path}");
                // A job that cannot be read whole does not prove that a path was gone.
                let missed = format!("!{path}@{job}");
                assert!(
                    !hit.gone || sample.answers.contains(&missed),
                    "{what}: {path}"
                );
                hits += 1;
            }
            Err(CatalogError::Entries(error)) => {
                assert!(
                    error.to_string().contains(name.to_str().unwrap()),
                    "{error}"
                );
                told = true;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let complete = hits == sample.answers.len();
    assert!(
        told || complete,
        "{what}: a search that lacks hits must say so"
    );
}

#[test]
fn every_flipped_byte_of_an_entry_file_is_told() {
    for sample in [Sample::new(), Sample::merged()] {
        let path = sample.entry_file();
        let name = Path::new(path.file_name().unwrap());
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            expect_told(&sample, name, Some(&bad), &format!("byte {at}"));
        }
    }
}

#[test]
fn entry_files_cut_short_emptied_or_missing_are_told() {
    for sample in [Sample::new(), Sample::merged()] {
        expect_losses_told(&sample);
    }
}

fn expect_losses_told(sample: &Sample) {
    let path = sample.entry_file();
    let name = Path::new(path.file_name().unwrap());
    let good = fs::read(&path).unwrap();
    for length in (0..good.len()).step_by(3) {
        expect_told(
            sample,
            name,
            Some(&good[..length]),
            &format!("cut to {length}"),
        );
    }
    let longer = [&good[..], b"more"].concat();
    let other = fs::read(&sample.entry_files()[1]).unwrap();
    let zeros = vec![0; good.len()];
    for (bytes, what) in [(longer, "longer"), (other, "another's"), (zeros, "zeros")] {
        expect_told(sample, name, Some(&bytes), what);
    }
    expect_told(sample, name, None, "missing");
}

#[test]
fn committing_a_segment_again_heals_its_entry_file() {
    let sample = Sample::new();
    let path = sample.entry_file();
    let name = path.file_name().unwrap();
    let good = fs::read(&path).unwrap();
    for damage in [None, Some(&good[..50]), Some(&b""[..])] {
        let copy = sample.with_ledger(&sample.ledger);
        let damaged = copy.path().join("entries").join(name);
        match damage {
            Some(bytes) => fs::write(&damaged, bytes).unwrap(),
            None => fs::remove_file(&damaged).unwrap(),
        }
        let catalog = open(copy.path());
        let sound = catalog.receipts_of_volume(&volume_id(1)).unwrap()[0]
            .what
            .clone();
        assert!(matches!(
            catalog.entries_in_tape_order(&sound),
            Err(CatalogError::Entries(
                EntriesError::Damaged { .. } | EntriesError::Io { .. }
            ))
        ));
        let original = in_memory(sample.directory.path()).unwrap();
        let entries = original.entries_in_tape_order(&sound).unwrap();
        let again = catalog
            .commit(at(400), sound.receipt.clone(), entries)
            .unwrap();
        assert!(!again.known);
        assert_eq!(answers(&catalog), sample.answers);
        assert!(catalog.check().unwrap().damaged.is_empty());
        drop(catalog);
        let catalog = open(copy.path());
        assert_eq!(answers(&catalog), sample.answers);
        assert!(!damaged.exists(), "the replaced file is removed");
        assert_eq!(catalog.receipts_of_volume(&volume_id(1)).unwrap().len(), 2);
    }
}

#[test]
fn a_search_opens_only_receipts_whose_names_reach_into_its_range() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    for (segment, names) in [(1, ["b", "c"]), (2, ["d", "e"]), (3, ["f", "g"])] {
        let entries = names.iter().map(|name| file(name, 1)).collect();
        catalog
            .commit(at(2), receipt(1, 1, segment), entries)
            .unwrap();
    }
    // The index is made while the files are there; then a file that is opened is an error.
    catalog.volumes().unwrap();
    for file in fs::read_dir(directory.path().join("entries")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let cases = [
        ("*", 3),
        ("[a]*", 3),
        ("a", 0),
        ("b", 1),
        ("d", 1),
        ("cc", 0),
        ("h", 0),
    ];
    for (pattern, opened) in cases {
        let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
        let hits = catalog.find(&pattern, &FindOptions::default()).unwrap();
        assert_eq!(hits.filter(Result::is_err).count(), opened, "{pattern:?}");
    }
}

#[test]
fn errors_name_file_and_place() {
    let sample = Sample::new();
    let mut bad = sample.ledger.clone();
    bad[10] ^= 1;
    let copy = sample.with_ledger(&bad);
    let text = in_memory(copy.path()).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("ledger.jsonl, line 1 (byte 0)"), "{text}");
}
