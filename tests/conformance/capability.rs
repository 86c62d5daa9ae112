//! What a drive says that it can do, what it does not say, and what is made of both.

use crate::bench::{Bench, Liar, pattern, quiet, ready};
use crate::poor::without;
use tapewright::drive::{Drive, FilemarkReturns, ReadyWait, SequentialDevice};
use tapewright::scsi::command_set::{Ability, Feature};
use tapewright::scsi::density::Generation;
use tapewright::scsi::log;
use tapewright::scsi::opcode as op;
use tapewright::transport::Transport;
use tapewright::units::BlockAddress;

fn drive_of(bench: &Bench, about: fn(&[u8]) -> bool, answer: Vec<u8>) -> Box<dyn Transport> {
    let inner = Box::new(bench.drive_transport());
    Box::new(Liar {
        inner,
        about,
        answer,
    })
}

#[test]
fn an_lto_9_drive_says_all_that_it_can_do() {
    let bench = Bench::new();
    let drive = Drive::open(Box::new(bench.drive_transport())).unwrap();
    let can = drive.capabilities();
    assert!(can.commands.is_listed());
    for feature in [
        Feature::Locate16,
        Feature::Space16,
        Feature::PositionLong,
        Feature::PositionExtended,
        Feature::Read16,
        Feature::Write16,
        Feature::Verify,
        Feature::Erase,
        Feature::Format,
        Feature::Log,
        Feature::ReadChip,
        Feature::WriteChip,
        Feature::Densities,
        Feature::Security,
        Feature::WrapEnds,
        Feature::AccessOrder,
    ] {
        assert_eq!(can.can(feature), Ability::Yes, "{feature:?}");
    }
    assert_eq!(can.has_log_page(log::PAGE_CAPACITY), Ability::Yes);
    assert_eq!(can.has_log_page(0x3F), Ability::No);
    assert_eq!(can.write_once, Ability::Yes);
    assert!(can.block_protection.contains(&2), "{can:?}");
    assert!(can.max_block_bytes.is_some_and(|bytes| bytes >= 1 << 20));
    let own = can.densities.iter().find(|density| density.default);
    assert_eq!(own.unwrap().code, Generation::Lto9.density());
    let serials: Vec<_> = can.names.iter().filter_map(|name| name.serial()).collect();
    assert!(serials.contains(&drive.identity().serial), "{serials:?}");
    assert_eq!(drive.notices(), [""; 0]);
}

#[test]
fn what_a_drive_lacks_is_said_once_and_what_follows_from_it() {
    for (unknown, said) in [
        (op::MAINTENANCE_IN, "shows when it refuses it"),
        (op::LOG_SENSE, "how much room a tape has left"),
        (op::LOG_SENSE, "no TapeAlert"),
        (op::READ_ATTRIBUTE, "shows by its label only"),
    ] {
        let bench = Bench::new();
        bench.load();
        let mut drive = ready(without(Box::new(bench.drive_transport()), &[unknown]));
        for _ in 0..2 {
            assert_eq!(
                drive.cartridge_memory().unwrap().is_none(),
                unknown == op::READ_ATTRIBUTE
            );
            drive.remaining_bytes().unwrap();
            drive.tape_alerts().unwrap();
        }
        let notices = drive.notices();
        let times = notices.iter().filter(|notice| notice.contains(said));
        assert_eq!(times.count(), 1, "{said}: {notices:?}");
    }
}

/// Then nothing is concluded from what is not in it.
#[test]
fn a_list_that_no_tape_drive_has_is_not_believed() {
    let bench = Bench::new();
    bench.load();
    let about = |cdb: &[u8]| cdb[0] == op::MAINTENANCE_IN;
    let mut drive = ready(drive_of(&bench, about, vec![0; 4]));
    let locate = |drive: &Drive| drive.capabilities().can(Feature::Locate16);
    assert_eq!(locate(&drive), Ability::Unknown);
    drive.write_block(&pattern(0, 4096)).unwrap();
    drive.locate(BlockAddress(0)).unwrap();
    assert_eq!(locate(&drive), Ability::Yes);
}

#[test]
fn a_drive_is_used_whatever_it_answers_to_what_it_need_not_answer() {
    const QUESTIONS: [fn(&[u8]) -> bool; 4] = [
        |cdb| cdb[0] == op::MAINTENANCE_IN,
        |cdb| cdb[0] == op::INQUIRY && cdb[1] == 1,
        |cdb| cdb[0] == op::LOG_SENSE,
        |cdb| cdb[0] == op::REPORT_DENSITY_SUPPORT,
    ];
    for about in QUESTIONS {
        let endless = vec![0xFF; 70_000];
        let answers = (0..8).map(|seed| pattern(seed, 300 << seed));
        for answer in answers.chain([Vec::new(), vec![0; 2], vec![0; 400], endless]) {
            let bench = Bench::new();
            bench.load();
            let mut drive = ready(drive_of(&bench, about, answer));
            drive.write_block(&pattern(0, 4096)).unwrap();
            drive.locate(BlockAddress(0)).unwrap();
        }
    }
}

/// Name and capacity are the drive's, where its format came after this program.
#[test]
fn a_format_of_the_future_is_known_by_the_drives_word() {
    let mut report = vec![0x00, 0x36, 0, 0];
    report.extend([0x70, 0x70, 0xA0, 0, 0, 0, 0x50, 0, 0, 0x7F, 0x20, 0]);
    report.extend(144_000_000u32.to_be_bytes());
    report.extend(b"LTO-CVE U-1464  Ultrium 14/64T      ");
    let bench = Bench::new();
    let about = |cdb: &[u8]| cdb[0] == op::REPORT_DENSITY_SUPPORT;
    let drive = Drive::open(drive_of(&bench, about, report)).unwrap();
    let [format] = &drive.capabilities().densities[..] else {
        panic!("{:?}", drive.capabilities().densities);
    };
    assert_eq!((format.code, &*format.name), (0x70, "U-1464"));
    assert_eq!(format.capacity_bytes(), 144_000_000_000_000);
    assert_eq!(Generation::of_medium(format.code, 0), None);
}

/// A tape with 40 records of 512 KiB: some eighty of its wraps are written.
fn with_wraps() -> Bench {
    let bench = Bench::with_capacity(Some(64 << 20));
    let mut drive = bench.ready_drive();
    for number in 0..40 {
        drive.write_block(&pattern(number, 512 << 10)).unwrap();
    }
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    drive.unload().unwrap();
    drive.load(&ReadyWait::default(), &mut quiet).unwrap();
    bench
}

#[test]
fn a_drive_tells_where_the_wraps_of_its_tape_end_and_stays_where_it_is() {
    let bench = with_wraps();
    let mut drive = ready(Box::new(bench.drive_transport()));
    drive.locate(BlockAddress(7)).unwrap();
    let ends = drive.wrap_ends().unwrap().unwrap();
    // 20 of 64 MiB, and the last wrap is not whole.
    assert!((84..92).contains(&ends.len()), "{}", ends.len());
    assert!(ends.is_sorted() && ends.last().unwrap().0 < 40, "{ends:?}");
    assert_eq!(drive.position().unwrap().block, BlockAddress(7));
}

/// A question that the drive need not answer: whatever comes, the tape is read.
#[test]
fn wraps_that_make_no_sense_are_no_wraps() {
    let about = |cdb: &[u8]| cdb[..3] == [op::MAINTENANCE_IN, 0x1F, 0x45];
    let backwards = [
        &[0, 26, 0, 0][..],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    ];
    for answer in [
        Vec::new(),
        vec![0; 4],
        vec![0xFF; 70_000],
        vec![0, 2, 0, 0],
        vec![0, 200, 0, 0, 1],
        backwards.concat(),
    ] {
        let bench = with_wraps();
        let mut drive = ready(drive_of(&bench, about, answer.clone()));
        drive.locate(BlockAddress(7)).unwrap();
        let told = drive.wrap_ends().unwrap();
        assert_eq!(told, None, "{} bytes", answer.len());
        let mut block = vec![0; 512 << 10];
        drive.read_block(&mut block).unwrap();
        assert_eq!(block, pattern(7, 512 << 10));
    }
}

/// Each block of the tape by itself, the last first.
fn single_blocks() -> Vec<(BlockAddress, BlockAddress)> {
    let blocks = (0..40).rev().map(BlockAddress);
    blocks.map(|block| (block, block)).collect()
}

#[test]
fn a_drive_says_in_which_order_it_would_read_and_stays_where_it_is() {
    let bench = with_wraps();
    let mut drive = ready(Box::new(bench.drive_transport()));
    drive.locate(BlockAddress(7)).unwrap();
    let mut order = drive.recommended_order(&single_blocks()).unwrap().unwrap();
    assert_eq!(drive.position().unwrap().block, BlockAddress(7));
    order.sort_unstable();
    assert!(order.into_iter().eq(0..40), "each once");
    assert_eq!(drive.recommended_order(&[]).unwrap(), Some(Vec::new()));
    let too_many = vec![(BlockAddress(1), BlockAddress(1)); 2731];
    assert_eq!(drive.recommended_order(&too_many).unwrap(), None);
    // Behind the end of the data is nothing to be read.
    let behind = [(BlockAddress(1), BlockAddress(90))];
    assert_eq!(drive.recommended_order(&behind).unwrap(), None);
    assert_eq!(drive.position().unwrap().block, BlockAddress(7));
}

#[test]
fn an_order_that_makes_no_sense_or_is_not_given_is_none() {
    let about = |cdb: &[u8]| cdb[..2] == [op::MAINTENANCE_IN, 0x1D];
    for answer in [
        Vec::new(),
        vec![0; 8],
        vec![0xFF; 70_000],
        // As many as one likes, and then no list.
        vec![0x0A, 0xAA, 0, 32, 0, 0, 0, 0],
    ] {
        let bench = with_wraps();
        let mut drive = ready(drive_of(&bench, about, answer.clone()));
        drive.locate(BlockAddress(7)).unwrap();
        let told = drive.recommended_order(&single_blocks()).unwrap();
        assert_eq!(told, None, "{} bytes", answer.len());
        let mut block = vec![0; 512 << 10];
        drive.read_block(&mut block).unwrap();
        assert_eq!(block, pattern(7, 512 << 10));
    }
    let bench = with_wraps();
    let transport = Box::new(bench.drive_transport());
    let mut drive = ready(without(transport, &[op::MAINTENANCE_OUT]));
    assert_eq!(drive.recommended_order(&single_blocks()).unwrap(), None);
}

/// A drive's list of segments, of which only the names count.
fn list_of(names: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut list = vec![2, 1, 0, 0, 0, 0, 0, 0];
    for name in names {
        let mut segment = [0; 32];
        segment[1] = 0x1E;
        segment[5..15].copy_from_slice(format!("{name:010}").as_bytes());
        list.extend_from_slice(&segment);
    }
    let bytes = (list.len() - 8) as u32;
    list[4..8].copy_from_slice(&bytes.to_be_bytes());
    list
}

#[test]
fn an_order_that_omits_doubles_or_invents_reads_is_refused() {
    let about = |cdb: &[u8]| cdb[..2] == [op::MAINTENANCE_IN, 0x1D];
    let all = || (0..40).rev();
    let mut cut = list_of(all());
    cut.pop();
    for (case, answer, expected) in [
        ("good", list_of(all()), Some(all().collect())),
        ("one is omitted", list_of(all().skip(1)), None),
        ("one is doubled", list_of(all().chain([7])), None),
        ("one for another", list_of(all().skip(1).chain([7])), None),
        ("one is invented", list_of(all().chain([40])), None),
        ("one is unknown", list_of(all().skip(1).chain([40])), None),
        ("none", list_of(std::iter::empty()), None),
        ("cut short", cut, None),
    ] {
        let bench = with_wraps();
        let mut drive = ready(drive_of(&bench, about, answer));
        drive.locate(BlockAddress(7)).unwrap();
        let told: Option<Vec<usize>> = drive.recommended_order(&single_blocks()).unwrap();
        assert_eq!(told, expected, "{case}");
        let mut block = vec![0; 512 << 10];
        drive.read_block(&mut block).unwrap();
        assert_eq!(block, pattern(7, 512 << 10), "{case}");
    }
}
