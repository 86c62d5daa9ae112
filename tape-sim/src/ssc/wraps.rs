//! READ END OF WRAP POSITION (A3h/1Fh, qualifier 45h; IBM drives from LTO-7 on): the last object of
//! each wrap that has data.
//!
//! The list is of what was on the tape when it was loaded; its last entry is where the data ended.
//! Only the list of all wraps (RA) is told.

use std::io;

use super::DriveTarget;
use super::tape::Tape;
use crate::sense::Sense;
use crate::target::{Data, Reply, be32, send};

const QUALIFIER: u8 = 0x45;
/// Byte 3: a wrap number is given, or all wraps are to be told.
const WRAP_VALID: u8 = 0x01;
const REPORT_ALL: u8 = 0x02;
const HEADER_BYTES: usize = 4;
const LENGTH_FIELD_BYTES: usize = 2;

/// The end of a wrap.
struct WrapEnd {
    wrap: u16,
    partition: u16,
    last_object: u64,
}

impl DriveTarget {
    pub(super) fn read_wrap_ends(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if cdb[2] != QUALIFIER {
            return Err(Sense::invalid_cdb_field(2, None).into());
        }
        if cdb[3] & (REPORT_ALL | WRAP_VALID) != REPORT_ALL {
            return Err(Sense::invalid_cdb_field(3, None).into());
        }
        let ends = match wrap_ends(self.tape()?) {
            Ok(ends) => ends,
            Err(error) => return Err(self.read_failure(error)),
        };
        let mut reply = vec![0; HEADER_BYTES];
        for end in ends {
            reply.extend_from_slice(&end.wrap.to_be_bytes());
            reply.extend_from_slice(&end.partition.to_be_bytes());
            // Two reserved bytes, and six of the number.
            reply.extend_from_slice(&end.last_object.to_be_bytes());
        }
        // A tape has some hundred wraps, of twelve bytes each.
        let length = (reply.len() - LENGTH_FIELD_BYTES) as u16;
        reply[..LENGTH_FIELD_BYTES].copy_from_slice(&length.to_be_bytes());
        send(data, &reply, be32(cdb, 6) as usize)
    }
}

fn wrap_ends(tape: &mut Tape) -> io::Result<Vec<WrapEnd>> {
    // What is buffered has no place on the tape yet.
    tape.flush()?;
    let ends = tape.deck.geometry().ends().to_vec();
    let mut found = Vec::new();
    for partition in 0..tape.partitions().len() as u8 {
        let objects = tape.objects_at_load(partition);
        let mut first = 0;
        for (wrap, end) in ends.iter().enumerate() {
            if first == objects {
                break;
            }
            let behind = first_from(tape, partition, first..objects, *end)?;
            // Wraps before the partition hold nothing of it.
            if behind > 0 {
                found.push(WrapEnd {
                    wrap: wrap as u16,
                    partition: u16::from(partition),
                    last_object: behind - 1,
                });
            }
            first = behind;
        }
    }
    Ok(found)
}

/// The first of these objects that begins at `place_bytes` of the tape or behind it; their end if
/// none does.
fn first_from(
    tape: &mut Tape,
    partition: u8,
    objects: std::ops::Range<u64>,
    place_bytes: u64,
) -> io::Result<u64> {
    let (mut low, mut high) = (objects.start, objects.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = tape.place_bytes(partition, middle)?;
        match begin.is_some_and(|begin| begin < place_bytes) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}
