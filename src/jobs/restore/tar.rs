//! A restore as a tar stream: the same plan, onto an output instead of into a directory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::arrange::Arranged;
use super::pour::in_turn;
use super::record::{Begun, Came, Record, STDOUT, absolute};
use super::replan::{Layouts, Replanning};
use super::summary::{Real, RestoreSummary, Timing, summarise};
use super::timed::Timed;
use super::{Output, Prepared, RestoreOptions, make};
use crate::clock::seconds_between;
use crate::engine::restore::{
    CutFile, MemberRead, RestorePlan, Resume, TarPlan, VolumeReads, write_tar,
};
use crate::engine::target::TargetOptions;
use crate::jobs::engine_error::from_engine;
use crate::jobs::source::LibrarySource;
use crate::jobs::{JobError, Site};

/// Writes what `options` name to `output` as one pax archive, and leaves a record of it. Of the
/// options patterns, moment and mappings count; the target is where the record says that the
/// archive went: a file, or standard output where it is empty.
///
/// # Errors
///
/// Nothing matches; catalog or library cannot be asked; `output` takes no more. What went wrong
/// with single objects or tapes is in the summary.
pub fn restore_as_tar(
    site: Site<'_>,
    options: &RestoreOptions,
    output: &mut dyn Write,
) -> Result<RestoreSummary, JobError> {
    let target = match options.target.as_os_str().is_empty() {
        true => PathBuf::from(STDOUT),
        false => absolute(&options.target),
    };
    let options = Output::Tar.options(options);
    let Prepared {
        catalog,
        mounter,
        mut choice,
        outlook,
        ..
    } = make(site, &options, Output::Tar)?;
    let begun = Begun {
        restore: site.clock.new_id(),
        options: &options,
        output: Output::Tar,
        target: &target,
        started: site.clock.now(),
        can_resume: false,
    };
    let record = Record::begin(site, &catalog, &begun, &outlook);
    site.monitor
        .if_ended("the archive is not whole: do not use it, and run the command again");
    let source = LibrarySource::new(site, &catalog, mounter, None);
    let cut_files = cut_files([&choice.volumes, &choice.spares]);
    let arranged = choice.volumes.iter_mut().chain(&mut choice.spares);
    let (watch, layouts) = (source.watch(), Layouts::of(arranged, options.aim()));
    let source = Replanning::new(source, layouts.clone());
    let mut source = Timed::new(source, watch, layouts);
    let plan = TarPlan {
        members: RestorePlan {
            target: options.target.clone(),
            options: TargetOptions::default(),
            volumes: beside(&cut_files, choice.volumes),
            spares: beside(&cut_files, choice.spares),
            known: choice.known,
            resume: Resume::default(),
        },
        cut_files,
    };
    let report = write_tar(&plan, &mut source, output, site.monitor);
    let (source, took) = source.finish();
    let (source, anew) = source.finish();
    let refused = source.finish();
    let real_s = seconds_between(begun.started, site.clock.now());
    let fallen_back = report.as_ref().map(|report| &report.fallen_back[..]);
    let real = Real {
        took: &took,
        anew: &anew,
        fallen_back: fallen_back.unwrap_or_default(),
    };
    let timing = Timing::of(&outlook, real_s, &real);
    let ended = report.map_err(from_engine);
    let ended =
        ended.map(|report| summarise(begun.restore, report, &outlook, timing.clone(), refused));
    record.end(&timing, ended.as_ref().map_or_else(Came::failed, Came::of));
    ended
}

/// The reads of a cut file by each copy, with the numbers of parts; 0 for one that is whole.
type ReadsByCopy = [Vec<(u32, VolumeReads)>; 2];

/// The files that are in parts in one copy at least, each with its copies: the first of the plan,
/// and the spare one. Tapes end at different places, so the other may be whole.
fn cut_files(copies: [&[Arranged]; 2]) -> Vec<CutFile> {
    let volumes = copies.into_iter().flatten();
    let reads = volumes.flat_map(|volume| &volume.reads.reads);
    let in_parts = reads.filter(|read| read.part.is_some());
    let mut files: BTreeMap<&[u8], ReadsByCopy> = in_parts
        .map(|read| (read.name.as_slice(), ReadsByCopy::default()))
        .collect();
    for (copy, volumes) in copies.into_iter().enumerate() {
        for Arranged { reads, .. } in volumes {
            for read in &reads.reads {
                let Some(file) = files.get_mut(read.name.as_slice()) else {
                    continue;
                };
                let number = read.part.map_or(0, |part| part.number);
                let one = VolumeReads {
                    reads: vec![read.clone()],
                    barcode: reads.barcode.clone(),
                    ..*reads
                };
                file[copy].push((number, one));
            }
        }
    }
    let file = |(name, copies): (&[u8], ReadsByCopy)| {
        let ends = copies.iter().flatten().flat_map(|(_, one)| &one.reads);
        let ends = ends.filter_map(|read| read.part);
        let ends = ends.map(|part| part.offset_bytes.saturating_add(part.length_bytes));
        CutFile {
            name: name.to_vec(),
            size_bytes: ends.max().unwrap_or_default(),
            copies: copies
                .into_iter()
                .filter(|copy| !copy.is_empty())
                .map(in_turn)
                .collect(),
        }
    };
    files.into_iter().map(file).collect()
}

/// What is to be read of `volumes` beside the cut files.
fn beside(cut_files: &[CutFile], volumes: Vec<Arranged>) -> Vec<VolumeReads> {
    // They are sorted by name.
    let is_cut = |name: &Vec<u8>| {
        cut_files
            .binary_search_by(|file| file.name.cmp(name))
            .is_ok()
    };
    let beside = |volume: Arranged| {
        let mut reads = volume.reads;
        reads.reads.retain(|read: &MemberRead| !is_cut(&read.name));
        reads
    };
    let volumes = volumes.into_iter().map(beside);
    volumes.filter(|volume| !volume.reads.is_empty()).collect()
}
