//! The record of a rescue, [`RECORD`] in the directory of its tape: a line of JSON for each object
//! that was saved, or not, and what proves it. A later rescue finds in it the parts of files that
//! go on on its own tape.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::units::TapeFile;
use crate::volume::index::{Digest, DigestAlgorithm};
use crate::volume::json_bytes::{bytes, text_or_base64};
use crate::volume::member::{FileTime, Part};

/// Its name.
pub const RECORD: &str = "rescued.jsonl";
/// A longer line is none of ours: two names of 64 KiB in base64.
const LINE_MOST_BYTES: u64 = 256 << 10;

/// What is known of a saved object's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// It has the digest that it was archived with.
    Digest,
    /// Each of its bytes was read without an error, up to the length that its header says.
    Length,
    /// It is not as it was archived, or did not come.
    None,
}

/// Which file a part is of, as far as tapes tell. Two parts that agree in it are of the same file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Whole {
    /// The path of the file.
    pub(super) path: Vec<u8>,
    /// The run that archived it, if the segment's first header was read.
    pub(super) job: Option<Uuid>,
    pub(super) mtime: FileTime,
    /// Its size; `None` if nobody knew it when the part was written.
    pub(super) size_bytes: Option<u64>,
}

/// An object that was saved.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) file: TapeFile,
    /// Its name on tape, and the one that it has in the directory of its tape file.
    pub(super) path: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) what: What,
}

/// What it is.
#[derive(Debug)]
pub(super) enum What {
    File {
        /// Its size, or that of the part.
        size_bytes: u64,
        /// What it was read as.
        digest: Option<(DigestAlgorithm, Digest)>,
        part: Option<(Part, Whole)>,
    },
    /// A further name of this one.
    Hardlink(Vec<u8>),
    /// Anything without content.
    Other,
}

/// A part that was saved, where its bytes are.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) whole: Whole,
    pub(super) part: Part,
    pub(super) proof: Proof,
    /// The directory of the tape, and the tape file.
    pub(super) tape: PathBuf,
    pub(super) file: TapeFile,
    /// The file of it that has the bytes, from `at_bytes` on.
    pub(super) name: Vec<u8>,
    pub(super) at_bytes: u64,
}

/// The file that has the bytes of all parts of one. As long as it has the name of a part, that is
/// all that it lacks.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// The directory of the tape, and the tape file.
    pub(super) tape: PathBuf,
    pub(super) file: TapeFile,
    pub(super) name: Vec<u8>,
    pub(super) size_bytes: u64,
    pub(super) proof: Proof,
}

impl Done {
    /// The directory of the tape file.
    pub(super) fn directory(&self) -> PathBuf {
        self.tape.join(file_directory(self.file))
    }

    /// Whether a part came in this file.
    pub(super) fn is_in_file_of(&self, piece: &Piece) -> bool {
        (&self.name, self.file, &self.tape) == (&piece.name, piece.file, &piece.tape)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    file: u64,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    /// Its name in the directory of the tape file, if that is another.
    #[serde(rename = "as", borrow, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "as_base64", skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    proof: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartLine>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    joined: bool,
}

/// A part, or of which file all parts were joined.
#[derive(Debug, Serialize, Deserialize)]
struct PartLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Uuid>,
    mtime: (i64, u32),
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<u64>,
    number: u32,
    offset: u64,
    size: u64,
    last: bool,
    /// Where in the file that has it.
    #[serde(default)]
    at: u64,
}

impl PartLine {
    fn new(whole: &Whole, part: Part, at: u64) -> Self {
        Self {
            job: whole.job,
            mtime: (whole.mtime.seconds, whole.mtime.nanoseconds),
            whole: whole.size_bytes,
            number: part.number,
            offset: part.offset_bytes,
            size: part.length_bytes,
            last: part.last,
            at,
        }
    }

    fn whole(&self, path: Vec<u8>) -> Whole {
        Whole {
            path,
            job: self.job,
            mtime: FileTime {
                seconds: self.mtime.0,
                nanoseconds: self.mtime.1,
            },
            size_bytes: self.whole,
        }
    }

    fn part(&self) -> Part {
        Part {
            number: self.number,
            offset_bytes: self.offset,
            length_bytes: self.size,
            last: self.last,
            open: self.whole.is_none(),
        }
    }
}

impl<'a> Line<'a> {
    fn new(file: TapeFile, path: &'a [u8], name: &'a [u8], proof: Proof) -> Self {
        let (text, path_base64) = text_or_base64(path);
        let (name, name_base64) = match name == path {
            true => (None, None),
            false => text_or_base64(name),
        };
        Line {
            file: file.0,
            path: text,
            path_base64,
            name,
            name_base64,
            size: None,
            proof,
            why: None,
            part: None,
            joined: false,
        }
    }
}

/// Writes the record.
#[derive(Debug)]
pub(super) struct Log {
    out: BufWriter<File>,
}

impl Log {
    /// Opens the record in the directory of a tape, to go on with it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(RECORD);
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true);
        let mut file = options.open(path)?;
        // What a power cut has left of a line is not to spoil the next one.
        let mut last = *b"\n";
        if let Some(at) = file.metadata()?.len().checked_sub(1) {
            file.read_exact_at(&mut last, at)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(Self {
            out: BufWriter::new(file),
        })
    }

    /// An object that was saved.
    pub(super) fn saved(&mut self, saved: &Saved, proof: Proof) -> io::Result<()> {
        let mut line = Line::new(saved.file, &saved.path, &saved.name, proof);
        if let What::File {
            size_bytes, part, ..
        } = &saved.what
        {
            line.size = Some(*size_bytes);
            let part = part.as_ref();
            line.part = part.map(|(part, whole)| PartLine::new(whole, *part, 0));
        }
        self.write(&line)
    }

    /// An object that was not saved as it was archived.
    pub(super) fn lost(
        &mut self,
        file: TapeFile,
        path: &[u8],
        kept_as: Option<&[u8]>,
        why: &str,
    ) -> io::Result<()> {
        let mut line = Line::new(file, path, kept_as.unwrap_or(path), Proof::None);
        line.why = Some(why.into());
        self.write(&line)
    }

    /// The bytes of a part are in the file `name` now, where they belong in the whole one.
    pub(super) fn moved(&mut self, file: TapeFile, piece: &Piece, name: &[u8]) -> io::Result<()> {
        let path = piece.part_name();
        let mut line = Line::new(file, &path, name, piece.proof);
        line.size = Some(piece.part.length_bytes);
        let at = piece.part.offset_bytes;
        line.part = Some(PartLine::new(&piece.whole, piece.part, at));
        self.write(&line)
    }

    /// All parts of a file are joined.
    pub(super) fn joined(&mut self, whole: &Whole, done: &Done) -> io::Result<()> {
        let mut line = Line::new(done.file, &whole.path, &done.name, done.proof);
        let part = Part {
            number: 0,
            offset_bytes: 0,
            length_bytes: done.size_bytes,
            last: true,
            open: whole.size_bytes.is_none(),
        };
        line.size = Some(done.size_bytes);
        line.part = Some(PartLine::new(whole, part, 0));
        line.joined = true;
        self.write(&line)
    }

    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)
    }

    /// Has it all on disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_data()
    }
}

impl Piece {
    /// The directory of the tape file.
    pub(super) fn directory(&self) -> PathBuf {
        self.tape.join(file_directory(self.file))
    }

    /// Whether one file has the bytes of both.
    pub(super) fn shares_file(&self, other: &Piece) -> bool {
        (&self.name, self.file, &self.tape) == (&other.name, other.file, &other.tape)
    }

    /// Where it ends in the whole file.
    pub(super) fn end_bytes(&self) -> u64 {
        let Part {
            offset_bytes,
            length_bytes,
            ..
        } = self.part;
        offset_bytes.saturating_add(length_bytes)
    }

    /// Its name on tape.
    pub(super) fn part_name(&self) -> Vec<u8> {
        crate::volume::tar::tape_name(&self.whole.path, Some(self.part)).into_owned()
    }
}

/// A file that was joined from its parts, and what came of that.
pub(super) type JoinedFile = (Whole, Done);

/// The parts that the record in the directory of a tape tells of, and the files that were joined
/// from theirs. A line that makes no sense is passed over: a power cut may have left it.
pub(super) fn parts(directory: &Path) -> io::Result<(Vec<Piece>, Vec<JoinedFile>)> {
    let mut record = BufReader::new(File::open(directory.join(RECORD))?);
    let (mut pieces, mut joined) = (Vec::new(), Vec::new());
    let mut text = Vec::new();
    loop {
        text.clear();
        if (&mut record)
            .take(LINE_MOST_BYTES)
            .read_until(b'\n', &mut text)?
            == 0
        {
            return Ok((pieces, joined));
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(&text) else {
            continue;
        };
        let (Some(part), Some(path)) = (&line.part, bytes(line.path, line.path_base64)) else {
            continue;
        };
        let name = bytes(line.name, line.name_base64);
        if line.joined {
            let done = Done {
                tape: directory.to_owned(),
                file: TapeFile(line.file),
                name: name.unwrap_or_else(|| path.clone()),
                size_bytes: part.size,
                proof: line.proof,
            };
            joined.push((part.whole(path), done));
            continue;
        }
        let suffix = crate::volume::tar::tape_name(b"", Some(part.part())).into_owned();
        let Some(of) = path.strip_suffix(suffix.as_slice()) else {
            continue;
        };
        pieces.push(Piece {
            whole: part.whole(of.to_vec()),
            part: part.part(),
            proof: line.proof,
            tape: directory.to_owned(),
            file: TapeFile(line.file),
            name: name.unwrap_or_else(|| path.clone()),
            at_bytes: part.at,
        });
    }
}

/// The directory of a tape file, in that of its tape.
pub(crate) fn file_directory(file: TapeFile) -> String {
    format!("file-{:05}", file.0)
}
