//! The source of an archive run: files and directories, walked in order and read once.
//!
//! Invariants: nothing outside the roots is archived; symbolic links are never followed;
//! a directory comes before what it holds and entries come in bytewise order; a file's
//! data has exactly the size that its member declares, whatever happens to the file.
//!
//! Knows nothing of tapes.

mod directory;
mod exclude;
mod file;
mod inode;
mod links;
mod measure;
mod owners;
mod remark;
mod roots;
mod sparse;
mod visit;
mod walk;
mod xattrs;

pub use exclude::Excludes;
pub use file::{FileReader, ReadEnd};
pub use measure::{Measure, measure};
pub use remark::{Remark, Severity};
pub use visit::Object;
pub use walk::{Selection, Walk};
