//! What the browser shows, and what each key makes of it.
//!
//! Pure: keys and replies in, actions out. Knows neither terminal nor catalog.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;

use crate::dates;
use crate::exit::Failure;

use super::names::shown;

/// A key as the browser knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Up,
    Down,
    Left,
    Right,
    Enter,
    Backspace,
    Escape,
    PageUp,
    PageDown,
    Home,
    End,
    Char(char),
    Interrupt,
}

/// What is to be done outside of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the directory that the model is in.
    List,
    /// Count what lies below these directories.
    Measure(Vec<Vec<u8>>),
    /// Nothing that is being counted is wanted any more.
    Forget,
    /// Plan the restore of what is marked.
    Plan,
    /// Leave the screen, and restore what is marked below this directory.
    Restore(PathBuf),
    Quit,
}

/// What has the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    List,
    Filter,
    /// The date is being typed.
    Date(String),
    /// The target is being typed.
    Target(String),
    /// What is marked, from this line on.
    Marked(usize),
    Help,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub path: Vec<u8>,
    pub kind: &'static str,
    /// Of a file.
    pub bytes: u64,
    /// Seconds since 1970.
    pub mtime: Option<i64>,
}

impl Row {
    pub fn is_directory(&self) -> bool {
        self.kind == "dir"
    }

    pub fn name(&self) -> &[u8] {
        let start = self.path.iter().rposition(|&byte| byte == b'/');
        &self.path[start.map_or(0, |at| at + 1)..]
    }
}

/// What lies below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Asked,
    Known { files: u64, bytes: u64 },
    Failed,
}

/// A path that is to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub is_directory: bool,
    /// Of a file.
    pub bytes: u64,
}

/// All that the browser knows.
#[derive(Debug)]
pub struct Model {
    /// Archive path of the directory; empty: the top.
    pub path: Vec<u8>,
    pub as_of: Option<Timestamp>,
    pub rows: Vec<Row>,
    /// Which rows the filter lets through.
    pub shown: Vec<usize>,
    /// Place in `shown`.
    pub cursor: usize,
    /// The first line on the screen, as place in `shown`.
    pub top: usize,
    /// Lines of the list on the screen.
    pub height: usize,
    pub filter: String,
    pub mode: Mode,
    pub marks: BTreeMap<Vec<u8>, Mark>,
    pub totals: HashMap<Vec<u8>, Total>,
    /// The plan of what is marked, once it is made.
    pub plan: Option<Vec<String>>,
    /// The list is being read.
    pub reading: bool,
    /// What the last key led to, if it is worth a word.
    pub message: String,
    /// The target that is offered.
    pub target: String,
    /// Where the cursor goes once the list is there.
    arrive_at: Vec<u8>,
}

impl Model {
    pub fn new(path: Vec<u8>, as_of: Option<Timestamp>, target: String) -> Model {
        Model {
            path,
            as_of,
            rows: Vec::new(),
            shown: Vec::new(),
            cursor: 0,
            top: 0,
            height: 20,
            filter: String::new(),
            mode: Mode::List,
            marks: BTreeMap::new(),
            totals: HashMap::new(),
            plan: None,
            reading: true,
            message: String::new(),
            target,
            arrive_at: Vec::new(),
        }
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&Row> {
        self.shown.get(self.cursor).map(|&row| &self.rows[row])
    }

    /// Whether the path or a directory above it is marked.
    pub fn is_marked(&self, path: &[u8]) -> bool {
        self.marks.contains_key(path) || self.marked_above(path)
    }

    fn marked_above(&self, path: &[u8]) -> bool {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = slashes.map(|(at, _)| &path[..at]);
        above.any(|above| self.marks.contains_key(above))
    }

    /// Bytes of what is marked, and whether all of it is counted.
    pub fn marked_bytes(&self) -> (u64, bool) {
        let (mut bytes, mut whole) = (0u64, true);
        for (path, mark) in &self.marks {
            if self.marked_above(path) {
                continue;
            }
            bytes = bytes.saturating_add(match (mark.is_directory, self.totals.get(path)) {
                (false, _) => mark.bytes,
                (true, Some(Total::Known { bytes, .. })) => *bytes,
                (true, _) => {
                    whole = false;
                    0
                }
            });
        }
        (bytes, whole)
    }

    /// Takes the list that was read, and what kept some of it from being there.
    pub fn listed(&mut self, rows: Vec<Row>, trouble: Option<String>) {
        self.reading = false;
        self.rows = rows;
        self.message = trouble.unwrap_or_default();
        self.rows.sort_by(|a, b| a.path.cmp(&b.path));
        self.choose();
        let at = std::mem::take(&mut self.arrive_at);
        let place = self.shown.iter().position(|&row| self.rows[row].path == at);
        self.cursor = place.unwrap_or(0);
        self.scroll();
    }

    /// Takes what was counted.
    pub fn measured(&mut self, path: Vec<u8>, total: Total) {
        self.totals.insert(path, total);
    }

    /// Takes the plan.
    pub fn planned(&mut self, lines: Vec<String>) {
        // What went wrong is told in several lines.
        let lines = lines.iter().flat_map(|text| text.split('\n'));
        self.plan = Some(lines.map(str::to_owned).collect());
    }

    /// What the key does.
    pub fn key(&mut self, key: Key) -> Option<Action> {
        if key == Key::Interrupt {
            return Some(Action::Quit);
        }
        self.message.clear();
        match std::mem::replace(&mut self.mode, Mode::List) {
            Mode::List => self.list_key(key),
            Mode::Filter => self.filter_key(key),
            Mode::Date(text) => self.date_key(text, key),
            Mode::Target(text) => self.target_key(text, key),
            Mode::Marked(top) => self.marked_key(top, key),
            Mode::Help => None,
        }
    }

    fn list_key(&mut self, key: Key) -> Option<Action> {
        let page = self.height.max(1);
        match key {
            Key::Up | Key::Char('k') => self.go(self.cursor.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.go(self.cursor + 1),
            Key::PageUp => self.go(self.cursor.saturating_sub(page)),
            Key::PageDown => self.go(self.cursor + page),
            Key::Home => self.go(0),
            Key::End => self.go(usize::MAX),
            Key::Right | Key::Enter | Key::Char('l') => return self.enter(),
            Key::Left | Key::Backspace | Key::Char('h') => return self.leave(),
            Key::Escape => self.filter_by(String::new()),
            Key::Char(' ') => return self.mark_one(),
            Key::Char('a') => return self.mark_all(),
            Key::Char('u') => {
                self.unmark();
                return Some(Action::Forget);
            }
            Key::Char('s') => return self.measure_current(),
            Key::Char('t') => return self.show_marked(),
            Key::Char('r') => match self.marks.is_empty() {
                true => self.message = "nothing is marked: space marks".to_owned(),
                false => self.mode = Mode::Target(self.target.clone()),
            },
            Key::Char('d') => self.mode = Mode::Date(String::new()),
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char('q') => return Some(Action::Quit),
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Char(c) => {
                self.mode = Mode::Filter;
                self.filter_by(format!("{}{c}", self.filter));
            }
            Key::Interrupt => {}
        }
        None
    }

    fn filter_key(&mut self, key: Key) -> Option<Action> {
        let mut text = self.filter.clone();
        match key {
            Key::Char(c) => text.push(c),
            Key::Backspace => {
                text.pop();
            }
            Key::Escape => {
                self.filter_by(String::new());
                return None;
            }
            Key::Enter => return None,
            key => return self.list_key(key),
        }
        self.filter_by(text);
        self.mode = Mode::Filter;
        None
    }

    fn date_key(&mut self, text: String, key: Key) -> Option<Action> {
        match typed(text, key) {
            Typed::More(text) => self.mode = Mode::Date(text),
            Typed::Left => {}
            Typed::Done(text) => {
                let given = Some(text.trim()).filter(|text| !text.is_empty());
                match dates::as_of(given) {
                    Ok(as_of) => {
                        self.as_of = as_of;
                        if !self.marks.is_empty() {
                            self.message = "the marks were of the other date".to_owned();
                        }
                        self.unmark();
                        self.totals.clear();
                        self.arrive_at = self.current().map_or(Vec::new(), |row| row.path.clone());
                        return self.read();
                    }
                    Err(failure) => {
                        self.message = words(&failure);
                        self.mode = Mode::Date(text);
                    }
                }
            }
        }
        None
    }

    fn target_key(&mut self, text: String, key: Key) -> Option<Action> {
        match typed(text, key) {
            Typed::More(text) => self.mode = Mode::Target(text),
            Typed::Left => {}
            Typed::Done(text) if text.is_empty() => {
                self.message = "type the directory to restore below; Esc goes back".to_owned();
                self.mode = Mode::Target(text);
            }
            Typed::Done(text) => return Some(Action::Restore(PathBuf::from(text))),
        }
        None
    }

    fn marked_key(&mut self, top: usize, key: Key) -> Option<Action> {
        let page = self.height.max(1);
        let lines = self.plan.as_ref().map_or(0, Vec::len);
        let last = match lines <= page {
            true => 0,
            // Long lines take up two.
            false => lines - page / 2,
        };
        let to = match key {
            Key::Up | Key::Char('k') => top.saturating_sub(1),
            Key::Down | Key::Char('j') => top + 1,
            Key::PageUp => top.saturating_sub(page),
            Key::PageDown | Key::Char(' ') => top + page,
            Key::Home => 0,
            Key::End => last,
            Key::Char('r') => return self.list_key(key),
            _ => return None,
        };
        self.mode = Mode::Marked(to.min(last));
        None
    }

    fn enter(&mut self) -> Option<Action> {
        let row = self.current()?;
        if !row.is_directory() {
            self.message = "no directory: space marks it".to_owned();
            return None;
        }
        self.path = row.path.clone();
        self.read()
    }

    fn leave(&mut self) -> Option<Action> {
        if self.path.is_empty() {
            return None;
        }
        let slash = self.path.iter().rposition(|&byte| byte == b'/');
        let above = self.path[..slash.unwrap_or(0)].to_vec();
        self.arrive_at = std::mem::replace(&mut self.path, above);
        self.read()
    }

    fn read(&mut self) -> Option<Action> {
        self.filter.clear();
        (self.rows, self.shown) = (Vec::new(), Vec::new());
        (self.cursor, self.top) = (0, 0);
        self.reading = true;
        Some(Action::List)
    }

    fn go(&mut self, place: usize) {
        self.cursor = place.min(self.shown.len().saturating_sub(1));
        self.scroll();
    }

    /// Keeps the cursor on the screen.
    pub fn scroll(&mut self) {
        let height = self.height.max(1);
        self.top = self.top.min(self.cursor);
        self.top = self.top.max((self.cursor + 1).saturating_sub(height));
    }

    fn filter_by(&mut self, text: String) {
        self.filter = text;
        let row = self.shown.get(self.cursor).copied();
        self.choose();
        let place = self.shown.iter().position(|shown| Some(*shown) == row);
        self.cursor = place.unwrap_or(0);
        self.scroll();
    }

    /// Which rows the filter lets through: a piece of the name as shown, in any case.
    fn choose(&mut self) {
        let wanted = self.filter.to_lowercase();
        let fits = |row: &Row| {
            wanted.is_empty() || shown(row.name()).to_lowercase().contains(wanted.as_str())
        };
        let rows = self.rows.iter().enumerate();
        self.shown = rows
            .filter(|(_, row)| fits(row))
            .map(|(at, _)| at)
            .collect();
    }

    fn mark_one(&mut self) -> Option<Action> {
        let row = self.current()?.clone();
        self.plan = None;
        if self.marked_above(&row.path) {
            self.message = "a directory above is marked, and this with it".to_owned();
            return None;
        }
        self.go(self.cursor + 1);
        if self.marks.remove(&row.path).is_some() {
            return None;
        }
        self.mark(&row);
        self.measure(vec![row])
    }

    fn mark_all(&mut self) -> Option<Action> {
        self.plan = None;
        let rows = self.shown.iter().map(|&row| self.rows[row].clone());
        let mut rows: Vec<Row> = rows.collect();
        rows.retain(|row| !self.is_marked(&row.path));
        rows.iter().for_each(|row| self.mark(row));
        self.measure(rows)
    }

    fn mark(&mut self, row: &Row) {
        let mark = Mark {
            is_directory: row.is_directory(),
            bytes: row.bytes,
        };
        self.marks.insert(row.path.clone(), mark);
    }

    fn unmark(&mut self) {
        self.marks.clear();
        self.plan = None;
        self.totals.retain(|_, total| *total != Total::Asked);
    }

    fn measure_current(&mut self) -> Option<Action> {
        let row = self.current()?.clone();
        self.measure(vec![row])
    }

    /// Asks for the sizes of those that are directories of unknown size.
    fn measure(&mut self, rows: Vec<Row>) -> Option<Action> {
        let known = |path: &Vec<u8>| {
            let total = self.totals.get(path);
            total.is_some_and(|total| *total != Total::Failed)
        };
        let unknown = rows.into_iter().filter(|row| row.is_directory());
        let unknown = unknown.map(|row| row.path).filter(|path| !known(path));
        let wanted: Vec<Vec<u8>> = unknown.collect();
        for path in &wanted {
            self.totals.insert(path.clone(), Total::Asked);
        }
        (!wanted.is_empty()).then_some(Action::Measure(wanted))
    }

    fn show_marked(&mut self) -> Option<Action> {
        if self.marks.is_empty() {
            self.message = "nothing is marked: space marks".to_owned();
            return None;
        }
        self.mode = Mode::Marked(0);
        self.plan.is_none().then_some(Action::Plan)
    }
}

/// What a key makes of a line that is being typed.
enum Typed {
    More(String),
    Done(String),
    Left,
}

fn typed(mut text: String, key: Key) -> Typed {
    match key {
        Key::Char(c) => text.push(c),
        Key::Backspace => {
            text.pop();
        }
        Key::Enter => return Typed::Done(text),
        Key::Escape => return Typed::Left,
        _ => {}
    }
    Typed::More(text)
}

fn words(failure: &Failure) -> String {
    failure.words(false).unwrap_or_default()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
