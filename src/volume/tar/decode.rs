//! Headers and extended records → member.

use std::collections::BTreeMap;

use super::foreign::Foreign;
use super::header::Header;
use super::parse::Limits;
use super::{TarErrorKind, acl, is_archive_path, owners_fit, part_suffix, pax};
use crate::volume::member::{Extent, FileTime, Kind, Member, Part};

/// What is wrong, before the parser adds where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub kind: TarErrorKind,
    pub what: String,
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Fault {
            kind: TarErrorKind::Malformed,
            what,
        }
    }
}

pub(super) fn malformed(what: &str) -> Fault {
    what.to_owned().into()
}

pub(super) fn too_large(what: String) -> Fault {
    Fault {
        kind: TarErrorKind::TooLarge,
        what,
    }
}

fn unsupported(what: String) -> Fault {
    Fault {
        kind: TarErrorKind::Unsupported,
        what,
    }
}

/// The records of an extended header that this format knows; others are passed over.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub uname: Option<Vec<u8>>,
    pub gname: Option<Vec<u8>>,
    pub mtime: Option<FileTime>,
    pub ctime: Option<FileTime>,
    pub sparse_version: (Option<u64>, Option<u64>),
    pub sparse_name: Option<Vec<u8>>,
    pub sparse_real_bytes: Option<u64>,
    pub comment: Option<Vec<u8>>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What archives of others say beyond that.
    pub foreign: Foreign,
}

impl Extended {
    pub fn read(mut records: &[u8]) -> Result<Extended, Fault> {
        let mut extended = Extended::default();
        while !records.is_empty() {
            let (key, value) = pax::take(&mut records)?;
            extended.set(key, value).ok_or_else(|| {
                malformed(&format!(
                    "an extended header with a bad {}",
                    key.escape_ascii()
                ))
            })?;
        }
        Ok(extended)
    }

    /// Takes a record; `None` if its value makes no sense.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = || Some(value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.linkpath = text(),
            b"size" => self.size = Some(pax::number(value)?),
            b"uid" => self.uid = Some(pax::number(value)?.try_into().ok()?),
            b"gid" => self.gid = Some(pax::number(value)?.try_into().ok()?),
            b"uname" => self.uname = text(),
            b"gname" => self.gname = text(),
            b"mtime" => self.mtime = Some(pax::time(value)?),
            b"ctime" => self.ctime = Some(pax::time(value)?),
            b"comment" => self.comment = text(),
            b"GNU.sparse.major" => self.sparse_version.0 = Some(pax::number(value)?),
            b"GNU.sparse.minor" => self.sparse_version.1 = Some(pax::number(value)?),
            b"GNU.sparse.name" => self.sparse_name = text(),
            b"GNU.sparse.realsize" => self.sparse_real_bytes = Some(pax::number(value)?),
            _ => {
                if let Some(attribute) = acl::attribute(key) {
                    self.xattrs
                        .insert(attribute.to_vec(), acl::from_text(value)?);
                } else if let Some(name) = pax::xattr_name(key) {
                    self.xattrs.insert(name, value.to_vec());
                } else if key.starts_with(b"GNU.sparse.") {
                    // An older sparse format: its data would be put in the wrong places.
                    return None;
                }
            }
        }
        Some(())
    }
}

/// A member as its headers give it; the map of a sparse file is not read yet.
#[derive(Debug)]
pub(super) struct Decoded {
    pub member: Member,
    /// The name as found, for messages.
    pub name: Vec<u8>,
    /// Bytes behind the header, without padding, the map of a sparse file included.
    pub stored_bytes: u64,
    /// The data begins with a map.
    pub sparse: bool,
    /// The map, where the headers have it.
    pub map: Option<Vec<Extent>>,
    /// What of the member is left out, for people.
    pub remarks: Vec<String>,
    /// Why the member must not be used.
    pub refused: Option<String>,
}

pub(super) fn member(
    header: Header,
    extended: Extended,
    limits: &Limits,
) -> Result<Decoded, Fault> {
    let sparse = is_sparse(&extended)?;
    let name = extended
        .sparse_name
        .or(extended.path)
        .unwrap_or(header.name);
    let link = extended.linkpath.unwrap_or(header.linkname);
    let longest = name.len().max(link.len()) as u64;
    if longest > limits.name_bytes {
        let what = format!("a name of {longest} bytes");
        return Err(too_large(what));
    }
    let device = (small(header.devmajor)?, small(header.devminor)?);
    let kind = kind(header.typeflag, &name, link, device)?;
    if sparse && kind != Kind::File {
        return Err(malformed("a sparse member that is no file"));
    }
    // Other kinds may say a size, but have no data (pax, description of typeflag).
    let stored_bytes = match (&kind, extended.size.unwrap_or(header.size)) {
        (Kind::File, bytes) => bytes,
        (Kind::Hardlink(_), 1..) => return Err(unsupported("a hard link with data".into())),
        _ => 0,
    };
    let mut path = name.clone();
    if kind == Kind::Directory && path.ends_with(b"/") {
        path.pop();
    }
    let covered_bytes = extended
        .sparse_real_bytes
        .filter(|_| sparse)
        .unwrap_or(stored_bytes);
    let part = part(extended.comment.as_deref(), &kind, &mut path, covered_bytes)?;
    let owner = |name: Option<Vec<u8>>, field: Vec<u8>| {
        String::from_utf8_lossy(&name.unwrap_or(field)).into_owned()
    };
    let member = Member {
        inode: None,
        size_bytes: part.as_ref().map_or(covered_bytes, |(_, whole)| *whole),
        mode: (header.mode & 0o7777) as u32,
        uid: extended.uid.map_or_else(|| small(header.uid), Ok)?,
        gid: extended.gid.map_or_else(|| small(header.gid), Ok)?,
        user: owner(extended.uname, header.uname),
        group: owner(extended.gname, header.gname),
        mtime: extended.mtime.unwrap_or(FileTime {
            seconds: header.mtime,
            nanoseconds: 0,
        }),
        ctime: extended.ctime.unwrap_or_default(),
        xattrs: extended.xattrs.into_iter().collect(),
        extents: sparse.then(Vec::new),
        part: part.map(|(part, _)| part),
        path,
        kind,
    };
    let refused = refusal(&member);
    Ok(Decoded {
        member,
        name,
        stored_bytes,
        sparse,
        map: None,
        remarks: Vec::new(),
        refused,
    })
}

fn kind(
    typeflag: u8,
    name: &[u8],
    link: Vec<u8>,
    (major, minor): (u32, u32),
) -> Result<Kind, Fault> {
    Ok(match typeflag {
        b'0' | 0 if name.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::Hardlink(link),
        b'2' => Kind::Symlink(link),
        b'3' => Kind::CharDevice(major, minor),
        b'4' => Kind::BlockDevice(major, minor),
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            return Err(unsupported(format!(
                "a member of type `{}`",
                other.escape_ascii()
            )));
        }
    })
}

fn small(number: u64) -> Result<u32, Fault> {
    number
        .try_into()
        .map_err(|_| malformed("a header with an impossible number"))
}

fn is_sparse(extended: &Extended) -> Result<bool, Fault> {
    let complete = extended.sparse_name.is_some() && extended.sparse_real_bytes.is_some();
    match extended.sparse_version {
        (None, None) if extended.sparse_name.is_none() => Ok(false),
        (Some(1), Some(0)) if complete => Ok(true),
        _ => Err(unsupported(
            "a sparse file that is not of GNU format 1.0".into(),
        )),
    }
}

/// What a part's comment says: the part, and the size of the whole file.
pub(super) fn part(
    comment: Option<&[u8]>,
    kind: &Kind,
    path: &mut Vec<u8>,
    length_bytes: u64,
) -> Result<Option<(Part, u64)>, Fault> {
    let Some(text) = comment.and_then(|c| c.strip_prefix(b"tapewright-part ")) else {
        return Ok(None);
    };
    let wrong = || malformed("a part whose comment makes no sense");
    let text = std::str::from_utf8(text).map_err(|_| wrong())?;
    let mut words = text.split(' ');
    let open = match words.next() {
        Some("1") => false,
        Some("2") => true,
        _ => return Err(unsupported(format!("a part of a later version: {text}"))),
    };
    let mut value = |key: &str| {
        let digits = words.next()?.strip_prefix(key)?.strip_prefix('=')?;
        pax::number(digits.as_bytes())
    };
    let number = value("number").ok_or_else(wrong)?;
    let offset_bytes = value("offset").ok_or_else(wrong)?;
    let end = offset_bytes.checked_add(length_bytes).ok_or_else(wrong)?;
    let whole_bytes = match open {
        true => end,
        false => value("whole").ok_or_else(wrong)?,
    };
    let last = match value("last") {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(wrong()),
    };
    let number = small(number)?;
    let suffix = part_suffix(number, open);
    let fits = *kind == Kind::File
        && number > 0
        && end <= whole_bytes
        && path.ends_with(suffix.as_bytes());
    if !fits {
        return Err(wrong());
    }
    path.truncate(path.len() - suffix.len());
    Ok(Some((
        Part {
            number,
            offset_bytes,
            length_bytes,
            last,
            open,
        },
        whole_bytes,
    )))
}

/// Why a member that is well-formed must not be used.
fn refusal(member: &Member) -> Option<String> {
    let unusable = |what: &str| {
        Some(format!(
            "{what} is absolute or has empty, `.` or `..` components, or a NUL"
        ))
    };
    match &member.kind {
        _ if !is_archive_path(&member.path) => unusable("its name"),
        Kind::Hardlink(target) if !is_archive_path(target) => unusable("its link"),
        _ if !owners_fit(&member.user, &member.group) => {
            Some("the name of its user or group is too long".into())
        }
        Kind::Symlink(target) if target.is_empty() || target.contains(&0) => {
            Some("its link is empty or has a NUL".into())
        }
        _ => None,
    }
}
