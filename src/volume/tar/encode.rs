//! Member → header bytes.

use std::borrow::Cow;

use super::header::{
    Header, LINKNAME_BYTES, MAX_LONG, MAX_SHORT, NAME_BYTES, OWNER_BYTES, split_name,
};
use super::{
    BLOCK, EncodeError, MAX_EXTENDED_BYTES, MAX_NAME_BYTES, acl, is_archive_path, owners_fit,
    padded, part_suffix, pax, sparse,
};
use crate::volume::member::{FileTime, Kind, Member, Part};

/// What ends an archive: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What the name of an extended header begins with.
const EXTENDED_DIRECTORY: &[u8] = b"PaxHeaders/";

/// The bytes before a member's data: extended header, header, and the map of a sparse
/// file. After them come [`Member::payload_bytes`] of data, padded to [`BLOCK`].
///
/// # Errors
///
/// See [`EncodeError`].
pub fn encode_member(member: &Member) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    put_member(&mut bytes, member)?;
    Ok(bytes)
}

/// Appends what [`encode_member`] gives; nothing of use where it fails.
///
/// # Errors
///
/// See [`EncodeError`].
pub(crate) fn put_member(out: &mut Vec<u8>, member: &Member) -> Result<(), EncodeError> {
    check(member)?;
    let name = name(member);
    let extents = member.extents.as_deref();
    let map = extents.map(|extents| sparse::encode(extents, member.covered_bytes()));
    let size = map.as_ref().map_or(0, Vec::len) as u64 + member.payload_bytes();
    let header_name = map.as_ref().map(|_| sparse_name(&name));
    let header = header(member, header_name.as_deref().unwrap_or(&name), size);
    let map = map.unwrap_or_default();
    // Times alone fit in one block; what does not makes the text grow.
    out.reserve(3 * BLOCK + map.len());
    let actual_bytes = put_extended(out, b'x', &name, |out| {
        put_records(out, member, &header, &name);
    });
    if actual_bytes > MAX_EXTENDED_BYTES {
        return Err(EncodeError::TooMuchMetadata {
            actual_bytes,
            limit_bytes: MAX_EXTENDED_BYTES,
        });
    }
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&map);
    Ok(())
}

/// The member's name: that of most is their path.
fn name(member: &Member) -> Cow<'_, [u8]> {
    let mut name = Cow::Borrowed(&member.path[..]);
    if member.kind == Kind::Directory {
        name.to_mut().push(b'/');
    }
    if let Some(part) = member.part {
        let suffix = part_suffix(part.number, part.open);
        name.to_mut().extend_from_slice(suffix.as_bytes());
    }
    name
}

/// A global extended header with one `comment` record.
#[must_use]
pub fn encode_global(comment: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_extended(&mut bytes, b'g', b"tapewright-segment", |out| {
        pax::put(out, b"comment", comment.as_bytes());
    });
    bytes
}

/// Appends a file of label or index, data and all: a bare ustar header, mode 0644, owner 0.
pub fn encode_plain(archive: &mut Vec<u8>, name: &str, mtime_seconds: i64, data: &[u8]) {
    let header = Header {
        name: name.as_bytes(),
        mode: 0o644,
        size: data.len() as u64,
        mtime: mtime_seconds,
        typeflag: b'0',
        ..Header::default()
    };
    archive.extend_from_slice(&header.encode());
    archive.extend_from_slice(data);
    archive.resize(padded(archive.len() as u64) as usize, 0);
}

fn check(member: &Member) -> Result<(), EncodeError> {
    let link_fits = match &member.kind {
        Kind::Hardlink(target) => is_archive_path(target),
        Kind::Symlink(target) => {
            let length = target.len() as u64;
            (1..=MAX_NAME_BYTES).contains(&length) && !target.contains(&0)
        }
        _ => true,
    };
    if !is_archive_path(&member.path) || !link_fits {
        return Err(EncodeError::Path);
    }
    if !owners_fit(&member.user, &member.group) {
        return Err(EncodeError::Owner);
    }
    let (major, minor) = device(&member.kind);
    for (field, value, largest) in [
        ("mode", member.mode, 0o7777),
        ("major device number", major, MAX_SHORT as u32),
        ("minor device number", minor, MAX_SHORT as u32),
        ("mtime nanoseconds", member.mtime.nanoseconds, 999_999_999),
        ("ctime nanoseconds", member.ctime.nanoseconds, 999_999_999),
    ] {
        if value > largest {
            return Err(EncodeError::Number {
                field,
                value: value.into(),
            });
        }
    }
    if let Some(part) = member.part {
        let end = part.offset_bytes.checked_add(part.length_bytes);
        let within = match part.open {
            true => end == Some(member.size_bytes),
            false => end.is_some_and(|end| end <= member.size_bytes),
        };
        if member.kind != Kind::File || part.number == 0 || !within {
            return Err(EncodeError::Part);
        }
    }
    match &member.extents {
        Some(_) if member.kind != Kind::File => Err(EncodeError::Extents),
        Some(e) if !sparse::valid(e, member.covered_bytes()) => Err(EncodeError::Extents),
        _ => Ok(()),
    }
}

fn device(kind: &Kind) -> (u32, u32) {
    match *kind {
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => (major, minor),
        _ => (0, 0),
    }
}

/// `DIR/NAME` → `DIR/GNUSparseFile.0/NAME`.
fn sparse_name(name: &[u8]) -> Vec<u8> {
    let at = name
        .iter()
        .rposition(|&b| b == b'/')
        .map_or(0, |slash| slash + 1);
    [&name[..at], b"GNUSparseFile.0/", &name[at..]].concat()
}

fn header<'a>(member: &'a Member, name: &'a [u8], size: u64) -> Header<&'a [u8]> {
    let (typeflag, linkname): (u8, &[u8]) = match &member.kind {
        Kind::File => (b'0', b""),
        Kind::Hardlink(target) => (b'1', target),
        Kind::Symlink(target) => (b'2', target),
        Kind::CharDevice(..) => (b'3', b""),
        Kind::BlockDevice(..) => (b'4', b""),
        Kind::Directory => (b'5', b""),
        Kind::Fifo => (b'6', b""),
    };
    let (devmajor, devminor) = device(&member.kind);
    Header {
        name,
        mode: member.mode.into(),
        uid: member.uid.into(),
        gid: member.gid.into(),
        size,
        mtime: member.mtime.seconds,
        typeflag,
        linkname,
        uname: member.user.as_bytes(),
        gname: member.group.as_bytes(),
        devmajor: devmajor.into(),
        devminor: devminor.into(),
    }
}

/// The records of a member's extended header: what its header cannot say, and what only
/// an extended header can.
fn put_records(out: &mut Vec<u8>, member: &Member, header: &Header<&[u8]>, name: &[u8]) {
    let mut put = |key: &[u8], value: &[u8]| pax::put(out, key, value);
    if std::str::from_utf8(name).is_err() || std::str::from_utf8(header.linkname).is_err() {
        put(b"hdrcharset", b"BINARY");
    }
    if !header.name.is_ascii() || split_name(header.name).is_none() {
        put(b"path", header.name);
    }
    if !header.linkname.is_ascii() || header.linkname.len() > LINKNAME_BYTES {
        put(b"linkpath", header.linkname);
    }
    for (key, value, largest) in [
        (&b"size"[..], header.size, MAX_LONG),
        (b"uid", header.uid, MAX_SHORT),
        (b"gid", header.gid, MAX_SHORT),
    ] {
        if value > largest {
            put(key, value.to_string().as_bytes());
        }
    }
    for (key, value) in [(&b"uname"[..], header.uname), (b"gname", header.gname)] {
        if !value.is_ascii() || value.contains(&0) || value.len() > OWNER_BYTES {
            put(key, value);
        }
    }
    let FileTime {
        seconds,
        nanoseconds,
    } = member.mtime;
    if nanoseconds != 0 || !(0..=MAX_LONG as i64).contains(&seconds) {
        put(b"mtime", pax::TimeText::new(member.mtime).as_bytes());
    }
    put(b"ctime", pax::TimeText::new(member.ctime).as_bytes());
    if member.extents.is_some() {
        put(b"GNU.sparse.major", b"1");
        put(b"GNU.sparse.minor", b"0");
        put(b"GNU.sparse.name", name);
        put(
            b"GNU.sparse.realsize",
            member.covered_bytes().to_string().as_bytes(),
        );
    }
    if let Some(part) = member.part {
        let Part {
            number,
            offset_bytes: offset,
            ..
        } = part;
        let last = u8::from(part.last);
        let comment = if part.open {
            format!("tapewright-part 2 number={number} offset={offset} last={last}")
        } else {
            let whole = member.size_bytes;
            format!("tapewright-part 1 number={number} offset={offset} whole={whole} last={last}")
        };
        put(b"comment", comment.as_bytes());
    }
    for (name, value) in &member.xattrs {
        match acl::keyword(name).zip(acl::to_text(value)) {
            Some((keyword, text)) => put(keyword, text.as_bytes()),
            None => put(&pax::xattr_keyword(name), value),
        }
    }
}

/// Appends an extended header with the records that `put` appends, padded; their length.
fn put_extended(
    out: &mut Vec<u8>,
    typeflag: u8,
    name: &[u8],
    put: impl FnOnce(&mut Vec<u8>),
) -> u64 {
    let start = out.len();
    let records_start = start + BLOCK;
    out.resize(records_start, 0);
    put(out);
    let records_bytes = (out.len() - records_start) as u64;
    // Cut to what the field takes: nobody needs the name of an extended header whole.
    let mut header_name = [0; NAME_BYTES];
    let (directory, cut_name) = header_name.split_at_mut(EXTENDED_DIRECTORY.len());
    directory.copy_from_slice(EXTENDED_DIRECTORY);
    let cut_bytes = name.len().min(cut_name.len());
    cut_name[..cut_bytes].copy_from_slice(&name[..cut_bytes]);
    let header = Header {
        name: &header_name[..EXTENDED_DIRECTORY.len() + cut_bytes],
        mode: 0o644,
        size: records_bytes,
        typeflag,
        ..Header::default()
    };
    out[start..records_start].copy_from_slice(&header.encode());
    out.resize(records_start + padded(records_bytes) as usize, 0);
    records_bytes
}
