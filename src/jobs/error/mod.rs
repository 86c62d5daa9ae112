//! Why a job could not be done: what happened, to which tape or drive, what is safe, and
//! what to do next.
//!
//! `Display` says what happened and what was kept safe, [`JobError::advice`] what to do,
//! [`JobError::kind`] which sort of help is needed (front ends make exit codes of it).

mod advice;
mod base;
mod device;
mod failure;
mod kind;
mod labelling;
mod mail_slots;
mod restore;
mod retention;
mod unread;
mod which;
mod words;

pub(crate) use advice::ANOTHER_CATALOG;
pub use base::BaseError;
use catalogs::model::event::OutsidePlace;
pub use failure::{FailedTape, Failure};
use jiff::Timestamp;
pub use kind::JobErrorKind;
pub use labelling::LabellingError;
pub use mail_slots::MailSlotError;
pub use restore::RestoreError;
pub use retention::RetentionError;
use std::io;
use std::path::PathBuf;
pub use unread::UnreadError;
pub(super) use unread::{Under, told};
use uuid::Uuid;
pub use which::WhichError;
pub(super) use words::labels_unread;
use words::{
    after_write_failure, claimed_twice, found_text, list, missing_text, nothing_found, now_text,
    pid_text, without_segments,
};

use super::{Outcome, library::Misplaced, state::StateError};
use crate::changer::ChangerError;
use crate::drive::DriveError;
use crate::engine::EngineError;
use crate::transport::TransportError;
use crate::volume::VolumeError;

/// A job that could not be done.
///
/// Unless a variant says otherwise nothing was written to any tape. Those that only a job that
/// writes meets say so; of the others [`JobError::is_before_writing`] tells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file of this machine.
    #[error("{action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The options contradict each other or are out of bounds.
    #[error("{what}")]
    Request {
        /// What is wrong with them, as a sentence without a final full stop.
        what: String,
    },
    /// A simulated library could not be made or used.
    #[cfg(feature = "sim")]
    #[error("simulated library in {}", dir.display())]
    Simulator {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: tape_sim::error::SimError,
    },
    /// A simulated library was to be made where one is. It was left as it is.
    #[error("there is a simulated library in {} already; it was left as it is", dir.display())]
    SimulatedAlready {
        /// Its directory.
        dir: PathBuf,
    },
    /// This build has no simulator.
    #[error("the library in {} is simulated, and this build has no simulator", dir.display())]
    NoSimulator {
        /// The library's directory.
        dir: PathBuf,
    },
    /// A drive's serial number is in no drive element of the changer.
    #[error("drive {drive} (serial number {serial}) is not a drive of changer {changer}, \
             which has {}", list(.known, "no drive that tells its serial number"))]
    DriveNotInLibrary {
        /// The drive as given.
        drive: PathBuf,
        /// Its serial number.
        serial: String,
        /// The changer.
        changer: String,
        /// Serial numbers of the changer's drive elements.
        known: Vec<String>,
    },
    /// A configured device is not where its serial number is, or is there twice.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// None of the configured drives answers.
    #[error("no drive of the library can be used: {}", list(.drives, "none is configured"))]
    DriveMissing {
        /// Each drive with what is wrong with it.
        drives: Vec<String>,
    },
    /// The work takes more drives at once than the library has.
    #[error(
        "that takes {needed} drives at once, and the library has {drives}; nothing was written"
    )]
    TooFewDrives {
        /// Drives that it takes.
        needed: usize,
        /// Drives of the library.
        drives: usize,
    },
    /// Every usable drive belongs to another process.
    #[error("all drives are in use: {}", list(.drives, "none is free"))]
    DriveBusy {
        /// Each drive with its user.
        drives: Vec<String>,
    },
    /// Another process moves tapes.
    #[error("another process{} is moving tapes in this library", pid_text(*.pid))]
    LibraryBusy {
        /// That process.
        pid: Option<u32>,
    },
    /// A drive holds a tape, and there is no empty slot to put it into.
    #[error("the library is full: {barcode} in {drive} has no slot to go to")]
    LibraryFull {
        /// The tape in the drive.
        barcode: String,
        /// The drive.
        drive: String,
    },
    /// Nothing can be brought in or put out through the mail slots.
    #[error(transparent)]
    MailSlots(#[from] MailSlotError),
    /// The changer failed.
    #[error(transparent)]
    Changer(ChangerError),
    /// The changer did not move a tape, or not to where it should.
    #[error("tape {barcode} could not be moved{}", now_text(.now))]
    Move {
        /// The tape.
        barcode: String,
        /// Where it is after that, in words; `None` where that is not known.
        now: Option<String>,
        /// What the changer says.
        #[source]
        source: ChangerError,
    },
    /// A drive failed.
    #[error("{barcode}")]
    Drive {
        /// The tape in it.
        barcode: String,
        /// What failed.
        #[source]
        source: DriveError,
    },
    /// A device could not be opened.
    #[error(transparent)]
    Transport(#[from] TransportError),

    /// The tape is in no element of the library.
    #[error("tape {barcode} is not in the library{}", missing_text(.nameless, .lost))]
    TapeMissing {
        /// The tape.
        barcode: String,
        /// Places of the library with cartridges whose labels it cannot read, in words.
        nameless: Vec<String>,
        /// The move that lost it, and where to look, if that is known.
        lost: Option<String>,
        /// Where somebody said that it is, if nothing that is known of it is newer.
        outside: Option<OutsidePlace>,
    },
    /// Two cartridges of one library carry one barcode.
    #[error("barcode {barcode} is on more than one cartridge of the library")]
    BarcodeTwice {
        /// The barcode.
        barcode: String,
    },
    /// Cartridges whose barcodes cannot be read have labels with the same barcode.
    #[error("{}", claimed_twice(.barcode, .places, *.one_volume, .read.as_deref()))]
    ClaimedTwice {
        /// The barcode on their labels.
        barcode: String,
        /// Their places, in words.
        places: Vec<String>,
        /// They hold the same volume.
        one_volume: bool,
        /// The one of them that was taken for the volume, if any.
        read: Option<String>,
    },
    /// Another process has the tape.
    #[error("tape {barcode} is in use: {user}")]
    TapeBusy {
        /// The tape.
        barcode: String,
        /// Who has it, and which drive, as far as that is known.
        user: String,
    },
    /// The operator declined to load a tape.
    #[error("tape {barcode} was not loaded{}", found_text(.found))]
    Declined {
        /// The tape asked for.
        barcode: String,
        /// What was in the drive instead, if anything.
        found: Option<String>,
        /// Where somebody said that it is.
        outside: Option<OutsidePlace>,
    },
    /// The drive holds no tape, or the tape did not become ready.
    #[error("tape {barcode} cannot be used in {drive}")]
    NotReady {
        /// The tape.
        barcode: String,
        /// The drive.
        drive: String,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// The changer brought the tape into the drive, and the drive cannot load it.
    #[error("tape {barcode} cannot be loaded")]
    NotLoaded {
        /// The tape.
        barcode: String,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// Tapes that came one after another could not be loaded into one drive, and none is known
    /// to be at fault: none was marked.
    #[error("{drive} loaded neither tape {first} nor tape {second}; no tape was marked")]
    LoadsNothing {
        /// The drive.
        drive: String,
        /// The tape before.
        first: String,
        /// The last tape tried.
        second: String,
        /// What the drive says of the last.
        #[source]
        source: DriveError,
    },
    /// What lies in the drive is in another tape's way, and the drive does not let it go.
    #[error("{drive} does not unload what is in it: {found}")]
    NotCleared {
        /// The drive.
        drive: String,
        /// What is in it: a barcode, or what the tape says of itself.
        found: String,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// A cleaning cartridge stands where a tape should.
    #[error("{barcode} is a cleaning cartridge; it holds no data")]
    CleaningCartridge {
        /// Its barcode.
        barcode: String,
    },
    /// The drive cannot use tapes of this generation.
    #[error("{drive} cannot use tape {barcode}: its generation does not suit the drive")]
    IncompatibleTape {
        /// The tape.
        barcode: String,
        /// The drive.
        drive: String,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// The tape's tab or the drive forbids writing.
    #[error("tape {barcode} is write-protected; nothing was written")]
    WriteProtected {
        /// The tape.
        barcode: String,
    },
    /// The tape has no label and no data.
    #[error("tape {barcode} is blank")]
    BlankTape {
        /// The tape.
        barcode: String,
    },
    /// The tape holds data of another program.
    #[error("tape {barcode} is not a Tapewright volume: it holds {what}")]
    ForeignTape {
        /// The tape.
        barcode: String,
        /// What it looks like.
        what: String,
        /// The catalog has a volume under this barcode, or it was not asked.
        known: bool,
    },
    /// The data at the beginning of the tape, or at the place asked for, is encrypted.
    #[error("tape {barcode} is encrypted, and the drive has no key for it")]
    EncryptedTape {
        /// The tape.
        barcode: String,
        /// The catalog has a volume under this barcode, or it was not asked.
        known: bool,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// The tape's blocks are longer than what drive and path carry. The tape is well.
    #[error(
        "tape {barcode} has blocks of {block_bytes} bytes, and {drive} and the path to it carry \
         {limit_bytes}: it cannot be read there"
    )]
    BlocksBeyondPath {
        /// The tape.
        barcode: String,
        /// Length of its blocks, in bytes.
        block_bytes: u64,
        /// The longest block that drive, host adapter and kernel carry, in bytes.
        limit_bytes: u64,
        /// The drive.
        drive: String,
        /// It was to be labelled, and the catalog knows no volume under its barcode.
        erasable: bool,
    },
    /// The tape was written by a later version.
    #[error("tape {barcode} has format {format}, which this version does not know")]
    TooNewTape {
        /// The tape.
        barcode: String,
        /// Its format.
        format: u32,
    },
    /// Barcode, cartridge memory and label disagree.
    #[error(
        "the cartridge with barcode {barcode} is {says} according to its {witness}: \
             the barcode was swapped"
    )]
    SwappedBarcode {
        /// What the changer, or the operator, says.
        barcode: String,
        /// What the tape says.
        says: String,
        /// Which part of the tape says so: `cartridge memory`, `label` or `index`.
        witness: &'static str,
    },
    /// The label is of another volume than the catalog has under this barcode.
    #[error(
        "tape {barcode} holds volume {on_tape}, the catalog knows volume {in_catalog} \
             under this barcode"
    )]
    OtherVolume {
        /// The tape.
        barcode: String,
        /// Volume on the label.
        on_tape: Uuid,
        /// Volume in the catalog.
        in_catalog: Uuid,
    },
    /// A labelled volume that the catalog does not know.
    #[error("tape {barcode} holds volume {volume}, which the catalog does not know")]
    UnknownVolume {
        /// The tape.
        barcode: String,
        /// Volume on the label.
        volume: Uuid,
    },
    /// The tape belongs to another pool.
    #[error("tape {barcode} belongs to pool {pool}, not to {wanted}; nothing was written")]
    OtherPool {
        /// The tape.
        barcode: String,
        /// Pool on its label.
        pool: String,
        /// Pool that was to be written.
        wanted: String,
    },
    /// The tape ends before what the catalog knows to be on it. It was marked suspect.
    #[error(
        "tape {barcode} ends at block {end_of_data}, but the catalog knows data up to \
             block {expected}; it was marked suspect and nothing was written"
    )]
    TapeShort {
        /// The tape.
        barcode: String,
        /// Where its data ends.
        end_of_data: u64,
        /// Where the catalog's last receipt ends.
        expected: u64,
    },
    /// The catalog knows of nothing but the label on this tape, and there is more.
    #[error("{barcode} holds {segments} whole segments, and the catalog knows none of them")]
    UnknownContent {
        /// The tape.
        barcode: String,
        /// Those behind the label.
        segments: u64,
    },
    /// Behind what the catalog knows, the tape is damaged. What segments are there were
    /// taken into the catalog, and the tape was marked suspect.
    #[error(
        "tape {barcode} is damaged in {places} places behind what the catalog knew, the first: \
             {first}; its segments were recorded, it was marked suspect and nothing was written"
    )]
    DamagedTail {
        /// The tape.
        barcode: String,
        /// How many places are bad.
        places: u64,
        /// The first of them, for people.
        first: String,
    },
    /// What keeps a tape from being labelled.
    #[error(transparent)]
    Labelling(#[from] LabellingError),

    /// The user asked to stop before anything was begun.
    #[error("stopped on request")]
    Stopped,
    /// No volume was ever labelled for the pool.
    #[error("there is no pool {pool}; there is {}", list(.pools, "none yet"))]
    NoSuchPool {
        /// The pool asked for.
        pool: String,
        /// The pools that exist.
        pools: Vec<String>,
    },
    /// The pool has no volume that can be written now.
    #[error("pool {pool} has no tape to write on: {}", list(.volumes, "it has no volume left"))]
    NoAppendableVolume {
        /// The pool.
        pool: String,
        /// Its volumes, each with the reason.
        volumes: Vec<String>,
    },
    /// No volume of this barcode in the catalog.
    #[error("the catalog knows no volume with barcode {barcode}")]
    NoSuchVolume {
        /// The barcode.
        barcode: String,
    },
    /// A name that means nothing, or several things.
    #[error(transparent)]
    Which(#[from] WhichError),
    /// What a job of changes is to be measured against.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// What keeps a restore from beginning.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// What is kept must not be overwritten.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// A job that ended, or was cut off, before its first segment was confirmed.
    #[error(
        "no segment of job {job} (`{name}`) is confirmed on a tape: {}",
        without_segments(*.ended, .others)
    )]
    NothingOfJob {
        /// What was asked for.
        name: String,
        /// The job: the newest, if that was a name.
        job: Uuid,
        /// How it ended; `None` while it runs.
        ended: Option<Outcome>,
        /// The others of this name, newest first, each with its date.
        others: Vec<String>,
    },
    /// Nothing in the catalog matches.
    #[error("{}", nothing_found(.patterns, *.as_of, *.first_job))]
    NothingFound {
        /// The patterns.
        patterns: Vec<String>,
        /// The moment that was asked for; `None` is now.
        as_of: Option<Timestamp>,
        /// When the first job of the catalog began, if a moment was asked for and one did.
        first_job: Option<Timestamp>,
    },
    /// A pattern that means nothing.
    #[error(transparent)]
    Pattern(#[from] catalogs::PatternError),
    /// There is no catalog yet, or not any more.
    #[error("there is no catalog in {}", state.display())]
    NoCatalog {
        /// The state directory.
        state: PathBuf,
    },
    /// A list of files cannot be read, and it is known whose it is.
    #[error(transparent)]
    Unread(Box<UnreadError>),
    /// The catalog.
    #[error("the catalog")]
    Catalog(#[from] catalogs::CatalogError),
    /// The chip is that of another cartridge than the one that was labelled.
    #[error("the chip of tape {barcode} says {what} {found} instead of {expected}")]
    OtherCartridge {
        /// The tape.
        barcode: String,
        /// Which fact of the chip.
        what: &'static str,
        /// What the chip says.
        found: String,
        /// What label or catalog say.
        expected: String,
    },
    /// The chip cannot be read, and with it one witness is missing that this is the tape.
    #[error(
        "the chip of tape {barcode} cannot be read, so nothing proves which cartridge this is; \
         nothing was written"
    )]
    ChipFailed {
        /// The tape.
        barcode: String,
        /// What the drive says.
        #[source]
        source: DriveError,
    },
    /// A segment says a number that no volume reaches.
    #[error("tape {barcode} has a segment of number {number}, which no volume reaches")]
    SegmentNumber {
        /// The tape.
        barcode: String,
        /// What its index says.
        number: u64,
    },
    /// Reading or writing the tape format failed.
    #[error("tape {barcode}")]
    Volume {
        /// The tape.
        barcode: String,
        /// What failed.
        #[source]
        source: VolumeError,
    },
    /// A tape could not be written further. Its confirmed segments are in the catalog.
    #[error("writing tape {barcode} failed; {}", after_write_failure(*.suspect, *.segments))]
    WriteFailed {
        /// The tape.
        barcode: String,
        /// It was marked suspect: nothing more is written to it.
        suspect: bool,
        /// Segments on it that the drive confirmed and the catalog names, of all jobs.
        segments: u64,
        /// What failed.
        #[source]
        source: EngineError,
    },
    /// A hook of the job failed before any tape moved: which one, how, and its last words.
    #[error("{0}; no tape was moved")]
    Hook(String),
    /// An operation of the engine failed. Confirmed segments are in the catalog.
    #[error(transparent)]
    Engine(EngineError),
}

#[cfg(test)]
mod table;
