//! `syscalls.c`, made into what the loader puts before libc.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles it into `directory`.
pub fn compile(directory: &Path) -> PathBuf {
    let library = directory.join("syscalls.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/syscalls.c");
    let compiled = Command::new("gcc")
        .args([
            "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .args([&library, &source])
        .status();
    assert!(compiled.expect("gcc").success());
    library
}
