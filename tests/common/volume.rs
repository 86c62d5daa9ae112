//! A volume and a job, for tests to write.

use tapewright::volume::index::{DigestAlgorithm, JobHeader, JobPolicy, Level};
use tapewright::volume::label::Label;
use uuid::Uuid;

/// Label of the volume with this number, from 1 to 9.
pub fn label(number: u32, block_bytes: u32) -> Label {
    Label {
        format: 1,
        volume: Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)),
        barcode: format!("E0100{number}L9"),
        pool: "photos".to_owned(),
        block_bytes,
        labelled_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        software: "tapewright 0.1.0".to_owned(),
    }
}

/// A full job without sources.
pub fn job() -> JobHeader {
    JobHeader {
        id: Uuid::from_u128(0xb000_0000_0000_4000_8000_0000_0000_0001),
        name: "monthly".to_owned(),
        started_at: "2026-01-02T04:00:00Z".parse().unwrap(),
        host: "archive1".to_owned(),
        software: "tapewright 0.1.0".to_owned(),
        roots: Vec::new(),
        excludes: Vec::new(),
        level: Level::Full,
        base: None,
        digest: DigestAlgorithm::Blake3,
        policy: JobPolicy::default(),
    }
}
