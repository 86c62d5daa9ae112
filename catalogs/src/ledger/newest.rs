//! Reads the ledger backwards, for events of one type that are wanted from the newest on.
//!
//! The chain has been checked when the catalog was opened; each line that is taken is checked
//! against its own sum once more. A line that fails is passed over: what is asked for so is told
//! by other lines, too.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memmem, memrchr};

use super::error::LedgerError;
use super::line::{self, LINE_BYTES_MAX, Parsed};
use crate::model::event::Recorded;

/// So much of the ledger's end is looked at.
const LOOKED_AT_BYTES: u64 = 64 << 20;
const STEP_BYTES: usize = 256 << 10;

/// Events whose lines have the text `mark` in them, so many at most, the newest first.
pub(crate) fn newest_events(
    path: &Path,
    mark: &[u8],
    most: usize,
) -> Result<Vec<Recorded<Parsed>>, LedgerError> {
    newest_in_steps(path, mark, most, STEP_BYTES)
}

fn newest_in_steps(
    path: &Path,
    mark: &[u8],
    most: usize,
    step_bytes: usize,
) -> Result<Vec<Recorded<Parsed>>, LedgerError> {
    let io = |at| {
        move |source| LedgerError::Io {
            path: path.to_owned(),
            at,
            source,
        }
    };
    let file = File::open(path).map_err(io(0))?;
    let mut at = file.metadata().map_err(io(0))?.len();
    let stop = at.saturating_sub(LOOKED_AT_BYTES);
    let mut found = Vec::new();
    // What begins at `at`: whole lines have been taken off its end.
    let mut rest: Vec<u8> = Vec::new();
    let mut is_end = true;
    while at > stop && found.len() < most && rest.len() <= LINE_BYTES_MAX {
        let step = (at - stop).min(step_bytes as u64);
        at -= step;
        let mut bytes = vec![0; step as usize];
        file.read_exact_at(&mut bytes, at).map_err(io(at))?;
        bytes.append(&mut rest);
        if is_end {
            // Behind the last newline somebody is writing, or was cut off.
            let Some(last) = memrchr(b'\n', &bytes) else {
                rest = bytes;
                continue;
            };
            bytes.truncate(last + 1);
            is_end = false;
        }
        let first = match at {
            0 => 0,
            // The line that ends there may begin further in front.
            _ => match memchr(b'\n', &bytes) {
                Some(newline) => newline + 1,
                None => bytes.len(),
            },
        };
        let lines = bytes[first..].split(|byte| *byte == b'\n').rev();
        let wanted = lines.filter(|line| memmem::find(line, mark).is_some());
        let events = wanted.filter_map(|line| {
            line::verify(line).ok()?;
            line::parse(line).ok()
        });
        found.extend(events.take(most - found.len()));
        bytes.truncate(first);
        rest = bytes;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::line::{NO_SUM, encode};
    use crate::model::event::{Event, VolumeRetired};
    use jiff::Timestamp;
    use uuid::Uuid;

    #[test]
    fn lines_come_backwards_whatever_the_steps_and_what_is_torn_or_altered_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let mut bytes = Vec::new();
        for seq in 1..=20_u64 {
            let mark = if seq % 3 == 0 { "wanted" } else { "other" };
            let event = Event::VolumeRetired(VolumeRetired {
                volume: Uuid::from_u128(u128::from(seq)),
                reason: format!("{mark} {}", "x".repeat(seq as usize * 7)),
            });
            let (mut line, _) = encode(seq, NO_SUM, Timestamp::UNIX_EPOCH, &event).unwrap();
            if seq == 12 {
                let at = line.len() / 2;
                line[at] ^= 1;
            }
            bytes.extend_from_slice(&line);
        }
        let torn = b"{\"seq\":21, wanted";
        for (end, steps) in [(&b""[..], [1, 7, 100, 1 << 20]), (torn, [2, 13, 333, 4096])] {
            std::fs::write(&path, [&bytes, end].concat()).unwrap();
            for step in steps {
                for (most, expected) in [(9, vec![18, 15, 9, 6, 3]), (2, vec![18, 15]), (0, vec![])]
                {
                    let found = newest_in_steps(&path, b"wanted", most, step).unwrap();
                    let found: Vec<u64> = found.iter().map(|one| one.seq).collect();
                    assert_eq!(found, expected, "{step} bytes at once, {most} at most");
                }
            }
        }
        std::fs::write(&path, b"").unwrap();
        assert!(newest_events(&path, b"wanted", 9).unwrap().is_empty());
    }
}
