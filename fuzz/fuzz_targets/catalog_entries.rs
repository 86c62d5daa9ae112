//! Any bytes as an entry file that a sound ledger names: as they are, and with all checksums made
//! right, so that what lies behind them is read, too.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use catalogs::model::event::ReceiptRecord;
use catalogs::model::{Condition, Entry, FileTime, Kind};
use catalogs::{Catalog, CatalogError, FindOptions, OpenOptions, Pattern};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use uuid::Uuid;

#[path = "support/events.rs"]
mod events;

const HEADER_BYTES: usize = 40;
const HEADER_SEGMENT: usize = 16;
const HEADER_CRC: usize = 36;
const BLOCK_HEADER_BYTES: usize = 16;
const BLOCK_CRC: usize = 12;
const TRAILER_BYTES: usize = 40;
const TRAILER_FOOTER_CRC: usize = 24;
const TRAILER_CRC: usize = 28;
/// Most entries of a block, which takes more bytes than its header.
const BLOCK_ENTRIES_MAX: usize = 256;

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| Sample::new(false));
static MERGED: LazyLock<Sample> = LazyLock::new(|| Sample::new(true));

fuzz_target!(|data: &[u8]| {
    for sample in [&*SAMPLE, &*MERGED] {
        sample.read(data);
        sample.read(&mended(data, &sample.id));
    }
});

/// A catalog of one entry file, which is exchanged: that of a receipt, or one of two receipts.
struct Sample {
    _directory: TempDir,
    catalog: Catalog,
    record: ReceiptRecord,
    path: PathBuf,
    /// What the file's header names.
    id: Uuid,
    /// Receipts with entries in it: an error is told for each.
    receipts: usize,
}

impl Sample {
    fn new(merged: bool) -> Sample {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            memory_index: true,
            ..OpenOptions::default()
        };
        let time = jiff::Timestamp::UNIX_EPOCH;
        let id = Uuid::from_u128(1);
        let catalog = Catalog::create(directory.path(), time, id, "fuzz", options).unwrap();
        catalog.append(time, &events::labelled()).unwrap();
        catalog.append(time, &events::started()).unwrap();
        let entries = vec![entry("home/a"), entry("home/b/c")];
        catalog.commit(time, events::receipt(), entries).unwrap();
        if merged {
            let entries = vec![entry("home/a"), entry("home/b/d")];
            catalog
                .commit(time, events::second_receipt(), entries)
                .unwrap();
            catalog.append(time, &events::finished()).unwrap();
            let compaction = catalog.compact(&|| time, &|_| {}).unwrap();
            assert_eq!(compaction.files_after, 1);
        }
        let mut records = catalog.receipts_of_volume(&events::VOLUME).unwrap();
        let record = records.remove(0).what;
        let entries = directory.path().join(catalogs::ENTRIES_DIRECTORY);
        let file = fs::read_dir(entries).unwrap().next().unwrap();
        let path = file.unwrap().path();
        let header = fs::read(&path).unwrap();
        Sample {
            id: Uuid::from_slice(&header[HEADER_SEGMENT..][..16]).unwrap(),
            path,
            _directory: directory,
            catalog,
            record,
            receipts: 1 + usize::from(merged),
        }
    }

    /// Reads the bytes as each question does. What is told is valid and no more than the file
    /// can hold.
    fn read(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).unwrap();
        self.catalog.release_index();
        let most = BLOCK_ENTRIES_MAX * (bytes.len() / BLOCK_HEADER_BYTES);
        for pattern in [&b""[..], b"home", b"home/a", b"**/*c"] {
            for all_versions in [false, true] {
                let options = FindOptions {
                    all_versions,
                    ..FindOptions::default()
                };
                let pattern = Pattern::parse(pattern).unwrap();
                let mut hits = 0;
                for hit in self.catalog.find(&pattern, &options).unwrap() {
                    match hit {
                        Ok(hit) => hit.entry.validate().unwrap(),
                        Err(CatalogError::Entries(error)) => drop(error.to_string()),
                        Err(error) => panic!("{error}"),
                    }
                    hits += 1;
                }
                assert!(
                    hits <= most + self.receipts,
                    "{hits} of {} bytes",
                    bytes.len()
                );
            }
        }
        let view = self.catalog.view(&FindOptions::default()).unwrap();
        let children = view.children(b"home");
        // What is in a directory and what lies below it are two searches.
        assert!(children.count() <= most + 2 * self.receipts);
        if let Ok(entries) = self.catalog.entries_in_tape_order(&self.record) {
            assert!(entries.len() <= most);
        }
        self.catalog.check().unwrap();
    }
}

fn entry(path: &str) -> Entry {
    Entry {
        path: path.into(),
        kind: Kind::File,
        size_bytes: 17,
        mode: 0o644,
        uid: 1,
        gid: 2,
        user: "user".into(),
        group: "group".into(),
        mtime: FileTime::default(),
        ctime: FileTime::default(),
        link_target: Vec::new(),
        device: None,
        digest: Some([7; 32]),
        block: 3,
        offset_bytes: 512,
        member_bytes: 1_024,
        skip_bytes: None,
        part: None,
        condition: Condition::Whole,
        inode: None,
    }
}

/// The bytes with the checksums that `docs/catalog.md` asks for where they are due: header, each
/// block that follows the one before, footer, trailer.
fn mended(data: &[u8], id: &Uuid) -> Vec<u8> {
    let mut file = data.to_vec();
    let Some(trailer) = file.len().checked_sub(TRAILER_BYTES) else {
        return file;
    };
    if trailer < HEADER_BYTES {
        return file;
    }
    file[HEADER_SEGMENT..][..16].copy_from_slice(id.as_bytes());
    seal(&mut file, 0, HEADER_CRC);
    let mut at = HEADER_BYTES;
    while at + BLOCK_HEADER_BYTES < trailer && file[at..].starts_with(b"TWBK") {
        let length = u32::from_le_bytes(*file[at + 4..].first_chunk().unwrap()) as usize;
        let end = at + BLOCK_HEADER_BYTES + length;
        if end > trailer {
            break;
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&file[at..at + BLOCK_CRC]);
        crc.update(&file[at + BLOCK_HEADER_BYTES..end]);
        put(&mut file, at + BLOCK_CRC, crc.finalize());
        at = end;
    }
    if file[at..trailer].starts_with(b"TWFT") {
        file[trailer..][..8].copy_from_slice(&(at as u64).to_le_bytes());
        let crc = crc32fast::hash(&file[at..trailer]);
        put(&mut file, trailer + TRAILER_FOOTER_CRC, crc);
    }
    seal(&mut file, trailer, TRAILER_CRC);
    file
}

/// Puts the CRC of `length` bytes from `at` behind them.
fn seal(file: &mut [u8], at: usize, length: usize) {
    let crc = crc32fast::hash(&file[at..at + length]);
    put(file, at + length, crc);
}

fn put(file: &mut [u8], at: usize, crc: u32) {
    file[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}
