//! What a job archives, where to and how: one value, whoever makes it.

use std::path::PathBuf;
use std::time::Duration;

use super::compress::Compress;
use crate::engine::source::{CommandSource, FileList, Source};
use crate::jobs::catalog_copy::CatalogCopy;
use crate::jobs::retention::KeepFor;
use crate::jobs::{JobErrorKind, Level, Outcome};
use crate::units::ByteSize;
use crate::volume::index::DigestAlgorithm;

/// A job as it is asked for: from flags, from a file, or from a program. `docs/sources.md`
/// explains every field.
#[derive(Debug, Clone, Default)]
pub struct JobDescription {
    /// The job's name; `None` makes one of the first source's name and the date.
    pub name: Option<String>,
    /// The pool whose volumes are written.
    pub pool: String,
    /// The pool that gets a second copy from the same read, on a second drive.
    pub copy_pool: Option<String>,
    /// What to archive, in order.
    pub sources: Vec<Source>,
    /// What to leave out: globs; without a slash they match any name.
    pub excludes: Vec<String>,
    /// Do not cross into other file systems.
    pub one_file_system: bool,
    /// Bound of a segment; `None` is the default of the tape format, 32 GiB.
    pub segment_limit: Option<ByteSize>,
    /// Whether and how the data are compressed; `None` is not at all.
    pub compress: Option<Compress>,
    /// Threads that compress; `None` is one for each processor.
    pub compress_threads: Option<u16>,
    /// How the digests of files are made.
    pub digest: DigestAlgorithm,
    /// Memory for records that wait for the drive; `None` goes by the host's memory: see
    /// [`buffer::default_bytes`](super::buffer::default_bytes).
    pub buffer: Option<ByteSize>,
    /// Fill of the buffer at which the drive gets its first record, in per cent; `None` is
    /// the engine's own, as for the next.
    pub start_at: Option<u8>,
    /// Fill of the buffer at which the drive goes on after the source was too slow for it.
    pub resume_at: Option<u8>,
    /// What of the trees to archive.
    pub level: Level,
    /// The job to measure against, by name or identity; `None` is the last that suits.
    pub base: Option<String>,
    /// How long to keep the job; `None`: for ever, until `keep` says otherwise.
    pub keep: Option<KeepFor>,
    /// When a copy of the catalog is written behind it.
    pub catalog_copy: CatalogCopy,
    /// What to run before and after.
    pub hooks: Hooks,
    /// Goes on with this job (name or identity) instead of a new one: pools and patterns are those
    /// with which it began, whatever they are here. Without sources here, so are its paths; a job
    /// that had others needs all of them again.
    pub resume: Option<String>,
    /// With `resume`: the lists need not be those with which the job began; what they name now is
    /// archived.
    pub changed_lists: bool,
}

/// Commands around a job.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Run before anything is looked at; if it fails, no tape moves.
    pub before: Option<String>,
    /// Run at the end, however the job went.
    pub after: Option<String>,
    /// How long each may take; `None` is an hour.
    pub timeout: Option<Duration>,
    /// What the front end exits with, for `after`'s `TAPEWRIGHT_EXIT`; by the kind of the error
    /// that ended the job, if one did.
    pub exit_code: Option<fn(Outcome, Option<JobErrorKind>) -> u8>,
}

impl std::fmt::Debug for Hooks {
    /// Without the commands: they may hold what is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("before", &self.before.is_some())
            .field("after", &self.after.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl JobDescription {
    /// A job that archives files and directories to a pool.
    #[must_use]
    pub fn of_paths(paths: Vec<PathBuf>, pool: &str) -> Self {
        Self {
            pool: pool.to_owned(),
            sources: vec![Source::Paths(paths)],
            ..Self::default()
        }
    }

    /// True if all that it archives is found again by the paths it began with.
    pub(super) fn has_only_paths(&self) -> bool {
        let is_paths = |source: &Source| matches!(source, Source::Paths(_));
        self.sources.iter().all(is_paths)
    }

    /// The first source's last component and the date, such as `photos 2026-01-31`.
    pub(super) fn default_name(&self, roots: &[Vec<u8>], started_at: jiff::Timestamp) -> String {
        let path: &[u8] = match self.sources.first() {
            Some(Source::Paths(_)) | None => roots.first().map_or(b"", Vec::as_slice),
            Some(Source::List(FileList { from, .. })) if from.as_os_str() == "-" => b"list",
            Some(Source::List(FileList { from, .. })) => from.as_os_str().as_encoded_bytes(),
            Some(Source::Tar(CommandSource { place, .. }))
            | Some(Source::Command(CommandSource { place, .. })) => {
                place.trim_matches('/').as_bytes()
            }
        };
        let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let base = match base {
            b"" => "root".into(),
            base => String::from_utf8_lossy(base),
        };
        format!("{base} {}", started_at.strftime("%Y-%m-%d"))
    }
}
