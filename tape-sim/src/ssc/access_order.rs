//! Recommended access order (SSC-5, IBM LTO reference §4.6.3): the host names segments of the tape,
//! the drive says in which order to read them so that the tape runs least.
//!
//! Only full-height drives from LTO-9 on have it. The list is made for the position at which it is
//! asked for, and kept until another is made or the medium goes; nothing else makes it invalid.

mod route;

use std::io;

use super::DriveTarget;
use crate::sense::{self, Sense};
use crate::target::{Data, Refusal, Reply, be16, be32, be64, receive, send};
use route::{Segment, Track};

/// Most segments of a list.
const MAX_SEGMENTS: u16 = 2730;
/// A segment without geometry, its two bytes of length included.
const SEGMENT_BYTES: usize = 32;
const SEGMENT_LENGTH_FIELD: u16 = 0x1E;
const PARTITION_AT: usize = 15;
const BEGINNING_AT: usize = 16;
const ENDING_AT: usize = 24;
const HEADER_BYTES: usize = 8;
/// GENERATE byte 2: keep the order, or find a better one.
const PROCESS: u8 = 0x07;
const IN_ORDER: u8 = 1;
const REORDER: u8 = 2;
/// Byte 3 of GENERATE and byte 10 of RECEIVE: UDS type; 0 is the one without geometry.
const UDS_TYPE: u8 = 0x07;
/// RECEIVE byte 1.
const UDS_LIMITS: u8 = 0x80;
/// Status of a list that holds all segments.
const COMPLETE: u8 = 1;

/// A segment as the host sent it.
type Descriptor = [u8; SEGMENT_BYTES];

/// The last list that was made; without one there is none.
#[derive(Debug, Default)]
pub(super) struct AccessOrder(Option<(u8, Vec<Descriptor>)>);

impl DriveTarget {
    /// GENERATE RECOMMENDED ACCESS ORDER, A4h/1Dh.
    pub(super) fn generate_access_order(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let process = cdb[2] & PROCESS;
        if !matches!(process, IN_ORDER | REORDER) {
            return Err(Sense::invalid_cdb_field(2, Some(2)).into());
        }
        if cdb[3] & UDS_TYPE != 0 {
            return Err(Sense::invalid_cdb_field(3, Some(2)).into());
        }
        let len = be32(cdb, 6) as usize;
        let list = receive(data, len)?;
        self.access_order = AccessOrder::default();
        if list.is_empty() {
            return Ok(0);
        }
        let descriptors = parse(list)?;
        let (here, segments) = self.segments(&descriptors)?;
        let deck = &self.tape()?.deck;
        let track = Track {
            mechanics: deck.mechanics(),
            geometry: deck.geometry(),
        };
        let order = match process {
            REORDER => route::recommended(here, track, &segments),
            _ => (0..segments.len()).collect(),
        };
        let ordered = order.iter().map(|number| descriptors[*number]).collect();
        self.access_order = AccessOrder(Some((process, ordered)));
        Ok(len)
    }

    /// RECEIVE RECOMMENDED ACCESS ORDER, A3h/1Dh.
    pub(super) fn receive_access_order(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if cdb[10] & UDS_TYPE != 0 {
            return Err(Sense::invalid_cdb_field(10, Some(2)).into());
        }
        let allocation = be32(cdb, 6) as usize;
        if cdb[1] & UDS_LIMITS != 0 {
            let mut limits = MAX_SEGMENTS.to_be_bytes().to_vec();
            limits.extend_from_slice(&(SEGMENT_BYTES as u16).to_be_bytes());
            return send(data, &limits, allocation);
        }
        let mut reply = vec![0; HEADER_BYTES];
        if let Some((process, ordered)) = &self.access_order.0 {
            reply[0] = *process;
            reply[1] = COMPLETE;
            let bytes = (ordered.len() * SEGMENT_BYTES) as u32;
            reply[4..8].copy_from_slice(&bytes.to_be_bytes());
            reply.extend_from_slice(ordered.as_flattened());
        }
        let offset = be32(cdb, 2) as usize;
        match reply.get(offset..) {
            Some(rest) if offset.is_multiple_of(4) => send(data, rest, allocation),
            _ => Err(Sense::invalid_cdb_field(2, None).into()),
        }
    }

    /// Where the tape is, and where the segments lie on it, in bytes from its beginning.
    fn segments(&mut self, descriptors: &[Descriptor]) -> Result<(u64, Vec<Segment>), Refusal> {
        let tape = self.tape()?;
        let mut segments = Vec::with_capacity(descriptors.len());
        let mut read = || -> io::Result<Result<u64, Sense>> {
            // What is buffered has no place on the tape yet.
            tape.flush()?;
            for (number, descriptor) in descriptors.iter().enumerate() {
                let partition = descriptor[PARTITION_AT];
                let (first, last) = (be64(descriptor, BEGINNING_AT), be64(descriptor, ENDING_AT));
                let at = HEADER_BYTES + number * SEGMENT_BYTES;
                if usize::from(partition) >= tape.partitions().len() {
                    return Ok(Err(Sense::invalid_parameter(at + PARTITION_AT, None)));
                }
                if first > last {
                    return Ok(Err(Sense::invalid_parameter(at + ENDING_AT, None)));
                }
                let mut place = |object| tape.place_bytes(partition, object);
                match (place(first)?, place(last)?) {
                    (Some(begin), Some(end)) => segments.push(Segment { begin, end }),
                    _ => return Ok(Err(Sense::invalid_parameter(at + ENDING_AT, None))),
                }
            }
            Ok(Ok(tape.absolute_bytes()?))
        };
        match read() {
            Ok(Ok(here)) => Ok((here, segments)),
            Ok(Err(refused)) => Err(refused.into()),
            Err(error) => Err(self.read_failure(error)),
        }
    }
}

/// Takes a parameter list apart.
///
/// # Errors
///
/// 05/1A/00 for a list that is not as long as it says, 05/26/00 for too many segments or one of
/// another length.
fn parse(list: &[u8]) -> Result<Vec<Descriptor>, Sense> {
    let cut = Sense::illegal(sense::PARAMETER_LIST_LENGTH);
    let body = list.get(HEADER_BYTES..).ok_or(cut)?;
    if usize::try_from(be32(list, 4)) != Ok(body.len()) {
        return Err(cut);
    }
    let (descriptors, rest) = body.as_chunks::<SEGMENT_BYTES>();
    if !rest.is_empty() {
        return Err(cut);
    }
    if descriptors.len() > usize::from(MAX_SEGMENTS) {
        return Err(Sense::invalid_parameter(4, None));
    }
    for (number, descriptor) in descriptors.iter().enumerate() {
        if be16(descriptor, 0) != SEGMENT_LENGTH_FIELD {
            let at = HEADER_BYTES + number * SEGMENT_BYTES;
            return Err(Sense::invalid_parameter(at, None));
        }
    }
    Ok(descriptors.to_vec())
}
