//! Hits of one path together: the version that holds it, in copies or parts.

use std::iter::Peekable;

use super::{Hit, Hits};
use crate::error::CatalogError;

/// Hits grouped by path. What cannot be read comes as an error of its own.
#[derive(Debug)]
pub(super) struct Groups {
    hits: Peekable<Hits>,
}

impl Groups {
    pub(super) fn new(hits: Hits) -> Groups {
        Groups {
            hits: hits.peekable(),
        }
    }
}

impl Iterator for Groups {
    type Item = Result<Vec<Hit>, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.hits.next()? {
            Ok(hit) => hit,
            Err(error) => return Some(Err(error)),
        };
        let mut group = vec![first];
        let same = |next: &Result<Hit, CatalogError>| {
            next.as_ref()
                .is_ok_and(|hit| hit.entry.path == group[0].entry.path)
        };
        let mut more = Vec::new();
        while let Some(Ok(hit)) = self.hits.next_if(same) {
            more.push(hit);
        }
        group.extend(more);
        Some(Ok(group))
    }
}
