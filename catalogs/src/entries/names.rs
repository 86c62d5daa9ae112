//! The names of a block, looked at before anything else of it is.

use super::error::Fault;
use super::varint::Input;
use crate::model::MAX_PATH_BYTES;

/// Names that are looked for.
pub(crate) trait Wanted {
    /// Whether the name is looked for.
    fn wants(&self, path: &[u8]) -> bool;

    /// The same, of a name with a slash before it.
    fn wants_slashed(&self, slashed: &[u8]) -> bool {
        self.wants(&slashed[1..])
    }

    /// Whether no name from this one on is looked for.
    fn is_past(&self, path: &[u8]) -> bool;

    /// Whether a name that is looked for may be among these, each with a slash before it and a
    /// NUL after, which no name holds. `None`: they have to be looked at one by one.
    fn may_be_among(&self, _names: &[u8]) -> Option<bool> {
        None
    }
}

/// What a block is to one who looks for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It may have some of them.
    Wanted,
    /// It has none of them.
    Nothing,
    /// Nor has any block behind it.
    Past,
}

/// Memory for the names of one block after another.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Each with a slash before it and a NUL after.
    joined: Vec<u8>,
}

impl Names {
    /// Looks at the names in a column of so many.
    pub(super) fn look(
        &mut self,
        column: &[u8],
        entries: u16,
        wanted: &dyn Wanted,
    ) -> Result<Seen, Fault> {
        self.joined.clear();
        let together = wanted.may_be_among(&self.joined).is_some();
        let mut input = Input::new("column of paths", column);
        let mut last = 0;
        for _ in 0..entries {
            last = self.join(&mut input, last)?;
            if !together && wanted.wants_slashed(&self.joined[last..self.joined.len() - 1]) {
                return Ok(Seen::Wanted);
            }
        }
        if together && wanted.may_be_among(&self.joined) != Some(false) {
            return Ok(Seen::Wanted);
        }
        let path = self
            .joined
            .get(last + 1..self.joined.len().saturating_sub(1));
        Ok(match wanted.is_past(path.unwrap_or_default()) {
            true => Seen::Past,
            false => Seen::Nothing,
        })
    }

    /// Joins on the next name; `last` is where the one before begins, and the result where the
    /// new one does.
    fn join(&mut self, input: &mut Input<&[u8]>, last: usize) -> Result<usize, Fault> {
        let before = (self.joined.len() - last).saturating_sub(2);
        let shared = input.length(before)?;
        let length = input.length(MAX_PATH_BYTES - shared)?;
        let begin = self.joined.len();
        match begin {
            0 => self.joined.push(b'/'),
            _ => self.joined.extend_from_within(last..last + 1 + shared),
        }
        self.joined.extend_from_slice(input.take(length)?);
        self.joined.push(0);
        Ok(begin)
    }
}
