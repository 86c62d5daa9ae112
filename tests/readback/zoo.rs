//! The whole way: a tree with everything a file system has is archived and restored, and
//! rsync finds no difference.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tapewright::clock::SystemClock;
use tapewright::engine::archive::{ArchivePlan, Compression, Memory, Outcome, archive};
use tapewright::engine::restore::{RestoreOutcome, restore_into};
use tapewright::engine::source::Source;
use tapewright::engine::target::{Resolver, Target, TargetOptions};
use tapewright::engine::verify::verify;
use tapewright::engine::{BoxedError, MountedVolume, ReceiptSink, VolumeEnd, VolumeSource};
use tapewright::monitor::Silent;
use tapewright::volume::frames::Effort;
use tapewright::volume::receipt::SegmentReceipt;
use uuid::Uuid;

use crate::menagerie;
use crate::rig::{Shelf, Volume, plan, verify_plan};
use crate::root::is_root;
use crate::volume;

/// Gives out one volume to append to, and keeps what was confirmed.
struct Appending(Arc<Mutex<Volume>>);

impl VolumeSource for Appending {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        let volume = self.0.lock().unwrap();
        Ok(MountedVolume {
            append: Some(volume.next()),
            ..volume.mounted()
        })
    }

    fn mount(&mut self, _: Uuid) -> Result<MountedVolume, BoxedError> {
        Err("only for appending".into())
    }

    fn release(&mut self, _: MountedVolume, _: VolumeEnd) -> Result<(), BoxedError> {
        Ok(())
    }
}

impl ReceiptSink for Appending {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        self.0.lock().unwrap().receipts.push(receipt);
        Ok(())
    }
}

fn archived(tree: &Path, segment_limit_bytes: u64, compression: Option<Compression>) -> Volume {
    let volume = Arc::new(Mutex::new(Volume::new("A00001L9")));
    let plan = ArchivePlan {
        job: volume::job(),
        sources: vec![Source::Paths(vec![tree.to_owned()])],
        excludes: Vec::new(),
        one_file_system: false,
        never: Vec::new(),
        segment_limit_bytes,
        resume: None,
        memory: Memory::default(),
        compression,
    };
    let (mut source, mut sink) = (
        Appending(Arc::clone(&volume)),
        Appending(Arc::clone(&volume)),
    );
    let report = archive(&plan, None, &mut source, &mut sink, &SystemClock, &Silent).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let volume = volume.lock().unwrap();
    volume.clone()
}

/// What rsync would have to do to make `copy` the same as `original`: names, kinds,
/// content, links, owners, modes, times to the nanosecond, ACLs and attributes.
fn differences(original: &Path, copy: &Path) -> String {
    let slash = |path: &Path| format!("{}/", path.display());
    let output = Command::new("rsync")
        .args([
            "-naHAXic",
            "--delete",
            "--numeric-ids",
            "--modify-window=-1",
        ])
        .args([slash(original), slash(copy)])
        .output()
        .expect("rsync is installed");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors
}

#[test]
fn a_zoo_comes_back_identical() {
    // Making devices and giving files away takes root.
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    menagerie::make(&tree, None);
    // In one segment, and in so small ones that the large file is cut into parts.
    // Stored as it is, and compressed by one thread and by several.
    let compressed = |threads| {
        let effort = Effort::default();
        Some(Compression { effort, threads })
    };
    for (segment_bytes, resolver, compression) in [
        (1 << 40, Resolver::OpenAt2, None),
        (1 << 20, Resolver::Walk, None),
        (1 << 40, Resolver::OpenAt2, compressed(3)),
        (1 << 20, Resolver::Walk, compressed(1)),
    ] {
        let volume = archived(&tree, segment_bytes, compression);
        let to = directory.path().join("to");
        let plan = plan(&to, TargetOptions::default(), &[&volume]);
        let target = Target::with_resolver(&to, plan.options, resolver).unwrap();
        let report = restore_into(target, &plan, &mut Shelf::of(&[&volume]), &Silent);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        assert_eq!(report.metadata_not_set.count, 0, "{report:?}");
        assert_eq!(report.verified, report.files);
        let copy = to.join(tree.strip_prefix("/").unwrap());
        assert_eq!(differences(&tree, &copy), "", "{resolver:?}");
        let verified = verify(
            &verify_plan(&[&volume]),
            &mut Shelf::of(&[&volume]),
            &Silent,
        );
        assert!(verified.is_good(), "{verified:?}");
        let parts = volume.receipts.iter().flat_map(|receipt| &receipt.files);
        assert_eq!(
            parts.filter(|line| line.part.is_some()).count() > 1,
            segment_bytes == 1 << 20
        );
        for (name, most) in [("plain/hole", 1 << 20), ("plain/all-hole", 0)] {
            let blocks = std::os::unix::fs::MetadataExt::blocks(
                &std::fs::metadata(copy.join(name)).unwrap(),
            );
            assert!(blocks * 512 <= most, "{name} takes {blocks} blocks");
        }
        std::fs::remove_dir_all(&to).unwrap();
    }
}
