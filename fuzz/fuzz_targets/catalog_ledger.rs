//! Any bytes as the ledger of a catalog; and their lines as its events, with numbers, chain and
//! sums made right.
#![no_main]

use std::fs;
use std::path::Path;

use catalogs::{Catalog, FindOptions, LEDGER_FILE, OpenOptions, Pattern};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

#[path = "support/events.rs"]
mod events;

const TIME: &str = "2026-01-31T02:03:04Z";

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&chained(data));
});

/// A ledger that does not open stays as it is. One that opens goes on, and says the same when it
/// is opened again.
fn read(ledger: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(LEDGER_FILE);
    fs::write(&path, ledger).unwrap();
    let catalog = match open(directory.path()) {
        Ok(catalog) => catalog,
        Err(_) => {
            assert!(
                fs::read(&path).unwrap() == ledger,
                "a refused ledger changed"
            );
            return;
        }
    };
    let kept = fs::read(&path).unwrap();
    assert!(ledger.starts_with(&kept), "more than a torn end is gone");
    let before = answers(&catalog);
    for event in [events::labelled(), events::started()] {
        catalog.append(Timestamp::UNIX_EPOCH, &event).unwrap();
    }
    assert!(fs::read(&path).unwrap().starts_with(&kept));
    let after = answers(&catalog);
    assert!(after.len() >= before.len());
    drop(catalog);
    let again = open(directory.path()).unwrap();
    assert_eq!(answers(&again), after);
}

fn open(directory: &Path) -> Result<Catalog, catalogs::CatalogError> {
    let options = OpenOptions {
        memory_index: true,
        ..OpenOptions::default()
    };
    Catalog::open(directory, options)
}

/// All that the ledger tells. The entry files that it names are not there.
fn answers(catalog: &Catalog) -> Vec<String> {
    let volumes = catalog.volumes().unwrap();
    let jobs = catalog.jobs().unwrap();
    let mut answers: Vec<String> = jobs.iter().map(|job| format!("{job:?}")).collect();
    for volume in &volumes {
        answers.push(format!("{volume:?}"));
        let receipts = catalog
            .receipts_of_volume(&volume.label.what.volume)
            .unwrap();
        for receipt in &receipts {
            let name = &receipt.what.entry_file.name;
            assert!(!name.contains('/'), "an entry file elsewhere: {name}");
        }
        answers.extend(receipts.iter().map(|receipt| format!("{receipt:?}")));
    }
    let everything = Pattern::everything();
    let hits = catalog.find(&everything, &FindOptions::default()).unwrap();
    for hit in hits {
        assert!(hit.is_err(), "a hit without an entry file");
    }
    catalog.check().unwrap();
    answers
}

/// A ledger whose events are the lines of `data`.
fn chained(data: &[u8]) -> Vec<u8> {
    let created = br#"{"type":"catalog_created","format":2,"catalog":"00000000-0000-0000-0000-000000000001","software":"fuzz"}"#;
    let events = data
        .split(|&byte| byte == b'\n')
        .filter(|event| !event.is_empty());
    let mut ledger = Vec::new();
    let mut prev = "0".repeat(64);
    for (number, event) in std::iter::once(&created[..]).chain(events).enumerate() {
        let start = ledger.len();
        let seq = number + 1;
        ledger.extend(
            format!(r#"{{"seq":{seq},"prev":"{prev}","time":"{TIME}","event":"#).into_bytes(),
        );
        ledger.extend_from_slice(event);
        prev = blake3::hash(&ledger[start..]).to_hex().to_string();
        ledger.extend(format!(",\"sum\":\"{prev}\"}}\n").into_bytes());
    }
    ledger
}
