//! Why a library cannot be attached to the kernel, served or detached, in words for the person
//! who tried.

use std::io;
use std::path::{Path, PathBuf};

use super::ring::RingError;
use crate::error::SimError;

/// A failed `attach` or `detach`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The kernel's configuration belongs to root.
    #[error("attaching a library to the kernel needs root: try sudo; nothing was changed")]
    NotRoot,
    /// The kernel's configuration file system is not there.
    #[error(
        "nothing is mounted at {}: load the modules with `modprobe -a target_core_user \
         tcm_loop`, then `mount -t configfs none /sys/kernel/config` if it is still empty; \
         nothing was changed",
        path.display()
    )]
    NoConfigfs {
        /// The folder that is missing.
        path: PathBuf,
    },
    /// A module is not loaded, or the kernel was built without it.
    #[error(
        "the kernel has no {module} ({source}): load it with `modprobe {module}`; a kernel \
         without that module cannot have simulated devices"
    )]
    NoModule {
        /// The module.
        module: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A process serves the library already.
    #[error("{} is attached already{}; `tape-sim detach` ends that", dir.display(), by(*pid))]
    Attached {
        /// The library.
        dir: PathBuf,
        /// The process, if it left its number.
        pid: Option<i32>,
    },
    /// The kernel has nothing of the library.
    #[error("{} is not attached: the kernel has no device of it", dir.display())]
    NotAttached {
        /// The library.
        dir: PathBuf,
    },
    /// The kernel refused a step.
    #[error("{}: {source}; `tape-sim detach` removes what was set up", path.display())]
    Kernel {
        /// The file or folder of the kernel.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The shared ring makes no sense any more.
    #[error(
        "{unit}: the command ring is damaged: {source}; commands of this device wait until \
         `tape-sim detach` fails them"
    )]
    Ring {
        /// `changer` or `drive N`.
        unit: String,
        /// What is wrong with it.
        source: RingError,
    },
    /// The UIO device failed.
    #[error("{unit}: its UIO device failed: {source}; attach again to take the device up")]
    Device {
        /// `changer` or `drive N`.
        unit: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The system refused a thing that every process may have.
    #[error("the system refused: {0}")]
    System(io::Error),
    /// A thread of the server died.
    #[error("{unit}: the simulator failed inside; attach again to take the device up")]
    Panicked {
        /// `changer` or `drive N`.
        unit: String,
    },
    /// The library's own files.
    #[error(transparent)]
    Sim(#[from] SimError),
}

fn by(pid: Option<i32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

impl AttachError {
    /// Wraps what the kernel said with the file it was said about: for `map_err`.
    pub fn kernel(path: &Path) -> impl FnOnce(io::Error) -> AttachError + '_ {
        move |source| AttachError::Kernel {
            path: path.to_path_buf(),
            source,
        }
    }
}
