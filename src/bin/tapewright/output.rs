//! Results on stdout: aligned text for people, JSON lines for programs.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use serde::Serialize;
use tapewright::jobs::Failure as JobFailure;

/// Where results go, and in which form.
pub struct Output {
    json: bool,
    lines_left: usize,
    out: BufWriter<Box<dyn Write>>,
}

impl Output {
    /// Standard output, as JSON or as text.
    pub fn new(json: bool) -> Self {
        Self::over(json, Box::new(io::stdout().lock()))
    }

    /// Standard error, as text: for what accompanies a result.
    pub fn aside() -> Self {
        Self::over(false, Box::new(io::stderr()))
    }

    fn over(json: bool, out: Box<dyn Write>) -> Self {
        Self {
            json,
            lines_left: usize::MAX,
            out: BufWriter::new(out),
        }
    }

    /// True if results are to be printed as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Drops every text line after the next `lines`, as `head` does.
    pub fn limit_lines(&mut self, lines: usize) {
        self.lines_left = lines;
    }

    /// One result as one line of JSON.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        writeln!(self.out)
    }

    /// One line of text.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.lines_left == 0 {
            return Ok(());
        }
        self.lines_left -= 1;
        writeln!(self.out, "{}", plain(text.as_ref().trim_end()))
    }

    /// Raw bytes.
    pub fn raw(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Rows under a head, columns as wide as their widest cell. A column whose head ends
    /// in a space and `>` is aligned to the right.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let right: Vec<bool> = head.iter().map(|name| name.ends_with(" >")).collect();
        let head: Vec<String> = head
            .iter()
            .map(|name| name.trim_end_matches(" >").to_owned())
            .collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells
                    .chain(head.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for row in std::iter::once(&head).chain(rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .zip(&right)
                .map(|((cell, width), right)| match right {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                })
                .collect();
            self.line(cells.join("  "))?;
        }
        Ok(())
    }
}

/// One line on standard error, for people.
pub fn tell(text: impl AsRef<str>) {
    // Who closed it does not want to hear of it.
    let _ = writeln!(io::stderr(), "{}", plain(text.as_ref()));
}

/// What failed, behind the words of what it is a failure of, and what to do next.
pub fn tell_failure(of: &str, failure: &JobFailure) {
    tell(format!("tapewright: {of}{}", failure.what));
    if let Some(advice) = &failure.advice {
        tell(format!("  {advice}"));
    }
}

/// The text without what would act on a terminal or forge lines: control characters and
/// marks that reverse the direction of writing are shown as escapes. Names on tape are
/// anyone's choice.
pub fn plain(text: &str) -> Cow<'_, str> {
    let acts =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match acts(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    });
    Cow::Owned(shown.collect())
}

/// `1 file`, `2 files`.
pub fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_act_on_the_terminal() {
        for (name, shown) in [
            ("plain, Grüße", "plain, Grüße"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("two\nlines", "two\\nlines"),
            ("txt.\u{202e}exe", "txt.\\u{202e}exe"),
        ] {
            assert_eq!(plain(name), shown);
        }
    }
}
