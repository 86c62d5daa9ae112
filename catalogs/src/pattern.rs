//! What to look for: an archive name, a glob, a regular expression or a piece of a name.
//!
//! A pattern also bounds the ranges of names that have to be read. Pure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use memchr::memmem::Finder;

use crate::model::path::{KeyRange, PathFault, check_path};
use regex_automata::meta::Regex;

const GLOB_BYTES: &[u8] = b"*?[{\\";

/// A pattern that cannot be looked for. Correct the pattern.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Not an archive name.
    #[error("pattern {}: {fault}", String::from_utf8_lossy(.pattern))]
    Path {
        /// The pattern.
        pattern: Vec<u8>,
        /// Which rule for names it breaks.
        #[source]
        fault: PathFault,
    },
    /// Not a glob.
    #[error("pattern {}: not a valid glob", String::from_utf8_lossy(.pattern))]
    Glob {
        /// The pattern.
        pattern: Vec<u8>,
        /// Why.
        #[source]
        source: globset::Error,
    },
    /// Not a regular expression.
    #[error("pattern {}: not a regular expression: {what}", String::from_utf8_lossy(.pattern))]
    Regex {
        /// The pattern.
        pattern: Vec<u8>,
        /// Why, for people.
        what: String,
    },
    /// Globs and regular expressions have to be UTF-8. A plain name need not be.
    #[error("pattern {}: it must be UTF-8", String::from_utf8_lossy(.pattern))]
    NotUtf8 {
        /// The pattern.
        pattern: Vec<u8>,
    },
}

/// What [`Catalog::find`](crate::Catalog::find) looks for.
#[derive(Debug, Clone)]
pub struct Pattern {
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Everything,
    /// A name and all below it.
    Tree(Vec<u8>),
    /// A glob, and the name that is the glob byte for byte.
    Glob {
        text: Vec<u8>,
        matcher: GlobMatcher,
    },
    /// A glob without regard to case.
    AnyCase(GlobMatcher),
    /// Looked for with a slash before the name.
    Piece(Finder<'static>),
    /// Matched with a slash before the name.
    Regex(Regex),
}

/// How the text of a pattern is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// As a name or a glob.
    #[default]
    Name,
    /// As a piece of the name, with a slash before it.
    Substring,
    /// As a regular expression that matches anywhere in the name, with a slash before it.
    Regex,
}

impl Pattern {
    /// Reads a pattern. A leading slash and a trailing slash do not count; nothing at all is
    /// everything. With any of `* ? [ { \` it is a glob.
    ///
    /// # Errors
    ///
    /// The pattern is neither an archive name nor a glob.
    pub fn parse(pattern: &[u8]) -> Result<Pattern, PatternError> {
        let text = trim_slashes(pattern);
        if text.is_empty() {
            return Ok(Pattern {
                form: Form::Everything,
            });
        }
        if !text.iter().any(|byte| GLOB_BYTES.contains(byte)) {
            return Pattern::tree(text);
        }
        glob(pattern, text, false)
    }

    /// All that there is.
    pub fn everything() -> Pattern {
        let form = Form::Everything;
        Pattern { form }
    }

    /// Reads a pattern as [`Pattern::parse`] does, or otherwise.
    ///
    /// # Errors
    ///
    /// The pattern cannot be read so.
    pub fn read(
        pattern: &[u8],
        reading: Reading,
        ignore_case: bool,
    ) -> Result<Pattern, PatternError> {
        let text = trim_slashes(pattern);
        let is_glob = text.iter().any(|byte| GLOB_BYTES.contains(byte));
        let regex = match reading {
            Reading::Name if !ignore_case || text.is_empty() => return Pattern::parse(pattern),
            Reading::Name if is_glob => return glob(pattern, text, true),
            Reading::Name => format!("^/{}(?:/|$)", escaped(text)),
            Reading::Substring if !ignore_case => {
                let form = Form::Piece(Finder::new(pattern).into_owned());
                return Ok(Pattern { form });
            }
            Reading::Substring => escaped(pattern),
            Reading::Regex => as_text(pattern)?.to_owned(),
        };
        let matcher = Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .syntax(
                regex_automata::util::syntax::Config::new()
                    .utf8(false)
                    .case_insensitive(ignore_case),
            )
            .build(&regex);
        let matcher = matcher.map_err(|error| PatternError::Regex {
            pattern: pattern.to_vec(),
            what: match error.syntax_error() {
                Some(error) => error.to_string(),
                None => error.to_string(),
            },
        })?;
        let form = Form::Regex(matcher);
        Ok(Pattern { form })
    }

    /// The name `path` and all below it, whatever bytes it has.
    ///
    /// # Errors
    ///
    /// `path` is not an archive name.
    pub fn tree(path: &[u8]) -> Result<Pattern, PatternError> {
        check_path(path).map_err(|fault| PatternError::Path {
            pattern: path.to_vec(),
            fault,
        })?;
        Ok(Pattern {
            form: Form::Tree(path.to_vec()),
        })
    }

    /// The name that it means with all below it, if it does not mean others.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Tree(name) => Some(name),
            _ => None,
        }
    }

    /// Whether the archive name `path` is meant.
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.form {
            Form::Everything => true,
            Form::Tree(tree) => is_at_or_below(path, tree),
            Form::Glob { text, matcher } => {
                path == text.as_slice() || matcher.is_match(as_path(path))
            }
            Form::AnyCase(matcher) => matcher.is_match(as_path(path)),
            Form::Piece(finder) => {
                let at_front = finder.needle().strip_prefix(b"/");
                finder.find(path).is_some() || at_front.is_some_and(|piece| path.starts_with(piece))
            }
            Form::Regex(matcher) => matcher.is_match(&[b"/", path].concat()),
        }
    }

    /// Whether the archive name with this slash before it is meant.
    pub(crate) fn matches_slashed(&self, slashed: &[u8]) -> bool {
        match &self.form {
            Form::Piece(finder) => finder.find(slashed).is_some(),
            Form::Regex(matcher) => matcher.is_match(slashed),
            _ => self.matches(&slashed[1..]),
        }
    }

    /// Whether a name that is meant may be among these, each with a slash before it and a NUL
    /// after; `None` if they have to be looked at one by one.
    pub(crate) fn may_be_among(&self, names: &[u8]) -> Option<bool> {
        match &self.form {
            Form::Piece(finder) => Some(finder.find(names).is_some()),
            _ => None,
        }
    }

    /// Whether names have to be searched for it, wherever they are.
    pub(crate) fn is_searched_for(&self) -> bool {
        !matches!(self.form, Form::Everything | Form::Tree(_))
    }

    /// Ranges, in order and apart, outside of which nothing matches.
    pub(crate) fn ranges(&self) -> Vec<KeyRange> {
        match &self.form {
            Form::Everything | Form::AnyCase(_) | Form::Piece(_) | Form::Regex(_) => {
                vec![KeyRange::all()]
            }
            Form::Tree(tree) => vec![KeyRange::exact(tree), KeyRange::below(tree)],
            Form::Glob { text, .. } => {
                let is_glob = |byte: &u8| GLOB_BYTES.contains(byte);
                let literal = text.iter().position(is_glob).unwrap_or(text.len());
                let slash = text[..literal].iter().rposition(|&byte| byte == b'/');
                let directory = &text[..slash.unwrap_or(0)];
                let rest = &text[slash.map_or(0, |at| at + 1)..];
                // An alternative may be empty or hold slashes; only this is sure to be one name.
                let one_level = !rest.iter().any(|byte| b"/{[".contains(byte))
                    && !rest.windows(2).any(|pair| pair == b"**");
                vec![if one_level {
                    KeyRange::children(directory)
                } else {
                    KeyRange::below(directory)
                }]
            }
        }
    }
}

/// `text` as a glob; `pattern` is what was typed.
fn glob(pattern: &[u8], text: &[u8], ignore_case: bool) -> Result<Pattern, PatternError> {
    let matcher = GlobBuilder::new(as_text(text)?)
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|source| PatternError::Glob {
            pattern: pattern.to_vec(),
            source,
        })?
        .compile_matcher();
    let form = match ignore_case {
        // The beginning of the text bounds nothing then.
        true => Form::AnyCase(matcher),
        false => Form::Glob {
            text: text.to_vec(),
            matcher,
        },
    };
    Ok(Pattern { form })
}

fn as_text(pattern: &[u8]) -> Result<&str, PatternError> {
    std::str::from_utf8(pattern).map_err(|_| PatternError::NotUtf8 {
        pattern: pattern.to_vec(),
    })
}

/// A regular expression that matches `text` alone, whatever bytes it has.
fn escaped(text: &[u8]) -> String {
    let mut regex = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.is_alphanumeric() || !c.is_ascii() {
                true => regex.push(c),
                false => regex.push_str(&format!("\\x{{{:x}}}", u32::from(c))),
            }
        }
        for byte in chunk.invalid() {
            regex.push_str(&format!("(?-u:\\x{byte:02x})"));
        }
    }
    regex
}

/// Whether `path` is `tree` or lies below it.
pub(crate) fn is_at_or_below(path: &[u8], tree: &[u8]) -> bool {
    let rest = path.strip_prefix(tree);
    tree.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

pub(crate) fn trim_slashes(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b"/") {
        text = rest;
    }
    while let Some(rest) = text.strip_suffix(b"/") {
        text = rest;
    }
    text
}

pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
