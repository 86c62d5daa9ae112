//! `tapewright find`

use std::os::unix::ffi::OsStrExt;

use tapewright::jobs::find::{self, FindOptions, Found, HoldingTape, Reading};
use tapewright::units::ByteSize;

use super::{Context, Ended, print_each};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::filter;
use crate::find_args::FindArgs;
use crate::output::{Output, tell};

/// Prints what the catalog knows, as it is found.
pub fn run(context: &mut Context<'_>, args: &FindArgs) -> Ended {
    let options = FindOptions {
        pattern: match args.regex || args.substring {
            true => args.pattern.as_bytes().to_vec(),
            false => pattern_bytes(&args.pattern)?,
        },
        all_versions: args.all_versions,
        expired: args.expired,
        on_tape: args.on_tape.clone(),
        as_of: dates::as_of(args.as_of.as_deref())?,
        reading: match (args.regex, args.substring) {
            (true, _) => Reading::Regex,
            (false, true) => Reading::Substring,
            (false, false) => Reading::Name,
        },
        ignore_case: args.ignore_case,
        filter: filter::filter(&args.filter)?,
    };
    let pattern = &args.pattern;
    match args.tapes {
        true => tapes(context, &options, pattern),
        false => print(context, &options, args.long, pattern),
    }
}

/// Prints every version on one tape.
pub fn contents(context: &mut Context<'_>, barcode: &str, pattern: &str, long: bool) -> Ended {
    let options = FindOptions {
        pattern: pattern_bytes(pattern)?,
        all_versions: true,
        expired: true,
        on_tape: Some(barcode.to_owned()),
        ..FindOptions::default()
    };
    print(context, &options, long, pattern)
}

fn print(context: &mut Context<'_>, options: &FindOptions, long: bool, pattern: &str) -> Ended {
    let line = match long {
        true => long_line,
        false => short_line,
    };
    let found = print_each(context, line, |site, each| find::find(site, options, each))?;
    if found == 0 {
        tell(format!(
            "tapewright: nothing in the catalog matches `{pattern}`"
        ));
        tell(
            "  A pattern is a path from the root; `./x` is taken from here, `**/x` matches x \
             anywhere.",
        );
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Done)
}

fn tapes(context: &mut Context<'_>, options: &FindOptions, pattern: &str) -> Ended {
    let tapes = find::tapes(context.site, options)?;
    let output = &mut context.output;
    if tapes.is_empty() {
        tell(format!(
            "tapewright: nothing in the catalog matches `{pattern}`"
        ));
        return Ok(Exit::NotFound);
    }
    if output.is_json() {
        for tape in &tapes {
            output.json(tape)?;
        }
        return Ok(Exit::Done);
    }
    let row = |tape: &HoldingTape| {
        vec![
            tape.barcode.clone(),
            tape.pool.clone(),
            tape.objects.to_string(),
            ByteSize(tape.bytes).to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = tapes.iter().map(row).collect();
    output.table(&["TAPE", "POOL", "OBJECTS >", "BYTES >"], &rows)?;
    Ok(Exit::Done)
}

/// A pattern as bytes: one that begins with `.` or `..` is taken from the working directory.
///
/// # Errors
///
/// The working directory is gone.
pub fn pattern_bytes(pattern: &str) -> Result<Vec<u8>, Failure> {
    if pattern.is_empty() {
        let what = "an empty pattern means nothing; `/` or `**` means everything";
        return Err(Failure::Usage(what.to_owned()));
    }
    let is_relative_path = pattern == "."
        || pattern == ".."
        || pattern.starts_with("./")
        || pattern.starts_with("../");
    if !is_relative_path {
        return Ok(pattern.as_bytes().to_vec());
    }
    let absolute = std::path::absolute(pattern)
        .map_err(|error| Failure::Io("finding the working directory".to_owned(), error))?;
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in absolute.as_os_str().as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    // With its slash, so that whoever hears that nothing matches sees where it was looked for.
    Ok([b"/", parts.join(&b'/').as_slice()].concat())
}

fn short_line(output: &mut Output, hit: &Found) -> std::io::Result<()> {
    output.line(format!(
        "{}  {}  file {} block {}  /{}{}",
        dates::minute(hit.archived_at),
        hit.barcode,
        hit.tape_file,
        hit.block,
        hit.path,
        notes(hit)
    ))
}

fn long_line(output: &mut Output, hit: &Found) -> std::io::Result<()> {
    let owner = if hit.user.is_empty() {
        hit.uid.to_string()
    } else {
        hit.user.clone()
    };
    let group = if hit.group.is_empty() {
        hit.gid.to_string()
    } else {
        hit.group.clone()
    };
    let link = hit
        .link
        .as_ref()
        .map_or_else(String::new, |link| format!(" -> {link}"));
    output.line(format!(
        "{}{:04o} {owner}:{group} {:>13} {}  /{}{link}{}",
        kind_letter(hit.kind),
        hit.mode,
        hit.size_bytes,
        dates::second(hit.mtime.0),
        hit.path,
        notes(hit)
    ))?;
    output.line(format!(
        "      {} file {} block {} offset {}, job {} of {}{}",
        hit.barcode,
        hit.tape_file,
        hit.block,
        hit.offset_bytes,
        hit.job_name,
        dates::minute(hit.archived_at),
        digest(hit)
    ))
}

/// The digest, with its function where that is not the usual one.
fn digest(hit: &Found) -> String {
    match (&hit.digest, hit.digest_algorithm) {
        (Some(digest), Some("blake3")) => format!(", {digest}"),
        (Some(digest), Some(other)) => format!(", {other} {digest}"),
        _ => String::new(),
    }
}

fn notes(hit: &Found) -> String {
    let mut notes = String::new();
    if let Some(part) = hit.part {
        notes.push_str(&format!("  [part {part}]"));
    }
    if hit.condition != "whole" {
        notes.push_str(&format!("  [{} while read]", hit.condition));
    }
    if hit.gone {
        notes.push_str("  [deleted since]");
    }
    notes
}

fn kind_letter(kind: &str) -> char {
    match kind {
        "dir" => 'd',
        "symlink" => 'l',
        "hardlink" => 'h',
        "char" => 'c',
        "block" => 'b',
        "fifo" => 'p',
        _ => '-',
    }
}
