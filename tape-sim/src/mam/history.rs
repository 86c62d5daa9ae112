//! How a medium was used: the books behind attributes 0340h and 0341h and log pages 17h and 30h.
//!
//! Three turns are kept per partition: the current load, the one before, and all before the
//! current. Kept in `mam.json`, since the drive keeps them in the cartridge's chip.

use crate::pages::log::Usage;
use serde::{Deserialize, Serialize};

const MB: u64 = 1_000_000;

/// Use of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Turns {
    current: Usage,
    previous: Usage,
    /// All loads before the current one.
    earlier: Usage,
}

impl Turns {
    fn plus(&self, other: &Self) -> Self {
        Self {
            current: self.current.plus(&other.current),
            previous: self.previous.plus(&other.previous),
            earlier: self.earlier.plus(&other.earlier),
        }
    }

    /// Current, previous and all: the order of the attributes.
    fn in_order(&self) -> [Usage; 3] {
        [
            self.current,
            self.previous,
            self.current.plus(&self.earlier),
        ]
    }
}

/// Use of a medium.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    partitions: Vec<Turns>,
    /// Loads before the current one in which the medium was written.
    write_mounts: u64,
    /// Times that the number of partitions was changed.
    pub partition_changes: u64,
}

impl History {
    /// Adds to what `partition` has seen in this load.
    pub fn add(&mut self, partition: u8, usage: &Usage) {
        let at = usize::from(partition);
        if self.partitions.len() <= at {
            self.partitions.resize(at + 1, Turns::default());
        }
        self.partitions[at].current = self.partitions[at].current.plus(usage);
    }

    /// Begins another load.
    pub fn next_load(&mut self) {
        self.write_mounts = self.write_mounts();
        for turns in &mut self.partitions {
            turns.earlier = turns.earlier.plus(&turns.current);
            turns.previous = std::mem::take(&mut turns.current);
        }
    }

    /// Use of all partitions in this load.
    #[must_use]
    pub fn current(&self) -> Usage {
        self.medium().current
    }

    /// Use of all partitions in the medium's life.
    #[must_use]
    pub fn life(&self) -> Usage {
        self.medium().in_order()[2]
    }

    /// Loads in which the medium was written, this one included.
    #[must_use]
    pub fn write_mounts(&self) -> u64 {
        self.write_mounts + u64::from(self.current().written_bytes > 0)
    }

    fn medium(&self) -> Turns {
        let none = Turns::default();
        self.partitions
            .iter()
            .fold(none, |sum, turns| sum.plus(turns))
    }

    /// Medium usage history (SPC-4 §7.4.2.2.5): fields of six bytes, amounts in MB.
    #[must_use]
    pub fn medium_attribute(&self, loads: u64, initializations: u64) -> Vec<u8> {
        self.encode(
            &self.medium(),
            6,
            [loads, self.partition_changes, initializations],
        )
    }

    /// Partition usage history (SPC-4 §7.4.2.2.6): fields of four bytes, amounts in MB.
    #[must_use]
    pub fn partition_attribute(&self, partition: u8, loads: u64, initializations: u64) -> Vec<u8> {
        let turns = self.partitions.get(usize::from(partition));
        let turns = turns.copied().unwrap_or_default();
        self.encode(&turns, 4, [loads, self.partition_changes, initializations])
    }

    fn encode(&self, turns: &Turns, width: usize, counts: [u64; 3]) -> Vec<u8> {
        let usages = turns.in_order().into_iter().flat_map(|usage| {
            [
                usage.written_bytes / MB,
                usage.write_retries,
                usage.read_bytes / MB,
                usage.read_retries,
            ]
        });
        let saturate = |value: u64| value.min((1 << (8 * width)) - 1);
        usages
            .chain(counts)
            .flat_map(|value| saturate(value).to_be_bytes()[8 - width..].to_vec())
            .collect()
    }

    /// The medium has `partitions` partitions from now on; what vanished ones saw is forgotten.
    pub(super) fn set_partitions(&mut self, partitions: u8) {
        self.partition_changes += 1;
        self.partitions.truncate(usize::from(partitions));
    }
}
