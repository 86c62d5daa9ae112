//! Layer 6: jobs: mounts volumes, picks them, commits receipts to the catalog.
//!
//! Each command of the front ends is one free function here: options in, a serialisable
//! summary out. Front ends add words and nothing else.
//!
//! Invariants:
//!
//! - nothing is written to a tape before barcode, cartridge memory, label, position and
//!   catalog agreed ([`JobError`] names what did not);
//! - receipts reach the catalog through one function, whoever read or wrote the segment;
//! - drives, volumes and the changer have one owner at a time, also between processes.
//!
//! What this layer does not know: the terminal, the words of a message box, SCSI commands.

mod allocate;
mod append_check;
pub mod archive;
pub mod at_risk;
pub mod browse;
mod catalog;
pub mod catalog_copy;
pub mod compact;
mod convert;
pub mod copy;
mod cut_off;
pub mod doctor;
pub mod dump;
pub mod duplicates;
mod ends;
mod engine_error;
mod error;
pub mod find;
pub mod history;
mod interrupted;
mod known;
pub mod label;
pub mod library;
mod lock;
mod mount;
pub mod moves;
mod operator;
pub mod places;
pub mod portable;
pub mod rebuild;
pub mod rescue;
pub mod restore;
pub mod retention;
mod source;
pub mod state;
pub mod tape_check;
pub mod tapes;
pub mod verify;
pub mod whereabouts;
mod which;
mod who;

use crate::clock::Clock;
use crate::monitor::Monitor;
use crate::transport::tap::Tap;

pub use catalogs::model::event::{Level, Outcome, VolumeState};
pub use catalogs::model::problem::{Problem, Problems};
pub use catalogs::model::text::ByteText;
pub use error::{
    BaseError, FailedTape, Failure, JobError, JobErrorKind, LabellingError, MailSlotError,
    RetentionError, WhichError,
};
pub use operator::{MailRequest, NoOperator, Operator, Reply, TapeRequest};
pub use state::StateDir;

/// Name and version of this software, as written to labels, indexes and the catalog.
pub const SOFTWARE: &str = concat!("tapewright ", env!("CARGO_PKG_VERSION"));

/// What every job needs from its front end.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Where configuration, catalog and locks are.
    pub state: &'a StateDir,
    /// Time and identities.
    pub clock: &'a dyn Clock,
    /// Hears progress and problems, and says when to stop.
    pub monitor: &'a dyn Monitor,
    /// Does by hand what no changer does.
    pub operator: &'a dyn Operator,
    /// Sees every SCSI command and its answer: see [`library::trace_to`].
    pub trace: Option<&'a Tap>,
}
