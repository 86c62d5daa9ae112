//! Which blocks of a file a range of names begins in, from its footer.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::Fault;
use super::footer::FramePlace;
use crate::model::path::{KeyRange, order_key};

/// Order keys are cut off after so many bytes.
const KEY_BYTES_MAX: usize = 512;

/// Order key of a name, cut off: no higher than the whole one.
pub(crate) fn short_key(path: &[u8]) -> Vec<u8> {
    let mut key = order_key(path);
    key.truncate(KEY_BYTES_MAX);
    key
}

/// The lower end of a range, cut off likewise.
pub(crate) fn short_from(range: &KeyRange) -> &[u8] {
    &range.from[..range.from.len().min(KEY_BYTES_MAX)]
}

/// Where a file's entries in a range begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// Offset of the block to begin with; `None`: the first.
    pub(crate) block_at: Option<u64>,
    /// No entry of the range from that block on is below this order key.
    pub(crate) lowest_key: Vec<u8>,
}

impl Start {
    /// From the first block, where the footer does not tell.
    pub(crate) fn whole(range: &KeyRange) -> Start {
        Start {
            block_at: None,
            lowest_key: range.from.clone(),
        }
    }
}

/// The blocks of a file with the names that they begin with.
#[derive(Debug, Default)]
pub(crate) struct BlockMap {
    /// Short keys, one behind the other.
    keys: Vec<u8>,
    blocks: Vec<MappedBlock>,
}

#[derive(Debug)]
struct MappedBlock {
    at: u64,
    /// Where its key ends.
    key_end: usize,
}

impl BlockMap {
    /// Reads the map of the file at `path`; `None` if its footer is damaged or cannot be read.
    pub(crate) fn read(path: &Path, place: &FramePlace) -> Option<BlockMap> {
        let mut frame = vec![0; place.stored_bytes()];
        let file = File::open(path).ok()?;
        file.read_exact_at(&mut frame, place.at()).ok()?;
        BlockMap::decode(&frame, place).ok()
    }

    fn decode(frame: &[u8], place: &FramePlace) -> Result<BlockMap, Fault> {
        let mut map = BlockMap::default();
        place.read(frame, |block| {
            map.keys.extend_from_slice(&short_key(block.first_path));
            map.blocks.push(MappedBlock {
                at: block.at,
                key_end: map.keys.len(),
            });
        })?;
        Ok(map)
    }

    /// About what it takes of memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.len() + self.blocks.len() * size_of::<MappedBlock>()
    }

    fn key(&self, number: usize) -> &[u8] {
        let begin = number.checked_sub(1);
        let begin = begin.map_or(0, |before| self.blocks[before].key_end);
        &self.keys[begin..self.blocks[number].key_end]
    }

    /// Where to begin reading for `range`; `None` if the file has nothing there.
    pub(crate) fn start(&self, range: &KeyRange) -> Option<Start> {
        let from = short_from(range);
        // The last block that begins below the range may reach into it.
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.key(middle) < from {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let number = low.saturating_sub(1);
        let block = self.blocks.get(number)?;
        let first = self.key(number);
        if range.ends_before(first) {
            return None;
        }
        Some(Start {
            block_at: Some(block.at),
            lowest_key: first.max(range.from.as_slice()).to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(first_paths: &[&str]) -> BlockMap {
        let mut map = BlockMap::default();
        for (at, path) in (0..).zip(first_paths) {
            map.keys.extend_from_slice(&short_key(path.as_bytes()));
            map.blocks.push(MappedBlock {
                at,
                key_end: map.keys.len(),
            });
        }
        map
    }

    #[test]
    fn a_range_begins_in_the_last_block_that_begins_below_it() {
        // Parts of one name may fill several blocks.
        let long = "d".repeat(600);
        let blocks = [
            "a",
            "c",
            "c",
            "c",
            "e",
            &format!("{long}/a"),
            &format!("{long}/b"),
        ];
        let map = map(&blocks);
        let cases = [
            ("a", Some(0)),
            ("0", None),
            ("b", Some(0)),
            ("c", Some(0)),
            ("d", Some(3)),
            ("e", Some(3)),
            ("f", Some(4)),
            // The keys of both are cut off to the same.
            (&format!("{long}/b"), Some(4)),
        ];
        for (name, block) in cases {
            let start = map.start(&KeyRange::exact(name.as_bytes()));
            assert_eq!(start.and_then(|start| start.block_at), block, "{name}");
        }
        let all = map.start(&KeyRange::all()).unwrap();
        assert_eq!((all.block_at, all.lowest_key), (Some(0), order_key(b"a")));
        assert_eq!(BlockMap::default().start(&KeyRange::all()), None);
    }
}
