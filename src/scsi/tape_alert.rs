//! TapeAlert flags: what a drive has to say about itself and its tape (SSC-4 annex A;
//! scsi-tape facts 3.9).

/// How urgent a flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For the record.
    Information,
    /// Worth a look soon.
    Warning,
    /// Data is at risk, or the drive does not work.
    Critical,
}

/// One flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapeAlert {
    /// 1 to 64.
    pub number: u8,
    /// How urgent it is.
    pub severity: Severity,
    /// What it says.
    pub name: &'static str,
}

impl TapeAlert {
    /// Whether it asks for a cleaning cartridge: "clean now" and "clean periodic".
    #[must_use]
    pub fn asks_for_cleaning(&self) -> bool {
        matches!(self.number, 0x14 | 0x15)
    }

    /// Whether it is about the drive, whatever tape is in it. What is left of the loaders of
    /// old is so, too.
    #[must_use]
    pub fn is_about_drive(&self) -> bool {
        matches!(self.number,
            0x14 | 0x15 | 0x19..=0x20 | 0x22..=0x30 | 0x39 | 0x3A | 0x3D)
    }

    /// Whether the drive says that it should not be used as it is: it failed, expects to, or
    /// has to be cleaned first.
    #[must_use]
    pub fn speaks_against_drive(&self) -> bool {
        matches!(self.number, 0x14 | 0x1E | 0x1F | 0x26 | 0x39)
    }

    /// Whether a person is to hear of it: all but what is for the record.
    #[must_use]
    pub fn matters(&self) -> bool {
        self.severity != Severity::Information || matches!(self.number, 0x0C | 0x13 | 0x2F | 0x30)
    }

    /// What a person does about it, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.number {
            0x14 | 0x15 => "Let the drive have its cleaning cartridge.",
            0x16 | 0x17 => "Use another cleaning cartridge.",
            0x0B => "Wait until the drive is clean.",
            0x09 => "If the tape is meant to be written, slide its write-protect tab.",
            0x07 | 0x08 | 0x13 | 0x31 => {
                "Write new data to another tape, and copy what is on this one."
            }
            0x0C | 0x11 => "Use a drive of the tape's generation to write it.",
            0x2F | 0x30 => "Look at the server that keeps the encryption keys.",
            0x23..=0x25 => "Look at the room's climate, the fans and the power supply.",
            _ if self.speaks_against_drive() => "Use another drive, and have this one seen to.",
            _ if self.is_about_drive() => "Have the drive seen to.",
            0x01..=0x06 | 0x34..=0x36 => {
                "Clean the drive; if it stays so, copy what is on the tape and take it out of use."
            }
            0x0F => "Copy what is on the tape, and take it out of use.",
            _ => "Look at tape and drive: the drive's panel or its library's may say more.",
        }
    }
}

/// The set of flags; the most significant bit is flag 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TapeAlerts(pub u64);

impl TapeAlerts {
    /// The flags that are set, by number.
    pub fn iter(self) -> impl Iterator<Item = TapeAlert> {
        (1..=64u8)
            .filter(move |number| self.0 >> (64 - number) & 1 == 1)
            .map(describe)
    }

    /// Those of these flags that `wanted` is true of.
    #[must_use]
    pub fn only(self, wanted: impl Fn(&TapeAlert) -> bool) -> TapeAlerts {
        let bits = self.iter().filter(wanted);
        TapeAlerts(bits.fold(0, |bits, flag| bits | 1 << (64 - flag.number)))
    }

    /// True if no flag is set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn describe(number: u8) -> TapeAlert {
    let row = NAMES.iter().find(|(found, ..)| *found == number);
    let (severity, name) = row.map_or(
        (Severity::Information, "reserved flag"),
        |(_, severity, name)| (*severity, *name),
    );
    TapeAlert {
        number,
        severity,
        name,
    }
}

use Severity::{Critical as C, Information as I, Warning as W};

const NAMES: [(u8, Severity, &str); 61] = [
    (0x01, W, "reading is getting difficult"),
    (0x02, W, "writing is getting difficult"),
    (0x03, W, "hard error"),
    (0x04, C, "the medium is bad"),
    (0x05, C, "read failure"),
    (0x06, C, "write failure"),
    (0x07, W, "the medium has reached the end of its life"),
    (0x08, W, "the cartridge is not of data grade"),
    (0x09, C, "write to a write-protected cartridge"),
    (0x0A, I, "removal is prevented"),
    (0x0B, I, "a cleaning cartridge is in the drive"),
    (0x0C, I, "unsupported format"),
    (0x0D, C, "the tape snapped and can be recovered"),
    (0x0E, C, "the tape snapped"),
    (0x0F, W, "the cartridge memory failed"),
    (0x10, C, "the cartridge was ejected by force"),
    (0x11, W, "the format can only be read"),
    (
        0x12,
        W,
        "the tape's directory was damaged when it was loaded",
    ),
    (0x13, I, "the medium is nearing the end of its life"),
    (0x14, C, "clean the drive now"),
    (0x15, W, "clean the drive soon"),
    (0x16, C, "the cleaning cartridge is used up"),
    (0x17, C, "the cleaning cartridge is unsuitable"),
    (0x18, W, "retension requested"),
    (0x19, W, "a port of the drive failed"),
    (0x1A, W, "the cooling fan failed"),
    (0x1B, W, "the power supply failed"),
    (0x1C, W, "power consumption is out of range"),
    (0x1D, W, "the drive needs maintenance"),
    (0x1E, C, "hardware failure A"),
    (0x1F, C, "hardware failure B"),
    (0x20, W, "the interface failed"),
    (0x21, C, "eject the cartridge and try again"),
    (0x22, W, "the firmware update failed"),
    (0x23, W, "humidity is out of range"),
    (0x24, W, "temperature is out of range"),
    (0x25, W, "voltage is out of range"),
    (0x26, C, "the drive expects to fail"),
    (0x27, W, "diagnostics are required"),
    (0x28, C, "loader hardware failure A"),
    (0x29, C, "stray tape in the loader"),
    (0x2A, W, "loader hardware failure B"),
    (0x2B, C, "the loader's door is open"),
    (0x2C, C, "loader hardware failure C"),
    (0x2D, C, "the loader's magazine is missing"),
    (0x2E, W, "the loader expects to fail"),
    (0x2F, I, "the encryption server cannot be reached"),
    (0x30, I, "the encryption key manager failed"),
    (0x31, W, "the tape holds less than it should"),
    (0x32, W, "statistics were lost"),
    (0x33, W, "the tape's directory was invalid at unload"),
    (0x34, C, "the system area could not be written"),
    (0x35, C, "the system area could not be read"),
    (0x36, C, "the start of data was not found"),
    (0x37, C, "loading failed"),
    (0x38, C, "unloading failed for good"),
    (0x39, C, "the automation interface failed"),
    (0x3A, W, "the firmware failed"),
    (0x3B, W, "the integrity check of the write-once tape failed"),
    (0x3C, W, "somebody tried to overwrite a write-once tape"),
    (0x3D, W, "the encryption policy was violated"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_described_once() {
        let all: Vec<TapeAlert> = TapeAlerts(u64::MAX).iter().collect();
        assert_eq!(all.len(), 64);
        assert_eq!(all[0x13].name, "clean the drive now");
        let numbers: Vec<u8> = NAMES.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=61).collect::<Vec<u8>>());
    }

    #[test]
    fn a_flag_that_speaks_against_the_drive_is_a_critical_one_about_it() {
        let all = TapeAlerts(u64::MAX);
        let against: Vec<u8> = all
            .only(TapeAlert::speaks_against_drive)
            .iter()
            .map(|flag| {
                assert!(flag.is_about_drive() && flag.severity == Severity::Critical);
                flag.number
            })
            .collect();
        assert_eq!(against, [0x14, 0x1E, 0x1F, 0x26, 0x39]);
    }

    #[test]
    fn what_is_for_the_record_is_not_told() {
        let told = TapeAlerts(u64::MAX).only(TapeAlert::matters);
        let numbers: Vec<u8> = told.iter().map(|flag| flag.number).collect();
        for (number, matters) in [(0x0A, false), (0x0B, false), (0x13, true), (0x3E, false)] {
            assert_eq!(numbers.contains(&number), matters, "{number:02X}h");
        }
    }
}
