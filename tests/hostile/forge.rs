//! Makes of a volume in memory one that no archiver would write: consistent lies, with right
//! checksums everywhere.

use serde_json::Value;
use tapewright::volume::tar::{END, encode_plain};

use crate::rig::{BLOCK_BYTES, Volume};
use crate::tape::Object;

/// First block of the only segment.
const FIRST: usize = 2;
const BLOCK: usize = 512;

/// The contents of an index: name and bytes of each member, in order.
type Contents = Vec<(String, Vec<u8>)>;

impl Volume {
    /// The block of the filemark behind the segment.
    fn mark(&self) -> usize {
        let medium = self.tape.medium();
        let marks = medium.objects.iter().skip(FIRST);
        FIRST
            + marks
                .take_while(|object| **object != Object::Filemark)
                .count()
    }

    /// Replaces a text by one of the same length in all headers of the segment, and in its index.
    pub fn renamed(self, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len());
        self.with_records(|records| replace(records, from.as_bytes(), to.as_bytes()))
            .with_lines(|line| {
                for field in ["path", "link"] {
                    let text = line[field].as_str().unwrap_or_default().replace(from, to);
                    if !text.is_empty() {
                        line[field] = text.into();
                    }
                }
            })
    }

    /// Changes the bytes of the segment, and makes the CRCs right.
    pub fn with_records(self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mark = self.mark();
        let mut bytes = Vec::new();
        for object in &self.tape.medium().objects[FIRST..mark] {
            let Object::Record(record) = object else {
                unreachable!("a segment has records");
            };
            bytes.extend_from_slice(record);
        }
        let length = bytes.len();
        change(&mut bytes);
        assert_eq!(bytes.len(), length, "all stays in its place");
        let mut crcs = Vec::new();
        for (at, record) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
            crcs.extend_from_slice(&crc32fast::hash(record).to_be_bytes());
            self.tape.medium().objects[FIRST + at] = Object::Record(record.to_vec());
        }
        self.with_index(|contents| {
            let (_, text) = contents
                .iter_mut()
                .find(|(name, _)| name.ends_with("blocks.crc32"))
                .unwrap();
            *text = crcs;
        })
    }

    /// Changes each line of the index.
    pub fn with_lines(self, change: impl Fn(&mut Value)) -> Self {
        self.with_files(|text| {
            let lines = text.split(|&byte| byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty()).map(|line| {
                let mut line: Value = serde_json::from_slice(line).unwrap();
                change(&mut line);
                format!("{line}\n")
            });
            let text: String = lines.collect();
            zstd::encode_all(text.as_bytes(), 3).unwrap()
        })
    }

    /// Puts something in place of `files.jsonl.zst`, made of the text in it.
    pub fn with_files(self, make: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        self.with_index(|contents| {
            let (_, files) = contents
                .iter_mut()
                .find(|(name, _)| name.ends_with("files.jsonl.zst"))
                .unwrap();
            *files = make(zstd::decode_all(&files[..]).unwrap());
        })
    }

    /// Changes `segment.json`.
    pub fn with_segment(self, change: impl FnOnce(&mut Value)) -> Self {
        self.with_index(|contents| {
            let (_, text) = &mut contents[0];
            let mut segment: Value = serde_json::from_slice(text).unwrap();
            change(&mut segment);
            *text = serde_json::to_vec(&segment).unwrap();
        })
    }

    /// Changes the contents of the index, and makes its digests right.
    fn with_index(self, change: impl FnOnce(&mut Contents)) -> Self {
        let mark = self.mark();
        let mut medium = self.tape.medium();
        let mut bytes = Vec::new();
        for object in &medium.objects[mark + 1..] {
            match object {
                Object::Record(record) => bytes.extend_from_slice(record),
                Object::Filemark => break,
            }
        }
        let mut contents = members(&bytes);
        let (sums_name, _) = contents.pop().unwrap();
        change(&mut contents);
        let sum = |(name, content): &(String, Vec<u8>)| {
            let name = name.rsplit('/').next().unwrap();
            format!("{}  {name}\n", blake3::hash(content).to_hex())
        };
        let sums: String = contents.iter().map(sum).collect();
        contents.push((sums_name, sums.into_bytes()));
        let mut archive = Vec::new();
        for (name, content) in &contents {
            encode_plain(&mut archive, name, 0, content);
        }
        archive.extend_from_slice(&END);
        archive.resize(archive.len().next_multiple_of(BLOCK_BYTES as usize), 0);
        medium.objects.truncate(mark + 1);
        for record in archive.chunks(BLOCK_BYTES as usize) {
            medium.objects.push(Object::Record(record.to_vec()));
        }
        medium.objects.push(Object::Filemark);
        drop(medium);
        self
    }
}

/// The members of an archive of plain headers.
fn members(archive: &[u8]) -> Contents {
    let mut contents = Vec::new();
    let mut at = 0;
    while archive[at] != 0 {
        let header = &archive[at..at + BLOCK];
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field.iter().position(|&byte| byte == 0 || byte == b' ');
            String::from_utf8(field[..end.unwrap_or(field.len())].to_vec()).unwrap()
        };
        let length = usize::from_str_radix(&text(124..136), 8).unwrap();
        let begin = at + BLOCK;
        contents.push((text(0..100), archive[begin..begin + length].to_vec()));
        at = (begin + length).next_multiple_of(BLOCK);
    }
    contents
}

/// Replaces a text wherever it is, and makes the checksums of headers right again.
pub fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    for block in bytes.chunks_mut(BLOCK) {
        let mut found = false;
        for at in 0..=BLOCK - from.len() {
            if &block[at..at + from.len()] == from {
                block[at..at + to.len()].copy_from_slice(to);
                found = true;
            }
        }
        if found && &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// A zstd frame that says nothing of its length, with so many blocks of 128 KiB of zeros.
pub fn bomb(blocks: usize) -> Vec<u8> {
    // Magic; a window of 1 MiB.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x50];
    for block in 0..blocks {
        // Last block, a repeated byte, its count.
        let header: u32 = u32::from(block + 1 == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
