//! A simulated library, a state directory and a source tree, all temporary.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tape_sim::fault::{Device, Effect, FaultScript, Rule};
use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{Changer, ElementKind};
use tapewright::clock::SystemClock;
use tapewright::drive::{Drive, DriveMode, FilemarkReturns, ReadyWait, SequentialDevice};
use tapewright::jobs::archive::{ArchiveSummary, JobDescription, archive};
use tapewright::jobs::catalog_copy::CatalogCopy;
use tapewright::jobs::find::{FindOptions, Found, find};
use tapewright::jobs::label::{LabelOptions, LabelSummary, Which, label};
use tapewright::jobs::library::LibraryConfig;
use tapewright::jobs::restore::{RestoreOptions, RestoreSummary, restore};
use tapewright::jobs::whereabouts::Pick;
use tapewright::jobs::{JobError, NoOperator, Operator, Outcome, Site, StateDir};
use tapewright::monitor::{Monitor, Silent};
use tapewright::scsi::encryption::{EncryptionKey, KEY_BYTES, KeyUse};
use tapewright::transport::sim::SimTransport;
use tempfile::TempDir;

pub use crate::noise::noise;

/// The first two cartridges of a library as it is made.
pub const A: &str = "SIM001L9";
pub const B: &str = "SIM002L9";
pub const C: &str = "SIM003L9";

pub struct Lab {
    dir: TempDir,
    pub state: StateDir,
    pub monitor: Box<dyn Monitor>,
    pub operator: Box<dyn Operator>,
}

impl Lab {
    /// Two drives, eight slots, six blank cartridges of 64 MiB and a cleaning cartridge.
    pub fn new() -> Lab {
        Lab::with(&LibrarySpec {
            slots: 8,
            cartridges: Some(6),
            ..Lab::small()
        })
    }

    /// What all labs have unless they say otherwise.
    pub fn small() -> LibrarySpec {
        LibrarySpec {
            capacity_bytes: Some(64 << 20),
            ..LibrarySpec::default()
        }
    }

    pub fn with(spec: &LibrarySpec) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        Library::create(&dir.path().join("library"), spec).unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let config = LibraryConfig::Simulated {
            dir: dir.path().join("library"),
        };
        state.set_library(&config).unwrap();
        Lab {
            dir,
            state,
            monitor: Box::new(Silent),
            operator: Box::new(NoOperator),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn library_dir(&self) -> PathBuf {
        self.path("library")
    }

    pub fn library(&self) -> Library {
        Library::open(&self.library_dir()).unwrap()
    }

    pub fn site(&self) -> Site<'_> {
        Site {
            state: &self.state,
            clock: &SystemClock,
            monitor: &*self.monitor,
            operator: &*self.operator,
            trace: None,
        }
    }

    /// A second state directory for the same library: another host, say.
    pub fn stranger(&self) -> StateDir {
        let state = StateDir::open(&self.path("stranger")).unwrap();
        state.set_library(&self.state.library().unwrap()).unwrap();
        state
    }

    pub fn label(&self, barcodes: &[&str], pool: &str) -> LabelSummary {
        label(self.site(), &label_options(barcodes, pool, None)).unwrap()
    }

    pub fn archive(&self, paths: &[&str], pool: &str) -> Result<ArchiveSummary, JobError> {
        let paths = paths.iter().map(|name| self.path(name)).collect();
        archive(self.site(), &of_paths(paths, pool))
    }

    /// The catalog, past the jobs.
    pub fn catalog(&self) -> catalogs::Catalog {
        let dir = self.path("state/catalog");
        catalogs::Catalog::open(&dir, catalogs::OpenOptions::default()).unwrap()
    }

    /// The catalog's ledger lines of one type.
    pub fn ledger_lines(&self, kind: &str) -> Vec<String> {
        let ledger = fs::read_to_string(self.path("state/catalog/ledger.jsonl")).unwrap();
        let says = format!("\"{kind}\"");
        ledger
            .lines()
            .filter(|line| line.contains(&says))
            .map(str::to_owned)
            .collect()
    }

    /// From now on these things go wrong, each as often as its rule says.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        let script = FaultScript::new(0, rules);
        self.library().set_faults(&script).unwrap();
    }

    /// Takes a tape out of its slot and away.
    pub fn take_away(&self, barcode: &str) {
        let dir = self.library_dir();
        let inventory = tape_sim::inventory::read(&dir).unwrap();
        let found = inventory
            .contents()
            .find(|(_, content)| content.barcode == barcode);
        let address = found.unwrap().0;
        tape_sim::inventory::take(&dir, address).unwrap();
    }

    pub fn find(&self, pattern: &[u8]) -> Vec<Found> {
        let options = FindOptions {
            pattern: pattern.to_vec(),
            ..FindOptions::default()
        };
        let mut found = Vec::new();
        let each = &mut |one| {
            found.push(one);
            ControlFlow::Continue(())
        };
        find(self.site(), &options, each).unwrap();
        found
    }

    /// Restores what is below the source directory `name` into a new directory, and says
    /// where that directory is in it.
    pub fn restore(&self, name: &str, target: &str) -> (RestoreSummary, PathBuf) {
        let source = archive_path(&self.path(name));
        let target = self.path(target);
        let options = RestoreOptions {
            patterns: vec![source.clone()],
            target: target.clone(),
            ..RestoreOptions::default()
        };
        let summary = restore(self.site(), &options).unwrap();
        (summary, target.join(String::from_utf8(source).unwrap()))
    }

    /// Fails unless a restore brings all of the source directory `name` back as it is.
    #[track_caller]
    pub fn brings_back(&self, name: &str, target: &str) {
        let (summary, copy) = self.restore(name, target);
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_same_tree(&self.path(name), &copy);
    }

    /// A cartridge's objects and bytes, and what hosts have written into its chip: all that
    /// a program could change. (The drive itself counts loads there.)
    pub fn fingerprint(&self, barcode: &str) -> Vec<String> {
        let folder = tape_sim::cartridge::folder(&self.library_dir(), barcode);
        let read = |name| fs::read(folder.join(name)).unwrap();
        let chip: serde_json::Value = serde_json::from_slice(&read("mam.json")).unwrap();
        let by_host = |attribute: &&serde_json::Value| attribute["id"].as_str().unwrap() >= "0800";
        let attributes = chip["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(by_host);
        let digest = |name| blake3::hash(&read(name)).to_string();
        let tape = [digest("p0.map"), digest("p0.data")];
        tape.into_iter()
            .chain(attributes.map(ToString::to_string))
            .collect()
    }

    /// The changer, ready, as a person at its front panel uses it.
    pub fn changer(&self) -> Changer {
        let transport = SimTransport::changer(&self.library_dir()).unwrap();
        let mut changer = Changer::open(Box::new(transport)).unwrap();
        let patience = std::time::Duration::from_secs(5);
        changer
            .wait_ready(patience, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        changer
    }

    /// Makes one cartridge's files those of another, as if its sticker was on that one.
    pub fn copy_cartridge_files(&self, from: &str, to: &str, names: &[&str]) {
        let folder = |barcode| tape_sim::cartridge::folder(&self.library_dir(), barcode);
        for name in names {
            fs::copy(folder(from).join(name), folder(to).join(name)).unwrap();
        }
    }

    /// A tape ends so many objects earlier.
    pub fn lose_last_objects(&self, barcode: &str, objects: u64) {
        let map = tape_sim::cartridge::folder(&self.library_dir(), barcode).join("p0.map");
        let length = fs::metadata(&map).unwrap().len();
        let map = fs::File::options().write(true).open(&map).unwrap();
        map.set_len(length - objects * 16).unwrap();
    }

    /// What was the label of a tape is garbage, which is returned.
    pub fn spoil_label(&self, barcode: &str) -> Vec<u8> {
        self.spoil(barcode, 0)
    }

    /// What was the record at a block of a tape is garbage, which is returned.
    pub fn spoil(&self, barcode: &str, block: u64) -> Vec<u8> {
        let cartridge = self.library().cartridge(barcode).unwrap();
        let mut partitions = cartridge.open_partitions().unwrap();
        let record = partitions[0].record(block).unwrap();
        let garbage = vec![0xA5; record.length_bytes as usize];
        partitions[0]
            .write_data(record.data_bytes, &garbage)
            .unwrap();
        garbage
    }

    /// Another program writes these blocks and a filemark at the beginning of a tape.
    pub fn write_raw(&self, barcode: &str, blocks: &[Vec<u8>]) {
        self.write_as(barcode, blocks, |_| {});
    }

    /// As [`Lab::write_raw`], and the drive encrypts what it writes.
    pub fn write_encrypted(&self, barcode: &str, blocks: &[Vec<u8>]) {
        let usage = KeyUse {
            name: "another program's",
            plain_too: false,
            until_unload: true,
        };
        let key = EncryptionKey::new(&[7; KEY_BYTES]);
        self.write_as(barcode, blocks, |drive| {
            drive.set_key(&key, &usage).unwrap()
        });
    }

    fn write_as(&self, barcode: &str, blocks: &[Vec<u8>], prepare: impl FnOnce(&mut Drive)) {
        let dir = self.library_dir();
        let mut changer = self.changer();
        let inventory = changer.inventory().unwrap();
        let slot = inventory.find(barcode).unwrap().address;
        let bay = inventory.of_kind(ElementKind::Drive).next().unwrap();
        changer.move_medium(slot, bay.address).unwrap();
        let mut drive = Drive::open(Box::new(SimTransport::drive(&dir, 0).unwrap())).unwrap();
        drive
            .wait_ready(&ReadyWait::default(), &mut |_| ControlFlow::Continue(()))
            .unwrap();
        drive.set_mode(&DriveMode::default()).unwrap();
        prepare(&mut drive);
        drive.rewind().unwrap();
        for block in blocks {
            drive.write_block(block).unwrap();
        }
        drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
        drive.unload().unwrap();
        drop(drive);
        changer.move_medium(bay.address, slot).unwrap();
    }
}

/// A drive does this with the `nth` command of this name, and from then on, at most `times`.
pub fn fault(effect: Effect, command: &str, nth: u64, times: Option<u64>) -> Rule {
    let mut rule = Rule::new(effect);
    rule.device = Device::Drives;
    rule.when.command = Some(command.to_owned());
    rule.when.nth = Some(nth);
    rule.times = times;
    rule
}

/// A job that leaves no copy of the catalog: nothing is on tape then but what it archives.
pub fn bare_job() -> JobDescription {
    JobDescription {
        catalog_copy: CatalogCopy::Never,
        ..JobDescription::default()
    }
}

/// The same, of these paths.
pub fn of_paths(paths: Vec<PathBuf>, pool: &str) -> JobDescription {
    JobDescription {
        catalog_copy: CatalogCopy::Never,
        ..JobDescription::of_paths(paths, pool)
    }
}

pub fn label_options(barcodes: &[&str], pool: &str, erase: Option<&str>) -> LabelOptions {
    LabelOptions {
        tapes: Which::Barcodes(barcodes.iter().map(|&barcode| barcode.to_owned()).collect()),
        pool: pool.to_owned(),
        erase: erase.map(str::to_owned),
        // Small records: a tape of 64 MiB then has room for many segments.
        block_bytes: Some(64 << 10),
    }
}

/// The barcodes of tapes that are to be fetched.
pub fn barcodes_of(picks: &[Pick]) -> Vec<&str> {
    picks.iter().map(|pick| pick.barcode.as_str()).collect()
}

pub fn archive_path(path: &Path) -> Vec<u8> {
    let text = path.to_str().unwrap();
    text.strip_prefix('/').unwrap().as_bytes().to_vec()
}

/// A small tree with most kinds of objects.
pub fn plant(root: &Path) {
    fs::create_dir_all(root.join("docs/empty")).unwrap();
    fs::create_dir_all(root.join("photos")).unwrap();
    fs::write(root.join("docs/letter.txt"), "Dear reader").unwrap();
    fs::write(root.join("docs/nothing"), "").unwrap();
    fs::write(root.join("photos/one.raw"), noise(1, 700_000)).unwrap();
    fs::write(root.join("photos/two.raw"), noise(2, 300_001)).unwrap();
    fs::hard_link(root.join("photos/one.raw"), root.join("photos/same.raw")).unwrap();
    symlink("../docs/letter.txt", root.join("photos/link")).unwrap();
    fs::set_permissions(
        root.join("docs/letter.txt"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    fs::set_permissions(root.join("docs"), fs::Permissions::from_mode(0o750)).unwrap();
}

/// What a comparison of trees looks at.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    links: u64,
    content: Vec<u8>,
}

impl Seen {
    /// The same with another count of names.
    pub fn with_links(self, links: u64) -> Seen {
        let links = if self.links == 0 { 0 } else { links };
        Seen { links, ..self }
    }
}

/// Everything below `root`, and `root` itself, by relative path.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let one = Seen {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            links: if meta.is_dir() { 0 } else { meta.nlink() },
            content,
        };
        seen.insert(path.strip_prefix(root).unwrap().to_owned(), one);
    }
    seen
}

/// Fails with the names of what differs, not with megabytes of content.
pub fn assert_same_tree(left: &Path, right: &Path) {
    let (left, right) = (tree(left), tree(right));
    let names = |seen: &BTreeMap<PathBuf, Seen>| seen.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right));
    for (path, one) in &left {
        assert!(*one == right[path], "{} differs", path.display());
    }
}
