//! Collects entries in directory order into the columns of one block.

use crate::model::path::shared_bytes;
use crate::model::{Entry, EntryFault, FileTime};

use super::block::{
    FLAG_DEVICE, FLAG_DIGEST, FLAG_LAST_PART, FLAG_LINK, FLAG_PART, INODE_KNOWN, INODE_UNKNOWN,
    OWNER_AS_BEFORE, OWNER_NEW,
};
use super::columns::{COLUMNS, Column, Packer, pack};
use super::varint::{put, put_difference};
use super::{
    BLOCK_BODY_BYTES, BLOCK_BYTES_MAX, BLOCK_CRC, BLOCK_ENTRIES, BLOCK_ENTRIES_MAX,
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, next_position, usual_member_bytes,
};

/// A block takes no more entries once it holds so much; the longest entry still fits then.
const FULL_BYTES: usize = BLOCK_BYTES_MAX / 2;

/// A block being filled.
#[derive(Debug, Default)]
pub(super) struct BlockEncoder<'a> {
    record_bytes: u32,
    /// Of a compressed segment.
    framed: bool,
    entries: u16,
    columns: [Vec<u8>; COLUMNS],
    first: Option<&'a Entry>,
    last: Option<&'a Entry>,
    end_position: u64,
    inode: u64,
    /// Entries without inode number before the first with one.
    without_inode: usize,
}

impl<'a> BlockEncoder<'a> {
    pub(super) fn new(record_bytes: u32, framed: bool) -> BlockEncoder<'a> {
        BlockEncoder {
            record_bytes,
            framed,
            ..BlockEncoder::default()
        }
    }

    pub(super) fn is_full(&self) -> bool {
        let plain_bytes: usize = self.columns.iter().map(Vec::len).sum();
        self.entries == BLOCK_ENTRIES_MAX || plain_bytes >= FULL_BYTES
    }

    fn column(&mut self, column: Column) -> &mut Vec<u8> {
        &mut self.columns[column as usize]
    }

    /// Adds the next entry in order, if it breaks no rule.
    pub(super) fn push(&mut self, entry: &'a Entry) -> Result<(), EntryFault> {
        let previous = self.last;
        let shared = previous.map_or(0, |last| shared_bytes(&last.path, &entry.path));
        entry.validate_from(shared)?;
        let position = position(entry, self.record_bytes)?;
        if entry.skip_bytes.is_some() != self.framed {
            return Err(EntryFault::Skip);
        }
        put_shared(self.column(Column::Paths), shared, &entry.path);
        self.put_kind(entry);
        put(self.column(Column::Sizes), entry.size_bytes);
        self.put_owner(previous, entry);
        let before = previous.map_or(FileTime::default(), |entry| entry.mtime);
        self.put_times(before, entry);
        let expected = self.end_position;
        let column = self.column(Column::Positions);
        put_difference(column, expected, position);
        put_difference(
            column,
            usual_member_bytes(entry.size_bytes),
            entry.member_bytes,
        );
        self.end_position = next_position(position, entry.member_bytes, self.framed);
        if let Some(skip_bytes) = entry.skip_bytes {
            put(self.column(Column::Skips), u64::from(skip_bytes));
        }
        self.put_extras(entry);
        self.put_inode(entry.inode);
        if let Some(digest) = entry.digest {
            self.column(Column::Digests).extend_from_slice(&digest);
        }
        self.entries += 1;
        self.first.get_or_insert(entry);
        self.last = Some(entry);
        Ok(())
    }

    /// The same in a merged file: the entry is of the receipt of this number.
    pub(super) fn push_of(&mut self, entry: &'a Entry, receipt: u32) -> Result<(), EntryFault> {
        self.push(entry)?;
        put(self.column(Column::Receipts), u64::from(receipt));
        Ok(())
    }

    fn put_kind(&mut self, entry: &Entry) {
        let flags = [
            (entry.device.is_some(), FLAG_DEVICE),
            (entry.digest.is_some(), FLAG_DIGEST),
            (entry.part.is_some(), FLAG_PART),
            (entry.part.is_some_and(|part| part.last), FLAG_LAST_PART),
            (!entry.link_target.is_empty(), FLAG_LINK),
        ];
        let flags = flags
            .iter()
            .filter(|(set, _)| *set)
            .fold(0, |all, (_, flag)| all | flag);
        let kind = entry.kind as u8 | (entry.condition as u8) << 4;
        self.column(Column::Kinds).extend_from_slice(&[kind, flags]);
    }

    fn put_owner(&mut self, previous: Option<&Entry>, entry: &Entry) {
        let column = self.column(Column::Owners);
        let same = previous.is_some_and(|last| {
            (last.mode, last.uid, last.gid, &last.user, &last.group)
                == (entry.mode, entry.uid, entry.gid, &entry.user, &entry.group)
        });
        if same {
            column.push(OWNER_AS_BEFORE);
            return;
        }
        column.push(OWNER_NEW);
        for number in [entry.mode, entry.uid, entry.gid] {
            put(column, u64::from(number));
        }
        for name in [&entry.user, &entry.group] {
            put(column, name.len() as u64);
            column.extend_from_slice(name.as_bytes());
        }
    }

    fn put_times(&mut self, before: FileTime, entry: &Entry) {
        let (mtime, ctime) = (entry.mtime, entry.ctime);
        let column = self.column(Column::Mtimes);
        put_difference(column, before.seconds as u64, mtime.seconds as u64);
        put(
            self.column(Column::MtimeNanoseconds),
            u64::from(mtime.nanoseconds),
        );
        let column = self.column(Column::Ctimes);
        put_difference(column, mtime.seconds as u64, ctime.seconds as u64);
        let same = ctime.nanoseconds == mtime.nanoseconds;
        put(
            column,
            if same {
                0
            } else {
                u64::from(ctime.nanoseconds) + 1
            },
        );
    }

    fn put_extras(&mut self, entry: &Entry) {
        let column = self.column(Column::Extras);
        if !entry.link_target.is_empty() {
            put(column, entry.link_target.len() as u64);
            column.extend_from_slice(&entry.link_target);
        }
        if let Some((major, minor)) = entry.device {
            put(column, u64::from(major));
            put(column, u64::from(minor));
        }
        if let Some(part) = entry.part {
            put(column, u64::from(part.number));
            put(column, part.offset_bytes);
        }
    }

    /// A block whose entries all lack an inode number lacks the column.
    fn put_inode(&mut self, inode: Option<u64>) {
        let column = &mut self.columns[Column::Inodes as usize];
        match inode {
            None if column.is_empty() => self.without_inode += 1,
            None => column.push(INODE_UNKNOWN),
            Some(inode) => {
                if column.is_empty() {
                    column.resize(self.without_inode, INODE_UNKNOWN);
                }
                column.push(INODE_KNOWN);
                put_difference(column, self.inode, inode);
                self.inode = inode;
            }
        }
    }

    /// Appends the block with its header, and begins the next. What it has besides, or nothing if
    /// it has no entries.
    pub(super) fn finish(
        &mut self,
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) -> std::io::Result<Option<Packed<'a>>> {
        let Some(first) = self.first else {
            return Ok(None);
        };
        let begin = out.len();
        out.resize(begin + BLOCK_HEADER_BYTES, 0);
        pack(&self.columns, self.framed, packer, out)?;
        let block = &mut out[begin..];
        let body_bytes = (block.len() - BLOCK_HEADER_BYTES) as u32;
        block[..BLOCK_BODY_BYTES].copy_from_slice(&BLOCK_MAGIC);
        block[BLOCK_BODY_BYTES..BLOCK_ENTRIES].copy_from_slice(&body_bytes.to_le_bytes());
        block[BLOCK_ENTRIES..BLOCK_ENTRIES + 2].copy_from_slice(&self.entries.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&block[..BLOCK_CRC]);
        crc.update(&block[BLOCK_HEADER_BYTES..]);
        let crc = crc.finalize().to_le_bytes();
        block[BLOCK_CRC..BLOCK_HEADER_BYTES].copy_from_slice(&crc);
        let packed = Packed {
            bytes: block.len(),
            entries: self.entries,
            first_path: &first.path,
        };
        self.begin_next();
        Ok(Some(packed))
    }

    /// Forgets the entries and keeps the memory.
    fn begin_next(&mut self) {
        let mut columns = std::mem::take(&mut self.columns);
        columns.iter_mut().for_each(Vec::clear);
        *self = BlockEncoder {
            columns,
            ..BlockEncoder::new(self.record_bytes, self.framed)
        };
    }
}

/// A block as the footer has it.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    /// Length with header, in bytes.
    pub(super) bytes: usize,
    pub(super) entries: u16,
    pub(super) first_path: &'a [u8],
}

/// Appends `path` as how much of it is `shared` with the one before, and what follows.
pub(super) fn put_shared(out: &mut Vec<u8>, shared: usize, path: &[u8]) {
    put(out, shared as u64);
    put(out, (path.len() - shared) as u64);
    out.extend_from_slice(&path[shared..]);
}

fn position(entry: &Entry, record_bytes: u32) -> Result<u64, EntryFault> {
    let start = entry.block.checked_mul(u64::from(record_bytes));
    let inside = entry.offset_bytes < record_bytes;
    start
        .and_then(|start| start.checked_add(u64::from(entry.offset_bytes)))
        .filter(|_| inside)
        .ok_or(EntryFault::Position {
            block: entry.block,
            offset_bytes: entry.offset_bytes,
            record_bytes,
        })
}
