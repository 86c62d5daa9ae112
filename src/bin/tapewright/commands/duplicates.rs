//! `tapewright duplicates`

use tapewright::jobs::duplicates::{self, DuplicateOptions, Duplicated};
use tapewright::units::ByteSize;

use super::find::pattern_bytes;
use super::{Context, Ended, print_each};
use crate::dates;
use crate::exit::Exit;
use crate::find_args::DuplicatesArgs;
use crate::output::Output;

/// Prints each content that several paths have.
pub fn run(context: &mut Context<'_>, args: &DuplicatesArgs) -> Ended {
    let options = DuplicateOptions {
        pattern: pattern_bytes(&args.pattern)?,
        as_of: dates::as_of(args.as_of.as_deref())?,
        least_bytes: args.larger.0,
    };
    print_each(context, lines, |site, each| {
        duplicates::duplicates(site, &options, each)
    })?;
    Ok(Exit::Done)
}

fn lines(output: &mut Output, found: &Duplicated) -> std::io::Result<()> {
    output.line(format!(
        "{} paths, {} each, {} more than once: {}",
        found.paths.len(),
        ByteSize(found.size_bytes),
        ByteSize(found.more_bytes),
        match found.digest_algorithm {
            "blake3" => found.digest.clone(),
            other => format!("{other} {}", found.digest),
        }
    ))?;
    found
        .paths
        .iter()
        .try_for_each(|path| output.line(format!("  /{path}")))
}
