//! `tapewright doctor`

use std::io;

use tapewright::jobs::doctor::{Check, Examination, Verdict, doctor};

use super::{Context, Ended, conclude};
use crate::exit::Exit;
use crate::output::{Output, counted};

/// Examines everything and prints a line for each check.
pub fn run(context: &mut Context<'_>) -> Ended {
    let found = doctor(context.site);
    // The order of the checks goes from this machine to the drives: what fails first is what
    // most of the others depend on.
    let exit = match found.problems().find_map(|problem| problem.kind) {
        None => Exit::Done,
        Some(kind) => Exit::from(kind),
    };
    conclude(context, exit, &found, render)
}

fn render(output: &mut Output, found: &Examination) -> io::Result<()> {
    let mut about = "";
    for check in &found.checks {
        if check.about != about {
            output.line(format!("{}:", check.about))?;
            about = &check.about;
        }
        line(output, check)?;
    }
    let count = |verdict| found.with(verdict).count() as u64;
    output.line(format!(
        "{} and {}",
        counted(count(Verdict::Problem), "problem"),
        counted(count(Verdict::Warning), "warning")
    ))
}

fn line(output: &mut Output, check: &Check) -> io::Result<()> {
    let word = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Unknown => "unknown",
        Verdict::Warning => "warning",
        Verdict::Problem => "problem",
    };
    output.line(format!("  {word:<8} {}", check.what))?;
    match &check.cure {
        Some(cure) => output.line(format!("           -> {cure}")),
        None => Ok(()),
    }
}
