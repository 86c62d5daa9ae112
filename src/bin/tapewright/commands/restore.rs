//! `tapewright restore`

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::tz::TimeZone;
use tapewright::jobs::rebuild::RebuiltVolume;
use tapewright::jobs::restore::{
    self, Certainty, DrivePlan, ExistingPolicy, Finish, FromTapes, LostWithTape, Mapping,
    MoreDrives, Owners, PlannedRead, RestoreOptions, RestoreOutlook, RestoreSummary, Room,
    TapeNeed, TapePlace, TapeTiming, TapesAlone, Timing,
};
use tapewright::jobs::{ByteText, JobError, Outcome, Site};
use tapewright::units::ByteSize;

use super::archive::outcome_words;
use super::find::pattern_bytes;
use super::{Context, Ended, calibration, conclude, failed_tapes, problems};
use crate::dates;
use crate::exit::{Exit, Failure, after_printing};
use crate::output::{Output, counted, tell};
use crate::restore_args::{ExistingArg, RestoreArgs};

/// What the remarks of a plan are about.
const REMARKS: &str = "restored otherwise than their names promise";
/// What is listed of the target before anything is restored.
const EXISTING: &str = "in the target already";
/// Bytes of a tar archive that are written at once.
const OUTPUT_BYTES: usize = 1 << 20;
/// So many objects, of a plan or of a tape that failed, are listed for people.
const LISTED: usize = 100;

/// Plans, shows the plan, restores.
pub fn run(context: &mut Context<'_>, args: &RestoreArgs) -> Ended {
    let mut options = match &args.resume {
        Some(id) => resumed(context, args, id)?,
        None => options(args)?,
    };
    let scratch;
    let alone = match from_tapes(&args.from_tape)? {
        Some(tapes) => {
            scratch = tempfile::tempdir()
                .map_err(|error| Failure::Io("making a temporary directory".to_owned(), error))?;
            Some(TapesAlone::read(context.site, &tapes, scratch.path())?)
        }
        None => None,
    };
    let site = match &alone {
        Some(alone) => {
            options.alone = alone.volumes().to_vec();
            tell_alone(context, alone.volumes());
            alone.site(context.site)
        }
        None => context.site,
    };
    if args.to_stdout {
        return pour(context, site, &options);
    }
    if args.as_tar {
        return as_tar(context, site, &options, args.to.as_deref());
    }
    if args.dry_run {
        let outlook = restore::plan(site, &options)?;
        if context.output.is_json() {
            context.output.json(&outlook)?;
        } else {
            render_outlook(&mut context.output, &outlook)?;
        }
        return Ok(match outlook.not_found.is_empty() {
            true => Exit::Done,
            false => Exit::Partial,
        });
    }
    carry_out(context, site, &options)
}

/// Restores, with its finish told before and a summary after.
pub fn carry_out(context: &mut Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    let prepared = restore::prepare(site, options)?;
    tell_finish(context, prepared.outlook());
    let summary = prepared.restore()?;
    conclude(context, exit_of(&summary), &summary, render)
}

fn exit_of(summary: &RestoreSummary) -> Exit {
    match Exit::of_failed(&summary.failed_tapes) {
        _ if summary.outcome == Outcome::Interrupted => Exit::Interrupted,
        // What a tape did not give came from another.
        _ if summary.outcome == Outcome::Complete && summary.from_other_copies > 0 => Exit::Done,
        Some(exit) => exit,
        None if summary.missing_tapes.is_empty() => Exit::from(summary.outcome),
        None => Exit::NeedsOperator,
    }
}

/// Writes a tar archive to a new file, or to stdout.
fn as_tar(
    context: &mut Context<'_>,
    site: Site<'_>,
    options: &RestoreOptions,
    file: Option<&Path>,
) -> Ended {
    let Some(path) = file else {
        return as_tar_to_stdout(context, site, options);
    };
    let failed = |what: &str| {
        let what = format!("{what} {}", path.display());
        move |error| Failure::Io(what, error)
    };
    let file = File::create_new(path).map_err(failed("making"))?;
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, &file);
    let summary = restore::restore_as_tar(site, options, &mut out);
    drop(out);
    let summary = summary.inspect_err(|_| {
        // Nothing that anybody could use; the same command is to be given again.
        let _ = fs::remove_file(path);
    })?;
    file.sync_all().map_err(failed("writing"))?;
    conclude(context, exit_of(&summary), &summary, render)
}

/// Writes a tar archive to stdout. All words go to stderr.
fn as_tar_to_stdout(context: &Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    let refused = |what: &str| Err(Failure::Usage(what.to_owned()));
    if context.output.is_json() {
        return refused("with --json --as-tar needs a file: --to FILE");
    }
    if io::stdout().is_terminal() {
        return refused(
            "--as-tar does not write to a terminal: hand it to a program, or name a file with --to",
        );
    }
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    let summary = restore::restore_as_tar(site, options, &mut out).map_err(not_all_taken)?;
    context.terminal.clear();
    let mut aside = Output::aside();
    let printed = render(&mut aside, &summary).and_then(|()| aside.flush());
    after_printing(exit_of(&summary), printed)
}

/// Here stdout takes what was asked for: a reader that left before the end has not got all of it.
fn not_all_taken(error: JobError) -> Failure {
    match Failure::from(error) {
        Failure::OutputClosed => {
            let left = io::Error::from(io::ErrorKind::BrokenPipe);
            Failure::Io("writing to stdout".to_owned(), left)
        }
        failure => failure,
    }
}

/// Writes one file to stdout. All words go to stderr.
fn pour(context: &Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    if context.output.is_json() {
        let what = "--to-stdout writes the file there: --json has no place";
        return Err(Failure::Usage(what.to_owned()));
    }
    let poured = restore::pour_file(site, options, &mut io::stdout().lock());
    let poured = poured.map_err(not_all_taken)?;
    context.terminal.clear();
    let report = &poured.report;
    for problem in &poured.remarks.listed {
        tell(format!("note: /{}: {}", problem.path, problem.what));
    }
    let (bytes, failures) = (ByteSize(report.bytes), report.failures.join("; "));
    let exit = match report.agrees {
        _ if report.stopped => Exit::Interrupted,
        _ if !report.is_whole => {
            tell(format!(
                "tapewright: only its first {bytes} were written: {failures}"
            ));
            match Exit::of_failed(&poured.failed_tapes) {
                Some(exit) => exit,
                None if poured.missing_tapes.is_empty() => Exit::Partial,
                None => Exit::NeedsOperator,
            }
        }
        Some(false) => {
            eprintln!(
                "tapewright: what was written is not what was archived: its digest is another. \
                 Do not use it, and restore it with --to, which turns to another copy"
            );
            Exit::Partial
        }
        None => {
            eprintln!("note: no digest is known of it: nothing was compared");
            Exit::Done
        }
        Some(true) if !failures.is_empty() => {
            tell(format!(
                "note: it came from another copy in part: {failures}"
            ));
            Exit::Done
        }
        Some(true) => Exit::Done,
    };
    match exit {
        Exit::Done if poured.remarks.total > 0 => Ok(Exit::Partial),
        exit => Ok(exit),
    }
}

fn options(args: &RestoreArgs) -> Result<RestoreOptions, Failure> {
    Ok(RestoreOptions {
        patterns: args
            .patterns
            .iter()
            .map(|text| pattern_bytes(text))
            .collect::<Result<_, _>>()?,
        target: args.to.clone().unwrap_or_default(),
        maps: args
            .map
            .iter()
            .map(|text| Mapping::parse(text.as_bytes()))
            .collect::<Result<_, _>>()?,
        as_of: dates::as_of(args.as_of.as_deref())?,
        ignore_room: args.ignore_room,
        existing: existing(args).unwrap_or_default(),
        owners: if args.numeric_owner {
            Owners::Numbers
        } else {
            Owners::Names
        },
        drives: args.drives,
        ..RestoreOptions::default()
    })
}

/// What is to become of what exists, if it was said.
fn existing(args: &RestoreArgs) -> Option<ExistingPolicy> {
    if args.overwrite {
        return Some(ExistingPolicy::Overwrite);
    }
    args.existing.map(|existing| match existing {
        ExistingArg::Refuse => ExistingPolicy::Refuse,
        ExistingArg::Skip => ExistingPolicy::Skip,
        ExistingArg::Newer => ExistingPolicy::Newer,
        ExistingArg::Rename => ExistingPolicy::Rename,
        ExistingArg::Overwrite => ExistingPolicy::Overwrite,
    })
}

/// What the restore that is gone on with was asked for; what is said now counts.
fn resumed(context: &Context<'_>, args: &RestoreArgs, id: &str) -> Result<RestoreOptions, Failure> {
    let mut options = restore::resume(context.site.state, id)?;
    options.existing = existing(args).unwrap_or(options.existing);
    options.ignore_room |= args.ignore_room;
    options.drives = args.drives;
    Ok(options)
}

/// The tapes that are asked in place of the catalog. What has a slash is a device.
fn from_tapes(given: &[String]) -> Result<Option<FromTapes>, Failure> {
    let is_device = |tape: &String| tape.contains('/');
    match given {
        [] => Ok(None),
        [device] if is_device(device) => Ok(Some(FromTapes::Drive(device.into()))),
        tapes if tapes.iter().any(is_device) => Err(Failure::Usage(
            "with several tapes --from-tape takes barcodes, or only one drive".to_owned(),
        )),
        tapes => Ok(Some(FromTapes::Barcodes(tapes.to_vec()))),
    }
}

/// Says on stderr what is known, and what is not.
fn tell_alone(context: &Context<'_>, volumes: &[RebuiltVolume]) {
    context.terminal.clear();
    for volume in volumes {
        tell(format!(
            "note: {} (pool {}) says of itself: {}, {}",
            volume.barcode,
            volume.pool,
            counted(volume.segments, "segment"),
            counted(volume.files, "object")
        ));
    }
    eprintln!(
        "note: no catalog was asked: newer versions, other copies, and parts of files on other \
         tapes are not known"
    );
}

/// Says on stderr when a restore that begins will be done.
fn tell_finish(context: &Context<'_>, outlook: &RestoreOutlook) {
    context.terminal.clear();
    let finish = finish_words(&outlook.finish);
    tell(format!("note: {}; {finish}", how_much(outlook)));
    eprintln!("note: {}", calibration::words(&outlook.calibration));
    if let Some(words) = more_drives_words(outlook) {
        eprintln!("note: {words}");
    }
}

/// What more drives would bring, where they would.
fn more_drives_words(outlook: &RestoreOutlook) -> Option<String> {
    let MoreDrives { drives, seconds } = outlook.more_drives?;
    let span = span_words(seconds);
    Some(format!("with --drives {drives} it would take {span}"))
}

pub fn how_much(outlook: &RestoreOutlook) -> String {
    let drives = match outlook.drives.len() {
        0 | 1 => String::new(),
        several => format!(" in {several} drives at once"),
    };
    format!(
        "to restore: {}, {}, from {}{drives}",
        counted(outlook.objects, "object"),
        ByteSize(outlook.file_bytes),
        counted(outlook.tapes.len() as u64, "tape")
    )
}

/// What earlier runs of a restore have brought.
fn earlier_words(objects: u64, file_bytes: u64) -> Option<String> {
    let words = format!(
        "there already from before, and as archived: {}, {}",
        counted(objects, "object"),
        ByteSize(file_bytes)
    );
    (objects > 0).then_some(words)
}

/// What it takes in the target, and what is there for it.
pub fn room_words(room: Room) -> String {
    let needed = ByteSize(room.needed_bytes);
    match room.free_bytes {
        None => format!("{needed} to write; the file system does not tell its free room"),
        Some(free) if free < room.needed_bytes => {
            format!(
                "{needed} to write, and only {} free: too little room",
                ByteSize(free)
            )
        }
        Some(free) => format!("{needed} to write, {} free", ByteSize(free)),
    }
}

/// When it will be done, and how sure that is.
pub fn finish_words(finish: &Finish) -> String {
    let local = finish.at.to_zoned(TimeZone::system());
    let (moment, span) = (local.strftime("%Y-%m-%d %H:%M"), span_words(finish.seconds));
    let how_sure = match (finish.certainty, finish.percent) {
        (Certainty::Open, _) | (_, None) => {
            "with the tapes that are here; the others have to be fetched first".to_owned()
        }
        (_, Some(percent)) => format!("give or take {percent} %"),
    };
    format!("done in {span}, {moment}, {how_sure}")
}

/// A span of time with its two greatest units.
pub fn span_words(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// The plan for people: how much, which tapes, how long each takes, and what is read when.
pub fn render_outlook(output: &mut Output, outlook: &RestoreOutlook) -> io::Result<()> {
    output.line(how_much(outlook))?;
    if let Some(words) = earlier_words(outlook.earlier_objects, outlook.earlier_file_bytes) {
        output.line(words)?;
    }
    let rows: Vec<Vec<String>> = outlook.tapes.iter().map(tape_row).collect();
    let head = [
        "TAPE",
        "PLACE",
        "DRIVE >",
        "OBJECTS >",
        "TO READ >",
        "MOUNT >",
        "LOCATE >",
        "READ >",
        "RETURN >",
        "IN ALL >",
    ];
    output.table(&head, &rows)?;
    by_drive(output, &outlook.drives)?;
    output.line(finish_words(&outlook.finish))?;
    output.line(calibration::words(&outlook.calibration))?;
    if let Some(words) = more_drives_words(outlook) {
        output.line(words)?;
    }
    output.line(room_words(outlook.room))?;
    if !outlook.pick_list.is_empty() {
        output.line("to be fetched, which takes a time that is not foretold:")?;
        for pick in &outlook.pick_list {
            let shelf = pick.shelf.as_deref().unwrap_or("nobody noted where it is");
            output.line(format!("  [ ] {}  {shelf}", pick.barcode))?;
        }
    }
    reads(output, &outlook.reads)?;
    problems(output, &outlook.existing, EXISTING)?;
    not_found(output, &outlook.not_found)?;
    problems(output, &outlook.remarks, REMARKS)
}

/// Patterns that brought nothing.
fn not_found(output: &mut Output, patterns: &[ByteText]) -> io::Result<()> {
    for pattern in patterns {
        output.line(format!("nothing was found for {pattern}"))?;
    }
    Ok(())
}

fn tape_row(tape: &TapeNeed) -> Vec<String> {
    let times = &tape.times;
    let drive = tape
        .drive
        .map_or_else(|| "-".to_owned(), |number| number.to_string());
    vec![
        tape.barcode.clone(),
        place_words(&tape.place),
        drive,
        tape.members.to_string(),
        ByteSize(tape.bytes).to_string(),
        span_words(times.robot_s + times.load_s),
        span_words(times.locate_s),
        span_words(times.read_s),
        span_words(times.rewind_s + times.unload_s + times.return_s),
        span_words(times.total_s),
    ]
}

/// What each drive does, where there are several.
fn by_drive(output: &mut Output, drives: &[DrivePlan]) -> io::Result<()> {
    if drives.len() < 2 {
        return Ok(());
    }
    let row = |plan: &DrivePlan| {
        let (drive, done) = (plan.drive.to_string(), span_words(plan.seconds));
        vec![drive, done, plan.tapes.join(" ")]
    };
    let rows: Vec<Vec<String>> = drives.iter().map(row).collect();
    output.table(&["DRIVE >", "DONE IN >", "TAPES IN THIS ORDER"], &rows)
}

/// The first reads in their order.
fn reads(output: &mut Output, reads: &[PlannedRead]) -> io::Result<()> {
    let row = |read: &PlannedRead| {
        let part = read.part.map(|part| format!(" (part {part})"));
        vec![
            read.tape.clone(),
            read.block.to_string(),
            span_words(read.approach_s),
            ByteSize(read.bytes).to_string(),
            format!("/{}{}", read.path, part.unwrap_or_default()),
        ]
    };
    let rows: Vec<Vec<String>> = reads.iter().take(LISTED).map(row).collect();
    output.table(
        &["TAPE", "BLOCK >", "WAY >", "SIZE >", "READ IN THIS ORDER"],
        &rows,
    )?;
    if reads.len() > LISTED {
        let more = reads.len() - LISTED;
        output.line(format!("  … and {more} more; --json has them"))?;
    }
    Ok(())
}

/// What was planned beside what it took.
fn timing(output: &mut Output, timing: &Timing) -> io::Result<()> {
    let beside = |planned, real| format!("{} ({})", span_words(real), span_words(planned));
    output.line(format!(
        "it took {}, planned {}",
        span_words(timing.real_s),
        span_words(timing.planned_s)
    ))?;
    let row = |TapeTiming {
                   barcode,
                   planned,
                   real,
                   ..
               }: &TapeTiming| {
        vec![
            barcode.clone(),
            beside(planned.mount_s, real.mount_s),
            beside(planned.read_s, real.read_s),
            beside(planned.release_s, real.release_s),
        ]
    };
    let rows: Vec<Vec<String>> = timing.tapes.iter().map(row).collect();
    let head = [
        "TAPE",
        "MOUNT (PLANNED) >",
        "READ (PLANNED) >",
        "RETURN (PLANNED) >",
    ];
    output.table(&head, &rows)
}

/// Where a tape is, in words.
pub fn place_words(place: &TapePlace) -> String {
    match place {
        TapePlace::Drive(number) => format!("drive {number}"),
        TapePlace::Slot(number) => format!("slot {number}"),
        TapePlace::MailSlot(number) => format!("mail slot {number}"),
        TapePlace::Robot => "the robot's hand".to_owned(),
        TapePlace::Operator => "to be loaded by hand".to_owned(),
        TapePlace::Missing => "not in the library".to_owned(),
    }
}

/// The first objects that were not restored because of a tape.
fn lost(output: &mut Output, tape: &LostWithTape) -> io::Result<()> {
    let count = tape.objects.len();
    output.line(format!(
        "{}: {} not restored: {}",
        tape.barcode,
        counted(count as u64, "object"),
        tape.why
    ))?;
    for path in tape.objects.iter().take(LISTED) {
        output.line(format!("  /{path}"))?;
    }
    if count > LISTED {
        let more = count - LISTED;
        output.line(format!("  … and {more} more; the log and --json have them"))?;
    }
    Ok(())
}

/// The result for people.
pub fn render(output: &mut Output, summary: &RestoreSummary) -> io::Result<()> {
    output.line(format!(
        "restore {}: {}, {} restored; {} checked against their digests",
        outcome_words(summary.outcome),
        counted(summary.objects, "object"),
        ByteSize(summary.file_bytes),
        counted(summary.verified_files, "file")
    ))?;
    let earlier = earlier_words(summary.earlier_objects, summary.earlier_file_bytes);
    if let Some(words) = earlier {
        output.line(words)?;
    }
    if summary.from_other_copies > 0 {
        output.line(format!(
            "{} came from another copy, since the first could not be read",
            counted(summary.from_other_copies, "object")
        ))?;
    }
    timing(output, &summary.timing)?;
    for barcode in &summary.missing_tapes {
        output.line(format!("  tape {barcode} is needed and was not to be had"))?;
    }
    failed_tapes(output, &summary.failed_tapes)?;
    for tape in &summary.lost_with_tapes {
        lost(output, tape)?;
    }
    problems(output, &summary.existing, EXISTING)?;
    problems(output, &summary.renamed, "restored under another name")?;
    not_found(output, &summary.not_found)?;
    problems(output, &summary.remarks, REMARKS)?;
    problems(output, &summary.problems, "objects not restored")?;
    problems(
        output,
        &summary.metadata_not_set,
        "metadata that could not be set",
    )?;
    match summary.restore {
        Some(id) if summary.can_resume => output.line(format!(
            "to go on with what is missing ({}): tapewright restore --resume {id}",
            counted(summary.missing_objects, "object")
        )),
        Some(id) => output.line(format!("id of this restore: {id}")),
        None => Ok(()),
    }
}
