//! Writes an entry file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use blake3::Hash;
use uuid::Uuid;

use super::error::EntriesError;
use super::filter::{FilterWriter, key_count};
use super::footer::FooterWriter;
use super::order::{InOrder, in_order};
use super::pieces::{Failure, Ordered, Pieces};
use super::{
    ENTRIES_MAX, FORMAT_FRAMED, FORMAT_PLAIN, FORMAT_WITH_GONE, HEADER_BYTES, HEADER_MAGIC,
};
use crate::model::{Entry, Kind};

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    /// BLAKE3 of the file.
    pub(crate) digest: Hash,
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// Entries in it.
    pub(crate) entries: u64,
}

/// Writes `entries`, in any order, to a new file at `path` and makes its content durable.
pub(crate) fn write(
    path: &Path,
    segment: Uuid,
    record_bytes: u32,
    entries: &[Entry],
) -> Result<Sealed, EntriesError> {
    if entries.len() > ENTRIES_MAX {
        return Err(EntriesError::TooMany {
            found: entries.len(),
        });
    }
    let invalid = |entry: &Entry, fault| EntriesError::Invalid {
        path: entry.path.clone(),
        fault,
    };
    let io = |source| EntriesError::Io {
        path: path.to_owned(),
        source,
    };
    let InOrder {
        places,
        names,
        parents,
    } = in_order(entries);
    let ordered = Ordered {
        entries,
        order: &places,
        record_bytes,
        framed: entries
            .first()
            .is_some_and(|entry| entry.skip_bytes.is_some()),
    };
    let mut out = Output::create(path).map_err(io)?;
    let header = header(version(&ordered), segment, record_bytes);
    out.put(&header).map_err(io)?;
    let mut footer = FooterWriter::default();
    let filter = std::thread::scope(|scope| {
        let pieces = Pieces::begin(scope, ordered);
        let mut filter = FilterWriter::for_keys(key_count(names, &parents));
        for piece in pieces {
            let piece = piece.map_err(|failure| match failure {
                Failure::Entry(entry, fault) => invalid(entry, fault),
                Failure::Compressor(error) => io(error),
            })?;
            out.put(&piece.bytes).map_err(io)?;
            piece.blocks.iter().for_each(|block| footer.push(block));
            filter.put(&piece.probes);
        }
        Ok::<_, EntriesError>(filter.finish(&segment))
    })?;
    let last_path = places
        .last()
        .map_or(&[][..], |place| &entries[*place as usize].path);
    let footer = footer.finish(out.bytes, last_path, &filter).map_err(io)?;
    let footer = footer.ok_or(EntriesError::TooMany {
        found: entries.len(),
    })?;
    out.put(&footer).map_err(io)?;
    let (digest, bytes) = out.finish().map_err(io)?;
    Ok(Sealed {
        digest,
        bytes,
        entries: entries.len() as u64,
    })
}

/// The lowest version that a reader has to know.
fn version(ordered: &Ordered<'_>) -> u16 {
    let gone = ordered.entries.iter().any(|entry| entry.kind == Kind::Gone);
    match (gone, ordered.framed) {
        (true, _) => FORMAT_WITH_GONE,
        (false, true) => FORMAT_FRAMED,
        (false, false) => FORMAT_PLAIN,
    }
}

pub(super) fn header(version: u16, segment: Uuid, record_bytes: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&HEADER_MAGIC);
    header[super::HEADER_VERSION..][..2].copy_from_slice(&version.to_le_bytes());
    header[super::HEADER_RECORD_BYTES..][..4].copy_from_slice(&record_bytes.to_le_bytes());
    header[super::HEADER_SEGMENT..][..16].copy_from_slice(segment.as_bytes());
    let crc = crc32fast::hash(&header[..super::HEADER_CRC]);
    header[super::HEADER_CRC..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// A file being written.
pub(super) struct Output {
    file: BufWriter<File>,
    digest: blake3::Hasher,
    /// Written so far.
    pub(super) bytes: u64,
}

impl Output {
    pub(super) fn create(path: &Path) -> std::io::Result<Output> {
        let file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        Ok(Output {
            file,
            digest: blake3::Hasher::new(),
            bytes: 0,
        })
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Makes it durable. Its digest and length.
    pub(super) fn finish(mut self) -> std::io::Result<(Hash, u64)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.digest.finalize(), self.bytes))
    }
}
