//! Roots that a list names: in its order, each behind the directories above it.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, stdin};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FileType, access, lstat, stat};
use rustix::io::Errno;

use super::Remark;
use super::inode::Inode;
use super::place::is_at_or_below;
use super::roots::{Root, clean};
use super::seen::Seen;
use crate::engine::EngineError;

/// The longest name that is taken: what an archive path may have, and the slash before it.
const NAME_BYTES: u64 = 65_536;

/// A list of names to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    /// The file with the names; `-` is standard input.
    pub from: PathBuf,
    /// Names end in NUL, not in a newline.
    pub null: bool,
    /// A directory is archived with all below it.
    pub recursive: bool,
}

impl FileList {
    /// Makes sure that there is a list, without reading any of it.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        match self.is_stdin() {
            true => Ok(()),
            false => access(&self.from, Access::READ_OK).map_err(|errno| self.failed(errno.into())),
        }
    }

    /// BLAKE3 of the list as it is now; `None` for what can be read once only, as standard input
    /// and pipes are.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] if it cannot be read.
    pub fn digest(&self) -> Result<Option<blake3::Hash>, EngineError> {
        if self.is_stdin() {
            return Ok(None);
        }
        let failed = |error| self.failed(error);
        // A pipe would be opened by this for good.
        if !std::fs::metadata(&self.from).map_err(failed)?.is_file() {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(&self.from).map_err(failed)?;
        io::copy(&mut file, &mut hasher).map_err(failed)?;
        Ok(Some(hasher.finalize()))
    }

    /// True if the names come from standard input.
    pub(super) fn is_stdin(&self) -> bool {
        self.from == Path::new("-")
    }

    fn open(&self) -> Result<Box<dyn BufRead + Send>, EngineError> {
        if self.is_stdin() {
            return Ok(Box::new(BufReader::new(stdin())));
        }
        let file = File::open(&self.from).map_err(|error| self.failed(error))?;
        Ok(Box::new(BufReader::new(file)))
    }

    fn failed(&self, error: io::Error) -> EngineError {
        let list = self.from.display();
        let what = format!("the list of files {list} cannot be opened: {error}");
        EngineError::Plan { what }
    }
}

/// Archive paths that belong to another source of the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    /// They are walked anyway.
    pub(super) walked: Vec<Vec<u8>>,
    /// They are of a stream.
    pub(super) streamed: Vec<Vec<u8>>,
}

/// Gives the roots of a list, as they are read.
pub(super) struct ListedRoots {
    names: Box<dyn BufRead + Send>,
    list: FileList,
    working_directory: PathBuf,
    taken: Taken,
    pub(super) seen: Seen,
    /// The directories above the present name, then itself.
    waiting: VecDeque<Root>,
}

impl std::fmt::Debug for ListedRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = &self.list;
        f.debug_struct("ListedRoots")
            .field("list", list)
            .finish_non_exhaustive()
    }
}

impl ListedRoots {
    pub(super) fn open(list: &FileList, taken: Taken, seen: Seen) -> Result<Self, EngineError> {
        let here = std::env::current_dir().map_err(|source| EngineError::Root {
            path: PathBuf::from("."),
            source,
        })?;
        Ok(Self {
            names: list.open()?,
            list: list.clone(),
            working_directory: here,
            taken,
            seen,
            waiting: VecDeque::new(),
        })
    }

    /// The next root: a directory above a name, or a name.
    pub(super) fn next(
        &mut self,
        never: &HashSet<(u64, u64)>,
        remarks: &mut Vec<Remark>,
    ) -> Option<Root> {
        loop {
            if let Some(root) = self.waiting.pop_front() {
                return Some(root);
            }
            let name = self.name(remarks)?;
            self.prepare(&name, never, remarks);
        }
    }

    /// What lies below the root that came last, in this name, is not to be archived.
    pub(super) fn skip_below(&mut self) {
        self.waiting.clear();
    }

    /// The next name that is not empty.
    fn name(&mut self, remarks: &mut Vec<Remark>) -> Option<Vec<u8>> {
        let end = if self.list.null { 0 } else { b'\n' };
        loop {
            let mut name = Vec::new();
            let read = (&mut self.names)
                .take(NAME_BYTES)
                .read_until(end, &mut name);
            match read {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    let what = format!("the list of files cannot be read further: {error}");
                    remarks.push(Remark::problem(&archive_path(&self.list.from), what));
                    return None;
                }
            }
            let whole = name.pop_if(|byte| *byte == end).is_some();
            if !whole && name.len() as u64 == NAME_BYTES {
                name.truncate(80);
                let what = "a name in the list of files begins so and is too long";
                remarks.push(Remark::problem(&name, what));
                // A failure comes again with the next name.
                let _ = self.names.skip_until(end);
            } else if !name.is_empty() {
                return Some(name);
            }
        }
    }

    fn prepare(&mut self, name: &[u8], never: &HashSet<(u64, u64)>, remarks: &mut Vec<Remark>) {
        let path = clean(Path::new(OsStr::from_bytes(name)), &self.working_directory);
        let own = archive_path(&path);
        let within = |roots: &[Vec<u8>]| roots.iter().any(|root| is_at_or_below(&own, root));
        if within(&self.taken.walked) {
            return;
        }
        if within(&self.taken.streamed) {
            let what = "its place on tape is that of a stream of this job; it was left out";
            remarks.push(Remark::problem(&own, what));
            return;
        }
        if name.contains(&0) {
            remarks.push(Remark::problem(
                &own,
                "a name with a NUL in the list of files",
            ));
            return;
        }
        if let Err(errno) = lstat(&path) {
            let what = match errno {
                Errno::NOENT | Errno::NOTDIR => "it is in the list of files and not there".into(),
                errno => format!("it is in the list of files and cannot be examined: {errno}"),
            };
            remarks.push(Remark::problem(&own, what));
            return;
        }
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for directory in above
            .into_iter()
            .rev()
            .filter(|path| path.parent().is_some())
        {
            let state = stat(directory).map(Inode::from);
            if state.is_ok_and(|inode| never.contains(&inode.id())) {
                let what = "it belongs to the archive itself and was left out";
                remarks.push(Remark::note(&own, what));
                self.waiting.clear();
                return;
            }
            // A link stands for a directory elsewhere, and cannot have anything below it on tape.
            let is_directory = lstat(directory)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
            if is_directory && self.seen.contains(&archive_path(directory)) != Some(true) {
                self.waiting.push_back(Root {
                    path: directory.to_owned(),
                    descend: false,
                });
            }
        }
        if self.list.recursive || self.seen.contains(&own) != Some(true) {
            let descend = self.list.recursive;
            self.waiting.push_back(Root { path, descend });
        }
    }
}

fn archive_path(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec()
}
