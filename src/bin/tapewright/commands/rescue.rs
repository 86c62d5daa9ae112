//! `tapewright tape rescue`

use std::io;

use tapewright::jobs::Outcome;
use tapewright::jobs::rescue::{
    self, LostObject, RescueOptions, RescueSummary, RescuedFile, RescuedTape, TapeGap,
};
use tapewright::jobs::restore::Owners;
use tapewright::units::ByteSize;

use super::{Context, Ended, conclude_or_tell, problems};
use crate::exit::Exit;
use crate::output::{Output, counted};
use crate::tape_args::RescueArgs;

/// So much of what was lost is listed for people.
const LISTED: usize = 1000;

/// Reads the tape, and says what came of it.
pub fn run(context: &mut Context<'_>, args: &RescueArgs) -> Ended {
    let options = RescueOptions {
        // What has a slash is a device.
        tape: match args.tape.contains('/') {
            true => RescuedTape::Drive(args.tape.clone().into()),
            false => RescuedTape::Barcode(args.tape.clone()),
        },
        target: args.to.clone(),
        retries: args.retries,
        most_bad_blocks: args.most_bad,
        keep_partial: args.keep_partial,
        owners: match args.numeric_owner {
            true => Owners::Numbers,
            false => Owners::Names,
        },
    };
    let summary = rescue::rescue(context.site, &options)?;
    let exit = match summary.end {
        "gave_up" => Exit::BadMedium,
        _ if summary.outcome == Outcome::Complete && summary.objects == 0 => Exit::NotFound,
        _ => Exit::from(summary.outcome),
    };
    let failure = summary.failure.as_ref();
    conclude_or_tell(context, exit, &summary, failure, render)
}

fn render(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    let lost = match summary.lost_total {
        0 => "nothing is known to be lost".to_owned(),
        count => format!("{} not whole", counted(count, "object")),
    };
    output.line(format!(
        "{}: {}, {} saved; {lost}; {}",
        summary.tape,
        counted(summary.objects, "object"),
        ByteSize(summary.file_bytes),
        end_words(summary.end)
    ))?;
    let rows: Vec<Vec<String>> = summary.tape_files.iter().map(file_row).collect();
    let head = [
        "DIRECTORY",
        "FROM BLOCK >",
        "BLOCKS >",
        "BAD >",
        "SAVED >",
        "LOST >",
    ];
    output.table(&head, &rows)?;
    gaps(output, summary)?;
    lost_objects(output, summary)?;
    problems(output, &summary.renamed, "names that came twice")?;
    problems(
        output,
        &summary.metadata_not_set,
        "metadata that could not be set",
    )
}

fn end_words(end: &str) -> &'static str {
    match end {
        "end_of_data" => "read to the end of the tape",
        "no_end_of_data" => "read to where nothing more is recorded: its last session was cut off",
        "gave_up" => "given up before the end of the tape: nothing behind the last gap was read",
        "target_full" => "no room is left in the target",
        "stopped" => "stopped before the end of the tape",
        _ => "ended by a failure before the end of the tape",
    }
}

fn directory(file: impl std::fmt::Display) -> String {
    format!("file-{file:0>5}")
}

fn file_row(file: &RescuedFile) -> Vec<String> {
    vec![
        directory(file.file),
        file.first_block.to_string(),
        file.blocks.to_string(),
        file.blocks_lost.to_string(),
        file.objects.to_string(),
        file.lost.to_string(),
    ]
}

fn gaps(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    if summary.gaps_total == 0 {
        return Ok(());
    }
    output.line(format!("bad on this tape ({}):", summary.gaps_total))?;
    for gap in summary.gaps.iter().take(LISTED) {
        output.line(format!("  {}", gap_words(gap)))?;
    }
    more(output, summary.gaps_total)
}

fn gap_words(gap: &TapeGap) -> String {
    let place = match gap.blocks {
        0 | 1 => format!("block {}", gap.block),
        blocks => format!("blocks {} to {}", gap.block, gap.block.0 + blocks - 1),
    };
    let passed = match gap.passed_bytes {
        0 => String::new(),
        bytes => format!(
            "; {} behind it are of no member that is known",
            ByteSize(bytes)
        ),
    };
    format!("{} in {}: {}{passed}", place, directory(gap.file), gap.what)
}

fn lost_objects(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    if summary.lost_total == 0 {
        return Ok(());
    }
    output.line(format!("not whole ({}):", summary.lost_total))?;
    for lost in summary.lost.iter().take(LISTED) {
        output.line(format!("  {}", lost_words(lost)))?;
    }
    more(output, summary.lost_total)
}

fn lost_words(lost: &LostObject) -> String {
    let pieces: Vec<String> = lost
        .missing
        .iter()
        .take(10)
        .map(|(from, to)| format!("{from} to {to}"))
        .collect();
    let missing = match (pieces.is_empty(), lost.missing.len()) {
        (true, _) => String::new(),
        (false, count) if count > 10 => format!("; missing bytes {}, …", pieces.join(", ")),
        _ => format!("; missing bytes {}", pieces.join(", ")),
    };
    let kept = match &lost.kept_as {
        None => String::new(),
        Some(name) => format!("; what came is in {}/{name}", directory(lost.file)),
    };
    format!(
        "{}/{}: {} (of {} {} came){missing}{kept}",
        directory(lost.file),
        lost.path,
        lost.why,
        ByteSize(lost.size_bytes),
        ByteSize(lost.had_bytes)
    )
}

fn more(output: &mut Output, total: u64) -> io::Result<()> {
    match total.checked_sub(LISTED as u64) {
        None | Some(0) => Ok(()),
        Some(more) => output.line(format!("  … and {more} more; the log and --json have them")),
    }
}
