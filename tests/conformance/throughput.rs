//! How fast records pass to a drive of the kernel: by their length, by the number of records
//! for each WRITE, and by where the data lies. Figures are printed, not judged; what was decided
//! by them is in `docs/devices.md`.

use std::path::Path;
use std::time::{Duration, Instant};

use tapewright::scsi::cdb;
use tapewright::transport::sg::{SgTransport, Sharing};
use tapewright::transport::{Completion, Data, Status, Transport};

const BYTES: usize = 64 << 20;
const PAGE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(900);

/// A command that succeeds; a unit attention before it is taken off.
fn send(drive: &mut SgTransport, cdb: &[u8], bytes: &[u8]) -> Completion {
    for _ in 0..3 {
        let data = match bytes.is_empty() {
            true => Data::None,
            false => Data::Out(bytes),
        };
        let answer = drive.execute(cdb, data, PATIENCE).unwrap();
        if answer.status == Status::GOOD {
            return answer;
        }
        assert_eq!(
            answer.sense.get(2).map(|key| key & 0x0F),
            Some(6),
            "{answer:?}"
        );
    }
    panic!("unit attentions do not end");
}

/// `count` records of `record` bytes for each WRITE, in the drive's fixed mode if more than one.
fn write_cdb(record: usize, count: usize) -> [u8; 6] {
    let number = u32::try_from(count).unwrap().to_be_bytes();
    match count {
        1 => cdb::write_6(u32::try_from(record).unwrap()),
        _ => [0x0A, 1, number[1], number[2], number[3], 0],
    }
}

#[test]
#[ignore = "a measurement that overwrites the tape in the drive TAPEWRIGHT_TEST_DRIVE"]
fn records_by_length_and_number() {
    let node = std::env::var_os("TAPEWRIGHT_TEST_DRIVE").expect("TAPEWRIGHT_TEST_DRIVE is set");
    let mut drive = SgTransport::open(Path::new(&node), Sharing::Exclusive).unwrap();
    let limit = drive.max_transfer_bytes();
    println!("{}: {} KiB for each transfer", drive.name(), limit >> 10);
    let buffer: Vec<u8> = (0..limit + 2 * PAGE)
        .map(|n| (n * 31 % 251) as u8)
        .collect();
    let to_page = buffer.as_ptr().align_offset(PAGE);
    for record in [64 << 10, 256 << 10, 512 << 10, 1 << 20] {
        for count in [1, 2, 4, 8, 16] {
            let length = record * count;
            if length > limit {
                continue;
            }
            for (name, start) in [("aligned", to_page), ("not aligned", to_page + 8)] {
                let data = &buffer[start..start + length];
                send(&mut drive, &cdb::rewind(), &[]);
                let fixed = if count > 1 { record } else { 0 };
                let [_, a, b, c] = u32::try_from(fixed).unwrap().to_be_bytes();
                let mode = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, a, b, c];
                send(&mut drive, &cdb::mode_select_6(12), &mode);
                let command = write_cdb(record, count);
                let started = Instant::now();
                for _ in 0..BYTES / length {
                    send(&mut drive, &command, data);
                }
                let seconds = started.elapsed().as_secs_f64();
                println!(
                    "{:4} KiB x {count:2}, {name:11}: {:7.1} MB/s, {:7.3} ms for each command",
                    record >> 10,
                    BYTES as f64 / 1e6 / seconds,
                    seconds * 1e3 / (BYTES / length) as f64
                );
            }
        }
    }
}
