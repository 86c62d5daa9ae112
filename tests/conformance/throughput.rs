//! What it gains to send several records with one WRITE, on a drive of the kernel: each way in
//! turn, in one run, compared round by round, so that the machine's own speed drops out.
//! Figures are printed, not judged; what was decided by them is in `docs/devices.md`.

use std::path::Path;
use std::time::Instant;

use tapewright::drive::{Drive, SequentialDevice};

use crate::bench::{pattern, ready};
use crate::rack::exclusive;

const BYTES: usize = 64 << 20;
const ROUNDS: usize = 7;

/// Seconds to write `BYTES` in records of `record` bytes, `at_a_time` with each call.
fn seconds(drive: &mut Drive, data: &[u8], record: usize, at_a_time: usize) -> f64 {
    drive.rewind().unwrap();
    // Sets the block length, and proves the position.
    let records: Vec<_> = data.chunks(record).cycle().take(BYTES / record).collect();
    drive.write_block(records[0]).unwrap();
    drive.write_blocks(&records[..2]).unwrap();
    let started = Instant::now();
    for mut batch in records.chunks(at_a_time) {
        while let [first, ..] = batch {
            let done = match at_a_time {
                1 => drive.write_block(first).map(|_| 1).unwrap(),
                _ => drive.write_blocks(batch).unwrap().blocks,
            };
            batch = &batch[done..];
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    drive.synchronize().unwrap();
    seconds
}

fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [
        values[0],
        values[values.len() / 2],
        values[values.len() - 1],
    ]
}

#[test]
#[ignore = "a measurement that overwrites the tape in the drive TAPEWRIGHT_TEST_DRIVE"]
fn records_by_length_and_number() {
    let node = std::env::var_os("TAPEWRIGHT_TEST_DRIVE").expect("TAPEWRIGHT_TEST_DRIVE is set");
    let mut drive = ready(exclusive(Path::new(&node)));
    let data = pattern(1, 8 << 20);
    println!("{}; speed against one record for each WRITE", drive.name());
    for record in [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20] {
        drive.write_block(&data[..record]).unwrap();
        let most = drive.blocks_at_once(record);
        let counts = [2, 4, 8, 16, 32, 64];
        let counts: Vec<_> = counts.into_iter().filter(|count| *count <= most).collect();
        let mut alone = Vec::new();
        let mut gains = vec![Vec::new(); counts.len()];
        for _ in 0..ROUNDS {
            let single = seconds(&mut drive, &data, record, 1);
            alone.push(BYTES as f64 / 1e6 / single);
            for (count, gains) in counts.iter().zip(&mut gains) {
                gains.push(single / seconds(&mut drive, &data, record, *count));
            }
        }
        let [least, median, most] = spread(alone);
        let record = record >> 10;
        println!("{record:4} KiB x  1: {least:.0} / {median:.0} / {most:.0} MB/s");
        for (count, gains) in counts.iter().zip(gains) {
            let [least, median, most] = spread(gains);
            println!("{record:4} KiB x {count:2}: {least:.2} / {median:.2} / {most:.2}");
        }
    }
}
