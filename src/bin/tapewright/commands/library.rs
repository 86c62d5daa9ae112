//! `tapewright library`

use std::io;

use tapewright::jobs::library::{
    self, CartridgeKind, CartridgeStatus, FoundDevice, LibraryConfig, LibraryScan, LibraryStatus,
    SimulatedSpec, SlotStatus,
};
use tapewright::jobs::moves::{self, MoveSummary};

use super::restore::place_words;
use super::{Context, Ended, conclude_or_tell, state_words};
use crate::exit::{Exit, Failure};
use crate::library_args::{LibraryCommand, LibraryCreateArgs};
use crate::output::{Output, counted};

/// Creates or shows the library.
pub fn run(context: &mut Context<'_>, command: &LibraryCommand) -> Ended {
    match command {
        LibraryCommand::Create(args) => create(context, args)?,
        LibraryCommand::Use { sim } => {
            library::use_simulated(context.site.state, sim)?;
        }
        LibraryCommand::Scan => return scan(context),
        LibraryCommand::Import { tapes, dry_run } => {
            let summary = moves::import(context.site, tapes, *dry_run)?;
            return moved(context, &summary);
        }
        LibraryCommand::Export { tapes, dry_run } => {
            let summary = moves::export(context.site, tapes, *dry_run)?;
            return moved(context, &summary);
        }
        LibraryCommand::Move { tape, to, dry_run } => {
            let summary = moves::move_to_slot(context.site, tape, *to, *dry_run)?;
            return moved(context, &summary);
        }
        LibraryCommand::Status => {}
    }
    let status = library::status(context.site)?;
    if context.output.is_json() {
        context.output.json(&status)?;
    } else {
        render(&mut context.output, &status)?;
    }
    Ok(Exit::Done)
}

fn moved(context: &mut Context<'_>, summary: &MoveSummary) -> Ended {
    let exit = Exit::of_failed(&summary.failed_tapes).unwrap_or(Exit::from(summary.outcome));
    let failure = summary.failure.as_ref();
    conclude_or_tell(context, exit, summary, failure, render_moves)
}

/// What was moved, for people.
fn render_moves(output: &mut Output, summary: &MoveSummary) -> io::Result<()> {
    for tape in &summary.moved {
        let (from, to) = (place_words(&tape.from), place_words(&tape.to));
        output.line(match (from == to, summary.dry_run) {
            (true, _) => format!("{}  is in {to} already", tape.barcode),
            (false, true) => format!("{}  would go from {from} to {to}", tape.barcode),
            (false, false) => format!("{}  moved from {from} to {to}", tape.barcode),
        })?;
    }
    for tape in &summary.failed_tapes {
        output.line(format!(
            "{}  not moved: {}",
            tape.barcode, tape.failure.what
        ))?;
        if let Some(advice) = &tape.failure.advice {
            output.line(format!("  {advice}"))?;
        }
    }
    if !summary.left.is_empty() {
        output.line(format!("left where they are: {}", summary.left.join(", ")))?;
    }
    Ok(())
}

fn create(context: &Context<'_>, args: &LibraryCreateArgs) -> Result<(), Failure> {
    match &args.sim {
        Some(dir) => {
            let spec = SimulatedSpec {
                dir: dir.clone(),
                drives: args.drives,
                slots: args.slots,
                generation: args.generation,
                capacity: args.capacity,
            };
            library::create_simulated(context.site.state, &spec)?;
        }
        None => {
            library::create_hardware(context.site, args.changer.as_deref(), &args.drive)?;
        }
    }
    Ok(())
}

fn scan(context: &mut Context<'_>) -> Ended {
    let found = library::scan();
    if context.output.is_json() {
        context.output.json(&found)?;
    } else {
        render_scan(&mut context.output, &found)?;
    }
    Ok(match found.changers.is_empty() && found.drives.is_empty() {
        true => Exit::NotFound,
        false => Exit::Done,
    })
}

/// The host's devices for people.
fn render_scan(output: &mut Output, found: &LibraryScan) -> io::Result<()> {
    if found.changers.is_empty() && found.drives.is_empty() {
        return output
            .line("no tape drive and no changer found; `doctor` says what may be missing");
    }
    let mut rows = Vec::new();
    for changer in &found.changers {
        let drives = changer.drive_elements.len() as u64;
        let place = format!(
            "{}, {}, {}",
            counted(drives, "drive"),
            counted(changer.slots as u64, "slot"),
            counted(changer.mail_slots as u64, "mail slot")
        );
        rows.push(device_row("changer", &changer.device, "", place));
    }
    for drive in &found.drives {
        let place = match (&drive.changer, &drive.element) {
            (Some(changer), Some(element)) => format!(
                "drive {} of {} (element {})",
                element.number,
                changer.display(),
                element.address
            ),
            _ => "in no library seen here".to_owned(),
        };
        let generation = drive.generation.as_deref().unwrap_or("?");
        rows.push(device_row("drive", &drive.device, generation, place));
    }
    let head = [
        "", "NODE", "ALSO", "SERIAL", "DEVICE", "FIRMWARE", "LTO", "PLACE",
    ];
    output.table(&head, &rows)?;
    let devices = found.changers.iter().map(|changer| &changer.device);
    let devices = devices.chain(found.drives.iter().map(|drive| &drive.device));
    for device in devices {
        for link in &device.links {
            output.line(format!("{}: {}", device.node.display(), link.display()))?;
        }
        if let Some(problem) = &device.problem {
            output.line(format!("{}: {problem}", device.node.display()))?;
        }
    }
    Ok(())
}

fn device_row(kind: &str, device: &FoundDevice, generation: &str, place: String) -> Vec<String> {
    let other = device.other_node.as_ref();
    vec![
        kind.to_owned(),
        device.node.display().to_string(),
        other.map_or_else(|| "–".to_owned(), |node| node.display().to_string()),
        device.serial.clone().unwrap_or_else(|| "?".to_owned()),
        format!("{} {}", device.vendor, device.product),
        device.revision.clone(),
        generation.trim_start_matches("LTO-").to_owned(),
        place,
    ]
}

/// The library for people.
pub fn render(output: &mut Output, status: &LibraryStatus) -> io::Result<()> {
    let kind = match &status.library {
        LibraryConfig::Simulated { dir } => format!("simulated library in {}", dir.display()),
        LibraryConfig::Changer { changer, .. } => format!("library {}", changer.display()),
        LibraryConfig::SimulatedDrive { dir, .. } => {
            format!("one simulated drive in {}, served by hand", dir.display())
        }
        LibraryConfig::SingleDrive { drive, .. } => format!("single drive {}", drive.display()),
    };
    match &status.changer {
        Some(changer) => output.line(format!("{kind} ({changer})"))?,
        None => output.line(kind)?,
    }
    if let Some(problem) = &status.problem {
        output.line(format!(
            "no tape can be moved: {problem}; look at the library's display: a door may be open"
        ))?;
    }
    let mut rows = Vec::new();
    for drive in &status.drives {
        let name = format!("drive {}", drive.number);
        rows.push(row(
            name,
            drive.cartridge.as_ref(),
            drive.problem.as_deref(),
        ));
    }
    rows.extend(slot_rows("slot", &status.slots));
    rows.extend(slot_rows("mail slot", &status.mail_slots));
    // An empty hand is no news.
    let told = |robot: &&SlotStatus| robot.cartridge.is_some() || robot.problem.is_some();
    let robots: Vec<SlotStatus> = status.robots.iter().filter(told).cloned().collect();
    rows.extend(slot_rows("robot", &robots));
    output.table(&["PLACE", "TAPE", "POOL", "STATE"], &rows)?;
    for lost in &status.lost_tapes {
        output.line(format!("{} is in no place: {}", lost.barcode, lost.words()))?;
    }
    if robots.iter().any(|robot| robot.cartridge.is_some()) {
        output.line(
            "A failed move left the tape in the robot's hand. The next command that mounts a tape, \
             such as `verify`, first puts it into a slot.",
        )?;
    }
    Ok(())
}

fn slot_rows(name: &str, slots: &[SlotStatus]) -> Vec<Vec<String>> {
    slots
        .iter()
        .map(|slot| {
            let place = format!("{name} {}", slot.number);
            row(place, slot.cartridge.as_ref(), slot.problem.as_deref())
        })
        .collect()
}

fn row(place: String, cartridge: Option<&CartridgeStatus>, problem: Option<&str>) -> Vec<String> {
    let Some(cartridge) = cartridge else {
        return vec![
            place,
            "–".to_owned(),
            String::new(),
            problem.unwrap_or_default().to_owned(),
        ];
    };
    let barcode = cartridge
        .barcode
        .clone()
        .unwrap_or_else(|| "(no barcode)".to_owned());
    let (pool, mut state) = match (&cartridge.volume, cartridge.kind) {
        (Some(known), _) => (known.pool.clone(), state_words(known.state).to_owned()),
        (None, CartridgeKind::Cleaning) => (String::new(), "cleaning cartridge".to_owned()),
        (None, CartridgeKind::Data) => (String::new(), "not in the catalog".to_owned()),
    };
    if let (Some(home), true) = (cartridge.home_slot, place.starts_with("drive")) {
        state.push_str(&format!(", from slot {home}"));
    }
    if let Some(problem) = problem {
        state.push_str(&format!("; {problem}"));
    }
    vec![place, barcode, pool, state]
}
