//! How long the lines of members in the index may become, before all is known of them.

use crate::units::BlockAddress;
use crate::volume::index::{self, Codec, Digest, FileLine, Place};
use crate::volume::member::{Condition, Kind, Member};

/// More than the longest line that a member can get: texts are escaped, and repeated at the
/// most in another form.
pub(super) fn line_bound_bytes(member: &Member) -> u64 {
    const FIXED_BYTES: usize = 2048;
    const TEXT_FACTOR: usize = 12;
    let link = match &member.kind {
        Kind::Hardlink(target) | Kind::Symlink(target) => target.len(),
        _ => 0,
    };
    let texts = member.path.len() + link + member.user.len() + member.group.len();
    (FIXED_BYTES + TEXT_FACTOR * texts) as u64
}

/// The longest line that a member can get.
pub(super) fn longest_line(member: &Member, codec: Codec) -> FileLine {
    let place = Place {
        block: BlockAddress(u64::MAX),
        offset_bytes: u32::MAX,
        length_bytes: u64::MAX,
        skip_bytes: (codec == Codec::Zstd).then_some(u32::MAX),
    };
    let digest = (member.kind == Kind::File).then_some(Digest([0; 32]));
    FileLine::new(member, place, digest, Condition::Unreadable)
}

/// How long a line may become whose place on tape alone is not known.
pub(super) fn bound_bytes(line: &mut FileLine) -> u64 {
    let place = line.place;
    (line.place.block, line.place.offset_bytes) = (BlockAddress(u64::MAX), u32::MAX);
    let bytes = index::line_bytes(line);
    line.place = place;
    bytes
}
