//! A disk that loses power: what a process did to it, and what of that is there afterwards.
//!
//! What was made durable stays. Of what was not, anything may be there: of a file's writes all,
//! none, the first, or any, each torn at any sector, with zeros where a length is kept and the
//! bytes are not. Of a directory's names the first changes, in their order. Two kinds of file
//! systems: one whose journal has all changes of names in their order, so that every sync keeps
//! those before it; and one that keeps of names only what a sync of their directory asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Random;

const SECTOR_BYTES: usize = 512;

/// What a process did, in the words of `recorder.c`. Paths are relative to the directory.
#[derive(Debug, Clone)]
pub enum Operation {
    Create(PathBuf),
    Mkdir(PathBuf),
    Write(PathBuf, usize, Vec<u8>),
    Truncate(PathBuf, usize),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    Say(String),
}

impl Operation {
    /// All of a log.
    pub fn read(log: &Path, directory: &Path) -> Vec<Operation> {
        let log = fs::read(log).unwrap();
        let mut rest = &log[..];
        let mut operations = Vec::new();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = std::str::from_utf8(&rest[..end]).unwrap();
            rest = &rest[end + 1..];
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<usize>().unwrap();
            let mut take = |bytes: usize| {
                let (taken, left) = rest.split_at(bytes);
                rest = left;
                taken.to_vec()
            };
            let (path, other, data) = (take(number(2)), take(number(3)), take(number(4)));
            let relative = |path: Vec<u8>| {
                let path = PathBuf::from(String::from_utf8(path).unwrap());
                path.strip_prefix(directory).unwrap_or(&path).to_owned()
            };
            let (path, other) = (relative(path), relative(other));
            operations.push(match words[0] {
                "create" => Operation::Create(path),
                "mkdir" => Operation::Mkdir(path),
                "write" => Operation::Write(path, number(1), data),
                "truncate" => Operation::Truncate(path, number(1)),
                "sync" => Operation::Sync(path),
                "rename" => Operation::Rename(path, other),
                "link" => Operation::Link(path, other),
                "remove" => Operation::Remove(path),
                "say" => Operation::Say(String::from_utf8_lossy(&data).into_owned()),
                word => panic!("{word}"),
            });
        }
        operations
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

type Names = BTreeMap<PathBuf, Node>;

/// A change of names that may be lost, with the directory whose sync keeps it.
#[derive(Debug, Clone)]
struct Renaming {
    directory: PathBuf,
    removed: Option<PathBuf>,
    put: Option<(PathBuf, Node)>,
}

impl Renaming {
    fn apply(&self, names: &mut Names) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, node)) = &self.put {
            names.insert(path.clone(), *node);
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// The state of a disk: what is kept for sure, and what is not yet.
#[derive(Debug, Clone)]
pub struct Disk {
    journal: bool,
    files: Vec<Content>,
    now: Names,
    durable: Names,
    pending: Vec<Renaming>,
}

impl Disk {
    /// All that is in `directory`, durable.
    pub fn of(directory: &Path, journal: bool) -> Disk {
        let mut disk = Disk {
            journal,
            files: Vec::new(),
            now: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
        };
        for (path, content) in tree(directory) {
            let node = match content {
                None => Node::Directory,
                Some(durable) => disk.file(durable),
            };
            disk.now.insert(path, node);
        }
        disk.durable = disk.now.clone();
        disk
    }

    fn file(&mut self, durable: Vec<u8>) -> Node {
        let pending = Vec::new();
        self.files.push(Content { durable, pending });
        Node::File(self.files.len() - 1)
    }

    /// Does what the process did.
    pub fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(path) => {
                let node = self.file(Vec::new());
                self.put(None, path, node);
            }
            Operation::Mkdir(path) => self.put(None, path, Node::Directory),
            Operation::Write(path, at, bytes) => {
                self.change(path, Change::Write(*at, bytes.clone()));
            }
            Operation::Truncate(path, length) => self.change(path, Change::Truncate(*length)),
            Operation::Sync(path) => self.sync(path),
            Operation::Rename(from, to) => self.put(Some(from), to, self.now[from]),
            Operation::Link(from, to) => self.put(None, to, self.now[from]),
            Operation::Remove(path) => self.rename(Renaming {
                directory: parent(path),
                removed: Some(path.clone()),
                put: None,
            }),
            Operation::Say(_) => {}
        }
    }

    fn put(&mut self, removed: Option<&PathBuf>, path: &Path, node: Node) {
        self.rename(Renaming {
            directory: parent(path),
            removed: removed.cloned(),
            put: Some((path.to_owned(), node)),
        });
    }

    fn rename(&mut self, renaming: Renaming) {
        renaming.apply(&mut self.now);
        self.pending.push(renaming);
    }

    fn change(&mut self, path: &Path, change: Change) {
        let Node::File(file) = self.now[path] else {
            panic!("{} is a directory", path.display());
        };
        self.files[file].pending.push(change);
    }

    fn sync(&mut self, path: &Path) {
        match self.now.get(path) {
            Some(Node::File(file)) => {
                let content = &mut self.files[*file];
                for change in std::mem::take(&mut content.pending) {
                    apply(&mut content.durable, &change, &mut |_| true);
                }
                if self.journal {
                    self.keep_names(|_| true);
                }
            }
            _ if self.journal => self.keep_names(|_| true),
            _ => self.keep_names(|renaming| renaming.directory == path),
        }
    }

    fn keep_names(&mut self, mut kept: impl FnMut(&Renaming) -> bool) {
        let durable = &mut self.durable;
        self.pending.retain(|renaming| {
            let keep = kept(renaming);
            if keep {
                renaming.apply(durable);
            }
            !keep
        });
    }

    /// Nothing is lost: what a later reader sees while there is power.
    pub fn shut_down(mut self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        self.keep_names(|_| true);
        self.contents(&mut |content| {
            for change in &content.pending {
                apply(&mut content.durable, change, &mut |_| true);
            }
        })
    }

    /// The power goes. What is there afterwards is up to `random`.
    pub fn lose_power(mut self, random: &mut Random) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let directories: BTreeSet<PathBuf> = match self.journal {
            true => BTreeSet::from([PathBuf::new()]),
            false => self.pending.iter().map(|it| it.directory.clone()).collect(),
        };
        for directory in directories {
            let all = self.journal;
            let of_it = |it: &Renaming| all || it.directory == directory;
            let count = self.pending.iter().filter(|it| of_it(it)).count() as u64;
            let mut left = random.below(count + 1);
            self.keep_names(|it| {
                let keep = of_it(it) && left > 0;
                left -= u64::from(keep);
                keep
            });
        }
        self.contents(&mut |content| content.lose_power(random))
    }

    fn contents(mut self, settle: &mut dyn FnMut(&mut Content)) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut contents: Vec<(PathBuf, Option<Vec<u8>>)> = Vec::new();
        let mut settled = BTreeSet::new();
        let mut directories = BTreeSet::from([PathBuf::new()]);
        for (path, node) in &self.durable {
            let content = match node {
                Node::Directory => None,
                Node::File(file) => {
                    if settled.insert(*file) {
                        settle(&mut self.files[*file]);
                    }
                    Some(self.files[*file].durable.clone())
                }
            };
            if !directories.contains(&parent(path)) {
                continue;
            }
            if content.is_none() {
                directories.insert(path.clone());
            }
            contents.push((path.clone(), content));
        }
        contents
    }
}

impl Content {
    fn lose_power(&mut self, random: &mut Random) {
        let pending = std::mem::take(&mut self.pending);
        let fate = random.below(4);
        let first = random.below(pending.len() as u64 + 1) as usize;
        for (number, change) in pending.iter().enumerate() {
            let how = match fate {
                0 => Kept::Nothing,
                1 => Kept::All,
                2 if number < first => Kept::All,
                2 if number == first => Kept::SomeSectors,
                2 => Kept::Nothing,
                _ => Kept::ALL[random.below(4) as usize],
            };
            match how {
                Kept::Nothing => {}
                Kept::All => apply(&mut self.durable, change, &mut |_| true),
                Kept::Length => apply(&mut self.durable, change, &mut |_| false),
                Kept::SomeSectors => {
                    apply(&mut self.durable, change, &mut |_| random.below(2) == 0);
                }
            }
        }
    }
}

/// What a power cut leaves of a change that nothing made durable.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Nothing,
    All,
    /// The length of the file, and not the bytes.
    Length,
    SomeSectors,
}

impl Kept {
    const ALL: [Kept; 4] = [Kept::Nothing, Kept::All, Kept::Length, Kept::SomeSectors];
}

/// Changes a file's bytes, of a write those in the sectors that are `kept`. Its length counts in
/// any case.
fn apply(content: &mut Vec<u8>, change: &Change, kept: &mut dyn FnMut(usize) -> bool) {
    match change {
        Change::Truncate(length) => content.resize(*length, 0),
        Change::Write(at, bytes) => {
            let end = at + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            let mut from = *at;
            while from < end {
                let sector = from / SECTOR_BYTES;
                let to = end.min((sector + 1) * SECTOR_BYTES);
                if kept(sector) {
                    content[from..to].copy_from_slice(&bytes[from - at..to - at]);
                }
                from = to;
            }
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// All below a directory, directories before what is in them: bytes of files, `None` for
/// directories.
pub fn tree(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(folder) = todo.pop() {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_owned();
            let content = (!path.is_dir()).then(|| fs::read(&path).unwrap());
            if content.is_none() {
                todo.push(path);
            }
            found.push((name, content));
        }
    }
    found.sort();
    found
}

/// Makes all of it below a directory.
pub fn plant(directory: &Path, contents: &[(PathBuf, Option<Vec<u8>>)]) {
    for (path, content) in contents {
        let path = directory.join(path);
        match content {
            None => fs::create_dir(path).unwrap(),
            Some(bytes) => fs::write(path, bytes).unwrap(),
        }
    }
}
