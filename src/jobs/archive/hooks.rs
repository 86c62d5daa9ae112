//! What is run before and after a job.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::description::JobDescription;
use super::summary::{ArchiveSummary, outcome_of};
use crate::engine::process::{Ended, Ending, Process, ShellCommand};
use crate::jobs::{JobError, Outcome, Site};
use crate::monitor::Problem;

/// How long a hook may take unless the job says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// Chunks of a hook's output that wait for the log.
const AHEAD_CHUNKS: usize = 1;

/// The hooks of a job that is run.
pub(super) struct HookRun<'a> {
    site: Site<'a>,
    job: &'a JobDescription,
    id: Uuid,
}

impl<'a> HookRun<'a> {
    pub(super) fn new(site: Site<'a>, job: &'a JobDescription, id: Uuid) -> Self {
        Self { site, job, id }
    }

    /// Runs the first one, if there is one. A request to stop ends it.
    pub(super) fn before(&self) -> Result<(), JobError> {
        let Some(command) = &self.job.hooks.before else {
            return Ok(());
        };
        self.site
            .monitor
            .phase("running the command before the job");
        let stops = self.site.monitor.stop_flag().into_iter().collect();
        let ended = self.run("before", command, stops, Vec::new());
        match ended {
            Ok(ended) if ended.ending.is_success() => Ok(()),
            Ok(Ended {
                ending: Ending::Stopped,
                ..
            }) => Err(JobError::Stopped),
            Ok(ended) => Err(JobError::Hook(
                ended.sentence("the command to run before the job"),
            )),
            Err(what) => Err(JobError::Hook(what)),
        }
    }

    /// Runs the last one, if there is one, and tells how the job went. Its own failure makes a
    /// complete job partial.
    pub(super) fn after(&self, result: &mut Result<ArchiveSummary, JobError>) {
        let Some(command) = &self.job.hooks.after else {
            return;
        };
        self.site.monitor.phase("running the command after the job");
        let environment = self.outcome(result);
        let failed = match self.run("after", command, Vec::new(), environment) {
            Ok(ended) if ended.ending.is_success() => return,
            Ok(ended) => ended.sentence("the command to run after the job"),
            Err(what) => what,
        };
        tracing::warn!("{failed}");
        self.site.monitor.problem(&Problem {
            path: "after the job".to_owned(),
            what: failed.clone(),
        });
        if let Ok(summary) = result {
            summary.problems.push(crate::jobs::Problem {
                path: crate::jobs::ByteText::default(),
                what: failed,
            });
            if summary.outcome == Outcome::Complete {
                summary.outcome = Outcome::Partial;
            }
        }
    }

    fn outcome(&self, result: &Result<ArchiveSummary, JobError>) -> Vec<(String, String)> {
        let (outcome, kind) = match result {
            Ok(summary) => (
                summary.outcome,
                summary.failure.as_ref().map(|failure| failure.kind),
            ),
            Err(error) => (outcome_of(error), Some(error.kind())),
        };
        let word = match outcome {
            Outcome::Complete => "complete",
            Outcome::Partial => "partial",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
        };
        let mut variables = vec![("TAPEWRIGHT_OUTCOME".to_owned(), word.to_owned())];
        let mut set = |key: &str, value: String| variables.push((key.to_owned(), value));
        if let Some(exit_code) = self.job.hooks.exit_code {
            set("TAPEWRIGHT_EXIT", exit_code(outcome, kind).to_string());
        }
        let counts = result.as_ref().map_or((0, 0), |s| (s.files, s.file_bytes));
        set("TAPEWRIGHT_FILES", counts.0.to_string());
        set("TAPEWRIGHT_BYTES", counts.1.to_string());
        variables
    }

    /// Runs a hook to its end; its output goes to the log. The error is for people.
    fn run(
        &self,
        which: &str,
        command: &str,
        stops: Vec<Arc<std::sync::atomic::AtomicBool>>,
        mut environment: Vec<(String, String)>,
    ) -> Result<Ended, String> {
        let name = self.job.name.clone().unwrap_or_default();
        environment.extend([
            ("TAPEWRIGHT_JOB".to_owned(), self.id.to_string()),
            ("TAPEWRIGHT_JOB_NAME".to_owned(), name),
            ("TAPEWRIGHT_POOL".to_owned(), self.job.pool.clone()),
        ]);
        let command = ShellCommand {
            text: command.to_owned(),
            environment,
            timeout: Some(self.job.hooks.timeout.unwrap_or(TIMEOUT)),
            stops,
        };
        let failed =
            |error| format!("the command to run {which} the job could not be started: {error}");
        let mut process = Process::start(&command, which, AHEAD_CHUNKS).map_err(failed)?;
        while let Some(chunk) = process.chunk() {
            for line in String::from_utf8_lossy(&chunk).lines() {
                tracing::info!("{which}: {line}");
            }
        }
        Ok(process.finish())
    }
}
