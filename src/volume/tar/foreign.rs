//! What others write in tar archives, and this format does not: names that are no archive
//! paths, the old format of GNU tar, sparse files of all its formats, attributes of bsdtar.
//!
//! What makes no sense in one member costs that member alone, as long as its size is known; where
//! members are salvaged, only what does not tell where its data belong.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::decode::{Decoded, Extended, Fault, malformed, too_large};
use super::header::{Header, any_number};
use super::parse::Limits;
use super::{BLOCK, acl, owners_fit, pax, sparse};
use crate::volume::member::{Extent, FileTime, Kind, Member};

/// Most bytes of a sparse file: its holes are digested, and a header costs its writer nothing.
const MAX_SPARSE_BYTES: u64 = 16 << 40;

/// What only others' extended headers say.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// A value that makes no sense: the member is not to be used.
    bad: Option<String>,
    /// The same of metadata that data do not need.
    unset: Vec<String>,
    /// What is left out of the member, for people.
    remarks: Vec<String>,
    /// Offset and length of the pieces in turn, formats 0.0 and 0.1.
    map: Vec<u64>,
    real_bytes: Option<u64>,
}

/// Adds the records of an extended header.
pub(super) fn add(extended: &mut Extended, mut records: &[u8]) -> Result<(), Fault> {
    while !records.is_empty() {
        let (key, value) = pax::take(&mut records)?;
        let taken = match set(extended, key, value) {
            Some(false) => extended.set(key, value),
            Some(true) => Some(()),
            None => None,
        };
        match taken {
            Some(()) => {}
            // Without its size the end of a member cannot be found.
            None if key == b"size" => return Err(malformed("an extended header with a bad size")),
            None => {
                let what = format!("its `{}` makes no sense", key.escape_ascii());
                match is_of_data(key) {
                    true => drop(extended.foreign.bad.get_or_insert(what)),
                    false => extended.foreign.unset.push(what),
                }
                match key {
                    b"uid" => extended.uid = Some(NOBODY),
                    b"gid" => extended.gid = Some(NOBODY),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// The highest number is that of nobody: the system takes it for "leave it as it is".
const NOBODY: u32 = u32::MAX;

/// Whether a record tells of what kind an object is, or where its data belong.
fn is_of_data(key: &[u8]) -> bool {
    key.starts_with(b"GNU.sparse.") || key == b"SUN.holesdata"
}

/// Takes a record that only others write: whether it is one; `None` if its value makes no
/// sense.
fn set(extended: &mut Extended, key: &[u8], value: &[u8]) -> Option<bool> {
    match key {
        b"path" | b"linkpath" if value.is_empty() => {}
        b"GNU.sparse.size" => extended.foreign.real_bytes = Some(pax::number(value)?),
        b"GNU.sparse.numblocks" => {}
        b"GNU.sparse.map" => {
            let numbers = value.split(|&b| b == b',').map(pax::number);
            extended.foreign.map = numbers.collect::<Option<_>>()?;
        }
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            extended.foreign.map.push(pax::number(value)?);
        }
        b"SUN.holesdata" => return None,
        b"RHT.security.selinux" => {
            let value = [value, b"\0"].concat();
            extended.xattrs.insert(b"security.selinux".to_vec(), value);
        }
        _ => {
            if let Some(attribute) = acl::attribute(key) {
                match acl::from_text(value) {
                    Some(value) => drop(extended.xattrs.insert(attribute.to_vec(), value)),
                    None => extended.foreign.remarks.push(
                        "an ACL that names users or groups without their numbers is left out"
                            .to_owned(),
                    ),
                }
            } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                let engine = if value.ends_with(b"=") {
                    STANDARD
                } else {
                    STANDARD_NO_PAD
                };
                extended
                    .xattrs
                    .insert(percent_decoded(name), engine.decode(value).ok()?);
            } else {
                return Some(false);
            }
        }
    }
    Some(true)
}

fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    decoded
}

/// A name as an archive path: without leading slashes, empty and `.` components. Empty for
/// the directory that the archive is of; `None` if it leads elsewhere.
pub(super) fn clean(name: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(name.len());
    for component in name.split(|&b| b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return None,
            component if component.contains(&0) => return None,
            component => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(component);
            }
        }
    }
    Some(path)
}

/// What a member's header and the extended ones before it say together. `old_map`: the map
/// and size of a sparse file in the old format. Where it is `salvaged`, a name that is no archive
/// path is given as it was found, and metadata that make no sense are left out.
pub(super) fn member(
    header: Header,
    mut extended: Extended,
    global: &Extended,
    old_map: Option<(Vec<Extent>, u64)>,
    limits: &Limits,
    salvaged: bool,
) -> Result<Decoded, Fault> {
    let name = (extended.sparse_name.clone())
        .or_else(|| own_or(&extended.path, &global.path))
        .unwrap_or_else(|| header.name.clone());
    let link = own_or(&extended.linkpath, &global.linkpath);
    let link = link.unwrap_or_else(|| header.linkname.clone());
    let longest = name.len().max(link.len()) as u64;
    if longest > limits.name_bytes {
        return Err(too_large(format!("a name of {longest} bytes")));
    }
    // A link may state the size of what it links to; only pax lets data follow.
    let stored_bytes = match header.typeflag {
        b'1' => extended.size.unwrap_or(0),
        b'2'..=b'6' => 0,
        _ => extended.size.or(global.size).unwrap_or(header.size),
    };
    let mut remarks = std::mem::take(&mut extended.foreign.remarks);
    let mut unset = std::mem::take(&mut extended.foreign.unset);
    let mut refused = extended.foreign.bad.clone();
    let archive_path = |name: &[u8]| match clean(name) {
        None if salvaged => name.to_vec(),
        path => path.unwrap_or_default(),
    };
    let link = match header.typeflag {
        b'1' => archive_path(&link),
        _ => link,
    };
    let kind = kind(&header, &name, link).unwrap_or_else(|why| {
        refused.get_or_insert(why);
        Kind::File
    });
    let is_file = kind == Kind::File;
    let data = data(&extended, old_map, stored_bytes, &mut refused);
    let owner = owner(&header, &extended, global, &mut unset);
    let member = Member {
        path: archive_path(&name),
        size_bytes: if is_file { data.real_bytes } else { 0 },
        mode: (header.mode & 0o7777) as u32,
        uid: owner.uid,
        gid: owner.gid,
        user: owner.user,
        group: owner.group,
        mtime: extended.mtime.or(global.mtime).unwrap_or(FileTime {
            seconds: header.mtime,
            nanoseconds: 0,
        }),
        ctime: extended.ctime.or(global.ctime).unwrap_or_default(),
        xattrs: extended.xattrs.into_iter().collect(),
        extents: match &data.map {
            Some(extents) => Some(extents.clone()),
            None => (data.begins_with_map && is_file).then(Vec::new),
        },
        part: None,
        inode: None,
        kind,
    };
    match salvaged {
        true => remarks.append(&mut unset),
        false => refused = refused.or_else(|| unset.into_iter().next()),
    }
    let refused = refused.or_else(|| refusal(&member, &name, salvaged));
    Ok(Decoded {
        sparse: data.begins_with_map && is_file && refused.is_none(),
        map: data.map,
        remarks,
        member,
        name,
        stored_bytes,
        refused,
    })
}

/// Whose a member is.
struct Owner {
    uid: u32,
    gid: u32,
    user: String,
    group: String,
}

/// What cannot be is nobody, and without a name; it goes to what is `unset`.
fn owner(
    header: &Header,
    extended: &Extended,
    global: &Extended,
    unset: &mut Vec<String>,
) -> Owner {
    let mut id = |stated: Option<u32>, field: u64| {
        let id = stated.or_else(|| u32::try_from(field).ok());
        id.unwrap_or_else(|| {
            unset.push("the number of its owner or group is impossible".to_owned());
            NOBODY
        })
    };
    let (uid, gid) = (
        id(extended.uid.or(global.uid), header.uid),
        id(extended.gid.or(global.gid), header.gid),
    );
    let name = |own, all, field: &Vec<u8>| {
        let name = own_or(own, all).unwrap_or_else(|| field.clone());
        String::from_utf8_lossy(&name).into_owned()
    };
    let mut owner = Owner {
        uid,
        gid,
        user: name(&extended.uname, &global.uname, &header.uname),
        group: name(&extended.gname, &global.gname, &header.gname),
    };
    if !owners_fit(&owner.user, &owner.group) {
        unset.push("the name of its user or group is too long".to_owned());
        owner.user.clear();
        owner.group.clear();
    }
    owner
}

/// What a header of its own says, else what the global one says.
fn own_or(own: &Option<Vec<u8>>, global: &Option<Vec<u8>>) -> Option<Vec<u8>> {
    own.clone().or_else(|| global.clone())
}

/// The kind of object; the error says why it is none that can be used.
fn kind(header: &Header, name: &[u8], link: Vec<u8>) -> Result<Kind, String> {
    let device = || {
        let number = |number| u32::try_from(number);
        number(header.devmajor)
            .and_then(|major| Ok((major, number(header.devminor)?)))
            .map_err(|_| "its device numbers are impossible".to_owned())
    };
    Ok(match header.typeflag {
        b'0' | 0 | b'7' if name.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::Hardlink(link),
        b'2' => Kind::Symlink(link),
        b'3' => {
            let (major, minor) = device()?;
            Kind::CharDevice(major, minor)
        }
        b'4' => {
            let (major, minor) = device()?;
            Kind::BlockDevice(major, minor)
        }
        b'5' | b'D' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'M' => return Err("it is the rest of a file from another volume".to_owned()),
        other => return Err(format!("its type `{}` is not known", other.escape_ascii())),
    })
}

/// What is known of a member's data from its headers.
struct Data {
    /// Format 1.0: the map is still to come.
    begins_with_map: bool,
    map: Option<Vec<Extent>>,
    /// Size of the file, holes included.
    real_bytes: u64,
}

fn data(
    extended: &Extended,
    old_map: Option<(Vec<Extent>, u64)>,
    stored_bytes: u64,
    refused: &mut Option<String>,
) -> Data {
    let begins_with_map = extended.sparse_version == (Some(1), Some(0));
    let foreign = &extended.foreign;
    let map = map_of(&foreign.map, foreign.real_bytes, old_map, refused);
    let stated = extended.sparse_real_bytes.filter(|_| begins_with_map);
    let (map, real_bytes) = match map {
        Some((extents, real_bytes)) => (Some(extents), real_bytes),
        None => (None, stated.unwrap_or(stored_bytes)),
    };
    if let Some(extents) = &map {
        let whole = sparse::valid(extents, real_bytes) && data_bytes(extents) == Some(stored_bytes);
        if !whole {
            refused.get_or_insert(UNUSABLE_MAP.to_owned());
        }
    }
    if (begins_with_map || map.is_some()) && real_bytes > MAX_SPARSE_BYTES {
        refused.get_or_insert("it claims to have more than 16 TiB, most of them holes".to_owned());
    }
    if !begins_with_map && !matches!(extended.sparse_version.0, None | Some(0)) {
        refused.get_or_insert("it is a sparse file of a later format".to_owned());
    }
    if begins_with_map && stated.is_none() {
        refused.get_or_insert("it is a sparse file without its size".to_owned());
    }
    Data {
        begins_with_map,
        map,
        real_bytes,
    }
}

const UNUSABLE_MAP: &str = "its map of data and holes cannot be used";

fn data_bytes(extents: &[Extent]) -> Option<u64> {
    let mut lengths = extents.iter().map(|extent| extent.length_bytes);
    lengths.try_fold(0_u64, u64::checked_add)
}

/// The map of a sparse file that is in its headers, if it has one, with the file's size.
fn map_of(
    pairs: &[u64],
    real_bytes: Option<u64>,
    old: Option<(Vec<Extent>, u64)>,
    refused: &mut Option<String>,
) -> Option<(Vec<Extent>, u64)> {
    if old.is_some() {
        return old;
    }
    let real_bytes = real_bytes?;
    if !pairs.len().is_multiple_of(2) {
        refused.get_or_insert(UNUSABLE_MAP.to_owned());
    }
    let pieces = pairs.chunks_exact(2).map(|pair| Extent {
        offset_bytes: pair[0],
        length_bytes: pair[1],
    });
    Some((
        pieces.filter(|piece| piece.length_bytes > 0).collect(),
        real_bytes,
    ))
}

/// Why a member that is well-formed must not be used.
fn refusal(member: &Member, name: &[u8], salvaged: bool) -> Option<String> {
    let wrong = |what: &str| Some(what.to_owned());
    let has_no_name = member.path.is_empty() && member.kind != Kind::Directory;
    match &member.kind {
        _ if !salvaged && clean(name).is_none() => wrong("its name has a `..` component or a NUL"),
        _ if !salvaged && has_no_name => wrong("it has no name"),
        Kind::Hardlink(target) if target.is_empty() => {
            wrong("its link is empty or has a `..` component")
        }
        Kind::Symlink(target) if target.is_empty() || target.contains(&0) => {
            wrong("its link is empty or has a NUL")
        }
        _ => None,
    }
}

/// The map of GNU tar's old format: four pieces in the header, 21 in each block that follows.
#[derive(Debug)]
pub(super) struct OldMap {
    pub extents: Vec<Extent>,
    pub real_bytes: u64,
    /// Another block follows.
    pub more: bool,
    limit: u64,
}

/// Where the fields lie (`struct oldgnu_header` and `struct sparse_header` in GNU tar's tar.h).
const PIECE_BYTES: usize = 24;
const NUMBER_BYTES: usize = 12;
const HEADER_PIECES: (usize, usize) = (386, 4);
const HEADER_MORE: usize = 482;
const HEADER_REAL_SIZE: (usize, usize) = (483, NUMBER_BYTES);
const BLOCK_PIECES: (usize, usize) = (0, 21);
const BLOCK_MORE: usize = 504;

impl OldMap {
    /// Begins with a member's header.
    pub fn begin(block: &[u8; BLOCK], limit: u64) -> Result<Self, Fault> {
        let real_bytes = any_number(block, HEADER_REAL_SIZE, "size")?;
        let mut map = OldMap {
            extents: Vec::new(),
            real_bytes: u64::try_from(real_bytes).map_err(|_| malformed("a negative size"))?,
            more: block[HEADER_MORE] != 0,
            limit,
        };
        map.take(block, HEADER_PIECES)?;
        Ok(map)
    }

    /// Takes a block that follows.
    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<(), Fault> {
        self.more = block[BLOCK_MORE] != 0;
        self.take(block, BLOCK_PIECES)
    }

    fn take(&mut self, block: &[u8; BLOCK], (from, count): (usize, usize)) -> Result<(), Fault> {
        for at in (from..).step_by(PIECE_BYTES).take(count) {
            let number = |at| {
                let number = any_number(block, (at, NUMBER_BYTES), "map")?;
                u64::try_from(number).map_err(|_| malformed("a negative number in a map"))
            };
            let (offset_bytes, length_bytes) = (number(at)?, number(at + NUMBER_BYTES)?);
            // Empty pieces fill up, or show a hole at the end.
            if length_bytes > 0 {
                self.extents.push(Extent {
                    offset_bytes,
                    length_bytes,
                });
            }
        }
        if self.extents.len() as u64 > self.limit {
            let what = format!("a sparse file's map of more than {} pieces", self.limit);
            return Err(too_large(what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_archive_paths_or_are_refused() {
        for (name, expected) in [
            (&b"a/b"[..], Some(&b"a/b"[..])),
            (b"/a//b/./c/", Some(b"a/b/c")),
            (b"./", Some(b"")),
            (b"/", Some(b"")),
            (b"..a/b..", Some(b"..a/b..")),
            (b"a/../b", None),
            (b"..", None),
            (b"a\0b", None),
        ] {
            assert_eq!(clean(name).as_deref(), expected, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn percent_signs_that_stand_for_nothing_stay() {
        for (name, expected) in [
            (&b"user.a%3Db"[..], &b"user.a=b"[..]),
            (b"100%", b"100%"),
            (b"%zz%4", b"%zz%4"),
            (b"%25%3D", b"%="),
        ] {
            assert_eq!(percent_decoded(name), expected);
        }
    }
}
