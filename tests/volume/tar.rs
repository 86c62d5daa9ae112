//! The tar codec: what goes in comes out, and hostile bytes end in an error.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tapewright::volume::member::{Extent, FileTime, Kind, Member, Part, whole_blocks};
use tapewright::volume::tar::{
    BLOCK, END, EncodeError, Event, Limits, MemberParser, TarError, TarErrorKind, encode_global,
    encode_member,
};

use crate::support::{file, noise};
use crate::zoo;

/// A member in an archive of its own.
fn archive(member: &Member, payload: &[u8]) -> Vec<u8> {
    let mut bytes = encode_member(member).unwrap();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes.extend_from_slice(&END);
    bytes
}

#[derive(Debug, Default, PartialEq)]
struct Parsed {
    members: Vec<Member>,
    /// Payload of each member, and where each piece belongs.
    data: Vec<BTreeMap<u64, Vec<u8>>>,
    refused: Vec<Vec<u8>>,
    globals: Vec<Vec<u8>>,
    ended: bool,
}

/// Parses bytes that come in pieces of `step`.
fn parse(bytes: &[u8], step: usize, limits: Limits) -> Result<Parsed, TarError> {
    let mut parser = MemberParser::with_limits(limits);
    let mut parsed = Parsed::default();
    for mut chunk in bytes.chunks(step.max(1)) {
        while let Some(event) = parser.next(&mut chunk)? {
            match event {
                Event::Global(comment) => parsed.globals.push(comment),
                Event::Member { member, .. } => {
                    parsed.members.push(*member);
                    parsed.data.push(BTreeMap::new());
                }
                Event::Refused { name, .. } => parsed.refused.push(name),
                Event::Data { at_bytes, bytes } => {
                    let pieces = parsed.data.last_mut().unwrap();
                    pieces.insert(at_bytes, bytes.to_vec());
                }
                Event::MemberEnd => {}
                Event::End => parsed.ended = true,
            }
        }
    }
    assert_eq!(parser.position(), bytes.len() as u64);
    Ok(parsed)
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no separator", |b| !matches!(b, 0 | b'/'));
    let component = prop_oneof![
        4 => proptest::collection::vec(byte, 1..20),
        1 => proptest::collection::vec(b'a'..=b'z', 90..260),
        1 => "[a-zé.]{1,8}".prop_map(String::into_bytes),
    ];
    let component = component.prop_filter("no dots", |c| c != b"." && c != b"..");
    proptest::collection::vec(component, 1..6).prop_map(|parts| parts.join(&b'/'))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,40}", "[a-zà-ü]{1,20}"]
}

fn time() -> impl Strategy<Value = FileTime> {
    let seconds = prop_oneof![0..4_000_000_000_i64, -4_000_000_000..0_i64, any::<i64>()];
    let nanoseconds = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (seconds, nanoseconds).prop_map(|(seconds, nanoseconds)| FileTime {
        seconds,
        nanoseconds,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let number = 0..2_097_152_u32;
    prop_oneof![
        5 => Just(Kind::File),
        1 => Just(Kind::Directory),
        1 => Just(Kind::Fifo),
        1 => path().prop_map(Kind::Hardlink),
        1 => path().prop_map(|p| Kind::Symlink([b"../".to_vec(), p].concat())),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| Kind::CharDevice(a, b)),
        1 => (number.clone(), number).prop_map(|(a, b)| Kind::BlockDevice(a, b)),
    ]
}

fn xattrs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let acl = prop_oneof![
        Just(zoo::acl(&[
            (1, 7, u32::MAX),
            (2, 5, 99),
            (4, 0, u32::MAX),
            (0x20, 4, u32::MAX)
        ])),
        proptest::collection::vec(any::<u8>(), 0..30),
    ];
    let name = proptest::collection::vec(1_u8..=255, 1..30)
        .prop_map(|name| [b"user.".to_vec(), name].concat());
    let value = proptest::collection::vec(any::<u8>(), 0..300);
    let access = proptest::option::of(acl.clone());
    let default = proptest::option::of(acl);
    (
        proptest::collection::btree_map(name, value, 0..4),
        access,
        default,
    )
        .prop_map(|(mut attributes, access, default)| {
            let access = access.map(|v| (b"system.posix_acl_access".to_vec(), v));
            let default = default.map(|v| (b"system.posix_acl_default".to_vec(), v));
            attributes.extend(access.into_iter().chain(default));
            attributes.into_iter().collect()
        })
}

fn member() -> impl Strategy<Value = Member> {
    let owners = (any::<u32>(), any::<u32>(), text(), text(), 0..=0o7777_u32);
    let pieces = proptest::option::of(proptest::collection::vec((0..9000_u64, 1..3000_u64), 0..6));
    let cut = proptest::option::of((1..20_000_u32, 0..1_u64 << 40, 0..5000_u64, any::<bool>()));
    (
        path(),
        kind(),
        0..20_000_u64,
        owners,
        time(),
        time(),
        xattrs(),
        pieces,
        cut,
    )
        .prop_map(
            |(
                path,
                kind,
                length,
                (uid, gid, user, group, mode),
                mtime,
                ctime,
                xattrs,
                pieces,
                cut,
            )| {
                let is_file = kind == Kind::File;
                let size_bytes = if is_file { length } else { 0 };
                let mut member = Member {
                    inode: None,
                    path,
                    kind,
                    size_bytes,
                    mode,
                    uid,
                    gid,
                    user,
                    group,
                    mtime,
                    ctime,
                    xattrs,
                    extents: None,
                    part: None,
                };
                if !is_file {
                    return member;
                }
                if let Some((number, offset_bytes, more, last)) = cut {
                    member.part = Some(Part {
                        number,
                        offset_bytes,
                        length_bytes: length,
                        last,
                        open: false,
                    });
                    member.size_bytes = offset_bytes + length + more;
                }
                member.extents = pieces.map(|pieces| {
                    let mut at = 0;
                    let mut extents = Vec::new();
                    for (gap, length_bytes) in pieces {
                        extents.push(Extent {
                            offset_bytes: at + gap,
                            length_bytes,
                        });
                        at += gap + length_bytes;
                    }
                    extents.retain(|e| e.offset_bytes + e.length_bytes <= length);
                    whole_blocks(&extents, length)
                });
                member
            },
        )
}

proptest! {
    #[test]
    fn members_come_back_as_they_were(member in member(), step in 1..2000_usize) {
        let payload = noise(1, member.payload_bytes() as usize);
        let parsed = parse(&archive(&member, &payload), step, Limits::default()).unwrap();
        prop_assert_eq!(&parsed.members, std::slice::from_ref(&member));
        prop_assert!(parsed.ended);
        let extents = member.extents.clone().unwrap_or_else(|| {
            vec![Extent { offset_bytes: 0, length_bytes: payload.len() as u64 }]
        });
        let mut expected = payload.iter();
        for extent in extents {
            let (mut at, end) = (extent.offset_bytes, extent.offset_bytes + extent.length_bytes);
            while at < end {
                let piece = &parsed.data[0][&at];
                prop_assert!(piece.iter().eq(expected.by_ref().take(piece.len())));
                at += piece.len() as u64;
            }
        }
        prop_assert!(expected.next().is_none());
    }

    #[test]
    fn damaged_archives_end_in_a_result(
        member in member(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        step in 1..2000_usize,
    ) {
        let payload = noise(2, member.payload_bytes() as usize);
        let mut bytes = archive(&member, &payload);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            // A checksum that fits lets the change through to the parser behind it.
            for block in bytes.chunks_exact_mut(BLOCK) {
                if &block[257..262] == b"ustar" {
                    fix_checksum(block);
                }
            }
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        // Equal results however the bytes come: no state depends on the pieces.
        let whole = parse(&bytes, usize::MAX, Limits::default());
        let pieces = parse(&bytes, step, Limits::default());
        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => prop_assert_eq!(whole.members, pieces.members),
            (Err(whole), Err(pieces)) => prop_assert_eq!(whole, pieces),
            (whole, pieces) => prop_assert!(false, "{whole:?} and {pieces:?}"),
        }
    }

    #[test]
    fn random_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let parsed = parse(&bytes, 100, Limits::default());
        let all_zero = bytes.iter().all(|&b| b == 0);
        prop_assert!(all_zero || bytes.len() < BLOCK || parsed.is_err());
    }
}

fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A header block whose fields the test then changes.
fn header(name: &[u8], typeflag: u8, size: u64) -> [u8; BLOCK] {
    let bytes = encode_global("");
    let mut block: [u8; BLOCK] = bytes[..BLOCK].try_into().unwrap();
    block[..100].fill(0);
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = typeflag;
    fix_checksum(&mut block);
    block
}

/// One pax record.
fn record(text: &str) -> Vec<u8> {
    let rest = text.len() + 2;
    let digits = (1..)
        .find(|digits| (rest + digits).to_string().len() == *digits)
        .unwrap();
    format!("{} {text}\n", rest + digits).into_bytes()
}

fn with_records(records: &[u8], then: [u8; BLOCK]) -> Vec<u8> {
    let mut bytes = header(b"PaxHeaders/x", b'x', records.len() as u64).to_vec();
    bytes.extend_from_slice(records);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes.extend_from_slice(&then);
    bytes.extend_from_slice(&END);
    bytes
}

#[test]
fn hostile_archives_are_refused_by_kind() {
    use TarErrorKind::{Malformed, TooLarge, Unsupported};
    let small = Limits {
        extended_bytes: 1000,
        name_bytes: 50,
        extents: 2,
    };
    let plain = header(b"a", b'0', 0);
    let changed = |offset: usize, bytes: &[u8]| {
        let mut block = plain;
        block[offset..offset + bytes.len()].copy_from_slice(bytes);
        fix_checksum(&mut block);
        block.to_vec()
    };
    let sparse = |map: &[u8], size: u64| {
        let keys = ["major=1", "minor=0", "name=a", "realsize=999"];
        let records = keys
            .map(|key| record(&format!("GNU.sparse.{key}")))
            .concat();
        let mut bytes = with_records(&records, header(b"a", b'0', size));
        bytes.truncate(bytes.len() - END.len());
        bytes.extend_from_slice(map);
        bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2048, 0);
        bytes
    };
    let long = record(&format!("path={}", "n".repeat(51)));
    let table: Vec<(&str, Vec<u8>, TarErrorKind)> = vec![
        ("no magic", changed(257, b"USTAR"), Malformed),
        ("old GNU magic", changed(257, b"ustar  \0"), Malformed),
        ("size no number", changed(124, b"99999999999"), Malformed),
        (
            "base-256 size",
            changed(124, b"\x80\0\0\0\0\0\0\0\0\0\x01\0"),
            Malformed,
        ),
        ("contents of type V", changed(156, b"V"), Unsupported),
        ("GNU long name", changed(156, b"L"), Unsupported),
        (
            "hard link with data",
            header(b"a", b'1', 9).to_vec(),
            Unsupported,
        ),
        (
            "huge extended header",
            header(b"x", b'x', 1001).to_vec(),
            TooLarge,
        ),
        ("long name", with_records(&long, plain), TooLarge),
        ("bad record", with_records(b"99 path=a\n", plain), Malformed),
        (
            "bad mtime",
            with_records(&record("mtime=1x"), plain),
            Malformed,
        ),
        (
            "bad size",
            with_records(&record("size=-1"), plain),
            Malformed,
        ),
        (
            "bad uid",
            with_records(&record("uid=4294967296"), plain),
            Malformed,
        ),
        (
            "impossible size",
            with_records(&record("size=18446744073709551615"), plain),
            Malformed,
        ),
        (
            "bad ACL",
            with_records(&record("SCHILY.acl.access=user:x:r"), plain),
            Malformed,
        ),
        (
            "bad part",
            with_records(&record("comment=tapewright-part 1 x"), plain),
            Malformed,
        ),
        (
            "part of a later version",
            with_records(&record("comment=tapewright-part 3"), plain),
            Unsupported,
        ),
        (
            "old sparse format",
            with_records(&record("GNU.sparse.name=a"), plain),
            Unsupported,
        ),
        (
            "older sparse format",
            with_records(&record("GNU.sparse.size=9"), plain),
            Malformed,
        ),
        (
            "two extended headers",
            with_records(b"", header(b"y", b'x', 0)),
            Malformed,
        ),
        (
            "extended header, no member",
            with_records(b"", [0; BLOCK]),
            Malformed,
        ),
        (
            "a single zero block",
            [[0; BLOCK], plain].concat(),
            Malformed,
        ),
        ("map of many pieces", sparse(b"4\n", 512), TooLarge),
        (
            "map longer than the data",
            sparse(b"1\n0\n", 512),
            Malformed,
        ),
        ("map that is no number", sparse(b"x\n", 512), Malformed),
        ("map with an empty line", sparse(b"1\n\n", 512), Malformed),
        (
            "map out of the file",
            sparse(b"1\n900\n100\n", 612),
            Malformed,
        ),
        (
            "map in disorder",
            sparse(b"2\n600\n9\n0\n512\n", 1033),
            Malformed,
        ),
        (
            "map of broken blocks",
            sparse(b"2\n0\n9\n600\n9\n", 530),
            Malformed,
        ),
        (
            "map that overflows",
            sparse(b"1\n99999999999999999999\n1\n", 513),
            Malformed,
        ),
        (
            "map and size differ",
            sparse(b"1\n0\n100\n", 613),
            Malformed,
        ),
    ];
    for (what, bytes, kind) in table {
        match parse(&bytes, 700, small) {
            Err(error) => assert_eq!(error.kind, kind, "{what}: {error}"),
            Ok(parsed) => panic!("{what}: {parsed:?}"),
        }
    }
}

#[test]
fn members_that_lead_elsewhere_are_refused_and_the_rest_is_read() {
    for name in [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/..",
        "",
    ] {
        let mut bytes = header(name.as_bytes(), b'0', 600).to_vec();
        bytes.extend_from_slice(&noise(1, 1024));
        bytes.extend_from_slice(&archive(&file("good", 3), b"abc"));
        let parsed = parse(&bytes, 512, Limits::default()).unwrap();
        assert_eq!(parsed.refused, [name.as_bytes()]);
        assert_eq!(parsed.members, [file("good", 3)]);
    }
    let mut link = header(b"link", b'1', 0);
    link[157..168].copy_from_slice(b"/etc/shadow");
    fix_checksum(&mut link);
    let parsed = parse(&link, 512, Limits::default()).unwrap();
    assert_eq!(parsed.refused, [b"link"]);
}

#[test]
fn what_cannot_be_written_is_refused_with_a_reason() {
    let plain = || file("a", 2000);
    let extents = |pieces: &[(u64, u64)]| zoo::sparse("a", 2000, pieces);
    let path = |path: &str| file(path, 0);
    let number = |field, value| EncodeError::Number { field, value };
    let table: Vec<(Member, EncodeError)> = vec![
        (path(""), EncodeError::Path),
        (path("/a"), EncodeError::Path),
        (path("a/"), EncodeError::Path),
        (path("a/../b"), EncodeError::Path),
        (path("a\0b"), EncodeError::Path),
        (path(&"a/".repeat(40_000)[..79_999]), EncodeError::Path),
        (zoo::object("l", Kind::Symlink(vec![])), EncodeError::Path),
        (
            zoo::object("l", Kind::Hardlink(b"../x".to_vec())),
            EncodeError::Path,
        ),
        (
            Member {
                mode: 0o10000,
                ..plain()
            },
            number("mode", 0o10000),
        ),
        (
            zoo::object("d", Kind::CharDevice(1, 1 << 21)),
            number("minor device number", 1 << 21),
        ),
        (
            Member {
                mtime: FileTime {
                    seconds: 0,
                    nanoseconds: 1_000_000_000,
                },
                ..plain()
            },
            number("mtime nanoseconds", 1_000_000_000),
        ),
        (extents(&[(0, 0)]), EncodeError::Extents),
        (extents(&[(512, 512), (0, 512)]), EncodeError::Extents),
        (extents(&[(0, 1024), (512, 512)]), EncodeError::Extents),
        (extents(&[(0, 100), (512, 512)]), EncodeError::Extents),
        (extents(&[(1500, 501)]), EncodeError::Extents),
        (extents(&[(u64::MAX, 1)]), EncodeError::Extents),
        (
            Member {
                extents: Some(vec![]),
                ..zoo::object("f", Kind::Fifo)
            },
            EncodeError::Extents,
        ),
        (zoo::part("a", 0, 0, 10, 10), EncodeError::Part),
        (zoo::part("a", 1, 5, 10, 10), EncodeError::Part),
        (
            Member {
                xattrs: vec![(b"user.x".to_vec(), vec![0; 1 << 20])],
                ..plain()
            },
            EncodeError::TooMuchMetadata {
                actual_bytes: (1 << 20) + 59,
                limit_bytes: 1 << 20,
            },
        ),
        (
            Member {
                path: vec![b'a'; 65_536],
                ..plain()
            },
            EncodeError::Path,
        ),
        (
            Member {
                group: "g".repeat(1_025),
                ..plain()
            },
            EncodeError::Owner,
        ),
    ];
    for (member, error) in table {
        assert_eq!(
            encode_member(&member),
            Err(error),
            "{}",
            member.path.escape_ascii()
        );
    }
}

#[test]
fn an_archive_of_gnu_tar_and_of_bsdtar_is_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let long = "d".repeat(120);
    let inside = directory.path().join(&long);
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("file"), b"content").unwrap();
    std::os::unix::fs::symlink("file", inside.join("link")).unwrap();
    for arguments in [
        ["tar", "--format=pax"],
        ["bsdtar", "--format=pax"],
        ["tar", "--format=posix"],
    ] {
        let output = std::process::Command::new(arguments[0])
            .args([arguments[1], "-cf", "-", &long])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let parsed = parse(&output.stdout, 10_240, Limits::default()).unwrap();
        let mut names: Vec<String> = parsed
            .members
            .iter()
            .map(|m| String::from_utf8_lossy(&m.path).into_owned())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [long.clone(), format!("{long}/file"), format!("{long}/link")]
        );
        let file = parsed
            .members
            .iter()
            .position(|m| m.path.ends_with(b"file"))
            .unwrap();
        assert_eq!(parsed.data[file][&0], b"content");
        assert!(parsed.members[file].mtime.nanoseconds > 0);
    }
}

#[test]
fn an_open_part_is_known_by_its_comment_and_its_suffix_of_eight_digits() {
    let mut member = file("db/dump", 3000);
    member.part = Some(Part {
        number: 12_345,
        offset_bytes: 1000,
        length_bytes: 2000,
        last: false,
        open: true,
    });
    let headers = encode_member(&member).unwrap();
    let text = String::from_utf8_lossy(&headers);
    assert!(text.contains("db/dump.tapewright-part-00012345"), "{text}");
    let mut parser = MemberParser::new();
    let Some(Event::Member { member: read, .. }) = parser.next(&mut &headers[..]).unwrap() else {
        panic!("a member begins");
    };
    assert_eq!(*read, member);
    // Where it ends is all that is known of the size.
    member.size_bytes += 1;
    assert!(encode_member(&member).is_err());
}
