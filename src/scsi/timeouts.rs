//! How long each command may take: the device's own word, else a table by generation
//! (scsi-tape facts 1.6).
//!
//! Too short a timeout makes the kernel reset the drive in mid-motion, so every doubt is
//! settled upwards.

use std::time::Duration;

use super::cdb;
use super::density::Generation;
use super::opcode as op;
use super::opcodes::SupportedCommand;

/// Seconds for everything that is not in a table.
const ORDINARY_SECONDS: u32 = 60;
/// Longer than any command of any drive takes: a longer recommendation is a mistake.
const LONGEST_SECONDS: u32 = 200_000;
/// Moves within a library, and looking at all its elements, in seconds (as the kernel's
/// changer driver waits).
const MOVE_SECONDS: u32 = 300;
const INITIALIZE_SECONDS: u32 = 3600;

/// Timeout of each command of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    seconds: [u32; 256],
    /// ERASE of the rest of the tape; the short form is in `seconds`.
    long_erase: u32,
}

impl Timeouts {
    /// The table of a drive generation: for each command the longest that IBM, HP and HPE
    /// recommend. A drive of unknown generation gets the longest of all.
    #[must_use]
    pub fn of_drive(generation: Option<Generation>) -> Timeouts {
        let long_erase = match generation {
            Some(g) if g <= Generation::Lto5 => 18_000,
            Some(Generation::Lto6) => 24_600,
            Some(Generation::Lto7) => 29_400,
            Some(Generation::M8 | Generation::Lto8) => 121_448,
            Some(Generation::Lto9) => 166_370,
            _ => LONGEST_SECONDS,
        };
        // Load, locate and space, read, write, filemarks, rewind.
        let [load, motion, read, write, marks, rewind] = match generation {
            Some(g) if g <= Generation::Lto5 => [780, 2040, 1500, 1500, 1620, 600],
            Some(Generation::Lto6) => [780, 2940, 1500, 1500, 1620, 600],
            Some(Generation::Lto7) => [1020, 2880, 2280, 1920, 1920, 780],
            _ => [960, 2940, 2340, 1680, 1680, 660],
        };
        let mut seconds = [ORDINARY_SECONDS; 256];
        for (opcode, value) in [
            (op::LOAD_UNLOAD, load),
            (op::LOCATE_10, motion),
            (op::LOCATE_16, motion),
            (op::SPACE_6, motion),
            (op::SPACE_16, motion),
            (op::READ_6, read),
            (op::WRITE_6, write),
            (op::WRITE_FILEMARKS_6, marks),
            (op::REWIND, rewind),
            // The short form writes an end of data, after a flush and a motion.
            (op::ERASE_6, marks.max(motion)),
        ] {
            seconds[usize::from(opcode)] = value;
        }
        Timeouts {
            seconds,
            long_erase,
        }
    }

    /// The table of a medium changer.
    #[must_use]
    pub fn of_changer() -> Timeouts {
        let mut seconds = [ORDINARY_SECONDS; 256];
        seconds[usize::from(op::MOVE_MEDIUM)] = MOVE_SECONDS;
        seconds[usize::from(op::INITIALIZE_ELEMENT_STATUS)] = INITIALIZE_SECONDS;
        seconds[usize::from(op::READ_ELEMENT_STATUS)] = MOVE_SECONDS;
        Timeouts {
            seconds,
            long_erase: ORDINARY_SECONDS,
        }
    }

    /// Takes over what the device recommends, within reason: at least
    /// the ordinary minute, at most two days and a half.
    pub fn adopt(&mut self, commands: &[SupportedCommand]) {
        for command in commands {
            let Some(recommended) = command.recommended_seconds else {
                continue;
            };
            let seconds = &mut self.seconds[usize::from(command.opcode)];
            *seconds = recommended.clamp(ORDINARY_SECONDS, LONGEST_SECONDS);
            if command.opcode == op::ERASE_6 {
                // The one number that a drive gives for both forms is that of the long one.
                self.long_erase = *seconds;
            }
        }
    }

    /// How long to wait for `cdb`.
    #[must_use]
    pub fn of(&self, cdb: &[u8]) -> Duration {
        if cdb::is_long_erase(cdb) {
            return Duration::from_secs(u64::from(self.long_erase));
        }
        let opcode = cdb.first().copied().unwrap_or(0);
        Duration::from_secs(u64::from(self.seconds[usize::from(opcode)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_own_word_wins_within_reason() {
        let mut timeouts = Timeouts::of_drive(Some(Generation::Lto9));
        assert_eq!(timeouts.of(&cdb::locate_16(7)), Duration::from_secs(2940));
        assert_eq!(
            timeouts.of(&cdb::test_unit_ready()),
            Duration::from_secs(60)
        );
        let recommends = |opcode, seconds| SupportedCommand {
            opcode,
            service_action: None,
            recommended_seconds: Some(seconds),
        };
        timeouts.adopt(&[
            recommends(op::LOCATE_16, 4000),
            recommends(op::REWIND, 1),
            recommends(op::READ_6, u32::MAX),
        ]);
        assert_eq!(timeouts.of(&cdb::locate_16(7)), Duration::from_secs(4000));
        assert_eq!(timeouts.of(&cdb::rewind()), Duration::from_secs(60));
        assert_eq!(timeouts.of(&cdb::read_6(512)), Duration::from_secs(200_000));
        assert_eq!(timeouts.of(&cdb::write_6(512)), Duration::from_secs(1680));
        let long = cdb::erase(true, false);
        assert_eq!(timeouts.of(&long), Duration::from_secs(166_370));
        timeouts.adopt(&[recommends(op::ERASE_6, 74_341)]);
        assert_eq!(timeouts.of(&long), Duration::from_secs(74_341));
        let short = cdb::erase(false, false);
        assert_eq!(timeouts.of(&short), Duration::from_secs(74_341));
    }
}
