//! Lists of files that cannot be read: what they hold is not found.

use catalogs::{Catalog, CatalogError};
use jiff::{SignedDuration, Timestamp};

use super::JobError;
use super::words::list;
use crate::jobs::catalog::live_volumes;

/// So many names are told.
const TOLD: usize = 4;

/// What was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum Under {
    /// A search.
    Search,
    /// The plan of a restore.
    Restore,
}

/// A list of files that could not be read, and whose it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: the list of files of {} cannot be read{}",
    match under {
        Under::Search => "what was found is not all, or there are newer versions",
        Under::Restore => "what there is to restore cannot be known",
    },
    whose(jobs, tapes),
    match under {
        Under::Search => "",
        Under::Restore => "; no tape was moved, and nothing written",
    }
)]
pub struct UnreadError {
    /// What it is missing in.
    pub(super) under: Under,
    /// The jobs whose list it is.
    pub(super) jobs: Vec<String>,
    /// The tapes that have it, if they are not given up.
    pub(super) tapes: Vec<String>,
    /// Before the first of these jobs.
    pub(super) before: Option<Timestamp>,
    /// What is wrong with it.
    #[source]
    pub(super) source: CatalogError,
}

impl UnreadError {
    pub(super) fn advice(&self) -> String {
        let cure = match &self.tapes[..] {
            [] => "Its tape was given up: what it listed is found no more.".to_owned(),
            [tape] => format!("`catalog rebuild {tape}` writes it anew from the tape."),
            tapes => format!(
                "`catalog rebuild {}` writes it anew from the tapes.",
                tapes.join(" ")
            ),
        };
        match (self.under, self.before) {
            (Under::Restore, Some(before)) => format!(
                "{cure} Until then a restore with --as-of {before:.3} brings what there was \
                 before that job."
            ),
            _ => cure,
        }
    }
}

/// `job x on tape T`, as far as it is known.
fn whose(jobs: &[String], tapes: &[String]) -> String {
    let named = |what: &str, names: &[String]| {
        let more = match names.len() > TOLD {
            true => vec!["others".to_owned()],
            false => Vec::new(),
        };
        let told: Vec<String> = names.iter().take(TOLD).cloned().chain(more).collect();
        let plural = if told.len() > 1 { "s" } else { "" };
        format!("{what}{plural} {}", list(&told, ""))
    };
    match (jobs.is_empty(), tapes.is_empty()) {
        (true, true) => "a job".to_owned(),
        (true, false) => named("tape", tapes),
        (false, true) => named("job", jobs),
        (false, false) => format!("{} on {}", named("job", jobs), named("tape", tapes)),
    }
}

/// Tells of an entry file that could not be read, whose list it is and what that means; any other
/// error as it is.
pub(in crate::jobs) fn told(catalog: &Catalog, under: Under, error: JobError) -> JobError {
    let JobError::Catalog(source) = error else {
        return error;
    };
    // What else is wrong with the catalog is no better to know than this.
    let owners = owners(catalog, &source).unwrap_or_default();
    if owners.is_empty() {
        return JobError::Catalog(source);
    }
    let mut unread = UnreadError {
        under,
        jobs: Vec::new(),
        tapes: Vec::new(),
        before: None,
        source,
    };
    for owner in owners {
        for (names, name) in [
            (&mut unread.jobs, owner.job),
            (&mut unread.tapes, owner.tape),
        ] {
            names.extend(name.filter(|name| !names.contains(name)));
        }
        let before = owner.began.checked_sub(SignedDuration::from_millis(1)).ok();
        unread.before = unread.before.into_iter().chain(before).min();
    }
    JobError::Unread(Box::new(unread))
}

/// Whose segment has its files listed there.
struct Owner {
    job: Option<String>,
    began: Timestamp,
    tape: Option<String>,
}

fn owners(catalog: &Catalog, error: &CatalogError) -> Result<Vec<Owner>, CatalogError> {
    let file = match error {
        CatalogError::Entries(error) => error.unread_file(),
        _ => None,
    };
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let live = live_volumes(catalog)?;
    let mut owners = Vec::new();
    for (volume, job) in catalog.segments_in(file)? {
        let job = catalog.job(&job.to_string())?;
        let mut labels = live.iter().map(|volume| &volume.label.what);
        let label = labels.find(|label| label.volume == volume);
        owners.push(Owner {
            began: job.as_ref().map_or(Timestamp::MIN, |job| job.start.time),
            job: job.map(|job| format!("`{}`", job.start.what.name)),
            tape: label.map(|label| label.barcode.clone()),
        });
    }
    Ok(owners)
}
