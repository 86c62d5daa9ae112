//! `tapewright copy`

use std::io;

use tapewright::jobs::copy::{self, CopyOptions, CopySummary};
use tapewright::units::ByteSize;

use super::archive::{catalog_copies, failed_writes, outcome_words, segments};
use super::{Context, Ended, conclude, problems};
use crate::args::CopyArgs;
use crate::exit::Exit;
use crate::output::{Output, counted, tell_failure};

/// Copies, or says what is missing.
pub fn run(context: &mut Context<'_>, args: &CopyArgs) -> Ended {
    let options = CopyOptions {
        job: args.job.clone(),
        pool: args.pool.clone(),
        catalog_copy: args.catalog_copy.when.unwrap_or_default(),
        dry_run: args.dry_run,
    };
    let summary = copy::copy(context.site, &options)?;
    let exit = match &summary.failure {
        Some(failure) => {
            context.terminal.clear();
            tell_failure("", failure);
            Exit::from(failure.kind)
        }
        None => Exit::from(summary.outcome),
    };
    conclude(context, exit, &summary, |output, summary| {
        render(output, summary, options.dry_run)
    })
}

fn render(output: &mut Output, summary: &CopySummary, dry_run: bool) -> io::Result<()> {
    if summary.jobs.is_empty() {
        return output.line("nothing needs a second copy");
    }
    for job in &summary.jobs {
        output.line(format!(
            "job {} ({}): {}, {} not in pool {}; on {}",
            job.name,
            job.job,
            counted(job.missing_files, "object"),
            ByteSize(job.missing_bytes),
            job.pool,
            job.tapes.join(", ")
        ))?;
    }
    if dry_run {
        return output.line("nothing was copied: this was a dry run");
    }
    segments(output, &summary.segments)?;
    for job in summary
        .jobs
        .iter()
        .filter(|job| job.still_missing_files > 0)
    {
        let missing = counted(job.still_missing_files, "object");
        output.line(format!(
            "job {}: {missing} still need their second copy",
            job.name
        ))?;
    }
    output.line(format!("copying: {}", outcome_words(summary.outcome)))?;
    catalog_copies(output, &summary.catalog_copies)?;
    failed_writes(output, &summary.failed_tapes)?;
    problems(output, &summary.problems, "not readable on tape")
}
