//! A member's content: its data into the segment, its logical content into the digest.

use super::output::Halt;
use super::payload::Payload;
use super::records::{DriveStopped, Records};
use crate::engine::content::ContentDigest;
use crate::monitor::Monitor;
use crate::volume::index::Digest;
use crate::volume::member::{Extent, Kind, Member};
use crate::volume::segment::{SegmentBuilder, SegmentError};

/// Writes the content of `member`, which was begun, and ends it.
///
/// The condition in the index is the file's state at the end of this member's data; for
/// the end of a file that is known only once the whole file was read.
pub(super) fn write(
    builder: &mut SegmentBuilder<Records>,
    member: &Member,
    payload: &mut Payload<'_, '_>,
    monitor: &dyn Monitor,
) -> Result<(), Halt> {
    if member.kind != Kind::File {
        let end = payload.finish()?;
        monitor.advance(1, 0);
        return builder.end(None, end.condition).map_err(stopped);
    }
    if let Some(digest) = payload.known_digest().filter(|_| member.part.is_none()) {
        return write_whole(builder, member, payload, digest, monitor);
    }
    let mut digest = ContentDigest::new();
    let whole = [Extent {
        offset_bytes: 0,
        length_bytes: member.covered_bytes(),
    }];
    for extent in member.extents.as_deref().unwrap_or(&whole) {
        hole(&mut digest, extent.offset_bytes, monitor);
        let mut left_bytes = extent.length_bytes;
        while left_bytes > 0 {
            let data = payload.take(left_bytes)?;
            digest.update(data);
            builder.data(data).map_err(stopped)?;
            left_bytes -= data.len() as u64;
            monitor.advance(0, data.len() as u64);
        }
    }
    hole(&mut digest, member.covered_bytes(), monitor);
    let last = member.part.is_none_or(|part| part.last);
    let condition = if last {
        monitor.advance(1, 0);
        payload.finish()?.condition
    } else {
        payload.condition_so_far()
    };
    builder
        .end(Some(digest.finish()), condition)
        .map_err(stopped)
}

/// Writes a small file whose digest is known.
fn write_whole(
    builder: &mut SegmentBuilder<Records>,
    member: &Member,
    payload: &mut Payload<'_, '_>,
    digest: Digest,
    monitor: &dyn Monitor,
) -> Result<(), Halt> {
    let length_bytes = member.payload_bytes();
    if length_bytes > 0 {
        builder.data(payload.take(length_bytes)?).map_err(stopped)?;
    }
    monitor.advance(1, length_bytes);
    let condition = payload.finish()?.condition;
    builder.end(Some(digest), condition).map_err(stopped)
}

/// The digest of a file that came whole; `None` if it has holes, which count as zeros.
pub(super) fn whole_digest(member: &Member, data: &[u8]) -> Option<Digest> {
    (member.kind == Kind::File && member.extents.is_none()).then(|| blake3::hash(data).into())
}

/// Within a member nothing but the sink can fail.
fn stopped(_: SegmentError<DriveStopped>) -> Halt {
    Halt::DriveStopped
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
