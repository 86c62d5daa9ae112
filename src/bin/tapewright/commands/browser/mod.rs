//! `tapewright browse`: the archived tree on the full screen.
//!
//! `state` is what is shown and what keys do, `view` draws it, `worker` asks the catalog, and
//! here they come together. A restore begins once the screen is closed.

mod names;
mod overview;
mod state;
mod terminal;
mod view;
mod worker;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tapewright::jobs::Site;
use tapewright::jobs::restore::RestoreOptions;

use self::state::{Action, Model, Total};
use self::terminal::{Input, Screen};
use self::worker::{Reply, Workers};
use super::find::pattern_bytes;
use super::{Context, Ended, restore};
use crate::dates;
use crate::exit::{Exit, Failure};
use crate::find_args::BrowserArgs;
use crate::output::tell;

/// So long a key or an answer may wait to be seen.
const PATIENCE: Duration = Duration::from_millis(50);
/// The directory that is offered to restore below.
const TARGET: &str = "restored";

/// Shows the tree, and restores what was marked in it.
pub fn run(context: &mut Context<'_>, args: &BrowserArgs) -> Ended {
    let as_of = dates::as_of(args.as_of.as_deref())?;
    let path = pattern_bytes(&args.path)?;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "`browse` needs a terminal; in scripts use `ls`, `find` and `restore`".to_owned(),
        ));
    }
    let target = args.to.clone().unwrap_or_else(|| PathBuf::from(TARGET));
    let model = Model::new(
        without_slashes(&path),
        as_of,
        target.to_string_lossy().into_owned(),
    );
    match browse(context.site, model)? {
        Left::Restore(options) => restore::carry_out(context, context.site, &options),
        Left::Done => Ok(Exit::Done),
        Left::Interrupted => Ok(Exit::Interrupted),
    }
}

/// The path as the model has it: without slashes at its ends.
fn without_slashes(path: &[u8]) -> Vec<u8> {
    let is_name = |byte: &u8| *byte != b'/';
    let ends = path
        .iter()
        .position(is_name)
        .zip(path.iter().rposition(is_name));
    ends.map_or(Vec::new(), |(start, end)| path[start..=end].to_vec())
}

/// How the screen was left.
enum Left {
    Done,
    /// By a signal.
    Interrupted,
    Restore(RestoreOptions),
}

fn browse(site: Site<'_>, model: Model) -> Result<Left, Failure> {
    let (replies, answers) = mpsc::channel();
    thread::scope(|scope| {
        let mut workers = Workers::new(scope, site, replies);
        let left = keep_showing(site, model, &mut workers, &answers);
        if workers.is_planning() {
            tell("tapewright: a plan that was begun is made to its end (Ctrl-C twice: not)");
        }
        left
    })
    .map_err(|error| Failure::Io("using the terminal".to_owned(), error))
}

fn keep_showing(
    site: Site<'_>,
    mut model: Model,
    workers: &mut Workers<'_, '_>,
    answers: &Receiver<Reply>,
) -> io::Result<Left> {
    let stop = site.monitor.stop_flag();
    let mut screen = Screen::enter()?;
    workers.list(&model.path, model.as_of);
    let mut changed = true;
    loop {
        if stop
            .as_ref()
            .is_some_and(|stop| stop.load(Ordering::Relaxed))
        {
            return Ok(Left::Interrupted);
        }
        for reply in answers.try_iter() {
            if workers.is_wanted(&reply) {
                take(&mut model, reply);
                changed = true;
            }
        }
        if changed {
            screen.terminal.draw(|frame| {
                model.height = view::list_height(frame.area().height);
                model.scroll();
                view::draw(&model, frame.area(), frame.buffer_mut());
            })?;
            changed = false;
        }
        let key = match terminal::input(PATIENCE)? {
            Input::Key(key) => key,
            Input::Resized => {
                changed = true;
                continue;
            }
            Input::Nothing => continue,
        };
        changed = true;
        let Some(action) = model.key(key) else {
            continue;
        };
        match action {
            Action::List => workers.list(&model.path, model.as_of),
            Action::Measure(paths) => workers.measure(paths, model.as_of),
            Action::Forget => workers.forget(),
            Action::Quit => return Ok(Left::Done),
            Action::Plan => match options(&model, PathBuf::from(&model.target)) {
                Ok(options) => workers.plan(options),
                Err(what) => model.planned(vec![what]),
            },
            Action::Restore(target) => match options(&model, target) {
                Ok(options) => return Ok(Left::Restore(options)),
                Err(what) => model.message = what,
            },
        }
    }
}

fn take(model: &mut Model, reply: Reply) {
    match reply {
        Reply::Listed(_, rows, trouble) => model.listed(rows, trouble),
        Reply::Planned(_, lines) => model.planned(lines),
        Reply::Measured(_, path, Ok(total)) => model.measured(path, total),
        Reply::Measured(_, path, Err(what)) => {
            model.measured(path, Total::Failed);
            model.message = what;
        }
    }
}

/// The restore of what is marked.
fn options(model: &Model, target: PathBuf) -> Result<RestoreOptions, String> {
    let mut patterns = Vec::new();
    for path in model.marks.keys() {
        match names::pattern(path) {
            Some(pattern) => patterns.push(pattern),
            None => {
                return Err(format!(
                    "/{} cannot be asked for by its name, which is no UTF-8 and looks like a \
                     pattern: mark its directory",
                    names::shown(path)
                ));
            }
        }
    }
    Ok(RestoreOptions {
        patterns,
        target,
        as_of: model.as_of,
        ..RestoreOptions::default()
    })
}
