//! Exports: whole there and back, and harmless whatever is in them.

use std::io::Write;
use std::path::Path;

use catalogs::model::{Condition, Entry, Kind, Part};
use catalogs::portable::{Imported, PortableError, import};
use catalogs::{Catalog, FindOptions, Inconsistency};

use crate::support::*;

/// Entries of every kind, condition and sort of name.
fn zoo() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        for condition in Condition::ALL {
            if kind == Kind::Gone && condition != Condition::Whole {
                continue;
            }
            let path = format!("zoo/{number} {condition:?}");
            let plain = file(&path, 1);
            entries.push(Entry {
                kind,
                condition,
                link_target: match kind {
                    Kind::Symlink | Kind::Hardlink => b"to \xff".to_vec(),
                    _ => Vec::new(),
                },
                device: (kind == Kind::CharDevice).then_some((1, 9)),
                digest: plain.digest.filter(|_| kind == Kind::File),
                ..plain
            });
        }
    }
    entries.push(Entry {
        part: Some(Part {
            number: 2,
            offset_bytes: 1 << 40,
            last: true,
        }),
        ..file(b"zoo/part", 1)
    });
    entries.push(file(b"zoo/not utf-8 \xc3\x28\n\"\\", 1));
    entries
}

fn sample(directory: &Path) -> Catalog {
    let catalog = create(directory);
    fill(&catalog);
    let framed = |entry: Entry| Entry {
        skip_bytes: Some(512),
        ..entry
    };
    catalog.commit(at(40), receipt(3, 2, 4), zoo()).unwrap();
    let entries = zoo().into_iter().map(framed).collect();
    catalog.commit(at(41), receipt(3, 2, 5), entries).unwrap();
    // A line of which a later one takes the place.
    let first = &catalog.receipts_of_volume(&volume_id(1)).unwrap()[0].what;
    let path = directory.join("entries").join(&first.entry_file.name);
    let entries = catalog.entries_in_tape_order(first).unwrap();
    std::fs::remove_file(path).unwrap();
    catalog
        .commit(at(42), first.receipt.clone(), entries)
        .unwrap();
    catalog
}

fn exported(catalog: &Catalog) -> Vec<u8> {
    let mut out = Vec::new();
    catalog.export("test 1", &mut out, &|| true).unwrap();
    out
}

fn imported(directory: &Path, bytes: &[u8]) -> Result<Imported, PortableError> {
    import(directory, "test 1", bytes, &|| true)
}

#[test]
fn a_catalog_comes_back_from_its_export() {
    let place = tempfile::tempdir().unwrap();
    let catalog = sample(&place.path().join("one"));
    let file = exported(&catalog);
    let other = place.path().join("two");
    let done = imported(&other, &file).unwrap();
    let again = open(&other);
    assert_eq!(done.entries, again.check().unwrap().entries);
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let hits = |catalog: &Catalog| {
        let mut hits: Vec<String> = find(catalog, "", &all)
            .into_iter()
            .map(|hit| {
                let (volume, receipt) = (&hit.volume.label.what, &hit.receipt.receipt);
                format!(
                    "{:?} {volume:?} {receipt:?} {:?} {}",
                    hit.entry, hit.job.start.what, hit.gone
                )
            })
            .collect();
        hits.sort();
        hits
    };
    assert_eq!(hits(&again), hits(&catalog));
    let states = |catalog: &Catalog| {
        let volumes = catalog.volumes().unwrap().into_iter();
        let volumes: Vec<_> = volumes
            .map(|volume| (volume.label.time, volume.label.what))
            .collect();
        let jobs = catalog.jobs().unwrap().into_iter();
        let jobs: Vec<_> = jobs
            .map(|job| {
                (
                    job.start.time,
                    job.start.what,
                    job.finish.map(|it| (it.time, it.what)),
                )
            })
            .collect();
        (volumes, jobs)
    };
    assert_eq!(states(&again), states(&catalog));
    assert_eq!(again.lost_lines(), None);
    // What was imported is exported as it was; only lines without effect are gone.
    assert_eq!(exported(&again), file);
}

#[test]
fn an_import_is_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let catalog = sample(&place.path().join("one"));
    let file = exported(&catalog);
    let other = place.path().join("two");
    let refused = |bytes: &[u8], what: &str| {
        assert!(imported(&other, bytes).is_err(), "{what}");
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{what}: {left:?}");
    };
    for length in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        refused(&file[..length], &format!("cut to {length}"));
    }
    for at in (0..file.len()).step_by(61) {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        refused(&bad, &format!("byte {at}"));
    }
    refused(
        &[&file[..], &zstd::encode_all(&b"{}\n"[..], 3).unwrap()].concat(),
        "longer",
    );
    let stopped = import(&other, "test 1", &file[..], &|| false);
    assert!(matches!(stopped, Err(PortableError::Stopped)));
    // A former attempt that was killed is in nobody's way.
    std::fs::create_dir_all(place.path().join("two.importing/entries")).unwrap();
    imported(&other, &file).unwrap();
    let twice = imported(&other, &file);
    assert!(
        matches!(twice, Err(PortableError::Exists { .. })),
        "{twice:?}"
    );
    assert_eq!(answers(&open(&other)).len(), answers(&catalog).len());
}

/// Lines with an end line behind them that has their sum.
fn with_end(lines: &[String], events: u64, entries: u64) -> Vec<u8> {
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let sum = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!(
        "{{\"end\":{{\"events\":{events},\"entries\":{entries},\"blake3\":\"{sum}\"}}}}\n"
    ));
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

#[test]
fn hostile_exports_are_refused_by_line_and_reason() {
    let place = tempfile::tempdir().unwrap();
    let catalog = sample(&place.path().join("one"));
    let text = zstd::decode_all(&exported(&catalog)[..]).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let body = &lines[..lines.len() - 1];
    let place_of = |words: &str| body.iter().position(|line| line.contains(words)).unwrap();
    let (receipt, entry) = (place_of("{\"receipt\""), place_of("{\"entry\""));
    let changed = |at: usize, from: &str, to: &str| {
        let mut lines = body.to_vec();
        assert!(lines[at].contains(from), "{from}: {}", lines[at]);
        lines[at] = lines[at].replacen(from, to, 1);
        with_end(&lines, 9, 9)
    };
    let later = |lines: &[String]| with_end(lines, 9, 9);
    let mut bomb = zstd::Encoder::new(Vec::new(), 3).unwrap();
    for _ in 0..64 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("no zstd", b"plain text".to_vec(), "line 1"),
        (
            "a bomb without a line end",
            bomb.finish().unwrap(),
            "too long",
        ),
        ("no version", later(&["{}".to_owned()]), "line 1"),
        (
            "a later version",
            changed(0, "export\":1", "export\":2"),
            "version 2",
        ),
        (
            "far too many entries",
            changed(receipt, "\"entries\":", "\"entries\":99999999"),
            "entries",
        ),
        (
            "an entry too many",
            changed(receipt, "\"entries\":", "\"entries\":1"),
            "entry",
        ),
        (
            "an entry alone",
            later(&[&body[..1], &body[entry..=entry]].concat()),
            "without its receipt",
        ),
        (
            "an escaping path",
            changed(entry, "\"path\":\"", "\"path\":\"../"),
            "line",
        ),
        (
            "an unknown kind",
            changed(entry, "\"type\":\"dir\"", "\"type\":\"door\""),
            "door",
        ),
        (
            "an unknown field",
            changed(entry, "\"block\":", "\"blocks\":"),
            "line",
        ),
        (
            "an unknown job",
            later(&[&body[..1], &body[receipt..]].concat()),
            "no earlier line names",
        ),
        ("counts that are wrong", later(body), "counts otherwise"),
    ];
    let other = place.path().join("two");
    for (what, bytes, words) in cases {
        let error = imported(&other, &bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{what}: {error}");
        assert!(!other.exists(), "{what}");
    }
}

#[test]
fn a_check_finds_receipts_that_contradict_each_other_or_their_entries() {
    let place = tempfile::tempdir().unwrap();
    let catalog = create_with_job(place.path());
    let inside = |name: &str, block| Entry {
        block,
        ..file(name, 1)
    };
    let good = receipt(1, 1, 1);
    let first = good.first_block;
    catalog
        .commit(at(2), good, vec![inside("a", first)])
        .unwrap();
    assert_eq!(catalog.check().unwrap().inconsistent, []);
    let mut overlaps = receipt(1, 1, 2);
    overlaps.first_block = first + 500;
    catalog
        .commit(at(2), overlaps, vec![inside("b", first + 500)])
        .unwrap();
    let beyond = receipt(1, 1, 3);
    let outside = beyond.index_block;
    catalog
        .commit(at(2), beyond, vec![inside("c", outside)])
        .unwrap();
    let mut upside_down = receipt(1, 1, 4);
    upside_down.index_block = upside_down.first_block;
    catalog.commit(at(2), upside_down, Vec::new()).unwrap();
    let found = catalog.check().unwrap().inconsistent;
    let numbers: Vec<(u32, bool)> = found
        .iter()
        .map(
            |Inconsistency {
                 segment_number,
                 what,
                 ..
             }| (*segment_number, what.contains("outside")),
        )
        .collect();
    assert_eq!(numbers, [(2, false), (4, false), (3, true)], "{found:?}");
}
