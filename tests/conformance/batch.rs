//! Several blocks with one WRITE: on tape as if each had been written by itself, whatever ends
//! the WRITE early. A model beside counts what was accepted.

use std::io;
use std::time::Duration;

use crate::bench::{Bench, Trace, pattern, quiet, ready};
use tape_sim::fault::{Effect, FaultScript, Rule};
use tape_sim::library::Library;
use tapewright::drive::{
    Drive, DriveError, DriveErrorKind, DriveMode, FilemarkReturns, ReadOutcome, ReadyWait,
    SequentialDevice, Written, WrittenBlocks,
};
use tapewright::scsi::opcode;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::fault::{Fault, Faults};
use tapewright::transport::{Completion, Data, Transport, TransportError, TransportErrorKind};
use tapewright::units::BlockAddress;

const BLOCK: usize = 64 << 10;

/// Blocks `first` to `first + count`, each by its own pattern.
fn blocks(first: u64, count: u64) -> Vec<Vec<u8>> {
    (first..first + count).map(|n| pattern(n, BLOCK)).collect()
}

fn write(drive: &mut Drive, blocks: &[Vec<u8>]) -> Result<WrittenBlocks, DriveError> {
    let slices: Vec<_> = blocks.iter().map(Vec::as_slice).collect();
    drive.write_blocks(&slices)
}

/// Writes all of them, in as many calls as it takes.
fn write_all(drive: &mut Drive, blocks: &[Vec<u8>]) {
    let mut rest = blocks;
    while !rest.is_empty() {
        let done = write(drive, rest).unwrap();
        assert!(done.blocks > 0, "{done:?}");
        rest = &rest[done.blocks..];
    }
}

/// The tape holds blocks 0 to `count`, and then the data end.
fn holds(drive: &mut Drive, count: u64) {
    assert_eq!(
        drive.locate_end_of_data().unwrap().block,
        BlockAddress(count)
    );
    drive.rewind().unwrap();
    let mut buffer = vec![0; 2 * BLOCK];
    for number in 0..count {
        let read = drive.read_block(&mut buffer).unwrap();
        assert_eq!(read, ReadOutcome::Block { bytes: BLOCK }, "block {number}");
        assert!(buffer[..BLOCK] == pattern(number, BLOCK), "block {number}");
    }
}

/// For every drive: those that take one block at a time included.
pub fn several_blocks_are_as_single_ones(drive: &mut Drive) {
    write_all(drive, &blocks(0, 1));
    write_all(drive, &blocks(1, 20));
    drive.write_block(&pattern(21, BLOCK)).unwrap();
    let alike = [pattern(22, BLOCK), pattern(23, BLOCK)];
    write_all(drive, &alike);
    assert_eq!(drive.position().unwrap().block, BlockAddress(24));
    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    let unlike = [vec![7; 512], vec![8; 700], vec![9; 3]];
    write_all(drive, &unlike);
    drive.synchronize().unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(28));
    // The blocks behind a locate replace what lay there.
    drive.locate(BlockAddress(20)).unwrap();
    write_all(drive, &blocks(20, 9));
    drive.synchronize().unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(29));
    holds(drive, 29);
}

#[test]
fn one_write_carries_several_blocks_and_leaves_the_drive_variable() {
    let bench = Bench::new();
    let (mut drive, _, trace) = bench.traced_drive();
    assert_eq!(drive.blocks_at_once(BLOCK), 1, "the position is not proven");
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    let at_once = drive.blocks_at_once(BLOCK) as u64;
    assert!(at_once >= 8, "{at_once}");
    assert_eq!(drive.blocks_at_once(8 << 20), 1);
    trace.clear();
    let done = write(&mut drive, &blocks(1, 4)).unwrap();
    let all = WrittenBlocks {
        blocks: 4,
        written: Written::Normal,
    };
    assert_eq!(done, all);
    assert_eq!(trace.count("WRITE(6)"), 1);
    assert_eq!(block_length(&trace), "010000");
    trace.clear();
    write_all(&mut drive, &blocks(5, 2 * at_once));
    assert_eq!(trace.commands(), ["WRITE(6)", "WRITE(6)"]);
    drive.synchronize().unwrap();
    assert_eq!(block_length(&trace), "000000");
    holds(&mut drive, 5 + 2 * at_once);
}

/// The block length that the drive was last set to.
fn block_length(trace: &Trace) -> String {
    let records = trace.records();
    let mut select = records.iter().rev().filter(|r| r.cdb.starts_with("55"));
    // Behind a header of 8 bytes, in the last three of the block descriptor.
    select.next().unwrap().data[26..32].to_owned()
}

/// Writes to the end of a small tape, `at_a_time` blocks for each call, and compares each
/// outcome with the position.
#[test]
fn the_end_of_the_tape_in_the_middle_of_a_write_is_told_to_the_block() {
    let mut ends = Vec::new();
    for at_a_time in [1, 2, 3, 7, 16, 32] {
        let bench = Bench::with_capacity(Some(24 << 20));
        let mut drive = bench.ready_drive();
        let mode = DriveMode {
            early_warning_mb: 8,
            ..DriveMode::default()
        };
        drive.set_mode(&mode).unwrap();
        drive.write_block(&pattern(0, BLOCK)).unwrap();
        let (mut accepted, mut seen) = (1, vec![Written::Normal]);
        loop {
            let done = write(&mut drive, &blocks(accepted, at_a_time)).unwrap();
            accepted += done.blocks as u64;
            if seen.last() != Some(&done.written) {
                seen.push(done.written);
            }
            let said = drive.position().unwrap().block;
            assert_eq!(said, BlockAddress(accepted), "{done:?}");
            if done.written == Written::EndOfPartition {
                assert!((done.blocks as u64) < at_a_time);
                break;
            }
            assert!(accepted < 2000, "the tape never ends");
        }
        seen.retain(|written| *written != Written::Normal);
        let warnings = [
            Written::ProgrammableEarlyWarning,
            Written::EarlyWarning,
            Written::EndOfPartition,
        ];
        assert_eq!(seen, warnings, "{at_a_time} at a time");
        drive.synchronize().unwrap();
        assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(accepted));
        holds(&mut drive, accepted);
        ends.push(accepted);
    }
    ends.dedup();
    assert_eq!(
        ends.len(),
        1,
        "the tape holds as much however it is written"
    );
}

/// A drive with blocks 0 to 2 synchronised, which goes on with batches.
fn begun(bench: &Bench) -> Drive {
    let mut drive = bench.ready_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    write_all(&mut drive, &blocks(1, 2));
    drive.synchronize().unwrap();
    drive
}

fn script(bench: &Bench, command: Option<&str>, nth: u64, effect: Effect) {
    let mut rule = Rule::new(effect);
    rule.times = Some(1);
    rule.when.command = command.map(str::to_owned);
    rule.when.nth = Some(nth);
    let library = Library::open(bench.path()).unwrap();
    let script = FaultScript::new(0, vec![rule]);
    library.set_faults(&script).unwrap();
}

#[test]
fn a_write_of_several_blocks_that_fails_claims_none() {
    use DriveErrorKind as K;
    let executed = Effect::NoAnswer { executed: true };
    let claims_none = Ok(3);
    let lost = Err(K::PositionLost);
    // The effect, what the driver calls it, what it says is confirmed, and where the tape ends:
    // behind the old blocks 3 and 4 where the WRITE did not come to the tape.
    for (effect, kind, confirmed, end) in [
        (Effect::HardwareError, K::Hardware, claims_none, 5),
        (Effect::Reserved, K::Reserved, lost, 5),
        (Effect::DeferredError, K::Medium, claims_none, 5),
        (Effect::PowerCut, K::Reset, lost, 5),
        (Effect::Reset { after: false }, K::Reset, lost, 5),
        (Effect::Reset { after: true }, K::Reset, lost, 3),
        (Effect::NoAnswer { executed: false }, K::Transport, lost, 5),
        (executed, K::Transport, lost, 8),
    ] {
        let bench = Bench::new();
        let mut drive = begun(&bench);
        // The block length is set already when the fault comes.
        write_all(&mut drive, &blocks(3, 2));
        drive.locate(BlockAddress(3)).unwrap();
        script(&bench, Some("WRITE"), 1, effect.clone());
        let error = write(&mut drive, &blocks(3, 5)).unwrap_err();
        assert_eq!(error.kind, kind, "{effect:?}: {error}");
        assert!(error.to_string().contains("blocks 3 to 7"), "{error}");
        let said = drive.first_unconfirmed();
        let said = said.map(|block| block.0).map_err(|error| error.kind);
        assert_eq!(said, confirmed, "{effect:?}");
        let blind = write(&mut drive, &blocks(3, 5)).map_err(|error| error.kind);
        assert_eq!(blind, Err(K::PositionLost), "{effect:?}");
        drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
        let found = drive.locate_end_of_data().unwrap().block;
        assert_eq!(found, BlockAddress(end), "{effect:?}");
        // The mode was lost with some of them: it is set anew, or blocks go one by one.
        drive.locate(BlockAddress(3)).unwrap();
        write_all(&mut drive, &blocks(3, 9));
        drive.synchronize().unwrap();
        holds(&mut drive, 12);
    }
}

/// The error is at a block of the WRITE. It comes when the buffer is written out, with a later
/// WRITE or with this one, as large as the buffer is.
#[test]
fn blocks_behind_a_write_error_are_never_confirmed() {
    for buffer_bytes in [1 << 20, 6 * BLOCK as u64, 2 * BLOCK as u64] {
        for bad in 3..8 {
            let bench = Bench::with_buffer(buffer_bytes);
            let mut drive = begun(&bench);
            spoil(&bench, Effect::WriteError, bad);
            let mut failed = write(&mut drive, &blocks(3, 5));
            if failed.is_ok() {
                failed = write(&mut drive, &blocks(8, 5));
            }
            let failed = failed.and_then(|_| drive.synchronize());
            let error = failed.unwrap_err();
            let case = format!("block {bad}, buffer of {buffer_bytes}: {error}");
            assert_eq!(error.kind, DriveErrorKind::Medium, "{case}");
            let blind = write(&mut drive, &blocks(bad, 2)).map_err(|error| error.kind);
            assert_eq!(blind, Err(DriveErrorKind::PositionLost), "{case}");
            let confirmed = drive.first_unconfirmed().unwrap();
            assert_eq!(confirmed, BlockAddress(bad), "{case}");
            holds(&mut drive, bad);
            write_all(&mut drive, &blocks(bad, 4));
            drive.synchronize().unwrap();
            holds(&mut drive, bad + 4);
        }
    }
}

/// The object `bad` of the tape fails once.
fn spoil(bench: &Bench, effect: Effect, bad: u64) {
    let mut rule = Rule::new(effect);
    rule.times = Some(1);
    rule.when.objects = Some([bad, bad]);
    let library = Library::open(bench.path()).unwrap();
    library
        .set_faults(&FaultScript::new(0, vec![rule]))
        .unwrap();
}

/// CHECK CONDITION with EOM and so many blocks that were not written.
fn early_warning(key: SenseKey, rest: u8) -> Vec<u8> {
    let mut sense = Sense::fixed(key, 0x00, 0x02);
    sense[0] |= 0x80;
    sense[2] |= 0x40;
    sense[6] = rest;
    sense
}

fn is(code: u8) -> impl Fn(&[u8]) -> bool + Send {
    move |cdb: &[u8]| cdb.first() == Some(&code)
}

/// A drive, its faults and its trace behind block 0, with the block length set.
fn fixed(bench: &Bench) -> (Drive, Faults, Trace) {
    let (mut drive, faults, trace) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    write_all(&mut drive, &blocks(1, 2));
    trace.clear();
    (drive, faults, trace)
}

#[test]
fn what_a_drive_says_it_wrote_has_to_agree_with_its_position() {
    // The sense, whether the WRITE was executed, and what the driver makes of it.
    let cases = [
        (
            early_warning(SenseKey::NoSense, 0),
            true,
            Ok((4, Written::EarlyWarning)),
        ),
        (
            early_warning(SenseKey::NoSense, 4),
            false,
            Ok((0, Written::EndOfPartition)),
        ),
        (
            early_warning(SenseKey::VolumeOverflow, 4),
            false,
            Ok((0, Written::EndOfPartition)),
        ),
        // What was still in the buffer may be counted as well.
        (
            early_warning(SenseKey::VolumeOverflow, 9),
            false,
            Ok((0, Written::EndOfPartition)),
        ),
        (
            Sense::fixed(SenseKey::RecoveredError, 0x0C, 0),
            true,
            Ok((4, Written::Normal)),
        ),
        (
            early_warning(SenseKey::NoSense, 0),
            false,
            Err(DriveErrorKind::UntrustedPosition),
        ),
        (
            early_warning(SenseKey::NoSense, 2),
            true,
            Err(DriveErrorKind::UntrustedPosition),
        ),
        (
            early_warning(SenseKey::NoSense, 9),
            true,
            Err(DriveErrorKind::UntrustedPosition),
        ),
        (
            Sense::fixed(SenseKey::RecoveredError, 0x0C, 0),
            false,
            Err(DriveErrorKind::UntrustedPosition),
        ),
    ];
    for (sense, executed, expected) in cases {
        let bench = Bench::new();
        let (mut drive, faults, _) = fixed(&bench);
        let fault = match executed {
            true => Fault::SenseAfter(sense.clone()),
            false => Fault::Sense(sense.clone()),
        };
        faults.on_nth(1, is(opcode::WRITE_6), fault);
        let done = write(&mut drive, &blocks(3, 4));
        let done = done.map(|done| (done.blocks, done.written));
        assert_eq!(done.map_err(|error| error.kind), expected, "{sense:02x?}");
        let ended = !matches!(expected, Ok((4, _)));
        let next = write(&mut drive, &blocks(7, 2));
        assert_eq!(next.is_err(), ended, "{sense:02x?}");
    }
}

#[test]
fn a_drive_that_takes_no_fixed_blocks_gets_them_one_by_one() {
    let refused = || Fault::Sense(Sense::fixed(SenseKey::IllegalRequest, 0x26, 0x00));
    for code in [opcode::MODE_SELECT_10, opcode::WRITE_6] {
        let bench = Bench::new();
        let (mut drive, faults, trace) = bench.traced_drive();
        drive.write_block(&pattern(0, BLOCK)).unwrap();
        faults.on_nth(1, is(code), refused());
        if code == opcode::MODE_SELECT_10 {
            faults.on_nth(1, is(opcode::MODE_SELECT_6), refused());
        }
        trace.clear();
        write_all(&mut drive, &blocks(1, 6));
        let sent = trace.count("WRITE(6)");
        assert_eq!(sent, 6 + usize::from(code == opcode::WRITE_6));
        assert_eq!(drive.blocks_at_once(BLOCK), 1);
        let said = |drive: &Drive| {
            let about = |notice: &&String| notice.contains("fixed length");
            drive.notices().iter().filter(about).count()
        };
        assert_eq!(said(&drive), 1);
        write_all(&mut drive, &blocks(7, 2));
        drive.synchronize().unwrap();
        holds(&mut drive, 9);
    }
}

#[test]
fn a_reset_between_two_writes_sets_the_block_length_anew() {
    let bench = Bench::new();
    let (mut drive, _, trace) = fixed(&bench);
    drive.synchronize().unwrap();
    write_all(&mut drive, &blocks(3, 2));
    script(
        &bench,
        Some("READ POSITION"),
        1,
        Effect::Reset { after: false },
    );
    let error = drive.position().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Reset, "{error}");
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    drive.locate(BlockAddress(3)).unwrap();
    drive.write_block(&pattern(3, BLOCK)).unwrap();
    trace.clear();
    write_all(&mut drive, &blocks(4, 4));
    assert_eq!(trace.count("MODE SELECT(10)"), 1);
    assert_eq!(trace.count("WRITE(6)"), 1);
    drive.synchronize().unwrap();
    holds(&mut drive, 8);
}

#[test]
fn protected_blocks_go_one_by_one() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    let mode = DriveMode {
        block_protection: true,
        ..DriveMode::default()
    };
    assert!(drive.set_mode(&mode).unwrap().block_protection);
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    assert_eq!(drive.blocks_at_once(BLOCK), 1);
    write_all(&mut drive, &blocks(1, 5));
    drive.synchronize().unwrap();
    holds(&mut drive, 6);
}

#[test]
fn a_path_that_carries_less_gets_fewer_at_a_time() {
    let bench = Bench::new();
    let library = Library::open(bench.path()).unwrap();
    let mut script = FaultScript::new(0, Vec::new());
    script.max_transfer_bytes = Some(512 << 10);
    library.set_faults(&script).unwrap();
    bench.load();
    let mut drive = ready(Box::new(bench.drive_transport()));
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    let at_once = [BLOCK, 200 << 10, 256 << 10, 512 << 10].map(|bytes| drive.blocks_at_once(bytes));
    assert_eq!(at_once, [8, 2, 2, 1]);
    write_all(&mut drive, &blocks(1, 20));
    drive.synchronize().unwrap();
    holds(&mut drive, 21);
}

#[test]
fn an_answer_that_never_came_leaves_the_position_to_be_asked_for() {
    let bench = Bench::new();
    let (mut drive, faults, _) = fixed(&bench);
    let lost = Fault::LostAfter(TransportErrorKind::TimedOut);
    faults.on_nth(1, is(opcode::WRITE_6), lost);
    let error = write(&mut drive, &blocks(3, 5)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Transport);
    let confirmed = drive.first_unconfirmed().unwrap_err();
    assert_eq!(confirmed.kind, DriveErrorKind::PositionLost);
    assert_eq!(drive.position().unwrap().block, BlockAddress(8));
}

#[test]
fn a_path_that_carries_less_than_it_says_gets_blocks_one_by_one() {
    let bench = Bench::new();
    let (mut drive, faults, trace) = fixed(&bench);
    faults.on_nth(
        1,
        is(opcode::WRITE_6),
        Fault::Lost(TransportErrorKind::TooLong),
    );
    write_all(&mut drive, &blocks(3, 6));
    assert_eq!(trace.count("WRITE(6)"), 1 + 6);
    assert_eq!(drive.blocks_at_once(BLOCK), 1);
    assert!(
        drive
            .notices()
            .iter()
            .any(|notice| notice.contains("carries less"))
    );
    drive.synchronize().unwrap();
    assert_eq!(block_length(&trace), "000000");
    holds(&mut drive, 9);
}

#[test]
fn a_drive_is_left_with_variable_blocks_however_the_writing_ended() {
    for failed in [false, true] {
        let bench = Bench::new();
        let (mut drive, faults, trace) = fixed(&bench);
        if failed {
            let sense = Sense::fixed(SenseKey::MediumError, 0x0C, 0x00);
            faults.on_nth(1, is(opcode::WRITE_6), Fault::Sense(sense));
            write(&mut drive, &blocks(3, 5)).unwrap_err();
        }
        trace.clear();
        drive.unload().unwrap();
        assert_eq!(block_length(&trace), "000000", "{failed}");
        assert_eq!(trace.commands()[0], "LOAD UNLOAD", "{failed}");
    }
}

/// A path whose kernel finds no memory for the next WRITE of several blocks.
struct Starved {
    inner: Box<dyn Transport>,
    errno: Option<i32>,
}

impl Transport for Starved {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        if let (Data::Gather(_), Some(errno)) = (&data, self.errno) {
            self.errno = None;
            return Err(TransportError {
                device: self.name().to_owned(),
                kind: TransportErrorKind::TooLong,
                what: "not carried".to_owned(),
                source: Some(io::Error::from_raw_os_error(errno)),
            });
        }
        self.inner.execute(cdb, data, timeout)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

#[test]
fn a_moment_without_memory_is_no_limit_of_the_path() {
    // ENOMEM, EIO, EINVAL.
    for (errno, lasts) in [(12, false), (5, false), (22, true)] {
        let bench = Bench::new();
        bench.load();
        let mut drive = ready(Box::new(Starved {
            inner: Box::new(bench.drive_transport()),
            errno: Some(errno),
        }));
        drive.write_block(&pattern(0, BLOCK)).unwrap();
        write_all(&mut drive, &blocks(1, 6));
        assert_eq!(drive.blocks_at_once(BLOCK) == 1, lasts, "{errno}");
        let notices = drive.notices().iter();
        let told = notices.filter(|notice| notice.contains("carries less"));
        assert_eq!(told.count(), usize::from(lasts), "{errno}");
        write_all(&mut drive, &blocks(7, 4));
        drive.synchronize().unwrap();
        holds(&mut drive, 11);
    }
}

#[test]
fn another_objection_to_a_write_is_not_taken_for_one_to_fixed_blocks() {
    let bench = Bench::new();
    let (mut drive, faults, _) = fixed(&bench);
    // Command sequence error.
    let sense = Sense::fixed(SenseKey::IllegalRequest, 0x2C, 0x00);
    faults.on_nth(1, is(opcode::WRITE_6), Fault::Sense(sense));
    write(&mut drive, &blocks(3, 5)).unwrap_err();
    let about = |notice: &&String| notice.contains("fixed length");
    assert_eq!(drive.notices().iter().filter(about).count(), 0);
    write_all(&mut drive, &blocks(3, 5));
    drive.synchronize().unwrap();
    holds(&mut drive, 8);
}
