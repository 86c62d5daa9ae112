//! Encryption by the drive.

use crate::bench::{Bench, Liar, pattern};
use tapewright::drive::{Drive, DriveErrorKind, FilemarkReturns, ReadOutcome, SequentialDevice};
use tapewright::scsi::Reaction;
use tapewright::scsi::encryption::{Encrypted, EncryptionKey, KEY_BYTES, KeyUse};

const BLOCK: usize = 64 << 10;
const USE: KeyUse<'_> = KeyUse {
    name: "pool-2026",
    plain_too: false,
    until_unload: false,
};

fn key(seed: u64) -> EncryptionKey {
    EncryptionKey::new(&pattern(seed, KEY_BYTES).try_into().unwrap())
}

fn write(drive: &mut Drive, seed: u64) {
    drive.write_block(&pattern(seed, BLOCK)).unwrap();
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    drive.rewind().unwrap();
}

/// Reads the first block, and says why where that fails.
fn first_block(drive: &mut Drive) -> Result<Vec<u8>, (DriveErrorKind, Option<Reaction>)> {
    drive.rewind().unwrap();
    let mut buffer = vec![0; BLOCK];
    match drive.read_block(&mut buffer) {
        Ok(outcome) => {
            assert_eq!(outcome, ReadOutcome::Block { bytes: BLOCK });
            Ok(buffer)
        }
        Err(error) => Err((error.kind, error.reaction)),
    }
}

#[test]
fn only_the_right_key_reads_what_was_encrypted() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    assert!(drive.encryption_capability().unwrap().unwrap().encrypts);
    drive.set_key(&key(1), &USE).unwrap();
    let status = drive.encryption_status().unwrap().unwrap();
    assert!(status.encrypting);
    assert_eq!(status.name.as_deref(), Some(USE.name));
    write(&mut drive, 7);
    let at_block = drive.next_block_encryption().unwrap().unwrap();
    assert_eq!(at_block.encrypted, Encrypted::Readable);
    assert_eq!(first_block(&mut drive), Ok(pattern(7, BLOCK)));

    let refused = Err((DriveErrorKind::Encrypted, Some(Reaction::Key)));
    drive.set_key(&key(2), &USE).unwrap();
    assert_eq!(first_block(&mut drive), refused);
    drive.clear_key().unwrap();
    assert!(!drive.encryption_status().unwrap().unwrap().encrypting);
    assert_eq!(first_block(&mut drive), refused);
    drive.rewind().unwrap();
    let at_block = drive.next_block_encryption().unwrap().unwrap();
    assert_eq!(at_block.encrypted, Encrypted::Unreadable);
    assert_eq!(at_block.name.as_deref(), Some(USE.name));

    drive.set_key(&key(1), &USE).unwrap();
    assert_eq!(first_block(&mut drive), Ok(pattern(7, BLOCK)));
}

#[test]
fn a_key_reads_plain_tapes_only_where_that_is_wanted() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    write(&mut drive, 3);
    let at_block = drive.next_block_encryption().unwrap().unwrap();
    assert_eq!(at_block.encrypted, Encrypted::Plain);
    drive.set_key(&key(1), &USE).unwrap();
    let refused = Err((DriveErrorKind::Encrypted, Some(Reaction::Key)));
    assert_eq!(first_block(&mut drive), refused);
    let mixed = KeyUse {
        plain_too: true,
        ..USE
    };
    drive.set_key(&key(1), &mixed).unwrap();
    assert_eq!(first_block(&mut drive), Ok(pattern(3, BLOCK)));
}

#[test]
fn no_trace_shows_a_key() {
    let bench = Bench::new();
    let (mut drive, _, trace) = bench.traced_drive();
    drive.set_key(&key(1), &USE).unwrap();
    let sent: Vec<_> = trace.records();
    let keys: Vec<_> = sent
        .iter()
        .filter(|record| record.cdb.starts_with("b5"))
        .collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].status, Some(0));
    assert_eq!(keys[0].data, "");
}

#[test]
fn a_drive_that_only_claims_to_have_taken_the_key_is_found_out() {
    const SECURITY_PROTOCOL_IN: u8 = 0xA2;
    const STATUS: u8 = 0x20;
    let bench = Bench::new();
    bench.load();
    let mut answer = vec![0, STATUS, 0xFF, 0xFF];
    answer.extend(vec![0; 1 << 20]);
    let mut drive = Drive::open(Box::new(Liar {
        inner: Box::new(bench.drive_transport()),
        about: |cdb| cdb[0] == SECURITY_PROTOCOL_IN && cdb[3] == STATUS,
        answer,
    }))
    .unwrap();
    drive
        .wait_ready(&Default::default(), &mut crate::bench::quiet)
        .unwrap();
    let error = drive.set_key(&key(1), &USE).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Malformed);
    assert!(error.what.contains("does not encrypt"), "{error}");
}
