//! The lists of a job: noted when it begins, and compared when it goes on.
//!
//! A list that another program writes anew each night is, by the time a job goes on, another one:
//! what the old one named and is not on tape yet would be left out, and what only the new one
//! names would belong to a time at which nobody asked for it.

use std::os::unix::ffi::OsStrExt as _;

use catalogs::Job;
use catalogs::model::event::ListOfNames;

use super::{FileList, Source};
use crate::jobs::{ByteText, JobError, Site};
use crate::monitor::Problem;

/// The lists among these sources, as they are now.
pub(super) fn noted(sources: &[Source]) -> Result<Vec<ListOfNames>, JobError> {
    let lists = sources.iter().filter_map(|source| match source {
        Source::List(list) => Some(list),
        _ => None,
    });
    let note = |list: &FileList| {
        let digest = list.digest().map_err(JobError::Engine)?;
        Ok(ListOfNames {
            from: ByteText(list.from.as_os_str().as_bytes().to_vec()),
            digest: digest.map(|digest| digest.to_hex().to_string()),
            null: list.null,
            recursive: list.recursive,
        })
    };
    lists.map(note).collect()
}

/// How two lists compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    /// One of them can be read once only.
    Unknown,
    /// They name other objects, or mean something else by it.
    Other,
}

fn likeness(before: &ListOfNames, now: &ListOfNames) -> Likeness {
    if (before.null, before.recursive) != (now.null, now.recursive) {
        return Likeness::Other;
    }
    match (&before.digest, &now.digest) {
        (Some(before), Some(now)) if before == now => Likeness::Same,
        (Some(_), Some(_)) => Likeness::Other,
        _ => Likeness::Unknown,
    }
}

/// Makes sure that the lists are those with which the job began; or says, where it is `accepted`
/// that they are not, and where nobody can know.
///
/// # Errors
///
/// [`JobError::Request`] if a list is another one and that is not accepted.
pub(super) fn check(
    site: Site<'_>,
    before: &Job,
    now: &[ListOfNames],
    accepted: bool,
) -> Result<(), JobError> {
    let start = &before.start.what;
    let tell = |path: &ByteText, what: &str| {
        let path = path.to_string();
        let what = what.to_owned();
        site.monitor.notice(&Problem { path, what });
    };
    // A rebuild from tapes knows of none, nor did earlier software note any.
    if start.lists.is_empty() {
        for list in now {
            tell(&list.from, UNKNOWN);
        }
        return Ok(());
    }
    if start.lists.len() != now.len() {
        let (had, has) = (start.lists.len(), now.len());
        let what = format!("it began with {had} of them, and {has} are given");
        return refuse(&start.name, &what, "");
    }
    for (old, list) in start.lists.iter().zip(now) {
        match likeness(old, list) {
            Likeness::Same => {}
            Likeness::Unknown => tell(&list.from, UNKNOWN),
            Likeness::Other if accepted => tell(&list.from, ACCEPTED),
            Likeness::Other => {
                let what = format!("{} is not as it was then", list.from);
                return refuse(&start.name, &what, OR_ACCEPT);
            }
        }
    }
    Ok(())
}

const UNKNOWN: &str = "what this list named when the job began is not known: what it names now is \
                       archived";
const ACCEPTED: &str = "this list is not as it was when the job began: what it names now is \
                        archived, and what only the old one named is left out";
const OR_ACCEPT: &str = "; or give --changed-lists, and what they name now is archived, without \
                         what only the old ones named";

fn refuse(name: &str, what: &str, or_accept: &str) -> Result<(), JobError> {
    let what = format!(
        "these are not the lists of job {name}: {what}. Name them as when it began: put the old \
         ones back{or_accept}. What is new belongs to a job of its own"
    );
    Err(JobError::Request { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_the_same_by_what_they_say_wherever_they_are() {
        let list = |from: &str, digest: Option<&str>, null| ListOfNames {
            from: from.into(),
            digest: digest.map(str::to_owned),
            null,
            recursive: false,
        };
        let one = list("/one", Some("d1"), false);
        for (other, expected) in [
            (list("/moved", Some("d1"), false), Likeness::Same),
            (list("/one", Some("d2"), false), Likeness::Other),
            (list("/one", Some("d1"), true), Likeness::Other),
            (list("-", None, false), Likeness::Unknown),
            (list("-", None, true), Likeness::Other),
        ] {
            assert_eq!(likeness(&one, &other), expected, "{other:?}");
            assert_eq!(likeness(&other, &one), expected, "{other:?}");
        }
    }
}
