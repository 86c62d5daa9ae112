//! A member's content: its data to each destination, its logical content into the digest.

use super::destination::Destination;
use super::payload::{Payload, ScannerGone};
use super::shared::Shared;
use crate::engine::content::{ContentDigest, OutOfOrder};
use crate::engine::source::Remark;
use crate::monitor::Monitor;
use crate::volume::index::{Digest, DigestAlgorithm};
use crate::volume::member::{Condition, Extent, Kind, Member};

/// Pushes the content of `member`, which was begun, and ends it; gives it up where no
/// destination takes it any more.
///
/// The condition in the index is the file's state at the end of this member's data; for
/// the end of a file that is known only once the whole file was read. A file without digest, since
/// a hole of it was left on request, is not whole.
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
    let wanted = match unknown {
        true => data(destinations, member, payload, &mut digest, monitor)?,
        false => whole_data(destinations, member, payload, monitor)?,
    };
    if !wanted {
        return payload.abandon();
    }
    if member.part.is_none_or(|part| part.last) {
        monitor.advance(1, 0);
    }
    await_more(destinations, payload);
    let mut condition = payload.finish()?.condition;
    if unknown && digest.is_none() {
        condition = Condition::Unreadable;
    }
    let digest = digest.map(|digest| digest.finish()).or(known);
    for destination in destinations {
        destination.end(digest, condition);
    }
    Ok(())
}

/// Waits for more of a file, whose source may sleep, and commits meanwhile what is confirmed.
fn await_more(destinations: &mut [Destination<'_>], payload: &mut Payload<'_, '_>) {
    while !payload.comes() {
        destinations.iter_mut().for_each(Destination::keep_up);
    }
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
    digest: &mut Option<ContentDigest>,
    monitor: &dyn Monitor,
) -> Result<bool, ScannerGone> {
    let in_order = "the pieces of a member are in order";
    let shared = destinations[0].shared;
    let whole = [Extent {
        offset_bytes: 0,
        length_bytes: member.covered_bytes(),
    }];
    for extent in member.extents.as_deref().unwrap_or(&whole) {
        hole(digest, extent.offset_bytes, shared, monitor).expect(in_order);
        let mut left_bytes = extent.length_bytes;
        while left_bytes > 0 {
            await_more(destinations, payload);
            let (data, so_far) = payload.take(left_bytes)?;
            if let Some(digest) = digest {
                digest.update(data);
            }
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
    hole(digest, member.covered_bytes(), shared, monitor).expect(in_order);
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

/// Digests the hole up to `to_bytes`, which counts as done like the data that it stands for. Where
/// the user asks to stop meanwhile, it is left, and there is no digest of the member any more.
pub(super) fn hole(
    digest: &mut Option<ContentDigest>,
    to_bytes: u64,
    shared: &Shared<'_>,
    monitor: &dyn Monitor,
) -> Result<(), OutOfOrder> {
    while let Some(hashed) = digest {
        let from_bytes = hashed.position_bytes();
        let arrived = hashed.advance_to(to_bytes)?;
        monitor.advance(0, hashed.position_bytes() - from_bytes);
        if arrived {
            break;
        }
        if shared.monitor.stop_requested() {
            *digest = None;
            shared.left_hole.set(true);
        }
    }
    Ok(())
}

/// What is to be said of a file at `path` in which a hole was left.
pub(super) fn left_hole(path: &[u8]) -> Remark {
    let what = "stopped on request in a hole of it, before its digest was made: `archive --resume` \
                archives it again";
    Remark::problem(path, what)
}
