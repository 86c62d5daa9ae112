//! The jobs that are killed, as data.

use std::path::Path;

use crate::changes::trees;
use crate::model::{Content, Model};

/// A job, the library that it runs in, and what it archives.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// Labelled tapes of the job's pool, in the order in which they fill up.
    pub tapes: &'static [&'static str],
    /// Those of the pool for a second copy, if there is to be one.
    pub copy_tapes: &'static [&'static str],
    /// Small tapes and segments: a few hundred commands then meet every situation.
    pub capacity_bytes: u64,
    pub buffer_bytes: u64,
    pub segment_bytes: u64,
    /// Files that the killed job archives, by length.
    pub files: &'static [usize],
    /// The jobs archive what changed in one and the same tree: see `changes.rs`.
    pub changes: bool,
    /// Each job is followed by a copy of the catalog.
    pub copies_catalog: bool,
}

pub const POOL: &str = "docs";
pub const COPY_POOL: &str = "vault";

/// Empty, shorter and longer than a tar block and a record.
const SMALL: &[usize] = &[
    0, 1, 511, 512, 513, 10_000, 65_536, 100_000, 200_000, 300_000, 65_535, 3, 0, 400_000, 500_000,
    70_000, 600_000, 700_000, 9, 99, 999, 800_000, 900_000, 5,
];

pub const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "small files",
        tapes: &["SIM001L9", "SIM002L9"],
        copy_tapes: &[],
        capacity_bytes: 24 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        files: SMALL,
        changes: false,
        copies_catalog: false,
    },
    Workload {
        name: "small files, all in the buffer at once",
        tapes: &["SIM001L9", "SIM002L9"],
        copy_tapes: &[],
        capacity_bytes: 24 << 20,
        buffer_bytes: 16 << 20,
        segment_bytes: 1 << 20,
        files: SMALL,
        changes: false,
        copies_catalog: false,
    },
    Workload {
        name: "one file over segments and tapes",
        tapes: &["SIM001L9", "SIM002L9", "SIM003L9", "SIM004L9"],
        copy_tapes: &[],
        capacity_bytes: 9 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 2 << 20,
        files: &[100, 12_000_000, 100_001],
        changes: false,
        copies_catalog: false,
    },
    Workload {
        name: "two copies",
        tapes: &["SIM001L9", "SIM002L9"],
        copy_tapes: &["SIM003L9", "SIM004L9"],
        capacity_bytes: 24 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        files: &[0, 1, 100_000, 900_000, 70_000, 513, 800_000, 9],
        changes: false,
        copies_catalog: true,
    },
    Workload {
        name: "changes",
        tapes: &["SIM001L9", "SIM002L9"],
        copy_tapes: &[],
        capacity_bytes: 24 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        files: &[],
        changes: true,
        copies_catalog: true,
    },
];

/// The trees that are archived one after the other: by a job that was through long before, by
/// the job that is killed, and by the one after it.
pub const TREES: [&str; 3] = ["before", "during", "after"];

impl Workload {
    /// The pools that the job writes to, with their tapes.
    pub fn pools(&self) -> Vec<(&'static str, &'static [&'static str])> {
        let all = [(POOL, self.tapes), (COPY_POOL, self.copy_tapes)];
        all.into_iter()
            .filter(|(_, tapes)| !tapes.is_empty())
            .collect()
    }

    /// All tapes of these pools.
    pub fn all_tapes(&self) -> impl Iterator<Item = &'static str> {
        self.tapes.iter().chain(self.copy_tapes).copied()
    }

    /// The pool that a tape belongs to.
    pub fn pool_of(&self, barcode: &str) -> &'static str {
        let pools = self.pools();
        let mut holding = pools.iter().filter(|(_, tapes)| tapes.contains(&barcode));
        holding.next().unwrap().0
    }

    pub fn of(name: &str) -> &'static Workload {
        WORKLOADS
            .iter()
            .find(|workload| workload.name == name)
            .unwrap()
    }

    /// What is in the trees, which are in `source`.
    pub fn model(&self, source: &Path) -> Model {
        if self.changes {
            let [first, ..] = trees(source);
            return first;
        }
        let mut model = Model::default();
        let files = [&[5_000, 150_000][..], self.files, &[77_777, 7]];
        for (tree, files) in TREES.into_iter().zip(files) {
            let root = source.join(tree);
            model.add(root.clone(), Content::Directory);
            model.add(root.join("empty"), Content::Directory);
            model.add(root.join("link"), Content::Symlink("files/00".to_owned()));
            model.add(root.join("files"), Content::Directory);
            for (number, length) in files.iter().enumerate() {
                let seed = model.0.len() as u64;
                let path = root.join(format!("files/{number:02}"));
                model.add(path, Content::Bytes(seed, *length));
            }
        }
        model
    }
}
