//! `tapewright tape rescue`

use std::io;

use tapewright::jobs::Outcome;
use tapewright::jobs::rescue::{
    self, EncryptedBlocks, LostObject, RECORD, RescueOptions, RescueSummary, RescuedFile,
    RescuedTape, TapeDoubt, TapeGap, UnjoinedFile,
};
use tapewright::jobs::restore::Owners;
use tapewright::units::ByteSize;

use super::{Context, Ended, conclude_or_tell, metadata_not_set, problems};
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
        _ if is_of_another_kind(&summary) => Exit::WrongTape,
        _ if summary.outcome == Outcome::Complete && summary.objects == 0 => Exit::NotFound,
        _ => Exit::from(summary.outcome),
    };
    let failure = summary.failure.as_ref();
    conclude_or_tell(context, exit, &summary, failure, render)
}

/// Whether what is on the tape can be read, and is none that could be saved here.
fn is_of_another_kind(summary: &RescueSummary) -> bool {
    let bad: u64 = summary.tape_files.iter().map(|file| file.blocks_lost).sum();
    let is_ended = matches!(summary.end, "end_of_data" | "no_end_of_data");
    let is_ended = is_ended && summary.outcome == Outcome::Partial;
    is_ended && summary.objects == 0 && summary.gaps_total > 0 && bad == 0
}

fn render(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    let lost = match (summary.lost_total, summary.gaps_total) {
        (0, 0) if summary.objects == 0 => match summary.end {
            "end_of_data" | "no_end_of_data" => "there is nothing on it".to_owned(),
            _ => "nothing could be read".to_owned(),
        },
        (0, 0) if summary.doubts.iter().any(|doubt| doubt.about != "label") => {
            "whether all of it came is not sure, for the reasons below".to_owned()
        }
        (0, 0) if !summary.doubts.is_empty() => {
            "nothing is known to be lost but the label".to_owned()
        }
        (0, 0) => "nothing is known to be lost".to_owned(),
        (0, _) => "what was not saved has no name: it lies in the places below".to_owned(),
        (count, _) => format!("{} not whole", counted(count, "object")),
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
        "FILES >",
        "BY DIGEST >",
        "LOST >",
    ];
    output.table(&head, &rows)?;
    if summary.objects > 0 {
        output.line(proof_words(summary))?;
        output.line(format!(
            "they are below {}, and listed there one by one in {RECORD}",
            summary.directory
        ))?;
    }
    if let Some(encrypted) = &summary.encrypted {
        encryption(output, encrypted)?;
    }
    doubts(output, summary)?;
    gaps(output, summary)?;
    lost_objects(output, summary)?;
    parts(output, summary)?;
    problems(output, &summary.renamed, "names that came twice")?;
    problems(output, &summary.other_names, "saved under another name")?;
    metadata_not_set(output, &summary.metadata_not_set)
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
        file.files.to_string(),
        file.verified.to_string(),
        file.lost.to_string(),
    ]
}

/// What is known of the files that were saved.
fn proof_words(summary: &RescueSummary) -> String {
    let verified = match (summary.verified, summary.by_length) {
        (0, 1..) => String::new(),
        (count, 0) => format!("{} verified by digest", counted(count, "file")),
        (count, _) => format!("{} verified by digest; ", counted(count, "file")),
    };
    let of_length = match summary.by_length {
        0 => String::new(),
        count => format!(
            "{} whole by the length in the header only (each byte was read without an error; no \
             index with a digest was)",
            counted(count, "file")
        ),
    };
    let wrong = summary
        .lost
        .iter()
        .filter(|lost| lost.loss == "wrong_digest");
    let wrong = match wrong.count() as u64 {
        0 => String::new(),
        count => format!(
            "; {} with another content than was archived, named below",
            counted(count, "object")
        ),
    };
    format!("{verified}{of_length}{wrong}")
}

/// Blocks that want a key, and what to do.
fn encryption(output: &mut Output, encrypted: &EncryptedBlocks) -> io::Result<()> {
    let name = match &encrypted.key_name {
        Some(name) => format!("the key that is named `{name}` on the tape"),
        None => "the key that it was written with; the tape has no name of it".to_owned(),
    };
    let at_least = match encrypted.at_least {
        true => "at least ",
        false => "",
    };
    output.line(format!(
        "encrypted: {at_least}{}, from block {} on, and this drive has no key for them. They \
         are not bad, and were not tried again.",
        counted(encrypted.blocks, "block"),
        encrypted.first_block
    ))?;
    output.line(format!(
        "  Set {name}, with the program that wrote it or with `stenc`, and rescue the tape once \
         more into another directory. Tapewright itself encrypts no tapes and keeps no keys."
    ))
}

/// Files that were cut into parts.
fn parts(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    if !summary.joined.is_empty() {
        output.line(format!(
            "joined from their parts ({}):",
            summary.joined.len()
        ))?;
    }
    for file in summary.joined.iter().take(LISTED) {
        let proof = match file.verified {
            true => "verified by digest",
            false => "whole by length only",
        };
        let (parts, bytes) = (counted(file.parts, "part"), ByteSize(file.size_bytes));
        output.line(format!("  {}: {parts}, {bytes}, {proof}", file.path))?;
    }
    if !summary.unjoined.is_empty() {
        let count = summary.unjoined.len();
        output.line(format!("in parts, not joined ({count}):"))?;
    }
    for file in summary.unjoined.iter().take(LISTED) {
        output.line(format!("  {}", unjoined_words(file)))?;
    }
    if summary.unjoined.iter().any(|file| !file.missing.is_empty()) {
        output.line(
            "  Rescue the tapes with the other parts into the same directory: it is joined then.",
        )?;
    }
    Ok(())
}

fn unjoined_words(file: &UnjoinedFile) -> String {
    let there: Vec<String> = file
        .parts
        .iter()
        .take(10)
        .map(|part| part.number.to_string())
        .collect();
    let more = match file.parts.len() > there.len() {
        true => ", …",
        false => "",
    };
    let there = format!("here is part {}{more}", there.join(", "));
    if let Some(why) = &file.why {
        return format!("{}: {there}; not joined: {why}", file.path);
    }
    let numbers: Vec<String> = file.missing_parts.iter().map(u32::to_string).collect();
    let numbers = match numbers.is_empty() {
        true => String::new(),
        false => format!("part {} and ", numbers.join(", ")),
    };
    let missing = file.missing.iter().take(10).map(|(from, to)| match to {
        Some(to) => format!("{from} to {to}"),
        None => format!("{from} to the end, which no part that is here tells"),
    });
    let missing: Vec<String> = missing.collect();
    format!(
        "{}: {there}; missing: {numbers}bytes {}",
        file.path,
        missing.join(", ")
    )
}

/// What of our format is missing, what that means, and what to do.
fn doubts(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    if summary.doubts.is_empty() {
        return Ok(());
    }
    output.line(format!("not sure ({}):", summary.doubts.len()))?;
    for doubt in summary.doubts.iter().take(LISTED) {
        output.line(format!("  {}", doubt_words(doubt)))?;
    }
    more(output, summary.doubts.len() as u64)?;
    if summary.doubts.iter().any(|doubt| doubt.about != "label") {
        let tape = &summary.tape;
        let catalog = match tape.contains('/') {
            true => "`tape contents BARCODE`".to_owned(),
            false => format!("`tape contents {tape}`"),
        };
        output.line(format!(
            "  Segments that are not named here are sure. What the others held, {catalog} tells \
             where a catalog knows the tape; `restore` takes it from another copy."
        ))?;
    }
    Ok(())
}

fn doubt_words(doubt: &TapeDoubt) -> String {
    let TapeDoubt { file, what, .. } = doubt;
    match (doubt.about, doubt.first_segment, doubt.last_segment) {
        ("index", Some(number), _) => format!(
            "segment {number} in {}: its index is missing or damaged ({what}). Its files could \
             not be compared with their digests, and if some are missing, nothing here tells",
            directory(file)
        ),
        ("segments", Some(first), Some(last)) if last > first => format!(
            "segments {first} to {last} are missing with their indexes ({what}). What was in \
             them is not known"
        ),
        ("segments", Some(first), Some(_)) => format!(
            "segment {first} is missing with its index ({what}). What was in it is not known"
        ),
        ("segments", Some(first), None) => format!(
            "where segment {first} or its index would be, something else is ({what}). What was \
             there is not known"
        ),
        _ => format!(
            "the label is missing or damaged ({what}). No archived file is lost by that; that it \
             is a tape of Tapewright was seen by its segments"
        ),
    }
}

fn gaps(output: &mut Output, summary: &RescueSummary) -> io::Result<()> {
    if summary.gaps_total == 0 {
        return Ok(());
    }
    output.line(format!("not saved of this tape ({}):", summary.gaps_total))?;
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
    let size = ByteSize(lost.size_bytes);
    let came = match (lost.size_bytes, lost.loss) {
        (0, _) => String::new(),
        (_, "not_saved") => format!(" ({size}, nothing of it saved)"),
        _ => format!(" (of {size} {} came)", ByteSize(lost.had_bytes)),
    };
    format!(
        "{}/{}: {}{came}{missing}{kept}",
        directory(lost.file),
        lost.path,
        lost.why,
    )
}

fn more(output: &mut Output, total: u64) -> io::Result<()> {
    match total.checked_sub(LISTED as u64) {
        None | Some(0) => Ok(()),
        Some(more) => output.line(format!("  … and {more} more; the log and --json have them")),
    }
}

#[cfg(test)]
mod tests {
    use tapewright::units::{BlockAddress, TapeFile};

    use super::*;

    #[test]
    fn an_object_that_is_not_whole_is_told_with_its_true_size() {
        for (size_bytes, had_bytes, loss, words) in [
            (5, 0, "not_saved", "f: why (5 B, nothing of it saved)"),
            (5, 3, "cut", "f: why (of 5 B 3 B came)"),
            // A link or directory has none.
            (0, 0, "not_saved", "f: why"),
        ] {
            let lost = LostObject {
                file: TapeFile(0),
                path: b"f".as_slice().into(),
                block: BlockAddress(0),
                size_bytes,
                had_bytes,
                missing: Vec::new(),
                loss,
                why: "why".to_owned(),
                kept_as: None,
            };
            assert_eq!(lost_words(&lost), format!("file-00000/{words}"));
        }
    }
}
