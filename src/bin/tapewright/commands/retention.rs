//! `tapewright keep`, `hold`, `expire`

use std::io;

use jiff::Timestamp;
use tapewright::jobs::retention::{
    self, ExpireOptions, ExpireSummary, HoldInfo, HoldOn, Keep, KeepFor, KeptBy,
};

use super::job::short;
use super::{Context, Ended, conclude};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::retention_args::{ExpireArgs, HoldCommand, KeepArgs};

/// Sets how long jobs are kept.
pub fn keep(context: &mut Context<'_>, args: &KeepArgs) -> Ended {
    let until = dates::as_of(args.until.as_deref())?;
    let keep = match (args.keep_for, until) {
        (Some(span), _) => Keep::For(span),
        (None, Some(until)) => Keep::Until(until),
        (None, None) => Keep::For(KeepFor::Forever),
    };
    let kept = retention::keep(context.site, &args.jobs, keep)?;
    conclude(context, Exit::Done, &kept, |output, kept| {
        for job in kept {
            let again = match job.was_expired {
                true => "; it was expired, and is offered again",
                false => "",
            };
            let (name, until) = (&job.name, until_words(job.until));
            output.line(match job.on_tape {
                true => format!("{name}  kept {until}{again}"),
                false => format!("{name}  to be kept {until}; no tape has anything of it"),
            })?;
        }
        Ok(())
    })
}

/// Places, lists or releases holds.
pub fn hold(context: &mut Context<'_>, command: &HoldCommand) -> Ended {
    let (info, what) = match command {
        HoldCommand::Add { job, tape, reason } => {
            let on = match (job, tape) {
                (Some(job), _) => HoldOn::Job(job.clone()),
                (None, Some(tape)) => HoldOn::Tape(tape.clone()),
                (None, None) => {
                    return Err(Failure::Usage("name a --job or a --tape".to_owned()));
                }
            };
            (retention::hold(context.site, &on, reason)?, "placed")
        }
        HoldCommand::Release { hold, reason } => {
            let info = retention::release(context.site, hold, reason)?;
            (info, "released")
        }
        HoldCommand::List { all } => return list(context, *all),
    };
    conclude(context, Exit::Done, &info, |output, info| {
        output.line(format!("hold {} {what}: {}", info.hold, on_words(info)))
    })
}

fn list(context: &mut Context<'_>, all: bool) -> Ended {
    let holds = retention::holds(context.site, all)?;
    if context.output.is_json() {
        for hold in &holds {
            context.output.json(hold)?;
        }
        return Ok(Exit::Done);
    }
    let row = |hold: &HoldInfo| {
        let released = hold.released.as_ref();
        let released = released.map(|end| {
            let (at, by, reason) = (dates::minute(end.at), &end.by, &end.reason);
            format!("{at} by {by}: {reason}")
        });
        let mut row = vec![
            hold.hold.to_string(),
            on_words(hold),
            dates::minute(hold.since),
            hold.by.clone(),
            hold.reason.clone(),
        ];
        row.extend(all.then(|| released.unwrap_or_default()));
        row
    };
    let rows: Vec<Vec<String>> = holds.iter().map(row).collect();
    let head = ["HOLD", "ON", "SINCE", "BY", "REASON", "RELEASED"];
    context
        .output
        .table(&head[..if all { 6 } else { 5 }], &rows)?;
    Ok(Exit::Done)
}

/// Says what would go, or gives it up.
pub fn expire(context: &mut Context<'_>, args: &ExpireArgs) -> Ended {
    let options = ExpireOptions {
        dry_run: args.dry_run,
        as_of: dates::as_of(args.as_of.as_deref())?,
    };
    let summary = retention::expire(context.site, options)?;
    conclude(context, Exit::Done, &summary, render)
}

fn render(output: &mut Output, summary: &ExpireSummary) -> io::Result<()> {
    if summary.jobs.is_empty() {
        return output.line(match summary.dry_run {
            true => "no job has a time that ends by then".to_owned(),
            false => {
                "no job is due; `expire --dry-run` shows what will be, and what keeps it".to_owned()
            }
        });
    }
    let rows: Vec<Vec<String>> = summary
        .jobs
        .iter()
        .map(|job| {
            vec![
                short(job.job),
                job.name.clone(),
                dates::minute(job.started_at),
                job.pool.clone(),
                day(Some(job.until)),
                day(job.due),
                job.kept_by
                    .iter()
                    .map(keeper_words)
                    .collect::<Vec<_>>()
                    .join("; "),
            ]
        })
        .collect();
    output.table(
        &[
            "JOB",
            "NAME",
            "BEGAN",
            "POOL",
            "KEPT UNTIL",
            "GOES",
            "KEPT BY",
        ],
        &rows,
    )?;
    let rows: Vec<Vec<String>> = summary
        .tapes
        .iter()
        .map(|tape| {
            let goes = if tape.free {
                "now".to_owned()
            } else {
                day(tape.due)
            };
            vec![tape.barcode.clone(), tape.pool.clone(), goes]
        })
        .collect();
    output.line(String::new())?;
    output.table(&["TAPE", "POOL", "FREE"], &rows)?;
    if !summary.dry_run {
        let jobs = counted(summary.jobs.len() as u64, "job");
        output.line(format!("{jobs} expired; nothing was erased"))?;
    }
    Ok(())
}

fn keeper_words(keeper: &KeptBy) -> String {
    match keeper {
        KeptBy::Running => "it runs".to_owned(),
        KeptBy::Hold { reason, .. } => format!("hold: {reason}"),
        KeptBy::Job { name, .. } => format!("job {name} builds on it"),
    }
}

fn on_words(hold: &HoldInfo) -> String {
    match (&hold.job, &hold.barcode) {
        (Some(job), _) => {
            let name = hold.job_name.clone();
            format!("job {}", name.unwrap_or_else(|| job.to_string()))
        }
        (None, Some(barcode)) => format!("tape {barcode}"),
        (None, None) => String::new(),
    }
}

fn until_words(until: Option<Timestamp>) -> String {
    match until {
        Some(_) => format!("until {}", day(until)),
        None => "for ever".to_owned(),
    }
}

/// A day, or that there is none.
fn day(at: Option<Timestamp>) -> String {
    let at = at.map(dates::minute);
    at.map_or_else(|| "-".to_owned(), |at| at.chars().take(10).collect())
}
