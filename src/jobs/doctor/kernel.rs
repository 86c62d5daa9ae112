//! The kernel's drivers for tape, and their parameters that matter.

use std::fs;
use std::path::Path;

use super::Examination;
use crate::jobs::JobErrorKind;
use crate::transport::attached::sg_driver_loaded;
use crate::transport::sg::in_container;

const SG: &str = "sg driver";
const OTHERS: &str = "other drivers";
const CONTAINER: &str = "container";

/// Checks the drivers.
pub(super) fn examine(found: &mut Examination) {
    if in_container() {
        found.warn(
            CONTAINER,
            "this runs in a container, which sees only devices that were given to it",
            "--device=/dev/sgN for each drive and changer, and /sys as on the host",
        );
    }
    let module = Path::new("/sys/module");
    match sg_driver_loaded() {
        Some(true) => found.ok(SG, format!("loaded{}", parameters(&module.join("sg")))),
        Some(false) => found.problem(
            SG,
            JobErrorKind::Host,
            "not loaded: no tape device can be used",
            "modprobe sg; at each boot: echo sg > /etc/modules-load.d/sg.conf",
        ),
        None => found.problem(
            SG,
            JobErrorKind::Host,
            "/sys/class cannot be seen, so no device can be found",
            "mount -t sysfs none /sys",
        ),
    }
    let loaded = |name: &&str| module.join(name).is_dir();
    let others: Vec<&str> = ["st", "ch"].into_iter().filter(loaded).collect();
    if module.join("lin_tape").is_dir() {
        found.warn(
            OTHERS,
            "IBM's lin_tape is loaded; its nodes cannot be kept closed while a tape is written",
            "let no program use /dev/IBMtape*, or: rmmod lin_tape && modprobe st",
        );
    }
    let what = match &others[..] {
        [] => "neither st nor ch is loaded, which is fine".to_owned(),
        loaded => format!(
            "{} loaded; a drive's st node is kept closed to others while the drive is in use",
            loaded.join(" and ")
        ),
    };
    found.ok(OTHERS, what);
}

/// Those of sg's parameters that decide on long transfers.
fn parameters(sg: &Path) -> String {
    let value = |name: &str| {
        let text = fs::read_to_string(sg.join("parameters").join(name)).ok()?;
        Some(format!("{name}={}", text.trim()))
    };
    let names = ["scatter_elem_sz", "def_reserved_size", "allow_dio"];
    let shown: Vec<String> = names.into_iter().filter_map(value).collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(" ({})", shown.join(", ")),
    }
}
