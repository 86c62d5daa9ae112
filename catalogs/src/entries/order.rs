//! Brings entries into directory order.
//!
//! A walk hands over what is in a directory together. So runs of one parent are put in order by
//! their parents, and names are compared within a directory alone: both comparisons are short,
//! and entries stay where they are.

use std::cmp::Ordering;

use crate::model::Entry;
use crate::model::path::{compare_directories, split};

/// Entries in a row with one parent.
struct Run<'a> {
    parent: &'a [u8],
    first: u32,
    count: u32,
}

/// Places of the entries in directory order, those of one name by part and place. There are at
/// most 2^32 of them.
pub(super) fn in_order(entries: &[Entry]) -> Vec<u32> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (number, entry) in (0..).zip(entries) {
        let (parent, _) = split(&entry.path);
        match runs.last_mut() {
            Some(run) if run.parent == parent => run.count += 1,
            _ => runs.push(Run {
                parent,
                first: number,
                count: 1,
            }),
        }
    }
    runs.sort_by(|a, b| compare_directories(a.parent, b.parent));
    let mut order = Vec::with_capacity(entries.len());
    for runs in runs.chunk_by(|a, b| a.parent == b.parent) {
        let begin = order.len();
        order.extend(runs.iter().flat_map(|run| run.first..run.first + run.count));
        let name_at = match runs[0].parent.len() {
            0 => 0,
            length => length + 1,
        };
        order[begin..].sort_by(|a, b| {
            let (a, b) = (&entries[*a as usize], &entries[*b as usize]);
            compare_in_directory(a, b, name_at)
        });
    }
    order
}

/// Compares two entries of one directory, whose names begin at `name_at`.
fn compare_in_directory(a: &Entry, b: &Entry, name_at: usize) -> Ordering {
    let place = |entry: &Entry| {
        (
            entry.part.map_or(0, |part| part.number),
            entry.block,
            entry.offset_bytes,
            entry.skip_bytes,
        )
    };
    let names = a.path[name_at..].cmp(&b.path[name_at..]);
    names.then_with(|| place(a).cmp(&place(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::compare;
    use crate::model::{Condition, FileTime, Kind, Part};

    fn entry(path: &str, block: u64) -> Entry {
        Entry {
            path: path.into(),
            kind: Kind::File,
            size_bytes: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            mtime: FileTime::default(),
            ctime: FileTime::default(),
            link_target: Vec::new(),
            device: None,
            digest: None,
            block,
            offset_bytes: 0,
            member_bytes: 0,
            skip_bytes: None,
            part: (!block.is_multiple_of(3)).then_some(Part {
                number: (block % 3) as u32,
                offset_bytes: 0,
                last: false,
            }),
            condition: Condition::Whole,
            inode: None,
        }
    }

    #[test]
    fn entries_come_into_directory_order_however_they_are_handed_over() {
        let names = [
            "b",
            "a/x",
            "a.b",
            "a/b/c",
            "a",
            "a/b",
            "a!/z",
            "a/b!/c",
            "a/z",
            "a/b/a",
            "ab/c",
            "a\u{1}/c",
            "a/b/c/d",
            "a-much-longer-directory/with/a/b",
            "a-much-longer-directory/c",
        ];
        // Each name thrice, scattered, so that runs of one parent come again.
        let scattered = (0..45).map(|number| (number * 7) % 45);
        let entries: Vec<Entry> = scattered
            .map(|number| entry(names[number % names.len()], number as u64))
            .collect();
        let mut expected: Vec<u32> = (0..45).collect();
        let part = |entry: &Entry| entry.part.map_or(0, |part| part.number);
        expected.sort_by(|a, b| {
            let (a, b) = (&entries[*a as usize], &entries[*b as usize]);
            compare(&a.path, &b.path)
                .then(part(a).cmp(&part(b)))
                .then(a.block.cmp(&b.block))
        });
        assert_eq!(in_order(&entries), expected);
        assert!(in_order(&[]).is_empty());
    }
}
