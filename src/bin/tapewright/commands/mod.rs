//! One module for each command: takes the arguments, calls the job, renders its summary.

pub mod archive;
pub mod at_risk;
pub mod browse;
pub mod browser;
pub mod calibration;
pub mod catalog;
pub mod copy;
pub mod demo;
pub mod doctor;
pub mod duplicates;
pub mod find;
pub mod job;
mod job_restore;
pub mod library;
pub mod rescue;
pub mod restore;
mod restore_output;
pub mod retention;
pub mod tape;
pub mod verify;

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;

use serde::Serialize;
use tapewright::jobs::{
    ByteText, FailedTape, Failure as JobFailure, JobError, Problem, Problems, Site, VolumeState,
};

use crate::exit::{Exit, Failure, after_printing};
use crate::output::{Output, tell_failure};
use crate::progress::Terminal;

/// What a command works with.
pub struct Context<'a> {
    /// State, clock, monitor and operator for the job.
    pub site: Site<'a>,
    /// The progress bar behind the site's monitor.
    pub terminal: &'a Terminal,
    /// Where results go.
    pub output: Output,
    /// How much more to say than usual.
    pub verbose: u8,
}

/// How a command returns.
pub type Ended = Result<Exit, Failure>;

/// Prints a summary as JSON or through `render`, and ends with the exit code it stands for.
fn conclude<T: Serialize>(
    context: &mut Context<'_>,
    exit: Exit,
    summary: &T,
    render: impl FnOnce(&mut Output, &T) -> io::Result<()>,
) -> Ended {
    context.terminal.clear();
    let printed = match context.output.is_json() {
        true => context.output.json(summary),
        false => render(&mut context.output, summary),
    };
    after_printing(exit, printed)
}

/// The same, and behind it, where the job was ended before its end, what ended it: what was done
/// until then is done, whatever came.
fn conclude_or_tell<T: Serialize>(
    context: &mut Context<'_>,
    exit: Exit,
    summary: &T,
    failure: Option<&JobFailure>,
    render: impl FnOnce(&mut Output, &T) -> io::Result<()>,
) -> Ended {
    let ended = conclude(context, exit, summary, render)?;
    match failure {
        None => Ok(ended),
        Some(failure) => {
            let printed = context.output.flush();
            after_printing(told_failure(context, failure), printed)
        }
    }
}

/// Prints each item of a job as it comes, as a line of JSON or through `line`, and hands on what
/// the job says at its end. A job whose items nobody takes is stopped; what was printed before an
/// error stays printed.
fn print_each<T: Serialize, R>(
    context: &mut Context<'_>,
    line: impl Fn(&mut Output, &T) -> io::Result<()>,
    job: impl FnOnce(Site<'_>, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<R, JobError>,
) -> Result<R, Failure> {
    let output = &mut context.output;
    let mut printed = Ok(());
    let ended = job(context.site, &mut |item| {
        printed = match output.is_json() {
            true => output.json(&item),
            false => line(output, &item),
        };
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    printed?;
    output.flush()?;
    Ok(ended?)
}

/// Says on stderr what ended a job before its end, and gives its exit code.
fn told_failure(context: &Context<'_>, failure: &JobFailure) -> Exit {
    context.terminal.clear();
    tell_failure("", failure);
    Exit::from(failure.kind)
}

/// The problems of a job, after its summary, under a heading.
fn problems(output: &mut Output, problems: &Problems, heading: &str) -> io::Result<()> {
    if problems.total == 0 {
        return Ok(());
    }
    output.line(format!("{heading} ({}):", problems.total))?;
    for Problem { path, what } in &problems.listed {
        problem(output, path, what)?;
    }
    not_listed(output, problems)
}

fn problem(output: &mut Output, path: &ByteText, what: &str) -> io::Result<()> {
    // What concerns a whole tape or job has no path.
    let place = match path.0.is_empty() {
        true => String::new(),
        false => format!("/{path}: "),
    };
    output.line(format!("  {place}{what}"))
}

/// How many problems there are beside those that are listed.
fn not_listed(output: &mut Output, problems: &Problems) -> io::Result<()> {
    match problems.total.saturating_sub(problems.listed.len() as u64) {
        0 => Ok(()),
        more => output.line(format!("  … and {more} more; the log has them")),
    }
}

/// So many objects with the same lack are named one by one.
const ALIKE: usize = 3;

/// What metadata was not set.
fn metadata_not_set(output: &mut Output, not_set: &Problems) -> io::Result<()> {
    alike(output, not_set, "metadata that was not set")
}

/// The problems of a job, of which many may be alike, counted by kind: a user who restores what was
/// root's has the same for each object.
fn alike(output: &mut Output, problems: &Problems, heading: &str) -> io::Result<()> {
    let mut alike: Vec<(&str, Vec<&ByteText>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for Problem { path, what } in &problems.listed {
        let place = *places.entry(what).or_insert_with(|| {
            alike.push((what, Vec::new()));
            alike.len() - 1
        });
        alike[place].1.push(path);
    }
    if problems.total > 0 {
        output.line(format!("{heading} ({}):", problems.total))?;
    }
    for (what, paths) in alike {
        if paths.len() > ALIKE {
            let (count, first) = (paths.len(), paths[0]);
            output.line(format!("  {count} objects, /{first} the first: {what}"))?;
            continue;
        }
        for path in paths {
            problem(output, path, what)?;
        }
    }
    not_listed(output, problems)
}

/// Tapes that could not be used, each with the reason and what to do.
fn failed_tapes(output: &mut Output, tapes: &[FailedTape]) -> io::Result<()> {
    for FailedTape {
        barcode, failure, ..
    } in tapes
    {
        output.line(format!("{barcode}  not read: {}", failure.what))?;
        if let Some(advice) = &failure.advice {
            output.line(format!("  {advice}"))?;
        }
    }
    Ok(())
}

/// A volume's state in words.
fn state_words(state: VolumeState) -> &'static str {
    match state {
        VolumeState::Appendable => "appendable",
        VolumeState::Full => "full",
        VolumeState::Suspect => "suspect",
        VolumeState::ReadOnly => "read-only",
    }
}
