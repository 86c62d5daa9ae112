//! What a catalog has to know before there is anything in it.
#![allow(dead_code, reason = "each target takes what it needs")]

use catalogs::model::event::{
    DigestAlgorithm, Event, JobFinished, JobStarted, Level, Outcome, Receipt, VolumeLabelled,
};
use catalogs::model::problem::Problems;
use uuid::Uuid;

pub const VOLUME: Uuid = Uuid::from_u128(0xb1);
pub const JOB: Uuid = Uuid::from_u128(0xa1);
pub const SEGMENT: Uuid = Uuid::from_u128(0xc1);

pub fn labelled() -> Event {
    Event::VolumeLabelled(VolumeLabelled {
        volume: VOLUME,
        barcode: "F00001L9".into(),
        pool: "fuzz".into(),
        block_bytes: 64 << 10,
        medium_serial: None,
        capacity_bytes: 1 << 30,
        generation: "LTO-9".into(),
        density_code: None,
        replaces: None,
    })
}

pub fn started() -> Event {
    Event::JobStarted(JobStarted {
        job: JOB,
        name: "fuzz".into(),
        pool: "fuzz".into(),
        copy_pool: None,
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        roots: vec!["home".into()],
        excludes: Vec::new(),
        host: "host".into(),
        software: "fuzz".into(),
        level: Level::Full,
        base: None,
        digest_algorithm: DigestAlgorithm::Blake3,
    })
}

pub fn finished() -> Event {
    Event::JobFinished(JobFinished {
        job: JOB,
        outcome: Outcome::Complete,
        files: 0,
        file_bytes: 0,
        problems: Problems::default(),
        commands: Vec::new(),
        from_tapes: false,
    })
}

/// Behind the first one on the same volume.
pub fn second_receipt() -> Receipt {
    Receipt {
        segment: Uuid::from_u128(0xc2),
        segment_number: 2,
        file_number: 3,
        job_segment: Some(2),
        first_block: 102,
        index_block: 200,
        end_block: 202,
        ..receipt()
    }
}

pub fn receipt() -> Receipt {
    Receipt {
        job: JOB,
        volume: VOLUME,
        segment: SEGMENT,
        segment_number: 1,
        file_number: 1,
        job_segment: Some(1),
        job_ends: true,
        job_problems: None,
        content_ends: false,
        first_block: 2,
        index_block: 100,
        end_block: 102,
        record_bytes: 64 << 10,
        records: 97,
        tar_bytes: 97 << 16,
        content: None,
        codec: None,
        files: 2,
        inner_parts: 0,
        file_bytes: 34,
        digest_algorithm: DigestAlgorithm::Blake3,
    }
}
