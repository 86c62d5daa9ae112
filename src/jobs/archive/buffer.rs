//! How large the buffer between source and drive is, and where its marks are.

use super::JobDescription;
use crate::engine::archive::{Marks, Memory};
use crate::jobs::JobError;
use crate::units::ByteSize;

/// Without a wish the buffer is this share (one of so many) of the host's memory, within these
/// bounds.
const MEMORY_SHARE: u64 = 8;
const LEAST_BYTES: u64 = 64 << 20;
const MOST_BYTES: u64 = 1 << 30;

/// Less would be fewer records than are written at once.
const SMALLEST_BYTES: u64 = 16 << 20;

/// The buffer of a job that asks for none: an eighth of the host's memory, at least 64 MiB and
/// at most 1 GiB, in bytes.
#[must_use]
pub fn default_bytes() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    for_host(host_bytes(&meminfo))
}

fn for_host(memory_bytes: Option<u64>) -> u64 {
    let share = memory_bytes.map_or(0, |bytes| bytes / MEMORY_SHARE);
    share.clamp(LEAST_BYTES, MOST_BYTES)
}

fn host_bytes(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The memory that this job may use.
pub(super) fn memory(job: &JobDescription) -> Result<Memory, JobError> {
    let bytes = job.buffer.map_or_else(default_bytes, |size| size.0);
    if bytes < SMALLEST_BYTES {
        let (given, least) = (ByteSize(bytes), ByteSize(SMALLEST_BYTES));
        return Err(JobError::Request {
            what: format!("a buffer of {given} is too small; {least} is the least"),
        });
    }
    let percent = |given: Option<u8>, own: u8| match given {
        Some(0) | Some(101..) => Err(JobError::Request {
            what: "the marks of the buffer are 1 to 100 per cent".to_owned(),
        }),
        given => Ok(given.unwrap_or(own)),
    };
    let own = Marks::default();
    Ok(Memory {
        buffer_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        marks: Marks {
            start: percent(job.start_at, own.start)?,
            resume: percent(job.resume_at, own.resume)?,
        },
        ..Memory::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_goes_by_the_memory_of_the_host_within_bounds() {
        let host = |kib: u64| host_bytes(&format!("MemFree: 1 kB\nMemTotal:  {kib} kB\n"));
        assert_eq!(for_host(host(4 << 20)), 512 << 20);
        assert_eq!(for_host(host(64 << 20)), MOST_BYTES);
        assert_eq!(for_host(host(100_000)), LEAST_BYTES);
        assert_eq!(for_host(host_bytes("")), LEAST_BYTES);
    }

    #[test]
    fn marks_and_sizes_out_of_range_are_refused() {
        let cases = [
            (None, None, None, true),
            (Some(16), Some(1), Some(100), true),
            (Some(15), None, None, false),
            (None, Some(0), None, false),
            (None, None, Some(101), false),
        ];
        for (mib, start_at, resume_at, taken) in cases {
            let job = JobDescription {
                buffer: mib.map(|mib| ByteSize(mib << 20)),
                start_at,
                resume_at,
                ..JobDescription::default()
            };
            assert_eq!(memory(&job).is_ok(), taken, "{job:?}");
        }
    }
}
