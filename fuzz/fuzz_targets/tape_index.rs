//! Any bytes as what an index on tape says: its members, parted by lines of `--`, packed as the
//! format asks for, with the digests that are theirs.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use tapewright::units::BlockAddress;
use tapewright::volume::index::{self, Index};
use tapewright::volume::tar::{END, encode_plain};

const PARTED_BY: &[u8] = b"\n--\n";

fuzz_target!(|data: &[u8]| {
    let Ok(index) = index::decode(&packed(data)) else {
        return;
    };
    holds_what_it_says(&index, data.len());
    let records = index.info.records;
    let end = BlockAddress(index.info.index_block.0.saturating_add(1));
    let receipt = index.into_receipt(end);
    assert_eq!(receipt.info.records, records);
});

/// Nothing is outside of the segment, and no path leads out of a target.
fn holds_what_it_says(index: &Index, bytes: usize) {
    let info = &index.info;
    let segment = info.first_block.0..info.first_block.0 + info.records;
    assert_eq!(info.index_block.0, segment.end + 1);
    assert!(index.crcs.len() <= bytes && index.files.len() <= bytes);
    for file in &index.files {
        assert!(segment.contains(&file.place.block.0));
        assert!(file.place.offset_bytes < info.block_bytes);
    }
    let paths = index.files.iter().map(|file| &file.path).chain(&index.gone);
    for path in paths {
        let mut names = path.split(|&byte| byte == b'/');
        assert!(names.all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&0)));
    }
    let beside = segment.start.saturating_sub(1)..=segment.end.saturating_add(1);
    for block in beside.take(16) {
        for file in index.files_in(BlockAddress(block)) {
            assert!(segment.contains(&block), "{file:?} in block {block}");
        }
    }
}

/// The archive of an index. Lines are compressed; a fourth part are the names that are gone.
fn packed(data: &[u8]) -> Vec<u8> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(PARTED_BY.len()).position(|it| it == PARTED_BY) {
        parts.push(&rest[..at]);
        rest = &rest[at + PARTED_BY.len()..];
    }
    parts.push(rest);
    let part = |number: usize| parts.get(number).copied().unwrap_or_default();
    let mut members = vec![
        ("segment.json", part(0).to_vec()),
        ("files.jsonl.zst", compressed(part(1))),
        ("blocks.crc32", part(2).to_vec()),
    ];
    if !part(3).is_empty() {
        members.push(("gone.jsonl.zst", compressed(part(3))));
    }
    let sums: String = members
        .iter()
        .map(|(name, content)| format!("{}  {name}\n", blake3::hash(content).to_hex()))
        .collect();
    members.push(("B3SUMS", sums.into_bytes()));
    let mut archive = Vec::new();
    for (name, content) in members {
        let path = format!("tapewright-segment-00001/{name}");
        encode_plain(&mut archive, &path, 0, &content);
    }
    archive.extend_from_slice(&END);
    archive
}

/// Lines whose last has its newline, which the parting took.
fn compressed(lines: &[u8]) -> Vec<u8> {
    let newline: &[u8] = if lines.is_empty() { b"" } else { b"\n" };
    zstd::encode_all(lines.chain(newline), 1).unwrap()
}
