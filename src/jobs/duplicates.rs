//! Files with the same content under several paths.

use std::ops::ControlFlow;

use catalogs::Pattern;
use jiff::Timestamp;
use serde::Serialize;

use super::browse::Told;
use super::{ByteText, JobError, Site, catalog, convert};
use crate::volume::index::Digest;

/// So many entries are held at once: some hundred megabytes.
const AT_ONCE: u64 = 1_000_000;

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct DuplicateOptions {
    /// A path or glob, as bytes; empty: everything.
    pub pattern: Vec<u8>,
    /// Only jobs that started at this time or before.
    pub as_of: Option<Timestamp>,
    /// Files of at least so many bytes.
    pub least_bytes: u64,
}

/// One content under several paths.
#[derive(Debug, Clone, Serialize)]
pub struct Duplicated {
    /// Digest of the content in hexadecimal.
    pub digest: String,
    /// How it was made: `blake3`, `sha256`.
    pub digest_algorithm: &'static str,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What all but one of them take, in bytes.
    pub more_bytes: u64,
    /// The paths, without leading slashes.
    pub paths: Vec<ByteText>,
}

/// Tells each content that the newest versions have under several paths, in the order of digests.
/// Says how many there were.
///
/// # Errors
///
/// A malformed pattern, the user stopped it, or what the catalog says. An entry file that is
/// damaged hides what it holds: all the rest is told first.
pub fn duplicates(
    site: Site<'_>,
    options: &DuplicateOptions,
    each: &mut dyn FnMut(Duplicated) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let catalog = catalog::open_to_search(site)?;
    let pattern = Pattern::parse(&options.pattern)?;
    let query = catalogs::FindOptions {
        as_of: options.as_of,
        ..catalogs::FindOptions::default()
    };
    let mut told = Told::default();
    for found in catalog.duplicates(&pattern, &query, options.least_bytes, AT_ONCE)? {
        let Some(found) = told.sort(found)? else {
            continue;
        };
        told.count += 1;
        let others = found.paths.len() as u64 - 1;
        let duplicated = Duplicated {
            digest: Digest(found.digest).to_string(),
            digest_algorithm: convert::digest_algorithm(found.algorithm).name(),
            size_bytes: found.size_bytes,
            more_bytes: found.size_bytes.saturating_mul(others),
            paths: found.paths.into_iter().map(ByteText).collect(),
        };
        if each(duplicated).is_break() {
            break;
        }
    }
    told.whole()
}
