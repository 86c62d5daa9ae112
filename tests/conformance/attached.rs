//! The suite on a library behind the kernel's sg driver, and what only such a one shows.

use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use tapewright::drive::{Drive, DriveErrorKind, ReadOutcome, SequentialDevice};
use tapewright::scsi::cdb;
use tapewright::transport::sg::{SgTransport, Sharing};
use tapewright::transport::{Data, Status, TransportErrorKind};

use crate::bench::pattern;
use crate::rack::{Need, Rack, exclusive, wait_for_tape};
use crate::{changer, drive};

const BLOCK: usize = 256 << 10;

type Case = (&'static str, fn(&Path));

/// Each case gets the sg node of a drive with a tape that is ready.
const PATH_CASES: [Case; 2] = [
    ("a drive in use is busy for everybody else", exclusion_works),
    (
        "blocks of all lengths go through the kernel",
        transfers_work,
    ),
];

#[test]
#[ignore = "moves and overwrites the tapes of the library that TAPEWRIGHT_TEST_CHANGER names"]
fn an_attached_library_conforms() {
    let node = std::env::var("TAPEWRIGHT_TEST_CHANGER").expect("TAPEWRIGHT_TEST_CHANGER=/dev/sgN");
    let rack = Rack::attached(Path::new(&node));
    let mut report = Report {
        lacks: rack.lacks(),
        failed: 0,
    };
    for lack in &report.lacks {
        println!("# lacks {}", lack.name());
    }
    for (name, needs, case) in changer::CASES {
        report.run(name, needs, || case(&rack));
        rack.tidy();
    }
    let bay = rack.load();
    wait_for_tape(&mut Drive::open(rack.drive_transport(&bay)).unwrap());
    let drive_node = rack.node(&bay);
    for (name, case) in PATH_CASES {
        report.run(name, &[], || case(&drive_node));
    }
    for (name, needs, case) in drive::CASES {
        report.run(name, needs, || case(&mut rack.ready_drive(&bay)));
    }
    rack.tidy();
    assert_eq!(report.failed, 0, "cases failed");
}

struct Report {
    lacks: Vec<Need>,
    failed: u32,
}

impl Report {
    /// One line for each case, so that runs can be compared: `passes`, `lacks` or `FAILS`.
    fn run(&mut self, name: &str, needs: &[Need], case: impl FnOnce()) {
        if let Some(lack) = needs.iter().find(|need| self.lacks.contains(need)) {
            println!("lacks {}: {name}", lack.name());
        } else if catch_unwind(AssertUnwindSafe(case)).is_ok() {
            println!("passes: {name}");
        } else {
            println!("FAILS: {name}");
            self.failed += 1;
        }
    }
}

/// Neither a second user of the sg node nor one of the tape node gets in.
fn exclusion_works(node: &Path) {
    let held = exclusive(node);
    for sharing in [Sharing::Exclusive, Sharing::Shared] {
        let error = SgTransport::open(node, sharing).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Busy, "{error}");
    }
    let device = Path::new("/sys/class/scsi_generic").join(node.file_name().unwrap());
    let tapes = std::fs::read_dir(device.join("device/scsi_tape"))
        .into_iter()
        .flatten();
    let plain = |name: &str| {
        name.strip_prefix("nst")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    let names = tapes
        .flatten()
        .map(|tape| tape.file_name().into_string().unwrap());
    for name in names.filter(|name| plain(name)) {
        let error = std::fs::File::open(Path::new("/dev").join(name)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    }
    drop(held);
    SgTransport::open(node, Sharing::Shared).unwrap();
}

/// The bare path: one block of each length there and back, and what comes with it.
fn transfers_work(node: &Path) {
    let mut path = exclusive(node);
    let longest = path.max_transfer_bytes().min(1 << 20);
    // The last one goes in three parts.
    let lengths = [1, 513, BLOCK, longest, longest];
    let timeout = Duration::from_secs(60);
    let mut send = |cdb: &[u8], data: Data<'_>| {
        let done = path.execute(cdb, data, timeout).unwrap();
        assert_eq!(done.status, Status::GOOD, "{cdb:02x?}");
        done.transferred_bytes
    };
    send(&cdb::rewind(), Data::None);
    for (number, length) in lengths.into_iter().enumerate() {
        let data = pattern(number as u64, length);
        let (first, rest) = data.split_at(length / 3);
        let parts = [
            first,
            &rest[..1.min(rest.len())],
            rest.get(1..).unwrap_or(&[]),
        ];
        let parts = parts.map(IoSlice::new);
        let payload = match number {
            4 => Data::Gather(&parts),
            _ => Data::Out(&data),
        };
        let sent = send(&cdb::write_6(length as u32), payload);
        assert_eq!(sent, length);
    }
    send(&cdb::write_filemarks_6(1, false), Data::None);
    send(&cdb::rewind(), Data::None);
    drop(path);

    let mut drive = Drive::open(exclusive(node)).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for (number, length) in lengths.into_iter().enumerate() {
        let outcome = drive.read_block(&mut buffer).unwrap();
        assert_eq!(outcome, ReadOutcome::Block { bytes: length });
        assert!(buffer[..length] == pattern(number as u64, length));
    }
    for end in [ReadOutcome::Filemark, ReadOutcome::EndOfData] {
        assert_eq!(drive.read_block(&mut buffer).unwrap(), end);
    }
    path_errors_are_typed(&mut drive);
}

/// Replies that are errors, through the kernel; a drive whose position cannot be relied
/// upon says so when it is rewound, and is rewound all the same.
fn path_errors_are_typed(drive: &mut Drive) {
    let _ = drive.rewind();
    let error = drive.space_filemarks(5).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::EndOfData, "{error}");
    let _ = drive.rewind();
    drive.read_block(&mut [0; 4096]).unwrap();
    let error = drive.read_block(&mut [0; 512]).unwrap_err();
    let kind = DriveErrorKind::BlockTooLong { actual_bytes: 513 };
    assert_eq!(error.kind, kind, "{error}");
}
