//! The terminal as a full screen, given back however the browser ends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::state::Key;

/// The terminal is ours now, and has to be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The full screen, until it is dropped.
pub struct Screen {
    pub terminal: Terminal<CrosstermBackend<BufWriter<File>>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    ///
    /// There is none, or it does not do what is asked.
    pub fn enter() -> io::Result<Screen> {
        HOOK.call_once(|| {
            let told = std::panic::take_hook();
            // What is told of a panic would be lost with the screen.
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                told(panic);
            }));
        });
        let mut tty = open()?;
        let backend = CrosstermBackend::new(BufWriter::new(open()?));
        TAKEN.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode()
            .and_then(|()| execute!(tty, EnterAlternateScreen, Hide))
            .and_then(|()| Terminal::new(backend));
        match entered {
            Ok(terminal) => Ok(Screen { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // What is drawn and not yet written belongs before the end.
        let _ = self.terminal.backend_mut().flush();
        give_back();
    }
}

/// By its own name, since standard output is locked by the thread that prints results.
fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Each by itself: where one fails the other still helps.
        let _ = disable_raw_mode();
        if let Ok(mut tty) = open() {
            let _ = execute!(tty, LeaveAlternateScreen, Show);
        }
    }
}

/// What came from the terminal.
pub enum Input {
    Key(Key),
    /// It has another size now.
    Resized,
    Nothing,
}

/// Waits a little for a key.
///
/// # Errors
///
/// The terminal is gone.
pub fn input(patience: Duration) -> io::Result<Input> {
    if !event::poll(patience)? {
        return Ok(Input::Nothing);
    }
    Ok(match event::read()? {
        Event::Key(event) => key(event).map_or(Input::Nothing, Input::Key),
        Event::Resize(..) => Input::Resized,
        _ => Input::Nothing,
    })
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char('h') if control => Key::Backspace,
        KeyCode::Char('j') if control => Key::Enter,
        KeyCode::Char(_) if control || event.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Esc => Key::Escape,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
