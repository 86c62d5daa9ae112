//! A member's content: its data to each destination, its logical content into the digest.

use super::destination::Destination;
use super::payload::{Payload, ScannerGone};
use crate::engine::content::ContentDigest;
use crate::monitor::Monitor;
use crate::volume::index::{Digest, DigestAlgorithm};
use crate::volume::member::{Extent, Kind, Member};

/// Pushes the content of `member`, which was begun, and ends it; gives it up where no
/// destination takes it any more.
///
/// The condition in the index is the file's state at the end of this member's data; for
/// the end of a file that is known only once the whole file was read.
pub(super) fn write(
    destinations: &mut [Destination<'_>],
    member: &Member,
    payload: &mut Payload<'_, '_>,
    algorithm: DigestAlgorithm,
    monitor: &dyn Monitor,
) -> Result<(), ScannerGone> {
    let known = payload.known_digest().filter(|_| member.part.is_none());
    let unknown = member.kind == Kind::File && known.is_none();
    let mut digest = unknown.then(|| ContentDigest::new(algorithm));
    let wanted = match &mut digest {
        Some(digest) => data(destinations, member, payload, digest, monitor)?,
        None => whole_data(destinations, member, payload, monitor)?,
    };
    if !wanted {
        return payload.abandon();
    }
    if member.part.is_none_or(|part| part.last) {
        monitor.advance(1, 0);
    }
    let condition = payload.finish()?.condition;
    let digest = digest.map(|digest| digest.finish()).or(known);
    for destination in destinations {
        destination.end(digest, condition);
    }
    Ok(())
}

/// The data of a small file whose digest is known, if there is any. False if nobody wants the
/// rest.
fn whole_data(
    destinations: &mut [Destination<'_>],
    member: &Member,
    payload: &mut Payload<'_, '_>,
    monitor: &dyn Monitor,
) -> Result<bool, ScannerGone> {
    let length_bytes = member.payload_bytes();
    if length_bytes > 0 {
        let (data, so_far) = payload.take(length_bytes)?;
        for destination in &mut *destinations {
            destination.data(data, so_far);
        }
        monitor.advance(0, length_bytes);
    }
    Ok(length_bytes == 0 || destinations.iter().any(Destination::is_at_work))
}

/// False if nobody wants the rest.
fn data(
    destinations: &mut [Destination<'_>],
    member: &Member,
    payload: &mut Payload<'_, '_>,
    digest: &mut ContentDigest,
    monitor: &dyn Monitor,
) -> Result<bool, ScannerGone> {
    let whole = [Extent {
        offset_bytes: 0,
        length_bytes: member.covered_bytes(),
    }];
    for extent in member.extents.as_deref().unwrap_or(&whole) {
        hole(digest, extent.offset_bytes, monitor);
        let mut left_bytes = extent.length_bytes;
        while left_bytes > 0 {
            let (data, so_far) = payload.take(left_bytes)?;
            digest.update(data);
            for destination in &mut *destinations {
                destination.data(data, so_far);
            }
            let taken_bytes = data.len() as u64;
            left_bytes -= taken_bytes;
            monitor.advance(0, taken_bytes);
            if !destinations.iter().any(Destination::is_at_work) {
                return Ok(false);
            }
        }
    }
    hole(digest, member.covered_bytes(), monitor);
    Ok(true)
}

/// The digest of a file that came whole; `None` if it has holes, which count as zeros.
pub(super) fn whole_digest(
    member: &Member,
    data: &[u8],
    algorithm: DigestAlgorithm,
) -> Option<Digest> {
    (member.kind == Kind::File && member.extents.is_none()).then(|| algorithm.digest(data))
}

/// A hole counts as done like the data that it stands for.
fn hole(digest: &mut ContentDigest, to_bytes: u64, monitor: &dyn Monitor) {
    let mut at_bytes = digest.position_bytes();
    while at_bytes != to_bytes {
        digest
            .advance_to(to_bytes)
            .expect("the pieces of a member are in order");
        let reached_bytes = digest.position_bytes();
        monitor.advance(0, reached_bytes - at_bytes);
        at_bytes = reached_bytes;
    }
}
