//! One file of the catalog onto an output: to a pipe, say.

use std::io::Write;

use std::collections::HashMap;
use std::path::Path;

use super::arrange::Arranged;
use super::record::{Begun, Came, Record, STDOUT, first_of};
use super::replan::Layouts;
use super::summary::{Real, Timing, as_planned};
use super::timed::Timed;
use super::{NOT_FOUND, Output, Prepared, RestoreError, RestoreOptions, make};
use crate::clock::seconds_between;
use crate::engine::restore::{FallenBack, MemberRead, PourReport, VolumeReads, pour};
use crate::jobs::engine_error::from_engine;
use crate::jobs::source::LibrarySource;
use crate::jobs::whereabouts::Pick;
use crate::jobs::{ByteText, FailedTape, JobError, Outcome, Problem, Problems, Site};

/// What came of a file that was poured out.
#[derive(Debug)]
pub struct Poured {
    /// Bytes given out, whether all came, and whether they agree with the digest.
    pub report: PourReport,
    /// Tapes that could not be had or read.
    pub failed_tapes: Vec<FailedTape>,
    /// Tapes that someone has to bring: all of the pick list where not all came.
    pub missing_tapes: Vec<Pick>,
    /// Why the file is not what its name promises, if it is not.
    pub remarks: Problems,
}

/// Pours the content of the one file that `options` name into `output`, parts joined and holes as
/// zeros, and leaves a record of it in the catalog. Of the options only patterns and moment count.
///
/// # Errors
///
/// Nothing matches, or more than one object ([`RestoreError::NotOneFile`]); catalog or library
/// cannot be asked; `output` takes no more.
pub fn pour_file(
    site: Site<'_>,
    options: &RestoreOptions,
    output: &mut dyn Write,
) -> Result<Poured, JobError> {
    let options = Output::File.options(options);
    let Prepared {
        catalog,
        mounter,
        mut choice,
        outlook,
        ..
    } = make(site, &options, Output::File)?;
    let mut remarks = choice.remarks;
    for path in choice.not_found {
        let what = NOT_FOUND.to_owned();
        remarks.push(Problem { path, what });
    }
    let name = the_one(&choice.volumes)?;
    let arranged = choice.volumes.iter_mut().chain(&mut choice.spares);
    let layouts = Layouts::of(arranged, options.aim());
    let copies: Vec<Vec<VolumeReads>> = [choice.volumes, choice.spares]
        .into_iter()
        .map(|volumes| in_order(&name, volumes))
        .filter(|copy| !copy.is_empty())
        .collect();
    let begun = Begun {
        restore: site.clock.new_id(),
        options: &options,
        output: Output::File,
        target: Path::new(STDOUT),
        started: site.clock.now(),
        can_resume: false,
    };
    let record = Record::begin(site, &catalog, &begun, &outlook);
    site.monitor
        .if_ended("what was written is not all of the file: run the command again");
    let source = LibrarySource::new(site, &catalog, mounter, None);
    let watch = source.watch();
    let mut source = Timed::new(source, watch, layouts);
    let report = pour(&copies, &mut source, output, site.monitor).map_err(from_engine);
    let (source, took) = source.finish();
    let refused = source.finish();
    let real_s = seconds_between(begun.started, site.clock.now());
    let real = Real {
        took: &took,
        anew: &HashMap::new(),
        fallen_back: &report.as_ref().map(fallen_back).unwrap_or_default(),
    };
    let timing = Timing::of(&outlook, real_s, &real);
    let came = report.as_ref();
    let came = came.map_or_else(Came::failed, |report| came_of(&name, report, &remarks));
    record.end(&timing, came);
    let report = report?;
    let (mut missing_tapes, failed_tapes) = FailedTape::sort(refused);
    as_planned(&mut missing_tapes, &outlook.pick_list);
    if !report.is_whole {
        // It ended at the first of them.
        let more = outlook.pick_list.into_iter();
        let is_told = |pick: &Pick| missing_tapes.iter().any(|one| one.barcode == pick.barcode);
        let more: Vec<Pick> = more.filter(|pick| !is_told(pick)).collect();
        missing_tapes.extend(more);
    }
    Ok(Poured {
        report,
        failed_tapes,
        missing_tapes,
        remarks,
    })
}

/// The same for the record. Copies that another stood in for are no problem of it.
fn came_of(name: &[u8], report: &PourReport, remarks: &Problems) -> Came {
    let outcome = match report.agrees {
        _ if report.stopped => Outcome::Interrupted,
        _ if !report.is_whole => Outcome::Partial,
        Some(false) => Outcome::Partial,
        _ => Outcome::Complete,
    };
    let is_whole = outcome == Outcome::Complete;
    let mut problems = Problems::default();
    let mut problem = |what: &str| {
        problems.push(Problem {
            path: ByteText(name.to_vec()),
            what: what.to_owned(),
        });
    };
    match report.is_whole {
        true if is_whole => {}
        true => report.doubts.iter().for_each(|what| problem(what)),
        false => report.failures.iter().for_each(|one| problem(&one.what)),
    }
    Came {
        outcome,
        objects: u64::from(is_whole),
        files: u64::from(is_whole),
        file_bytes: report.bytes,
        verified: u64::from(is_whole && report.agrees == Some(true)),
        missing: Some(u64::from(!is_whole)),
        lost: Vec::new(),
        problems,
        remarks: first_of(remarks),
        metadata_not_set: Problems::default(),
    }
}

/// The tapes behind which another copy went on.
fn fallen_back(report: &PourReport) -> Vec<FallenBack> {
    let turned = report.turned_from();
    let turned = turned.map(|(volume, what)| FallenBack {
        volume,
        objects: 1,
        what: what.to_owned(),
    });
    turned.collect()
}

/// The one object that is chosen; directories above it do not count.
pub(super) fn the_one(volumes: &[Arranged]) -> Result<Vec<u8>, RestoreError> {
    let reads = volumes.iter().flat_map(|volume| &volume.reads.reads);
    let mut names: Vec<&[u8]> = reads.map(|read| read.name.as_slice()).collect();
    names.sort_unstable();
    names.dedup();
    let is_above = |name: &[u8], other: &[u8]| {
        other.len() > name.len() && other.starts_with(name) && other[name.len()] == b'/'
    };
    let objects: Vec<&[u8]> = names
        .iter()
        .filter(|name| !names.iter().any(|other| is_above(name, other)))
        .copied()
        .take(2)
        .collect();
    match objects[..] {
        [only] => Ok(only.to_vec()),
        _ => Err(RestoreError::NotOneFile {
            first: objects
                .iter()
                .map(|name| format!("/{}", String::from_utf8_lossy(name)))
                .collect(),
        }),
    }
}

/// The reads of one file by part, and by volume in turn.
fn in_order(name: &[u8], volumes: Vec<Arranged>) -> Vec<VolumeReads> {
    let mut all: Vec<(u32, VolumeReads)> = Vec::new();
    for Arranged { reads, .. } in volumes {
        let of_file = |read: &&MemberRead| read.name == name;
        for read in reads.reads.iter().filter(of_file) {
            let one = VolumeReads {
                reads: vec![read.clone()],
                barcode: reads.barcode.clone(),
                ..reads
            };
            all.push((read.part.map_or(0, |part| part.number), one));
        }
    }
    in_turn(all)
}

/// Parts in their order, those that follow each other on one volume together.
pub(super) fn in_turn(mut all: Vec<(u32, VolumeReads)>) -> Vec<VolumeReads> {
    all.sort_by_key(|(part, _)| *part);
    let mut volumes: Vec<VolumeReads> = Vec::new();
    for (_, one) in all {
        match volumes.last_mut().filter(|last| last.volume == one.volume) {
            Some(last) => last.reads.extend(one.reads),
            None => volumes.push(one),
        }
    }
    volumes
}
