//! What a tape that is not ours looks like, by its first block.

use crate::volume::tar::BLOCK;

/// Where `LTFS` stands in the ANSI VOL1 label of an LTFS volume: the implementation
/// identifier, characters 25 to 37 (LTFS Format Specification, "VOL1 Label").
const LTFS_AT: std::ops::Range<usize> = 24..28;

/// First bytes of formats that are found on tapes.
const MAGICS: [(&[u8], &str); 7] = [
    (b"070701", "a cpio archive"),
    (b"070702", "a cpio archive"),
    (b"070707", "a cpio archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ\0", "xz-compressed data"),
];

/// What a tape file looks like by its first block, where it is none of ours: a phrase for people,
/// such as "a tar archive starting with `etc/`".
#[must_use]
pub fn describe(record: &[u8]) -> String {
    let block_bytes = record.len();
    if record.get(257..262) == Some(b"ustar") {
        let name = &record[..100];
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        return format!(
            "a tar archive starting with `{}`",
            name[..end].escape_ascii()
        );
    }
    if record.starts_with(b"VOL1") {
        let serial = record
            .get(4..10)
            .unwrap_or_default()
            .escape_ascii()
            .to_string();
        let what = match record.get(LTFS_AT) {
            Some(b"LTFS") => "an LTFS volume",
            _ => "a volume with an ANSI label",
        };
        return format!("{what}, serial `{serial}`");
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| record.starts_with(magic)) {
        return format!("{what}, {block_bytes}-byte blocks");
    }
    if block_bytes >= BLOCK && record.iter().all(|&b| b == 0) {
        return format!("zeros, {block_bytes}-byte blocks");
    }
    format!("unknown data, {block_bytes}-byte blocks")
}
