//! Goes through the blocks of a file for those that have wanted names, and reads no more of them.

use std::path::Path;

use uuid::Uuid;

use super::HEADER_BYTES;
use super::block::BlockHeader;
use super::error::EntriesError;
use super::names::{Names, Seen, Wanted};
use super::reader::{EntryFile, Window};

/// So many blocks are looked at in one go: some milliseconds.
const BLOCKS_AT_ONCE: usize = 256;

/// What one go through a file came to.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Offsets of blocks that may have wanted names, in order. What is damaged is among them: who
    /// reads it meets the damage.
    pub(crate) found: Vec<u64>,
    /// Where to go on; `None` at the end.
    pub(crate) next_at: Option<u64>,
}

/// Memory for one go after another.
#[derive(Debug)]
pub(crate) struct Scanner {
    window: Window,
    column: Vec<u8>,
    names: Names,
}

impl Scanner {
    pub(crate) fn new() -> Scanner {
        Scanner {
            window: Window::many_blocks(),
            column: Vec::new(),
            names: Names::default(),
        }
    }

    /// Goes through some blocks of a file from `at` on (`None`: the first), until `enough` have
    /// wanted names.
    pub(crate) fn scan(
        &mut self,
        path: &Path,
        segment: &Uuid,
        at: Option<u64>,
        wanted: &dyn Wanted,
        enough: usize,
    ) -> Scanned {
        let mut scanned = Scanned::default();
        let mut at = at.unwrap_or(HEADER_BYTES as u64);
        self.window.forget();
        let gone_through = EntryFile::open(path, segment)
            .and_then(|file| self.go_through(&file, &mut at, wanted, (&mut scanned.found, enough)));
        match gone_through {
            Ok(at_end) => scanned.next_at = (!at_end).then_some(at),
            Err(_) => scanned.found.push(at),
        }
        scanned
    }

    /// Whether the end was reached. `at` is moved past each block that was looked at.
    fn go_through(
        &mut self,
        file: &EntryFile,
        at: &mut u64,
        wanted: &dyn Wanted,
        (found, enough): (&mut Vec<u64>, usize),
    ) -> Result<bool, EntriesError> {
        for _ in 0..BLOCKS_AT_ONCE {
            let Some((seen, next_at)) = self.look(file, *at, wanted)? else {
                return Ok(true);
            };
            match seen {
                Seen::Wanted => found.push(*at),
                Seen::Nothing => {}
                Seen::Past => return Ok(true),
            }
            *at = next_at;
            if found.len() >= enough {
                break;
            }
        }
        Ok(false)
    }

    fn look(
        &mut self,
        file: &EntryFile,
        at: u64,
        wanted: &dyn Wanted,
    ) -> Result<Option<(Seen, u64)>, EntriesError> {
        let Some((header, body_at)) = file.block_header(at, &mut self.window)? else {
            return Ok(None);
        };
        let body = self.window.get(file, body_at, header.body_bytes())?;
        let next_at = body_at + body.len() as u64;
        let seen = look_at(
            &header,
            body,
            file.framed(),
            wanted,
            &mut self.column,
            &mut self.names,
        );
        Ok(Some((
            seen.map_err(|fault| file.damaged(at, fault))?,
            next_at,
        )))
    }
}

fn look_at(
    header: &BlockHeader,
    body: &[u8],
    framed: Option<bool>,
    wanted: &dyn Wanted,
    column: &mut Vec<u8>,
    names: &mut Names,
) -> Result<Seen, super::Fault> {
    header.check(body)?;
    super::columns::unpack(body, framed)?.paths_into(column)?;
    names.look(column, header.entries(), wanted)
}
