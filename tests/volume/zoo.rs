//! One member of each kind of awkwardness that a file system can hold.

use tapewright::volume::member::{Extent, FileTime, Kind, Member, Part};

/// An ordinary file.
pub fn file(path: &[u8], size_bytes: u64) -> Member {
    Member {
        path: path.to_vec(),
        kind: Kind::File,
        size_bytes,
        mode: 0o644,
        uid: 1000,
        gid: 100,
        user: "alice".to_owned(),
        group: "users".to_owned(),
        mtime: FileTime {
            seconds: 1_700_000_000,
            nanoseconds: 0,
        },
        ctime: FileTime {
            seconds: 1_700_000_001,
            nanoseconds: 123_456_789,
        },
        xattrs: Vec::new(),
        extents: None,
        part: None,
        inode: None,
    }
}

/// An object without data.
pub fn object(path: &str, kind: Kind) -> Member {
    Member {
        kind,
        mode: 0o755,
        ..file(path.as_bytes(), 0)
    }
}

fn extent(offset_bytes: u64, length_bytes: u64) -> Extent {
    Extent {
        offset_bytes,
        length_bytes,
    }
}

/// A sparse file with these pieces.
pub fn sparse(path: &str, size_bytes: u64, extents: &[(u64, u64)]) -> Member {
    let extents = extents
        .iter()
        .map(|&(offset, length)| extent(offset, length))
        .collect();
    Member {
        extents: Some(extents),
        ..file(path.as_bytes(), size_bytes)
    }
}

/// A part of a file of `whole_bytes`.
pub fn part(path: &str, number: u32, offset: u64, length: u64, whole_bytes: u64) -> Member {
    let last = offset + length == whole_bytes;
    let part = Part {
        number,
        offset_bytes: offset,
        length_bytes: length,
        last,
        open: false,
    };
    Member {
        part: Some(part),
        ..file(path.as_bytes(), whole_bytes)
    }
}

/// The kernel's form of an ACL: tag, permissions, id of each entry.
pub fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    value
}

const NO_ID: u32 = u32::MAX;

/// All of them, parents first, with their payload.
pub fn members() -> Vec<(Member, Vec<u8>)> {
    let deep = format!("zoo/{}{}", "directory-with-a-name/".repeat(14), "file");
    let long_name = format!("zoo/{}", "n".repeat(255));
    let long_link = "../".repeat(60) + "target";
    let acl_access = acl(&[
        (0x01, 6, NO_ID),
        (0x02, 4, 1234),
        (0x04, 4, NO_ID),
        (0x08, 5, 4321),
        (0x10, 7, NO_ID),
        (0x20, 0, NO_ID),
    ]);
    let time = |seconds, nanoseconds| FileTime {
        seconds,
        nanoseconds,
    };
    let without_data: Vec<Member> = vec![
        object("zoo", Kind::Directory),
        object("zoo/empty-directory", Kind::Directory),
        Member {
            xattrs: vec![(b"system.posix_acl_default".to_vec(), acl_access.clone())],
            ..object("zoo/directory-with-default-acl", Kind::Directory)
        },
        object("zoo/symlink", Kind::Symlink(b"plain".to_vec())),
        object("zoo/long-symlink", Kind::Symlink(long_link.into_bytes())),
        object("zoo/latin1-symlink", Kind::Symlink(b"caf\xe9".to_vec())),
        object("zoo/fifo", Kind::Fifo),
        object("zoo/null", Kind::CharDevice(1, 3)),
        object("zoo/disk", Kind::BlockDevice(259, 1_048_575)),
        Member {
            mtime: time(1_700_000_000, 1),
            ..file(b"zoo/empty", 0)
        },
    ];
    let with_data: Vec<Member> = vec![
        file(b"zoo/plain", 1000),
        file(deep.as_bytes(), 700),
        file(long_name.as_bytes(), 512),
        file(b"zoo/caf\xe9\xff", 5),
        file("zoo/café".as_bytes(), 6),
        file(b"zoo/with\nnewline and spaces ", 3),
        Member {
            mtime: time(-86_400, 500_000_000),
            ..file(b"zoo/before-1970", 1)
        },
        Member {
            mtime: time(1 << 33, 999_999_999),
            ..file(b"zoo/beyond-2242", 1)
        },
        Member {
            uid: 2_097_152,
            gid: u32::MAX - 1,
            ..file(b"zoo/large-ids", 1)
        },
        Member {
            user: "ü".repeat(20),
            group: "g".repeat(32),
            mode: 0o7751,
            ..file(b"zoo/long-owners", 1)
        },
        Member {
            xattrs: vec![
                (b"system.posix_acl_access".to_vec(), acl_access),
                (b"user.a=b%c".to_vec(), b"1".to_vec()),
                (b"user.binary".to_vec(), b"\0\xff=\n\0".to_vec()),
                (b"user.empty".to_vec(), Vec::new()),
            ],
            mode: 0o670,
            ..file(b"zoo/attributes", 1)
        },
        sparse(
            "zoo/sparse",
            10_000_000,
            &[(0, 512), (1_000_000, 1024), (9_999_000, 1000)],
        ),
        sparse("zoo/sparse-ends-in-hole", 3_000_000, &[(4096, 4096)]),
        sparse("zoo/all-hole", 1_000_000, &[]),
        sparse("zoo/nine-gigabytes", 9 << 30, &[((9 << 30) - 100, 100)]),
        part("zoo/cut", 1, 0, 1024, 3000),
        part("zoo/cut", 2, 1024, 1976, 3000),
        Member {
            extents: Some(vec![extent(100, 200)]),
            ..part("zoo/cut-sparse", 1, 0, 4000, 9000)
        },
        Member {
            extents: Some(vec![extent(0, 512), extent(4999, 1)]),
            ..part("zoo/cut-sparse", 2, 4000, 5000, 9000)
        },
    ];
    let links = vec![
        object("zoo/hard-link", Kind::Hardlink(b"zoo/plain".to_vec())),
        object("zoo/hard-link-2", Kind::Hardlink(long_name.into_bytes())),
    ];
    let data = |member: &Member| {
        crate::support::noise(member.path.len() as u64, member.payload_bytes() as usize)
    };
    let all = without_data.into_iter().chain(with_data).chain(links);
    all.map(|member| (member.clone(), data(&member))).collect()
}
