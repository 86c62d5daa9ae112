//! Which files are merged: decided from their sizes alone. `docs/catalog.md`, "Which".

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use crate::catalog::{DamagedFile, tell_damage};
use crate::entries::{ENTRIES_MAX, EntriesError, EntryFile};
use crate::ledger::FileInUse;

/// So many files are merged at once: each has a block in memory meanwhile.
const FILES_AT_ONCE: usize = 64;
/// So many receipts go into a file: who goes receipt by receipt reads it once for each.
const RECEIPTS_MAX: usize = 64;
/// The next file is taken if it is at most so many times as large as those taken before.
const GROWTH_MAX: u64 = 4;
/// A file costs as much as so many entries, however few it has.
const FILE_COST: u64 = 256;
/// A merged file is written anew if more than one in so many entries does not count.
const DEAD_SHARE: u64 = 4;

/// Files that may be merged with one another.
pub(super) struct Group {
    pub(super) job: Uuid,
    pub(super) record_bytes: u32,
    pub(super) framed: bool,
    pub(super) files: Vec<FileInUse>,
}

impl Group {
    /// The groups of a job's files. One that cannot be read is in none.
    pub(super) fn of(
        job: Uuid,
        files: Vec<FileInUse>,
        path_of: impl Fn(&str) -> PathBuf,
        damaged: &mut Vec<DamagedFile>,
    ) -> Vec<Group> {
        let mut groups: BTreeMap<(u32, bool), Vec<FileInUse>> = BTreeMap::new();
        for file in files {
            let look = || {
                let opened = EntryFile::open(&path_of(&file.file.name), &file.id)?;
                Ok::<_, EntriesError>((opened.record_bytes(), opened.is_framed()? == Some(true)))
            };
            match look() {
                Ok(kind) => groups.entry(kind).or_default().push(file),
                Err(error) => tell_damage(&file, error, damaged),
            }
        }
        let group = |((record_bytes, framed), files)| Group {
            job,
            record_bytes,
            framed,
            files,
        };
        groups.into_iter().map(group).collect()
    }
}

/// What a file weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    /// Entries that count.
    live: u64,
    /// All of its entries.
    stored: u64,
    receipts: usize,
}

impl Weight {
    pub(super) fn of(file: &FileInUse) -> Weight {
        Weight {
            live: file.live_entries(),
            stored: file.file.entries,
            receipts: file.tenants.len(),
        }
    }

    fn size(&self) -> u64 {
        self.live + FILE_COST
    }

    /// Whether too many of its entries do not count.
    pub(super) fn is_rotten(&self) -> bool {
        self.stored.saturating_sub(self.live) > self.stored / DEAD_SHARE
    }

    /// Puts the file in the place of the chosen ones that they are merged to. Its entries.
    pub(super) fn replace(files: &mut Vec<Weight>, chosen: &[usize]) -> u64 {
        let chosen_ones = || chosen.iter().map(|&number| files[number]);
        let live = chosen_ones().map(|file| file.live).sum();
        let merged = Weight {
            live,
            stored: live,
            receipts: chosen_ones().map(|file| file.receipts).sum(),
        };
        let mut number = 0;
        files.retain(|_| {
            number += 1;
            !chosen.contains(&(number - 1))
        });
        files.push(merged);
        live
    }
}

/// The files to be merged next; `None` if all may stay as they are.
pub(super) fn choose(files: &[Weight]) -> Option<Vec<usize>> {
    let mut by_size: Vec<usize> = (0..files.len()).collect();
    by_size.sort_by_key(|&number| files[number].size());
    let sets = (0..files.len()).map(|begin| set_from(files, &by_size[begin..]));
    let rotten = || (0..files.len()).find(|&number| files[number].is_rotten());
    let mut sets = sets.filter(|set| set.len() > 1);
    sets.next().or_else(|| rotten().map(|number| vec![number]))
}

/// The first of these files and those that are taken with it.
fn set_from(files: &[Weight], by_size: &[usize]) -> Vec<usize> {
    let mut set = Vec::new();
    let (mut size, mut live, mut receipts) = (0, 0, 0);
    for &number in by_size.iter().take(FILES_AT_ONCE) {
        let next = files[number];
        let too_large = !set.is_empty() && next.size() > GROWTH_MAX * size;
        live += next.live;
        receipts += next.receipts;
        let too_many = live > ENTRIES_MAX as u64 || receipts > RECEIPTS_MAX;
        if too_large || (too_many && !set.is_empty()) {
            break;
        }
        size += next.size();
        set.push(number);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(live: u64) -> Weight {
        Weight {
            live,
            stored: live,
            receipts: 1,
        }
    }

    /// Sizes in the end, and entries written.
    fn settled(mut files: Vec<Weight>) -> (Vec<u64>, u64) {
        let mut written = 0;
        let mut rounds = 0;
        while let Some(chosen) = choose(&files) {
            assert!(chosen.len() <= FILES_AT_ONCE);
            written += Weight::replace(&mut files, &chosen);
            rounds += 1;
            assert!(rounds < 100_000, "no end");
        }
        let mut sizes: Vec<u64> = files.iter().map(|file| file.live).collect();
        sizes.sort_unstable();
        (sizes, written)
    }

    #[test]
    fn files_are_merged_by_sizes_and_large_ones_are_left_alone() {
        let most = ENTRIES_MAX as u64;
        let cases: [(&[u64], &[u64]); 10] = [
            (&[], &[]),
            (&[7], &[7]),
            (&[0, 0], &[0]),
            (&[7, 7], &[14]),
            (&[1, 275], &[276]),
            (&[1_000, 10_000_000], &[1_000, 10_000_000]),
            (&[1_000, 900_000, 1_000_000], &[1_000, 1_900_000]),
            (&[100_000, 400_000, 2_000_000], &[2_500_000]),
            (&[most, 10], &[10, most]),
            (
                &[most - 9, 10_000_000, 10_000_000],
                &[10_000_000, 10_000_000, most - 9],
            ),
        ];
        for (before, after) in cases {
            let files = before.iter().map(|&live| whole(live)).collect();
            assert_eq!(settled(files).0, after, "{before:?}");
        }
    }

    #[test]
    fn many_small_files_become_few_and_are_not_written_often() {
        for count in [2_u64, 64, 65, 1_000, 10_000] {
            let (sizes, written) = settled(vec![whole(1_000); count as usize]);
            let entries = 1_000 * count;
            assert_eq!(sizes.iter().sum::<u64>(), entries);
            let at_least = count.div_ceil(RECEIPTS_MAX as u64) as usize;
            assert!(sizes.len() <= at_least + 1, "{count}: {sizes:?}");
            assert!(written <= 3 * entries, "{count}: {written} of {entries}");
        }
        // One after the other, as a job that is resumed again and again.
        let mut files = Vec::new();
        let mut written = 0;
        for _ in 0..1_000 {
            files.push(whole(1_000));
            while let Some(chosen) = choose(&files) {
                written += Weight::replace(&mut files, &chosen);
            }
            let full = files.iter().filter(|file| file.receipts > RECEIPTS_MAX / 2);
            let full = full.count();
            assert!(files.len() < full + 8, "{files:?}");
            assert!(full <= 2 * 1_000 / RECEIPTS_MAX, "{files:?}");
        }
        assert!(written < 12 * 1_000_000, "{written}");
    }

    #[test]
    fn a_file_of_which_much_does_not_count_is_written_anew() {
        let file = |live| Weight {
            live,
            stored: 1_000,
            receipts: 3,
        };
        assert_eq!(choose(&[file(750)]), None);
        assert_eq!(choose(&[file(749)]), Some(vec![0]));
        assert_eq!(settled(vec![file(1)]), (vec![1], 1));
    }

    #[test]
    fn a_file_has_no_more_receipts_than_may_be_read_one_by_one() {
        let of = |receipts| Weight {
            receipts,
            ..whole(5)
        };
        assert_eq!(choose(&[of(RECEIPTS_MAX), of(1)]), None);
        assert_eq!(choose(&[of(RECEIPTS_MAX - 1), of(1)]), Some(vec![0, 1]));
    }
}
