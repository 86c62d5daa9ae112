//! `tapewright restore`

use std::io;

use tapewright::jobs::Outcome;
use tapewright::jobs::restore::{
    self, Existing, LostWithTape, Owners, RestoreOptions, RestoreOutlook, RestoreSummary, TapeNeed,
    TapePlace, TargetOptions,
};
use tapewright::units::ByteSize;

use super::archive::outcome_words;
use super::find::pattern_bytes;
use super::{Context, Ended, conclude, failed_tapes, problems};
use crate::args::RestoreArgs;
use crate::dates;
use crate::exit::Exit;
use crate::output::{Output, counted};

/// What the remarks of a plan are about.
const REMARKS: &str = "restored otherwise than their names promise";
/// So many objects of a tape that failed are listed for people.
const LOST_LISTED: usize = 100;

/// Plans, shows the plan, restores.
pub fn run(context: &mut Context<'_>, args: &RestoreArgs) -> Ended {
    let options = RestoreOptions {
        patterns: args
            .patterns
            .iter()
            .map(|text| pattern_bytes(text))
            .collect::<Result<_, _>>()?,
        target: args.to.clone(),
        as_of: dates::as_of(args.as_of.as_deref())?,
        target_options: TargetOptions {
            existing: if args.overwrite {
                Existing::Overwrite
            } else {
                Existing::Refuse
            },
            owners: if args.numeric_owner {
                Owners::Numbers
            } else {
                Owners::Names
            },
        },
    };
    if args.dry_run {
        let outlook = restore::plan(context.site, &options)?;
        if context.output.is_json() {
            context.output.json(&outlook)?;
        } else {
            render_outlook(&mut context.output, &outlook)?;
        }
        return Ok(Exit::Done);
    }
    let summary = restore::restore(context.site, &options)?;
    let exit = match Exit::of_failed(&summary.failed_tapes) {
        _ if summary.outcome == Outcome::Interrupted => Exit::Interrupted,
        Some(exit) => exit,
        None if summary.missing_tapes.is_empty() => Exit::from(summary.outcome),
        None => Exit::NeedsOperator,
    };
    conclude(context, exit, &summary, render)
}

/// The plan for people: how much, and which tapes to have at hand.
pub fn render_outlook(output: &mut Output, outlook: &RestoreOutlook) -> io::Result<()> {
    output.line(format!(
        "to restore: {}, {}, from {}",
        counted(outlook.objects, "object"),
        ByteSize(outlook.file_bytes),
        counted(outlook.tapes.len() as u64, "tape")
    ))?;
    let rows: Vec<Vec<String>> = outlook.tapes.iter().map(tape_row).collect();
    output.table(&["TAPE", "PLACE", "OBJECTS >", "TO READ >"], &rows)?;
    problems(output, &outlook.remarks, REMARKS)
}

fn tape_row(tape: &TapeNeed) -> Vec<String> {
    vec![
        tape.barcode.clone(),
        place_words(&tape.place),
        tape.members.to_string(),
        ByteSize(tape.bytes).to_string(),
    ]
}

/// Where a tape is, in words.
pub fn place_words(place: &TapePlace) -> String {
    match place {
        TapePlace::Drive(number) => format!("drive {number}"),
        TapePlace::Slot(number) => format!("slot {number}"),
        TapePlace::MailSlot(number) => format!("mail slot {number}"),
        TapePlace::Robot => "the robot's hand".to_owned(),
        TapePlace::Operator => "to be loaded by hand".to_owned(),
        TapePlace::Missing => "not in the library".to_owned(),
    }
}

/// The first objects that were not restored because of a tape.
fn lost(output: &mut Output, tape: &LostWithTape) -> io::Result<()> {
    let count = tape.objects.len();
    output.line(format!(
        "{}: {} not restored: {}",
        tape.barcode,
        counted(count as u64, "object"),
        tape.why
    ))?;
    for path in tape.objects.iter().take(LOST_LISTED) {
        output.line(format!("  /{path}"))?;
    }
    if count > LOST_LISTED {
        let more = count - LOST_LISTED;
        output.line(format!("  … and {more} more; the log and --json have them"))?;
    }
    Ok(())
}

/// The result for people.
pub fn render(output: &mut Output, summary: &RestoreSummary) -> io::Result<()> {
    output.line(format!(
        "restore {}: {}, {} restored; {} checked against their digests",
        outcome_words(summary.outcome),
        counted(summary.objects, "object"),
        ByteSize(summary.file_bytes),
        counted(summary.verified_files, "file")
    ))?;
    for barcode in &summary.missing_tapes {
        output.line(format!("  tape {barcode} is needed and was not to be had"))?;
    }
    failed_tapes(output, &summary.failed_tapes)?;
    for tape in &summary.lost_with_tapes {
        lost(output, tape)?;
    }
    problems(output, &summary.remarks, REMARKS)?;
    problems(output, &summary.problems, "objects not restored")?;
    problems(
        output,
        &summary.metadata_not_set,
        "metadata that could not be set",
    )
}
