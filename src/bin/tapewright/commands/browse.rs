//! `tapewright ls`, `tree` and `du`

use tapewright::jobs::browse::{self, BrowseOptions, Listed, Sum, Used};
use tapewright::units::ByteSize;

use super::find::pattern_bytes;
use super::{Context, Ended, print_each};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::find_args::{BrowseArgs, DepthArgs};
use crate::output::{Output, counted};

/// What is in a directory.
pub fn list(context: &mut Context<'_>, args: &BrowseArgs) -> Ended {
    let options = options(args, None)?;
    print_each(context, list_line, |site, each| {
        browse::list(site, &options, each)
    })?;
    Ok(Exit::Done)
}

/// What is in a directory and in those below it.
pub fn tree(context: &mut Context<'_>, args: &DepthArgs) -> Ended {
    let options = options(&args.browse, args.depth)?;
    print_each(context, tree_line, |site, each| {
        browse::tree(site, &options, each)
    })?;
    Ok(Exit::Done)
}

/// How much lies below each directory.
pub fn usage(context: &mut Context<'_>, args: &DepthArgs) -> Ended {
    let options = options(&args.browse, args.depth)?;
    print_each(context, usage_line, |site, each| {
        browse::usage(site, &options, each)
    })?;
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
