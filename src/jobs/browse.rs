//! Browsing: directories as the catalog knows them, with how much lies below each.
//!
//! What is gone does not count. Nothing here holds more than one line of the answer for each level.

use std::ops::ControlFlow;

use catalogs::model::{FileTime, Kind};
use catalogs::{CatalogError, Child, Children, Hit, Totals, View};
use jiff::Timestamp;
use serde::Serialize;

use super::find::{kind_text, nothing_found, plain_path, volume_of};
use super::{ByteText, JobError, Site, catalog};

/// Where to look, and as of when.
#[derive(Debug, Clone, Default)]
pub struct BrowseOptions {
    /// Archive path as bytes; a leading slash does not count, nothing is the top.
    pub path: Vec<u8>,
    /// Only jobs that started at this time or before.
    pub as_of: Option<Timestamp>,
    /// Only what is on the tape with this barcode.
    pub on_tape: Option<String>,
    /// So many levels below the path are told; `None`: all. What is deeper counts all the same.
    pub depth: Option<usize>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Files, links, devices: all but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of regular files.
    pub bytes: u64,
    /// The latest modification of any but directories: seconds since 1970-01-01 UTC, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<(i64, u32)>,
}

impl From<Totals> for Sum {
    fn from(totals: Totals) -> Sum {
        Sum {
            files: totals.files,
            directories: totals.directories,
            bytes: totals.bytes,
            newest: totals.newest.map(pair),
        }
    }
}

fn pair(time: FileTime) -> (i64, u32) {
    (time.seconds, time.nanoseconds)
}

/// One line of a listing or a tree.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Archive path, without leading slash.
    pub path: ByteText,
    /// As in the tape format: `file`, `dir` and so on.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Levels below the path that was asked for; 1 for what is directly in it.
    pub depth: usize,
    /// Size of a file in bytes, of a directory all that is below it.
    pub size_bytes: u64,
    /// Permission bits; none of a directory that only what is below it tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Owner's name, or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Group's name, or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Last modification: seconds since 1970-01-01 UTC and nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime: Option<(i64, u32)>,
    /// Text of a symbolic link, or archive path that a hard link shares its file with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<ByteText>,
    /// Of a directory, what lies below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<Sum>,
    /// Barcodes of the tapes that the newest version is on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tapes: Vec<String>,
}

impl Listed {
    fn new(child: Child, depth: usize) -> Listed {
        let is_directory = child.is_directory();
        let file_bytes = child.size_bytes();
        let below = Sum::from(child.below);
        let held = child.held.first().map(|hit| &hit.entry);
        let named = |name: &str, number: u32| match name {
            "" => number.to_string(),
            name => name.to_owned(),
        };
        let is_link = |kind| matches!(kind, Kind::Symlink | Kind::Hardlink);
        Listed {
            kind: held.map_or("dir", |entry| kind_text(entry.kind)),
            depth,
            size_bytes: match is_directory {
                true => below.bytes,
                false => file_bytes,
            },
            mode: held.map(|entry| entry.mode),
            user: held.map(|entry| named(&entry.user, entry.uid)),
            group: held.map(|entry| named(&entry.group, entry.gid)),
            mtime: held.map(|entry| pair(entry.mtime)),
            link: held
                .filter(|entry| is_link(entry.kind))
                .map(|entry| ByteText(entry.link_target.clone())),
            below: is_directory.then_some(below),
            tapes: tapes(&child.held),
            path: ByteText(child.path),
        }
    }
}

/// Barcodes of the volumes with any of these entries, each once.
pub(super) fn tapes(held: &[Hit]) -> Vec<String> {
    let barcode = |hit: &Hit| hit.volume.label.what.barcode.clone();
    let mut tapes: Vec<String> = held.iter().map(barcode).collect();
    tapes.sort();
    tapes.dedup();
    tapes
}

/// What one directory and all that is below it comes to.
#[derive(Debug, Clone, Serialize)]
pub struct Used {
    /// Archive path, without leading slash; empty: everything.
    pub path: ByteText,
    /// What lies below it.
    #[serde(flatten)]
    pub below: Sum,
}

/// Tells what is directly in the path, by name, each with what lies below it; of a file the file.
/// Says how many lines there were.
///
/// # Errors
///
/// Nothing is there, the user stopped it, or what the catalog says. An entry file that is damaged
/// hides what it holds: all the rest is told first.
pub fn list(
    site: Site<'_>,
    options: &BrowseOptions,
    each: &mut dyn FnMut(Listed) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let options = BrowseOptions {
        depth: Some(1),
        ..options.clone()
    };
    tree(site, &options, each)
}

/// Tells what is directly in the path, as [`list`] does, without what lies below each: directories
/// have no size and no `below`. Costs as much as is in the path, however much lies below. An empty
/// directory is no error. By name; directories of which only what lies below tells come last.
///
/// # Errors
///
/// As [`list`].
pub fn names(
    site: Site<'_>,
    options: &BrowseOptions,
    each: &mut dyn FnMut(Listed) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let browsing = Browsing::begin(site, options)?;
    let mut told = Told::default();
    let mut is_empty_directory = false;
    browsing.view(|view| {
        let top = plain_path(&options.path)?;
        let mut ended = Ok(());
        view.names(top, &mut |child| match told.sort(child) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(child)) => {
                told.count += 1;
                let listed = Listed::new(child, 1);
                each(Listed {
                    below: None,
                    ..listed
                })
            }
            Err(error) => {
                ended = Err(error);
                ControlFlow::Break(())
            }
        })?;
        ended?;
        if told.count == 0
            && let Some(itself) = entry(view, top)?
        {
            is_empty_directory = itself.is_directory();
            if !is_empty_directory {
                told.count = 1;
                let _ = each(Listed::new(itself, 0));
            }
        }
        Ok(())
    })?;
    match is_empty_directory {
        true => told.whole(),
        false => told.finish(&browsing, options),
    }
}

/// As [`list`], and what is in the directories, each below its own line.
///
/// # Errors
///
/// As [`list`].
pub fn tree(
    site: Site<'_>,
    options: &BrowseOptions,
    each: &mut dyn FnMut(Listed) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let browsing = Browsing::begin(site, options)?;
    let mut told = Told::default();
    browsing.view(|view| {
        let top = plain_path(&options.path)?;
        let mut open: Vec<Children> = vec![view.children(top)];
        while let Some(children) = open.last_mut() {
            let Some(child) = children.next() else {
                open.pop();
                continue;
            };
            let Some(child) = told.sort(child)? else {
                continue;
            };
            let depth = open.len();
            let deeper = options.depth.is_none_or(|most| depth < most);
            let inside = (child.is_directory() && deeper).then(|| child.path.clone());
            told.count += 1;
            if each(Listed::new(child, depth)).is_break() {
                return Ok(());
            }
            if let Some(directory) = inside {
                open.push(view.children(&directory));
            }
        }
        if told.count == 0
            && let Some(file) = entry(view, top)?
        {
            told.count = 1;
            let _ = each(Listed::new(file, 0));
        }
        Ok(())
    })?;
    told.finish(&browsing, options)
}

/// What has this path itself, and nothing below it.
fn entry(view: &View<'_>, path: &[u8]) -> Result<Option<Child>, CatalogError> {
    let child = |held| Child {
        path: path.to_vec(),
        held,
        below: Totals::default(),
    };
    Ok(view.entry(path)?.map(child))
}

/// Tells how much lies below each directory at or below the path, a directory after what is in it.
/// Says how many there were.
///
/// # Errors
///
/// As [`list`].
pub fn usage(
    site: Site<'_>,
    options: &BrowseOptions,
    each: &mut dyn FnMut(Used) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let browsing = Browsing::begin(site, options)?;
    let mut told = Told::default();
    browsing.view(|view| {
        let top = plain_path(&options.path)?;
        for usage in view.usage(top) {
            let Some(usage) = told.sort(usage)? else {
                continue;
            };
            told.count += 1;
            if options
                .depth
                .is_some_and(|most| levels(top, &usage.path) > most)
            {
                continue;
            }
            let used = Used {
                path: ByteText(usage.path),
                below: usage.below.into(),
            };
            if each(used).is_break() {
                break;
            }
        }
        Ok(())
    })?;
    told.finish(&browsing, options)
}

/// Levels from `top` down to `path`, which is at or below it.
fn levels(top: &[u8], path: &[u8]) -> usize {
    let rest = &path[top.len()..];
    let slashes = rest.iter().filter(|byte| **byte == b'/').count();
    slashes + usize::from(top.is_empty() && !path.is_empty())
}

/// An open catalog with the question put to it.
struct Browsing<'a> {
    catalog: catalog::Opened<'a>,
    options: catalogs::FindOptions,
}

impl<'a> Browsing<'a> {
    fn begin(site: Site<'a>, options: &BrowseOptions) -> Result<Browsing<'a>, JobError> {
        let catalog = catalog::open_to_search(site)?;
        let options = catalogs::FindOptions {
            all_versions: false,
            as_of: options.as_of,
            on_volume: volume_of(&catalog, options.on_tape.as_deref())?,
            expired: false,
        };
        Ok(Browsing { catalog, options })
    }

    fn view(&self, ask: impl FnOnce(&View<'_>) -> Result<(), JobError>) -> Result<(), JobError> {
        ask(&self.catalog.view(&self.options)?)
    }
}

/// How many lines there were, and what kept some from being there.
#[derive(Default)]
pub(super) struct Told {
    pub(super) count: u64,
    damage: Option<CatalogError>,
}

impl Told {
    /// An item; `None` for what cannot be read, which is told at the end.
    pub(super) fn sort<T>(&mut self, item: Result<T, CatalogError>) -> Result<Option<T>, JobError> {
        match item {
            Ok(item) => Ok(Some(item)),
            Err(CatalogError::Stopped) => Err(JobError::Stopped),
            Err(error) => {
                self.damage.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// The count, unless something was not read.
    pub(super) fn whole(self) -> Result<u64, JobError> {
        match self.damage {
            Some(error) => Err(error.into()),
            None => Ok(self.count),
        }
    }

    fn finish(self, browsing: &Browsing<'_>, options: &BrowseOptions) -> Result<u64, JobError> {
        match self.whole()? {
            0 => {
                let path = format!("/{}", String::from_utf8_lossy(plain_path(&options.path)?));
                Err(nothing_found(&browsing.catalog, vec![path], options.as_of)?)
            }
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn levels_are_counted_from_the_path_that_was_asked_for() {
        for (top, path, expected) in [
            ("", "", 0),
            ("", "a", 1),
            ("", "a/b", 2),
            ("a", "a", 0),
            ("a", "a/b", 1),
            ("a/b", "a/b/c/d", 2),
        ] {
            assert_eq!(levels(top.as_bytes(), path.as_bytes()), expected, "{path}");
        }
    }
}
