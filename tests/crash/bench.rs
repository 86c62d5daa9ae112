//! Where jobs are killed: a library, a state directory and a source, made once for a workload
//! and copied for each kill.

use std::fs;
use std::path::{Path, PathBuf};

use tape_sim::inventory;
use tape_sim::library::{Library, LibrarySpec};
use tapewright::clock::SystemClock;
use tapewright::jobs::archive::{ArchiveSummary, JobDescription, archive};
use tapewright::jobs::catalog_copy::CatalogCopy;
use tapewright::jobs::label::{LabelOptions, Which, label};
use tapewright::jobs::library::LibraryConfig;
use tapewright::jobs::{JobError, Level, NoOperator, Outcome, Site, StateDir};
use tapewright::monitor::Silent;
use tapewright::transport::tap::Tap;
use tapewright::units::ByteSize;
use tempfile::TempDir;

use crate::copy_dir::copy_dir;
use crate::model::Model;
use crate::workload::{COPY_POOL, POOL, Workload};

/// A workload with all that its job needs, before that job.
pub struct Bench {
    dir: TempDir,
    pub workload: &'static Workload,
    pub model: Model,
    first: Place,
}

/// Room in memory that a run of this suite needs at most, several times over.
const ROOM_BYTES: u64 = 1 << 30;

/// Killed processes leave what the kernel has, so that no disk is needed: memory, unless somebody
/// says where or there is too little.
fn fastest_directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory)
        .is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) >= ROOM_BYTES);
    match std::env::var_os("TMPDIR").is_none() && has_room {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}

impl Bench {
    /// A library with labelled tapes, and these trees on one of them.
    pub fn new(workload: &'static Workload, trees: &[&str]) -> Bench {
        let dir = tempfile::tempdir_in(fastest_directory()).unwrap();
        let model = workload.model(&dir.path().join("source"));
        model.plant();
        let first = dir.path().join("first");
        let spec = LibrarySpec {
            slots: 5,
            mail_slots: 1,
            cartridges: Some(4),
            capacity_bytes: Some(workload.capacity_bytes),
            buffer_bytes: Some(workload.buffer_bytes),
            seed: Some(7),
            ..LibrarySpec::default()
        };
        Library::create(&first.join("library"), &spec).unwrap();
        let first = Place::open(&first);
        for (pool, tapes) in workload.pools() {
            let tapes = tapes.iter().map(|&tape| tape.to_owned());
            let options = LabelOptions {
                tapes: Which::Barcodes(tapes.collect()),
                pool: pool.to_owned(),
                erase: None,
                block_bytes: Some(64 << 10),
            };
            label(first.site(None), &options).unwrap();
        }
        let source = dir.path().join("source");
        let summary = first.archive(workload, &source, trees, None).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        Bench {
            dir,
            workload,
            model,
            first,
        }
    }

    /// Where the trees are.
    pub fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    /// Library and state as they were made, once more.
    pub fn copy(&self, name: &str) -> Place {
        let dir = self.dir.path().join(name);
        copy_dir(&self.first.dir, &dir);
        Place::open(&dir)
    }

    /// A place for the shim, logs and the like.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A library with its state directory.
pub struct Place {
    pub dir: PathBuf,
    pub state: StateDir,
}

impl Place {
    /// What is in `dir`; the state directory is made if it is not there.
    pub fn open(dir: &Path) -> Place {
        Place::with_state(dir, "state")
    }

    /// The library in `dir`, with another state directory.
    pub fn with_state(dir: &Path, name: &str) -> Place {
        let state = StateDir::open(&dir.join(name)).unwrap();
        let library = dir.join("library");
        state
            .set_library(&LibraryConfig::Simulated { dir: library })
            .unwrap();
        Place {
            dir: dir.to_owned(),
            state,
        }
    }

    pub fn library_dir(&self) -> PathBuf {
        self.dir.join("library")
    }

    pub fn site<'a>(&'a self, tap: Option<&'a Tap>) -> Site<'a> {
        Site {
            state: &self.state,
            clock: &SystemClock,
            monitor: &Silent,
            operator: &NoOperator,
            trace: tap,
        }
    }

    /// Archives these trees of `source`, or what changed in all of it.
    pub fn archive(
        &self,
        workload: &Workload,
        source: &Path,
        trees: &[&str],
        tap: Option<&Tap>,
    ) -> Result<ArchiveSummary, JobError> {
        let paths = match workload.changes {
            true => vec![source.to_owned()],
            false => trees.iter().map(|tree| source.join(tree)).collect(),
        };
        let mut job = JobDescription::of_paths(paths, POOL);
        if workload.changes {
            job.level = Level::Incremental;
        }
        let copied = !workload.copy_tapes.is_empty();
        job.copy_pool = copied.then(|| COPY_POOL.to_owned());
        job.segment_limit = Some(ByteSize(workload.segment_bytes));
        job.catalog_copy = match workload.copies_catalog {
            true => CatalogCopy::Always,
            false => CatalogCopy::Never,
        };
        archive(self.site(tap), &job)
    }

    /// Takes the tapes of all pools but this one out of the library: where they were.
    pub fn without_other_pools(&self, workload: &Workload, pool: &str) -> Vec<(u16, String)> {
        let dir = self.library_dir();
        let mut away = Vec::new();
        for barcode in workload.all_tapes() {
            if workload.pool_of(barcode) == pool {
                continue;
            }
            let inventory = inventory::read(&dir).unwrap();
            let mut contents = inventory.contents();
            let found = contents.find(|(_, content)| content.barcode == barcode);
            let (address, _) = found.unwrap();
            away.push((address, inventory::take(&dir, address).unwrap()));
        }
        away
    }

    /// Puts tapes back that were taken out.
    pub fn put_back(&self, tapes: Vec<(u16, String)>) {
        for (address, barcode) in tapes {
            inventory::put(&self.library_dir(), address, &barcode).unwrap();
        }
    }

    /// Frees the room that it takes.
    pub fn remove(self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }
}
