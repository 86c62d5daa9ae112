//! The same on a drive with SCSI commands, in the simulator.

use std::ops::ControlFlow;

use tapewright::drive::SequentialDevice;
use tapewright::volume::append::{AppendPoint, VolumeAppender};
use tapewright::volume::check::check_records;
use tapewright::volume::index::read_index;
use tapewright::volume::label::{Identity, identify};
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::scan::{Depth, Finding, scan_volume};
use tapewright::volume::segment::minimum_segment_bytes;

use crate::bench::{Bench, ready};
use crate::support::{BLOCK_BYTES, file, label, noise, segment, write_volume};
use crate::write::fill;
use crate::zoo;

const CAPACITY_BYTES: u64 = 64 << 20;

fn scan(
    device: &mut dyn SequentialDevice,
    from: &AppendPoint,
    depth: Depth,
) -> (Vec<SegmentReceipt>, u64, AppendPoint) {
    let (mut receipts, mut incomplete) = (Vec::new(), 0);
    let next = scan_volume(device, &label(BLOCK_BYTES), from, depth, &mut |finding| {
        match finding {
            Finding::Segment(receipt) => receipts.push(*receipt),
            Finding::Incomplete { .. } => incomplete += 1,
            Finding::Damage { block, what } => panic!("block {block}: {what}"),
        }
        ControlFlow::Continue(())
    });
    (receipts, incomplete, next.unwrap())
}

#[test]
fn a_volume_is_written_read_and_scanned_on_a_drive() {
    let bench = Bench::with_capacity(Some(CAPACITY_BYTES));
    let mut drive = bench.ready_drive();
    assert_eq!(identify(&mut drive).unwrap(), Identity::Blank);
    let label = label(BLOCK_BYTES);
    let large = vec![(file("large", 3_000_000), noise(1, 3_000_000))];
    let written = write_volume(&mut drive, &label, &[zoo::members(), large]);
    assert_eq!(identify(&mut drive).unwrap(), Identity::Ours(label));
    for finished in &written {
        let at = finished.receipt.info.index_block;
        let index = read_index(&mut drive, BLOCK_BYTES, at).unwrap();
        assert_eq!(index.files, finished.receipt.files);
        assert_eq!(check_records(&mut drive, &index).unwrap(), []);
    }
    for depth in [Depth::Indexes, Depth::Records] {
        let (receipts, incomplete, next) = scan(&mut drive, &AppendPoint::first(), depth);
        assert!(
            receipts
                .iter()
                .eq(written.iter().map(|finished| &finished.receipt))
        );
        assert_eq!((incomplete, next), (0, written[1].next.clone()));
    }
}

#[test]
fn a_drive_never_comes_into_its_early_warning_zone() {
    for (block_bytes, file_bytes) in [(512 << 10, 100 << 20), (512 << 10, 70_000)] {
        let bench = Bench::with_capacity(Some(CAPACITY_BYTES));
        let mut drive = bench.ready_drive();
        fill(&mut drive, block_bytes, file_bytes, 16 << 20);
        let left = drive.remaining_bytes().unwrap().unwrap();
        let unused = minimum_segment_bytes(block_bytes) + 8 * u64::from(block_bytes);
        assert!(left < unused, "{left} bytes are left");
    }
}

#[test]
fn after_a_power_cut_the_tape_goes_on_behind_what_was_complete() {
    let bench = Bench::with_capacity(Some(CAPACITY_BYTES));
    let label = label(BLOCK_BYTES);
    let confirmed = {
        let mut drive = bench.ready_drive();
        let written = write_volume(&mut drive, &label, &[zoo::members()]);
        written[0].next.clone()
    };
    let transport = bench.drive_transport();
    let power = transport.power_switch();
    let mut drive = ready(Box::new(transport));
    let mut point = confirmed.clone();
    let mut ends = Vec::new();
    for number in 0..3 {
        let members = [(
            file(&format!("f{number}"), 2_000_000),
            noise(number, 2_000_000),
        )];
        let (records, finished) = segment(&label, &point, &members, false);
        let mut appender = VolumeAppender::open(&mut drive, &label, &point).unwrap();
        for record in &records {
            let _room = appender.write_records(&[record]).unwrap();
        }
        let _room = appender.close_segment(&finished).unwrap();
        point = finished.next;
        ends.push(finished.receipt.end_block);
    }
    let reached = drive.first_unconfirmed().unwrap();
    power.cut().unwrap();
    drop(drive);
    let mut drive = ready(Box::new(bench.drive_transport()));
    let (receipts, _, next) = scan(&mut drive, &confirmed, Depth::Records);
    // What the drive had confirmed is there; more may be.
    let sure = ends.iter().filter(|end| **end <= reached).count();
    assert!(
        receipts.len() >= sure,
        "{} of {sure} segments",
        receipts.len()
    );
    assert!(
        receipts
            .iter()
            .map(|receipt| receipt.end_block)
            .eq(ends[..receipts.len()].to_vec())
    );
    assert_eq!(
        next.next_number,
        confirmed.next_number + receipts.len() as u64
    );
    let (records, finished) = segment(&label, &next, &zoo::members(), true);
    let mut appender = VolumeAppender::open(&mut drive, &label, &next).unwrap();
    for record in &records {
        let _room = appender.write_records(&[record]).unwrap();
    }
    let _room = appender.close_segment(&finished).unwrap();
    appender.synchronize().unwrap();
    let (all, incomplete, _) = scan(&mut drive, &AppendPoint::first(), Depth::Records);
    assert_eq!((all.len(), incomplete), (receipts.len() + 2, 0));
}
