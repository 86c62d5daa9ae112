//! The filter of names: tells without a block that a file cannot hold a name, or nothing below a
//! directory. `docs/catalog.md`, "Filter of names".
//!
//! Lines of 64 bytes, each with its own CRC, so that one line is all that a question reads. What
//! is damaged, missing or of a later kind says nothing, and so costs no hit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::{u16_at, u32_at, u64_at};
use crate::model::path::split;

/// A zstd frame that decompressors skip: an older reader of the footer does not see the filter.
pub(super) const FRAME_MAGIC: [u8; 4] = 0x184d_2a5e_u32.to_le_bytes();
pub(super) const FRAME_LENGTH: usize = 4;
const FILTER_MAGIC: [u8; 4] = *b"TWNF";
const HEAD_BYTES: usize = 12;

const LINE_BYTES: usize = 64;
/// Bits of a line; its CRC-32 follows them.
const LINE_BITS: u32 = 480;
const LINE_CRC: usize = (LINE_BITS / 8) as usize;
/// On the average. Of 200 names that a file does not hold, about one seems to be there.
const KEYS_OF_LINE: u64 = 40;
/// 32 MiB. More keys than they are for make a filter less sure, not larger.
const LINES_MAX: u32 = 1 << 19;
/// Of the number of lines of a filter that is to be halved.
const SIGNIFICANT_BITS: u32 = 6;
/// Directories with longer names are not in the filter.
const DIRECTORY_BYTES_MAX: usize = 1_024;

/// Bytes of a key's digest that choose the line; then the bits, two bytes each.
const BITS: usize = 6;
const BITS_OF_NAME: usize = 8;
const BITS_OF_DIRECTORY: usize = BITS_OF_NAME + 2 * BITS;

/// What a filter holds, and what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// There is an entry of this name.
    Name(&'a [u8]),
    /// There is an entry somewhere below this directory.
    Below(&'a [u8]),
}

/// A key as the filter sees it: to be looked for in many files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    line: u64,
    bits: [u16; BITS],
}

impl Probe {
    fn new(key: Key<'_>) -> Probe {
        let (path, bits_at) = match key {
            Key::Name(path) => (path, BITS_OF_NAME),
            Key::Below(path) => (path, BITS_OF_DIRECTORY),
        };
        let digest = blake3::hash(path);
        let digest = digest.as_bytes();
        let bit = |number| {
            let place = u32::from(u16_at(digest, bits_at + 2 * number));
            // Below the bits of a line.
            ((place * LINE_BITS) >> 16) as u16
        };
        Probe {
            line: u64_at(digest, 0),
            bits: std::array::from_fn(bit),
        }
    }

    /// For an entry of the name `path`.
    pub(crate) fn name(path: &[u8]) -> Probe {
        Probe::new(Key::Name(path))
    }

    /// For anything below `directory`; `None` if filters do not tell.
    pub(crate) fn below(directory: &[u8]) -> Option<Probe> {
        let told = !directory.is_empty() && directory.len() <= DIRECTORY_BYTES_MAX;
        told.then(|| Probe::new(Key::Below(directory)))
    }

    /// The line of so many that the key is in.
    fn line(&self, lines: u32) -> u32 {
        let chosen = u128::from(self.line) * u128::from(lines);
        // Below `lines`.
        (chosen >> 64) as u32
    }

    /// Byte and mask of each of its bits in the line.
    fn bits(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        let bits = self.bits.iter();
        bits.map(|bit| (usize::from(bit / 8), 1 << (bit % 8)))
    }

    /// Whether the key may be in a line that is whole.
    fn may_be_in(&self, line: &[u8]) -> bool {
        self.bits().all(|(byte, mask)| line[byte] & mask != 0)
    }
}

/// The keys of a file, name by name: each name, and each directory above one, once. Names come in
/// directory order, so that what lies below a directory stands together.
#[derive(Default)]
struct Keys<'a> {
    last: &'a [u8],
    last_parent: &'a [u8],
}

impl<'a> Keys<'a> {
    /// Of names that come after `last`.
    fn after(last: &'a [u8]) -> Keys<'a> {
        Keys {
            last,
            last_parent: split(last).0,
        }
    }

    /// Hands over the keys that the next name adds.
    fn push(&mut self, path: &'a [u8], mut each: impl FnMut(Key<'a>)) {
        if path == self.last {
            return;
        }
        each(Key::Name(path));
        let (parent, _) = split(path);
        if parent != self.last_parent {
            each_above(self.last_parent, parent, |directory| {
                each(Key::Below(directory));
            });
        }
        (self.last, self.last_parent) = (path, parent);
    }
}

/// Hands over `parent` and the directories above it, but those that `last_parent` had.
fn each_above<'a>(last_parent: &[u8], parent: &'a [u8], mut each: impl FnMut(&'a [u8])) {
    let slashes = parent.iter().take(DIRECTORY_BYTES_MAX).enumerate();
    let ends = slashes.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let whole = (1..=DIRECTORY_BYTES_MAX).contains(&parent.len());
    for end in ends.chain(whole.then_some(parent.len())) {
        let directory = &parent[..end];
        let rest = last_parent.strip_prefix(directory);
        if rest.is_none_or(|rest| !matches!(rest, [] | [b'/', ..])) {
            each(directory);
        }
    }
}

/// How many keys a file has: of so many names in these directories, which are in directory order.
pub(super) fn key_count(names: u64, parents: &[&[u8]]) -> u64 {
    let mut directories = 0;
    let mut last: &[u8] = &[];
    for parent in parents {
        each_above(last, parent, |_| directories += 1);
        last = parent;
    }
    names + directories
}

/// Keys to be put into a filter, of names that follow one another.
pub(super) struct Probes<'a> {
    keys: Keys<'a>,
    found: Vec<Probe>,
}

impl<'a> Probes<'a> {
    /// For so many names that come after `last`.
    pub(super) fn after(last: &'a [u8], names: usize) -> Probes<'a> {
        Probes {
            keys: Keys::after(last),
            // Directories are few beside the names in them.
            found: Vec::with_capacity(names + names / 8),
        }
    }

    pub(super) fn push(&mut self, path: &'a [u8]) {
        let found = &mut self.found;
        self.keys.push(path, |key| found.push(Probe::new(key)));
    }

    pub(super) fn finish(self) -> Vec<Probe> {
        self.found
    }
}

/// A filter being filled.
pub(super) struct FilterWriter {
    /// With the head of its frame; empty if there is no key.
    frame: Vec<u8>,
    lines: u32,
}

impl FilterWriter {
    /// For a file with so many keys.
    pub(super) fn for_keys(keys: u64) -> FilterWriter {
        // No more than the most.
        let lines = keys.div_ceil(KEYS_OF_LINE).min(u64::from(LINES_MAX)) as u32;
        FilterWriter::of_lines(lines)
    }

    /// For a file whose keys are not known yet, but that they are no more than `keys`.
    pub(super) fn for_at_most(keys: u64) -> FilterWriter {
        let lines = keys.div_ceil(KEYS_OF_LINE).clamp(1, u64::from(LINES_MAX)) as u32;
        // Six bits, then zeros: such a number can be halved often.
        let step = 1 << lines.ilog2().saturating_sub(SIGNIFICANT_BITS - 1);
        FilterWriter::of_lines(lines.next_multiple_of(step))
    }

    /// Halves the filter as long as it has lines enough for so many keys: what was in two lines is
    /// then in one, where its readers look for it. None are left if there are no keys.
    pub(super) fn fit(&mut self, keys: u64) {
        if keys == 0 {
            *self = FilterWriter::of_lines(0);
        }
        let needed = keys.div_ceil(KEYS_OF_LINE);
        while self.lines > 1 && self.lines.is_multiple_of(2) && u64::from(self.lines / 2) >= needed
        {
            let mut half = FilterWriter::of_lines(self.lines / 2);
            let pairs = self.frame[HEAD_BYTES..].chunks_exact(2 * LINE_BYTES);
            for (line, pair) in half.frame[HEAD_BYTES..]
                .chunks_exact_mut(LINE_BYTES)
                .zip(pairs)
            {
                let (first, second) = pair.split_at(LINE_BYTES);
                for (byte, (first, second)) in line.iter_mut().zip(first.iter().zip(second)) {
                    *byte = first | second;
                }
            }
            *self = half;
        }
    }

    fn of_lines(lines: u32) -> FilterWriter {
        let mut frame = Vec::new();
        if lines > 0 {
            let table_bytes = lines as usize * LINE_BYTES;
            let length = (FILTER_MAGIC.len() + table_bytes) as u32;
            frame.extend_from_slice(&FRAME_MAGIC);
            frame.extend_from_slice(&length.to_le_bytes());
            frame.extend_from_slice(&FILTER_MAGIC);
            frame.resize(HEAD_BYTES + table_bytes, 0);
        }
        FilterWriter { frame, lines }
    }

    /// Puts in keys of these paths.
    pub(super) fn put(&mut self, probes: &[Probe]) {
        for probe in probes {
            let at = HEAD_BYTES + probe.line(self.lines) as usize * LINE_BYTES;
            let line = &mut self.frame[at..at + LINE_CRC];
            probe.bits().for_each(|(byte, mask)| line[byte] |= mask);
        }
    }

    /// The filter as the footer has it; nothing if there are no paths.
    pub(super) fn finish(mut self, segment: &Uuid) -> Vec<u8> {
        if let Some(table) = self.frame.get_mut(HEAD_BYTES..) {
            for (number, line) in (0..).zip(table.chunks_exact_mut(LINE_BYTES)) {
                let crc = line_crc(segment, number, &line[..LINE_CRC]);
                line[LINE_CRC..].copy_from_slice(&crc.to_le_bytes());
            }
        }
        self.frame
    }
}

/// A line read from elsewhere fails this, too.
fn line_crc(segment: &Uuid, number: u32, bits: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(segment.as_bytes());
    crc.update(&number.to_le_bytes());
    crc.update(bits);
    crc.finalize()
}

/// Where in its entry file a filter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilterPlace {
    /// Offset of the first line in bytes.
    pub(crate) at: u64,
    /// How many there are.
    pub(crate) lines: u32,
}

impl FilterPlace {
    /// A place of which the lines are within their bound.
    pub(crate) fn new(at: u64, lines: u32) -> Option<FilterPlace> {
        let bounded = (1..=LINES_MAX).contains(&lines);
        bounded.then_some(FilterPlace { at, lines })
    }

    /// The filter in what follows the footer's frame and begins at offset `at` of the file.
    pub(super) fn find(after_frame: &[u8], at: u64) -> Option<FilterPlace> {
        let (head, table) = after_frame.split_at_checked(HEAD_BYTES)?;
        let lines = table.len() / LINE_BYTES;
        let known = head[..FRAME_LENGTH] == FRAME_MAGIC
            && u32_at(head, FRAME_LENGTH) as usize == table.len() + FILTER_MAGIC.len()
            && head[FRAME_LENGTH + 4..] == FILTER_MAGIC
            && lines * LINE_BYTES == table.len();
        let lines = u32::try_from(lines).ok().filter(|_| known)?;
        FilterPlace::new(at + HEAD_BYTES as u64, lines)
    }

    /// It was made for no more keys than so many.
    pub(crate) fn keys_at_most(&self) -> u64 {
        u64::from(self.lines) * KEYS_OF_LINE
    }

    /// Length of all lines in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lines as usize * LINE_BYTES
    }

    /// All lines, unchecked; `None` if they cannot be read.
    pub(crate) fn read_all(&self, path: &Path) -> Option<Vec<u8>> {
        let mut table = vec![0; self.bytes()];
        let file = File::open(path).ok()?;
        file.read_exact_at(&mut table, self.at).ok()?;
        Some(table)
    }

    /// Whether the file may have what the probe is for; it may if the filter is damaged. `table`
    /// is what [`FilterPlace::read_all`] read; without it the one line is read.
    pub(crate) fn may_have(
        &self,
        probe: &Probe,
        table: Option<&[u8]>,
        path: &Path,
        segment: &Uuid,
    ) -> bool {
        let number = probe.line(self.lines);
        let at = number as usize * LINE_BYTES;
        let mut line = [0; LINE_BYTES];
        match table {
            Some(table) => line.copy_from_slice(&table[at..at + LINE_BYTES]),
            None => {
                let read = File::open(path)
                    .and_then(|file| file.read_exact_at(&mut line, self.at + at as u64));
                if read.is_err() {
                    return true;
                }
            }
        }
        let whole = line_crc(segment, number, &line[..LINE_CRC]) == u32_at(&line, LINE_CRC);
        !whole || probe.may_be_in(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<'a>(paths: &[&'a str]) -> Vec<Key<'a>> {
        let (mut keys, mut found) = (Keys::default(), Vec::new());
        for path in paths {
            keys.push(path.as_bytes(), |key| found.push(key));
        }
        found
    }

    fn probes<'a>(last: &'a [u8], paths: impl Iterator<Item = &'a [u8]>) -> Vec<Probe> {
        let mut probes = Probes::after(last, paths.size_hint().0);
        paths.for_each(|path| probes.push(path));
        probes.finish()
    }

    fn encode(segment: &Uuid, paths: &[&[u8]]) -> Vec<u8> {
        let all = probes(b"", paths.iter().copied());
        let mut filter = FilterWriter::for_keys(all.len() as u64);
        let (front, back) = paths.split_at(paths.len() / 2);
        filter.put(&probes(b"", front.iter().copied()));
        let last = front.last().copied().unwrap_or_default();
        filter.put(&probes(last, back.iter().copied()));
        filter.finish(segment)
    }

    #[test]
    fn each_name_and_each_directory_above_one_is_a_key_once() {
        let paths = ["a", "a", "a/b/c", "a/b/d", "a/bc/d", "a/bc/e/f", "ab/c"];
        let expected = [
            Key::Name(b"a"),
            Key::Name(b"a/b/c"),
            Key::Below(b"a"),
            Key::Below(b"a/b"),
            Key::Name(b"a/b/d"),
            Key::Name(b"a/bc/d"),
            Key::Below(b"a/bc"),
            Key::Name(b"a/bc/e/f"),
            Key::Below(b"a/bc/e"),
            Key::Name(b"ab/c"),
            Key::Below(b"ab"),
        ];
        assert_eq!(keys(&paths), expected);
        let parents: [&[u8]; 4] = [b"", b"a/b", b"a/bc", b"a/bc/e"];
        let count = key_count(6, &[&parents[..], &[b"ab"]].concat());
        assert_eq!(count, expected.len() as u64);
    }

    #[test]
    fn a_filter_has_what_it_holds_and_little_else() {
        let segment = Uuid::from_u128(7);
        let names: Vec<String> = (0..5_000)
            .map(|number| format!("d{:03}/f{number}", number / 40))
            .collect();
        let paths: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let bytes = encode(&segment, &paths);
        let place = FilterPlace::find(&bytes, 100).unwrap();
        assert_eq!(place.at, 112);
        assert_eq!(place.lines, 5_125u32.div_ceil(40));
        let table = &bytes[HEAD_BYTES..];
        let may_have =
            |probe: Probe| place.may_have(&probe, Some(table), Path::new("none"), &segment);
        assert!(
            names
                .iter()
                .all(|name| may_have(Probe::name(name.as_bytes())))
        );
        assert!(may_have(Probe::below(b"d007").unwrap()));
        let others = (0..5_000).map(|number| Probe::name(format!("d1/x{number}").as_bytes()));
        let wrong = others.filter(|probe| may_have(*probe)).count();
        // A name is not a directory.
        let files = names
            .iter()
            .filter_map(|name| Probe::below(name.as_bytes()));
        let wrong_below = files.filter(|probe| may_have(*probe)).count();
        assert!(
            wrong < 60 && wrong_below < 60,
            "{wrong} {wrong_below} of 5000"
        );
    }

    #[test]
    fn a_filter_that_was_halved_has_all_that_it_had() {
        let segment = Uuid::from_u128(7);
        let names: Vec<String> = (0..5_000).map(|number| format!("f{number}")).collect();
        let paths = || names.iter().map(|name| name.as_bytes());
        // Room for so many keys, and the lines that are left for 5,000.
        let cases = [
            (0, 1),
            (200, 5),
            (5_000, 126),
            (5_100, 128),
            (50_000, 160),
            (3_000_000, 148),
        ];
        for (room, expected) in cases {
            let mut filter = FilterWriter::for_at_most(room);
            filter.put(&probes(b"", paths()));
            filter.fit(5_000);
            assert_eq!(filter.lines, expected, "{room}");
            let bytes = filter.finish(&segment);
            let place = FilterPlace::find(&bytes, 0).unwrap();
            let table = Some(&bytes[HEAD_BYTES..]);
            let held = paths()
                .all(|path| place.may_have(&Probe::name(path), table, Path::new("none"), &segment));
            assert!(held, "{room}");
        }
        let mut none = FilterWriter::for_at_most(5_000);
        none.fit(0);
        assert!(none.finish(&segment).is_empty());
        assert!(FilterWriter::for_at_most(u64::MAX).lines <= LINES_MAX);
    }

    #[test]
    fn whatever_is_damaged_may_have_everything() {
        let segment = Uuid::from_u128(7);
        let bytes = encode(&segment, &[b"a/b"]);
        let place = FilterPlace::find(&bytes, 0).unwrap();
        let table = &bytes[HEAD_BYTES..];
        let other = Probe::name(b"other");
        let asked = |table: &[u8], segment| {
            place.may_have(&other, Some(table), Path::new("none"), &segment)
        };
        assert!(!asked(table, segment));
        assert!(asked(table, Uuid::from_u128(8)), "another file's");
        for at in 0..table.len() {
            let mut bad = table.to_vec();
            bad[at] ^= 4;
            assert!(asked(&bad, segment), "byte {at}");
        }
        assert!(place.may_have(&other, None, Path::new("/no/such/file"), &segment));
        for length in 0..bytes.len() {
            assert_eq!(FilterPlace::find(&bytes[..length], 0), None);
        }
        assert!(Probe::below(b"").is_none());
        assert!(Probe::below(&[b'd'; DIRECTORY_BYTES_MAX + 1]).is_none());
    }
}
