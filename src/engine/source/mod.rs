//! The sources of an archive run, each read once: files and directories, walked in order or as
//! a list names them, and the streams that commands write (`docs/sources.md`).
//!
//! Invariants of walks: nothing outside the roots is archived; symbolic links are never followed;
//! a directory comes before what it holds and entries come in bytewise order; a file's
//! data has exactly the size that its member declares, whatever happens to the file.
//!
//! Knows nothing of tapes.

mod again;
mod base;
mod command;
mod directory;
mod exclude;
mod feed;
mod file;
mod footprint;
mod growing;
mod inode;
mod known;
mod links;
mod list;
mod look;
mod measure;
mod owners;
mod place;
mod pour;
mod remark;
mod roots;
mod seen;
mod sparse;
mod stream;
mod tar_stream;
mod unpack;
mod visit;
mod walk;
mod xattrs;

pub use again::{LinkTo, Rereader};
pub use base::{Base, Compared, KnownKind, KnownName, KnownVersion, Listing};
pub use exclude::Excludes;
pub use feed::{CommandSource, Feed, Rules, Source, check};
pub(in crate::engine) use feed::{Opened, Streams, is_streamed, paths, selection};
pub use file::{FileReader, ReadEnd};
pub(in crate::engine) use growing::{Growing, part_bytes};
pub use known::{FileState, Known};
pub use list::FileList;
pub use look::{Leaves, Looked, Looker, Settled};
pub use measure::{Measure, Seen, measure, survey};
pub(crate) use place::is_at_or_below;
pub use pour::{CommandEnd, Pour, Unwanted};
pub use remark::{Remark, Severity};
pub(in crate::engine) use tar_stream::SMALL_FILE_BYTES;
pub use visit::Object;
pub use walk::{Found, LEAVES_MAX, Selection, Step, Walk};
