//! What `tapewright restore` writes in place of files: a tar archive, or the content of one file.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _};
use std::path::Path;

use tapewright::jobs::restore::{self, Output as What, RestoreOptions, RestoreSummary};
use tapewright::jobs::{JobError, Site};
use tapewright::units::ByteSize;

use super::restore::{exit_of, missing_words, render};
use super::{Context, Ended, conclude};
use crate::exit::{Exit, Failure, after_printing};
use crate::output::{Output, tell};
use crate::restore_args::RestoreArgs;

/// Bytes of a tar archive that are written at once.
const OUTPUT_BYTES: usize = 1 << 20;

/// What becomes of what is restored. A tar archive takes no file's place.
pub fn output(args: &RestoreArgs) -> Result<What, Failure> {
    if args.to_stdout {
        return Ok(What::File);
    }
    if !args.as_tar {
        return Ok(What::Directory);
    }
    match args
        .to
        .as_deref()
        .filter(|path| path.symlink_metadata().is_ok())
    {
        None => Ok(What::Tar),
        Some(path) => Err(Failure::Usage(format!(
            "{} exists, and --as-tar writes to a new file alone: name another, or remove it",
            path.display()
        ))),
    }
}

/// Writes a tar archive to a new file, or to stdout.
pub fn as_tar(
    context: &mut Context<'_>,
    site: Site<'_>,
    options: &RestoreOptions,
    file: Option<&Path>,
) -> Ended {
    let Some(path) = file else {
        return as_tar_to_stdout(context, site, options);
    };
    let failed = |what: &str| {
        let what = format!("{what} {}", path.display());
        move |error| Failure::Io(what, error)
    };
    // One that came in between ends with 1: it was not there when it was looked for.
    let file = File::create_new(path).map_err(failed("making"))?;
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, &file);
    let summary = restore::restore_as_tar(site, options, &mut out);
    drop(out);
    let summary = summary.inspect_err(|_| {
        // Nothing that anybody could use; the same command is to be given again.
        let _ = fs::remove_file(path);
    })?;
    file.sync_all().map_err(failed("writing"))?;
    tell_other_way(&summary);
    conclude(context, exit_of(&summary), &summary, render)
}

/// Writes a tar archive to stdout. All words go to stderr.
fn as_tar_to_stdout(context: &Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    let refused = |what: &str| Err(Failure::Usage(what.to_owned()));
    if context.output.is_json() {
        return refused("with --json --as-tar needs a file: --to FILE");
    }
    if io::stdout().is_terminal() {
        return refused(
            "--as-tar does not write to a terminal: hand it to a program, or name a file with --to",
        );
    }
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    let summary = restore::restore_as_tar(site, options, &mut out).map_err(not_all_taken)?;
    context.terminal.clear();
    tell_other_way(&summary);
    let mut aside = Output::aside();
    let printed = render(&mut aside, &summary).and_then(|()| aside.flush());
    after_printing(exit_of(&summary), printed)
}

/// An archive is written once and in order, so that no file in it is put together from copies.
fn tell_other_way(summary: &RestoreSummary) {
    if summary.problems.total > 0 {
        tell(
            "note: `restore PATH --to DIR` puts a file together from all its copies, which an \
             archive that is written in one go cannot",
        );
    }
}

/// Here stdout takes what was asked for: a reader that left before the end has not got all of it.
fn not_all_taken(error: JobError) -> Failure {
    match Failure::from(error) {
        Failure::OutputClosed => {
            let left = io::Error::from(io::ErrorKind::BrokenPipe);
            Failure::Io("writing to stdout".to_owned(), left)
        }
        failure => failure,
    }
}

/// Writes one file to stdout. All words go to stderr.
pub fn pour(context: &Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    if context.output.is_json() {
        let what = "--to-stdout writes the file there: --json has no place";
        return Err(Failure::Usage(what.to_owned()));
    }
    let poured = restore::pour_file(site, options, &mut io::stdout().lock());
    let poured = poured.map_err(not_all_taken)?;
    context.terminal.clear();
    let report = &poured.report;
    for problem in &poured.remarks.listed {
        tell(format!("note: /{}: {}", problem.path, problem.what));
    }
    let (bytes, failures) = (ByteSize(report.bytes), report.reasons());
    let exit = match report.agrees {
        _ if report.stopped => Exit::Interrupted,
        _ if !report.is_whole => {
            tell(format!(
                "tapewright: only its first {bytes} were written: {failures}"
            ));
            poured
                .missing_tapes
                .iter()
                .map(missing_words)
                .for_each(tell);
            match Exit::of_failed(&poured.failed_tapes) {
                Some(exit) => exit,
                None if poured.missing_tapes.is_empty() => Exit::Partial,
                None => Exit::NeedsOperator,
            }
        }
        Some(false) => {
            tell(format!(
                "tapewright: what was written is not what was archived: {}. Do not use it, and \
                 restore it with --to, which puts it together from all copies",
                report.doubts.join("; ")
            ));
            Exit::Partial
        }
        None => {
            tell("note: no digest is known of it: nothing was compared");
            Exit::Done
        }
        Some(true) if !failures.is_empty() => {
            tell(format!(
                "note: it came from another copy in part: {failures}"
            ));
            Exit::Done
        }
        Some(true) => Exit::Done,
    };
    match exit {
        Exit::Done if poured.remarks.total > 0 => Ok(Exit::Partial),
        exit => Ok(exit),
    }
}
