//! The tapes as they are, past everything of Tapewright: their tape files, for GNU tar.

use std::fs;
use std::path::Path;
use std::process::Command;

use tape_sim::library::Library;

use crate::bench::{Bench, Place};
use crate::check::below;
use crate::model::{Content, noise};

/// What names of parts have behind the name of the file.
const PART: &str = ".tapewright-part-";

/// All whole tape files of a tape, in order: what is between its filemarks.
fn tape_files(library: &Path, barcode: &str) -> Vec<Vec<u8>> {
    let cartridge = Library::open(library).unwrap().cartridge(barcode).unwrap();
    let mut partitions = cartridge.open_partitions().unwrap();
    let tape = &mut partitions[0];
    let mut files = Vec::new();
    let mut next = 0;
    for filemark in tape.filemarks().to_vec() {
        let mut file = Vec::new();
        for object in next..filemark {
            let record = tape.record(object).unwrap();
            let mut bytes = vec![0; record.length_bytes as usize];
            tape.read_data(&record, &mut bytes).unwrap();
            file.extend_from_slice(&bytes);
        }
        files.push(file);
        next = filemark + 1;
    }
    files
}

/// GNU tar takes out the first `count` tape files of a tape without complaint; those of
/// segments are every second one, and hold what was in the source.
pub fn assert_read_by_tar(bench: &Bench, place: &Place, barcode: &str, count: usize) {
    let files = tape_files(&place.library_dir(), barcode);
    assert!(files.len() >= count, "{barcode}: {}", files.len());
    for (number, bytes) in files.iter().enumerate().take(count) {
        let (file, out) = (place.dir.join("tape-file"), place.dir.join("tar"));
        fs::write(&file, bytes).unwrap();
        fs::create_dir(&out).unwrap();
        let tar = Command::new("tar")
            .args([
                "-xpf".as_ref(),
                file.as_os_str(),
                "-C".as_ref(),
                out.as_os_str(),
            ])
            .output()
            .unwrap();
        assert!(
            tar.status.success(),
            "{barcode}, tape file {number}: {tar:?}"
        );
        let members = below(&out);
        assert!(!members.is_empty(), "{barcode}, tape file {number}");
        if number % 2 == 1 {
            for member in members {
                match member.starts_with(out.join("tapewright")) {
                    true => assert_copy_of_catalog(&member),
                    false => assert_from_source(bench, &out, &member),
                }
            }
        }
        fs::remove_dir_all(out).unwrap();
    }
}

/// `member` is a copy of the catalog, whole, or a directory above it.
fn assert_copy_of_catalog(member: &Path) {
    if member.is_dir() {
        return;
    }
    let lines = zstd::decode_all(&fs::read(member).unwrap()[..]).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let last = lines.lines().last().unwrap();
    assert!(last.starts_with("{\"end\":"), "{member:?}: {last}");
}

/// `member` below `out` is an object of the source, or a part of one.
fn assert_from_source(bench: &Bench, out: &Path, member: &Path) {
    let name = Path::new("/").join(member.strip_prefix(out).unwrap());
    let text = name.to_str().unwrap();
    if let Some((whole, _)) = text.split_once(PART) {
        let content = &bench.model.0[Path::new(whole)].content;
        let Content::Bytes(seed, length) = content else {
            panic!("{name:?} is a part of {content:?}")
        };
        let (whole, part) = (noise(*seed, *length), fs::read(member).unwrap());
        let start = &part[..part.len().min(16)];
        let mut places = whole.windows(start.len().max(1)).enumerate();
        let found = places.find(|(_, window)| *window == start);
        let (at, _) = found.unwrap_or_else(|| panic!("{name:?} is not in the file"));
        assert!(whole[at..].starts_with(&part), "{name:?}");
    } else if !member.is_dir() || member.is_symlink() {
        let same = bench.model.compare(&name, member);
        same.unwrap_or_else(|error| panic!("{name:?} as tar has it: {error}"));
    }
}
