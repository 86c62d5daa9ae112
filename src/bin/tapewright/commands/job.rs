//! `tapewright job`

use std::io;

use tapewright::jobs::history::{
    self, ArchiveDetail, Found, JobDetail, JobFilter, JobInfo, JobKept, JobKind, JobTape,
};
use tapewright::jobs::{ByteText, Level, Outcome};
use tapewright::units::ByteSize;
use uuid::Uuid;

use super::archive::outcome_words;
use super::job_restore::render_restore;
use super::{Context, Ended, conclude_or_tell, problems, told_failure};
use crate::dates;
use crate::exit::{Exit, after_printing};
use crate::job_args::{JobCommand, JobKindArg, JobListArgs};
use crate::output::Output;

/// So much of an identity is shown where there is little room: commands take it.
const SHORT: usize = 8;

/// The beginning of an identity.
pub fn short(id: Uuid) -> String {
    id.to_string().chars().take(SHORT).collect()
}

/// Lists or shows.
pub fn run(context: &mut Context<'_>, command: &JobCommand) -> Ended {
    match command {
        JobCommand::List(args) => list(context, args),
        JobCommand::Show { job } => {
            let shown = history::show(context.site, job)?;
            conclude_or_tell(
                context,
                Exit::Done,
                &shown.what,
                shown.failure.as_ref(),
                |output, detail| match detail {
                    JobDetail::Archive(detail) => render_archive(output, detail),
                    JobDetail::Restore(detail) => render_restore(output, detail),
                },
            )
        }
    }
}

fn list(context: &mut Context<'_>, args: &JobListArgs) -> Ended {
    let filter = JobFilter {
        kind: args.kind.map(|kind| match kind {
            JobKindArg::Archive => JobKind::Archive,
            JobKindArg::Restore => JobKind::Restore,
        }),
        pool: args.pool.clone(),
        since: dates::start_of(args.since.as_deref())?,
        name: args.name.clone(),
    };
    let Found { what, failure } = history::list(context.site, &filter)?;
    print_list(&mut context.output, &what)?;
    match failure {
        None => Ok(Exit::Done),
        Some(failure) => {
            let printed = context.output.flush();
            after_printing(told_failure(context, &failure), printed)
        }
    }
}

fn print_list(output: &mut Output, jobs: &[JobInfo]) -> io::Result<()> {
    if output.is_json() {
        return jobs.iter().try_for_each(|job| output.json(job));
    }
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    let head = [
        "JOB",
        "NAME",
        "BEGAN",
        "KIND",
        "POOL",
        "STATE",
        "OBJECTS >",
        "SIZE >",
        "KEPT",
    ];
    output.table(&head, &rows)
}

fn row(job: &JobInfo) -> Vec<String> {
    vec![
        short(job.job),
        job.name.clone(),
        dates::minute(job.started_at),
        kind_words(job).to_owned(),
        job.pools.join(", "),
        state_words(job).to_owned(),
        job.objects.to_string(),
        ByteSize(job.file_bytes).to_string(),
        job.kept.map_or_else(|| "-".to_owned(), kept_words),
    ]
}

fn kind_words(job: &JobInfo) -> &'static str {
    match (job.kind, job.level) {
        (JobKind::Restore, _) => "restore",
        (JobKind::Archive, Some(Level::Differential)) => "differential",
        (JobKind::Archive, Some(Level::Incremental)) => "incremental",
        (JobKind::Archive, Some(Level::Full) | None) => "full",
    }
}

fn state_words(job: &JobInfo) -> &'static str {
    state(job.outcome, job.cut_off)
}

/// How it stands with a job, or a run of one.
pub fn state(outcome: Option<Outcome>, cut_off: bool) -> &'static str {
    match cut_off {
        true => "cut off",
        false => outcome.map_or("runs", outcome_words),
    }
}

fn kept_words(kept: JobKept) -> String {
    let time = match (kept.expired, kept.until) {
        (true, _) => "expired".to_owned(),
        (false, None) => "for ever".to_owned(),
        (false, Some(until)) => format!("until {}", &dates::minute(until)[..10]),
    };
    match kept.held {
        true => format!("{time}, held"),
        false => time,
    }
}

/// Names and values beneath each other; what is empty is left out.
pub fn facts(output: &mut Output, facts: &[(&str, String)]) -> io::Result<()> {
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output.line(format!("{name:<13} {value}"))?;
    }
    Ok(())
}

/// What is known of every job.
pub fn glance(job: &JobInfo) -> Vec<(&'static str, String)> {
    let ended = job.ended_at.map(dates::minute).unwrap_or_default();
    vec![
        ("job", job.job.to_string()),
        ("name", job.name.clone()),
        ("kind", kind_words(job).to_owned()),
        ("state", state_words(job).to_owned()),
        ("began", dates::minute(job.started_at)),
        ("ended", ended),
        ("pool", job.pools.join(", ")),
        ("objects", job.objects.to_string()),
        ("size", ByteSize(job.file_bytes).to_string()),
    ]
}

/// Archived paths, one behind the other.
pub fn paths(paths: &[ByteText]) -> String {
    paths.iter().map(path).collect::<Vec<_>>().join(", ")
}

/// An archived path as people type it.
pub fn path(path: &ByteText) -> String {
    format!("/{}", path.to_string().trim_start_matches('/'))
}

fn render_archive(output: &mut Output, detail: &ArchiveDetail) -> io::Result<()> {
    let info = &detail.info;
    facts(output, &glance(info))?;
    let more = if detail.more_sources {
        "lists or commands, which the catalog does not keep".to_owned()
    } else {
        String::new()
    };
    facts(
        output,
        &[
            ("second copy", info.copy_pool.clone().unwrap_or_default()),
            ("kept", info.kept.map(kept_words).unwrap_or_default()),
            ("host", detail.host.clone()),
            ("paths", paths(&detail.roots)),
            ("and", more),
            ("excludes", detail.excludes.join(", ")),
            (
                "base",
                detail.base.map(|base| base.to_string()).unwrap_or_default(),
            ),
            ("software", detail.software.clone()),
        ],
    )?;
    for hold in &detail.holds {
        output.line(format!("held by       {}: {}", hold.hold, hold.reason))?;
    }
    let row = |tape: &JobTape| {
        vec![
            tape.barcode.clone(),
            tape.pool.clone(),
            tape.segments.to_string(),
            tape.objects.to_string(),
            ByteSize(tape.file_bytes).to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = detail.tapes.iter().map(row).collect();
    output.line("")?;
    output.table(
        &["TAPE", "POOL", "SEGMENTS >", "OBJECTS >", "SIZE >"],
        &rows,
    )?;
    for command in &detail.commands {
        output.line(format!(
            "/{}  its command {}",
            command.place, command.ending
        ))?;
    }
    problems(
        output,
        &detail.problems,
        "what is missing on tape, or not whole",
    )
}
