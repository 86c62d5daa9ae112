//! Packing: files of any size cost the tape no more than their bytes, in the drive's own time.
//!
//! Framing, appender, driver and simulated drive as in a job; the data are zeros, which the
//! simulator keeps no bytes of. What 2 s at each turn of a wrap cost any writer is left out:
//! less than a wrap is written.

use tapewright::volume::VolumeError;
use tapewright::volume::append::{AppendPoint, VolumeAppender};
use tapewright::volume::label::write_label;
use tapewright::volume::member::{Condition, Kind};
use tapewright::volume::segment::{RecordSink, SegmentLimits};

use crate::bench::Bench;
use crate::support::{UNLIMITED, builder, digest, file, label, written_at};

const BLOCK_BYTES: u32 = 512 << 10;
const MB: u64 = 1_000_000;
/// LTO-9.
const NATIVE_MB_S: f64 = 400.0;

struct Direct<'a, 'b>(&'a mut VolumeAppender<'b>);

impl RecordSink for Direct<'_, '_> {
    type Error = VolumeError;

    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, VolumeError> {
        let _room = self.0.write_records(&[&record])?;
        Ok(record)
    }
}

/// Writes `total` bytes in files of `file_bytes`, a segment every `segment_bytes`: seconds of
/// the drive's time, from the load of a new tape on, and backhitches.
fn pack(file_bytes: u64, total: u64, segment_bytes: u64) -> (f64, u64) {
    let bench = Bench::with_capacity(None);
    let label = label(BLOCK_BYTES);
    let mut drive = bench.ready_drive();
    write_label(&mut drive, &label).unwrap();
    let data = vec![0; MB as usize];
    let mut point = AppendPoint::first();
    let mut appender = VolumeAppender::open(&mut drive, &label, &point).unwrap();
    let limits = SegmentLimits {
        segment_bytes,
        ..UNLIMITED
    };
    let mut written = 0;
    while written < total {
        let mut open = builder(&label, &point, limits, Direct(&mut appender));
        loop {
            let member = file(&format!("f/{written}"), file_bytes);
            if written >= total || open.begin(&member).is_err() {
                break;
            }
            for _ in 0..file_bytes / MB {
                open.data(&data).unwrap();
            }
            assert_eq!(member.kind, Kind::File);
            open.end(Some(digest(&member, &[])), Condition::Whole)
                .unwrap();
            written += file_bytes;
        }
        let finished = open.finish(written_at(), false).unwrap();
        let _room = appender.close_segment(&finished).unwrap();
        point = finished.next;
    }
    appender.synchronize().unwrap();
    // A drive's state says how late it is once nobody has it.
    drop(drive);
    (bench.time_ns() as f64 / 1e9, bench.backhitches())
}

#[test]
fn files_of_any_size_are_written_at_the_native_speed_of_the_drive() {
    for file_mb in [10, 100, 1000] {
        // Load, label and last flush are in both.
        let (less, stops) = pack(file_mb * MB, 2000 * MB, 2 << 30);
        let (more, more_stops) = pack(file_mb * MB, 10_000 * MB, 2 << 30);
        let share = 8000.0 / (more - less) / NATIVE_MB_S;
        println!("files of {file_mb} MB: {:.2} % of native", share * 100.0);
        assert!(
            (0.99..1.01).contains(&share),
            "files of {file_mb} MB: {share}"
        );
        assert_eq!(stops, more_stops, "segments end without a stop");
    }
}
