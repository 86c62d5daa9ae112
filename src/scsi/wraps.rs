//! READ END OF WRAP POSITION data: the last object of each wrap that has data (IBM drives from
//! LTO-7 on; scsi-tape facts 3.13).

use super::BadReply;
use super::bytes::{u16_at, u64_at};

/// Room for the reply of a tape with more wraps than any has.
pub const BYTES: usize = HEADER_BYTES + WRAPS_MAX * DESCRIPTOR_BYTES;

const WRAPS_MAX: usize = 4096;
const HEADER_BYTES: usize = 4;
/// The field does not count its own two bytes.
const LENGTH_FIELD_BYTES: usize = 2;
const DESCRIPTOR_BYTES: usize = 12;
const PARTITION_AT: usize = 2;
/// Two reserved bytes and six of the number.
const LAST_OBJECT_AT: usize = 4;
const LAST_OBJECT: u64 = 0xFFFF_FFFF_FFFF;

const REPLY: &str = "READ END OF WRAP POSITION data";

/// The end of a wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrapEnd {
    /// Number of the wrap, from 0.
    pub wrap: u16,
    /// The partition that it is in.
    pub partition: u16,
    /// The last object in it; in the last wrap that has data the last object on the tape.
    pub last_object: u64,
}

/// Decodes the list of all wraps, of which each is named once and none ends before the one before
/// it in its partition.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than it says, or not such a list.
pub fn parse_wrap_ends(data: &[u8]) -> Result<Vec<WrapEnd>, BadReply> {
    let short = || BadReply::short(REPLY);
    let length = usize::from(u16_at(data, 0).ok_or_else(short)?) + LENGTH_FIELD_BYTES;
    let list = data.get(HEADER_BYTES..length).ok_or_else(short)?;
    let (descriptors, rest) = list.as_chunks::<DESCRIPTOR_BYTES>();
    if !rest.is_empty() {
        return Err(short());
    }
    let mut ends: Vec<WrapEnd> = Vec::with_capacity(descriptors.len());
    for descriptor in descriptors {
        let end = WrapEnd {
            wrap: u16_at(descriptor, 0).ok_or_else(short)?,
            partition: u16_at(descriptor, PARTITION_AT).ok_or_else(short)?,
            last_object: u64_at(descriptor, LAST_OBJECT_AT).ok_or_else(short)? & LAST_OBJECT,
        };
        let follows = ends.last().is_none_or(|before| {
            let is_later = end.last_object >= before.last_object;
            end.wrap > before.wrap && (end.partition != before.partition || is_later)
        });
        if !follows {
            let problem = "wraps that do not follow each other";
            return Err(BadReply {
                reply: REPLY,
                problem,
            });
        }
        ends.push(end);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply with these wraps, partitions and last objects.
    fn reply(ends: &[(u16, u16, u64)]) -> Vec<u8> {
        let length = (2 + ends.len() * DESCRIPTOR_BYTES) as u16;
        let mut data = length.to_be_bytes().to_vec();
        data.extend([0, 0]);
        for (wrap, partition, last) in ends {
            data.extend(wrap.to_be_bytes());
            data.extend(partition.to_be_bytes());
            data.extend(last.to_be_bytes());
        }
        data
    }

    #[test]
    fn a_list_is_taken_only_if_its_wraps_follow_each_other() {
        for (what, ends, is_good) in [
            ("a blank tape", &[][..], true),
            ("two wraps", &[(0, 0, 100), (1, 0, 201)], true),
            (
                "a wrap without an object of its own",
                &[(0, 0, 7), (1, 0, 7)],
                true,
            ),
            (
                "two partitions",
                &[(0, 0, 100), (1, 0, 201), (4, 1, 3)],
                true,
            ),
            ("a wrap twice", &[(0, 0, 100), (0, 0, 201)], false),
            ("backwards", &[(0, 0, 100), (1, 0, 99)], false),
        ] {
            let found = parse_wrap_ends(&reply(ends));
            assert_eq!(found.is_ok(), is_good, "{what}: {found:?}");
            let told = found.unwrap_or_default();
            if is_good {
                let told = told
                    .iter()
                    .map(|end| (end.wrap, end.partition, end.last_object));
                assert_eq!(told.collect::<Vec<_>>(), ends, "{what}");
            }
        }
    }

    #[test]
    fn a_list_that_is_cut_short_is_none() {
        let whole = reply(&[(0, 0, 100), (1, 0, 201)]);
        for length in 0..whole.len() {
            assert!(parse_wrap_ends(&whole[..length]).is_err(), "{length}");
        }
        // Reserved bytes before the number may hold anything, what is behind the list too.
        let mut odd = whole.clone();
        odd[8..10].fill(0xFF);
        odd.push(9);
        assert_eq!(parse_wrap_ends(&odd), parse_wrap_ends(&whole));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_wrap_ends(&data);
        }
    }
}
