//! The one table from sense key, ASC and ASCQ to what it means, what helps, and the
//! sentence an operator reads (scsi-tape facts 2.6, 2.7 and 4.5).
//!
//! A row with a key wins over one without; a row with an ASCQ wins over one for the whole
//! ASC; what the table does not know falls back to its key.

use super::reaction::Reaction;
use super::sense::SenseKey;

/// What a condition means for the caller, whatever device and command it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Nothing is wrong; flags or counters only.
    Information,
    /// The tape ends here: everything written was read.
    EndOfData,
    /// No end-of-data mark: blank, or cut off by a power loss.
    EndOfDataMissing,
    /// The beginning of the partition stopped a motion.
    BeginningOfPartition,
    /// No room is left before the end of the partition.
    EndOfPartition,
    /// The device is busy with itself and will be ready: wait.
    BecomingReady,
    /// A cartridge is seated but not threaded: send LOAD.
    NeedsLoad,
    /// No tape.
    NoMedium,
    /// Not ready until a person does something.
    NotReady,
    /// A cleaning cartridge.
    CleaningCartridge,
    /// Generation or format does not suit the drive.
    IncompatibleMedium,
    /// Tape or mode forbids writing.
    WriteProtected,
    /// The block is encrypted and no fitting key is set.
    Encrypted,
    /// The medium failed here.
    Medium,
    /// The device failed.
    Hardware,
    /// A failure of the path that a repeat may cure.
    Transient,
    /// The device does not know or refuses the command.
    Unsupported,
    /// Unit attention: position, mode or medium may have changed.
    Changed,
    /// Unit attention that changes nothing of what the host relies on.
    Notice,
    /// Another host has a reservation, or took ours.
    Reserved,
    /// Removal of the cartridge is prevented.
    RemovalPrevented,
    /// Changer: nothing lies where it should be taken from.
    SourceEmpty,
    /// Changer: something lies where it should be put.
    DestinationFull,
    /// Changer: no such element.
    NoSuchElement,
    /// Changer: the drive has not let go of the cartridge.
    DriveHoldsMedium,
    /// Changer: door, mail slot or magazine is open or missing.
    Unreachable,
}

struct Row {
    key: Option<SenseKey>,
    asc: u8,
    ascq: Option<u8>,
    meaning: Meaning,
    /// What helps, where that is not what helps against everything of this meaning.
    reaction: Option<Reaction>,
    sentence: &'static str,
}

impl Row {
    const fn then(mut self, reaction: Reaction) -> Row {
        self.reaction = Some(reaction);
        self
    }
}

const fn any(asc: u8, ascq: u8, meaning: Meaning, sentence: &'static str) -> Row {
    Row {
        key: None,
        asc,
        ascq: Some(ascq),
        meaning,
        reaction: None,
        sentence,
    }
}

const fn keyed(key: SenseKey, asc: u8, ascq: u8, meaning: Meaning, sentence: &'static str) -> Row {
    Row {
        key: Some(key),
        asc,
        ascq: Some(ascq),
        meaning,
        reaction: None,
        sentence,
    }
}

const fn all(asc: u8, meaning: Meaning, sentence: &'static str) -> Row {
    Row {
        key: None,
        asc,
        ascq: None,
        meaning,
        reaction: None,
        sentence,
    }
}

use Meaning as M;
use Reaction as R;
use SenseKey as K;

// One row, one line.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    any(0x00, 0x00, M::Information, "nothing to report"),
    any(0x00, 0x01, M::Information, "a filemark was met"),
    keyed(K::NoSense, 0x00, 0x02, M::Information, "the end of the tape is near"),
    keyed(K::MediumError, 0x00, 0x02, M::Medium, "the drive failed near the end of the tape"),
    any(0x00, 0x02, M::EndOfPartition, "no room is left on the tape"),
    any(0x00, 0x04, M::BeginningOfPartition, "the beginning of the tape was met"),
    any(0x00, 0x05, M::EndOfData, "the end of the recorded data was met"),
    any(0x00, 0x07, M::Information, "the programmable early warning was passed"),
    any(0x00, 0x16, M::BecomingReady, "an operation is in progress"),
    any(0x00, 0x17, M::Information, "the drive asks to be cleaned").then(R::Clean),
    any(0x00, 0x18, M::BecomingReady, "an erase is in progress"),
    any(0x00, 0x19, M::BecomingReady, "a locate is in progress"),
    any(0x00, 0x1A, M::BecomingReady, "a rewind is in progress"),
    all(0x03, M::Medium, "too many write errors: clean the drive, replace the tape"),
    keyed(K::HardwareError, 0x03, 0x02, M::Hardware, "the write head failed"),
    any(0x04, 0x00, M::BecomingReady, "not ready; the drive does not say why"),
    any(0x04, 0x01, M::BecomingReady, "becoming ready"),
    any(0x04, 0x02, M::NeedsLoad, "a cartridge is in the drive but not loaded"),
    any(0x04, 0x03, M::NotReady, "somebody has to see to the device"),
    any(0x04, 0x04, M::BecomingReady, "a format is in progress"),
    any(0x04, 0x07, M::BecomingReady, "an operation is in progress"),
    any(0x04, 0x0C, M::NotReady, "this port of the device is not available"),
    any(0x04, 0x10, M::Medium, "the cartridge memory cannot be accessed").then(R::OtherTape),
    any(0x04, 0x12, M::NotReady, "the device was taken offline"),
    any(0x04, 0x13, M::BecomingReady, "a security association is being made"),
    all(0x08, M::Transient, "communication within the device failed"),
    all(0x09, M::Medium, "the drive cannot follow the track: clean it, try another tape"),
    keyed(K::HardwareError, 0x09, 0x00, M::Hardware, "the drive cannot follow the track"),
    any(0x0A, 0x00, M::Information, "an error log is full"),
    all(0x0B, M::Hardware, "the device warns of its temperature or condition").then(R::Stop),
    keyed(K::RecoveredError, 0x0B, 0x01, M::Information, "the drive is hot"),
    all(0x0C, M::Medium, "the tape could not be written here"),
    any(0x0C, 0x04, M::Hardware, "the drive's compression check failed while writing"),
    all(0x0E, M::Transient, "an information unit was damaged on its way"),
    any(0x10, 0x01, M::Transient, "a block's checksum was wrong on its way to the drive"),
    all(0x10, M::Unsupported, "the protection information does not fit").then(R::Stop),
    all(0x11, M::Medium, "the tape could not be read here"),
    any(0x11, 0x0D, M::Medium, "the data on tape does not decompress").then(R::OtherTape),
    any(0x11, 0x12, M::Medium, "the cartridge memory could not be read").then(R::OtherTape),
    all(0x14, M::Medium, "the drive does not find its place on the tape").then(R::Reposition),
    any(0x14, 0x04, M::Medium, "the blocks on this tape are out of order").then(R::OtherTape),
    any(0x14, 0x03, M::EndOfDataMissing, "no end of data on this tape: blank, or cut off"),
    all(0x15, M::Hardware, "the drive's or robot's positioning failed").then(R::Reposition),
    any(0x15, 0x02, M::Medium, "the place could not be read").then(R::Reposition),
    all(0x17, M::Information, "data was recovered by retries"),
    all(0x18, M::Information, "data was recovered by error correction"),
    any(0x1A, 0x00, M::Unsupported, "the parameters have a wrong length").then(R::Stop),
    all(0x1B, M::Transient, "the transfer lost its synchronisation"),
    any(0x20, 0x00, M::Unsupported, "the device does not know this command"),
    any(0x20, 0x0C, M::Unsupported, "this command needs the append-only mode").then(R::GoOn),
    any(0x21, 0x01, M::NoSuchElement, "there is no such element in the library"),
    any(0x24, 0x00, M::Unsupported, "the device refuses a field of the command"),
    any(0x25, 0x00, M::Unsupported, "there is no such logical unit").then(R::Stop),
    any(0x26, 0x10, M::Encrypted, "too many wrong keys; reload the tape").then(R::Stop),
    any(0x26, 0x11, M::Encrypted, "the description of the key is incomplete"),
    any(0x26, 0x12, M::Encrypted, "the drive does not find the key that is named"),
    all(0x26, M::Unsupported, "the device refuses a field of the parameters"),
    all(0x27, M::WriteProtected, "the tape is write-protected"),
    any(0x28, 0x00, M::Changed, "the medium may have been changed"),
    any(0x28, 0x01, M::Changed, "the mail slot or door of the library was used"),
    all(0x29, M::Changed, "the device was reset or switched on"),
    any(0x2A, 0x01, M::Changed, "another host changed the device's mode"),
    any(0x2A, 0x02, M::Notice, "another host changed log parameters"),
    any(0x2A, 0x03, M::Reserved, "another host took the reservation"),
    any(0x2A, 0x04, M::Reserved, "another host released the reservation"),
    any(0x2A, 0x05, M::Reserved, "another host removed the registration"),
    any(0x2A, 0x10, M::Notice, "another host set the device's clock"),
    any(0x2A, 0x11, M::Changed, "another host changed the encryption"),
    any(0x2A, 0x12, M::Changed, "the encryption was changed by the vendor's means"),
    any(0x2A, 0x13, M::Encrypted, "the encryption key was changed while in use"),
    any(0x2A, 0x14, M::Notice, "the security capabilities changed"),
    any(0x2C, 0x00, M::Unsupported, "the device refuses this order of commands").then(R::Stop),
    any(0x2C, 0x0B, M::Reserved, "the device wants to be reserved first"),
    any(0x2E, 0x00, M::Information, "not all was done in the time allowed"),
    any(0x2F, 0x00, M::Changed, "another host cleared the commands").then(R::Retry),
    all(0x30, M::IncompatibleMedium, "this cartridge does not suit this drive"),
    any(0x30, 0x01, M::IncompatibleMedium, "the format of this tape is unknown to the drive"),
    any(0x30, 0x02, M::IncompatibleMedium, "the drive cannot read this tape's format"),
    any(0x30, 0x03, M::CleaningCartridge, "a cleaning cartridge is in the drive"),
    any(0x30, 0x04, M::IncompatibleMedium, "the drive cannot write this cartridge"),
    any(0x30, 0x05, M::IncompatibleMedium, "the drive only reads this generation of tape"),
    any(0x30, 0x07, M::CleaningCartridge, "the cleaning cartridge is used up").then(R::Operator),
    any(0x30, 0x0C, M::WriteProtected, "on a write-once tape, only append").then(R::Reposition),
    any(0x30, 0x0D, M::Medium, "a write-once tape failed its check").then(R::OtherTape),
    all(0x31, M::Medium, "the format of the tape is damaged").then(R::OtherTape),
    all(0x33, M::Medium, "the tape is shorter than it should be").then(R::OtherTape),
    any(0x37, 0x00, M::Information, "the device rounded a parameter"),
    any(0x39, 0x00, M::Unsupported, "the device cannot save parameters"),
    any(0x3A, 0x02, M::Unreachable, "a door or mail slot is open"),
    all(0x3A, M::NoMedium, "no tape in the drive"),
    any(0x3B, 0x00, M::Medium, "the drive lost its place on the tape").then(R::Reposition),
    any(0x3B, 0x08, M::Hardware, "repositioning failed").then(R::Reposition),
    any(0x3B, 0x0C, M::Unsupported, "this works at the beginning only").then(R::Reposition),
    any(0x3B, 0x0D, M::DestinationFull, "the destination is occupied"),
    any(0x3B, 0x0E, M::SourceEmpty, "the source is empty"),
    any(0x3B, 0x11, M::Unreachable, "the magazine is not accessible"),
    any(0x3B, 0x12, M::Unreachable, "the magazine was removed"),
    any(0x3B, 0x13, M::Changed, "a magazine was inserted"),
    any(0x3D, 0x00, M::Unsupported, "the device refuses a bit of the request").then(R::Stop),
    any(0x3E, 0x00, M::BecomingReady, "the device is configuring itself"),
    all(0x3F, M::Changed, "the device's firmware or identity was changed"),
    any(0x3F, 0x0F, M::Transient, "an echo buffer was overwritten"),
    all(0x40, M::Hardware, "the device's self-test failed"),
    all(0x41, M::Hardware, "the data path of the device failed"),
    all(0x43, M::Transient, "a message was damaged on its way"),
    all(0x44, M::Hardware, "the device failed internally"),
    all(0x45, M::Transient, "the device could not be reached again"),
    all(0x47, M::Transient, "data was damaged on its way"),
    all(0x48, M::Transient, "a message was damaged on its way"),
    all(0x49, M::Transient, "a message was damaged on its way"),
    all(0x4A, M::Transient, "the command phase failed"),
    all(0x4B, M::Transient, "the data phase failed"),
    all(0x4C, M::Hardware, "the device could not configure itself"),
    all(0x4E, M::Transient, "two commands overlapped"),
    any(0x50, 0x00, M::Medium, "the end of data cannot be appended to").then(R::OtherTape),
    any(0x50, 0x01, M::WriteProtected, "write-once: only behind the data").then(R::Reposition),
    all(0x51, M::Medium, "the erase failed").then(R::OtherTape),
    all(0x52, M::Medium, "the cartridge is faulty").then(R::OtherTape),
    any(0x53, 0x00, M::Hardware, "the cartridge could not be loaded or ejected").then(R::Operator),
    any(0x53, 0x01, M::DriveHoldsMedium, "the drive has not unloaded the cartridge"),
    any(0x53, 0x02, M::RemovalPrevented, "removal of the cartridge is prevented"),
    any(0x53, 0x03, M::DriveHoldsMedium, "the drive does not let go of the cartridge"),
    any(0x53, 0x04, M::Hardware, "the tape could not be threaded or unthreaded"),
    any(0x55, 0x08, M::Unsupported, "the drive holds no more keys").then(R::Stop),
    any(0x5A, 0x01, M::Notice, "the eject button was pressed").then(R::Stop),
    any(0x5A, 0x02, M::WriteProtected, "write protection was switched on at the drive"),
    all(0x5B, M::Information, "a log counter is full"),
    keyed(K::UnitAttention, 0x5D, 0x00, M::Notice, "the device expects to fail soon"),
    keyed(K::UnitAttention, 0x5D, 0xFF, M::Notice, "a test of the failure prediction"),
    all(0x5D, M::Information, "the device expects to fail soon"),
    all(0x74, M::Encrypted, "the data is encrypted and the key does not fit"),
    any(0x74, 0x00, M::Encrypted, "the drive forbids this by its security rules").then(R::Stop),
    any(0x74, 0x01, M::Encrypted, "the block is encrypted and decryption is off"),
    any(0x74, 0x02, M::Encrypted, "the block is not encrypted, and only encrypted ones are read"),
    any(0x74, 0x03, M::Encrypted, "the block is encrypted with another key"),
    any(0x74, 0x04, M::Encrypted, "the encrypted block is damaged").then(R::Stop),
    any(0x74, 0x05, M::Encrypted, "the block could not be decrypted").then(R::Stop),
    any(0x74, 0x08, M::Unsupported, "a signature does not fit").then(R::Stop),
    any(0x74, 0x0C, M::Unsupported, "the device refuses the security parameters").then(R::Stop),
    any(0x74, 0x10, M::Unsupported, "the device refuses the security association").then(R::Stop),
    any(0x74, 0x11, M::Unsupported, "the device refuses the security association").then(R::Stop),
    any(0x74, 0x12, M::Unsupported, "the device refuses the security association").then(R::Stop),
    any(0x74, 0x30, M::Unsupported, "the device refuses the security association").then(R::Stop),
    any(0x82, 0x82, M::Information, "the drive asks to be cleaned").then(R::Clean),
    any(0x82, 0x52, M::Information, "the medium is getting worse").then(R::OtherTape),
    any(0x82, 0x83, M::Information, "the drive was cleaned, or has wrong firmware"),
    keyed(K::UnitAttention, 0x82, 0x83, M::Notice, "the drive was cleaned"),
    keyed(K::UnitAttention, 0x83, 0x83, M::Notice, "the drive was cleaned"),
    all(0x85, M::WriteProtected, "the drive failed, and protects it").then(R::OtherDrive),
    all(0xEE, M::Encrypted, "the key service failed"),
    all(0xEF, M::Encrypted, "an encryption key is required"),
];

/// What helps against a condition.
pub(super) fn react(key: SenseKey, asc: u8, ascq: u8) -> Reaction {
    let meaning = look_up(key, asc, ascq).0;
    match find(key, asc, ascq) {
        // The row's own word counts where its meaning does.
        Some(row) if row.meaning == meaning => row.reaction,
        _ => None,
    }
    .unwrap_or_else(|| Reaction::to(meaning))
}

fn find(key: SenseKey, asc: u8, ascq: u8) -> Option<&'static Row> {
    let fits = |row: &&Row| {
        row.asc == asc && row.ascq.is_none_or(|q| q == ascq) && row.key.is_none_or(|k| k == key)
    };
    let rank = |row: &&Row| (row.ascq.is_some(), row.key.is_some());
    TABLE.iter().filter(fits).max_by_key(rank)
}

/// Meaning and sentence for a condition.
pub(super) fn look_up(key: SenseKey, asc: u8, ascq: u8) -> (Meaning, &'static str) {
    match find(key, asc, ascq) {
        // An informational code under a key that says failure does not make it harmless.
        Some(row) if row.meaning == M::Information && !is_success(key) => {
            (by_key(key).0, row.sentence)
        }
        Some(row) if row.meaning == M::Notice && key != K::UnitAttention => {
            (by_key(key).0, row.sentence)
        }
        Some(row) => (row.meaning, row.sentence),
        None => by_key(key),
    }
}

/// The sentence for a condition whose key is not told, as element descriptors have it.
pub(super) fn words_for(asc: u8, ascq: u8) -> Option<&'static str> {
    let fits = |row: &&Row| row.asc == asc && row.ascq.is_none_or(|q| q == ascq);
    let rank = |row: &&Row| (row.ascq.is_some(), row.key.is_none());
    let row = TABLE.iter().filter(fits).max_by_key(rank);
    row.map(|row| row.sentence)
}

fn is_success(key: SenseKey) -> bool {
    matches!(key, K::NoSense | K::RecoveredError)
}

fn by_key(key: SenseKey) -> (Meaning, &'static str) {
    match key {
        K::NoSense | K::Completed => (M::Information, "nothing to report"),
        K::RecoveredError => (M::Information, "recovered from an error"),
        K::NotReady => (M::NotReady, "the device is not ready"),
        K::MediumError => (M::Medium, "the medium failed"),
        K::HardwareError | K::VendorSpecific | K::Reserved => (M::Hardware, "the device failed"),
        K::IllegalRequest => (M::Unsupported, "the device refuses the command"),
        K::UnitAttention => (M::Changed, "the state of the device changed"),
        K::DataProtect => (M::WriteProtected, "the medium is protected"),
        K::BlankCheck => (M::EndOfData, "no data is recorded here"),
        K::CopyAborted | K::AbortedCommand => (M::Transient, "the device gave the command up"),
        K::VolumeOverflow => (M::EndOfPartition, "no room is left on the tape"),
        K::Miscompare => (M::Medium, "the data on the medium differs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_listed_twice() {
        for (number, row) in TABLE.iter().enumerate() {
            let same =
                |other: &&Row| (other.key, other.asc, other.ascq) == (row.key, row.asc, row.ascq);
            let first = TABLE.iter().position(|other| same(&other));
            assert_eq!(first, Some(number), "{:02X}/{:?}", row.asc, row.ascq);
        }
    }
}
