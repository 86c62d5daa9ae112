//! Reads entry files, block by block.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::block::{Asked, Block, BlockHeader, Form, Look};
use super::error::{EntriesError, Fault};
use super::footer::{Outline, Trailer};
use super::members::Member;
use super::names::Wanted;
use super::{
    BLOCK_HEADER_BYTES, FOOTER_MAGIC, FORMAT_FRAMED, FORMAT_MERGED, FORMAT_VERSION,
    FORMAT_WITH_GONE, HEADER_BYTES, HEADER_CRC, HEADER_MAGIC, HEADER_RECORD_BYTES, HEADER_SEGMENT,
    HEADER_VERSION, TRAILER_BYTES, u16_at, u32_at,
};
use crate::model::Entry;
use crate::model::event::EntryFileRef;

/// An entry file open for reading, its header checked.
#[derive(Debug)]
pub(crate) struct EntryFile {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    form: Form,
}

impl EntryFile {
    /// Opens the entry file of `segment`, or the merged one of this identity.
    pub(crate) fn open(path: &Path, segment: &Uuid) -> Result<EntryFile, EntriesError> {
        let io = |source| EntriesError::Io {
            path: path.to_owned(),
            source,
        };
        let damaged = |fault| EntriesError::Damaged {
            path: path.to_owned(),
            at: 0,
            fault,
        };
        let file = File::open(path).map_err(io)?;
        let file_bytes = file.metadata().map_err(io)?.len();
        if file_bytes < (HEADER_BYTES + TRAILER_BYTES) as u64 {
            return Err(damaged(Fault::Truncated("file")));
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(io)?;
        if header[..HEADER_MAGIC.len()] != HEADER_MAGIC {
            return Err(damaged(Fault::Magic("header")));
        }
        if crc32fast::hash(&header[..HEADER_CRC]) != u32_at(&header, HEADER_CRC) {
            return Err(damaged(Fault::Crc("header")));
        }
        let found = u16_at(&header, HEADER_VERSION);
        if found > FORMAT_VERSION {
            return Err(EntriesError::NewerFormat {
                path: path.to_owned(),
                found,
            });
        }
        if header[HEADER_SEGMENT..HEADER_SEGMENT + 16] != *segment.as_bytes() {
            return Err(damaged(Fault::Ledger("segment")));
        }
        let record_bytes = u32_at(&header, HEADER_RECORD_BYTES);
        Ok(EntryFile {
            path: path.to_owned(),
            file,
            file_bytes,
            form: Form {
                record_bytes,
                framed: match found {
                    FORMAT_WITH_GONE | FORMAT_MERGED => None,
                    found => Some(found == FORMAT_FRAMED),
                },
                merged: found == FORMAT_MERGED,
            },
        })
    }

    /// Size of the records that its places are told in, in bytes.
    pub(crate) fn record_bytes(&self) -> u32 {
        self.form.record_bytes
    }

    /// Whether its entries are of compressed segments; `None` if it has none.
    pub(crate) fn is_framed(&self) -> Result<Option<bool>, EntriesError> {
        let at = HEADER_BYTES as u64;
        let mut window = Window::one_block();
        let Some((header, body_at)) = self.block_header(at, &mut window)? else {
            return Ok(None);
        };
        let body = window.get(self, body_at, header.body_bytes())?;
        let packed = header
            .check(body)
            .and_then(|()| super::columns::unpack(body, self.form.framed));
        Ok(Some(
            packed.map_err(|fault| self.damaged(at, fault))?.framed,
        ))
    }

    /// The receipts of a merged file, in the order of their numbers.
    pub(crate) fn members(&self) -> Result<Vec<Member>, EntriesError> {
        let trailer = self.trailer()?;
        let footer = self.footer(&trailer)?;
        trailer
            .read_members(&footer)
            .map_err(|fault| self.damaged(trailer.footer_at, fault))
    }

    /// What the footer says in short.
    pub(crate) fn outline(&self) -> Result<Outline, EntriesError> {
        let trailer = self.trailer()?;
        let footer = self.footer(&trailer)?;
        trailer
            .read_footer(&footer)
            .map_err(|fault| self.damaged(trailer.footer_at, fault))
    }

    fn footer(&self, trailer: &Trailer) -> Result<Vec<u8>, EntriesError> {
        let footer_end = self.file_bytes - TRAILER_BYTES as u64;
        let mut footer = vec![0; (footer_end - trailer.footer_at) as usize];
        self.read(&mut footer, trailer.footer_at, "footer")?;
        Ok(footer)
    }

    fn trailer(&self) -> Result<Trailer, EntriesError> {
        let at = self.file_bytes - TRAILER_BYTES as u64;
        let mut bytes = [0; TRAILER_BYTES];
        self.read(&mut bytes, at, "trailer")?;
        Trailer::decode(&bytes, self.file_bytes).map_err(|fault| self.damaged(at, fault))
    }

    /// The block at `at` and the offset after it; `None` if the footer begins there.
    fn block(
        &self,
        at: u64,
        asked: Asked<'_>,
        window: &mut Window,
    ) -> Result<Option<(Look, u64)>, EntriesError> {
        let Some((header, body_at)) = self.block_header(at, window)? else {
            return Ok(None);
        };
        let body = window.get(self, body_at, header.body_bytes())?;
        let block = Block::decode(&header, body, self.form, asked);
        let block = block.map_err(|fault| self.damaged(at, fault))?;
        Ok(Some((block, body_at + body.len() as u64)))
    }

    /// The header of the block at `at` and where its body begins; `None` if the footer begins
    /// there.
    pub(super) fn block_header(
        &self,
        at: u64,
        window: &mut Window,
    ) -> Result<Option<(BlockHeader, u64)>, EntriesError> {
        let mut header = [0; BLOCK_HEADER_BYTES];
        header.copy_from_slice(window.get(self, at, BLOCK_HEADER_BYTES)?);
        if header[..FOOTER_MAGIC.len()] == FOOTER_MAGIC {
            // A forged magic would end the file early and hide what follows.
            return match self.trailer()?.footer_at == at {
                true => Ok(None),
                false => Err(self.damaged(at, Fault::Magic("block"))),
            };
        }
        let header = BlockHeader::new(header).map_err(|fault| self.damaged(at, fault))?;
        Ok(Some((header, at + BLOCK_HEADER_BYTES as u64)))
    }

    /// Whether it is of a compressed segment; `None` if only the blocks tell.
    pub(super) fn framed(&self) -> Option<bool> {
        self.form.framed
    }

    fn read(&self, out: &mut [u8], at: u64, what: &'static str) -> Result<(), EntriesError> {
        self.file
            .read_exact_at(out, at)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => self.damaged(at, Fault::Truncated(what)),
                _ => EntriesError::Io {
                    path: self.path.clone(),
                    source,
                },
            })
    }

    pub(super) fn damaged(&self, at: u64, fault: Fault) -> EntriesError {
        EntriesError::Damaged {
            path: self.path.clone(),
            at,
            fault,
        }
    }
}

/// A stretch of a file in memory, so that blocks that follow one another are read together.
#[derive(Debug, Default)]
pub(super) struct Window {
    at: u64,
    bytes: Vec<u8>,
    /// At least so much is read.
    ahead_bytes: usize,
}

impl Window {
    /// For one block, which is seldom longer.
    fn one_block() -> Window {
        Window {
            ahead_bytes: 16 * 1024,
            ..Window::default()
        }
    }

    /// For many blocks.
    pub(super) fn many_blocks() -> Window {
        Window {
            ahead_bytes: 256 * 1024,
            ..Window::default()
        }
    }

    /// Another file comes.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// So many bytes at `at`, which are no more than a block has.
    pub(super) fn get(
        &mut self,
        file: &EntryFile,
        at: u64,
        bytes: usize,
    ) -> Result<&[u8], EntriesError> {
        let inside = at >= self.at && at + bytes as u64 <= self.at + self.bytes.len() as u64;
        if !inside {
            let left = file.file_bytes.saturating_sub(at);
            let ahead = left.min(self.ahead_bytes as u64) as usize;
            self.bytes.resize(bytes.max(ahead), 0);
            self.at = at;
            file.read(&mut self.bytes, at, "block")?;
        }
        let begin = (at - self.at) as usize;
        Ok(&self.bytes[begin..begin + bytes])
    }
}

/// Compares a file with what the ledger says of it, length and digest.
pub(crate) fn matches(path: &Path, expected: &EntryFileRef) -> Result<(), EntriesError> {
    let io = |source| EntriesError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut digest = blake3::Hasher::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        bytes += read as u64;
    }
    let damaged = |what| {
        let fault = Fault::Ledger(what);
        Err(EntriesError::Damaged {
            path: path.to_owned(),
            at: 0,
            fault,
        })
    };
    if bytes != expected.bytes {
        return damaged("length of the file");
    }
    if digest.finalize().to_hex().as_str() != expected.digest {
        return damaged("digest of the file");
    }
    Ok(())
}

/// Entries of one file from a block on, in directory order. Opens the file for each block and
/// holds one block, so that thousands of stretches may stand open at once.
#[derive(Debug)]
pub(crate) struct Stretch {
    path: PathBuf,
    segment: Uuid,
    /// Of a merged file the entries of this receipt alone.
    receipt: Option<u32>,
    next_at: u64,
    block_at: u64,
    block: Option<Box<Block>>,
}

impl Stretch {
    /// From the block at `at` on.
    pub(crate) fn new(path: PathBuf, segment: Uuid, at: u64) -> Stretch {
        Stretch {
            path,
            segment,
            receipt: None,
            next_at: at,
            block_at: at,
            block: None,
        }
    }

    /// From the first block on.
    pub(crate) fn whole(path: PathBuf, segment: Uuid) -> Stretch {
        Stretch::new(path, segment, HEADER_BYTES as u64)
    }

    /// Of a merged file those of the receipt of this number.
    #[must_use]
    pub(crate) fn of_receipt(self, number: u32) -> Stretch {
        Stretch {
            receipt: Some(number),
            ..self
        }
    }

    /// Number of the receipt, in a merged file, of the entry that came last; else 0.
    pub(crate) fn receipt(&self) -> u32 {
        self.block.as_ref().map_or(0, |block| block.receipt())
    }

    /// That the file has another number of entries than the ledger says.
    pub(crate) fn miscounted(&self) -> EntriesError {
        EntriesError::Damaged {
            path: self.path.clone(),
            at: 0,
            fault: Fault::Ledger("count of entries"),
        }
    }

    /// The next entry. After an error the stretch is of no further use.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, EntriesError> {
        self.next_of(None, &mut |next_at| Some(next_at))
    }

    /// The next entry of a wanted name. Blocks without are passed over.
    pub(crate) fn next_near(&mut self, wanted: &dyn Wanted) -> Result<Option<Entry>, EntriesError> {
        self.next_of(Some(wanted), &mut |next_at| Some(next_at))
    }

    /// The next entry of a wanted name in blocks that were found to have some: `next_found` is
    /// where the next is, `None` if there is none.
    pub(crate) fn next_found(
        &mut self,
        wanted: &dyn Wanted,
        mut next_found: impl FnMut() -> Option<u64>,
    ) -> Result<Option<Entry>, EntriesError> {
        self.next_of(Some(wanted), &mut |_| next_found())
    }

    /// The next entry; `next_block` is where the next block to look at is, given where the one
    /// read last ends.
    fn next_of(
        &mut self,
        names: Option<&dyn Wanted>,
        next_block: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<Option<Entry>, EntriesError> {
        let asked = Asked {
            names,
            receipt: self.receipt,
        };
        loop {
            if let Some(block) = &mut self.block {
                let next = block.next_entry(asked);
                let next = next.map_err(|fault| EntriesError::Damaged {
                    path: self.path.clone(),
                    at: self.block_at,
                    fault,
                })?;
                if next.is_some() || block.is_past() {
                    return Ok(next);
                }
            }
            self.block = None;
            let mut open = None;
            let mut window = Window::one_block();
            while self.block.is_none() {
                let Some(block_at) = next_block(self.next_at) else {
                    return Ok(None);
                };
                let file = match &open {
                    Some(file) => file,
                    None => open.insert(EntryFile::open(&self.path, &self.segment)?),
                };
                self.block_at = block_at;
                let Some((look, next_at)) = file.block(block_at, asked, &mut window)? else {
                    return Ok(None);
                };
                self.next_at = next_at;
                match look {
                    Look::Block(block) => self.block = Some(block),
                    Look::Nothing => {}
                    Look::Past => return Ok(None),
                }
            }
        }
    }
}
