//! Reservations: a drive that two hosts see.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bench::{Bench, pattern, ready};
use tape_sim::library::Library;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{self, Nexus};
use tapewright::drive::{Drive, DriveErrorKind, SequentialDevice};
use tapewright::scsi::reservation::{EXCLUSIVE_ACCESS, Reservation};
use tapewright::transport::{Completion, Data, Status, Transport, TransportError, join};

const OURS: u64 = 0x7461_7065_0000_0001;
const THEIRS: u64 = 0x7461_7065_0000_0002;

/// One of the hosts that see a drive.
struct Host {
    drive: Arc<Mutex<DriveTarget>>,
    nexus: Nexus,
    name: String,
}

impl Transport for Host {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        _timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let joined;
        let data = match data {
            Data::None => target::Data::None,
            Data::In(buffer) => target::Data::In(buffer),
            Data::Out(bytes) => target::Data::Out(bytes),
            Data::Gather(parts) => {
                joined = join(parts);
                target::Data::Out(&joined)
            }
        };
        let done = self.drive.lock().unwrap().execute_as(self.nexus, cdb, data);
        Ok(Completion {
            status: Status(done.status),
            sense: done.sense,
            transferred_bytes: done.transferred_bytes,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn max_transfer_bytes(&self) -> usize {
        8 << 20
    }
}

/// The same drive with a tape, as two hosts see it.
fn two_hosts(bench: &Bench) -> [Drive; 2] {
    bench.load();
    let drive = Library::open(bench.path()).unwrap().drive(0).unwrap();
    let drive = Arc::new(Mutex::new(drive));
    [0, 1].map(|number| {
        ready(Box::new(Host {
            drive: drive.clone(),
            nexus: Nexus(number),
            name: format!("host {number}"),
        }))
    })
}

#[test]
fn a_reserved_drive_is_closed_to_others_until_it_is_released() {
    let bench = Bench::new();
    let [mut ours, mut theirs] = two_hosts(&bench);
    assert_eq!(ours.reservation().unwrap(), None);
    ours.reserve(OURS).unwrap();
    ours.reserve(OURS).unwrap();
    let held = Reservation {
        key: OURS,
        kind: EXCLUSIVE_ACCESS,
    };
    assert_eq!(theirs.reservation().unwrap(), Some(held));

    let error = theirs.reserve(THEIRS).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::HeldBy { key: OURS });
    assert!(error.what.contains("7461706500000001"), "{error}");
    assert_eq!(theirs.registered_keys().unwrap(), [OURS]);
    let error = theirs.rewind().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Reserved);
    // Whoever holds nothing has nothing to release.
    theirs.release(THEIRS).unwrap();
    assert_eq!(ours.reservation().unwrap(), Some(held));

    ours.rewind().unwrap();
    ours.write_block(&pattern(1, 1000)).unwrap();
    ours.release(OURS).unwrap();
    assert!(ours.registered_keys().unwrap().is_empty());
    theirs.reserve(THEIRS).unwrap();
    assert_eq!(
        ours.reserve(OURS).unwrap_err().kind,
        DriveErrorKind::HeldBy { key: THEIRS }
    );
}
