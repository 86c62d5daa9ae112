//! A rescue saves what is whole, names what is not, and stays in its directory.

mod damage;
mod joins;
mod lacking;
mod modes;
mod names;
mod of_others;
mod proofs;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tapewright::engine::rescue::{RescueOptions, RescueReport, rescue};
use tapewright::engine::target::Owners;
use tapewright::monitor::Silent;
use tapewright::volume::index::{Codec, DigestAlgorithm};

use crate::rig::{Volume, two_segments};
use crate::tape::Tape;

fn options(target: &Path) -> RescueOptions {
    RescueOptions {
        target: target.to_owned(),
        retries: 2,
        most_bad_blocks: 1000,
        keep_partial: false,
        owners: Owners::Names,
    }
}

fn rescued(tape: &Tape, options: &RescueOptions) -> RescueReport {
    rescue(tape.load().as_mut(), "A00001L9", 1 << 20, options, &Silent).unwrap()
}

/// Segment 1 is blocks 2 to 12, if it is plain.
fn volume(codec: Codec) -> Volume {
    two_segments(codec, DigestAlgorithm::Blake3)
}

/// Files below `dir`.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match fs::symlink_metadata(&path).unwrap().is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_str().unwrap();
                    found.insert(name.to_owned());
                }
            }
        }
    }
    found
}

fn lost(report: &RescueReport) -> Vec<String> {
    let names = report.lost.iter();
    names
        .map(|lost| String::from_utf8(lost.path.clone()).unwrap())
        .collect()
}

/// Rescues tapes one after the other into directories of their own below `dir`.
fn rescued_below(dir: &Path, tapes: &[(&str, &Tape)]) -> Vec<RescueReport> {
    let one = |(name, tape): &(&str, &Tape)| rescued(tape, &options(&dir.join(name)));
    tapes.iter().map(one).collect()
}
