//! The job description as a TOML file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::compress::Compress;
use super::description::{Hooks, JobDescription};
use crate::engine::source::{CommandSource, FileList, Source};
use crate::jobs::catalog_copy::CatalogCopy;
use crate::jobs::retention::KeepFor;
use crate::jobs::{JobError, Level};
use crate::units::{ByteSize, TimeSpan};
use crate::volume::index::DigestAlgorithm;

/// The largest file that is read.
const FILE_BYTES: u64 = 1 << 20;

/// Reads a job description. Its pool is empty if the file has none.
///
/// # Errors
///
/// [`JobError::Io`] if the file cannot be read, [`JobError::Request`] with line and reason if it
/// is no job description.
pub fn read(path: &Path) -> Result<JobDescription, JobError> {
    let io = |source| JobError::Io {
        action: "reading the job file",
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > FILE_BYTES {
        let what = format!("{} is no job file: it has {length} bytes", path.display());
        return Err(JobError::Request { what });
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    parse(&text).map_err(|what| JobError::Request {
        what: format!("the job file {}: {what}", path.display()),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobToml {
    name: Option<String>,
    #[serde(default)]
    pool: String,
    copy_pool: Option<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    one_file_system: bool,
    #[serde(default, deserialize_with = "parsed")]
    segment_size: Option<ByteSize>,
    #[serde(default, deserialize_with = "parsed")]
    compress: Option<Compress>,
    compress_threads: Option<u16>,
    #[serde(default, deserialize_with = "parsed")]
    digest: Option<DigestAlgorithm>,
    #[serde(default, deserialize_with = "parsed")]
    buffer: Option<ByteSize>,
    start_at: Option<u8>,
    resume_at: Option<u8>,
    #[serde(default)]
    level: Level,
    base: Option<String>,
    #[serde(default, deserialize_with = "parsed")]
    keep: Option<KeepFor>,
    #[serde(default, deserialize_with = "parsed")]
    catalog_copy: Option<CatalogCopy>,
    before: Option<String>,
    after: Option<String>,
    #[serde(default, deserialize_with = "parsed")]
    hook_timeout: Option<TimeSpan>,
    #[serde(default)]
    source: Vec<Spanned<SourceToml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceToml {
    paths: Option<Vec<PathBuf>>,
    files_from: Option<PathBuf>,
    null: Option<bool>,
    recursive: Option<bool>,
    tar_command: Option<String>,
    command: Option<String>,
    #[serde(rename = "as")]
    place: Option<String>,
    #[serde(default, deserialize_with = "parsed")]
    timeout: Option<TimeSpan>,
}

/// A text that stands for a value, such as `32GiB`.
fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn parse(text: &str) -> Result<JobDescription, String> {
    let job: JobToml = toml::from_str(text).map_err(|error| error.to_string())?;
    let source = |source: Spanned<SourceToml>| {
        let line = text[..source.span().start].matches('\n').count() + 1;
        source_of(source.into_inner()).map_err(|what| format!("line {line}: {what}"))
    };
    Ok(JobDescription {
        name: job.name,
        pool: job.pool,
        copy_pool: job.copy_pool,
        sources: job
            .source
            .into_iter()
            .map(source)
            .collect::<Result<_, _>>()?,
        excludes: job.exclude,
        one_file_system: job.one_file_system,
        segment_limit: job.segment_size,
        compress: job.compress,
        compress_threads: job.compress_threads,
        digest: job.digest.unwrap_or_default(),
        buffer: job.buffer,
        start_at: job.start_at,
        resume_at: job.resume_at,
        level: job.level,
        base: job.base,
        keep: job.keep,
        catalog_copy: job.catalog_copy.unwrap_or_default(),
        hooks: Hooks {
            before: job.before,
            after: job.after,
            timeout: job.hook_timeout.map(|span| span.0),
            exit_code: None,
        },
        resume: None,
        changed_lists: false,
    })
}

fn source_of(source: SourceToml) -> Result<Source, String> {
    let SourceToml {
        paths,
        files_from,
        null,
        recursive,
        tar_command,
        command,
        place,
        timeout,
    } = source;
    let of_list = null.is_some() || recursive.is_some();
    let of_command = place.is_some() || timeout.is_some();
    let refuse = |wrong, keys| match wrong {
        true => Err(format!("{keys} do not go with this kind of source")),
        false => Ok(()),
    };
    let stream = |command| {
        refuse(of_list, "`null` and `recursive`")?;
        Ok::<_, String>(CommandSource {
            command,
            place: place
                .clone()
                .ok_or("a command needs `as`, its place on tape")?,
            timeout: timeout.map(|span| span.0),
        })
    };
    match (paths, files_from, tar_command, command) {
        (Some(paths), None, None, None) => {
            refuse(
                of_list || of_command,
                "`null`, `recursive`, `as` and `timeout`",
            )?;
            Ok(Source::Paths(paths))
        }
        (None, Some(from), None, None) => {
            refuse(of_command, "`as` and `timeout`")?;
            Ok(Source::List(FileList {
                from,
                null: null.unwrap_or(false),
                recursive: recursive.unwrap_or(false),
            }))
        }
        (None, None, Some(command), None) => Ok(Source::Tar(stream(command)?)),
        (None, None, None, Some(command)) => Ok(Source::Command(stream(command)?)),
        _ => Err(
            "a source has exactly one of `paths`, `files_from`, `tar_command` and `command`"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_file_says_all_that_a_job_description_has() {
        let job = parse(
            r#"
            name = "nightly"
            pool = "monthly"
            copy_pool = "vault"
            exclude = ["*.tmp"]
            one_file_system = true
            segment_size = "32GiB"
            compress = "zstd:9"
            compress_threads = 2
            digest = "sha256"
            buffer = "4GiB"
            start_at = 30
            resume_at = 70
            level = "differential"
            base = "weekly"
            catalog_copy = "always"
            before = "snap"
            after = "unsnap"
            hook_timeout = "10m"
            [[source]]
            paths = ["/mnt/snap", "etc"]
            [[source]]
            files_from = "/lists/changed"
            null = true
            [[source]]
            tar_command = "ssh web1 tar -cf - /srv"
            as = "hosts/web1"
            timeout = "6h"
            [[source]]
            command = "pg_dump orders"
            as = "db/orders.dump"
            "#,
        )
        .unwrap();
        assert_eq!(
            (job.name.as_deref(), &*job.pool),
            (Some("nightly"), "monthly")
        );
        assert_eq!(job.copy_pool.as_deref(), Some("vault"));
        assert_eq!(job.excludes, ["*.tmp"]);
        assert!(job.one_file_system);
        assert_eq!(job.segment_limit, Some(ByteSize(32 << 30)));
        let compress = (job.compress, job.compress_threads);
        assert_eq!(compress, (Some(Compress::Zstd(9)), Some(2)));
        assert_eq!(job.digest, DigestAlgorithm::Sha256);
        let buffer = (job.buffer, job.start_at, job.resume_at);
        assert_eq!(buffer, (Some(ByteSize(4 << 30)), Some(30), Some(70)));
        let level = (job.level, job.base.as_deref());
        assert_eq!(level, (Level::Differential, Some("weekly")));
        assert_eq!(job.catalog_copy, CatalogCopy::Always);
        assert_eq!(job.hooks.before.as_deref(), Some("snap"));
        assert_eq!(job.hooks.after.as_deref(), Some("unsnap"));
        assert_eq!(job.hooks.timeout, Some(Duration::from_secs(600)));
        let stream = |command: &str, place: &str, timeout| CommandSource {
            command: command.to_owned(),
            place: place.to_owned(),
            timeout,
        };
        let hours = Duration::from_secs(6 * 3600);
        let expected = [
            Source::Paths(vec!["/mnt/snap".into(), "etc".into()]),
            Source::List(FileList {
                from: "/lists/changed".into(),
                null: true,
                recursive: false,
            }),
            Source::Tar(stream("ssh web1 tar -cf - /srv", "hosts/web1", Some(hours))),
            Source::Command(stream("pg_dump orders", "db/orders.dump", None)),
        ];
        assert_eq!(job.sources, expected);
    }

    #[test]
    fn what_a_file_does_not_say_is_as_in_any_job() {
        let job = parse("pool = \"p\"").unwrap();
        let any = JobDescription::default();
        assert_eq!(job.catalog_copy, any.catalog_copy);
        assert_eq!((job.digest, job.level), (any.digest, any.level));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line_and_a_hint() {
        let cases: [(&str, &[&str]); 12] = [
            ("level = \"half\"", &["line 1", "`half`", "`incremental`"]),
            ("compress = \"gzip\"", &["line 1", "`gzip` is not `off`"]),
            ("digest = \"md5\"", &["line 1", "`md5` is not `blake3`"]),
            ("pool = \"p\"\npol = \"q\"", &["line 2", "`pol`", "`pool`"]),
            ("\n[[source]]\npath = []", &["line 3", "`path`", "`paths`"]),
            (
                "segment_size = \"many\"",
                &["line 1", "`many` is not a size"],
            ),
            (
                "hook_timeout = \"soon\"",
                &["line 1", "`soon` is not a span of time"],
            ),
            (
                "[[source]]\npaths = []\ncommand = \"x\"",
                &["line 1", "exactly one of"],
            ),
            ("a = 1\n", &["line 1", "`a`"]),
            (
                "pool = \"p\"\n[[source]]\ncommand = \"x\"",
                &["line 2", "needs `as`"],
            ),
            (
                "[[source]]\npaths = []\nas = \"x\"",
                &["line 1", "do not go with"],
            ),
            ("pool = ", &["line 1"]),
        ];
        for (text, words) in cases {
            let error = parse(text).unwrap_err();
            let all = words.iter().all(|word| error.contains(word));
            assert!(all, "{text}: {error}");
        }
    }
}
