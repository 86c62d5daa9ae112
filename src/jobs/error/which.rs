//! What was named, and is not known or not one.

use uuid::Uuid;

use super::JobErrorKind;
use super::words::list;
use crate::jobs::which::is_too_short;

/// A name means nothing, or more than one thing. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WhichError {
    /// No job.
    #[error("the catalog knows no job `{name}`")]
    NoSuchJob {
        /// What was given.
        name: String,
    },
    /// Neither a barcode nor a job.
    #[error("the catalog knows neither a tape nor a job `{name}`")]
    NoSuchBarcodeOrJob {
        /// What was given.
        name: String,
    },
    /// Several jobs.
    #[error("`{name}` means several jobs: {}", list(found, ""))]
    SeveralJobs {
        /// What was given.
        name: String,
        /// The jobs, each with its date, the newest first.
        found: Vec<String>,
    },
    /// A job whose tapes have other content by now.
    #[error(
        "nothing of job {job} (`{name}`) is on a tape any more: {} labelled anew since, {}{}",
        if tapes.len() == 1 { "its tape was" } else { "its tapes were" },
        list(tapes, ""), others_text(others)
    )]
    LabelledAnew {
        /// What was asked for.
        name: String,
        /// The job: the newest, if that was a name.
        job: Uuid,
        /// The tapes, each with the day.
        tapes: Vec<String>,
        /// The others of this name, newest first, each with its date.
        others: Vec<String>,
    },
}

fn others_text(others: &[String]) -> String {
    match others {
        [] => String::new(),
        others => format!("; other jobs of this name: {}", list(others, "")),
    }
}

impl WhichError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            WhichError::NoSuchJob { .. }
            | WhichError::NoSuchBarcodeOrJob { .. }
            | WhichError::LabelledAnew { .. } => JobErrorKind::NotFound,
            WhichError::SeveralJobs { .. } => JobErrorKind::Request,
        }
    }

    pub(super) fn advice(&self) -> &'static str {
        match self {
            WhichError::NoSuchJob { name } | WhichError::NoSuchBarcodeOrJob { name }
                if is_too_short(name) =>
            {
                "Of an identity at least four digits are typed: `job list` shows more of each."
            }
            WhichError::NoSuchJob { .. } => "`job list` shows the jobs.",
            WhichError::NoSuchBarcodeOrJob { .. } => {
                "`tape list` shows the tapes that the catalog knows, `job list` the jobs."
            }
            WhichError::SeveralJobs { .. } => {
                "Name one by its identity, of which the first digits are enough, four at the \
                 least; `job show JOB` shows what it is."
            }
            WhichError::LabelledAnew { .. } => {
                "Its data is gone. Archive it again if its source is still there; `job list` shows \
                 the other jobs, and `find PATH --all-versions` what they have of a path."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobError;

    #[test]
    fn each_says_what_to_do() {
        let name = || "nightly".to_owned();
        for error in [
            WhichError::NoSuchJob { name: name() },
            WhichError::NoSuchBarcodeOrJob { name: name() },
            WhichError::SeveralJobs {
                name: name(),
                found: vec![name()],
            },
            WhichError::LabelledAnew {
                name: name(),
                job: Uuid::nil(),
                tapes: vec![name()],
                others: vec![name()],
            },
        ] {
            let advice = JobError::from(error).advice().unwrap();
            assert!(
                advice.contains("`job ") && advice.ends_with('.'),
                "{advice}"
            );
        }
    }

    #[test]
    fn an_identity_that_is_typed_too_short_is_told_as_such() {
        for (typed, told) in [("7", true), ("abc", true), ("abcd", false), ("job", false)] {
            let name = typed.to_owned();
            let errors = [
                WhichError::NoSuchJob { name: name.clone() },
                WhichError::NoSuchBarcodeOrJob { name },
            ];
            for error in errors {
                let advice = error.advice();
                assert_eq!(advice.contains("four digits"), told, "{error}: {advice}");
            }
        }
    }
}
