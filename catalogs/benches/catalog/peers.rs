//! The same entries in SQLite and PostgreSQL, in tables like Bacula's, filled as Bacula fills
//! them: a batch, then the paths that are new, then the files. The programs of the system are
//! used, over pipes; a peer that is not installed is left out with a line that says so.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::history::{History, RUNS};
use crate::{LOOKUPS, percentiles, row, size};

const DONE: &str = "the answer ends here";

const TABLES: &str = "
CREATE TABLE path (pathid INTEGER PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE file (fileid INTEGER PRIMARY KEY, jobid INTEGER NOT NULL, pathid INTEGER NOT NULL,
  filename TEXT NOT NULL, lstat TEXT NOT NULL, md5 TEXT NOT NULL);
CREATE TABLE batch (jobid INTEGER, path TEXT, filename TEXT, lstat TEXT, md5 TEXT);
";
const SORT_IN: &str = "
INSERT INTO path (path) SELECT DISTINCT path FROM batch;
CREATE UNIQUE INDEX path_name ON path (path);
INSERT INTO file (jobid, pathid, filename, lstat, md5)
  SELECT batch.jobid, path.pathid, batch.filename, batch.lstat, batch.md5
  FROM batch JOIN path ON path.path = batch.path;
DROP TABLE batch;
CREATE INDEX file_place ON file (pathid, filename);
CREATE INDEX file_job ON file (jobid);
";

pub fn measure(work: &Path, history: &History) {
    let batch = work.join("batch.tsv");
    let entries = write_batch(&batch, history).expect("room for the batch");
    let sqlite = work.join("peer.sqlite");
    println!("\nSQLite");
    let program = spawn(Command::new("sqlite3").arg("-batch").arg(&sqlite));
    match program {
        Err(error) => println!("left out: sqlite3: {error}"),
        Ok(mut peer) => {
            let tables = format!("PRAGMA synchronous=NORMAL; PRAGMA journal_mode=WAL; {TABLES}");
            let import = format!(".mode tabs\n.import {} batch\n.mode list", batch.display());
            fill_and_ask(&mut peer, &tables, &import, history, entries);
            drop(peer);
            let bytes = size(&sqlite) as f64 / entries as f64;
            row(
                "on disk, bytes an entry",
                &format!("{bytes:.1} (free pages included)"),
            );
        }
    }
    println!("\nPostgreSQL");
    match Cluster::start(work) {
        Err(error) => println!("left out: {error}"),
        Ok(cluster) => match cluster.connect() {
            Err(error) => println!("left out: psql: {error}"),
            Ok(mut peer) => {
                let tables = TABLES.replace("INTEGER PRIMARY KEY", "BIGSERIAL PRIMARY KEY");
                let import = format!("\\copy batch from '{}'", batch.display());
                fill_and_ask(&mut peer, &tables, &import, history, entries);
                let bytes = cluster.size() as f64 / entries as f64;
                row("on disk, bytes an entry", &format!("{bytes:.1}"));
            }
        },
    }
    let _ = fs::remove_file(batch);
}

fn write_batch(to: &Path, history: &History) -> std::io::Result<u64> {
    let mut out = BufWriter::new(File::create(to)?);
    let mut entries = 0;
    let mut failed = None;
    for run in 0..RUNS {
        history.run(run, |segment| {
            for entry in segment.entries {
                let path = String::from_utf8_lossy(&entry.path);
                let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let digest = entry.digest.map(|digest| STANDARD_NO_PAD.encode(digest));
                let written = writeln!(
                    out,
                    "{run}\t{directory}/\t{name}\tgB {:x} {:x} B {:x} {:x} A {:x} BAA {:x} {:x} \
                     {:x} {:x} A A C\t{}",
                    entry.inode.unwrap_or(0),
                    entry.mode,
                    entry.uid,
                    entry.gid,
                    entry.size_bytes,
                    entry.size_bytes / 512,
                    entry.mtime.seconds,
                    entry.mtime.seconds,
                    entry.ctime.seconds,
                    digest.unwrap_or_default()
                );
                failed = failed.take().or(written.err());
                entries += 1;
            }
        });
    }
    out.flush()?;
    failed.map_or(Ok(entries), Err)
}

fn fill_and_ask(peer: &mut Peer, tables: &str, import: &str, history: &History, entries: u64) {
    peer.ask(tables);
    let begun = Instant::now();
    peer.ask(&format!("{import}\n{SORT_IN}"));
    let seconds = begun.elapsed().as_secs_f64();
    row(
        "in",
        &format!(
            "{:.2} M entries/s ({seconds:.2} s)",
            entries as f64 / seconds / 1e6
        ),
    );
    peer.ask("ANALYZE;");
    let pipe = (0..LOOKUPS).map(|_| peer.ask("SELECT 1;").1);
    let pipe = percentiles(pipe.collect());
    row("the pipe alone", &pipe);
    for (what, end) in [
        ("find a name, newest", " LIMIT 1"),
        ("find a name, all versions", ""),
    ] {
        let mut found = 0;
        let times = history.some_files(LOOKUPS, 5).map(|path| {
            let path = String::from_utf8_lossy(&path);
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let (hits, time) = peer.ask(&format!(
                "SELECT file.jobid, lstat, md5 FROM file JOIN path ON path.pathid = file.pathid \
                 WHERE path.path = '{directory}/' AND filename = '{name}' \
                 ORDER BY file.jobid DESC{end};"
            ));
            found += hits;
            time
        });
        let times = percentiles(times.collect());
        row(what, &format!("{times}; {found} hits"));
    }
    let (hits, time) = peer.ask(
        "SELECT path.path, filename, max(jobid) FROM file JOIN path ON path.pathid = file.pathid \
         WHERE filename LIKE '%holiday-0901.jpg%' GROUP BY 1, 2;",
    );
    let rate = entries as f64 / time.as_secs_f64() / 1e6;
    row(
        "piece of a file's own name, rare",
        &format!(
            "{:.2} s, {rate:.1} M entries/s; {hits} hits",
            time.as_secs_f64()
        ),
    );
}

/// A program that answers SQL over pipes.
struct Peer {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

fn spawn(command: &mut Command) -> std::io::Result<Peer> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let to = child.stdin.take();
    let from = BufReader::new(child.stdout.take().expect("a pipe"));
    Ok(Peer { child, to, from })
}

impl Peer {
    /// Lines of the answer, and how long it took.
    fn ask(&mut self, question: &str) -> (usize, Duration) {
        let begun = Instant::now();
        let to = self.to.as_mut().expect("present until dropped");
        let question = format!("{question}\nSELECT '{DONE}';\n");
        to.write_all(question.as_bytes())
            .expect("a peer that listens");
        to.flush().expect("a peer that listens");
        let mut lines = 0;
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.from.read_line(&mut line).expect("a peer that answers");
            assert!(read > 0, "the peer ended");
            if line.trim_end() == DONE {
                return (lines, begun.elapsed());
            }
            lines += 1;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// A PostgreSQL of our own, reached by a socket in its directory. It refuses to run as root.
struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
}

impl Cluster {
    fn start(work: &Path) -> Result<Cluster, String> {
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let programs = installed
            .flatten()
            .map(|version| version.path().join("bin"))
            .find(|programs| programs.join("initdb").exists());
        let cluster = Cluster {
            programs: programs.ok_or("PostgreSQL is not installed")?,
            directory: work.join("postgresql"),
        };
        let make = || {
            fs::create_dir(&cluster.directory)?;
            let mut open = fs::metadata(work)?.permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o755);
            fs::set_permissions(work, open)?;
            Command::new("chown")
                .arg("postgres")
                .arg(&cluster.directory)
                .status()
        };
        make().map_err(|error| error.to_string())?;
        cluster.run("initdb", &["-A", "trust", "-U", "postgres", "-D"])?;
        let socket = format!(
            "-k {} -c listen_addresses='' -c max_wal_size=8GB -c shared_buffers=256MB",
            cluster.directory.display()
        );
        cluster.run(
            "pg_ctl",
            &["-w", "-l", "/dev/null", "-o", &socket, "start", "-D"],
        )?;
        Ok(cluster)
    }

    /// Runs one of its programs with its directory as the last argument.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let program = self.programs.join(program);

        let mut command = match user_is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(&program);
                command
            }
            false => Command::new(&program),
        };
        command
            .args(arguments)
            .arg(&self.directory)
            .current_dir("/");
        let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        match ran {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: {status}", program.display())),
            Err(error) => Err(format!("{}: {error}", program.display())),
        }
    }

    fn connect(&self) -> std::io::Result<Peer> {
        let mut command = Command::new(self.programs.join("psql"));
        command.arg("-h").arg(&self.directory);
        spawn(command.args(["-U", "postgres", "-q", "-A", "-t", "postgres"]))
    }

    /// Bytes of its tables and indexes.
    fn size(&self) -> u64 {
        size(&self.directory.join("base"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["-m", "fast", "stop", "-D"]);
    }
}

fn user_is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.is_some_and(|line| line.split_whitespace().nth(1) == Some("0"))
}
