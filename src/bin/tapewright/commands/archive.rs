//! `tapewright archive`

use tapewright::jobs::archive::{self, ArchiveOptions, ArchiveSummary};
use tapewright::units::ByteSize;

use super::{Context, Ended, conclude, problems, told_failure};
use crate::args::ArchiveArgs;
use crate::exit::Exit;
use crate::output::{Output, counted};

/// Archives and says what went where.
pub fn run(context: &mut Context<'_>, args: &ArchiveArgs) -> Ended {
    let options = ArchiveOptions {
        paths: args.paths.clone(),
        pool: args.pool.clone(),
        name: args.name.clone(),
        excludes: args.exclude.clone(),
        one_file_system: args.one_file_system,
        segment_limit: args.segment_size,
    };
    let summary = archive::archive(context.site, &options)?;
    let exit = match &summary.failure {
        Some(failure) => told_failure(context, failure),
        None => Exit::from(summary.outcome),
    };
    conclude(context, exit, &summary, render)
}

/// The summary for people.
pub fn render(output: &mut Output, summary: &ArchiveSummary) -> std::io::Result<()> {
    if summary.adopted_segments > 0 {
        output.line(format!(
            "{} of an earlier job that was cut off found complete on tape and kept",
            counted(summary.adopted_segments, "segment")
        ))?;
    }
    for segment in &summary.segments {
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
    output.line(format!(
        "job {} ({}), pool {}: {}; {}, {} on tape, confirmed by the drive",
        summary.name,
        summary.job,
        summary.pool,
        outcome_words(summary.outcome),
        counted(summary.files, "object"),
        ByteSize(summary.file_bytes)
    ))?;
    problems(output, &summary.notes, "left out on purpose")?;
    problems(
        output,
        &summary.problems,
        "files missing on tape or not whole",
    )
}

/// An outcome in a word or two.
pub fn outcome_words(outcome: tapewright::jobs::Outcome) -> &'static str {
    use tapewright::jobs::Outcome;
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "done in part",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    }
}
