//! Modes that forbid what a rescue does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tapewright::engine::rescue::join;
use tapewright::monitor::Silent;
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use super::{files, rescued_below};
use crate::rig::{Item, Volume, file, node, noise, part};

/// Root may do all of it; others may not where the modes are in the way.
#[test]
fn what_its_mode_forbids_is_joined_and_set_aside_all_the_same() {
    for mode in [0o444, 0o000] {
        let whole = noise(7, 200_000);
        let with_mode = |mut item: Item, mode: u32| {
            item.member.mode = mode;
            item
        };
        let folder = || with_mode(node("d", Kind::Directory), 0o555);
        let volume = Volume::new("A00001L9")
            .write(&[
                folder(),
                with_mode(part("d/big", &whole, 1, 0..100_000), mode),
            ])
            .write(&[
                folder(),
                with_mode(part("d/big", &whole, 2, 100_000..200_000), mode),
            ])
            .write(&[
                folder(),
                with_mode(file("d/changed", &noise(1, 200_000)), mode),
            ]);
        let block = volume.block_of("d/changed");
        volume.tape.flip(block + 1, 100);
        let dir = TempDir::new().unwrap();
        let reports = rescued_below(dir.path(), &[("one", &volume.tape)]);
        let kept_as = reports[0].lost[0].kept_as.as_deref();
        assert_eq!(
            kept_as,
            Some(&b"d/changed.tapewright-damaged"[..]),
            "{reports:?}"
        );
        let joins = join(dir.path(), &Silent).unwrap();
        assert_eq!(joins.joined.len(), 1, "{mode:o}: {joins:?}");
        let saved = files(dir.path())
            .into_iter()
            .filter(|name| name.contains("/d/"));
        let expected = [
            "one/file-00001/d/big",
            "one/file-00005/d/changed.tapewright-damaged",
        ];
        assert_eq!(saved.collect::<Vec<_>>(), expected, "{mode:o}");

        let mode_of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let path = dir.path().join("one/file-00001/d/big");
        assert_eq!(mode_of(&path), mode, "the mode that it was archived with");
        for number in [1, 3, 5] {
            let folder = dir.path().join(format!("one/file-{number:05}/d"));
            assert_eq!(mode_of(&folder), 0o555, "{number}");
            let modified = fs::metadata(&folder).unwrap().modified().unwrap();
            let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(since.subsec_nanos(), 123_456_789, "{number}");
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(fs::read(&path).unwrap() == whole, "{mode:o}");
    }
}
