//! `tapewright tape`

use std::io::{self, IsTerminal};

use catalogs::model::event::PlaceKind;
use tapewright::jobs::Outcome;
use tapewright::jobs::dump;
use tapewright::jobs::label::{self, LabelOptions, LabelSummary, Which};
use tapewright::jobs::places::{self, PlaceOptions};
use tapewright::jobs::tapes::{self, TapeDetail, TapeInfo};
use tapewright::jobs::whereabouts::outside_words;
use tapewright::units::{ByteSize, TapeFile};

use super::restore::place_words;
use super::{Context, Ended, conclude, state_words};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::tape_args::{LabelArgs, PlaceArgs, TapeCommand};

/// Labels, lists, shows or dumps.
pub fn run(context: &mut Context<'_>, command: &TapeCommand) -> Ended {
    match command {
        TapeCommand::Label(args) => run_label(context, args),
        TapeCommand::List => run_list(context),
        TapeCommand::Show { barcode } => run_show(context, barcode),
        TapeCommand::Place(args) => run_place(context, args),
        TapeCommand::Contents {
            barcode,
            pattern,
            long,
        } => super::find::contents(context, barcode, pattern, *long),
        TapeCommand::AtRisk(args) => super::at_risk::run(context, args),
        TapeCommand::Rescue(args) => super::rescue::run(context, args),
        TapeCommand::Dump { barcode, file } => run_dump(context, barcode, *file),
    }
}

fn run_label(context: &mut Context<'_>, args: &LabelArgs) -> Ended {
    let tapes = match (args.all, &args.erase) {
        (true, _) => Which::AllBlank,
        (false, Some(erase)) if args.barcodes.is_empty() => Which::Barcodes(vec![erase.clone()]),
        (false, _) => Which::Barcodes(args.barcodes.clone()),
    };
    let block_bytes = u32::try_from(args.block_size.0).map_err(|_| {
        Failure::Usage(format!(
            "a block of {} is more than any drive takes",
            args.block_size
        ))
    })?;
    let options = LabelOptions {
        tapes,
        pool: args.pool.clone(),
        erase: args.erase.clone(),
        block_bytes: Some(block_bytes),
    };
    let summary = label::label(context.site, &options)?;
    let exit = match summary.outcome {
        Outcome::Complete if summary.labelled.is_empty() => Exit::NotFound,
        outcome => Exit::from(outcome),
    };
    conclude(context, exit, &summary, render_labels)
}

fn run_place(context: &mut Context<'_>, args: &PlaceArgs) -> Ended {
    let named = [
        (PlaceKind::Shelf, &args.shelf),
        (PlaceKind::Courier, &args.courier),
        (PlaceKind::Vault, &args.vault),
    ];
    let mut said = named
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.clone()?)));
    let (kind, name) = said.next().expect("clap wants one of them");
    let options = PlaceOptions {
        barcodes: args.barcodes.clone(),
        kind,
        name,
        fetch: args.fetch.map(|fetch| fetch.0),
    };
    let placed = places::place(context.site, &options)?;
    let output = &mut context.output;
    for tape in &placed {
        match output.is_json() {
            true => output.json(tape)?,
            false => output.line(format!("{}  {}", tape.barcode, outside_words(&tape.place)))?,
        }
    }
    Ok(Exit::Done)
}

/// Generation and capacity, each with a comma behind it, as far as the drive told them.
fn told_by_drive(generation: &str, capacity_bytes: u64) -> String {
    let mut words = String::new();
    if !generation.is_empty() {
        words.push_str(&format!("{generation}, "));
    }
    if capacity_bytes > 0 {
        words.push_str(&format!("{}, ", ByteSize(capacity_bytes)));
    }
    words
}

/// The new volumes for people.
pub fn render_labels(output: &mut Output, summary: &LabelSummary) -> io::Result<()> {
    for tape in &summary.labelled {
        let replaces = match tape.replaces {
            Some(former) => format!("; volume {former} that was on it is retired"),
            None => String::new(),
        };
        output.line(format!(
            "{}  labelled: pool {}, {}blocks of {} bytes{replaces}",
            tape.barcode,
            tape.pool,
            told_by_drive(&tape.generation, tape.capacity_bytes),
            tape.block_bytes
        ))?;
    }
    for tape in &summary.skipped {
        output.line(format!("{}  left as it is: {}", tape.barcode, tape.why))?;
    }
    Ok(())
}

fn run_list(context: &mut Context<'_>) -> Ended {
    let tapes = tapes::list(context.site)?;
    if context.output.is_json() {
        for tape in &tapes {
            context.output.json(tape)?;
        }
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = tapes.iter().map(list_row).collect();
    let head = [
        "TAPE",
        "POOL",
        "STATE",
        "PLACE",
        "USED >",
        "FREE >",
        "SEGMENTS >",
        "OBJECTS >",
    ];
    context.output.table(&head, &rows)?;
    Ok(Exit::Done)
}

fn list_row(tape: &TapeInfo) -> Vec<String> {
    vec![
        tape.barcode.clone(),
        tape.pool.clone(),
        whole_state(tape),
        whole_place(tape),
        ByteSize(tape.used_bytes).to_string(),
        ByteSize(tape.free_bytes).to_string(),
        tape.segments.to_string(),
        tape.files.to_string(),
    ]
}

/// Where a tape is: in the library, or where somebody said.
fn whole_place(tape: &TapeInfo) -> String {
    match &tape.outside {
        Some(place) => outside_words(place),
        None => place_words(&tape.place),
    }
}

/// What may be done with a tape, and what keeps it.
fn whole_state(tape: &TapeInfo) -> String {
    match (tape.free, tape.held) {
        (true, _) => "free".to_owned(),
        (false, true) => format!("{}, held", state_words(tape.state)),
        (false, false) => state_words(tape.state).to_owned(),
    }
}

fn run_show(context: &mut Context<'_>, barcode: &str) -> Ended {
    let tape = tapes::show(context.site, barcode)?;
    if context.output.is_json() {
        context.output.json(&tape)?;
    } else {
        render_detail(&mut context.output, &tape)?;
    }
    Ok(Exit::Done)
}

fn render_detail(output: &mut Output, tape: &TapeDetail) -> io::Result<()> {
    let info = &tape.info;
    let reason = info
        .state_reason
        .as_ref()
        .map_or_else(String::new, |why| format!(" ({why})"));
    let verified = info.verified_at.map_or_else(
        || "never".to_owned(),
        |at| {
            let read = match info.verified_segments < info.segments {
                true => format!("{} of {} segments, ", info.verified_segments, info.segments),
                false => String::new(),
            };
            let found = match info.bad_files {
                0 => "all good".to_owned(),
                bad => format!("{} bad", counted(bad, "file")),
            };
            format!("{}, {read}{found}", dates::minute(at))
        },
    );
    let alerts = match &tape.tape_alerts {
        None => "unknown (the tape is not in a free drive)".to_owned(),
        Some(flags) if flags.is_empty() => "none".to_owned(),
        Some(flags) => flags.join("; "),
    };
    let facts = [
        ("tape", info.barcode.clone()),
        ("volume", info.volume.to_string()),
        ("pool", info.pool.clone()),
        ("state", format!("{}{reason}", whole_state(info))),
        ("place", whole_place(info)),
        ("generation", info.generation.clone()),
        (
            "cartridge serial",
            tape.medium_serial
                .clone()
                .unwrap_or_else(|| "unknown".to_owned()),
        ),
        ("labelled", dates::minute(info.labelled_at)),
        ("block size", format!("{} bytes", tape.block_bytes)),
        ("capacity", ByteSize(info.capacity_bytes).to_string()),
        ("used", ByteSize(info.used_bytes).to_string()),
        ("free", ByteSize(info.free_bytes).to_string()),
        (
            "position",
            format!("next segment at block {}", info.next_block),
        ),
        ("verified", verified),
        (
            "catalog copy",
            info.catalog_copy_at
                .map_or_else(|| "none".to_owned(), dates::minute),
        ),
        ("tape alerts", alerts),
    ];
    for (name, value) in facts {
        output.line(format!("{name:<17} {value}"))?;
    }
    output.line("")?;
    render_contents(output, tape)
}

fn render_contents(output: &mut Output, tape: &TapeDetail) -> io::Result<()> {
    let rows: Vec<Vec<String>> = tape
        .contents
        .iter()
        .map(|segment| {
            vec![
                segment.tape_file.to_string(),
                segment.first_block.to_string(),
                segment.records.to_string(),
                segment.files.to_string(),
                ByteSize(segment.file_bytes).to_string(),
                segment.codec.clone(),
                match &*segment.content {
                    "files" => segment.job_name.clone(),
                    content => format!("{} ({content})", segment.job_name),
                },
            ]
        })
        .collect();
    output.table(
        &[
            "FILE >",
            "BLOCK >",
            "RECORDS >",
            "OBJECTS >",
            "BYTES >",
            "CODEC",
            "JOB",
        ],
        &rows,
    )
}

fn run_dump(context: &mut Context<'_>, barcode: &str, file: u64) -> Ended {
    if io::stdout().is_terminal() {
        let advice = "this writes a raw tape file; send it to a file, or to `zstd -dcf | tar tv`";
        return Err(Failure::Usage(advice.to_owned()));
    }
    let dumped = dump::dump_file(context.site, barcode, TapeFile(file), context.output.raw())?;
    Ok(match dumped.stopped {
        true => Exit::Interrupted,
        false => Exit::Done,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drive_does_not_tell_leaves_no_gap() {
        assert_eq!(told_by_drive("", 0), "");
        assert_eq!(told_by_drive("LTO-9", 0), "LTO-9, ");
        let size = ByteSize(1 << 30);
        assert_eq!(told_by_drive("LTO-9", 1 << 30), format!("LTO-9, {size}, "));
    }
}
