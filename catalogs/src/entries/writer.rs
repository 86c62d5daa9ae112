//! Writes an entry file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use blake3::Hash;
use uuid::Uuid;
use zstd::bulk::Compressor;

use super::encode::BlockEncoder;
use super::error::EntriesError;
use super::filter;
use super::footer::FooterWriter;
use super::{
    ENTRIES_MAX, FORMAT_FRAMED, FORMAT_PLAIN, FORMAT_WITH_GONE, HEADER_BYTES, HEADER_MAGIC,
    ZSTD_LEVEL,
};
use crate::model::path::compare;
use crate::model::{Entry, Kind};

/// Blocks that are compressed together: enough to be worth threads, some megabytes.
const BLOCKS_AT_ONCE: usize = 64;
const THREADS_MAX: usize = 8;

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
    mut entries: Vec<Entry>,
) -> Result<Sealed, EntriesError> {
    if entries.len() > ENTRIES_MAX {
        return Err(EntriesError::TooMany {
            found: entries.len(),
        });
    }
    for entry in &entries {
        entry.validate().map_err(|fault| EntriesError::Invalid {
            path: entry.path.clone(),
            fault,
        })?;
    }
    // Segments come nearly sorted: a sort that goes by runs compares each entry about once.
    entries.sort_by(|a, b| {
        let place = |entry: &Entry| {
            (
                entry.part.map_or(0, |part| part.number),
                entry.block,
                entry.offset_bytes,
                entry.skip_bytes,
            )
        };
        compare(&a.path, &b.path).then_with(|| place(a).cmp(&place(b)))
    });
    let io = |source| EntriesError::Io {
        path: path.to_owned(),
        source,
    };
    let mut out = Output::create(path).map_err(io)?;
    let framed = entries
        .first()
        .is_some_and(|entry| entry.skip_bytes.is_some());
    let gone = entries.iter().any(|entry| entry.kind == Kind::Gone);
    let version = match (gone, framed) {
        (true, _) => FORMAT_WITH_GONE,
        (false, true) => FORMAT_FRAMED,
        (false, false) => FORMAT_PLAIN,
    };
    out.put(&header(version, segment, record_bytes))
        .map_err(io)?;
    let count = entries.len() as u64;
    let filter = filter::encode(&segment, entries.iter().map(|entry| &*entry.path));
    let last_path = entries
        .last()
        .map_or(Vec::new(), |entry| entry.path.clone());
    let mut blocks = Blocks::new(out).map_err(io)?;
    let mut block = BlockEncoder::new(record_bytes, framed);
    for entry in entries {
        if block.is_full() {
            let full = std::mem::replace(&mut block, BlockEncoder::new(record_bytes, framed));
            blocks.put(full).map_err(io)?;
        }
        let path = entry.path.clone();
        block
            .push(entry)
            .map_err(|fault| EntriesError::Invalid { path, fault })?;
    }
    if !block.is_empty() {
        blocks.put(block).map_err(io)?;
    }
    let (mut out, footer) = blocks.finish().map_err(io)?;
    let footer = footer.finish(out.bytes, &last_path, &filter).map_err(io)?;
    let footer = footer.ok_or(EntriesError::TooMany {
        found: count as usize,
    })?;
    out.put(&footer).map_err(io)?;
    let (digest, bytes) = out.finish().map_err(io)?;
    Ok(Sealed {
        digest,
        bytes,
        entries: count,
    })
}

fn header(version: u16, segment: Uuid, record_bytes: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&HEADER_MAGIC);
    header[super::HEADER_VERSION..][..2].copy_from_slice(&version.to_le_bytes());
    header[super::HEADER_RECORD_BYTES..][..4].copy_from_slice(&record_bytes.to_le_bytes());
    header[super::HEADER_SEGMENT..][..16].copy_from_slice(segment.as_bytes());
    let crc = crc32fast::hash(&header[..super::HEADER_CRC]);
    header[super::HEADER_CRC..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Compresses blocks on several threads and writes them in their order: the file is the same
/// whatever their number.
struct Blocks {
    out: Output,
    footer: FooterWriter,
    waiting: Vec<BlockEncoder>,
    /// One for each thread.
    compressors: Vec<Compressor<'static>>,
}

impl Blocks {
    fn new(out: Output) -> std::io::Result<Blocks> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = 0..threads.min(THREADS_MAX);
        let compressors = threads.map(|_| Compressor::new(ZSTD_LEVEL));
        Ok(Blocks {
            out,
            footer: FooterWriter::default(),
            waiting: Vec::new(),
            compressors: compressors.collect::<Result<_, _>>()?,
        })
    }

    fn put(&mut self, block: BlockEncoder) -> std::io::Result<()> {
        self.waiting.push(block);
        match self.waiting.len() < BLOCKS_AT_ONCE {
            true => Ok(()),
            false => self.write_waiting(),
        }
    }

    fn write_waiting(&mut self) -> std::io::Result<()> {
        let blocks = std::mem::take(&mut self.waiting);
        let share = blocks.len().div_ceil(self.compressors.len()).max(1);
        let compress = |blocks: &[BlockEncoder], compressor: &mut Compressor<'_>| {
            let packed = blocks.iter().map(|block| block.finish(compressor));
            packed.collect::<std::io::Result<Vec<_>>>()
        };
        let shares = blocks.chunks(share).zip(&mut self.compressors);
        let packed: Vec<_> = std::thread::scope(|scope| {
            let spawn = |(blocks, compressor)| scope.spawn(move || compress(blocks, compressor));
            // All are begun before the first is waited for.
            let threads: Vec<_> = shares.map(spawn).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                let panicked = |panic| std::panic::resume_unwind(panic);
                thread.join().unwrap_or_else(panicked)
            };
            threads.into_iter().map(join).collect()
        });
        let mut blocks = blocks.iter();
        for share in packed {
            for (bytes, block) in share?.iter().zip(&mut blocks) {
                self.footer
                    .push(bytes.len(), block.entries(), block.first_path());
                self.out.put(bytes)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<(Output, FooterWriter)> {
        self.write_waiting()?;
        Ok((self.out, self.footer))
    }
}

struct Output {
    file: BufWriter<File>,
    digest: blake3::Hasher,
    bytes: u64,
}

impl Output {
    fn create(path: &Path) -> std::io::Result<Output> {
        let file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        Ok(Output {
            file,
            digest: blake3::Hasher::new(),
            bytes: 0,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn finish(mut self) -> std::io::Result<(Hash, u64)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.digest.finalize(), self.bytes))
    }
}
