//! A source tree with a plan to archive it, and reading back what a run wrote.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tapewright::clock::SystemClock;
use tapewright::engine::archive::{
    ArchivePlan, ArchiveReport, Marks, Memory, archive, archive_twice,
};
use tapewright::engine::source::Source;
use tapewright::engine::{EngineError, VolumeSource};
use tapewright::monitor::{Monitor, Silent};
use tapewright::volume::index::{Digest, FileLine, read_index};
use tapewright::volume::member::Kind;
use tapewright::volume::read::RecordReader;
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::tar::{Event, MemberParser};
use tempfile::TempDir;

use crate::shelf::{BLOCK_BYTES, Ledger, Shelf};
use crate::volume;

pub use crate::noise::noise;

pub struct Case {
    pub place: TempDir,
    pub plan: ArchivePlan,
}

impl Case {
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let plan = ArchivePlan {
            job: volume::job(),
            sources: vec![Source::Paths(vec![place.path().to_owned()])],
            excludes: Vec::new(),
            one_file_system: false,
            never: Vec::new(),
            segment_limit_bytes: 1 << 40,
            resume: None,
            memory: Memory {
                read_ahead_bytes: 4 << 20,
                buffer_bytes: 16 * BLOCK_BYTES as usize,
                marks: Marks::default(),
                members: 1000,
            },
            compression: None,
        };
        Self { place, plan }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn file(&self, name: &str, data: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    pub fn archive_path(&self, name: &str) -> Vec<u8> {
        self.path(name).as_os_str().as_bytes()[1..].to_vec()
    }

    pub fn run(
        &self,
        shelf: &mut Shelf,
        ledger: &mut Ledger,
    ) -> Result<ArchiveReport, EngineError> {
        self.run_under(shelf, ledger, &Silent)
    }

    pub fn run_under(
        &self,
        shelf: &mut dyn VolumeSource,
        ledger: &mut Ledger,
        monitor: &dyn Monitor,
    ) -> Result<ArchiveReport, EngineError> {
        archive(&self.plan, None, shelf, ledger, &SystemClock, monitor)
    }

    pub fn run_twice(
        &self,
        first: &mut Shelf,
        second: &mut Shelf,
        ledger: &mut Ledger,
    ) -> Result<ArchiveReport, EngineError> {
        archive_twice(
            &self.plan,
            None,
            first,
            second,
            ledger,
            &SystemClock,
            &Silent,
        )
    }
}

/// Reads a member back from its place alone: its logical content, checked by its digest.
pub fn read_member(shelf: &Shelf, receipt: &SegmentReceipt, line: &FileLine) -> Vec<u8> {
    let mut tape = shelf.tape(receipt.info.volume).lock().unwrap();
    let index = read_index(&mut *tape, BLOCK_BYTES, receipt.info.index_block).unwrap();
    assert_eq!((&index.info, &index.files), (&receipt.info, &receipt.files));
    let mut content = vec![0; line.covered_bytes() as usize];
    let mut reader = RecordReader::new(&mut *tape, BLOCK_BYTES);
    reader.check_against(&index);
    reader.open_member(&line.place);
    let mut parser = MemberParser::new();
    while let Some(mut chunk) = reader.chunk().unwrap() {
        while let Some(event) = parser.next(&mut chunk).unwrap() {
            match event {
                Event::Member { member, .. } => assert_eq!(member.path, line.path),
                Event::Data {
                    at_bytes: at,
                    bytes,
                } => {
                    content[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
                }
                _ => {}
            }
        }
    }
    if line.kind == Kind::File {
        assert_eq!(line.digest, Some(Digest::from(blake3::hash(&content))));
    }
    content
}

/// All files of these receipts, parts joined.
pub fn read_all(shelf: &Shelf, receipts: &[SegmentReceipt]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for receipt in receipts {
        for line in receipt.files.iter().filter(|line| line.kind == Kind::File) {
            let file = files.entry(line.path.clone()).or_default();
            assert_eq!(
                file.len() as u64,
                line.part.map_or(0, |part| part.offset_bytes)
            );
            file.extend(read_member(shelf, receipt, line));
        }
    }
    files
}

/// Every file below the root of the case, as it is on disk.
pub fn on_disk(root: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            files.extend(on_disk(&path));
        } else if metadata.is_file() {
            files.insert(
                path.as_os_str().as_bytes()[1..].to_vec(),
                fs::read(&path).unwrap(),
            );
        }
    }
    files
}
