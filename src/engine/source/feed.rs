//! All sources of a run, one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::again::Rereader;
use super::base::Base;
use super::exclude::Excludes;
use super::known::Known;
use super::list::{FileList, ListedRoots, Taken};
use super::place::{is_at_or_below, meets_none, place};
use super::pour::{CommandEnd, Pour, Unwanted, Watched};
use super::seen::Seen;
use super::stream::{Context, Form, StreamSource};
use super::walk::{Selection, Walk};
use crate::engine::EngineError;

/// A source of a run.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// Files and directories, absolute or relative to the working directory, not followed
    /// where they are symbolic links. All paths of a run are walked together, where the first
    /// of them stands.
    Paths(Vec<PathBuf>),
    /// What a list names.
    List(FileList),
    /// A command that writes a tar archive; its members lie below the place.
    Tar(CommandSource),
    /// A command whose output becomes a file with the place as its name.
    Command(CommandSource),
}

/// A command with the place on tape of what it writes.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandSource {
    /// For `sh -c`.
    pub command: String,
    /// Archive path, with or without slashes at its ends.
    pub place: String,
    /// How long it may take; `None` as long as it wants.
    pub timeout: Option<Duration>,
}

impl CommandSource {
    /// The archive path that its place says, if it says one.
    #[must_use]
    pub fn archive_path(&self) -> &[u8] {
        self.place.trim_matches('/').as_bytes()
    }
}

impl std::fmt::Debug for CommandSource {
    /// Without the command: it may hold what is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandSource")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Paths(paths) => f.debug_tuple("Paths").field(paths).finish(),
            Source::List(list) => f.debug_tuple("List").field(list).finish(),
            Source::Tar(stream) => f.debug_tuple("Tar").field(stream).finish(),
            Source::Command(stream) => f.debug_tuple("Command").field(stream).finish(),
        }
    }
}

/// What is common to all sources of a run.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Patterns of what is left out; see [`Excludes`].
    pub excludes: Vec<String>,
    /// Do not enter directories on other file systems than their root's.
    pub one_file_system: bool,
    /// What is never archived, compared by device and inode.
    pub never: Vec<PathBuf>,
    /// What walks pass over, since it is archived already.
    pub known: Option<Arc<dyn Known>>,
    /// Places of streams that are archived whole already: their commands are not run.
    pub streams_done: Vec<Vec<u8>>,
    /// The bound of a segment: a part of a stream is shorter.
    pub segment_limit_bytes: u64,
}

/// The sources of a run, checked and ready to be read.
#[derive(Debug)]
pub struct Feed {
    roots: Vec<Vec<u8>>,
    pub(in crate::engine) sources: Vec<Opened>,
    streams: Streams,
}

/// A source ready to be read.
#[derive(Debug)]
pub(in crate::engine) enum Opened {
    /// Objects come one by one, each to be read by itself.
    Walk(Box<Walk>),
    /// Objects come in their order.
    Stream(Stream),
}

/// A stream of a feed.
#[derive(Debug)]
pub(in crate::engine) struct Stream(StreamSource);

/// What the streams of a feed share.
#[derive(Debug)]
pub(in crate::engine) struct Streams {
    context: Context,
    /// Objects of streams left out by a pattern.
    pub(in crate::engine) excluded: u64,
    /// How the commands ended so far.
    pub(in crate::engine) commands: Vec<CommandEnd>,
}

impl Streams {
    /// Runs the stream's command and hands on what it brings.
    pub(in crate::engine) fn pour(
        &mut self,
        stream: &Stream,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        let mut watched = Watched::new(sink);
        let mut end = stream.0.pour(&self.context, &mut watched)?;
        end.command.is_whole &= !watched.has_problem;
        self.excluded += end.excluded;
        self.commands.push(end.command);
        Ok(())
    }
}

/// Checks the sources without reading any, and gives the archive paths of what they cover:
/// paths, and the places of streams. A list covers nothing.
///
/// # Errors
///
/// [`EngineError::Nothing`] if there is no source, [`EngineError::Root`] for a path that does
/// not exist, [`EngineError::Plan`] for a list that cannot be opened, a malformed
/// pattern or place, and for places that meet.
pub fn check(sources: &[Source], rules: &Rules) -> Result<Vec<Vec<u8>>, EngineError> {
    Ok(Checked::new(sources, rules)?.roots)
}

/// Sources that make sense.
struct Checked {
    roots: Vec<Vec<u8>>,
    walk: Option<Walk>,
    streams: Vec<StreamSource>,
}

impl Checked {
    fn new(sources: &[Source], rules: &Rules) -> Result<Self, EngineError> {
        if sources.is_empty() {
            let what = "no source was given to archive".to_owned();
            return Err(EngineError::Nothing { what });
        }
        Excludes::new(&rules.excludes)?;
        let from_stdin = |source: &&Source| matches!(source, Source::List(list) if list.is_stdin());
        if sources.iter().filter(from_stdin).count() > 1 {
            let what = "standard input is named twice as a list, and can be read once".to_owned();
            return Err(EngineError::Plan { what });
        }
        let walk = match paths(sources) {
            None => None,
            Some(paths) => Some(Walk::new(&selection(paths, rules))?),
        };
        let mut roots = walk.as_ref().map(Walk::roots).unwrap_or_default();
        let mut streams = Vec::new();
        for source in sources {
            let (form, stream) = match source {
                Source::Paths(_) => continue,
                Source::List(list) => {
                    list.check()?;
                    continue;
                }
                Source::Tar(stream) => (Form::Tar, stream),
                Source::Command(stream) => (Form::File, stream),
            };
            let place = place(&stream.place)?;
            meets_none(&place, &roots)?;
            roots.push(place.clone());
            streams.push(StreamSource {
                form,
                command: stream.command.clone(),
                place,
                timeout: stream.timeout,
            });
        }
        Ok(Self {
            roots,
            walk,
            streams,
        })
    }
}

/// True if an archive path belongs to this source, and it is a stream.
pub(in crate::engine) fn is_streamed(source: &Source, path: &[u8]) -> bool {
    match source {
        Source::Paths(_) | Source::List(_) => false,
        Source::Tar(stream) | Source::Command(stream) => {
            is_at_or_below(path, stream.archive_path())
        }
    }
}

/// All paths of the sources, if there are any.
pub(in crate::engine) fn paths(sources: &[Source]) -> Option<Vec<PathBuf>> {
    let of_source = |source: &Source| match source {
        Source::Paths(paths) => Some(paths.clone()),
        _ => None,
    };
    let all: Vec<Vec<PathBuf>> = sources.iter().filter_map(of_source).collect();
    (!all.is_empty()).then(|| all.concat())
}

pub(in crate::engine) fn selection(sources: Vec<PathBuf>, rules: &Rules) -> Selection {
    Selection {
        sources,
        excludes: rules.excludes.clone(),
        one_file_system: rules.one_file_system,
        never: rules.never.clone(),
        known: rules.known.clone(),
    }
}

impl Feed {
    /// Checks the sources and opens the lists. Commands are ended once one of `stops` is up.
    ///
    /// # Errors
    ///
    /// As [`check`].
    pub fn open(
        sources: &[Source],
        rules: &Rules,
        stops: Vec<Arc<AtomicBool>>,
    ) -> Result<Self, EngineError> {
        let Checked {
            roots,
            mut walk,
            streams,
        } = Checked::new(sources, rules)?;
        let taken = Taken {
            walked: walk.as_ref().map(Walk::roots).unwrap_or_default(),
            streamed: streams.iter().map(|stream| stream.place.clone()).collect(),
        };
        let seen = Seen::default();
        let mut streams = streams.into_iter();
        let mut opened = Vec::with_capacity(sources.len());
        for source in sources {
            let source = match source {
                Source::Paths(_) => walk.take().map(|walk| Opened::Walk(Box::new(walk))),
                Source::List(list) => {
                    let roots = ListedRoots::open(list, taken.clone(), seen.clone())?;
                    let walk = Walk::of_list(roots, &selection(Vec::new(), rules))?;
                    Some(Opened::Walk(Box::new(walk)))
                }
                Source::Tar(_) | Source::Command(_) => {
                    let is_due = |one: &StreamSource| !rules.streams_done.contains(&one.place);
                    let stream = streams.next().filter(is_due);
                    stream.map(Stream).map(Opened::Stream)
                }
            };
            opened.extend(source);
        }
        Ok(Self {
            roots,
            sources: opened,
            streams: Streams {
                context: Context {
                    excludes: Excludes::new(&rules.excludes)?,
                    seen,
                    segment_limit_bytes: rules.segment_limit_bytes,
                    stops,
                },
                excluded: 0,
                commands: Vec::new(),
            },
        })
    }

    /// Measures the paths that are walked against `base`, before any was read. Lists and streams
    /// have none: what they bring is archived whole.
    ///
    /// # Errors
    ///
    /// [`EngineError::Base`].
    pub fn measure_against(&mut self, base: &dyn Base) -> Result<(), EngineError> {
        for source in &mut self.sources {
            if let Opened::Walk(walk) = source {
                walk.measure_against(base)?;
            }
        }
        Ok(())
    }

    /// Archive paths of what the sources cover.
    #[must_use]
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// Opens again what the walks will bring.
    #[must_use]
    pub fn rereader(&self) -> Rereader {
        let mut rereader = Rereader::default();
        for source in &self.sources {
            if let Opened::Walk(walk) = source {
                walk.add_to(&mut rereader);
            }
        }
        rereader
    }

    /// The sources in order, and what their streams share.
    pub(in crate::engine) fn into_parts(self) -> (Vec<Opened>, Streams) {
        (self.sources, self.streams)
    }
}
