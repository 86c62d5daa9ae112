//! What is in the source, kept apart from all that Tapewright reads or says: a map from path to
//! what is there, made from the same few numbers as the files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub use crate::noise::noise;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Directory,
    /// So many bytes made from this seed.
    Bytes(u64, usize),
    Symlink(String),
}

/// An object of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub content: Content,
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// The source: all objects by their absolute path.
#[derive(Debug, Clone, Default)]
pub struct Model(pub BTreeMap<PathBuf, Object>);

impl Model {
    /// Adds an object, with mode and time made from how many there are.
    pub fn add(&mut self, path: PathBuf, content: Content) {
        let nth = self.0.len() as u64;
        let mode = match content {
            Content::Directory => 0o755,
            Content::Symlink(_) => 0o777,
            Content::Bytes(..) => [0o644, 0o600, 0o640][nth as usize % 3],
        };
        let mtime = 1_500_000_000 + nth * 86_401;
        let object = Object {
            content,
            mode,
            mtime,
        };
        self.0.insert(path, object);
    }

    /// Forgets what is at a path, and below.
    pub fn remove(&mut self, path: &Path) {
        self.0.retain(|known, _| !known.starts_with(path));
    }

    /// True for a directory above all that there is.
    pub fn leads_to(&self, path: &Path) -> bool {
        !self.0.contains_key(path) && self.0.keys().any(|known| known.starts_with(path))
    }

    /// Makes these objects of others, touching only what differs and the directories it is in.
    pub fn replace(&self, others: &Model) {
        let differs = |path: &PathBuf| self.0.get(path) != others.0.get(path);
        let mut touched = BTreeSet::new();
        for (path, object) in others.0.iter().rev().filter(|(path, _)| differs(path)) {
            match object.content {
                Content::Directory if self.is_directory(path) => continue,
                Content::Directory => fs::remove_dir(path).unwrap(),
                _ => fs::remove_file(path).unwrap(),
            }
            touched.extend(path.parent());
        }
        let mut made = Model::default();
        for (path, object) in self.0.iter().filter(|(path, _)| differs(path)) {
            made.0.insert(path.clone(), object.clone());
            touched.extend(path.parent());
        }
        for path in touched {
            if let Some(object) = self.0.get(path) {
                made.0.insert(path.to_owned(), object.clone());
            }
        }
        made.plant();
    }

    fn is_directory(&self, path: &Path) -> bool {
        let object = self.0.get(path);
        object.is_some_and(|object| object.content == Content::Directory)
    }

    /// Makes the objects.
    pub fn plant(&self) {
        for (path, object) in &self.0 {
            match &object.content {
                Content::Directory => fs::create_dir_all(path).unwrap(),
                Content::Bytes(seed, length) => fs::write(path, noise(*seed, *length)).unwrap(),
                Content::Symlink(target) => symlink(target, path).unwrap(),
            }
        }
        // From below upwards: making what is in a directory changes its time.
        for (path, object) in self.0.iter().rev() {
            if matches!(object.content, Content::Symlink(_)) {
                continue;
            }
            fs::set_permissions(path, Permissions::from_mode(object.mode)).unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(object.mtime);
            let times = FileTimes::new().set_modified(time);
            File::open(path).unwrap().set_times(times).unwrap();
        }
    }

    /// What is at `path`, which is where `name` was restored to, compared with what was there.
    pub fn compare(&self, name: &Path, path: &Path) -> Result<(), String> {
        let wanted = self.0.get(name).ok_or("it was never in the source")?;
        let meta = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
        let same = match &wanted.content {
            Content::Directory => meta.is_dir(),
            Content::Symlink(target) => {
                meta.is_symlink() && fs::read_link(path).unwrap() == Path::new(target)
            }
            Content::Bytes(seed, length) => {
                meta.is_file() && fs::read(path).unwrap() == noise(*seed, *length)
            }
        };
        if !same {
            return Err("its content is another".to_owned());
        }
        if meta.is_symlink() {
            return Ok(());
        }
        let found = (meta.mode() & 0o7777, meta.mtime());
        match found == (wanted.mode, wanted.mtime as i64) {
            true => Ok(()),
            false => Err(format!("mode and time are {found:?}, not of {wanted:?}")),
        }
    }
}
