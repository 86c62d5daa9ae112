//! What differs between two descriptions of one segment.

use catalogs::model::Entry;
use catalogs::model::event::Receipt;
use serde_json::Value;

use crate::jobs::ByteText;

/// What of a receipt its segment's index tells, by the names in the ledger. What older software
/// did not record is left out.
const FACTS: [&str; 15] = [
    "segment",
    "segment_number",
    "file_number",
    "job",
    "first_block",
    "index_block",
    "end_block",
    "record_bytes",
    "records",
    "tar_bytes",
    "codec",
    "content",
    "files",
    "file_bytes",
    "digest_algorithm",
];

/// What a segment says of itself and what the catalog says of it, as sentences.
pub(super) fn compare_receipts(on_tape: &Receipt, in_catalog: &Receipt) -> Vec<String> {
    let value = |receipt| serde_json::to_value(receipt).expect("numbers and strings are JSON");
    let (on_tape, in_catalog): (Value, Value) = (value(on_tape), value(in_catalog));
    let said = |value: &Value| match value {
        Value::Null => "not said".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let differing = FACTS
        .iter()
        .map(|fact| (fact, &on_tape[fact], &in_catalog[fact]));
    differing
        .filter(|(_, on_tape, in_catalog)| on_tape != in_catalog)
        .map(|(fact, on_tape, in_catalog)| {
            let (on_tape, in_catalog) = (said(on_tape), said(in_catalog));
            format!("its {fact} is {on_tape} on the tape and {in_catalog} in the catalog")
        })
        .collect()
}

/// A path whose entries differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryDifference {
    pub(super) path: ByteText,
    pub(super) what: String,
}

/// What the entries of one segment differ in, by path. Sorts both.
pub(super) fn compare_entries(
    on_tape: &mut [Entry],
    in_catalog: &mut [Entry],
) -> Vec<EntryDifference> {
    for entries in [&mut *on_tape, &mut *in_catalog] {
        entries.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    let (mut tape, mut known) = (on_tape.iter().peekable(), in_catalog.iter().peekable());
    let mut differing = Vec::new();
    let mut note = |entry: Option<&Entry>, what: &str| {
        differing.extend(entry.map(|entry| EntryDifference {
            path: ByteText(entry.path.clone()),
            what: what.to_owned(),
        }));
    };
    loop {
        let on_tape_first = match (tape.peek(), known.peek()) {
            (None, None) => return differing,
            (Some(one), Some(other)) if piece(one) == piece(other) => {
                let what = facts_that_differ(one, other);
                if !what.is_empty() {
                    note(Some(*one), &format!("{} not the same", what.join(", ")));
                }
                tape.next();
                known.next();
                continue;
            }
            (Some(one), Some(other)) => piece(one) < piece(other),
            (one, None) => one.is_some(),
            (None, Some(_)) => false,
        };
        match on_tape_first {
            true => note(tape.next(), "on the tape and not in the catalog"),
            false => note(known.next(), "in the catalog and not on the tape"),
        }
    }
}

/// A path, or a part of its file.
fn piece(entry: &Entry) -> (&[u8], u32) {
    (&entry.path, entry.part.map_or(0, |part| part.number))
}

fn order(entry: &Entry) -> ((&[u8], u32), u64, u32, Option<u32>) {
    (
        piece(entry),
        entry.block,
        entry.offset_bytes,
        entry.skip_bytes,
    )
}

/// Inode numbers are left out: older catalogs have none.
fn facts_that_differ(a: &Entry, b: &Entry) -> Vec<&'static str> {
    let place = |entry: &Entry| {
        (
            entry.block,
            entry.offset_bytes,
            entry.skip_bytes,
            entry.member_bytes,
        )
    };
    let kind = |entry: &Entry| (entry.kind, entry.device);
    let numbers = |entry: &Entry| (entry.mode, entry.uid, entry.gid);
    let facts = [
        ("kind", kind(a) == kind(b) && a.link_target == b.link_target),
        ("size", a.size_bytes == b.size_bytes),
        ("digest", a.digest == b.digest),
        ("place", place(a) == place(b)),
        (
            "owner or mode",
            numbers(a) == numbers(b) && (&a.user, &a.group) == (&b.user, &b.group),
        ),
        ("times", (a.mtime, a.ctime) == (b.mtime, b.ctime)),
        ("part", a.part == b.part),
        ("condition", a.condition == b.condition),
    ];
    let differing = facts.into_iter().filter(|(_, same)| !same);
    differing.map(|(fact, _)| fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalogs::model::{Condition, FileTime, Kind, Part};

    fn entry(path: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: Kind::File,
            size_bytes: 3,
            mode: 0o644,
            uid: 1,
            gid: 1,
            user: "u".into(),
            group: "g".into(),
            mtime: FileTime::default(),
            ctime: FileTime::default(),
            link_target: Vec::new(),
            device: None,
            digest: Some([1; 32]),
            block: 2,
            offset_bytes: 512,
            member_bytes: 1024,
            skip_bytes: None,
            part: None,
            condition: Condition::Whole,
            inode: Some(5),
        }
    }

    #[test]
    fn each_fact_of_an_entry_that_differs_is_named() {
        type Change = fn(&mut Entry);
        let cases: [(Change, &str); 14] = [
            (|_| {}, ""),
            (|entry| entry.inode = None, ""),
            (|entry| entry.kind = Kind::Fifo, "kind"),
            (|entry| entry.link_target = b"x".to_vec(), "kind"),
            (|entry| entry.device = Some((1, 2)), "kind"),
            (|entry| entry.size_bytes = 4, "size"),
            (|entry| entry.digest = None, "digest"),
            (|entry| entry.block = 3, "place"),
            (|entry| entry.offset_bytes = 0, "place"),
            (|entry| entry.member_bytes = 512, "place"),
            (|entry| entry.group = "h".into(), "owner or mode"),
            (|entry| entry.mtime.seconds = 1, "times"),
            (|entry| entry.condition = Condition::Grew, "condition"),
            (
                |entry| {
                    entry.size_bytes = 9;
                    entry.mode = 0;
                },
                "size, owner or mode",
            ),
        ];
        for (change, named) in cases {
            let mut other = entry("a");
            change(&mut other);
            // The order in which they come is that of tape and catalog, and may differ.
            let (mut tape, mut catalog) = ([entry("b"), entry("a")], [other, entry("b")]);
            let found = compare_entries(&mut tape, &mut catalog);
            let found: Vec<String> = found.into_iter().map(|one| one.what).collect();
            let named = (!named.is_empty()).then(|| format!("{named} not the same"));
            assert_eq!(found, Vec::from_iter(named));
        }
    }

    #[test]
    fn what_only_one_side_has_is_told_of_that_side() {
        let part = |number| Entry {
            part: Some(Part {
                number,
                offset_bytes: 0,
                last: true,
            }),
            ..entry("p")
        };
        let mut tape = [entry("a"), entry("c"), part(1), part(2)];
        let mut catalog = [entry("b"), entry("c"), part(2), part(3), entry("z")];
        let found = compare_entries(&mut tape, &mut catalog);
        let found: Vec<(String, &str)> = found
            .iter()
            .map(|one| (one.path.to_string(), one.what.as_str()))
            .collect();
        let (on_tape, in_catalog) = (
            "on the tape and not in the catalog",
            "in the catalog and not on the tape",
        );
        let expected = [
            ("a", on_tape),
            ("b", in_catalog),
            ("p", on_tape),
            ("p", in_catalog),
            ("z", in_catalog),
        ];
        assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what)));
    }
}
