//! A directory with one of everything that a file system can hold.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::root::is_root;

/// Makes the zoo in the new directory `dir`. Without root it lacks devices, capabilities
/// and foreign owners, and says so on stderr.
pub fn make(dir: &Path) {
    fs::create_dir_all(dir.join("empty directory")).expect("a directory");
    names(dir);
    contents(dir);
    links(dir);
    attributes(dir);
    if is_root() {
        privileged(dir);
    } else {
        eprintln!("not root: the zoo lacks devices, capabilities and foreign owners");
    }
    times(dir);
}

fn names(dir: &Path) {
    let deep = (0..12).fold(dir.join("deep"), |path, level| {
        path.join(format!("{level:_>30}"))
    });
    fs::create_dir_all(&deep).expect("a deep directory");
    fs::write(deep.join("bottom"), "over 255 bytes of path").expect("a deep file");
    fs::write(dir.join("n".repeat(255)), "a name of 255 bytes").expect("a long name");
    for name in [
        &b"not \xff\xfe UTF-8"[..],
        "Grüße, 磁带".as_bytes(),
        b"new\nline",
        b" -rf *",
    ] {
        fs::write(dir.join(OsStr::from_bytes(name)), name).expect("an odd name");
    }
}

fn contents(dir: &Path) {
    fs::write(dir.join("empty"), "").expect("an empty file");
    let mut random = crate::random::Random(7);
    for size in [1, 511, 512, 513, 524_287, 524_288, 524_289, 3_000_000] {
        fs::write(dir.join(format!("{size} bytes")), random.bytes(size)).expect("a file");
    }
    let mut sparse = File::create(dir.join("sparse, over 8 GiB")).expect("a file");
    for offset in [0, 1 << 20, 5 << 30] {
        sparse.seek(SeekFrom::Start(offset)).expect("a seek");
        sparse
            .write_all(b"an island in a sea of holes")
            .expect("a write");
    }
    sparse.set_len(9 << 30).expect("a hole at the end");
    let hole = File::create(dir.join("nothing but a hole")).expect("a file");
    hole.set_len(1 << 20).expect("a hole");
}

fn links(dir: &Path) {
    symlink("nowhere/at all", dir.join("dangling")).expect("a symlink");
    symlink("t".repeat(300), dir.join("long target")).expect("a symlink");
    symlink("../zoo", dir.join("to a directory")).expect("a symlink");
    fs::hard_link(dir.join("512 bytes"), dir.join("empty directory.twin")).expect("a hard link");
    fs::hard_link(dir.join("512 bytes"), dir.join("zz third name")).expect("a hard link");
    run("mkfifo", &["pipe"], dir);
}

fn attributes(dir: &Path) {
    let file = dir.join("attributes");
    fs::write(&file, "see my attributes").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).expect("mode bits");
    fs::set_permissions(
        dir.join("empty directory"),
        fs::Permissions::from_mode(0o1777),
    )
    .expect("a sticky directory");
    let set = |args: &[&str]| run("setfattr", args, dir);
    set(&["-n", "user.comment", "-v", "plain", "attributes"]);
    set(&["-n", "user.binary", "-v", "0x00ff0a3d20", "attributes"]);
    set(&["-n", "user.empty", "attributes"]);
    set(&["-n", "user.on a directory", "-v", "yes", "empty directory"]);
    let acl = |args: &[&str]| run("setfacl", args, dir);
    acl(&["-m", "u:12345:rw-,g:54321:r-x,m::rwx", "attributes"]);
    acl(&["-d", "-m", "u:12345:r-x,o::---", "empty directory"]);
}

fn privileged(dir: &Path) {
    let given = dir.join("given away");
    fs::write(&given, "to a number without a name, beyond octal").expect("a file");
    std::os::unix::fs::chown(&given, Some(3_000_000), Some(4_000_000)).expect("chown");
    run("mknod", &["null", "c", "1", "3"], dir);
    run("mknod", &["loop", "b", "7", "250"], dir);
    fs::write(dir.join("capable"), "ping").expect("a file");
    run("setcap", &["cap_net_raw+ep", "capable"], dir);
}

fn times(dir: &Path) {
    for (name, time) in [
        ("empty", "1969-07-20 20:17:40.123456789 UTC"),
        ("1 bytes", "2262-01-01 00:00:00.000000001 UTC"),
        ("dangling", "2001-09-09 01:46:40 UTC"),
        ("empty directory", "1999-12-31 23:59:59.999999999 UTC"),
    ] {
        run("touch", &["-hd", time, name], dir);
    }
}

fn run(program: &str, args: &[&str], dir: &Path) {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let status = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("PATH", path)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{program} {args:?} failed"
    );
}
