//! The jobs that are killed, as data.

use std::path::Path;

use crate::model::{Content, Model};

/// A job, the library that it runs in, and what it archives.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// Labelled tapes of the job's pool, in the order in which they fill up.
    pub tapes: &'static [&'static str],
    /// Small tapes and segments: a few hundred commands then meet every situation.
    pub capacity_bytes: u64,
    pub buffer_bytes: u64,
    pub segment_bytes: u64,
    /// Files that the killed job archives, by length.
    pub files: &'static [usize],
}

pub const POOL: &str = "docs";

/// Empty, shorter and longer than a tar block and a record.
const SMALL: &[usize] = &[
    0, 1, 511, 512, 513, 10_000, 65_536, 100_000, 200_000, 300_000, 65_535, 3, 0, 400_000, 500_000,
    70_000, 600_000, 700_000, 9, 99, 999, 800_000, 900_000, 5,
];

pub const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "small files",
        tapes: &["SIM001L9", "SIM002L9"],
        capacity_bytes: 24 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        files: SMALL,
    },
    Workload {
        name: "small files, all in the buffer at once",
        tapes: &["SIM001L9", "SIM002L9"],
        capacity_bytes: 24 << 20,
        buffer_bytes: 16 << 20,
        segment_bytes: 1 << 20,
        files: SMALL,
    },
    Workload {
        name: "one file over segments and tapes",
        tapes: &["SIM001L9", "SIM002L9", "SIM003L9", "SIM004L9"],
        capacity_bytes: 9 << 20,
        buffer_bytes: 1 << 20,
        segment_bytes: 2 << 20,
        files: &[100, 12_000_000, 100_001],
    },
];

/// The trees that are archived one after the other: by a job that was through long before, by
/// the job that is killed, and by the one after it.
pub const TREES: [&str; 3] = ["before", "during", "after"];

impl Workload {
    pub fn of(name: &str) -> &'static Workload {
        WORKLOADS
            .iter()
            .find(|workload| workload.name == name)
            .unwrap()
    }

    /// What is in the trees, which are in `source`.
    pub fn model(&self, source: &Path) -> Model {
        let mut model = Model::default();
        let trees = [&[5_000, 150_000][..], self.files, &[77_777, 7]];
        for (tree, files) in TREES.into_iter().zip(trees) {
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
