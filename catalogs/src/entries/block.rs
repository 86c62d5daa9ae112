//! Decodes one block, entry by entry, from its columns.
//!
//! The columns are decompressed at once (at most 1 MiB, usually 20 KB); entries are made one at a
//! time, so a block at rest costs no more than its columns.

use std::sync::Arc;

use crate::model::path::check_path;
use crate::model::{Condition, Entry, FileTime, Kind, MAX_OWNER_BYTES, MAX_PATH_BYTES, Part};

use super::columns::{COLUMNS, Column, unpack};
use super::error::Fault;
use super::names::{Names, Seen, Wanted};
use super::varint::Input;
use super::{
    BLOCK_BODY_BYTES, BLOCK_BYTES_MAX, BLOCK_CRC, BLOCK_ENTRIES, BLOCK_ENTRIES_MAX,
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, next_position, u16_at, u32_at, usual_member_bytes,
};

const PATHS: usize = Column::Paths as usize;

pub(super) const FLAG_DEVICE: u8 = 1;
pub(super) const FLAG_DIGEST: u8 = 1 << 1;
pub(super) const FLAG_PART: u8 = 1 << 2;
pub(super) const FLAG_LAST_PART: u8 = 1 << 3;
pub(super) const FLAG_LINK: u8 = 1 << 4;
pub(super) const OWNER_AS_BEFORE: u8 = 0;
pub(super) const OWNER_NEW: u8 = 1;
pub(super) const INODE_UNKNOWN: u8 = 0;
pub(super) const INODE_KNOWN: u8 = 1;

/// A block's header.
pub(super) struct BlockHeader {
    bytes: [u8; BLOCK_HEADER_BYTES],
}

impl BlockHeader {
    /// Checks magic and bounds; the CRC is for [`BlockHeader::check`].
    pub(super) fn new(bytes: [u8; BLOCK_HEADER_BYTES]) -> Result<BlockHeader, Fault> {
        let header = BlockHeader { bytes };
        if bytes[..BLOCK_BODY_BYTES] != BLOCK_MAGIC {
            return Err(Fault::Magic("block"));
        }
        if header.body_bytes() > BLOCK_BYTES_MAX {
            return Err(Fault::Bound("length of a block"));
        }
        if header.entries() == 0 || header.entries() > BLOCK_ENTRIES_MAX {
            return Err(Fault::Bound("entries of a block"));
        }
        Ok(header)
    }

    pub(super) fn body_bytes(&self) -> usize {
        u32_at(&self.bytes, BLOCK_BODY_BYTES) as usize
    }

    pub(super) fn entries(&self) -> u16 {
        u16_at(&self.bytes, BLOCK_ENTRIES)
    }

    /// Checks header and body against the CRC.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), Fault> {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.bytes[..BLOCK_CRC]);
        crc.update(body);
        match crc.finalize() == u32_at(&self.bytes, BLOCK_CRC) {
            true => Ok(()),
            false => Err(Fault::Crc("block")),
        }
    }
}

/// What a file's header says of its blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) record_bytes: u32,
    /// Of a compressed segment; `None` if only the blocks tell.
    pub(super) framed: Option<bool>,
    /// With the entries of several receipts.
    pub(super) merged: bool,
}

/// Which entries are looked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// Those of these names; `None`: of any.
    pub(super) names: Option<&'a dyn Wanted>,
    /// Those of this receipt of a merged file; `None`: of any.
    pub(super) receipt: Option<u32>,
}

/// What a block is to one who looks for entries.
pub(super) enum Look {
    /// It may have some of them.
    Block(Box<Block>),
    /// It has none of them.
    Nothing,
    /// Nor has any block behind it.
    Past,
}

/// Whether a column of receipts has this one.
fn has_receipt(column: &mut Input, entries: u16, receipt: u32) -> Result<bool, Fault> {
    let mut has = false;
    for _ in 0..entries {
        has |= column.u32()? == receipt;
    }
    Ok(has)
}

/// A block whose entries are taken out front to back.
#[derive(Debug)]
pub(crate) struct Block {
    record_bytes: u32,
    framed: bool,
    left: u16,
    /// No name from here on is wanted, nor in any block behind this one.
    past: bool,
    columns: [Input; COLUMNS],
    path: Vec<u8>,
    owner: Owner,
    /// Whether an entry has said one.
    has_owner: bool,
    mtime_seconds: u64,
    end_position: u64,
    /// Whether the block says inode numbers.
    inodes: bool,
    inode: u64,
    merged: bool,
    /// Of the entry that was taken out last.
    receipt: u32,
}

#[derive(Debug, Default)]
struct Owner {
    mode: u32,
    uid: u32,
    gid: u32,
    user: Arc<str>,
    group: Arc<str>,
}

impl Block {
    pub(super) fn decode(
        header: &BlockHeader,
        body: &[u8],
        form: Form,
        asked: Asked<'_>,
    ) -> Result<Look, Fault> {
        header.check(body)?;
        if form.record_bytes == 0 {
            return Err(Fault::Value("record size"));
        }
        let packed = unpack(body, form.framed)?;
        let mut columns: [Input; COLUMNS] = Default::default();
        if let Some(receipt) = asked.receipt {
            let mut receipts = packed.column(Column::Receipts as usize)?;
            if !has_receipt(&mut receipts, header.entries(), receipt)? {
                return Ok(Look::Nothing);
            }
        }
        columns[PATHS] = packed.column(PATHS)?;
        // The names alone are decompressed until one is wanted.
        if let Some(wanted) = asked.names {
            let names = columns[PATHS].all();
            match Names::default().look(names, header.entries(), wanted)? {
                Seen::Wanted => {}
                Seen::Nothing => return Ok(Look::Nothing),
                Seen::Past => return Ok(Look::Past),
            }
        }
        for (number, column) in columns.iter_mut().enumerate() {
            if number != PATHS {
                *column = packed.column(number)?;
            }
        }
        Ok(Look::Block(Box::new(Block {
            record_bytes: form.record_bytes,
            framed: packed.framed,
            left: header.entries(),
            past: false,
            inodes: !columns[Column::Inodes as usize].at_end(),
            inode: 0,
            merged: form.merged,
            receipt: 0,
            columns,
            path: Vec::new(),
            owner: Owner::default(),
            has_owner: false,
            mtime_seconds: 0,
            end_position: 0,
        })))
    }

    /// The next entry of those that are asked for. After an error the block is of no further use.
    pub(super) fn next_entry(&mut self, asked: Asked<'_>) -> Result<Option<Entry>, Fault> {
        while let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            take_name(&mut self.columns[PATHS], &mut self.path)?;
            let mut entry = self.nameless()?;
            if asked.receipt.is_some_and(|asked| asked != self.receipt) {
                continue;
            }
            if let Some(wanted) = asked.names
                && !wanted.wants(&self.path)
            {
                if wanted.is_past(&self.path) {
                    self.past = true;
                    return Ok(None);
                }
                continue;
            }
            check_path(&self.path).map_err(|_| Fault::Value("path"))?;
            entry.path.clone_from(&self.path);
            return Ok(Some(entry));
        }
        match self.columns.iter().all(Input::at_end) {
            true => Ok(None),
            false => Err(Fault::Value("length of a column")),
        }
    }

    /// Number of the receipt, in a merged file, of the entry that was taken out last.
    pub(super) fn receipt(&self) -> u32 {
        self.receipt
    }

    /// Whether the entries ended because those that follow, here and in other blocks, are past
    /// what was wanted.
    pub(super) fn is_past(&self) -> bool {
        self.past
    }

    /// The next entry without its path, for which alone memory would have to be had.
    fn nameless(&mut self) -> Result<Entry, Fault> {
        let kinds = self.column(Column::Kinds);
        let (kind, flags) = (kinds.byte()?, kinds.byte()?);
        let condition = Condition::ALL.get(usize::from(kind >> 4));
        let kind = Kind::ALL.get(usize::from(kind & 0x0f));
        let (Some(&kind), Some(&condition)) = (kind, condition) else {
            return Err(Fault::Value("kind"));
        };
        let size_bytes = self.column(Column::Sizes).varint()?;
        self.take_owner()?;
        let (mtime, ctime) = self.times()?;
        let (block, offset_bytes, member_bytes) = self.position(size_bytes)?;
        let mut skip_bytes = None;
        if self.framed {
            skip_bytes = Some(self.column(Column::Skips).u32()?);
        }
        if self.merged {
            self.receipt = self.column(Column::Receipts).u32()?;
        }
        let extras = self.column(Column::Extras);
        let mut link_target = Vec::new();
        if flags & FLAG_LINK != 0 {
            let length = extras.length(MAX_PATH_BYTES)?;
            link_target.extend_from_slice(extras.take(length)?);
        }
        let mut device = None;
        if flags & FLAG_DEVICE != 0 {
            device = Some((extras.u32()?, extras.u32()?));
        }
        let part = part(extras, flags)?;
        let mut digest = None;
        if flags & FLAG_DIGEST != 0 {
            digest = self.column(Column::Digests).take(32)?.try_into().ok();
        }
        Ok(Entry {
            path: Vec::new(),
            kind,
            size_bytes,
            mode: self.owner.mode,
            uid: self.owner.uid,
            gid: self.owner.gid,
            user: Arc::clone(&self.owner.user),
            group: Arc::clone(&self.owner.group),
            mtime,
            ctime,
            link_target,
            device,
            digest,
            block,
            offset_bytes,
            member_bytes,
            skip_bytes,
            part,
            condition,
            inode: self.inode()?,
        })
    }

    fn column(&mut self, column: Column) -> &mut Input {
        &mut self.columns[column as usize]
    }

    fn take_owner(&mut self) -> Result<(), Fault> {
        let column = &mut self.columns[Column::Owners as usize];
        match column.byte()? {
            OWNER_AS_BEFORE if self.has_owner => {}
            OWNER_NEW => {
                let owner = &mut self.owner;
                owner.mode = column.u32()?;
                (owner.uid, owner.gid) = (column.u32()?, column.u32()?);
                take_owner_name(column, &mut owner.user)?;
                take_owner_name(column, &mut owner.group)?;
                self.has_owner = true;
            }
            _ => return Err(Fault::Value("owner")),
        }
        Ok(())
    }

    fn inode(&mut self) -> Result<Option<u64>, Fault> {
        if !self.inodes {
            return Ok(None);
        }
        let column = &mut self.columns[Column::Inodes as usize];
        match column.byte()? {
            INODE_UNKNOWN => Ok(None),
            INODE_KNOWN => {
                self.inode = column.difference(self.inode)?;
                Ok(Some(self.inode))
            }
            _ => Err(Fault::Value("inode")),
        }
    }

    fn times(&mut self) -> Result<(FileTime, FileTime), Fault> {
        self.mtime_seconds =
            self.columns[Column::Mtimes as usize].difference(self.mtime_seconds)?;
        let mtime = FileTime {
            seconds: self.mtime_seconds as i64,
            nanoseconds: self.column(Column::MtimeNanoseconds).u32()?,
        };
        let from = self.mtime_seconds;
        let column = self.column(Column::Ctimes);
        let seconds = column.difference(from)? as i64;
        let nanoseconds = match column.u32()? {
            0 => mtime.nanoseconds,
            more => more - 1,
        };
        if mtime.nanoseconds.max(nanoseconds) > 999_999_999 {
            return Err(Fault::Value("nanoseconds"));
        }
        Ok((
            mtime,
            FileTime {
                seconds,
                nanoseconds,
            },
        ))
    }

    fn position(&mut self, size_bytes: u64) -> Result<(u64, u32, u64), Fault> {
        let column = &mut self.columns[Column::Positions as usize];
        let position = column.difference(self.end_position)?;
        let member_bytes = column.difference(usual_member_bytes(size_bytes))?;
        self.end_position = next_position(position, member_bytes, self.framed);
        let record_bytes = u64::from(self.record_bytes);
        // The remainder is below a u32.
        let offset_bytes = (position % record_bytes) as u32;
        Ok((position / record_bytes, offset_bytes, member_bytes))
    }
}

fn part(extras: &mut Input, flags: u8) -> Result<Option<Part>, Fault> {
    if flags & FLAG_PART == 0 {
        return Ok(None);
    }
    let (number, offset_bytes) = (extras.u32()?, extras.varint()?);
    if number == 0 {
        return Err(Fault::Value("part number"));
    }
    Ok(Some(Part {
        number,
        offset_bytes,
        last: flags & FLAG_LAST_PART != 0,
    }))
}

fn take_owner_name(column: &mut Input, name: &mut Arc<str>) -> Result<(), Fault> {
    let length = column.length(MAX_OWNER_BYTES)?;
    let text = std::str::from_utf8(column.take(length)?).map_err(|_| Fault::Value("owner"))?;
    if **name != *text {
        *name = text.into();
    }
    Ok(())
}

/// Turns the previous path into the next one.
pub(super) fn take_shared(column: &mut Input, path: &mut Vec<u8>) -> Result<(), Fault> {
    take_name(column, path)?;
    check_path(path).map_err(|_| Fault::Value("path"))
}

/// The same, whatever bytes it has.
fn take_name(column: &mut Input, path: &mut Vec<u8>) -> Result<(), Fault> {
    let shared = column.length(path.len())?;
    let length = column.length(MAX_PATH_BYTES - shared)?;
    path.truncate(shared);
    path.extend_from_slice(column.take(length)?);
    Ok(())
}
