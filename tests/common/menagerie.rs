//! A tree with one of everything that a file system holds, made by the system's own tools.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// What anybody can make.
const OWN: &str = r#"
set -e
umask 022
mkdir -p plain/empty deep; cd plain
printf hello > small; : > nothing; head -c 3000000 /dev/urandom > large
printf x > "$(printf 'latin-\344\n name')"; printf y > 'grüße'; printf z > ' '
ln small hard; ln -s small soft; ln -s /no/where dangling; ln -s "$(printf 't\377')" odd-target
mkfifo pipe
ln pipe pipe-too; cp -P soft soft-one; ln soft-one soft-two
truncate -s 50M hole
printf data | dd of=hole bs=1 seek=20000000 conv=notrunc status=none
truncate -s 5M all-hole
touch -d '1969-12-31 23:59:58.5 UTC' before-1970
touch -d '2107-03-04 05:06:07.123456789 UTC' later
touch -h -d '2001-02-03 04:05:06.789 UTC' soft
chmod 4755 large; chmod 0000 nothing; chmod 2711 "$(printf 'latin-\344\n name')"
chmod 1644 before-1970
setfattr -n user.note -v some later
setfattr -n user.empty small
setfattr -n user.long -v "$(printf '%02000d' 7)" small
setfattr -n user.on-a-directory -v yes empty
setfacl -m u:1234:rw,g:99:r,m::rw small
setfacl -m u:77:r later
setfacl -d -m u:1234:rwx empty
cd ../deep
long=$(printf 'n%.0s' $(seq 200))
(for i in 1 2 3 4 5 6; do mkdir "$long"; cd "$long"; done; printf deep > file)
mkdir -m 0500 locked; chmod u+w locked; printf in > locked/file; chmod u-w locked
touch -d '2010-10-10 UTC' locked/file locked
mkdir closed; printf in > closed/in; chmod 0300 closed
mkdir -m 1777 sticky; mkdir -m 2750 group
"#;

/// What takes root.
const FOREIGN: &str = r#"
set -e
umask 022
PATH=$PATH:/usr/sbin:/sbin
cd plain
mknod char c 1 3; mknod block b 7 200; ln char char-too
chown 1234:5678 small; chown -h 99:98 dangling; chown 3000000:4000000 later
chown -h 97:96 pipe
setfattr -n trusted.note -v 0x00ff00 later
setfattr -h -n trusted.onlink -v v soft
printf s > set-id; chown 7:8 set-id; chmod 6755 set-id
printf m > of-the-user; chown 65534:65534 of-the-user; chmod 6755 of-the-user
printf m > of-another-group; chown 65534:9 of-another-group; chmod 4755 of-another-group
cp /bin/true capable; chown 5:6 capable; setcap cap_net_raw+ep capable
chown 11:12 ../deep/locked; setfattr -n trusted.note -v d ../deep/group
"#;

/// Makes it in the empty directory `tree`: all of it as root; without what takes root as `user`,
/// or as whoever runs the test, if that is not root.
pub fn make(tree: &Path, user: Option<u32>) {
    let is_root = rustix::process::geteuid().is_root();
    let scripts: &[&str] = match user {
        None if is_root => &[OWN, FOREIGN],
        _ => &[OWN],
    };
    for script in scripts {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(tree);
        if let Some(user) = user.filter(|_| is_root) {
            shell.uid(user).gid(user);
        }
        let made = shell.status().expect("a shell starts");
        assert!(made.success(), "{script}");
    }
}
