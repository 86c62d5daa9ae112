//! `tapewright ls`, `tree` and `du`

use std::ops::ControlFlow;

use tapewright::jobs::JobError;
use tapewright::jobs::browse::{self, BrowseOptions, Listed, Sum, Used};
use tapewright::units::ByteSize;

use super::find::pattern_bytes;
use super::{Context, Ended};
use crate::args::{BrowseArgs, DepthArgs};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};

/// What is in a directory.
pub fn list(context: &mut Context<'_>, args: &BrowseArgs) -> Ended {
    let options = options(args, None)?;
    let site = context.site;
    lines(context, |output, printed| {
        browse::list(site, &options, &mut |listed| {
            *printed = match output.is_json() {
                true => output.json(&listed),
                false => list_line(output, &listed),
            };
            go_on(printed)
        })
    })
}

/// What is in a directory and in those below it.
pub fn tree(context: &mut Context<'_>, args: &DepthArgs) -> Ended {
    let options = options(&args.browse, args.depth)?;
    let site = context.site;
    lines(context, |output, printed| {
        browse::tree(site, &options, &mut |listed| {
            *printed = match output.is_json() {
                true => output.json(&listed),
                false => tree_line(output, &listed),
            };
            go_on(printed)
        })
    })
}

/// How much lies below each directory.
pub fn usage(context: &mut Context<'_>, args: &DepthArgs) -> Ended {
    let options = options(&args.browse, args.depth)?;
    let site = context.site;
    lines(context, |output, printed| {
        browse::usage(site, &options, &mut |used| {
            *printed = match output.is_json() {
                true => output.json(&used),
                false => usage_line(output, &used),
            };
            go_on(printed)
        })
    })
}

fn go_on(printed: &std::io::Result<()>) -> ControlFlow<()> {
    match printed {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Runs what prints lines. What was printed before an error stays printed.
fn lines(
    context: &mut Context<'_>,
    work: impl FnOnce(&mut Output, &mut std::io::Result<()>) -> Result<u64, JobError>,
) -> Ended {
    let mut printed = Ok(());
    let result = work(&mut context.output, &mut printed);
    printed?;
    context.output.flush()?;
    result?;
    Ok(Exit::Done)
}

fn options(args: &BrowseArgs, depth: Option<usize>) -> Result<BrowseOptions, Failure> {
    Ok(BrowseOptions {
        path: pattern_bytes(&args.path)?,
        as_of: dates::as_of(args.as_of.as_deref())?,
        on_tape: args.on_tape.clone(),
        depth,
    })
}

fn list_line(output: &mut Output, listed: &Listed) -> std::io::Result<()> {
    let (count, newest) = match &listed.below {
        Some(below) => (counted(below.files, "file"), below.newest),
        None => (String::new(), listed.mtime),
    };
    output.line(format!(
        "{:>11}  {count:>13}  {:<19}  {}{}",
        ByteSize(listed.size_bytes).to_string(),
        newest.map_or_else(String::new, |time| dates::second(time.0)),
        shown_name(listed),
        link(listed)
    ))
}

/// The whole path of what was asked for; the name of what is in it.
fn shown_name(listed: &Listed) -> String {
    let path = listed.path.to_string();
    let name = match (listed.depth, path.rsplit_once('/')) {
        (0, _) => format!("/{path}"),
        (_, Some((_, name))) => name.to_owned(),
        (_, None) => path,
    };
    match listed.kind {
        "dir" => format!("{name}/"),
        _ => name,
    }
}

fn link(listed: &Listed) -> String {
    let shown = |link| format!(" -> {link}");
    listed.link.as_ref().map_or_else(String::new, shown)
}

fn tree_line(output: &mut Output, listed: &Listed) -> std::io::Result<()> {
    let indent = "  ".repeat(listed.depth.saturating_sub(1));
    let below = match &listed.below {
        Some(below) => format!(
            "  ({}, {})",
            counted(below.files, "file"),
            ByteSize(below.bytes)
        ),
        None => String::new(),
    };
    output.line(format!(
        "{indent}{}{below}{}",
        shown_name(listed),
        link(listed)
    ))
}

fn usage_line(output: &mut Output, used: &Used) -> std::io::Result<()> {
    let Sum {
        files,
        bytes,
        newest,
        ..
    } = used.below;
    output.line(format!(
        "{:>11}  {:>13}  {:<19}  /{}",
        ByteSize(bytes).to_string(),
        counted(files, "file"),
        newest.map_or_else(String::new, |time| dates::second(time.0)),
        used.path
    ))
}
