//! Moving over the loaded tape: by object, block and filemark. The index of filemarks makes each
//! motion a search, however many objects lie between.

use std::io;

use super::Tape;

/// What stopped a motion before its count was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// A filemark; `residual` units were not moved over.
    Filemark {
        /// Units not moved over.
        residual: u64,
    },
    /// The end of data.
    EndOfData {
        /// Units not moved over.
        residual: u64,
    },
    /// The beginning of the partition.
    Beginning {
        /// Units not moved over.
        residual: u64,
    },
}

impl Tape {
    /// Moves to `object` of `partition`, or to EOD if there are fewer. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn locate_object(&mut self, partition: u8, object: u64) -> io::Result<Option<Halt>> {
        self.flush()?;
        self.partition = usize::from(partition).min(self.partitions.len() - 1);
        let end = self.end_object();
        self.object = object.min(end);
        Ok((object > end).then_some(Halt::EndOfData {
            residual: object.saturating_sub(end),
        }))
    }

    /// Moves behind filemark number `file` of `partition` (0: to BOP), or to EOD. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn locate_file(&mut self, partition: u8, file: u64) -> io::Result<Option<Halt>> {
        self.locate_object(partition, 0)?;
        self.space_filemarks_forward(file)
    }

    /// Moves to EOD of `partition`. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn locate_end(&mut self, partition: u8) -> io::Result<()> {
        self.locate_object(partition, u64::MAX).map(drop)
    }

    /// Moves over `count` blocks, backwards if negative; a filemark halts behind itself in the
    /// direction of motion. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn space_blocks(&mut self, count: i64) -> io::Result<Option<Halt>> {
        self.flush()?;
        let (from, end, wanted) = (self.object, self.end_object(), count.unsigned_abs());
        let marks = self.current().filemarks();
        let marks_before = marks.partition_point(|mark| *mark < from);
        let (to, halt) = if count >= 0 {
            let mark = marks.get(marks_before).copied();
            match mark.filter(|mark| mark - from < wanted) {
                Some(mark) => {
                    let residual = wanted - (mark - from);
                    (mark + 1, Some(Halt::Filemark { residual }))
                }
                None if wanted > end - from => {
                    let residual = wanted - (end - from);
                    (end, Some(Halt::EndOfData { residual }))
                }
                None => (from + wanted, None),
            }
        } else {
            let mark = marks_before.checked_sub(1).map(|before| marks[before]);
            match mark.filter(|mark| from - mark <= wanted) {
                Some(mark) => {
                    let residual = wanted - (from - mark - 1);
                    (mark, Some(Halt::Filemark { residual }))
                }
                None if wanted > from => {
                    let residual = wanted - from;
                    (0, Some(Halt::Beginning { residual }))
                }
                None => (from - wanted, None),
            }
        };
        self.object = to;
        Ok(halt)
    }

    /// Moves over `count` filemarks, backwards if negative. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn space_filemarks(&mut self, count: i64) -> io::Result<Option<Halt>> {
        if count >= 0 {
            return self.space_filemarks_forward(count.unsigned_abs());
        }
        self.flush()?;
        let before = self.file();
        let wanted = count.unsigned_abs();
        // The number of marks is the length of a Vec.
        let target = before
            .checked_sub(wanted)
            .map(|at| self.current().filemarks()[at as usize]);
        self.object = target.unwrap_or(0);
        Ok(target.is_none().then_some(Halt::Beginning {
            residual: wanted.saturating_sub(before),
        }))
    }

    fn space_filemarks_forward(&mut self, wanted: u64) -> io::Result<Option<Halt>> {
        self.flush()?;
        if wanted == 0 {
            return Ok(None);
        }
        let before = self.file();
        let marks = self.current().filemarks();
        let last = usize::try_from(before.saturating_add(wanted - 1)).ok();
        match last.and_then(|last| marks.get(last)) {
            Some(mark) => {
                self.object = mark + 1;
                Ok(None)
            }
            None => {
                let residual = wanted - (marks.len() as u64 - before);
                self.object = self.end_object();
                Ok(Some(Halt::EndOfData { residual }))
            }
        }
    }
}
