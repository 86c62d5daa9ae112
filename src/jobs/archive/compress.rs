//! Whether and how a job's data are compressed, as people say it.

use std::str::FromStr;

use super::description::JobDescription;
use crate::engine::archive::Compression;
use crate::volume::frames::{DEFAULT_LEVEL, Effort, LEVELS};

/// Whether and how the data of a job are compressed. As text `off`, `auto`, `zstd`, `zstd:LEVEL`
/// or `drive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Not at all.
    Off,
    /// With zstd where that helps.
    Auto,
    /// With zstd at this level, of [`LEVELS`].
    Zstd(i32),
    /// By the drive.
    Drive,
}

/// A text that says no way to compress.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `off`, `auto`, `zstd`, `zstd:1` to `zstd:19` or `drive`")]
pub struct NoWayToCompress(String);

impl FromStr for Compress {
    type Err = NoWayToCompress;

    fn from_str(text: &str) -> Result<Self, NoWayToCompress> {
        let level = text.strip_prefix("zstd:").map(str::parse);
        match (text, level) {
            ("off", _) => Ok(Self::Off),
            ("auto", _) => Ok(Self::Auto),
            ("zstd", _) => Ok(Self::Zstd(DEFAULT_LEVEL)),
            ("drive", _) => Ok(Self::Drive),
            (_, Some(Ok(level))) if LEVELS.contains(&level) => Ok(Self::Zstd(level)),
            _ => Err(NoWayToCompress(text.to_owned())),
        }
    }
}

impl JobDescription {
    /// How segments are compressed; `None` stores them as they are.
    pub(super) fn compression(&self) -> Option<Compression> {
        let effort = match self.compress? {
            Compress::Off | Compress::Drive => return None,
            Compress::Auto => Effort::default(),
            Compress::Zstd(level) => Effort {
                level,
                probe: false,
            },
        };
        let mut compression = Compression::on_all_processors(effort);
        if let Some(threads) = self.compress_threads {
            compression.threads = usize::from(threads.max(1));
        }
        Some(compression)
    }
}
