//! Parts of the sentences that errors of jobs say.

use jiff::Timestamp;

use crate::jobs::Outcome;

/// What a failed write leaves of a tape.
pub(super) fn after_write_failure(suspect: bool, segments: u64) -> String {
    let state = match suspect {
        true => "it was marked suspect, and nothing more is written to it",
        false => "nothing speaks against the tape itself",
    };
    let safe = match segments {
        0 => "no segment on it is confirmed".to_owned(),
        1 => "the one segment of it in the catalog is confirmed and safe".to_owned(),
        n => format!("the {n} segments of it in the catalog are confirmed and safe"),
    };
    format!("{state}; {safe}")
}

/// `a, b and c`, or `none` where there is nothing.
pub(super) fn list(items: &[String], none: &str) -> String {
    match items {
        [] => none.to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Which cartridges claim one barcode, and what was made of that.
pub(super) fn claimed_twice(
    barcode: &str,
    places: &[String],
    one_volume: bool,
    read: Option<&str>,
) -> String {
    let places = list(places, "cartridges");
    let why = match one_volume {
        true => "they hold the same volume, so one is a copy of the other",
        false => "they hold different volumes",
    };
    let done = match read {
        Some(read) if one_volume => format!("only {read}, the first, was read"),
        Some(read) => format!("only {read} was read, whose volume the catalog knows"),
        None => "neither was read".to_owned(),
    };
    format!("the labels of {places} all say {barcode}, and no barcode can be read: {why}; {done}")
}

pub(super) fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// `slot 7 holds a cartridge whose label cannot be read`, of these places.
pub(in crate::jobs) fn labels_unread(places: &[String]) -> String {
    const TOLD: usize = 4;
    if let [one] = places {
        return format!("{one} holds a cartridge whose label cannot be read");
    }
    let mut told = places[..places.len().min(TOLD)].to_vec();
    if places.len() > TOLD {
        told.push(format!("{} more", places.len() - TOLD));
    }
    let told = list(&told, "no place");
    format!("{told} hold cartridges whose labels cannot be read")
}

/// That nothing matches, and why that may be.
pub(super) fn nothing_found(
    patterns: &[String],
    as_of: Option<Timestamp>,
    first_job: Option<Timestamp>,
) -> String {
    let patterns = list(patterns, "an empty list");
    let moment = match (as_of, first_job) {
        (None, _) => String::new(),
        (Some(at), Some(first)) if at < first => {
            format!(" as of {at:.0}: the first job began at {first:.0}")
        }
        (Some(at), _) => format!(" as of {at:.0}"),
    };
    format!("nothing in the catalog matches {patterns}{moment}")
}

/// What became of a tape that is missing, as far as anything is known.
pub(super) fn missing_text(nameless: &[String], lost: &Option<String>) -> String {
    let lost = lost.as_ref().map(|lost| format!("; {lost}"));
    nameless_text(nameless) + &lost.unwrap_or_default()
}

fn nameless_text(places: &[String]) -> String {
    match places {
        [] => String::new(),
        [_] => format!("; {}, and it may be this one", labels_unread(places)),
        _ => format!("; {}, and one may be this", labels_unread(places)),
    }
}

pub(super) fn now_text(now: &Option<String>) -> String {
    now.as_ref()
        .map_or_else(String::new, |place| format!("; it is in {place} now"))
}

pub(super) fn found_text(found: &Option<String>) -> String {
    found
        .as_ref()
        .map_or_else(String::new, |found| format!("; the drive held {found}"))
}

/// Why a job may be without segments, and what other jobs of its name there are.
pub(super) fn without_segments(ended: Option<Outcome>, others: &[String]) -> String {
    let ended = match ended {
        Some(Outcome::Complete) => "it had nothing to write",
        Some(Outcome::Partial) => "it was done in part",
        Some(Outcome::Failed) => "it failed",
        Some(Outcome::Interrupted) => "it was interrupted",
        None => "it still runs",
    };
    match others {
        [] => ended.to_owned(),
        others => format!("{ended}; other jobs of this name: {}", list(others, "")),
    }
}
