//! Writes a merged file from entries that come in its order: `docs/catalog.md`, "Merging and
//! compaction".
//!
//! Memory: one piece of entries, the footer so far and the filter; none of it grows beyond its
//! bound with the entries.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::columns::Packer;
use super::encode::BlockEncoder;
use super::error::EntriesError;
use super::filter::{FilterWriter, Probes};
use super::footer::FooterWriter;
use super::members::{self, Member};
use super::writer::{Output, Sealed, header};
use super::{BLOCK_ENTRIES_MAX, ENTRIES_MAX, FORMAT_MERGED};
use crate::model::Entry;

/// Encoded together: some megabytes.
const PIECE_ENTRIES: usize = 64 * BLOCK_ENTRIES_MAX as usize;

/// What a merged file is to be made of.
#[derive(Debug)]
pub(crate) struct Composition {
    /// Its receipts, in the order of their numbers.
    pub(crate) members: Vec<Member>,
    /// Size of the records of all of them, in bytes.
    pub(crate) record_bytes: u32,
    /// Whether all are of compressed segments.
    pub(crate) framed: bool,
    /// Names and directories of all together are no more than so many.
    pub(crate) keys_at_most: u64,
}

/// A merged file being written.
pub(crate) struct MergedWriter {
    path: PathBuf,
    id: Uuid,
    composition: Composition,
    out: Output,
    packer: Packer,
    footer: FooterWriter,
    filter: FilterWriter,
    keys: u64,
    entries: u64,
    /// Numbers of their receipts, and entries that are not encoded yet.
    piece: Vec<(u32, Entry)>,
    /// The name before the piece.
    last_path: Vec<u8>,
}

impl MergedWriter {
    /// Begins a new file at `path`.
    pub(crate) fn create(
        path: &Path,
        composition: Composition,
    ) -> Result<MergedWriter, EntriesError> {
        let id = members::id_of(&composition.members);
        let begin = || {
            let mut out = Output::create(path)?;
            out.put(&header(FORMAT_MERGED, id, composition.record_bytes))?;
            Ok((out, Packer::new()?))
        };
        let (out, packer) = begin().map_err(|source| EntriesError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(MergedWriter {
            path: path.to_owned(),
            id,
            filter: FilterWriter::for_at_most(composition.keys_at_most),
            composition,
            out,
            packer,
            footer: FooterWriter::default(),
            keys: 0,
            entries: 0,
            piece: Vec::with_capacity(PIECE_ENTRIES),
            last_path: Vec::new(),
        })
    }

    /// Adds an entry of the receipt with this number. No entry comes after one with a later name.
    pub(crate) fn push(&mut self, receipt: u32, entry: Entry) -> Result<(), EntriesError> {
        self.piece.push((receipt, entry));
        match self.piece.len() < PIECE_ENTRIES {
            true => Ok(()),
            false => self.encode(),
        }
    }

    /// Writes what is left, makes the content durable, and says what the file is.
    pub(crate) fn finish(mut self) -> Result<Sealed, EntriesError> {
        self.encode()?;
        self.filter.fit(self.keys);
        let filter = self.filter.finish(&self.id);
        let behind = [members::encode(&self.composition.members), filter].concat();
        let io = |source| EntriesError::Io {
            path: self.path.clone(),
            source,
        };
        let footer = self.footer.finish(self.out.bytes, &self.last_path, &behind);
        let footer = footer.map_err(io)?.ok_or(too_many(self.entries))?;
        self.out.put(&footer).map_err(io)?;
        let (digest, bytes) = self.out.finish().map_err(io)?;
        Ok(Sealed {
            digest,
            bytes,
            entries: self.entries,
        })
    }

    fn encode(&mut self) -> Result<(), EntriesError> {
        let Composition {
            record_bytes,
            framed,
            ..
        } = self.composition;
        let io = |source| EntriesError::Io {
            path: self.path.clone(),
            source,
        };
        let invalid = |entry: &Entry, fault| EntriesError::Invalid {
            path: entry.path.clone(),
            fault,
        };
        let mut block = BlockEncoder::new(record_bytes, framed);
        let mut bytes = Vec::new();
        let mut blocks = Vec::new();
        let mut probes = Probes::after(&self.last_path, self.piece.len());
        for (receipt, entry) in &self.piece {
            if block.is_full() {
                blocks.extend(block.finish(&mut self.packer, &mut bytes).map_err(io)?);
            }
            let pushed = block.push_of(entry, *receipt);
            pushed.map_err(|fault| invalid(entry, fault))?;
            probes.push(&entry.path);
        }
        blocks.extend(block.finish(&mut self.packer, &mut bytes).map_err(io)?);
        self.out.put(&bytes).map_err(io)?;
        blocks.iter().for_each(|block| self.footer.push(block));
        let probes = probes.finish();
        self.filter.put(&probes);
        self.keys += probes.len() as u64;
        self.entries += self.piece.len() as u64;
        // Told before all the rest is written.
        if self.entries > ENTRIES_MAX as u64 || self.footer.is_too_long() {
            return Err(too_many(self.entries));
        }
        if let Some((_, last)) = self.piece.pop() {
            self.last_path = last.path;
        }
        self.piece.clear();
        Ok(())
    }
}

fn too_many(entries: u64) -> EntriesError {
    EntriesError::TooMany {
        found: usize::try_from(entries).unwrap_or(usize::MAX),
    }
}
