//! How fast blocks go through a drive. Measured on request, since a busy host proves nothing:
//! `cargo test --release -p tape-sim --test speed -- --ignored --nocapture`.

mod common;

use std::os::unix::fs::FileExt;
use std::time::Instant;

use common::*;
use tape_sim::library::LibrarySpec;

const BLOCK: usize = 512 << 10;
const BLOCKS: u32 = 2048;

#[test]
#[ignore = "a measurement"]
fn blocks_of_512_kib() {
    let mut bench = Bench::with(&LibrarySpec {
        capacity_bytes: Some(4 << 30),
        ..small()
    });
    let mut block = vec![0; BLOCK];
    for (name, first) in [("data", 1), ("zeros", 0)] {
        block[0] = first;
        bench.none(&REWIND);
        let timed = |name: &str, what: &str, start: Instant, bytes: u64| {
            let seconds = start.elapsed().as_secs_f64();
            let gigabytes = bytes as f64 / 1e9;
            println!("{name}: {what} {:.2} GB/s", gigabytes / seconds);
        };
        let bytes = u64::from(BLOCKS) * BLOCK as u64;
        // The most that this host's file system can do at this moment.
        let plain = std::fs::File::create(bench.dir.path().join("plain")).unwrap();
        let start = Instant::now();
        for number in 0..BLOCKS {
            plain
                .write_all_at(&block, u64::from(number) * BLOCK as u64)
                .unwrap();
        }
        timed(name, "plain pwrite", start, bytes);
        plain.set_len(0).unwrap();
        let start = Instant::now();
        for _ in 0..BLOCKS {
            assert_eq!(bench.write(&block), "good");
        }
        timed(name, "write", start, bytes);
        bench.none(&filemarks(1, false));
        bench.none(&REWIND);
        let mut buffer = vec![0; BLOCK];
        let cdb = read(0, BLOCK as u32);
        let start = Instant::now();
        for _ in 0..BLOCKS {
            let data = tape_sim::target::Data::In(&mut buffer);
            assert_eq!(bench.run(&cdb, data).status, 0);
        }
        timed(name, "read", start, bytes);
        assert!(buffer == block);
    }
    let start = Instant::now();
    for _ in 0..100_000 {
        bench.none(&TUR);
    }
    println!(
        "TEST UNIT READY: {:.2} us",
        start.elapsed().as_secs_f64() * 10.0
    );
    bench.none(&REWIND);
    let start = Instant::now();
    for _ in 0..100_000 {
        bench.write(&[1; 64]);
    }
    println!(
        "WRITE of 64 bytes: {:.2} us",
        start.elapsed().as_secs_f64() * 10.0
    );
}
