//! Makes a simulated library, looks into it, and sends single commands to its devices.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use tape_sim::cartridge::Medium;
use tape_sim::error::SimError;
use tape_sim::generation::Generation;
use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::target::{Completion, Data, Target};
use tape_sim::tcmu::AttachError;
use tape_sim::tcmu::daemon::{self, Attached};
use tape_sim::timeline::Timing;

const USAGE: &str = "\
usage: tape-sim create DIR [--drives N] [--slots N] [--mail-slots N] [--generation 5..10]
                           [--cartridges N] [--capacity-mib N] [--buffer-mib N]
                           [--speedup N] [--factory-new on|off] [--medium store|discard]
       tape-sim status DIR
       tape-sim cartridge DIR BARCODE
       tape-sim insert DIR MAIL_SLOT BARCODE [--capacity-mib N]
       tape-sim remove DIR MAIL_SLOT
       tape-sim protect DIR BARCODE on|off
       tape-sim label DIR BARCODE readable|unreadable|none|shows TEXT
       tape-sim door DIR open|close [front]
       tape-sim magazine DIR remove|insert N
       tape-sim faults DIR show|set FILE|add RULE_JSON|clear
       tape-sim exec DIR changer|DRIVE CDB_HEX [--in BYTES | --out]
       tape-sim attach DIR [--foreground]
       tape-sim detach DIR

create makes a library in which nothing waits: time is counted, not passed. With --speedup its
devices take their time, N times as fast as hardware. Factory-new LTO-9 cartridges are measured
on their first load, for 20 minutes to 2 hours. status says how far each device's time has come.
A medium that discards keeps the first 16 MiB of each tape file, lengths and filemarks, and throws
away all other data, which reads as zeros: to measure a host, never to keep anything.

A cartridge is named by the barcode it was made with, whatever its label shows later. door is
about the mail slots' door, or with front about the one that stops the robot. A magazine has 12
slots; the first is 0.

exec sends one command. --in writes the data received to the standard output, --out sends what
is on the standard input. Status and sense go to the standard error; the exit code is the SCSI
status. What a WRITE leaves in the drive's buffer reaches the tape before the program ends.

attach makes the library's devices appear in the running kernel (/dev/nst*, /dev/sg*, /dev/sch*)
and serves them in the background, or with --foreground in this process. They stay when the server
ends, and the next attach takes them up; detach removes them. Both need root.";

/// Exit code of a failure that is no SCSI status.
const FAILED: u8 = 1;

/// Why the program ends without having done what was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error("{0}: no such value for {1}")]
    Value(String, &'static str),
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error("input or output: {0}")]
    Stdio(#[from] io::Error),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error("the server did not start:\n{0}")]
    Server(String),
    #[error("no fault script: {0}")]
    Script(#[from] serde_json::Error),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let asks_for_help = |arg: &&str| matches!(*arg, "--help" | "-h" | "help");
    let result = match args[..] {
        [command, ..] if asks_for_help(&command) => usage(),
        // In any place: no directory is made that has the name of an option.
        [_, ref rest @ ..] if rest.contains(&"--help") || rest.contains(&"-h") => usage(),
        [_, dir, ..] if dir.starts_with('-') => Err(Failure::Usage),
        ["create", dir, ref options @ ..] => create(Path::new(dir), options),
        ["status", dir] => status(Path::new(dir)),
        ["cartridge", dir, barcode] => cartridge(Path::new(dir), barcode),
        ["insert", dir, slot, barcode, ref options @ ..] => {
            insert(Path::new(dir), slot, barcode, options)
        }
        ["remove", dir, slot] => remove(Path::new(dir), slot),
        ["protect", dir, barcode, on] => protect(Path::new(dir), barcode, on),
        ["label", dir, barcode, ref shows @ ..] => label(Path::new(dir), barcode, shows),
        ["door", dir, action, ref which @ ..] => door(Path::new(dir), action, which),
        ["magazine", dir, action, number] => magazine(Path::new(dir), action, number),
        ["faults", dir, ref what @ ..] => faults(Path::new(dir), what),
        ["exec", dir, unit, cdb, ref options @ ..] => exec(Path::new(dir), unit, cdb, options),
        ["attach", dir, ref options @ ..] => attach(Path::new(dir), options),
        ["detach", dir] => detach(Path::new(dir)),
        _ => Err(Failure::Usage),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever read our output has read enough.
        Err(Failure::Stdio(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(format_args!("{failure}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Prints a line, unless nobody reads the output any more: that is the error.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Prints a line on the standard error, if somebody reads it.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn usage() -> Result<u8, Failure> {
    say(format_args!("{USAGE}"))?;
    Ok(0)
}

/// Parses a number that has to fit `T`.
fn number<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Failure> {
    text.parse()
        .map_err(|_| Failure::Value(text.to_string(), what))
}

/// Parses mebibytes into bytes.
fn mebibytes(text: &str, what: &'static str) -> Result<u64, Failure> {
    let mib: u64 = number(text, what)?;
    mib.checked_mul(1 << 20)
        .ok_or_else(|| Failure::Value(text.to_string(), what))
}

fn switch(text: &str, what: &'static str) -> Result<bool, Failure> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Failure::Value(text.to_string(), what)),
    }
}

fn create(dir: &Path, options: &[&str]) -> Result<u8, Failure> {
    let mut spec = LibrarySpec::default();
    for pair in options.chunks(2) {
        match *pair {
            ["--drives", value] => spec.drives = number(value, "--drives")?,
            ["--slots", value] => spec.slots = number(value, "--slots")?,
            ["--mail-slots", value] => spec.mail_slots = number(value, "--mail-slots")?,
            ["--cartridges", value] => spec.cartridges = Some(number(value, "--cartridges")?),
            ["--capacity-mib", value] => {
                spec.capacity_bytes = Some(mebibytes(value, "--capacity-mib")?);
            }
            ["--buffer-mib", value] => {
                spec.buffer_bytes = Some(mebibytes(value, "--buffer-mib")?);
            }
            ["--speedup", value] => {
                let speedup = number(value, "--speedup")?;
                spec.timing = Timing::Real { speedup };
            }
            ["--factory-new", value] => spec.factory_new = switch(value, "--factory-new")?,
            ["--medium", "store"] => spec.medium = Medium::Store,
            ["--medium", "discard"] => spec.medium = Medium::Discard,
            ["--generation", value] => {
                spec.generation = Generation::from_number(number(value, "--generation")?)
                    .ok_or_else(|| Failure::Value(value.to_string(), "--generation"))?;
            }
            _ => return Err(Failure::Usage),
        }
    }
    let library = Library::create(dir, &spec)?;
    say(format_args!("{}", library.dir().display()))?;
    Ok(0)
}

fn status(dir: &Path) -> Result<u8, Failure> {
    let library = Library::open(dir)?;
    let inventory = inventory::read(library.dir())?;
    for drive in 0..library.drive_count() {
        let bay = inventory::read_bay(library.dir(), drive)?;
        let hold = inventory::read_hold(library.dir(), drive)?;
        let said = |said: bool, word: &'static str| if said { word } else { "" };
        say(format_args!(
            "drive {drive} {} {}{}{} {}",
            library.drive_serial(drive),
            bay.barcode.as_deref().unwrap_or("empty"),
            said(hold.threaded, " threaded"),
            said(hold.prevented, " prevented"),
            seconds(hold.time_ns),
        ))?;
        let (loads, motion) = (hold.life.loads, hold.life.motion);
        say(format_args!(
            "drive {drive} has made {loads} loads, {} locates, {} rewinds, {} backhitches, {} m",
            motion.locates,
            motion.rewinds,
            motion.backhitches,
            motion.distance_mm / 1000,
        ))?;
    }
    say(format_args!(
        "changer {}",
        seconds(inventory.robot().time_ns)
    ))?;
    for (address, content) in inventory.contents() {
        let label = match &content.label {
            Label::Readable => String::new(),
            Label::Missing => " without label".to_string(),
            Label::Unreadable => " with an unreadable label".to_string(),
            Label::Shows(text) => format!(" labelled {text}"),
        };
        say(format_args!("element {address} {}{label}", content.barcode))?;
    }
    for (door, name) in [
        (Door::MailSlots, "mail slot door"),
        (Door::Front, "front door"),
    ] {
        if inventory.is_open(door) {
            say(format_args!("{name} open"))?;
        }
    }
    for magazine in inventory.removed_magazines() {
        say(format_args!("magazine {magazine} out"))?;
    }
    Ok(0)
}

/// A device's time: seconds since it was made.
fn seconds(time_ns: u64) -> String {
    format!(
        "{}.{:03} s",
        time_ns / 1_000_000_000,
        time_ns / 1_000_000 % 1000
    )
}

fn cartridge(dir: &Path, barcode: &str) -> Result<u8, Failure> {
    let cartridge = Library::open(dir)?.cartridge(barcode)?;
    let info = &cartridge.info;
    say(format_args!("barcode {}", info.barcode))?;
    say(format_args!("serial {}", info.serial))?;
    say(format_args!("kind {:?}", info.kind))?;
    say(format_args!("write protected {}", info.write_protected))?;
    if let Some(format) = cartridge.format() {
        say(format_args!(
            "format {} density {:02X}",
            format.name, format.density
        ))?;
    }
    for (partition, number) in cartridge.open_partitions()?.iter().zip(0..) {
        say(format_args!(
            "partition {number}: {} objects, {} filemarks, {} of {} bytes used",
            partition.objects(),
            partition.filemarks().len(),
            partition.end().0,
            partition.capacity_bytes(),
        ))?;
    }
    Ok(0)
}

fn insert(dir: &Path, slot: &str, barcode: &str, options: &[&str]) -> Result<u8, Failure> {
    let capacity_bytes = match *options {
        [] => None,
        ["--capacity-mib", value] => Some(mebibytes(value, "--capacity-mib")?),
        _ => return Err(Failure::Usage),
    };
    Library::open(dir)?.insert(number(slot, "MAIL_SLOT")?, barcode, capacity_bytes)?;
    Ok(0)
}

fn remove(dir: &Path, slot: &str) -> Result<u8, Failure> {
    say(format_args!(
        "{}",
        Library::open(dir)?.remove(number(slot, "MAIL_SLOT")?)?
    ))?;
    Ok(0)
}

fn protect(dir: &Path, barcode: &str, on: &str) -> Result<u8, Failure> {
    Library::open(dir)?.set_write_protected(barcode, switch(on, "protect")?)?;
    Ok(0)
}

fn label(dir: &Path, barcode: &str, shows: &[&str]) -> Result<u8, Failure> {
    let label = match *shows {
        ["readable"] => Label::Readable,
        ["unreadable"] => Label::Unreadable,
        ["none"] => Label::Missing,
        ["shows", text] => Label::Shows(text.to_string()),
        _ => return Err(Failure::Usage),
    };
    Library::open(dir)?.set_label(barcode, label)?;
    Ok(0)
}

fn door(dir: &Path, action: &str, which: &[&str]) -> Result<u8, Failure> {
    let open = match action {
        "open" => true,
        "close" => false,
        _ => return Err(Failure::Usage),
    };
    let door = match *which {
        [] => Door::MailSlots,
        ["front"] => Door::Front,
        _ => return Err(Failure::Usage),
    };
    inventory::set_door(Library::open(dir)?.dir(), door, open)?;
    Ok(0)
}

fn magazine(dir: &Path, action: &str, magazine: &str) -> Result<u8, Failure> {
    let library = Library::open(dir)?;
    let magazine = number(magazine, "N")?;
    match action {
        "remove" => inventory::remove_magazine(library.dir(), magazine)?,
        "insert" => inventory::insert_magazine(library.dir(), magazine)?,
        _ => return Err(Failure::Usage),
    }
    Ok(0)
}

fn faults(dir: &Path, what: &[&str]) -> Result<u8, Failure> {
    let library = Library::open(dir)?;
    match *what {
        ["show"] => say(format_args!(
            "{}",
            serde_json::to_string_pretty(&library.faults()?)?
        ))?,
        ["set", file] => library.set_faults(&serde_json::from_slice(&fs::read(file)?)?)?,
        ["add", rule] => library.add_fault(serde_json::from_str(rule)?)?,
        ["clear"] => library.clear_faults()?,
        _ => return Err(Failure::Usage),
    }
    Ok(0)
}

fn exec(dir: &Path, unit: &str, cdb: &str, options: &[&str]) -> Result<u8, Failure> {
    let cdb = parse_hex(cdb).ok_or_else(|| Failure::Value(cdb.to_string(), "CDB_HEX"))?;
    let mut received = Vec::new();
    let mut sent = Vec::new();
    let data = match *options {
        [] => Data::None,
        ["--in", len] => {
            // A transfer length has 24 bits; longer buffers serve nothing.
            let len: u32 = number(len, "--in")?;
            received.resize(len.min(1 << 24) as usize, 0);
            Data::In(&mut received)
        }
        ["--out"] => {
            io::stdin().lock().read_to_end(&mut sent)?;
            Data::Out(&sent)
        }
        _ => return Err(Failure::Usage),
    };
    let library = Library::open(dir)?;
    let (completion, host_error) = if unit == "changer" {
        let mut changer = library.changer()?;
        let completion = changer.execute(&cdb, data);
        (completion, changer.host_error().map(str::to_string))
    } else {
        let mut drive = library.drive(number(unit, "DRIVE")?)?;
        let completion = drive.execute(&cdb, data);
        let host_error = drive.host_error().map(str::to_string);
        drive.close()?;
        (completion, host_error)
    };
    received.truncate(completion.transferred_bytes);
    let written = io::stdout().lock().write_all(&received);
    report(&completion, host_error.as_deref());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(completion.status),
    }
}

fn report(completion: &Completion, host_error: Option<&str>) {
    let sense: String = completion
        .sense
        .iter()
        .map(|byte| format!(" {byte:02X}"))
        .collect();
    if !completion.answered {
        tell(format_args!("no answer"));
    }
    tell(format_args!(
        "status {:02X}, {} bytes{}{sense}",
        completion.status,
        completion.transferred_bytes,
        if sense.is_empty() { "" } else { ", sense" },
    ));
    if let Some(error) = host_error {
        tell(format_args!("host: {error}"));
    }
}

/// Last line of a server that is ready.
const READY: &str = "attached";
/// What the server in the background says, in the library's folder.
const SERVER_LOG: &str = "attach.log";

fn attach(dir: &Path, options: &[&str]) -> Result<u8, Failure> {
    match *options {
        [] => return attach_in_background(dir),
        ["--foreground"] => {}
        _ => return Err(Failure::Usage),
    }
    daemon::serve(dir, |attached| {
        // Whoever started us may have gone; the devices are there all the same.
        let mut out = io::stdout().lock();
        for unit in attached {
            let _ = writeln!(out, "{}", line(unit));
        }
        let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    })?;
    Ok(0)
}

/// `drive 0  1:0:1:1  serial 0123456700  /dev/sg1  /dev/nst0`.
fn line(attached: &Attached) -> String {
    let node = |node: &Option<PathBuf>, module: &str| match node {
        Some(path) => path.display().to_string(),
        None => format!("(no node: modprobe {module})"),
    };
    let nodes = &attached.nodes;
    let driver = if attached.unit == "changer" {
        "ch"
    } else {
        "st"
    };
    format!(
        "{:<9} {:<11} serial {:<14} {:<9} {}",
        attached.unit,
        nodes.address,
        attached.serial,
        node(&nodes.generic, "sg"),
        node(&nodes.driver, driver),
    )
}

/// Starts this program as a server in a process group of its own, and waits until it is ready.
fn attach_in_background(dir: &Path) -> Result<u8, Failure> {
    let log_path = Library::open(dir)?.dir().join(SERVER_LOG);
    let log = File::create(&log_path).map_err(SimError::io(&log_path))?;
    let mut server = Command::new(std::env::current_exe()?)
        .arg("attach")
        .arg(dir)
        .arg("--foreground")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let lines = server.stdout.take().map(BufReader::new);
    for line in lines.into_iter().flat_map(BufRead::lines) {
        let line = line?;
        if line == READY {
            return Ok(0);
        }
        // Whoever started us may have gone: the server is waited for all the same.
        let _ = say(format_args!("{line}"));
    }
    server.wait()?;
    let said = fs::read_to_string(&log_path).map_err(SimError::io(&log_path))?;
    Err(Failure::Server(said.trim().to_string()))
}

fn detach(dir: &Path) -> Result<u8, Failure> {
    daemon::detach(dir)?;
    Ok(0)
}

/// Hexadecimal digits, in pairs; blanks are ignored.
fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|digit| !digit.is_whitespace())
        // A hexadecimal digit fits u8.
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    let (pairs, []) = digits.as_deref()?.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
