//! `tapewright library`

use std::io;

use tapewright::jobs::library::{
    self, CartridgeKind, CartridgeStatus, LibraryConfig, LibraryStatus, SimulatedSpec, SlotStatus,
};

use super::{Context, Ended, state_words};
use crate::args::{LibraryCommand, LibraryCreateArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Creates or shows the library.
pub fn run(context: &mut Context<'_>, command: &LibraryCommand) -> Ended {
    match command {
        LibraryCommand::Create(args) => create(context, args)?,
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
            let state = context.site.state;
            library::create_hardware(state, args.changer.as_deref(), &args.drive)?;
        }
    }
    Ok(())
}

/// The library for people.
pub fn render(output: &mut Output, status: &LibraryStatus) -> io::Result<()> {
    let kind = match &status.library {
        LibraryConfig::Simulated { dir } => format!("simulated library in {}", dir.display()),
        LibraryConfig::Changer { changer, .. } => format!("library {}", changer.display()),
        LibraryConfig::SimulatedDrive { dir, .. } => {
            format!("one simulated drive in {}, served by hand", dir.display())
        }
        LibraryConfig::SingleDrive { drive } => format!("single drive {}", drive.display()),
    };
    match &status.changer {
        Some(changer) => output.line(format!("{kind} ({changer})"))?,
        None => output.line(kind)?,
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
    output.table(&["PLACE", "TAPE", "POOL", "STATE"], &rows)
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
