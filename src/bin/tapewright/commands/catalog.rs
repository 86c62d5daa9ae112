//! `tapewright catalog`

use std::io;

use tapewright::jobs::rebuild::{self, RebuildSummary};

use super::restore::place_words;
use super::{Context, Ended, conclude, failed_tapes, problems, told_failure};
use crate::args::CatalogCommand;
use crate::exit::{Exit, after_printing};
use crate::output::{Output, counted};

/// Rebuilds the catalog from tapes.
pub fn run(context: &mut Context<'_>, command: &CatalogCommand) -> Ended {
    let CatalogCommand::Rebuild { barcodes } = command;
    let summary = rebuild::rebuild(context.site, barcodes)?;
    let exit = Exit::from(summary.outcome);
    let ended = conclude(context, exit, &summary, render)?;
    // What was read comes first: it is in the catalog, whatever came then.
    match &summary.failure {
        None => Ok(ended),
        Some(failure) => {
            let printed = context.output.flush();
            after_printing(told_failure(context, failure), printed)
        }
    }
}

fn render(output: &mut Output, summary: &RebuildSummary) -> io::Result<()> {
    for volume in &summary.volumes {
        output.line(format!(
            "{}  pool {}: {} ({} new to the catalog), {}",
            volume.barcode,
            volume.pool,
            counted(volume.segments, "segment"),
            volume.new_segments,
            counted(volume.files, "object")
        ))?;
        if let Some(place) = &volume.unread_in {
            output.line(format!(
                "  its barcode cannot be read; it is in {}",
                place_words(place)
            ))?;
        }
        problems(output, &volume.problems, "bad on this tape")?;
    }
    for tape in &summary.skipped {
        output.line(format!("{}  left out: {}", tape.barcode, tape.why))?;
    }
    failed_tapes(output, &summary.failed_tapes)
}
