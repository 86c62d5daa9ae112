//! The first file of a restore: when it is there, and how that may be soon.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::arrange::Arranged;
use super::chosen::Worth;
use super::outlook::TapeNeed;
use super::timeline::TapeTimes;
use crate::jobs::ByteText;
use crate::jobs::whereabouts::{Places, TapePlace};

/// The file that is there first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirstFile {
    /// Where it goes, below the target.
    pub path: ByteText,
    /// Barcode of its tape.
    pub tape: String,
    /// The moment, if the restore begins now.
    pub at: Timestamp,
    /// From now, in seconds.
    pub seconds: f64,
}

impl FirstFile {
    /// That of volumes, each with what it takes and when it is begun. `None` if none of them
    /// brings a whole file by itself.
    pub(super) fn of(
        now: Timestamp,
        volumes: &[Arranged],
        tapes: &[TapeNeed],
    ) -> Option<FirstFile> {
        let first = |(volume, tape): (&Arranged, &TapeNeed)| {
            let (read, until_s) = first_of(volume)?;
            // As much quicker or slower than by the data sheet as all that is read of the tape.
            let factor = match tape.sheet.use_s() {
                sheet_s if sheet_s > 0.0 => tape.times.use_s() / sheet_s,
                _ => 1.0,
            };
            let seconds = tape.begins_s? + tape.times.mount_s() + until_s * factor;
            let span = SignedDuration::from_millis((seconds * 1000.0) as i64);
            Some(FirstFile {
                path: ByteText(volume.reads.reads[read].name.clone()),
                tape: volume.reads.barcode.clone(),
                at: now.checked_add(span).unwrap_or(Timestamp::MAX),
                seconds,
            })
        };
        let all = volumes.iter().zip(tapes).filter_map(first);
        all.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }
}

/// The first read of a volume that brings a file, and how long that takes once it is mounted.
fn first_of(volume: &Arranged) -> Option<(usize, f64)> {
    let read = volume
        .worth
        .iter()
        .position(|worth| *worth == Worth::File)?;
    let legs = &volume.order.legs[..=read];
    let until_s = legs.iter().map(|leg| leg.approach_s + leg.read_s).sum();
    Some((read, until_s))
}

fn times(volume: &Arranged, places: &Places) -> TapeTimes {
    TapeTimes::of_sheet(volume, &places.of(&volume.reads.barcode), places)
}

/// Puts the volume in front that brings its first file soonest, of those within reach; behind it
/// those that bring most files for the time that they take.
pub(super) fn sort(volumes: &mut [Arranged], places: &Places) {
    let soonest = |volume: &Arranged| {
        let until_s = first_of(volume).map_or(f64::INFINITY, |(_, until_s)| until_s);
        times(volume, places).mount_s() + until_s
    };
    let by_first = |a: &usize, b: &usize| soonest(&volumes[*a]).total_cmp(&soonest(&volumes[*b]));
    let is_here = |one: &usize| {
        let barcode = &volumes[*one].reads.barcode;
        places.of(barcode) != TapePlace::Missing
    };
    let Some(first) = (0..volumes.len()).filter(is_here).min_by(by_first) else {
        return;
    };
    volumes[..=first].rotate_right(1);
    let for_each = |volume: &Arranged| {
        let files = volume
            .worth
            .iter()
            .filter(|worth| **worth == Worth::File)
            .count();
        times(volume, places).total_s / files.max(1) as f64
    };
    volumes[1..].sort_by(|a, b| for_each(a).total_cmp(&for_each(b)));
}
