//! One file onto an output that takes bytes once and in order.
//!
//! Its parts are read one after another from their volumes; holes are written as zeros. Where a
//! copy cannot be read on, another goes on behind the bytes that were given out. Each part is
//! compared with its digest; what was given out cannot be taken back, so that only the end tells.

use std::io::{self, Write};

use super::incoming::{Lost, check_header, hash_hole};
use super::pass::{Pass, Unreadable};
use super::plan::{MemberRead, VolumeReads};
use super::run::mismatch;
use crate::drive::DriveError;
use crate::engine::content::{ContentDigest, ZEROS};
use crate::engine::{EngineError, MountedVolume, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::volume::failure::is_cancelled;
use crate::volume::index::{Digest, Place};
use crate::volume::member::{Kind, Member};
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;
use crate::volume::tar::{Event, MemberParser};

/// What came of a file that was poured out.
#[derive(Debug, Default)]
pub struct PourReport {
    /// Bytes given out.
    pub bytes: u64,
    /// All of the file was given out.
    pub is_whole: bool,
    /// True if each part agreed with its digest; `None` where one has none.
    pub agrees: Option<bool>,
    /// Copies that could not be read on, each with the reason.
    pub failures: Vec<String>,
    /// The user asked to stop.
    pub stopped: bool,
}

/// Why a copy was not read on.
pub(super) enum Ended {
    Lost(String),
    Output(io::Error),
    Stopped,
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Content(what) | Lost::Doubt(what) => Ended::Lost(what),
            Lost::Target(error) => Ended::Lost(error.what),
            Lost::Stopped => Ended::Stopped,
        }
    }
}

impl From<Unreadable> for Ended {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Member(what) => Ended::Lost(what),
            Unreadable::Volume(error) if is_cancelled(&error) => Ended::Stopped,
            Unreadable::Volume(error) => Ended::Lost(with_causes(&error)),
        }
    }
}

/// What takes the content of a file, in order.
pub(super) trait Spout {
    /// The header of the first member has come, with the metadata that are wanted.
    fn begin(&mut self, first: &Member, read: &MemberRead) -> Result<(), Ended> {
        let _ = (first, read);
        Ok(())
    }

    /// Takes the next bytes.
    fn put(&mut self, data: &[u8]) -> Result<(), Ended>;

    /// All came.
    fn flush(&mut self) -> Result<(), Ended> {
        Ok(())
    }
}

impl Spout for &mut dyn Write {
    fn put(&mut self, data: &[u8]) -> Result<(), Ended> {
        self.write_all(data).map_err(Ended::Output)
    }

    fn flush(&mut self) -> Result<(), Ended> {
        Write::flush(self).map_err(Ended::Output)
    }
}

/// Pours one file into `output`. Each of `copies` has its parts in order, grouped by volume.
///
/// # Errors
///
/// [`EngineError::Output`] where `output` takes no more.
pub fn pour(
    copies: &[Vec<VolumeReads>],
    volumes: &mut dyn VolumeSource,
    mut output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<PourReport, EngineError> {
    pour_into(copies, volumes, &mut output, monitor)
}

/// The same with a spout of any kind.
pub(super) fn pour_into(
    copies: &[Vec<VolumeReads>],
    volumes: &mut dyn VolumeSource,
    spout: &mut dyn Spout,
    monitor: &dyn Monitor,
) -> Result<PourReport, EngineError> {
    let mut report = PourReport::default();
    let mut out = Out {
        spout,
        monitor,
        has_begun: false,
        bytes: 0,
    };
    for copy in copies {
        let mut agrees = Some(true);
        let poured = before_a_gap(copy)
            .and_then(|()| {
                copy.iter()
                    .try_for_each(|reads| volume(reads, volumes, &mut out, &mut agrees))
            })
            .and_then(|()| ends(copy));
        let poured = poured.and_then(|()| out.spout.flush());
        match poured {
            Ok(()) => {
                report.is_whole = true;
                report.agrees = agrees;
                break;
            }
            Err(Ended::Output(source)) => return Err(EngineError::Output { source }),
            Err(Ended::Stopped) => {
                report.stopped = true;
                break;
            }
            Err(Ended::Lost(what)) => report.failures.push(what),
        }
    }
    report.bytes = out.bytes;
    Ok(report)
}

/// Parts are read as far as they follow each other from the first on.
fn before_a_gap(copy: &[VolumeReads]) -> Result<(), Ended> {
    let parts = copy.iter().flat_map(|reads| &reads.reads);
    for (part, number) in parts.filter_map(|read| read.part).zip(1..) {
        if part.number != number {
            return Err(Ended::Lost(format!("part {number} is missing")));
        }
    }
    Ok(())
}

fn ends(copy: &[VolumeReads]) -> Result<(), Ended> {
    let last = copy.iter().flat_map(|reads| &reads.reads).last();
    match last.and_then(|read| read.part) {
        Some(part) if !part.last => {
            let next = part.number + 1;
            Err(Ended::Lost(format!(
                "part {next} and what follows is missing"
            )))
        }
        _ => Ok(()),
    }
}

/// The output, and how far the file was given out.
struct Out<'a> {
    spout: &'a mut dyn Spout,
    monitor: &'a dyn Monitor,
    has_begun: bool,
    bytes: u64,
}

impl Out<'_> {
    /// Gives out data that lie at `offset` of the file, and the hole before them, as far as they
    /// were not given out yet.
    fn put(&mut self, offset: u64, data: &[u8]) -> Result<(), Ended> {
        self.zeros(offset)?;
        let known = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX);
        if let Some(new) = data.get(known..) {
            self.spout.put(new)?;
            self.bytes += new.len() as u64;
        }
        Ok(())
    }

    fn zeros(&mut self, to: u64) -> Result<(), Ended> {
        while self.bytes < to {
            if self.monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            let piece = (to - self.bytes).min(ZEROS.len() as u64);
            self.spout.put(&ZEROS[..piece as usize])?;
            self.bytes += piece;
        }
        Ok(())
    }
}

fn volume(
    reads: &VolumeReads,
    volumes: &mut dyn VolumeSource,
    out: &mut Out<'_>,
    agrees: &mut Option<bool>,
) -> Result<(), Ended> {
    out.monitor.phase(&format!("mounting {}", reads.barcode));
    let mut mounted = match volumes.mount(reads.volume) {
        Ok(mounted) => mounted,
        Err(_) if out.monitor.stop_requested() => return Err(Ended::Stopped),
        Err(error) => {
            let causes = with_causes(&*error);
            return Err(Ended::Lost(format!("cannot be mounted: {causes}")));
        }
    };
    let read = match mismatch(&mounted, reads) {
        Some(error) => Err(Ended::Lost(with_causes(&error))),
        None => members(reads, &mut mounted, volumes, out, agrees),
    };
    let released = volumes.release(mounted, VolumeEnd::Open);
    if let (Ok(()), Err(error)) = (&read, released) {
        tracing::warn!(error = %with_causes(&*error), "the tape stays in the drive");
    }
    read
}

fn members(
    reads: &VolumeReads,
    mounted: &mut MountedVolume,
    volumes: &mut dyn VolumeSource,
    out: &mut Out<'_>,
    agrees: &mut Option<bool>,
) -> Result<(), Ended> {
    let mut change = |error: &DriveError| volumes.change_drive(error);
    let device = ResumingReader::new(mounted.device.as_mut(), &mounted.label, out.monitor);
    let mut device = device.or_elsewhere(&mut change);
    let reader = RecordReader::new(&mut device, reads.block_bytes);
    let mut pass = Pass::new(reader, reads.block_bytes);
    out.monitor.phase(&format!("reading {}", reads.barcode));
    for read in &reads.reads {
        let agreed = member(&mut pass, read, out)?;
        *agrees = agrees.zip(agreed).map(|(all, one)| all && one);
    }
    Ok(())
}

/// Gives out one member. Whether its digest agrees, if it has one.
fn member(
    pass: &mut Pass<'_>,
    read: &MemberRead,
    out: &mut Out<'_>,
) -> Result<Option<bool>, Ended> {
    let place = Place {
        block: read.block,
        offset_bytes: read.offset_bytes,
        length_bytes: read.length_bytes,
        skip_bytes: read.skip_bytes,
    };
    pass.turn_to(read);
    pass.may_read_on(read.read_on_records);
    pass.open(&place)?;
    let mut parser = MemberParser::new();
    let mut header: Option<Box<Member>> = None;
    let mut digest = ContentDigest::new(read.digest_algorithm);
    let mut ended = false;
    let base = |member: &Member| member.part.map_or(0, |part| part.offset_bytes);
    while let Some(mut bytes) = pass.chunk()? {
        if out.monitor.stop_requested() {
            return Err(Ended::Stopped);
        }
        out.monitor.advance(0, bytes.len() as u64);
        let malformed = |error: crate::volume::tar::TarError| Ended::Lost(error.to_string());
        while let Some(event) = parser.next(&mut bytes).map_err(malformed)? {
            match (event, &header) {
                (Event::Member { mut member, .. }, None) => {
                    check_header(&member, read)?;
                    read.adjust(&mut member);
                    if member.kind != Kind::File {
                        return Err(Ended::Lost("it is no file, and has no content".to_owned()));
                    }
                    if !out.has_begun {
                        out.has_begun = true;
                        out.spout.begin(&member, read)?;
                    }
                    header = Some(member);
                }
                (Event::Data { at_bytes, bytes }, Some(member)) => {
                    hash_hole(&mut digest, at_bytes, out.monitor)?;
                    digest.update(bytes);
                    out.put(base(member).saturating_add(at_bytes), bytes)?;
                }
                (Event::MemberEnd, Some(_)) => ended = true,
                (Event::Refused { why, .. }, _) => {
                    return Err(Ended::Lost(format!("refused: {why}")));
                }
                _ => return Err(Ended::Lost("another member is at its place".to_owned())),
            }
        }
    }
    let Some(member) = header.filter(|_| ended) else {
        return Err(Ended::Lost("it is not complete at its place".to_owned()));
    };
    hash_hole(&mut digest, member.covered_bytes(), out.monitor)?;
    out.zeros(base(&member).saturating_add(member.covered_bytes()))?;
    let actual = digest.finish();
    Ok(read.digest.map(|expected| actual == Digest(expected)))
}
