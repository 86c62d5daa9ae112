//! What the kernel's refusals and statuses on sg nodes mean, and what cures them
//! (scsi-tape facts 1.2, 1.4 and 1.5).

use std::io;

use super::{TransportError, TransportErrorKind};

/// Why a node could not be opened.
pub(super) fn cannot_open(device: &str, source: io::Error) -> TransportError {
    use TransportErrorKind as Kind;
    let (kind, what) = match source.raw_os_error() {
        Some(libc::EBUSY) => (Kind::Busy, "another program uses the device"),
        Some(libc::EACCES | libc::EPERM) => (
            Kind::Denied,
            "this user may not use the device; tape devices belong to the group `tape`: \
             usermod -aG tape USER, then log in again",
        ),
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => (
            Kind::NotFound,
            "there is no device behind this node; is the drive switched on and attached, \
             and the sg driver loaded (modprobe sg)?",
        ),
        _ => (Kind::Failed, "the device cannot be opened"),
    };
    TransportError {
        device: device.to_owned(),
        kind,
        what: what.to_owned(),
        source: Some(source),
    }
}

/// Why the kernel did not send a command with a data phase of `bytes`.
pub(super) fn cannot_send(device: &str, bytes: u32, source: io::Error) -> TransportError {
    use TransportErrorKind as Kind;
    let (kind, what) = match source.raw_os_error() {
        Some(libc::EBUSY | libc::EDOM) => (Kind::Busy, "the device is in use".to_owned()),
        Some(libc::EINVAL | libc::EIO | libc::ENOMEM) if bytes > 0 => (
            Kind::TooLong,
            format!("the host adapter does not carry {bytes} bytes in one transfer"),
        ),
        Some(libc::EPERM | libc::EACCES) => (
            Kind::Denied,
            "the kernel does not let this user send the command".to_owned(),
        ),
        Some(libc::ENODEV | libc::ENXIO) => (Kind::NotFound, "the device is gone".to_owned()),
        _ => (
            Kind::Failed,
            "the kernel could not send the command".to_owned(),
        ),
    };
    TransportError {
        device: device.to_owned(),
        kind,
        what,
        source: Some(source),
    }
}

/// What host and driver status say where the device did not answer.
pub(super) fn path_failure(
    host_status: u16,
    driver_status: u16,
) -> Option<(TransportErrorKind, String)> {
    const NAMES: [&str; 18] = [
        "",
        "no connection to the device",
        "the bus stayed busy",
        "no answer in the time allowed; the kernel gave the command up",
        "no such target",
        "the command was aborted",
        "parity error on the way",
        "the host adapter failed",
        "the bus or device was reset",
        "unexpected interrupt",
        "the low-level driver handled the command itself",
        "the low-level driver asks for a retry",
        "the low-level driver asks for an immediate retry",
        "the command was requeued",
        "the path is disrupted",
        "the path failed",
        "the target failed for good",
        "the nexus failed",
    ];
    const TIME_OUT: u16 = 3;
    /// Driver status, low nibble, of kernels before 5.14: 6 timed out, 8 sense present.
    const DRIVER_TIME_OUT: u16 = 6;
    const DRIVER_SENSE: u16 = 8;
    let kind = if host_status == TIME_OUT || driver_status & 0x0F == DRIVER_TIME_OUT {
        TransportErrorKind::TimedOut
    } else if host_status != 0 || !matches!(driver_status & 0x0F, 0 | DRIVER_SENSE) {
        TransportErrorKind::Failed
    } else {
        return None;
    };
    let name = NAMES
        .get(usize::from(host_status))
        .filter(|name| !name.is_empty());
    let name = name.unwrap_or(&"the path failed");
    Some((
        kind,
        format!("{name} (host status {host_status:02X}h, driver {driver_status:02X}h)"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_lost_only_where_host_or_driver_say_so() {
        use TransportErrorKind::{Failed, TimedOut};
        for (host, driver, kind) in [
            (0, 0, None),
            (0, 8, None),
            (3, 0, Some(TimedOut)),
            (0, 6, Some(TimedOut)),
            (1, 0, Some(Failed)),
            (0x99, 0, Some(Failed)),
            (0, 4, Some(Failed)),
        ] {
            let found = path_failure(host, driver).map(|(kind, _)| kind);
            assert_eq!(found, kind, "host {host:02X}, driver {driver:02X}");
        }
    }

    #[test]
    fn each_failure_to_open_has_its_cure() {
        for (errno, kind, cure) in [
            (libc::EBUSY, TransportErrorKind::Busy, "another program"),
            (libc::EACCES, TransportErrorKind::Denied, "group `tape`"),
            (libc::ENXIO, TransportErrorKind::NotFound, "modprobe sg"),
        ] {
            let error = cannot_open("/dev/sg9", io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind, kind);
            assert!(error.to_string().contains(cure), "{error}");
        }
    }
}
