//! `tapewright demo`: the main job on a simulated library in a temporary place, narrated.
//!
//! Every step is a command line that the user could type; it is printed, parsed and run
//! as if it had been typed. Only the comparison at the end is the demonstration's own.

mod compare;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Serialize;
use tapewright::engine::target::free_bytes;
use tapewright::jobs::tapes;
use tapewright::units::ByteSize;

use super::{Context, Ended};
use crate::args::{Cli, DemoArgs};
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use compare::{Comparison, Size};

/// Tape copy and restored copy, and a little for catalog and indexes.
const COPIES: u64 = 2;
const OVERHEAD_BYTES: u64 = 64 << 20;
/// Differences shown; the number is always told.
const SHOWN: usize = 20;

/// A demonstration in progress: what each of its command lines needs.
struct Demo {
    place: PathBuf,
    state: PathBuf,
    source: PathBuf,
    exit: Exit,
    /// One JSON summary goes to standard output, and the narration beside it.
    json: bool,
}

/// The result, for programs.
#[derive(Serialize)]
struct Summary {
    /// Nothing differs.
    identical: bool,
    /// Objects compared.
    objects: u64,
    /// Bytes of files compared.
    bytes: u64,
    /// What differs, the first of it.
    differences: Vec<String>,
    /// Barcodes of the tapes that were written.
    tapes: Vec<String>,
}

/// Runs the demonstration.
pub fn run(args: &DemoArgs, json: bool) -> Ended {
    let given = args.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let source = given
        .canonicalize()
        .map_err(|error| Failure::Io(format!("looking at {}", given.display()), error))?;
    let place = tempfile::Builder::new()
        .prefix("tapewright-demo-")
        .tempdir()
        .map_err(|error| Failure::Io("making a temporary place".to_owned(), error))?;
    let size = compare::measure(&source, place.path());
    check_space(&size, place.path())?;
    let mut demo = Demo {
        place: place.path().to_owned(),
        state: place.path().join("state"),
        source,
        exit: Exit::Done,
        json,
    };
    demo.say(&format!(
        "Archiving {} ({}, {}) to a simulated LTO-9 library in {}.\n\
         Every step below is a command that you could type.",
        demo.source.display(),
        counted(size.objects, "object"),
        ByteSize(size.bytes),
        demo.place.display()
    ))?;
    let ended = demo.steps();
    if args.keep {
        let kept = place.keep();
        demo.say(&format!(
            "\nKept in {0}. Look around with: tapewright --state {0}/state tape list",
            kept.display()
        ))?;
    }
    ended
}

impl Demo {
    fn steps(&mut self) -> Ended {
        let library = self.place.join("library");
        self.step(
            "A library with two drives; its slots hold blank tapes.",
            &[
                "library".into(),
                "create".into(),
                "--sim".into(),
                library.into(),
                "--slots".into(),
                "8".into(),
            ],
        )?;
        self.step(
            "Each tape gets a label, which says in plain words how to read it.",
            &[
                "tape".into(),
                "label".into(),
                "SIM001L9".into(),
                "SIM002L9".into(),
                "--pool".into(),
                "monthly".into(),
            ],
        )?;
        self.step(
            "The directory goes to tape.",
            &[
                "archive".into(),
                self.source.clone().into(),
                "--pool".into(),
                "monthly".into(),
            ],
        )?;
        self.step("The tapes now.", &["tape".into(), "list".into()])?;
        self.step(
            "One tape in detail.",
            &["tape".into(), "show".into(), "SIM001L9".into()],
        )?;
        self.show_some_files()?;
        let restored = self.place.join("restored");
        self.step(
            "All of it comes back, to another place.",
            &[
                "restore".into(),
                self.source.clone().into(),
                "--to".into(),
                restored.clone().into(),
            ],
        )?;
        self.step(
            "The tape is read once more, every record and every file checked.",
            &["verify".into(), "SIM001L9".into()],
        )?;
        self.compare(&restored)
    }

    /// Where the narration and the commands' own words go.
    fn output(&self) -> Output {
        match self.json {
            true => Output::aside(),
            false => Output::new(false),
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        let mut output = self.output();
        for line in text.lines() {
            output.line(line)?;
        }
        output.flush()?;
        Ok(())
    }

    fn written_tapes(&self) -> Result<Vec<String>, Failure> {
        let cli = Cli::try_parse_from(["tapewright", "tape", "list"])
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let mut written = Vec::new();
        crate::with_context(&self.state, &cli, self.output(), |context| {
            let tapes = tapes::list(context.site)?;
            let used = tapes.into_iter().filter(|tape| tape.segments > 0);
            written.extend(used.map(|tape| tape.barcode));
            Ok(Exit::Done)
        })?;
        Ok(written)
    }

    /// Prints a command line and runs it.
    fn step(&mut self, what: &str, words: &[OsString]) -> Result<(), Failure> {
        let shown: Vec<String> = words.iter().map(quoted).collect();
        self.say(&format!("\n── {what}\n$ tapewright {}", shown.join(" ")))?;
        let mut line: Vec<OsString> = vec![
            "tapewright".into(),
            "--state".into(),
            self.state.clone().into(),
        ];
        line.extend_from_slice(words);
        let cli = Cli::try_parse_from(line).map_err(|error| Failure::Usage(error.to_string()))?;
        let exit = crate::with_context(&self.state, &cli, self.output(), |context| {
            crate::dispatch(context, &cli.command)
        })?;
        if exit != Exit::Done {
            self.exit = exit;
        }
        Ok(())
    }

    /// A few lines of `find`: the whole list of a large directory would bury the rest.
    fn show_some_files(&mut self) -> Result<(), Failure> {
        const LINES: usize = 5;
        let pattern = self.source.clone().into_os_string();
        self.say(&format!(
            "\n── Where files are: tape, tape file and block (the first {LINES}).\n\
             $ tapewright find {} | head -{LINES}",
            quoted(&pattern)
        ))?;
        let cli = Cli::try_parse_from(["tapewright".into(), "find".into(), pattern])
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let output = self.output();
        crate::with_context(&self.state, &cli, output, |context: &mut Context<'_>| {
            context.output.limit_lines(LINES);
            crate::dispatch(context, &cli.command)
        })?;
        Ok(())
    }

    /// Compares source and restored tree, without help from archive or catalog.
    fn compare(&self, restored: &Path) -> Ended {
        let below_root = self.source.strip_prefix("/").unwrap_or(&self.source);
        self.say("\n── Source and restored copy, compared file by file.")?;
        let Comparison {
            objects,
            bytes,
            differences,
        } = compare::compare(&self.source, &restored.join(below_root), &self.place);
        for difference in differences.iter().take(SHOWN) {
            self.say(&format!("  {difference}"))?;
        }
        let compared = format!(
            "{}, {}: content, owner, mode, times, links, extended attributes",
            counted(objects, "object"),
            ByteSize(bytes)
        );
        if self.json {
            let summary = Summary {
                identical: differences.is_empty(),
                objects,
                bytes,
                differences: differences
                    .iter()
                    .take(SHOWN)
                    .map(ToString::to_string)
                    .collect(),
                tapes: self.written_tapes()?,
            };
            let mut output = Output::new(true);
            output.json(&summary)?;
            output.flush()?;
        }
        if differences.is_empty() {
            self.say(&format!("identical ({compared})"))?;
            return Ok(self.exit);
        }
        self.say(&format!(
            "{} in {compared}",
            counted(differences.len() as u64, "difference")
        ))?;
        Ok(if self.exit == Exit::Done {
            Exit::Partial
        } else {
            self.exit
        })
    }
}

fn check_space(size: &Size, place: &Path) -> Result<(), Failure> {
    let needed = size
        .bytes
        .saturating_mul(COPIES)
        .saturating_add(OVERHEAD_BYTES);
    match free_bytes(place) {
        Some(free) if free < needed => Err(Failure::Usage(format!(
            "the demonstration needs {} in {} and finds {}; name a smaller directory, or set \
             TMPDIR",
            ByteSize(needed),
            place.display(),
            ByteSize(free)
        ))),
        _ => Ok(()),
    }
}

/// A word as a shell would need it.
fn quoted(word: &OsString) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
