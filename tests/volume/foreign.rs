//! Archives of other programs, damaged at will: the reader ends, and stays within bounds.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;
use tapewright::volume::tar::{Event, MemberParser};

/// Archives of one small tree in all formats that GNU tar writes.
fn archives() -> &'static [Vec<u8>] {
    static ARCHIVES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ARCHIVES.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let script = format!(
            "mkdir -p t/{0}; echo data >t/{0}/{1}; ln -s {1} t/link; ln t/{0}/{1} t/hard
             truncate -s 3M t/sparse
             for at in $(seq 0 30); do
                 echo x | dd of=t/sparse bs=8192 seek=$at conv=notrunc status=none
             done",
            "d".repeat(90),
            "n".repeat(120)
        );
        let tree = Command::new("sh")
            .args(["-ec", &script])
            .current_dir(&place)
            .status();
        assert!(tree.unwrap().success());
        let formats = [
            &["v7"][..],
            &["oldgnu", "-S"],
            &["gnu", "-S"],
            &["ustar"],
            &["pax", "-S"],
            &["pax", "-S", "--sparse-version=0.1"],
            &["pax", "-S", "--sparse-version=0.0"],
        ];
        let mut archives = Vec::new();
        for format in formats {
            let file = place.path().join("a.tar");
            let made = Command::new("tar")
                .arg("--format")
                .args(format)
                .args(["-cf", "a.tar", "t"])
                .current_dir(&place)
                .stderr(std::process::Stdio::null())
                .status();
            // Old formats leave out what they cannot name, which is an error.
            assert!(made.unwrap().code().is_some());
            archives.push(fs::read(&file).unwrap());
        }
        archives
    })
}

/// What a reader made of an archive: names with their data, and whether it failed.
#[derive(Debug, PartialEq)]
struct Made {
    members: Vec<(Vec<u8>, Vec<u8>)>,
    refused: usize,
    failed: bool,
}

fn read(archive: &[u8], chunk_bytes: usize) -> Made {
    let mut parser = MemberParser::foreign();
    let mut made = Made {
        members: Vec::new(),
        refused: 0,
        failed: false,
    };
    let mut left_bytes = 0;
    for mut chunk in archive.chunks(chunk_bytes) {
        loop {
            match parser.next(&mut chunk) {
                Ok(None) => break,
                Ok(Some(Event::Member { member, .. })) => {
                    let mut components = member.path.split(|&byte| byte == b'/');
                    assert!(!member.path.starts_with(b"/") && components.all(|name| name != b".."));
                    left_bytes = member.payload_bytes();
                    made.members.push((member.path.clone(), Vec::new()));
                }
                Ok(Some(Event::Data { bytes, .. })) => {
                    left_bytes = left_bytes.checked_sub(bytes.len() as u64).unwrap();
                    made.members.last_mut().unwrap().1.extend_from_slice(bytes);
                }
                Ok(Some(Event::MemberEnd)) => assert_eq!(left_bytes, 0),
                Ok(Some(Event::Refused { .. })) => made.refused += 1,
                Ok(Some(Event::Global(_) | Event::End)) => {}
                Err(_) => {
                    made.failed = true;
                    return made;
                }
            }
        }
        assert!(chunk.is_empty());
    }
    made
}

#[test]
fn archives_are_read_the_same_in_pieces_of_any_size() {
    for archive in archives() {
        let whole = read(archive, archive.len());
        assert!(!whole.failed && whole.refused == 0, "{whole:?}");
        assert!(whole.members.iter().any(|(name, _)| name == b"t/sparse"));
        for chunk_bytes in [1, 511, 512, 513, 10_240] {
            assert_eq!(read(archive, chunk_bytes), whole, "{chunk_bytes}");
        }
    }
}

/// Sets the checksum of every header right again, so that damage gets past it.
fn seal(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_of_any_kind_ends_in_members_refusals_or_an_error(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_headers in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        chunk_bytes in 1_usize..5000,
    ) {
        let mut archive = which.get(archives()).clone();
        for (at, byte) in flips {
            let at = match in_headers {
                // The first blocks of the archive are headers, and those behind data too.
                true => at.index(archive.len() / 512) * 512 + usize::from(byte) % 500,
                false => at.index(archive.len()),
            };
            archive[at] = byte;
        }
        if in_headers {
            seal(&mut archive);
        }
        archive.truncate(cut.index(archive.len()) + 1);
        let made = read(&archive, chunk_bytes);
        let data: usize = made.members.iter().map(|(_, data)| data.len()).sum();
        prop_assert!(data <= archive.len());
    }
}
