//! What the ledger records: one [`Event`] per change of state.
//!
//! These are the JSON objects of the ledger's lines (`docs/catalog.md`, "Ledger"). A field once
//! released keeps name and meaning; later versions add optional fields and event types. Readers
//! skip fields they do not know and keep events they do not know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::merged::{EntriesDropped, EntriesMerged};
pub use super::phases::{Phase, Phases};
use super::problem::Problems;
pub use super::restoring::{
    Lost, RestoreStarted, Restored, RestoredFrom, RestoredTo, Restoring, Unread,
};
pub use super::retention::{Held, HoldPlaced, HoldReleased, JobExpired, RetentionSet};
use super::text::ByteText;

/// A change of state, as written in a ledger line's `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// First line of every ledger.
    CatalogCreated(CatalogCreated),
    /// A volume got its label and is empty.
    VolumeLabelled(VolumeLabelled),
    /// A volume's content is gone or given up.
    VolumeRetired(VolumeRetired),
    /// A volume may or may not be appended to.
    VolumeState(VolumeStateChanged),
    /// Where a volume was last seen.
    VolumeMoved(VolumeMoved),
    /// A job began.
    JobStarted(JobStarted),
    /// A volume's content was given up and is there after all.
    VolumeReinstated(VolumeReinstated),
    /// A segment is proven to be on its medium. Written by `Catalog::commit` alone.
    Receipt(ReceiptRecord),
    /// A job ended.
    JobFinished(JobFinished),
    /// A volume was read back.
    Verified(Verified),
    /// Events before this line were taken from tapes.
    CatalogRebuilt(CatalogRebuilt),
    /// A restore begins, or goes on.
    RestoreStarted(RestoreStarted),
    /// A restore came to its end.
    Restored(Restored),
    /// How long a job is kept.
    RetentionSet(RetentionSet),
    /// A job or volume is kept until further notice.
    HoldPlaced(HoldPlaced),
    /// A hold is over.
    HoldReleased(HoldReleased),
    /// A job's time is over.
    JobExpired(JobExpired),
    /// The entries of some receipts are in one file. Written by `Catalog::compact` alone.
    EntriesMerged(EntriesMerged),
    /// The entries of a job have left the catalog. Written by `Catalog::compact` alone.
    EntriesDropped(EntriesDropped),
}

impl Event {
    /// Whether it says something of entry files, so that it is not appended by itself.
    pub(crate) fn needs_files(&self) -> bool {
        matches!(
            self,
            Event::Receipt(_)
                | Event::CatalogCreated(_)
                | Event::EntriesMerged(_)
                | Event::EntriesDropped(_)
        )
    }
}

/// First line of a ledger: who and which format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogCreated {
    /// Version of the catalog format, see [`crate::FORMAT_VERSION`].
    pub format: u32,
    /// Identity of this catalog.
    pub catalog: Uuid,
    /// Name and version of the software that made it.
    pub software: String,
}

/// A volume got its label and is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeLabelled {
    /// Identity written into the label.
    pub volume: Uuid,
    /// Barcode (VOLSER) on the cartridge.
    pub barcode: String,
    /// Pool the volume serves.
    pub pool: String,
    /// Size of every record on the volume, in bytes.
    pub block_bytes: u32,
    /// Serial number from the cartridge's chip, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium_serial: Option<String>,
    /// Native capacity in bytes.
    pub capacity_bytes: u64,
    /// Generation of the medium, such as `LTO-9`.
    pub generation: String,
    /// Density code the drive reported for the medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density_code: Option<u8>,
    /// The volume on the same cartridge that this label overwrote; it is retired by this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uuid>,
}

/// A volume's content is gone or given up: nothing on it is offered for restore any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeRetired {
    /// The volume.
    pub volume: Uuid,
    /// Why, in the operator's or the software's words.
    pub reason: String,
}

/// A retired volume was found on its tape after all: what is on it is offered again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeReinstated {
    /// The volume.
    pub volume: Uuid,
    /// Why, in the operator's or the software's words.
    pub reason: String,
}

/// What may be done with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    /// May be written on.
    Appendable,
    /// No room is left.
    Full,
    /// Failed a write, a read or a check; never counts as full.
    Suspect,
    /// Not to be written on, though nothing is wrong with it.
    ReadOnly,
}

/// A volume may or may not be appended to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeStateChanged {
    /// The volume.
    pub volume: Uuid,
    /// From now on.
    pub state: VolumeState,
    /// Why.
    pub reason: String,
}

/// Where a volume was last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeMoved {
    /// The volume.
    pub volume: Uuid,
    /// The place.
    pub location: Location,
}

/// A place of a cartridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Location {
    /// An element of a library.
    Library {
        /// Name of the library.
        library: String,
        /// The element in the words of the library, such as `slot 12` or `drive 1`.
        element: String,
    },
    /// Anywhere else, in the operator's words.
    Outside(OutsidePlace),
}

/// A place of a cartridge that is in no library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsidePlace {
    /// Shelf, vault, container, courier.
    pub place_name: String,
    /// How far away it is; `None` in lines that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlaceKind>,
    /// How long it usually takes to bring a cartridge from there, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch_s: Option<u64>,
}

/// How far away a place outside is, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// In the same house.
    Shelf,
    /// On its way.
    Courier,
    /// In another house.
    Vault,
}

/// What a job archives of all that lies below its roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything.
    #[default]
    Full,
    /// What changed since the last full job.
    Differential,
    /// What changed since the last job of any level.
    Incremental,
}

impl Level {
    /// Whether a job of this level holds everything, so that what it lacks was not there.
    pub fn is_full(&self) -> bool {
        *self == Level::Full
    }
}

/// A job began. What it covers decides later whether a path it lacks is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStarted {
    /// Identity of the job.
    pub job: Uuid,
    /// Name of the job; several runs may share it.
    pub name: String,
    /// Pool it writes to.
    pub pool: String,
    /// Pool that is to hold a second copy of all that it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_pool: Option<String>,
    /// Archive names of the trees it archives; an empty name is everything.
    pub roots: Vec<ByteText>,
    /// Globs of what it leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// It does not enter other file systems below a root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_file_system: bool,
    /// Lists or commands were among its sources: `roots` do not name all that it archives.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_sources: bool,
    /// The lists among its sources, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListOfNames>,
    /// Host whose files are archived.
    pub host: String,
    /// Name and version of the software.
    pub software: String,
    /// What of the trees it archives.
    #[serde(default, skip_serializing_if = "Level::is_full")]
    pub level: Level,
    /// The job that it is measured against, if it is not full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Uuid>,
    /// How the digests of its files are made.
    #[serde(default, skip_serializing_if = "DigestAlgorithm::is_default")]
    pub digest_algorithm: DigestAlgorithm,
}

/// A list of names that a job archives, as it was when the job began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListOfNames {
    /// The file as it was named; `-` is standard input.
    pub from: ByteText,
    /// BLAKE3 of the file, in hexadecimal; absent where it can be read once only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Names end in NUL, not in a newline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub null: bool,
    /// A directory stands for all below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
}

/// By which function the digests of a receipt's entries were made. Digests of two functions say
/// nothing of each other.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DigestAlgorithm {
    /// BLAKE3, 32 bytes.
    #[default]
    Blake3,
    /// SHA-256.
    Sha256,
}

impl DigestAlgorithm {
    /// Whether it is the one of jobs that say nothing of it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What [`Receipt::content`] says of a segment that holds a copy of the catalog.
pub const CATALOG_CONTENT: &str = "catalog";

/// One segment proven to be on its medium: all that a catalog accepts.
/// It is known by volume and segment together; a later one replaces an earlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The job that wrote it.
    pub job: Uuid,
    /// The volume it is on.
    pub volume: Uuid,
    /// Identity of the segment, as in its index on tape.
    pub segment: Uuid,
    /// Counts the segments of the volume from 1.
    pub segment_number: u32,
    /// Tape file number of the segment, counting filemarks from the start of the partition.
    pub file_number: u32,
    /// Counts the segments of the job from 1, over volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_segment: Option<u64>,
    /// The job reached its end with this segment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub job_ends: bool,
    /// Problems that the job had by its end, in its last segment alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_problems: Option<u64>,
    /// Logical block address of the segment's first record.
    pub first_block: u64,
    /// Logical block address of the first record of the segment's index.
    pub index_block: u64,
    /// Logical block address next to the filemark that ends the index.
    pub end_block: u64,
    /// Size of every record, in bytes.
    pub record_bytes: u32,
    /// Records in the segment, its index not counted.
    pub records: u64,
    /// Length of the tar stream in bytes; before compression.
    pub tar_bytes: u64,
    /// How the tar stream is stored, by its name in the segment's index; absent where it is
    /// stored as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// What the segment holds if not files of the job: [`CATALOG_CONTENT`]. Such a segment has no
    /// entries, and counts neither files nor their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The copy of the catalog ends with this segment, so that it is whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content_ends: bool,
    /// Members in the tar stream.
    pub files: u64,
    /// Those of them that are parts of files, and not the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inner_parts: u64,
    /// Data of all regular files, in bytes.
    pub file_bytes: u64,
    /// How the digests of the entries were made.
    pub digest_algorithm: DigestAlgorithm,
}

impl Receipt {
    /// Objects in the segment: a file in parts is one where its last part is.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.files.saturating_sub(self.inner_parts)
    }

    /// True if the segment holds a copy of the catalog.
    #[must_use]
    pub fn is_catalog_copy(&self) -> bool {
        self.content.as_deref() == Some(CATALOG_CONTENT)
    }

    /// True if a copy of the catalog ends with the segment.
    #[must_use]
    pub fn ends_catalog_copy(&self) -> bool {
        self.is_catalog_copy() && self.content_ends
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The entry file that holds a receipt's entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFileRef {
    /// Name in the directory `entries`.
    pub name: String,
    /// BLAKE3 of the whole file, in hexadecimal.
    pub digest: String,
    /// Entries in the file.
    pub entries: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// A receipt as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// What the caller vouched for.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// Where its entries are.
    pub entry_file: EntryFileRef,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything under its roots is on tape. A path it lacks was not there.
    Complete,
    /// Some files are missing or not whole.
    Partial,
    /// It gave up.
    Failed,
    /// It was stopped.
    Interrupted,
}

/// A job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFinished {
    /// The job.
    pub job: Uuid,
    /// How.
    pub outcome: Outcome,
    /// Members written.
    pub files: u64,
    /// Data of all regular files, in bytes.
    pub file_bytes: u64,
    /// What went wrong, in part or whole.
    #[serde(default)]
    pub problems: Problems,
    /// The commands whose output it archived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandEnded>,
    /// The job did not say so itself: it follows from what is on tapes that were read, and what
    /// other tapes have of it may change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_tapes: bool,
}

/// How a command ended whose output a job archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnded {
    /// Archive name of its file, or that its members lie below.
    pub place: ByteText,
    /// How, for people, such as `exited with status 0`.
    pub ending: String,
    /// The end of what it wrote to its standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// It ended well, and all that it wrote is on tape: a resumed job does not run it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
}

/// A volume was read back and compared with its CRCs and digests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The volume.
    pub volume: Uuid,
    /// Segments with files read.
    pub segments: u32,
    /// Segments with a copy of the catalog read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub catalog_copies: u64,
    /// Files compared.
    pub files: u64,
    /// What was bad.
    #[serde(default)]
    pub bad: Problems,
}

/// Events before this line were taken from tapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogRebuilt {
    /// The volumes that were read.
    pub volumes: Vec<Uuid>,
    /// Segments found on them.
    pub segments: u64,
}

/// An event with its place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<T> {
    /// Number of the line; the first is 1.
    pub seq: u64,
    /// When, by the clock of whoever wrote it.
    pub time: Timestamp,
    /// What.
    pub what: T,
}
