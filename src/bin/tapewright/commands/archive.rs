//! `tapewright archive`

use std::io;

use tapewright::jobs::archive::{
    self, ArchivePreview, ArchiveSummary, ArchiveTimings, Changes, CopySummary, FailedWrite,
    JobDescription, Previewed, WrittenSegment,
};
use tapewright::jobs::catalog_copy::{CopiedCatalog, CopyOutcome};
use tapewright::jobs::{JobErrorKind, Level, Outcome};
use tapewright::units::ByteSize;

use super::{Context, Ended, conclude, problems, told_failure};
use crate::args::{ArchiveArgs, LevelArg};
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, tell_failure};

/// A job that took less has no bottleneck worth a line, in seconds.
const WORTH_TELLING_S: f64 = 5.0;

/// Archives and says what went where.
pub fn run(context: &mut Context<'_>, args: &ArchiveArgs) -> Ended {
    let job = described(args)?;
    if args.dry_run {
        return dry_run(context, &job);
    }
    let summary = archive::archive(context.site, &job)?;
    let exit = match &summary.failure {
        Some(failure) => told_failure(context, failure),
        None => Exit::from(summary.outcome),
    };
    if let Some(failure) = summary.copy.as_ref().and_then(|copy| copy.failure.as_ref()) {
        context.terminal.clear();
        tell_failure("the second copy: ", failure);
    }
    conclude(context, exit, &summary, render)
}

/// Refuses what a job that goes on has said when it began.
fn check_resumed(args: &ArchiveArgs) -> Result<(), Failure> {
    let said_anew = [
        ("--pool", args.pool.is_some()),
        ("--copy-pool", args.copy_pool.is_some()),
        ("--name", args.name.is_some()),
        ("--exclude", !args.exclude.is_empty()),
        ("--one-file-system", args.one_file_system),
        ("--level", args.level.is_some()),
        ("--base", args.base.is_some()),
        ("--digest", args.digest.is_some()),
    ];
    let said_anew = said_anew.into_iter().filter(|(_, said)| *said);
    let flags: Vec<&str> = said_anew.map(|(flag, _)| flag).collect();
    if args.resume.is_none() || flags.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "a job that goes on is the same job, with the pools, name, excludes, level, base and \
         digests with which it began: leave out {}. To archive otherwise, begin another job",
        flags.join(", ")
    )))
}

/// The job that the file describes, if there is one, changed and added to by the flags.
fn described(args: &ArchiveArgs) -> Result<JobDescription, Failure> {
    check_resumed(args)?;
    let mut job = match &args.job {
        Some(file) => archive::read_job_file(file)?,
        None => JobDescription::default(),
    };
    job.sources.extend(args.sources.0.iter().cloned());
    job.excludes.extend(args.exclude.iter().cloned());
    job.one_file_system |= args.one_file_system;
    if let Some(pool) = &args.pool {
        job.pool.clone_from(pool);
    }
    job.copy_pool = args.copy_pool.clone().or(job.copy_pool);
    job.resume.clone_from(&args.resume);
    job.changed_lists = args.changed_lists;
    job.name = args.name.clone().or(job.name);
    job.segment_limit = args.segment_size.or(job.segment_limit);
    job.compress = args.compress.or(job.compress);
    job.compress_threads = args.compress_threads.or(job.compress_threads);
    job.digest = args.digest.unwrap_or(job.digest);
    job.keep = args.keep.or(job.keep);
    job.catalog_copy = args.catalog_copy.when.unwrap_or(job.catalog_copy);
    job.buffer = args.buffer.or(job.buffer);
    job.start_at = args.start_at.or(job.start_at);
    job.resume_at = args.resume_at.or(job.resume_at);
    if let Some(level) = args.level {
        job.level = match level {
            LevelArg::Full => Level::Full,
            LevelArg::Differential => Level::Differential,
            LevelArg::Incremental => Level::Incremental,
        };
    }
    job.base = args.base.clone().or(job.base);
    job.hooks.before = args.before.clone().or(job.hooks.before);
    job.hooks.after = args.after.clone().or(job.hooks.after);
    job.hooks.timeout = args.hook_timeout.map(|span| span.0).or(job.hooks.timeout);
    job.hooks.exit_code = Some(exit_code);
    if job.pool.is_empty() && job.resume.is_none() {
        let what = "no pool to write to: name it in the job file or with --pool".to_owned();
        return Err(Failure::Usage(what));
    }
    Ok(job)
}

/// What `archive` exits with.
fn exit_code(outcome: Outcome, failed: Option<JobErrorKind>) -> u8 {
    failed.map_or_else(|| Exit::from(outcome), Exit::from) as u8
}

/// Says what would be archived.
fn dry_run(context: &mut Context<'_>, job: &JobDescription) -> Ended {
    let (output, mut printed) = (&mut context.output, Ok(()));
    let listed = context.verbose > 0;
    let mut each = |one: Previewed| {
        if listed && printed.is_ok() {
            printed = match (output.is_json(), &one) {
                (true, one) => output.json(one),
                (false, Previewed::Archive { path, bytes }) => {
                    output.line(format!("+ /{path}  {}", ByteSize(*bytes)))
                }
                (false, Previewed::Delete { path }) => output.line(format!("- /{path}")),
            };
        }
    };
    let preview = archive::preview(context.site, job, &mut each)?;
    printed?;
    conclude(context, Exit::Done, &preview, render_preview)
}

fn render_preview(output: &mut Output, preview: &ArchivePreview) -> io::Result<()> {
    output.line(format!(
        "to archive: {}, {}",
        counted(preview.objects, "object"),
        ByteSize(preview.file_bytes)
    ))?;
    render_changes(output, preview.changes.as_ref())?;
    if preview.uncounted_sources > 0 {
        output.line(format!(
            "beside that what {} of lists and commands brings: it cannot be counted before",
            counted(preview.uncounted_sources, "source")
        ))?;
    }
    problems(output, &preview.problems, "cannot be looked at")
}

/// How the source compares with what is on tape.
fn render_changes(output: &mut Output, changes: Option<&Changes>) -> io::Result<()> {
    let Some(changes) = changes else {
        return Ok(());
    };
    output.line(format!(
        "{} changed, {} new, {} deleted; {} unchanged ({}), on tape already",
        changes.changed,
        changes.new,
        changes.deleted,
        changes.unchanged,
        ByteSize(changes.unchanged_bytes)
    ))?;
    if changes.without_inode > 0 {
        output.line(format!(
            "{} of these compared by size and times alone: no inode number is recorded of them",
            changes.without_inode
        ))?;
    }
    Ok(())
}

/// The summary for people.
pub fn render(output: &mut Output, summary: &ArchiveSummary) -> std::io::Result<()> {
    if summary.adopted_segments > 0 {
        output.line(format!(
            "taken into the catalog: {}, complete on tape and not known before",
            counted(summary.adopted_segments, "segment")
        ))?;
    }
    segments(output, &summary.segments)?;
    output.line(format!(
        "job {} ({}), pool {}: {}; {}, {} on tape, confirmed by the drive",
        summary.name,
        summary.job,
        summary.pool,
        outcome_words(summary.outcome),
        counted(summary.files, "object"),
        ByteSize(summary.file_bytes)
    ))?;
    render_changes(output, summary.changes.as_ref())?;
    failed_writes(output, &summary.failed_tapes)?;
    if let Some(copy) = &summary.copy {
        render_copy(output, copy)?;
    }
    catalog_copies(output, &summary.catalog_copies)?;
    let compressed = |segment: &WrittenSegment| segment.codec != "none";
    if summary.segments.iter().any(compressed) {
        output.line(format!(
            "compressed: {} of archive in {} on tape, {:.2} to 1",
            ByteSize(summary.tar_bytes),
            ByteSize(summary.stored_bytes),
            summary.ratio
        ))?;
    }
    if let Some(line) = pace_line(&summary.timings) {
        output.line(line)?;
    }
    problems(output, &summary.notes, "left out on purpose")?;
    problems(
        output,
        &summary.problems,
        "what is missing on tape, not whole, or went wrong",
    )?;
    let stopped = matches!(summary.outcome, Outcome::Interrupted | Outcome::Failed);
    match stopped && summary.files > 0 {
        true => output.line(format!(
            "to go on behind what is on tape: tapewright archive --resume {} (lists and commands \
             are named once more)",
            summary.job
        )),
        false => Ok(()),
    }
}

/// Which tape files hold what was written.
pub fn segments(output: &mut Output, segments: &[WrittenSegment]) -> std::io::Result<()> {
    for segment in segments {
        output.line(format!(
            "{}  tape file {}, blocks {} to {}: {}, {}",
            segment.barcode,
            segment.tape_file,
            segment.first_block,
            segment.end_block.0.saturating_sub(1),
            counted(segment.files, "object"),
            ByteSize(segment.file_bytes)
        ))?;
    }
    Ok(())
}

fn render_copy(output: &mut Output, copy: &CopySummary) -> std::io::Result<()> {
    output.line(format!(
        "second copy, pool {}: {}, {} on tape, confirmed by the drive",
        copy.pool,
        counted(copy.files, "object"),
        ByteSize(copy.file_bytes)
    ))?;
    if copy.missing_files > 0 {
        let missing = counted(copy.missing_files, "object");
        output.line(format!(
            "{missing} of the first copy still need their second"
        ))?;
    }
    failed_writes(output, &copy.failed_tapes)
}

/// Where a copy of the catalog is; what kept one from being written was told when it did.
pub fn catalog_copies(output: &mut Output, copies: &[CopiedCatalog]) -> io::Result<()> {
    for copy in copies {
        match (copy.outcome, copy.tape_file) {
            (CopyOutcome::Written, Some(file)) => output.line(format!(
                "{}  tape file {file}: a copy of the catalog, {}",
                copy.barcode,
                ByteSize(copy.stored_bytes)
            ))?,
            (CopyOutcome::NoRoom | CopyOutcome::Failed, _) => {
                output.line(format!("{}  no copy of the catalog on it", copy.barcode))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Tapes that failed while they were written.
pub fn failed_writes(output: &mut Output, tapes: &[FailedWrite]) -> std::io::Result<()> {
    for tape in tapes {
        let state = match tape.suspect {
            true => "it is suspect",
            false => "nothing speaks against the tape itself",
        };
        output.line(format!("{} failed: {}; {state}", tape.barcode, tape.what))?;
    }
    Ok(())
}

/// What set the pace of a job that took long enough for that to matter.
fn pace_line(timings: &ArchiveTimings) -> Option<String> {
    let frame = &timings.frame;
    let found = timings.bottleneck?;
    if frame.busy + frame.starved + frame.blocked < WORTH_TELLING_S {
        return None;
    }
    let waited = found.waited_percent;
    let mut line = match found.stage {
        "source" => {
            format!("the source is the bottleneck: the drive waited {waited} % of the time")
        }
        "drive" => format!("the drive is the bottleneck: the source waited {waited} % of the time"),
        _ => format!(
            "this machine is the bottleneck (digests and check sums): the drive waited {waited} % \
             of the time"
        ),
    };
    if timings.pauses > 0 {
        let times = counted(timings.pauses, "time");
        line.push_str(&format!(
            "; it was stopped {times} until the buffer had filled"
        ));
    }
    Some(line)
}

/// An outcome in a word or two.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "done in part",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    }
}
