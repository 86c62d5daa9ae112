//! Two trees compared object by object, with the standard library's eyes: nothing here
//! uses what the archive itself is made of.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much a tree holds.
#[derive(Debug, Default, Clone, Copy)]
pub struct Size {
    /// Files, directories and everything else.
    pub objects: u64,
    /// Bytes that its files take on disk.
    pub bytes: u64,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Objects compared.
    pub objects: u64,
    /// Bytes of files compared.
    pub bytes: u64,
    /// One line for each difference.
    pub differences: Vec<String>,
}

/// Adds up a tree, leaving out `without`. What cannot be read counts nothing.
pub fn measure(root: &Path, without: &Path) -> Size {
    let mut size = Size::default();
    let mut ahead = vec![root.to_owned()];
    while let Some(path) = ahead.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        size.objects += 1;
        size.bytes += meta.blocks() * 512;
        if meta.is_dir() && path != without {
            ahead.extend(children(&path).unwrap_or_default());
        }
    }
    size
}

/// Compares the trees at `left` and `right`, leaving `without` out of the left one.
/// Sockets are left out as well: they have no content to archive.
pub fn compare(left: &Path, right: &Path, without: &Path) -> Comparison {
    let mut comparison = Comparison::default();
    let mut links: HashMap<(u64, u64), (u64, u64)> = HashMap::new();
    let mut ahead = vec![(left.to_owned(), right.to_owned())];
    while let Some((left, right)) = ahead.pop() {
        let Ok(meta) = fs::symlink_metadata(&left) else {
            continue;
        };
        if meta.file_type().is_socket() || left == without {
            continue;
        }
        comparison.objects += 1;
        match one(&left, &meta, &right, &mut links) {
            Ok(None) => {}
            Ok(Some(what)) => comparison
                .differences
                .push(format!("{}: {what}", left.display())),
            Err(error) => comparison
                .differences
                .push(format!("{}: {error}", left.display())),
        }
        if meta.is_file() {
            comparison.bytes += meta.len();
        } else if meta.is_dir() {
            pair_children(&left, &right, &mut ahead, &mut comparison.differences);
        }
    }
    comparison
}

fn children(dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}

/// Queues the children of both sides; names only the right side has are differences.
fn pair_children(
    left: &Path,
    right: &Path,
    ahead: &mut Vec<(PathBuf, PathBuf)>,
    differences: &mut Vec<String>,
) {
    for path in children(left).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_owned();
        ahead.push((path, right.join(name)));
    }
    for path in children(right).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default();
        if fs::symlink_metadata(left.join(name)).is_err() {
            differences.push(format!("{}: not in the source", path.display()));
        }
    }
}

/// The first difference between two objects, if there is one.
fn one(
    left: &Path,
    meta: &Metadata,
    right: &Path,
    links: &mut HashMap<(u64, u64), (u64, u64)>,
) -> io::Result<Option<String>> {
    let Ok(other) = fs::symlink_metadata(right) else {
        return Ok(Some("missing in the restored copy".to_owned()));
    };
    let facts = [
        (
            "kind and mode",
            u64::from(meta.mode()),
            u64::from(other.mode()),
        ),
        ("owner", u64::from(meta.uid()), u64::from(other.uid())),
        ("group", u64::from(meta.gid()), u64::from(other.gid())),
        (
            "modification time",
            meta.mtime() as u64,
            other.mtime() as u64,
        ),
        (
            "nanoseconds",
            meta.mtime_nsec() as u64,
            other.mtime_nsec() as u64,
        ),
        ("device number", meta.rdev(), other.rdev()),
    ];
    if let Some((what, left, right)) = facts.iter().find(|(_, left, right)| left != right) {
        return Ok(Some(format!("{what} differs: {left} and {right}")));
    }
    if meta.is_symlink() && fs::read_link(left)? != fs::read_link(right)? {
        return Ok(Some("the link's target differs".to_owned()));
    }
    if meta.is_file() {
        let twin = (other.dev(), other.ino());
        if *links.entry((meta.dev(), meta.ino())).or_insert(twin) != twin {
            return Ok(Some("no longer linked with its other names".to_owned()));
        }
        if meta.len() != other.len() || !same_content(left, right)? {
            return Ok(Some("the content differs".to_owned()));
        }
    }
    if attributes(left)? != attributes(right)? {
        return Ok(Some("extended attributes differ".to_owned()));
    }
    Ok(None)
}

fn same_content(left: &Path, right: &Path) -> io::Result<bool> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut here, mut there) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let (a, b) = (fill(&mut left, &mut here)?, fill(&mut right, &mut there)?);
        if here[..a] != there[..b] {
            return Ok(false);
        }
        if a == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            bytes => filled += bytes,
        }
    }
    Ok(filled)
}

/// All extended attributes, ACLs among them, by name.
fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0_u8; 1 << 16];
    let length = match rustix::fs::llistxattr(path, &mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0_u8; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value)?;
        value.truncate(length);
        found.push((name.to_vec(), value));
    }
    found.sort();
    Ok(found)
}
