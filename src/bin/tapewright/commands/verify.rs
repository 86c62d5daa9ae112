//! `tapewright verify`

use std::io;

use tapewright::jobs::Outcome;
use tapewright::jobs::verify::{self, JobRun, Verdict, VerifiedJob, VerifiedVolume, VerifySummary};
use tapewright::jobs::whereabouts::Pick;

use super::archive::outcome_words;
use super::{Context, Ended, conclude, failed_tapes, problems};
use crate::args::VerifyArgs;
use crate::exit::Exit;
use crate::output::{Output, counted};

/// So many other jobs of a name are listed for people.
const OTHERS_LISTED: usize = 20;

/// Reads and compares. A bad medium and a failed attempt have different exit codes.
pub fn run(context: &mut Context<'_>, args: &VerifyArgs) -> Ended {
    let summary = verify::verify(context.site, &args.what)?;
    let any = |verdict| {
        summary
            .volumes
            .iter()
            .any(|volume| volume.verdict == verdict)
    };
    // A tape that is not there makes the attempt inconclusive, and is no failure of a drive.
    let exit = if any(Verdict::Bad) {
        Exit::BadMedium
    } else if summary.outcome == Outcome::Interrupted {
        Exit::Interrupted
    } else if let Some(exit) = Exit::of_failed(&summary.failed_tapes) {
        exit
    } else if !summary.missing_tapes.is_empty() {
        Exit::NeedsOperator
    } else if any(Verdict::Inconclusive) {
        Exit::BadDevice
    } else if summary
        .volumes
        .iter()
        .any(|volume| volume.unknown_segments > 0)
    {
        Exit::Failed
    } else {
        Exit::from(summary.outcome)
    };
    conclude(context, exit, &summary, render)
}

/// Which of several jobs of a name was read, and which were not.
fn one_of_several(output: &mut Output, job: &VerifiedJob) -> io::Result<()> {
    let others = job.others_of_name.len();
    if others == 0 {
        return Ok(());
    }
    let shown = |run: &JobRun| format!("{} of {:.0}", run.job, run.started_at);
    output.line(format!(
        "verified the newest job of this name, {}; not verified ({}; name one by its identity):",
        shown(&job.job),
        counted(others as u64, "older job")
    ))?;
    for run in job.others_of_name.iter().take(OTHERS_LISTED) {
        output.line(format!("  {}", shown(run)))?;
    }
    if others > OTHERS_LISTED {
        let more = others - OTHERS_LISTED;
        output.line(format!("  … and {more} more; --json has them"))?;
    }
    Ok(())
}

/// A job may lack what no tape can tell.
fn job_is_whole(output: &mut Output, run: &JobRun) -> io::Result<()> {
    match run.ended {
        Some(Outcome::Complete) => Ok(()),
        Some(Outcome::Failed) => {
            output.line("the job itself failed: only what it wrote can be verified")
        }
        Some(ended) => output.line(format!(
            "the job itself was {}: only what it wrote can be verified",
            outcome_words(ended)
        )),
        None => output.line("the job itself still runs: only what it wrote so far is verified"),
    }
}

/// What a job that was cut off left on a tape.
fn cut_off(output: &mut Output, volume: &VerifiedVolume) -> io::Result<()> {
    match &volume.cut_off {
        Some(words) => output.line(format!("  {words}")),
        None => Ok(()),
    }
}

/// The result for people.
pub fn render(output: &mut Output, summary: &VerifySummary) -> io::Result<()> {
    if let Some(job) = &summary.job {
        one_of_several(output, job)?;
        job_is_whole(output, &job.job)?;
        if !job.labelled_anew.is_empty() {
            output.line(format!(
                "what it had on tapes that were labelled anew is gone: {}",
                job.labelled_anew.join(", ")
            ))?;
        }
    }
    let unread = |volume: &&VerifiedVolume| {
        let mut missing = summary.missing_tapes.iter();
        let mut failed = summary.failed_tapes.iter();
        volume.records == 0
            && (missing.any(|tape| tape.barcode == volume.barcode)
                || failed.any(|tape| tape.barcode == volume.barcode))
    };
    // A tape that was never read has one line below, and no verdict.
    for volume in summary.volumes.iter().filter(|volume| !unread(volume)) {
        let verdict = match volume.verdict {
            Verdict::Empty => {
                let barcode = &volume.barcode;
                output.line(format!(
                    "{barcode}  nothing on it to verify; its label was read and is right"
                ))?;
                cut_off(output, volume)?;
                continue;
            }
            Verdict::Good if volume.planned_segments > volume.segments => "good so far",
            Verdict::Good => "good",
            Verdict::Bad => "BAD",
            Verdict::Inconclusive => "inconclusive: reading failed, which says nothing of the tape",
        };
        let copies = match volume.catalog_copies {
            0 => String::new(),
            1 => " and a copy of the catalog".to_owned(),
            count => format!(" and {count} copies of the catalog"),
        };
        output.line(format!(
            "{}  {verdict}: {}{}, {}, {}{copies} read and compared",
            volume.barcode,
            counted(volume.segments, "segment"),
            match volume.planned_segments > volume.segments {
                true => format!(" of {}", volume.planned_segments),
                false => String::new(),
            },
            counted(volume.records, "record"),
            counted(volume.files, "file")
        ))?;
        let heading = match volume.verdict {
            Verdict::Inconclusive => "not verified",
            _ => "bad on this tape",
        };
        problems(output, &volume.problems, heading)?;
        if volume.unknown_segments > 0 {
            let barcode = &volume.barcode;
            output.line(format!(
                "  behind them {}; `catalog rebuild {barcode}` reads what the catalog does not \
                 know",
                counted(volume.unknown_segments, "more segment")
            ))?;
        }
        cut_off(output, volume)?;
        if let Some(advice) = &volume.advice {
            output.line(format!("  {advice}"))?;
        }
    }
    missing(output, &summary.missing_tapes)?;
    failed_tapes(output, &summary.failed_tapes)
}

/// The tapes that were not there.
fn missing(output: &mut Output, tapes: &[Pick]) -> io::Result<()> {
    for tape in tapes {
        let (barcode, place) = (&tape.barcode, tape.words());
        output.line(format!(
            "{barcode}  not in the library, not verified: {place}"
        ))?;
    }
    Ok(())
}
