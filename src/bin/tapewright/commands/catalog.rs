//! `tapewright catalog`

use std::io;

use tapewright::jobs::catalog_copy::{self, ImportedCopy};
use tapewright::jobs::compact::{self, CompactSummary};
use tapewright::jobs::portable::{self, Carried, CatalogFault, CheckedCatalog};
use tapewright::jobs::rebuild::{self, RebuildSummary};
use tapewright::jobs::tape_check;
use tapewright::units::ByteSize;

use super::restore::place_words;
use super::{Context, Ended, conclude, conclude_or_tell, failed_tapes, problems};
use crate::catalog_args::{CatalogCommand, CheckArgs};
use crate::dates;
use crate::exit::Exit;
use crate::output::{Output, counted};

/// Rebuilds, checks, compacts or carries the catalog.
pub fn run(context: &mut Context<'_>, command: &CatalogCommand) -> Ended {
    match command {
        CatalogCommand::Rebuild { barcodes } => run_rebuild(context, barcodes),
        CatalogCommand::Check(args) => run_check(context, args),
        CatalogCommand::Compact(args) => run_compact(context, args.dry_run),
        CatalogCommand::Export { file } => {
            let carried = portable::export(context.site, file)?;
            conclude(context, Exit::Done, &carried, |output, carried| {
                carried_line(output, "written", carried)
            })
        }
        CatalogCommand::Import { file, from_tape } => match (file, from_tape) {
            (Some(file), _) => {
                let carried = portable::import(context.site, file)?;
                conclude(context, Exit::Done, &carried, |output, carried| {
                    carried_line(output, "read", carried)
                })
            }
            (None, barcode) => from_tape_of(context, barcode.as_deref().unwrap_or_default()),
        },
    }
}

fn carried_line(output: &mut Output, done: &str, carried: &Carried) -> io::Result<()> {
    let left_out = match carried.left_out {
        0 => String::new(),
        count => format!("; {} of later software left out", counted(count, "event")),
    };
    output.line(format!(
        "{done}: {} and {} files and directories{left_out}",
        counted(carried.events, "event"),
        carried.entries
    ))
}

fn from_tape_of(context: &mut Context<'_>, barcode: &str) -> Ended {
    let imported = catalog_copy::import(context.site, barcode)?;
    let exit = Exit::from(imported.outcome);
    let failure = imported.failure.as_ref();
    conclude_or_tell(context, exit, &imported, failure, render_imported)
}

fn render_imported(output: &mut Output, imported: &ImportedCopy) -> io::Result<()> {
    let ImportedCopy {
        barcode, tape_file, ..
    } = imported;
    for unused in &imported.unused_copies {
        output.line(format!("{barcode}  not used: {}", unused.sentence()))?;
    }
    let of = imported.written_at.map_or_else(
        || "the catalog as of an unknown time".to_owned(),
        |at| format!("the catalog as of {}", dates::second(at.as_second())),
    );
    let older = match imported.unused_copies.is_empty() {
        true => "",
        false => ", an older copy than the tape had",
    };
    output.line(format!("{barcode}  tape file {tape_file}: {of}{older}"))?;
    carried_line(output, "read", &imported.carried)?;
    match &imported.behind {
        Some(behind) => {
            output.line(format!(
                "behind it on this tape: {}, {}{}",
                counted(behind.segments, "segment"),
                counted(behind.files, "object"),
                further_copies(behind.catalog_copies)
            ))?;
            problems(output, &behind.problems, "bad on this tape")?;
        }
        None => output.line(format!(
            "what this tape has behind it was not read: `catalog rebuild {barcode}` does that"
        ))?,
    }
    missing(output, imported)
}

/// Segments with copies of the catalog beside others, if there are any.
fn further_copies(segments: u64) -> String {
    match segments {
        0 => String::new(),
        count => format!(", {} with copies of the catalog", counted(count, "segment")),
    }
}

/// What came into the lost catalog after the copy was made, and how it comes back.
fn missing(output: &mut Output, imported: &ImportedCopy) -> io::Result<()> {
    output.line("not in it is what came after that moment:")?;
    match &imported.may_have_newer[..] {
        [] => {
            output.line("  no other tape that it knows had room, so that none of them got more")?
        }
        tapes => output.line(format!(
            "  what other tapes got: those that had room are read by `catalog rebuild {}`",
            tapes.join(" ")
        ))?,
    }
    output.line("  tapes labelled since: `catalog rebuild BARCODE` reads one that you know of")?;
    output.line(
        "  holds, retention times, moves and verifications: these are on no tape; set them again \
         (`hold add`, `keep`)",
    )
}

fn run_check(context: &mut Context<'_>, args: &CheckArgs) -> Ended {
    let checked = match &args.tape {
        Some(barcode) => tape_check::check_with_tape(context.site, barcode)?,
        None => portable::check(context.site)?,
    };
    let damaged = checked.tape.as_ref().map(|tape| tape.damage.total > 0);
    let exit = match (checked.faults.is_empty(), damaged) {
        (_, Some(true)) => Exit::BadMedium,
        (false, _) => Exit::Failed,
        (true, _) => Exit::Done,
    };
    conclude(context, exit, &checked, render_check)
}

fn run_compact(context: &mut Context<'_>, dry_run: bool) -> Ended {
    let summary = compact::compact(context.site, dry_run)?;
    let exit = match summary.faults.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    };
    conclude(context, exit, &summary, render_compact)
}

fn render_compact(output: &mut Output, summary: &CompactSummary) -> io::Result<()> {
    let would = if summary.dry_run { "would be " } else { "" };
    for job in &summary.dropped {
        output.line(format!(
            "{}: {} files and directories of {} {would}let go: expired, and overwritten",
            job.name,
            job.entries,
            counted(job.segments, "segment")
        ))?;
    }
    for job in &summary.merged {
        output.line(format!(
            "{}: {} {would}merged to {}",
            job.name,
            counted(job.files_before, "file"),
            job.files_after
        ))?;
    }
    faults(output, &summary.faults)?;
    let before = ByteSize(summary.bytes_before);
    let after = match summary.bytes_after {
        Some(bytes) => format!("now {} ({})", summary.files_after, ByteSize(bytes)),
        None => format!("{would}{}", summary.files_after),
    };
    output.line(format!(
        "entry files: {} ({before}), {after}",
        summary.files_before
    ))?;
    match summary.waits_for_readers {
        true => output.line("another process reads; the old files go when it is done"),
        false => Ok(()),
    }
}

fn faults(output: &mut Output, faults: &[CatalogFault]) -> io::Result<()> {
    for CatalogFault {
        barcode,
        what,
        advice,
    } in faults
    {
        let about = barcode.as_deref().unwrap_or("catalog");
        output.line(format!("{about}  {what}"))?;
        output.line(format!("  {advice}"))?;
    }
    Ok(())
}

fn render_check(output: &mut Output, checked: &CheckedCatalog) -> io::Result<()> {
    faults(output, &checked.faults)?;
    if let Some(tape) = &checked.tape {
        output.line(format!(
            "{}  {} and {} files and directories of it compared by the indexes on it",
            tape.barcode,
            counted(tape.segments, "segment"),
            tape.entries
        ))?;
        problems(output, &tape.damage, "damaged on this tape")?;
        problems(
            output,
            &tape.differences,
            "not the same on it and in the catalog",
        )?;
        if let Some(words) = &tape.cut_off {
            output.line(format!("  {words}"))?;
        }
    }
    let verdict = match checked.faults.len() as u64 {
        0 => match &checked.tape {
            Some(tape) => format!("consistent with itself and with {}", tape.barcode),
            None => "consistent with itself".to_owned(),
        },
        count => counted(count, "fault"),
    };
    output.line(format!(
        "{} of the ledger, {} and {} files and directories read: {verdict}",
        counted(checked.lines, "line"),
        counted(checked.receipts, "segment"),
        checked.entries
    ))
}

fn run_rebuild(context: &mut Context<'_>, barcodes: &[String]) -> Ended {
    let summary = rebuild::rebuild(context.site, barcodes)?;
    let exit = Exit::from(summary.outcome);
    let failure = summary.failure.as_ref();
    conclude_or_tell(context, exit, &summary, failure, render)
}

fn render(output: &mut Output, summary: &RebuildSummary) -> io::Result<()> {
    for volume in &summary.volumes {
        output.line(format!(
            "{}  pool {}: {} ({} new to the catalog), {}{}",
            volume.barcode,
            volume.pool,
            counted(volume.segments, "segment"),
            volume.new_segments,
            counted(volume.files, "object"),
            further_copies(volume.catalog_copies)
        ))?;
        if let Some(place) = &volume.unread_in {
            output.line(format!(
                "  its barcode cannot be read; it is in {}",
                place_words(place)
            ))?;
        }
        problems(output, &volume.problems, "bad on this tape")?;
        for step in volume.next_steps() {
            output.line(format!("  {step}"))?;
        }
    }
    if summary.kept_by_tapes > 0 {
        output.line(format!(
            "{}: how long each is kept was taken from the tapes, as it was said when they were \
             written. What `keep` and `hold` said later is not taken from them; a copy of the \
             catalog on one of them may have it (`catalog import --from-tape BARCODE`, into a \
             state directory of its own). `expire --dry-run` shows what would go",
            counted(summary.kept_by_tapes, "job")
        ))?;
    }
    for tape in &summary.skipped {
        output.line(format!("{}  left out: {}", tape.barcode, tape.why))?;
    }
    failed_tapes(output, &summary.failed_tapes)
}
