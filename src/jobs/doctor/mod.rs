//! Is everything fit for the first tape? Checks this machine, the kernel's drivers, the library
//! and each drive, and says of each what was found and what cures it.
//!
//! Never loads, moves, reads or writes a tape. A check that cannot be made says so; nothing
//! here fails as a whole.

mod drive;
mod host;
mod kernel;
mod library;

use serde::Serialize;

use super::{JobError, JobErrorKind, Site};
use crate::error_text::with_causes;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It cannot be told; worth knowing, nothing to do.
    Unknown,
    /// Works, but worth a look.
    Warning,
    /// Has to be cured before a tape is written.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `state directory`, or a device as people name it.
    pub about: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, as a sentence without a final full stop.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// Which sort of help a problem calls for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JobErrorKind>,
}

/// All that was looked at.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Examination {
    /// The checks, from this machine to the drives.
    pub checks: Vec<Check>,
}

impl Examination {
    /// The problems alone.
    pub fn problems(&self) -> impl Iterator<Item = &Check> {
        self.with(Verdict::Problem)
    }

    /// The checks that ended so.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(move |check| check.verdict == verdict)
    }

    fn note(&mut self, about: &str, verdict: Verdict, what: impl Into<String>) {
        self.checks.push(Check {
            about: about.to_owned(),
            verdict,
            what: what.into(),
            cure: None,
            kind: None,
        });
    }

    fn ok(&mut self, about: &str, what: impl Into<String>) {
        self.note(about, Verdict::Ok, what);
    }

    fn unknown(&mut self, about: &str, what: impl Into<String>) {
        self.note(about, Verdict::Unknown, what);
    }

    fn warn(&mut self, about: &str, what: impl Into<String>, cure: impl Into<String>) {
        self.note(about, Verdict::Warning, what);
        self.cure_last(cure);
    }

    fn problem(
        &mut self,
        about: &str,
        kind: JobErrorKind,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.note(about, Verdict::Problem, what);
        self.cure_last(cure);
        if let Some(check) = self.checks.last_mut() {
            check.kind = Some(kind);
        }
    }

    fn cure_last(&mut self, cure: impl Into<String>) {
        let cure = cure.into();
        if let Some(check) = self.checks.last_mut() {
            check.cure = Some(cure).filter(|cure| !cure.is_empty());
        }
    }

    /// An error; what is only in use by somebody else is no illness.
    fn error(&mut self, about: &str, error: &JobError) {
        let (what, cure) = (with_causes(error), error.advice().unwrap_or_default());
        match error.kind() {
            JobErrorKind::Busy => self.warn(about, format!("not examined: {what}"), cure),
            kind => self.problem(about, kind, what, cure),
        }
    }
}

/// Examines everything.
#[must_use]
pub fn doctor(site: Site<'_>) -> Examination {
    let mut found = Examination::default();
    let volumes = host::examine(site, &mut found);
    let simulated = library::is_simulated(site);
    if !simulated {
        kernel::examine(&mut found);
    }
    library::examine(site, volumes, &mut found);
    found
}
