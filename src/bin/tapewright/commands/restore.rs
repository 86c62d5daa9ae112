//! `tapewright restore`

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tapewright::jobs::rebuild::RebuiltVolume;
use tapewright::jobs::restore::{
    self, DrivePlan, ExistingPolicy, Finish, FromTapes, LostWithTape, Mapping, MoreDrives,
    Output as What, Owners, Pick, PlannedRead, RestoreOptions, RestoreOutlook, RestoreSummary,
    Room, TapeNeed, TapePlace, TapeTiming, TapesAlone, Timing, Unread,
};
use tapewright::jobs::{ByteText, Outcome, Site};
use tapewright::units::{ByteSize, TimeSpan};

use super::archive::outcome_words;
use super::find::pattern_bytes;
use super::restore_output::{as_tar, output, pour};
use super::{Context, Ended, calibration, conclude, failed_tapes, metadata_not_set, problems};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, tell};
use crate::restore_args::{ExistingArg, RestoreArgs};

/// What the remarks of a plan are about.
pub const REMARKS: &str = "not archived, or restored otherwise than their names promise";
/// What is listed of files in parts that cannot be whole.
const WAITING: &str = "in parts, and not whole as long as tapes are outside";
/// What is listed of the target before anything is restored.
const EXISTING: &str = "in the target already";
/// So many objects, of a plan or of a tape that failed, are listed for people.
const LISTED: usize = 100;

/// Plans, shows the plan, restores.
pub fn run(context: &mut Context<'_>, args: &RestoreArgs) -> Ended {
    let output = output(args)?;
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
    if args.dry_run {
        return show_plan(context, site, &options, output);
    }
    match output {
        What::Directory => carry_out(context, site, &options),
        What::Tar => as_tar(context, site, &options, args.to.as_deref()),
        What::File => pour(context, site, &options),
    }
}

fn show_plan(
    context: &mut Context<'_>,
    site: Site<'_>,
    options: &RestoreOptions,
    output: What,
) -> Ended {
    let outlook = restore::plan_as(site, options, output)?;
    if context.output.is_json() {
        context.output.json(&outlook)?;
    } else {
        render_outlook(&mut context.output, &outlook)?;
    }
    Ok(match outlook.not_found.is_empty() {
        true => Exit::Done,
        false => Exit::Partial,
    })
}

/// Restores, with its finish told before and a summary after.
pub fn carry_out(context: &mut Context<'_>, site: Site<'_>, options: &RestoreOptions) -> Ended {
    let prepared = restore::prepare(site, options)?;
    tell_finish(context, prepared.outlook());
    let summary = prepared.restore()?;
    conclude(context, exit_of(&summary), &summary, render)
}

pub fn exit_of(summary: &RestoreSummary) -> Exit {
    match Exit::of_failed(&summary.failed_tapes) {
        _ if summary.outcome == Outcome::Interrupted => Exit::Interrupted,
        // What a tape did not give came from another.
        _ if summary.outcome == Outcome::Complete && summary.from_other_copies > 0 => Exit::Done,
        Some(exit) => exit,
        None if summary.missing_tapes.is_empty() => Exit::from(summary.outcome),
        None => Exit::NeedsOperator,
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
        first_soon: args.first_soon,
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
    options.drives = args.drives.or(options.drives);
    options.first_soon |= args.first_soon;
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
        for problem in &volume.problems.listed {
            tell(format!("note: {}: {}", volume.barcode, problem.what));
        }
        if let Some(words) = volume.cut_off_words() {
            tell(format!("note: {words}"));
        }
    }
    tell(
        "note: no catalog was asked: newer versions, other copies, and parts of files on other \
         tapes are not known",
    );
}

/// Says on stderr when a restore that begins will be done.
fn tell_finish(context: &Context<'_>, outlook: &RestoreOutlook) {
    context.terminal.clear();
    let finish = finish_words(&outlook.finish);
    tell(format!("note: {}; {finish}", how_much(outlook)));
    tell(format!(
        "note: {}",
        calibration::words(&outlook.calibration)
    ));
    if let Some(words) = first_words(outlook) {
        tell(format!("note: {words}"));
    }
    if let Some(words) = more_drives_words(outlook) {
        tell(format!("note: {words}"));
    }
    if !outlook.pick_list.is_empty() {
        tell("note: to be fetched:");
        outlook.pick_list.iter().map(pick_words).for_each(tell);
    }
}

/// When the first file is there, and what it costs to have it so soon.
fn first_words(outlook: &RestoreOutlook) -> Option<String> {
    let first = outlook.first_file.as_ref()?;
    let span = span_words(first.seconds);
    let cost = later_words(outlook).unwrap_or_default();
    Some(format!("first file in {span}: /{}{cost}", first.path))
}

/// What it costs or brings for the rest that the first files are there soon.
fn later_words(outlook: &RestoreOutlook) -> Option<String> {
    let later = |seconds: f64| match seconds.round() {
        0.0 => "no later".to_owned(),
        more if more > 0.0 => format!("{} later", span_words(more)),
        less => format!("{} sooner", span_words(-less)),
    };
    let files = later(outlook.first_soon_files_s?);
    let drives = later(outlook.first_soon_s?);
    Some(match files == drives {
        true => format!("; for it all files are there and the drives free {files}"),
        false => format!("; for it all files are there {files}, the drives free {drives}"),
    })
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
    let fetched = finish.fetched_s.map(|seconds| {
        let span = span_words(seconds);
        format!(" (all there in about {span})")
    });
    let fetched = fetched.unwrap_or_default();
    let at = |at: Option<Timestamp>, seconds: Option<f64>| {
        let local = at?.to_zoned(TimeZone::system());
        let moment = local.strftime("%Y-%m-%d %H:%M").to_string();
        Some(format!("{}, {moment}", span_words(seconds?)))
    };
    let files = at(finish.files_at, finish.files_s);
    let (Some(files), Some(free)) = (files, at(finish.at, finish.seconds)) else {
        return format!("nothing comes before a tape is fetched{fetched}");
    };
    let how_sure = match finish.percent {
        Some(percent) => format!("give or take {percent} %"),
        None => {
            format!("with the tapes that are here; the others have to be fetched first{fetched}")
        }
    };
    format!("files there in {files}; drives free in {free}; {how_sure}")
}

/// A tape of the pick list.
pub fn pick_words(pick: &Pick) -> String {
    format!("  [ ] {}  {}", pick.barcode, pick.words())
}

/// The same where it was wanted and missing.
pub fn missing_words(tape: &Pick) -> String {
    let (barcode, place) = (&tape.barcode, tape.words());
    format!("  tape {barcode} is needed and was not to be had: {place}")
}

/// A span of time in words.
pub fn span_words(seconds: f64) -> String {
    TimeSpan(Duration::from_secs(seconds.round() as u64)).to_string()
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
        "MEMBERS >",
        "TO READ >",
        "MOUNT >",
        "LOCATE >",
        "READ >",
        "RETURN >",
        "IN ALL >",
    ];
    output.table(&head, &rows)?;
    if outlook.tapes.iter().map(|tape| tape.members).sum::<u64>() != outlook.objects {
        output.line(
            "members are what is read: each part of a file is one, and each directory above",
        )?;
    }
    by_drive(output, &outlook.drives)?;
    output.line(finish_words(&outlook.finish))?;
    output.line(calibration::words(&outlook.calibration))?;
    if let Some(words) = first_words(outlook) {
        output.line(words)?;
    }
    if let Some(words) = more_drives_words(outlook) {
        output.line(words)?;
    }
    output.line(room_words(outlook.room))?;
    if !outlook.pick_list.is_empty() {
        output.line("to be fetched:")?;
        for pick in &outlook.pick_list {
            output.line(pick_words(pick))?;
        }
    }
    other_jobs(output, outlook.from_other_jobs)?;
    reads(output, &outlook.reads)?;
    problems(output, &outlook.waiting, WAITING)?;
    problems(output, &outlook.existing, EXISTING)?;
    not_found(output, &outlook.not_found)?;
    problems(output, &outlook.remarks, REMARKS)
}

/// How much is not read as the job archived it that had it last.
fn other_jobs(output: &mut Output, objects: u64) -> io::Result<()> {
    if objects == 0 {
        return Ok(());
    }
    let objects = counted(objects, "object");
    output.line(format!(
        "{objects} read as other jobs archived the same content"
    ))
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
        let other = read.other_job.as_ref();
        let other = other.map(|job| format!(" (as job {job} archived it)"));
        vec![
            read.tape.clone(),
            read.block.to_string(),
            span_words(read.approach_s),
            ByteSize(read.bytes).to_string(),
            format!(
                "/{}{}{}",
                read.path,
                part.unwrap_or_default(),
                other.unwrap_or_default()
            ),
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
    let row = |tape: &TapeTiming| {
        let TapeTiming { planned, real, .. } = tape;
        let spans = [
            (planned.mount_s, real.mount_s),
            (planned.read_s, real.read_s),
            (planned.release_s, real.release_s),
        ];
        let mut cells = spans.map(|(planned, real)| match (tape.mounts, tape.spare) {
            (0, _) => "-".to_owned(),
            (_, true) => format!("{} (spare)", span_words(real)),
            (_, false) => beside(planned, real),
        });
        if tape.mounts == 0 {
            cells[0] = "not mounted".to_owned();
        }
        let [mount, read, release] = cells;
        vec![tape.barcode.clone(), mount, read, release]
    };
    let rows: Vec<Vec<String>> = timing.tapes.iter().map(row).collect();
    let head = [
        "TAPE",
        "MOUNT (PLANNED) >",
        "READ (PLANNED) >",
        "RETURN (PLANNED) >",
    ];
    output.table(&head, &rows)?;
    for tape in &timing.tapes {
        if let Some(unread) = &tape.unread {
            output.line(unread_words(&tape.barcode, unread))?;
        }
    }
    Ok(())
}

/// Why other copies were turned to than those on a tape.
pub fn unread_words(barcode: &str, unread: &Unread) -> String {
    let objects = counted(unread.objects, "object");
    format!(
        "  tape {barcode}: {objects} looked for on other copies: {}",
        unread.why
    )
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
    other_jobs(output, summary.from_other_jobs)?;
    timing(output, &summary.timing)?;
    for tape in &summary.missing_tapes {
        output.line(missing_words(tape))?;
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
    metadata_not_set(output, &summary.metadata_not_set)?;
    let id = summary.restore;
    output.line(match summary.can_resume {
        true => format!(
            "to go on with what is missing ({}): tapewright restore --resume {id}",
            counted(summary.missing_objects, "object")
        ),
        false => format!("id of this restore: {id}"),
    })
}
