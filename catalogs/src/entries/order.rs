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
    /// Whether they are in order already, and how many names they then have.
    sorted: bool,
    names: u32,
}

impl Run<'_> {
    /// Adds the entry that follows the last one.
    fn push(&mut self, last: &Entry, entry: &Entry) {
        let name_at = name_at(self.parent);
        self.sorted &= compare_in_directory(last, entry, name_at).is_le();
        self.names += u32::from(last.path[name_at..] != entry.path[name_at..]);
        self.count += 1;
    }
}

/// Entries in directory order, those of one name by part and place.
pub(super) struct InOrder<'a> {
    /// Where they are; at most 2^32.
    pub(super) places: Vec<u32>,
    /// Names among them: those of a file in parts, or that is there twice, count once.
    pub(super) names: u64,
    /// The directories that they are in, in order.
    pub(super) parents: Vec<&'a [u8]>,
}

pub(super) fn in_order(entries: &[Entry]) -> InOrder<'_> {
    let mut runs = runs(entries);
    runs.sort_by(|a, b| compare_directories(a.parent, b.parent));
    let mut places = Vec::with_capacity(entries.len());
    let (mut names, mut parents) = (0, Vec::new());
    for runs in runs.chunk_by(|a, b| a.parent == b.parent) {
        let begin = places.len();
        places.extend(runs.iter().flat_map(|run| run.first..run.first + run.count));
        names += match runs {
            [run] if run.sorted => u64::from(run.names),
            _ => sort_names(&mut places[begin..], entries, runs[0].parent),
        };
        parents.push(runs[0].parent);
    }
    InOrder {
        places,
        names,
        parents,
    }
}

fn runs(entries: &[Entry]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut last: Option<&Entry> = None;
    for (number, entry) in (0..).zip(entries) {
        let (parent, _) = split(&entry.path);
        match (runs.last_mut(), last) {
            (Some(run), Some(last)) if run.parent == parent => run.push(last, entry),
            _ => runs.push(Run {
                parent,
                first: number,
                count: 1,
                sorted: true,
                names: 1,
            }),
        }
        last = Some(entry);
    }
    runs
}

/// Brings entries of one directory into order. How many names they have.
fn sort_names(places: &mut [u32], entries: &[Entry], parent: &[u8]) -> u64 {
    let name_at = name_at(parent);
    places.sort_by(|a, b| {
        let (a, b) = (&entries[*a as usize], &entries[*b as usize]);
        compare_in_directory(a, b, name_at)
    });
    let name = |place: &u32| &entries[*place as usize].path[name_at..];
    places.chunk_by(|a, b| name(a) == name(b)).count() as u64
}

/// Where the names of what is in a directory begin.
fn name_at(parent: &[u8]) -> usize {
    match parent.len() {
        0 => 0,
        length => length + 1,
    }
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
            user: "".into(),
            group: "".into(),
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
        let ordered = in_order(&entries);
        assert_eq!(ordered.places, expected);
        assert_eq!(ordered.names, names.len() as u64);
        let parents: Vec<&[u8]> = expected
            .iter()
            .map(|place| split(&entries[*place as usize].path).0)
            .collect();
        let distinct = parents.chunk_by(|a, b| a == b).map(|of_one| of_one[0]);
        assert_eq!(ordered.parents, distinct.collect::<Vec<_>>());
        let sorted: Vec<Entry> = expected
            .iter()
            .map(|place| entries[*place as usize].clone())
            .collect();
        let again = in_order(&sorted);
        assert_eq!(again.places, (0..45).collect::<Vec<_>>());
        assert_eq!(
            (again.names, &again.parents),
            (ordered.names, &ordered.parents)
        );
        assert!(in_order(&[]).places.is_empty());
    }
}
