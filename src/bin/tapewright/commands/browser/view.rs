//! The browser's screen: header, list, footer. Works from 80 columns and 24 lines down to a few.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use tapewright::units::ByteSize;

use super::names::shown;
use super::state::{Mode, Model, Row, Total};
use crate::dates;
use crate::output::{counted, plain};

/// Lines around the list: path, heads, and two below.
const FRAME_LINES: u16 = 4;
/// Columns of size, time and kind, with the space before each.
const SIZE: u16 = 11;
const TIME: u16 = 18;
const KIND: u16 = 9;
/// Columns of the mark.
const MARK: u16 = 2;

const HELP: [&str; 17] = [
    "Up Down j k, PageUp PageDown, Home End   move in the list",
    "Enter Right l                            into the directory",
    "Left Backspace h                         out of it",
    "/ or other letters                       show only names with what is typed",
    "                                         (Enter keeps it, Esc shows all again)",
    "Space                                    mark; a directory: all that is in it",
    "a                                        mark all that is shown",
    "u                                        unmark everything",
    "s                                        count what lies below the directory",
    "t                                        tapes and time for what is marked",
    "r                                        restore what is marked",
    "d                                        look at another date",
    "q, Ctrl-C                                leave",
    "",
    "* is marked, + lies below what is. Nothing here changes a tape or the catalog,",
    "until r restores: then the screen closes, and it goes on as restore does.",
    "Any key goes back.",
];

/// Lines that the list has in so many lines of the screen.
pub fn list_height(lines: u16) -> usize {
    usize::from(lines.saturating_sub(FRAME_LINES))
}

/// Draws all of it.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height <= FRAME_LINES || area.width < MARK + SIZE {
        put(
            buffer,
            area,
            0,
            0,
            "the terminal is too small",
            Style::new(),
        );
        return;
    }
    header(model, area, buffer);
    match &model.mode {
        Mode::Help => text(&HELP, 0, area, buffer),
        Mode::Marked(top) => match &model.plan {
            Some(lines) => text(lines, *top, area, buffer),
            None => text(&["planning…"], 0, area, buffer),
        },
        _ => list(model, area, buffer),
    }
    footer(model, area, buffer);
}

fn bar() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn header(model: &Model, area: Rect, buffer: &mut Buffer) {
    let as_of = match model.as_of {
        Some(at) => format!("  as of {} ", dates::minute(at)),
        None => "  as of now ".to_owned(),
    };
    fill(buffer, area, 0, bar());
    let room = area.width.saturating_sub(width(&as_of));
    let path = tail(&format!(" /{}", shown(&model.path)), room);
    put(buffer, area, 0, 0, &path, bar());
    put(buffer, area, room, 0, &as_of, bar());
}

fn list(model: &Model, area: Rect, buffer: &mut Buffer) {
    let dim = Style::new().add_modifier(Modifier::DIM);
    line(
        area,
        buffer,
        1,
        ["", "NAME", "SIZE", "MODIFIED", "KIND"],
        dim,
    );
    let first = area.y + 2;
    let rows = model.shown.iter().enumerate().skip(model.top);
    for ((place, &row), y) in rows.zip(first..).take(list_height(area.height)) {
        let row = &model.rows[row];
        let mark = match (
            model.marks.contains_key(&row.path),
            model.is_marked(&row.path),
        ) {
            (true, _) => "*",
            (false, true) => "+",
            (false, false) => "",
        };
        let slash = if row.is_directory() { "/" } else { "" };
        let name = format!("{}{slash}", shown(row.name()));
        let style = match place == model.cursor {
            true => bar(),
            false => Style::new(),
        };
        let (size, time) = (size(model, row), time(row));
        line(
            area,
            buffer,
            y - area.y,
            [mark, &name, &size, &time, row.kind],
            style,
        );
    }
    if model.shown.is_empty() {
        let what = match (model.reading, model.rows.is_empty()) {
            (true, _) => "reading…",
            (false, true) => "nothing is here",
            (false, false) => "no name has this in it",
        };
        put(buffer, area, MARK, 2, what, Style::new());
    }
}

fn size(model: &Model, row: &Row) -> String {
    if !row.is_directory() {
        return ByteSize(row.bytes).to_string();
    }
    match model.totals.get(&row.path) {
        None => String::new(),
        Some(Total::Asked) => "…".to_owned(),
        Some(Total::Known { bytes, .. }) => ByteSize(*bytes).to_string(),
        Some(Total::Failed) => "unknown".to_owned(),
    }
}

/// To the minute.
fn time(row: &Row) -> String {
    let second = row.mtime.map_or_else(String::new, dates::second);
    second.chars().take(16).collect()
}

/// One line: mark, name, size, time and kind; on a narrow screen the last ones are left out.
fn line(area: Rect, buffer: &mut Buffer, y: u16, cells: [&str; 5], style: Style) {
    let [mark, name, size, time, kind] = cells;
    fill(buffer, area, y, style);
    put(buffer, area, 0, y, mark, style);
    let mut end = area.width;
    for (columns, cell) in [(KIND, kind), (TIME, time)] {
        if end >= MARK + SIZE + 2 * columns {
            end -= columns;
            put(buffer, area, end + 2, y, cell, style);
        }
    }
    put(
        buffer,
        area,
        end.saturating_sub(width(size)),
        y,
        size,
        style,
    );
    let room = end.saturating_sub(MARK + SIZE);
    let shown = Rect {
        width: MARK + room,
        ..area
    };
    put(buffer, shown, MARK, y, name, style);
    if width(name) > room && room > 0 {
        put(buffer, shown, MARK + room - 1, y, "…", style);
    }
}

/// Lines in place of the list, long ones wrapped.
fn text(lines: &[impl AsRef<str>], top: usize, area: Rect, buffer: &mut Buffer) {
    let height = list_height(area.height) + 1;
    let seen = lines.iter().skip(top).take(height);
    let seen: Vec<Line<'_>> = seen.map(|text| plain(text.as_ref()).into()).collect();
    let place = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(1),
        height: height as u16,
    };
    let text = Paragraph::new(seen).wrap(Wrap { trim: false });
    text.render(place.intersection(area), buffer);
}

fn footer(model: &Model, area: Rect, buffer: &mut Buffer) {
    let y = area.height - 2;
    fill(buffer, area, y, bar());
    let status = match &model.message {
        message if !message.is_empty() => message.lines().collect::<Vec<_>>().join(" "),
        _ => status(model),
    };
    put(buffer, area, 1, y, &plain(&status), bar());
    let typed = |what: &str, text: &str| {
        let room = area.width.saturating_sub(width(what) + 2);
        format!("{what}{}_", tail(&plain(text), room))
    };
    let keys = match &model.mode {
        Mode::List => {
            "enter/left go  space mark  a all  t tapes  r restore  d date  / filter  ? help"
                .to_owned()
        }
        Mode::Filter => typed("filter (Enter keeps, Esc clears): ", &model.filter),
        Mode::Date(text) => typed("date, such as 2026-11-01 (empty: now): ", text),
        Mode::Target(text) => typed("restore below: ", text),
        Mode::Marked(_) => "up/down scroll  r restore  any other key goes back".to_owned(),
        Mode::Help => "any key goes back".to_owned(),
    };
    put(buffer, area, 1, y + 1, &keys, Style::new());
}

/// What is marked, what is under the cursor, and how much there is.
fn status(model: &Model) -> String {
    let marked = match model.marks.len() as u64 {
        0 => "nothing marked".to_owned(),
        count => {
            let (bytes, whole) = model.marked_bytes();
            let more = if whole {
                ""
            } else {
                " and what is not counted yet"
            };
            format!("{count} marked, {}{more}", ByteSize(bytes))
        }
    };
    let total = model.current().and_then(|row| model.totals.get(&row.path));
    let below = match total {
        Some(Total::Known { files, .. }) => format!("; {} below", counted(*files, "file")),
        _ => String::new(),
    };
    let place = match model.shown.len() {
        0 => String::new(),
        count => format!("; {} of {count}", model.cursor + 1),
    };
    let filter = match (&model.mode, model.filter.as_str()) {
        (Mode::List, filter) if !filter.is_empty() => format!("; with `{filter}`"),
        _ => String::new(),
    };
    format!("{marked}{place}{below}{filter}")
}

fn width(text: &str) -> u16 {
    Span::raw(text).width().try_into().unwrap_or(u16::MAX)
}

/// The end of a text that fits into `columns`.
fn tail(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut rest = text;
    while width(rest) + 1 > columns {
        let mut chars = rest.chars();
        if chars.next().is_none() {
            return String::new();
        }
        rest = chars.as_str();
    }
    format!("…{rest}")
}

fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) {
    if x < area.width && y < area.height {
        let room = usize::from(area.width - x);
        buffer.set_stringn(area.x + x, area.y + y, text, room, style);
    }
}

fn fill(buffer: &mut Buffer, area: Rect, y: u16, style: Style) {
    let line = Rect {
        y: area.y + y,
        height: 1,
        ..area
    };
    buffer.set_style(line, style);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::state::{Key, Row};
    use super::*;

    fn row(path: &[u8], kind: &'static str, bytes: u64) -> Row {
        Row {
            path: path.to_vec(),
            kind,
            bytes,
            mtime: Some(86_400),
        }
    }

    /// The screen as lines.
    fn screen(model: &Model, columns: u16, lines: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("it has no I/O");
        terminal
            .draw(|frame| draw(model, frame.area(), frame.buffer_mut()))
            .expect("it has no I/O");
        let buffer = terminal.backend().buffer();
        let cell = |x, y| buffer[(x, y)].symbol().to_owned();
        let text = |y| (0..columns).map(|x| cell(x, y)).collect::<String>();
        (0..lines).map(|y| text(y).trim_end().to_owned()).collect()
    }

    fn model() -> Model {
        let mut model = Model::new(b"home".to_vec(), None, "back".to_owned());
        model.height = list_height(24);
        model.listed(
            vec![
                row(b"home/ana", "dir", 0),
                row(b"home/b\x1b[2J\xff", "file", 1_500),
                row("home/日本語の名前".as_bytes(), "file", 2_000_000),
                row(&[b"home/".as_slice(), &[b'x'; 200]].concat(), "symlink", 0),
            ],
            None,
        );
        model
    }

    #[test]
    fn a_small_terminal_shows_path_list_and_keys_and_no_control_characters() {
        let mut model = model();
        let _ = model.key(Key::Char(' '));
        model.measured(
            b"home/ana".to_vec(),
            Total::Known {
                files: 2,
                bytes: 3_000,
            },
        );
        let lines = screen(&model, 80, 24);
        assert!(lines[0].starts_with(" /home") && lines[0].ends_with("as of now"));
        assert!(
            lines[2].starts_with("* ana/ ") && lines[2].ends_with("dir"),
            "{}",
            lines[2]
        );
        assert!(lines[2].contains("3.00 kB"), "{}", lines[2]);
        assert!(lines[3].starts_with("  b\\u{1b}[2J\\xff "), "{}", lines[3]);
        assert!(lines[3].contains("1.50 kB  1970-01-0"), "{}", lines[3]);
        assert!(
            lines[5].contains("日") && lines[5].contains("2.00 MB"),
            "{}",
            lines[5]
        );
        assert!(
            lines[4].contains("x…") && lines[4].ends_with("symlink"),
            "{}",
            lines[4]
        );
        assert!(
            lines[22].contains("1 marked, 3.00 kB; 2 of 4"),
            "{}",
            lines[22]
        );
        assert!(lines[23].contains("? help"), "{}", lines[23]);
        assert!(!lines.concat().contains(char::is_control));
    }

    #[test]
    fn every_size_of_the_terminal_is_drawn() {
        let mut model = model();
        for key in ['l', '?', '/', 'd', 't'] {
            let _ = model.key(Key::Char(key));
            for (columns, lines) in [(1, 1), (13, 5), (20, 6), (40, 10), (80, 24), (300, 80)] {
                screen(&model, columns, lines);
            }
            let _ = model.key(Key::Escape);
        }
    }

    #[test]
    fn what_kept_a_plan_from_being_made_is_told_to_its_last_word() {
        let mut model = model();
        let _ = model.key(Key::Char(' '));
        let _ = model.key(Key::Char('t'));
        let path = "/srv".repeat(30);
        model.planned(vec![format!(
            "no library is set up in {path}\n  Make one: `library create`"
        )]);
        let lines = screen(&model, 80, 24);
        assert!(lines[1].contains("no library is set up"), "{lines:?}");
        assert!(
            lines
                .iter()
                .any(|line| line.ends_with("Make one: `library create`")),
            "{lines:?}"
        );
    }

    #[test]
    fn help_fits_into_a_small_terminal() {
        let mut model = model();
        let _ = model.key(Key::Char('?'));
        let lines = screen(&model, 80, 24);
        for (line, help) in lines[1..].iter().zip(HELP) {
            assert_eq!(line.trim_start(), help.trim());
        }
    }
}
