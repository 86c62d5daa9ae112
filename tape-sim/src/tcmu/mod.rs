//! A simulated library as kernel devices: `/dev/nst0`, `/dev/sg0`, `/dev/sch0` on a stock Linux,
//! through its own `target_core_user` (TCMU) and `tcm_loop`.
//!
//! [`config`] makes and removes the kernel's objects, [`ring`] decodes the shared command ring,
//! [`map`] maps it, [`serve`] executes the commands of one unit, [`daemon`] joins them. Unit 0 is
//! the changer, unit n + 1 drive n. `docs/sim-kernel.md` is for users.

pub mod config;
pub mod daemon;
mod direction;
pub mod error;
pub mod map;
pub mod ring;
pub mod serve;
mod sysfs;

pub use error::AttachError;
