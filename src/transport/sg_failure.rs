//! What the kernel's refusals and statuses on sg nodes mean, and what cures them
//! (scsi-tape facts 1.2, 1.4 and 1.5).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Group, User, geteuid};

use super::attached::{SYSFS, sg_driver_loaded};
use super::holders::{Holder, holders, nodes_of};
use super::{TransportError, TransportErrorKind};

/// Why the node `sg` could not be opened.
pub(super) fn cannot_open(device: &str, sg: &Path, source: io::Error) -> TransportError {
    use TransportErrorKind as Kind;
    let (kind, what) = match source.raw_os_error() {
        Some(libc::EBUSY) => (Kind::Busy, in_use(sg)),
        Some(libc::EACCES) => (Kind::Denied, Owner::of(sg).refusal()),
        Some(libc::EPERM) => (Kind::Denied, by_container(sg)),
        Some(libc::EROFS) => (
            Kind::Denied,
            format!(
                "{} can only be read, and commands need writing",
                sg.display()
            ),
        ),
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => (
            Kind::NotFound,
            nothing_there(sg_driver_loaded(), in_container()),
        ),
        _ => (Kind::Failed, "the device cannot be opened".to_owned()),
    };
    TransportError {
        device: device.to_owned(),
        kind,
        what,
        source: Some(source),
    }
}

/// Who has the device of the node `sg` in use, and what to do.
pub(super) fn in_use(sg: &Path) -> String {
    in_use_by(sg, &holders(&nodes_of(Path::new(SYSFS), sg)))
}

fn in_use_by(sg: &Path, holders: &[Holder]) -> String {
    let names: Vec<String> = holders.iter().map(Holder::to_string).collect();
    match names.is_empty() {
        true => format!(
            "another program uses the device; it is not among those that this user may see: \
             as root, fuser -v {}",
            nodes_of(Path::new(SYSFS), sg)
                .iter()
                .map(|node| node.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        ),
        false => format!("the device is open in {}", names.join(" and ")),
    }
}

/// To whom a node belongs, and who asks.
struct Owner {
    node: String,
    owner: String,
    group: Option<String>,
    mode: u32,
    user: String,
}

impl Owner {
    fn of(node: &Path) -> Owner {
        let user = |uid: nix::unistd::Uid| match User::from_uid(uid) {
            Ok(Some(user)) => user.name,
            _ => uid.to_string(),
        };
        let metadata = fs::metadata(node).ok();
        let (uid, gid, mode) = metadata.map_or((0, 0, 0), |m| (m.uid(), m.gid(), m.mode()));
        let group = Group::from_gid(gid.into()).ok().flatten();
        Owner {
            node: node.display().to_string(),
            owner: user(uid.into()),
            group: group.map(|group| group.name),
            mode: mode & 0o777,
            user: user(geteuid()),
        }
    }

    fn refusal(&self) -> String {
        /// Group may read and write.
        const GROUP_RW: u32 = 0o060;
        let Owner {
            node,
            owner,
            user,
            mode,
            ..
        } = self;
        let group = self.group.as_deref().unwrap_or("unknown");
        let what = format!(
            "user {user} may not use the device: {node} belongs to {owner}, group {group}, \
             mode {mode:04o}"
        );
        match group {
            "root" | "unknown" | "disk" | "cdrom" => format!(
                "{what}; give it to the tape group (chgrp tape {node} && chmod 660 {node}; \
                 for good by a udev rule) and join it: usermod -aG tape {user}"
            ),
            _ if mode & GROUP_RW != GROUP_RW => {
                format!("{what}; let the group write: chmod g+rw {node}")
            }
            _ => format!("{what}; join the group: usermod -aG {group} {user}, then log in again"),
        }
    }
}

/// EPERM at opening is no matter of modes: a container's or the kernel's rule forbids it.
fn by_container(sg: &Path) -> String {
    let node = sg.display();
    format!(
        "a rule of the container or of the kernel forbids the device; start the container with \
         --device={node} (systemd units: DeviceAllow={node} rw)"
    )
}

/// Whether this process runs in a container, as far as the common engines tell.
#[must_use]
pub fn in_container() -> bool {
    [
        "/run/.containerenv",
        "/.dockerenv",
        "/run/systemd/container",
    ]
    .iter()
    .any(|mark| Path::new(mark).exists())
}

/// Why there is no device where one is wanted.
pub(super) fn nothing_there(sg_driver: Option<bool>, in_container: bool) -> String {
    match (sg_driver, in_container) {
        (_, true) => {
            "there is no such device in this container; start it with --device=/dev/sgN for \
             each drive and changer, and load the sg driver on the host (modprobe sg)"
        }
        (None, _) => {
            "there is no such device, and /sys cannot be seen: mount it \
             (mount -t sysfs none /sys), and load the sg driver (modprobe sg)"
        }
        (Some(false), _) => "the kernel's sg driver is not loaded: modprobe sg",
        (Some(true), _) => {
            "there is no such device; is it switched on and attached? \
             `library scan` lists what the kernel has"
        }
    }
    .to_owned()
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
            "the kernel's filter lets this process send only harmless commands; it needs \
             CAP_SYS_RAWIO: run it as root, or setcap cap_sys_rawio+ep on the program"
                .to_owned(),
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
        "no connection to the device; check power and cable",
        "the bus stayed busy",
        "no answer in the time allowed; the kernel gave the command up",
        "no such target",
        "the command was aborted",
        "parity error on the way",
        "the host adapter failed; the kernel's log (dmesg) says more",
        "the bus or device was reset",
        "unexpected interrupt",
        "the low-level driver handled the command itself",
        "the low-level driver asks for a retry",
        "the low-level driver asks for an immediate retry",
        "the command was requeued",
        "the path is disrupted; check cables and switch",
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
            (
                libc::EBUSY,
                TransportErrorKind::Busy,
                "fuser -v /nowhere/sg9",
            ),
            (libc::EACCES, TransportErrorKind::Denied, "usermod -aG tape"),
            (
                libc::EPERM,
                TransportErrorKind::Denied,
                "--device=/nowhere/sg9",
            ),
            (libc::EROFS, TransportErrorKind::Denied, "only be read"),
        ] {
            let source = io::Error::from_raw_os_error(errno);
            let error = cannot_open("drive", Path::new("/nowhere/sg9"), source);
            assert_eq!(error.kind, kind);
            assert!(error.to_string().contains(cure), "{error}");
        }
    }

    #[test]
    fn a_missing_device_has_the_cure_that_suits_the_host() {
        for (driver, container, cure) in [
            (Some(true), false, "switched on"),
            (Some(false), false, "modprobe sg"),
            (None, false, "mount -t sysfs"),
            (Some(true), true, "--device=/dev/sgN"),
            (None, true, "--device=/dev/sgN"),
        ] {
            let told = nothing_there(driver, container);
            assert!(told.contains(cure), "{driver:?} {container}: {told}");
        }
    }

    #[test]
    fn a_refusal_names_the_group_to_join() {
        for (group, mode, cure) in [
            (Some("tape"), 0o660, "usermod -aG tape karl"),
            (Some("backup"), 0o660, "usermod -aG backup karl"),
            (Some("tape"), 0o640, "chmod g+rw /dev/sg3"),
            (Some("root"), 0o600, "chgrp tape /dev/sg3"),
            (None, 0o600, "chgrp tape /dev/sg3"),
        ] {
            let owner = Owner {
                node: "/dev/sg3".to_owned(),
                owner: "root".to_owned(),
                group: group.map(str::to_owned),
                mode,
                user: "karl".to_owned(),
            };
            let told = owner.refusal();
            assert!(told.contains(cure), "{group:?} {mode:o}: {told}");
            assert!(told.contains(&format!("mode {mode:04o}")), "{told}");
        }
    }

    #[test]
    fn a_busy_device_is_told_with_its_users() {
        let holder = |pid, command: &str| Holder {
            pid,
            command: command.to_owned(),
        };
        let sg = Path::new("/nowhere/sg9");
        let told = in_use_by(sg, &[holder(7, "tar"), holder(9, "mt")]);
        assert_eq!(
            told,
            "the device is open in tar (process 7) and mt (process 9)"
        );
        assert!(in_use_by(sg, &[]).contains("fuser -v /nowhere/sg9"));
    }
}
