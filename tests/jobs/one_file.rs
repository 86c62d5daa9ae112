//! What one file out of a full tape costs: its own records, and one locate.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::library::trace_to;
use tapewright::jobs::restore::{Mapping, RestoreOptions, plan, pour_file, restore};
use tapewright::jobs::{Outcome, Site, VolumeState, tapes};
use tapewright::transport::record::Record;
use tapewright::units::ByteSize;

use crate::lab::{A, B, Lab, archive_path, noise};

const BLOCK_BYTES: u64 = 64 << 10;

/// What was done with a tape, by its commands.
#[derive(Debug, Default)]
struct Costs {
    locates: u64,
    spaces: u64,
    /// Bytes of records that were read, that of the label apart.
    read_bytes: u64,
}

fn costs(trace: &Path) -> Costs {
    let mut costs = Costs::default();
    for line in fs::read_to_string(trace).unwrap().lines() {
        let record: Record = serde_json::from_str(line).unwrap();
        match &record.cdb[..2] {
            "2b" | "92" => costs.locates += 1,
            "11" | "91" => costs.spaces += 1,
            "08" | "88" => costs.read_bytes += record.moved_bytes as u64,
            _ => {}
        }
    }
    costs.read_bytes -= BLOCK_BYTES;
    costs
}

/// A tape that is full to its end with files of many sizes.
fn full_tape() -> Lab {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source")).unwrap();
    for number in 0..90_u64 {
        let bytes = 300_000 + number * 77_777 % 1_500_000;
        let name = lab.path(&format!("source/{number:02}"));
        fs::write(name, noise(number, bytes as usize)).unwrap();
    }
    lab.label(&[A, B], "docs");
    let job = JobDescription {
        segment_limit: Some(ByteSize(16 << 20)),
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    };
    archive(lab.site(), &job).unwrap();
    let all = tapes::list(lab.site()).unwrap();
    let first = all.iter().find(|tape| tape.barcode == A).unwrap();
    assert_eq!(first.state, VolumeState::Full);
    lab
}

#[test]
fn one_file_out_of_a_full_tape_costs_one_locate_and_its_own_records() {
    let lab = full_tape();
    let on_first: Vec<String> = lab
        .find(b"**/source/*")
        .into_iter()
        .filter(|found| found.barcode == A && found.part.is_none())
        .map(|found| found.path.to_string())
        .collect();
    // Near its beginning, in its middle, and near its end.
    for (at, share) in [10, 50, 95].into_iter().enumerate() {
        let path = &on_first[on_first.len() * share / 100];
        let name = path.rsplit('/').next().unwrap();
        let source = lab.path("source").join(name);
        let size_bytes = fs::metadata(&source).unwrap().len();
        let trace_path = lab.path(&format!("trace{at}"));
        let trace = trace_to(&trace_path).unwrap();
        let site = Site {
            trace: Some(&trace),
            ..lab.site()
        };
        // The file alone, without the directories above it.
        let map = Mapping::parse(format!("{path}={name}").as_bytes()).unwrap();
        let options = RestoreOptions {
            patterns: vec![archive_path(&source)],
            target: lab.path(&format!("target{at}")),
            maps: vec![map],
            ..RestoreOptions::default()
        };
        let summary = restore(site, &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!((summary.objects, summary.verified_files), (1, 1));
        let spent = costs(&trace_path);
        assert_eq!((spent.locates, spent.spaces), (1, 0), "{path}: {spent:?}");
        assert!(
            spent.read_bytes <= size_bytes + 2 * BLOCK_BYTES,
            "{path} of {size_bytes}: {spent:?}"
        );

        let trace_path = lab.path(&format!("poured{at}"));
        let trace = trace_to(&trace_path).unwrap();
        let site = Site {
            trace: Some(&trace),
            ..lab.site()
        };
        let mut poured = Vec::new();
        let done = pour_file(site, &options, &mut poured).unwrap();
        assert_eq!(done.report.agrees, Some(true));
        assert!(poured == fs::read(&source).unwrap());
        let spent = costs(&trace_path);
        assert_eq!((spent.locates, spent.spaces), (1, 0), "{path}: {spent:?}");
        assert!(
            spent.read_bytes <= size_bytes + 2 * BLOCK_BYTES,
            "{path}: {spent:?}"
        );
    }
}

#[test]
fn the_directories_above_a_file_are_read_behind_it_unless_they_are_near() {
    let lab = Lab::with(&LibrarySpec {
        capacity_bytes: None,
        cartridges: Some(2),
        ..Lab::small()
    });
    let source = lab.path("source");
    fs::create_dir_all(&source).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o2751)).unwrap();
    fs::write(source.join("0-near"), noise(1, 300_000)).unwrap();
    // More than is read through in the time of any locate.
    let mut long = fs::File::create(source.join("1-long")).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1_100).for_each(|_| long.write_all(&zeros).unwrap());
    fs::write(source.join("2-far"), noise(2, 300_000)).unwrap();
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    // What is there keeps its metadata: nothing is read for it.
    let there = lab.path("there").join(relative(&source));
    fs::create_dir_all(&there).unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o700)).unwrap();
    for (name, target, place, locates, mode) in [
        ("0-near", "near", Some(true), 1, 0o2751),
        ("2-far", "far", Some(false), 2, 0o2751),
        ("2-far", "there", None, 1, 0o700),
    ] {
        let trace_path = lab.path(&format!("trace-{target}"));
        let trace = trace_to(&trace_path).unwrap();
        let site = Site {
            trace: Some(&trace),
            ..lab.site()
        };
        let options = RestoreOptions {
            patterns: vec![archive_path(&source.join(name))],
            target: lab.path(target),
            ..RestoreOptions::default()
        };
        let reads = plan(lab.site(), &options).unwrap().reads;
        let at = reads
            .iter()
            .position(|read| read.path.to_string().ends_with(name))
            .unwrap();
        let others = reads.len() - 1;
        let is_last = (others > 0).then_some(at == others);
        assert!(is_last == place && [0, others].contains(&at), "{reads:?}");
        let summary = restore(site, &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!(summary.metadata_not_set.total, 0, "{summary:?}");
        let directory = fs::metadata(options.target.join(relative(&source))).unwrap();
        assert_eq!(directory.permissions().mode() & 0o7777, mode, "{target}");
        let spent = costs(&trace_path);
        assert_eq!(spent.locates, locates, "{target}: {spent:?}");
        assert!(spent.read_bytes < 1 << 20, "{target}: {spent:?}");
    }
}

/// Where something is below a target.
fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap()
}
