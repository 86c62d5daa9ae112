//! What the rebuild of a tape asks of it: the indexes, and to space over the data.

use std::collections::BTreeMap;
use std::fs;

use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::library::trace_to;
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::{Outcome, Site};
use tapewright::transport::record::Record;
use tapewright::units::ByteSize;

use crate::lab::{A, Lab, noise, of_paths};

const BLOCK_BYTES: u64 = 64 << 10;

#[test]
fn a_rebuild_reads_indexes_and_spaces_over_the_data() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source")).unwrap();
    for number in 0..40_u64 {
        let name = lab.path(&format!("source/{number:02}"));
        fs::write(name, noise(number, 1_000_000)).unwrap();
    }
    lab.label(&[A], "docs");
    let job = JobDescription {
        segment_limit: Some(ByteSize(4 << 20)),
        ..of_paths(vec![lab.path("source")], "docs")
    };
    let written = archive(lab.site(), &job).unwrap();
    let catalog = lab.catalog();
    let volume = catalog.volume_by_barcode(A).unwrap().unwrap();
    let receipts = catalog
        .receipts_of_volume(&volume.label.what.volume)
        .unwrap();
    let receipts: Vec<_> = receipts.into_iter().map(|it| it.what.receipt).collect();
    drop(catalog);
    let segments = receipts.len() as u64;
    assert!(segments >= 10, "{written:?}");
    let data_bytes: u64 = receipts.iter().map(|it| it.records * BLOCK_BYTES).sum();
    // Between the filemarks behind segment and index.
    let index_blocks = receipts.iter().map(|it| it.end_block - it.index_block - 1);
    let index_bytes = index_blocks.sum::<u64>() * BLOCK_BYTES;

    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let path = lab.path("trace");
    let trace = trace_to(&path).unwrap();
    let site = Site {
        trace: Some(&trace),
        ..lab.site()
    };
    let begun = lab.library().elapsed().unwrap();
    let summary = rebuild(site, &[A.to_owned()]).unwrap();
    let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(summary.volumes[0].segments, segments);

    let (mut commands, mut read_bytes) = (BTreeMap::<String, u64>::new(), 0);
    for line in fs::read_to_string(&path).unwrap().lines() {
        let record: Record = serde_json::from_str(line).unwrap();
        let code = record.cdb[..2].to_owned();
        if code == "08" || code == "88" {
            read_bytes += record.moved_bytes as u64;
        }
        *commands.entry(code).or_default() += 1;
    }
    println!("{segments} segments, {data_bytes} bytes: {read_bytes} read, {took_s:.0} s");
    let count =
        |codes: [&str; 2]| -> u64 { codes.iter().filter_map(|code| commands.get(*code)).sum() };
    // One record of each segment, since something has to be there; the indexes; the label, which
    // is proved again behind a pause.
    let most_bytes = index_bytes + (segments + 4) * BLOCK_BYTES;
    assert!(read_bytes <= most_bytes, "{read_bytes} of {most_bytes}");
    assert!(read_bytes * 4 < data_bytes, "{read_bytes} of {data_bytes}");
    let (locates, spaces) = (count(["2b", "92"]), count(["11", "91"]));
    assert!(
        spaces <= segments + 2,
        "{spaces} SPACE, {segments} segments"
    );
    // To each index, and to what is behind it.
    assert!(
        locates <= 2 * segments + 2,
        "{locates} LOCATE, {segments} segments"
    );
    // A record or a filemark each: one of the segment, the index and its filemark.
    let reads = count(["08", "88"]);
    let most_reads = index_bytes / BLOCK_BYTES + 2 * segments + 8;
    assert!(reads <= most_reads, "{reads} READ of {most_reads}");
}
