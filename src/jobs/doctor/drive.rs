//! One drive: who it is, what it can do, how it feels.

use super::host::Volumes;
use super::{Examination, Verdict};
use crate::drive::{Drive, DriveError, DriveErrorKind, HealthCounters, SequentialDevice as _};
use crate::error_text::with_causes;
use crate::jobs::JobErrorKind;
use crate::scsi::encryption::{Decryption, EncryptionStatus};
use crate::scsi::statistics::ErrorCounters;
use crate::scsi::tape_alert::{Severity, TapeAlert, TapeAlerts};
use crate::volume::label::DEFAULT_BLOCK_BYTES;

/// A tape with less of its life left should be replaced.
const LIFE_WANTED_PERCENT: u64 = 10;

/// What to do about a drive that answers no more.
const SILENT_CURE: &str = "switch it off and on, at the library's panel if it has no switch; check \
                           its cable and what `dmesg` says; if it falls silent again, have it \
                           seen to";

/// The drive answers no more, which is noted: another question would cost time only.
#[derive(Debug)]
struct Silent;

/// Questions to a drive, and what is noted of the answers.
type Questions = fn(&mut Drive, &str, &mut Examination) -> Result<(), Silent>;

/// Examines an open drive, which the checks call `about`.
pub(super) fn examine(drive: &mut Drive, about: &str, volumes: Volumes, found: &mut Examination) {
    const QUESTIONS: [Questions; 6] = [formats, health, volume, protection, encryption, retries];
    identity(drive, about, found);
    longest_block(drive.max_block_bytes() as u64, volumes, about, found);
    // The rest stays unasked once there is no answer.
    let _ = QUESTIONS
        .into_iter()
        .try_for_each(|ask| ask(drive, about, found));
    for notice in drive.notices() {
        found.note(about, Verdict::Warning, notice.clone());
    }
}

fn identity(drive: &Drive, about: &str, found: &mut Examination) {
    let who = drive.identity();
    let generation = who.generation.map_or_else(
        || "a generation that its name does not tell".to_owned(),
        |generation| generation.to_string(),
    );
    found.ok(
        about,
        format!(
            "{} {}, {generation}, firmware {}, reached as {}",
            who.vendor,
            who.product,
            who.revision,
            drive.name()
        ),
    );
    if who.serial.is_empty() {
        found.note(
            about,
            Verdict::Warning,
            "it tells no serial number, so it is known by its node alone, which may change",
        );
    }
}

fn formats(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    let Some(densities) = answer(drive.densities(), about, found)? else {
        return Ok(());
    };
    if densities.is_empty() {
        found.unknown(about, "it does not tell which formats it reads and writes");
        return Ok(());
    }
    let names = |writable: bool| -> Vec<&str> {
        let those = densities.iter().filter(|d| d.writable == writable);
        let mut names: Vec<&str> = those.map(|d| &*d.name).collect();
        names.dedup();
        names
    };
    let mut what = format!("writes {}", names(true).join(", "));
    if !names(false).is_empty() {
        what.push_str(&format!("; only reads {}", names(false).join(", ")));
    }
    found.ok(about, what);
    Ok(())
}

/// The longest block that drive, adapter and kernel carry, against what tapes have.
fn longest_block(bytes: u64, volumes: Volumes, about: &str, found: &mut Examination) {
    let shown = kib(bytes);
    let (usual, longest) = (u64::from(DEFAULT_BLOCK_BYTES), volumes.longest_block_bytes);
    let cure = "use another host adapter, or raise its limit (max_sectors, max_sgl_entries of its \
                driver); new tapes: tape label --block-size";
    if bytes < longest {
        let needed = kib(longest);
        let what = format!("blocks of up to {shown} pass, and tapes in use have {needed}");
        found.problem(about, JobErrorKind::BadDevice, what, cure);
    } else if bytes < usual {
        let what = format!(
            "blocks of up to {shown} pass, fewer bytes than the usual {}",
            kib(usual)
        );
        found.warn(about, what, cure);
    } else {
        found.ok(about, format!("blocks of up to {shown} pass"));
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes >> 10)
}

/// The flags before anything else: what is wrong with the counters must not hide them.
fn health(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    let flags = match answer(drive.tape_alerts(), about, found)? {
        None => TapeAlerts::default(),
        Some(flags) => {
            alerts(&flags, about, found);
            flags
        }
    };
    if let Some(counters) = answer(drive.health_counters(), about, found)? {
        cleaning(&flags, &counters, about, found);
        errors("writing", counters.write_errors, about, found);
        errors("reading", counters.read_errors, about, found);
    }
    Ok(())
}

fn alerts(flags: &TapeAlerts, about: &str, found: &mut Examination) {
    if flags.is_empty() {
        found.ok(about, "no TapeAlert flag is set");
    }
    for flag in flags.iter() {
        alert(flag, about, found);
    }
}

/// The wish of its log page 0C; what a TapeAlert flag asks for is not said again.
fn cleaning(flags: &TapeAlerts, counters: &HealthCounters, about: &str, found: &mut Examination) {
    let asked = flags.iter().any(|flag| flag.asks_for_cleaning());
    match counters.cleaning_wanted() {
        Some(true) if !asked => found.warn(
            about,
            "it wants to be cleaned",
            "let it have its cleaning cartridge",
        ),
        Some(false) => found.ok(about, "it does not want to be cleaned"),
        _ => {}
    }
}

/// Error rates since the drive began to count.
fn errors(doing: &str, counted: Option<ErrorCounters>, about: &str, found: &mut Examination) {
    let Some(counted) = counted else {
        return found.unknown(about, format!("it counts no errors in {doing}"));
    };
    let corrected = match counted.corrected_per_mb() {
        Some(rate) => format!("{rate:.4} errors corrected for each MB"),
        None => "no error rate yet".to_owned(),
    };
    match counted.uncorrected {
        Some(0) => found.ok(
            about,
            format!("{doing}: {corrected}, none left uncorrected"),
        ),
        None => found.unknown(about, format!("{doing}: {corrected}")),
        Some(lost) => found.warn(
            about,
            format!("{doing}: {corrected}, {lost} not corrected"),
            "clean it; if that does not help, try other tapes, then another drive",
        ),
    }
}

/// What is left of the life of the tape in it, if there is one.
fn volume(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    let statistics = answer(drive.volume_statistics(), about, found)?.flatten();
    let counters = statistics.map(|statistics| statistics.counters);
    if let Some(counters) = counters
        && let Some(percent) = counters.remaining_life_percent
    {
        life(percent, counters.mounts, about, found);
    }
    Ok(())
}

fn life(percent: u64, mounts: Option<u64>, about: &str, found: &mut Examination) {
    let mounts = mounts.map_or_else(String::new, |count| {
        format!(", and was loaded {count} times")
    });
    let what = format!("the tape in it has {percent} % of its life left{mounts}");
    if percent < LIFE_WANTED_PERCENT {
        found.warn(
            about,
            what,
            "write new data to another tape, and copy this one",
        );
    } else {
        found.ok(about, what);
    }
}

fn alert(flag: TapeAlert, about: &str, found: &mut Examination) {
    let what = format!("TapeAlert {:02X}h: {}", flag.number, flag.name);
    if flag.asks_for_cleaning() {
        found.warn(about, what, "let it have its cleaning cartridge");
        return;
    }
    match flag.severity {
        Severity::Information => found.ok(about, what),
        Severity::Warning => found.note(about, Verdict::Warning, what),
        Severity::Critical => found.problem(
            about,
            JobErrorKind::BadDevice,
            what,
            "write nothing with it until its maker or its library's display has said why",
        ),
    }
}

/// Whether the tape in it, if there is one, can be written.
fn protection(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    let medium = answer(drive.medium(), about, found)?;
    if medium.is_some_and(|medium| medium.write_protected) {
        found.warn(
            about,
            "the tape in it is write-protected",
            "if it is meant to be written, slide its tab",
        );
    }
    Ok(())
}

/// Whether a key is set that no command of this program has set: it would go into every tape.
fn encryption(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    if let Some(status) = answer(drive.encryption_status(), about, found)? {
        key_left(status.as_ref(), about, found);
    }
    Ok(())
}

fn key_left(status: Option<&EncryptionStatus>, about: &str, found: &mut Examination) {
    let left_on = match status {
        None => return found.ok(about, "it has no encryption"),
        Some(status) if status.encrypting => "it encrypts what is written, with a key left in it",
        Some(status) if status.decryption != Decryption::Off => {
            "it decrypts what is read, with a key left in it"
        }
        Some(_) => return found.ok(about, "its encryption is off"),
    };
    found.warn(
        about,
        left_on,
        "unless that is wanted, take the key away before a tape is written, for who reads it \
         needs that key: `stenc -f DEVICE -e off`, or switch the drive off and on",
    );
}

/// Transport layer retries: without them a frame lost on SAS is a lost command, and the tape's
/// position with it.
fn retries(drive: &mut Drive, about: &str, found: &mut Examination) -> Result<(), Silent> {
    match answer(drive.transport_layer_retries(), about, found)? {
        None => {}
        Some(None) => found.unknown(
            about,
            "whether its path repeats lost frames (TLR) does not apply, or it does not tell",
        ),
        Some(Some(true)) => found.unknown(
            about,
            "it can repeat lost frames (TLR); whether the adapter has that on, Linux does not \
             tell (mpt3sas does where the drive can)",
        ),
        Some(Some(false)) => found.note(
            about,
            Verdict::Warning,
            "it cannot repeat frames lost on SAS (TLR): keep cables short, and look at dmesg",
        ),
    }
    Ok(())
}

/// The answer to a question; `None` if the drive refused it, which is noted. That no tape is ready
/// in the drive is no illness.
fn answer<T>(
    asked: Result<T, DriveError>,
    about: &str,
    found: &mut Examination,
) -> Result<Option<T>, Silent> {
    let error = match asked {
        Ok(answer) => return Ok(Some(answer)),
        Err(error) => error,
    };
    let what = with_causes(&error);
    match error.kind {
        DriveErrorKind::NoMedium | DriveErrorKind::NotReady => found.unknown(about, what),
        DriveErrorKind::Transport => {
            let what = format!("it answers no more, and was not asked further: {what}");
            found.problem(about, JobErrorKind::BadDevice, what, SILENT_CURE);
            return Err(Silent);
        }
        _ => found.problem(about, JobErrorKind::BadDevice, what, ""),
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scsi::opcode;
    use crate::scsi::sense::{Sense, SenseKey};
    use crate::transport::{Completion, Data, Status, Transport, TransportError};

    fn only(found: &Examination) -> (Verdict, bool) {
        assert_eq!(found.checks.len(), 1, "{found:?}");
        (found.checks[0].verdict, found.checks[0].cure.is_some())
    }

    #[test]
    fn the_longest_block_is_held_against_the_tapes() {
        for (carried, in_use, verdict) in [
            (1 << 20, 512 << 10, Verdict::Ok),
            (512 << 10, 0, Verdict::Ok),
            (256 << 10, 0, Verdict::Warning),
            (256 << 10, 256 << 10, Verdict::Warning),
            (512 << 10, 1 << 20, Verdict::Problem),
        ] {
            let mut found = Examination::default();
            let volumes = Volumes {
                longest_block_bytes: in_use,
            };
            longest_block(carried, volumes, "drive", &mut found);
            let expected = (verdict, verdict != Verdict::Ok);
            assert_eq!(only(&found), expected, "{carried} for {in_use}");
        }
    }

    #[test]
    fn an_alert_weighs_as_much_as_the_drive_says() {
        use Severity::{Critical, Information, Warning};
        for (number, severity, expected) in [
            (0x0A, Information, (Verdict::Ok, false)),
            (0x01, Warning, (Verdict::Warning, false)),
            (0x15, Warning, (Verdict::Warning, true)),
            (0x14, Critical, (Verdict::Warning, true)),
            (0x1E, Critical, (Verdict::Problem, true)),
        ] {
            let flag = TapeAlert {
                number,
                severity,
                name: "flag",
            };
            let mut found = Examination::default();
            alert(flag, "drive", &mut found);
            assert_eq!(only(&found), expected, "{number:02X}");
        }
    }

    /// Answers what is not the INQUIRY of a drive by the first rule that has its opcode and,
    /// of LOG SENSE, its page.
    struct Poor;

    impl Transport for Poor {
        fn execute(
            &mut self,
            cdb: &[u8],
            data: Data<'_>,
            _: Duration,
        ) -> Result<Completion, TransportError> {
            let good = |bytes: &[u8]| {
                let transferred_bytes = match data {
                    Data::In(buffer) => {
                        let count = bytes.len().min(buffer.len());
                        buffer[..count].copy_from_slice(&bytes[..count]);
                        count
                    }
                    _ => 0,
                };
                Ok(Completion {
                    status: Status::GOOD,
                    sense: Vec::new(),
                    transferred_bytes,
                })
            };
            let sense = |key, asc| {
                Ok(Completion {
                    status: Status::CHECK_CONDITION,
                    sense: Sense::fixed(key, asc, 0),
                    transferred_bytes: 0,
                })
            };
            match (cdb[0], cdb.get(2).map_or(0, |code| code & 0x3F)) {
                (opcode::INQUIRY, 0) if cdb[1] == 0 => {
                    let mut inquiry = [b' '; 96];
                    inquiry[..8].copy_from_slice(&[1, 0x80, 6, 2, 91, 0, 0, 0]);
                    good(&inquiry)
                }
                (opcode::READ_BLOCK_LIMITS, _) => good(&[0, 0x80, 0, 0, 0, 1]),
                // Flag 0Bh is set, in the bits of page 12.
                (opcode::LOG_SENSE, 0x12) => {
                    good(&[0x12, 0, 0, 12, 0, 0, 3, 8, 0, 0x20, 0, 0, 0, 0, 0, 0])
                }
                (opcode::LOG_SENSE, _) => good(&[0x3F, 0, 0, 0]),
                _ => sense(SenseKey::NotReady, 0x3A),
            }
        }

        fn name(&self) -> &str {
            "a poor drive"
        }

        fn max_transfer_bytes(&self) -> usize {
            1 << 20
        }
    }

    #[test]
    fn a_page_that_makes_no_sense_hides_no_alert() {
        let mut drive = Drive::open(Box::new(Poor)).unwrap();
        let mut found = Examination::default();
        health(&mut drive, "drive", &mut found).unwrap();
        let told = |verdict, what: &str| found.with(verdict).any(|c| c.what.contains(what));
        assert!(told(Verdict::Ok, "TapeAlert 0Bh"), "{found:?}");
        assert_eq!(found.problems().count(), 1, "{found:?}");
    }

    #[test]
    fn an_empty_drive_has_no_problem() {
        let mut drive = Drive::open(Box::new(Poor)).unwrap();
        let mut found = Examination::default();
        encryption(&mut drive, "drive", &mut found).unwrap();
        protection(&mut drive, "drive", &mut found).unwrap();
        assert_eq!(found.problems().count(), 0, "{found:?}");
        assert!(found.with(Verdict::Unknown).count() > 0, "{found:?}");
    }

    #[test]
    fn what_was_not_corrected_is_worth_a_look() {
        let counted = |uncorrected| {
            Some(ErrorCounters {
                corrected: Some(5),
                processed_bytes: Some(10_000_000),
                uncorrected,
                ..ErrorCounters::default()
            })
        };
        for (counters, expected) in [
            (None, (Verdict::Unknown, false)),
            (counted(None), (Verdict::Unknown, false)),
            (counted(Some(0)), (Verdict::Ok, false)),
            (counted(Some(2)), (Verdict::Warning, true)),
        ] {
            let mut found = Examination::default();
            errors("writing", counters, "drive", &mut found);
            assert_eq!(only(&found), expected, "{found:?}");
        }
        let mut found = Examination::default();
        errors("writing", counted(Some(2)), "drive", &mut found);
        assert!(found.checks[0].what.contains("0.5000 errors"), "{found:?}");
    }

    #[test]
    fn a_key_that_was_left_in_the_drive_is_warned_of() {
        let status = |encrypting, decryption| {
            Some(EncryptionStatus {
                encrypting,
                decryption,
                key_instance: 1,
                volume_encrypted: false,
                name: None,
            })
        };
        for (status, expected) in [
            (None, (Verdict::Ok, false)),
            (status(false, Decryption::Off), (Verdict::Ok, false)),
            (status(true, Decryption::Mixed), (Verdict::Warning, true)),
            (status(true, Decryption::Off), (Verdict::Warning, true)),
            (status(false, Decryption::Mixed), (Verdict::Warning, true)),
        ] {
            let mut found = Examination::default();
            key_left(status.as_ref(), "drive", &mut found);
            assert_eq!(only(&found), expected, "{status:?}");
        }
    }

    #[test]
    fn a_worn_tape_is_worth_a_look() {
        for (percent, expected) in [
            (90, (Verdict::Ok, false)),
            (10, (Verdict::Ok, false)),
            (9, (Verdict::Warning, true)),
        ] {
            let mut found = Examination::default();
            life(percent, Some(3), "drive", &mut found);
            assert_eq!(only(&found), expected, "{percent}");
        }
    }
}
