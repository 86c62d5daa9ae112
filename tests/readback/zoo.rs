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

use crate::rig::{Shelf, Volume, plan, verify_plan};
use crate::root::is_root;
use crate::volume;

/// Built by the system's own tools, as root, in an empty directory.
const BUILD: &str = r#"
set -e
umask 022
mkdir -p plain/empty deep; cd plain
printf hello > small; : > nothing; head -c 3000000 /dev/urandom > large
printf x > "$(printf 'latin-\344\n name')"; printf y > 'grüße'; printf z > ' '
ln small hard; ln -s small soft; ln -s /no/where dangling; ln -s "$(printf 't\377')" odd-target
mkfifo pipe; mknod char c 1 3; mknod block b 7 200
ln pipe pipe-too; cp -P soft soft-one; ln soft-one soft-two
truncate -s 50M hole
printf data | dd of=hole bs=1 seek=20000000 conv=notrunc status=none
truncate -s 5M all-hole
touch -d '1969-12-31 23:59:58.5 UTC' before-1970
touch -d '2107-03-04 05:06:07.123456789 UTC' later
touch -h -d '2001-02-03 04:05:06.789 UTC' soft
chown 1234:5678 small; chown -h 99:98 dangling; chown 3000000:4000000 later
chmod 4755 large; chmod 0000 nothing; chmod 2711 "$(printf 'latin-\344\n name')"
setfattr -n user.note -v some later; setfattr -n trusted.note -v 0x00ff00 later
setfattr -n user.empty small
setfattr -n user.long -v "$(printf '%02000d' 7)" small
setfattr -h -n trusted.onlink -v v soft
setfacl -m u:1234:rw,g:99:r,m::rw small
setfacl -m u:77:r later
setfacl -d -m u:1234:rwx empty
cp /bin/true capable; chown 5:6 capable; setcap cap_net_raw+ep capable
cd ../deep
long=$(printf 'n%.0s' $(seq 200))
for i in 1 2 3 4 5 6; do mkdir "$long"; cd "$long"; done; printf deep > file
cd "$OLDPWD"
mkdir -m 0500 locked; printf in > locked/file; touch -d '2010-10-10 UTC' locked/file locked
mkdir -m 1777 sticky; mkdir -m 2750 group
"#;

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
    let status = Command::new("sh")
        .args(["-c", BUILD])
        .current_dir(&tree)
        .status()
        .unwrap();
    assert!(status.success());
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
