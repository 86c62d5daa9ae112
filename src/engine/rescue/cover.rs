//! Which parts of a file that was cut make it whole again, of all that were saved.

use super::log::{Piece, Proof, Whole};

/// Parts that make a whole file together, and what they lack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// Which ones, in the order of their bytes.
    pub(super) chosen: Vec<usize>,
    pub(super) gaps: Vec<(u64, Option<u64>)>,
    pub(super) size_bytes: u64,
}

impl Cover {
    /// Of several copies of the same bytes the one that reaches farthest is taken, of equal ones
    /// the one that is proven, and then the one that is in its place already. But the first is
    /// where a join was begun, if one was: the file has other parts, too.
    pub(super) fn of(whole: &Whole, pieces: &[Piece]) -> Self {
        let by_last = pieces.iter().find(|piece| piece.part.last);
        let size = whole.size_bytes.or(by_last.map(Piece::end_bytes));
        let begun = begun(pieces);
        let mut chosen: Vec<usize> = begun.into_iter().collect();
        let mut at = begun.map_or(0, |number| pieces[number].end_bytes());
        let mut gaps = Vec::new();
        let offset = |number: &usize| pieces[*number].part.offset_bytes;
        let reach = |number: &usize| {
            let piece = &pieces[*number];
            let in_place = begun.is_some_and(|begun| piece.shares_file(&pieces[begun]));
            (piece.end_bytes(), piece.proof == Proof::Digest, in_place)
        };
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(offset);
        let mut order = order.into_iter().peekable();
        let mut best: Option<usize> = None;
        while size.is_none_or(|size| at < size) {
            while let Some(number) = order.next_if(|number| offset(number) <= at) {
                best = best.into_iter().chain([number]).max_by_key(reach);
            }
            if let Some(number) = best.filter(|number| reach(number).0 > at) {
                chosen.push(number);
                at = pieces[number].end_bytes();
                continue;
            }
            let next = order.peek().map(offset);
            gaps.push((at, next.or(size)));
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Self {
            chosen,
            gaps,
            size_bytes: size.unwrap_or(at),
        }
    }
}

/// The first part in whose file a join was begun: it has bytes of most parts.
fn begun(pieces: &[Piece]) -> Option<usize> {
    let in_it = |number: usize| sharing(&pieces[number], pieces);
    let firsts = (0..pieces.len()).filter(|number| pieces[*number].part.offset_bytes == 0);
    let begun = firsts.filter(|number| in_it(*number) > 1);
    begun.max_by_key(|number| (in_it(*number), pieces[*number].end_bytes()))
}

/// How many parts are in the file of this one.
pub(super) fn sharing(piece: &Piece, pieces: &[Piece]) -> usize {
    pieces.iter().filter(|one| one.shares_file(piece)).count()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::units::TapeFile;
    use crate::volume::member::{FileTime, Part};

    fn pieces(parts: &[(u32, u64, u64, bool)], size_bytes: Option<u64>) -> (Whole, Vec<Piece>) {
        let whole = Whole {
            path: b"f".to_vec(),
            job: None,
            mtime: FileTime::default(),
            size_bytes,
        };
        let piece = |&(number, offset_bytes, length_bytes, last): &(u32, u64, u64, bool)| Piece {
            whole: whole.clone(),
            part: Part {
                number,
                offset_bytes,
                length_bytes,
                last,
                open: size_bytes.is_none(),
            },
            proof: Proof::Length,
            tape: PathBuf::new(),
            file: TapeFile(1),
            name: format!("{number} at {offset_bytes}").into_bytes(),
            at_bytes: 0,
        };
        let pieces = parts.iter().map(piece).collect();
        (whole, pieces)
    }

    #[test]
    fn parts_cover_a_file_or_what_they_lack_is_named_to_the_byte() {
        type Case = (
            &'static [(u32, u64, u64, bool)],
            Option<u64>,
            &'static [usize],
            &'static [(u64, Option<u64>)],
        );
        let cases: [Case; 9] = [
            (
                &[(1, 0, 10, false), (2, 10, 5, true)],
                Some(15),
                &[0, 1],
                &[],
            ),
            (
                &[(2, 10, 5, true), (1, 0, 10, false)],
                Some(15),
                &[1, 0],
                &[],
            ),
            (&[(2, 10, 5, true)], Some(15), &[0], &[(0, Some(10))]),
            (&[(1, 0, 10, false)], Some(15), &[0], &[(10, Some(15))]),
            (&[(1, 0, 10, false)], None, &[0], &[(10, None)]),
            (
                &[(1, 0, 4, false), (3, 9, 2, true)],
                None,
                &[0, 1],
                &[(4, Some(9))],
            ),
            // Another copy was cut elsewhere.
            (
                &[(1, 0, 10, false), (2, 10, 9, false), (2, 7, 13, true)],
                Some(20),
                &[0, 2],
                &[],
            ),
            (&[(1, 0, 0, true)], None, &[], &[]),
            (&[(1, 0, 5, false), (2, 5, 0, true)], None, &[0], &[]),
        ];
        for (parts, size_bytes, chosen, gaps) in cases {
            let (whole, pieces) = pieces(parts, size_bytes);
            let cover = Cover::of(&whole, &pieces);
            assert_eq!(cover.chosen, chosen, "{parts:?}");
            assert_eq!(cover.gaps, gaps, "{parts:?}");
        }
    }
}
