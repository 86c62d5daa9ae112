//! A restore as `tapewright job show` tells it: what came, what did not, and what to do.

use std::io;

use tapewright::jobs::Outcome;
use tapewright::jobs::history::{
    Lost, NextStep, Phase, Phases, RestoreDetail, RestoredTape, RunDetail,
};
use tapewright::units::ByteSize;

use super::job::{facts, glance, path, paths, state};
use super::restore::{REMARKS, span_words, unread_words};
use super::{alike, metadata_not_set, problems};
use crate::dates;
use crate::output::{Output, counted};

/// So many objects that a tape did not give are listed for people.
const LISTED: usize = 20;

/// All of it for people.
pub fn render_restore(output: &mut Output, detail: &RestoreDetail) -> io::Result<()> {
    let last = detail.runs.last().expect("a restore has a run");
    facts(output, &glance(&detail.info))?;
    let from = match detail.from_tapes {
        true => "the tapes alone: no catalog was asked",
        false => "",
    };
    facts(
        output,
        &[
            ("asked for", paths(&detail.asked)),
            ("as of", detail.as_of.map(dates::minute).unwrap_or_default()),
            ("target", detail.target.to_string()),
            ("from", from.to_owned()),
            ("by", format!("{} on {}", detail.user, detail.host)),
            ("verified", counted(detail.verified_files, "file")),
            ("tapes", tapes(&detail.timing)),
            ("took", took(last)),
            ("software", detail.software.clone()),
        ],
    )?;
    if detail.runs.len() > 1 {
        output.line("")?;
        run_table(output, &detail.runs)?;
    }
    timing(output, &detail.timing)?;
    output.line("")?;
    let is_only = detail.runs.len() == 1;
    for (number, run) in (1..).zip(&detail.runs) {
        let heading = match is_only {
            true => String::new(),
            false => format!("run {number}: "),
        };
        what_came(output, &heading, run)?;
    }
    next_step(output, detail)
}

fn took(run: &RunDetail) -> String {
    let planned = span_words(run.planned_s as f64);
    match run.real_s {
        Some(real_s) => format!("{}, planned {planned}", real_words(real_s, run.real_ms)),
        None => format!("planned {planned}"),
    }
}

/// A span that was measured: below ten seconds with a decimal, where it was recorded so.
fn real_words(real_s: u64, real_ms: Option<u64>) -> String {
    match real_ms {
        Some(ms @ 0..50) => match ms {
            0 => "0 s".to_owned(),
            _ => "under 0.1 s".to_owned(),
        },
        Some(ms @ 50..10_000) => format!("{:.1} s", ms as f64 / 1000.0),
        _ => span_words(real_s as f64),
    }
}

fn run_table(output: &mut Output, runs: &[RunDetail]) -> io::Result<()> {
    let row = |(number, run): (u64, &RunDetail)| {
        let ended = run.ended_at.map_or_else(|| "-".to_owned(), dates::minute);
        let missing = run.missing_objects;
        vec![
            number.to_string(),
            dates::minute(run.started_at),
            ended,
            state(run.outcome, run.cut_off).to_owned(),
            run.objects.to_string(),
            ByteSize(run.file_bytes).to_string(),
            run.verified_files.to_string(),
            missing.map_or_else(|| "-".to_owned(), |missing| missing.to_string()),
            took(run),
        ]
    };
    let rows: Vec<Vec<String>> = (1..).zip(runs).map(row).collect();
    let head = [
        "RUN >",
        "BEGAN",
        "ENDED",
        "STATE",
        "OBJECTS >",
        "SIZE >",
        "VERIFIED >",
        "MISSING >",
        "TOOK",
    ];
    output.table(&head, &rows)
}

/// The tapes of a run, those that were not mounted marked, and those that were not planned.
fn tapes(timing: &[RestoredTape]) -> String {
    let words = |tape: &RestoredTape| match (tape.mounts, tape.spare) {
        (Some(0), _) => format!("{} (not mounted)", tape.barcode),
        (_, true) => format!("{} (spare)", tape.barcode),
        (_, false) => tape.barcode.clone(),
    };
    timing.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Why other copies were turned to.
fn turned_from(output: &mut Output, timing: &[RestoredTape]) -> io::Result<()> {
    for tape in timing {
        if let Some(unread) = &tape.unread {
            output.line(unread_words(&tape.barcode, unread))?;
        }
    }
    Ok(())
}

/// What a run brought, and what it did not.
fn what_came(output: &mut Output, heading: &str, run: &RunDetail) -> io::Result<()> {
    if let Some(objects) = run.planned_objects {
        let planned = format!(
            "{heading}it was to bring {}, {}",
            counted(objects, "object"),
            ByteSize(run.planned_bytes.unwrap_or_default())
        );
        return output.line(match run.cut_off {
            true => format!("{planned}; it was cut off, and how much came is not recorded"),
            false => planned,
        });
    }
    let with = |count: Option<u64>, words: &str| match count {
        None | Some(0) => String::new(),
        Some(count) => format!("; {} {words}", counted(count, "object")),
    };
    output.line(format!(
        "{heading}{} came{}{}",
        counted(run.objects, "object"),
        with(run.earlier_objects, "there from before"),
        with(run.missing_objects, "missing")
    ))?;
    turned_from(output, &run.timing)?;
    for tape in &run.lost {
        lost(output, tape)?;
    }
    not_restored(output, run)?;
    alike(output, &run.remarks, REMARKS)?;
    metadata_not_set(output, &run.metadata_not_set)
}

/// What did not come for reasons of its own.
fn not_restored(output: &mut Output, run: &RunDetail) -> io::Result<()> {
    // What is said of tapes is neither said again nor counted.
    let by_tapes: u64 = run.lost.iter().map(|tape| tape.objects).sum();
    let mut others = run.problems.clone();
    others.total = others.total.saturating_sub(by_tapes);
    let ended_early = matches!(run.outcome, Some(Outcome::Interrupted | Outcome::Failed));
    let listed = others.listed.len() as u64;
    if !ended_early || others.total <= listed {
        return problems(output, &others, "not restored for reasons of their own");
    }
    let not_come_to = others.total - listed;
    others.total = listed;
    problems(output, &others, "not restored for reasons of their own")?;
    output.line(format!(
        "  {} that it did not come to before it ended",
        counted(not_come_to, "object")
    ))
}

fn lost(output: &mut Output, tape: &Lost) -> io::Result<()> {
    output.line(format!(
        "  tape {}: {} missing: {}",
        tape.barcode,
        counted(tape.objects, "object"),
        tape.why
    ))?;
    for name in tape.first.iter().take(LISTED) {
        output.line(format!("    {}", path(name)))?;
    }
    let listed = tape.first.len().min(LISTED) as u64;
    if tape.objects > listed {
        output.line(format!("    … and {} more", tape.objects - listed))?;
    }
    Ok(())
}

/// What to do where something is missing.
fn next_step(output: &mut Output, detail: &RestoreDetail) -> io::Result<()> {
    match detail.next_step {
        NextStep::Nothing => Ok(()),
        NextStep::Resume => output.line(format!(
            "to go on with what is missing: tapewright restore --resume {}",
            detail.info.job
        )),
        NextStep::Skip => output.line(
            "it cannot be gone on with by its id: give the same command again, with \
             --existing skip",
        ),
        NextStep::Again => {
            output.line("what was written is not whole: give the same command again")
        }
    }
}

/// What each tape took beside what it was to take, and the steps of all where they were recorded.
fn timing(output: &mut Output, tapes: &[RestoredTape]) -> io::Result<()> {
    let row = |tape: &RestoredTape| {
        let real = tape.real_s.filter(|_| tape.mounts != Some(0));
        let real = real.map(|real_s| real_words(real_s, tape.real_ms));
        vec![
            tape.barcode.clone(),
            tape.drive.clone().unwrap_or_else(|| "-".to_owned()),
            real.unwrap_or_else(|| "not mounted".to_owned()),
            match tape.spare {
                true => "spare".to_owned(),
                false => span_words(tape.planned_s as f64),
            },
        ]
    };
    let rows: Vec<Vec<String>> = tapes.iter().map(row).collect();
    output.line("")?;
    output.table(&["TAPE", "DRIVE", "TOOK >", "PLANNED >"], &rows)?;
    let phases: Vec<Phases> = tapes.iter().filter_map(|tape| tape.phases).collect();
    if phases.is_empty() {
        return Ok(());
    }
    type OfStep = fn(&Phases) -> Phase;
    let steps: [(&str, OfStep); 7] = [
        ("moves to a drive", |of| of.robot),
        ("loads", |of| of.load),
        ("locates", |of| of.locate),
        ("reads", |of| of.read),
        ("rewinds", |of| of.rewind),
        ("unloads", |of| of.unload),
        ("moves home", |of| of.home),
    ];
    let sum = |step: OfStep, value: fn(Phase) -> u64| {
        phases
            .iter()
            .fold(0, |sum: u64, one| sum.saturating_add(value(step(one))))
    };
    let row = |(name, step): (&str, OfStep)| {
        let real_ms = sum(step, |one| one.real_ms);
        vec![
            name.to_owned(),
            sum(step, |one| one.count).to_string(),
            real_words(real_ms.div_ceil(1000), Some(real_ms)),
            span_words(sum(step, |one| one.planned_ms) as f64 / 1000.0),
        ]
    };
    let rows: Vec<Vec<String>> = steps.into_iter().map(row).collect();
    output.line("")?;
    output.table(&["STEP", "COUNT >", "TOOK >", "PLANNED >"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_less_than_a_second_is_not_told_as_nothing() {
        for (real_s, real_ms, words) in [
            (0, None, "0 s"),
            (0, Some(0), "0 s"),
            (0, Some(3), "under 0.1 s"),
            (0, Some(49), "under 0.1 s"),
            (0, Some(430), "0.4 s"),
            (10, Some(9_960), "10.0 s"),
            (75, Some(75_100), "1 min 15 s"),
            (75, None, "1 min 15 s"),
        ] {
            assert_eq!(real_words(real_s, real_ms), words);
        }
    }
}
