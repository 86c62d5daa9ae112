//! Where archived objects go below the target: to their own paths, or mapped to others. Pure.

use std::collections::HashMap;

use catalogs::model::Kind;

use super::choose::Selection;
use crate::engine::target::Name;
use crate::jobs::JobError;

/// A directory or file that goes elsewhere, with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Archive path without slashes around it; empty for everything.
    from: Vec<u8>,
    /// Path below the target; empty for the target itself.
    to: Vec<u8>,
}

impl Mapping {
    /// Takes `OLD=NEW`, divided at the first `=`.
    ///
    /// # Errors
    ///
    /// [`JobError::Request`] if there is no `=`, or `NEW` does not stay below the target.
    pub fn parse(text: &[u8]) -> Result<Mapping, JobError> {
        let refuse = |why: &str| {
            let text = String::from_utf8_lossy(text);
            let what = format!("--map {text}: {why}");
            Err(JobError::Request { what })
        };
        let Some(at) = text.iter().position(|&byte| byte == b'=') else {
            return refuse("there is no `=` between the archived path and the new one");
        };
        let (from, to) = (&text[..at], &text[at + 1..]);
        let from = from.strip_prefix(b"/").unwrap_or(from);
        let from = from.strip_suffix(b"/").unwrap_or(from);
        let to = to.strip_suffix(b"/").unwrap_or(to);
        if text[at + 1..].starts_with(b"/") || !to.is_empty() && Name::new(to).is_err() {
            return refuse("the new path is one below --to: no slash in front, no `..`");
        }
        Ok(Mapping {
            from: from.to_vec(),
            to: to.to_vec(),
        })
    }

    /// The text that it is parsed from.
    pub(super) fn text(&self) -> Vec<u8> {
        [self.from.as_slice(), &self.to].join(&b'=')
    }

    /// What of `path` comes behind `from`, with its slash.
    fn rest<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let rest = path.strip_prefix(self.from.as_slice())?;
        let ends = self.from.is_empty() || rest.is_empty() || rest[0] == b'/';
        ends.then_some(rest)
    }
}

/// All mappings of a restore.
#[derive(Clone, Copy)]
pub(super) struct Names<'a>(pub(super) &'a [Mapping]);

impl Names<'_> {
    /// Where `path` goes below the target: by the longest mapping that fits. Empty for the
    /// target itself.
    pub(super) fn of(self, path: &[u8]) -> Vec<u8> {
        let Some(mapping) = self.mapping(path) else {
            return path.to_vec();
        };
        let rest = mapping.rest(path).unwrap_or_default();
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let parts = [mapping.to.as_slice(), rest].into_iter();
        let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(&b'/')
    }

    /// True if what lies above `above` is not needed for `path`, which is mapped.
    pub(super) fn ends_at(self, above: &[u8], path: &[u8]) -> bool {
        self.mapping(path)
            .is_some_and(|mapping| mapping.from == above)
    }

    /// Sees to it that everything has a name of its own. Of directories that come together in
    /// one the first by path gives its metadata; the target keeps its own.
    ///
    /// # Errors
    ///
    /// [`JobError::Request`] if anything else would come together, or if a mapping is for nothing
    /// of it: whoever gave it meant something else.
    pub(super) fn settle(self, selection: &mut Selection) -> Result<(), JobError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let fits = |mapping: &&Mapping| selection.keys().any(|path| mapping.rest(path).is_some());
        if let Some(vain) = self.0.iter().find(|mapping| !fits(mapping)) {
            let (text, old) = (vain.text(), String::from_utf8_lossy(&vain.from));
            let what = format!(
                "--map {}: nothing that is to be restored lies at or below /{old}",
                String::from_utf8_lossy(&text)
            );
            return Err(JobError::Request { what });
        }
        let mut taken: HashMap<Vec<u8>, (Vec<u8>, bool)> = HashMap::new();
        let mut clash = None;
        selection.retain(|path, chosen| {
            let is_directory = chosen.kind == Kind::Directory;
            let name = self.of(path);
            if name.is_empty() {
                if !is_directory {
                    clash.get_or_insert_with(|| (path.clone(), Vec::new()));
                }
                return false;
            }
            match taken.get(&name) {
                None => {
                    taken.insert(name, (path.clone(), is_directory));
                    true
                }
                Some((_, true)) if is_directory => false,
                Some((other, _)) => {
                    clash.get_or_insert_with(|| (path.clone(), other.clone()));
                    true
                }
            }
        });
        let Some((path, other)) = clash else {
            return Ok(());
        };
        let path = String::from_utf8_lossy(&path);
        let what = match other.is_empty() {
            true => format!("--map would put the file /{path} in the place of the target itself"),
            false => {
                let other = String::from_utf8_lossy(&other);
                format!("--map gives /{other} and /{path} the same name")
            }
        };
        Err(JobError::Request { what })
    }

    fn mapping(&self, path: &[u8]) -> Option<&Mapping> {
        let fitting = self.0.iter().filter(|mapping| mapping.rest(path).is_some());
        fitting.max_by_key(|mapping| mapping.from.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mapping_at_a_slash_counts() {
        let maps = ["/home/ana=ana/now", "home/ana/old/=", "/=rest"];
        let maps = maps.map(|text| Mapping::parse(text.as_bytes()).unwrap());
        for (path, name) in [
            ("home/ana", "ana/now"),
            ("home/ana/f", "ana/now/f"),
            ("home/anabel/f", "rest/home/anabel/f"),
            ("home/ana/old", ""),
            ("home/ana/old/d/f", "d/f"),
            ("etc", "rest/etc"),
        ] {
            assert_eq!(Names(&maps).of(path.as_bytes()), name.as_bytes(), "{path}");
        }
        assert_eq!(Names(&[]).of(b"a/b"), b"a/b");
    }

    #[test]
    fn no_mapping_leads_out_of_the_target() {
        for text in [
            "a", "a=/b", "a=..", "a=b/../c", "a=./b", "a=b//c", "a=/", "a=\0",
        ] {
            assert!(Mapping::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
