//! What stands between a job and each device that it opens: a trace, or what a test puts there.

use std::fmt;
use std::sync::Arc;

use super::Transport;

type Wrap = dyn Fn(Box<dyn Transport>) -> Box<dyn Transport> + Send + Sync;

/// Takes the way to a device and gives one back through which all commands then pass. Clones
/// share what it was made from.
#[derive(Clone)]
pub struct Tap(Arc<Wrap>);

impl Tap {
    /// A tap that puts `wrap` around each way.
    pub fn new(
        wrap: impl Fn(Box<dyn Transport>) -> Box<dyn Transport> + Send + Sync + 'static,
    ) -> Tap {
        Tap(Arc::new(wrap))
    }

    /// `way` with the tap in it.
    #[must_use]
    pub fn wrap(&self, way: Box<dyn Transport>) -> Box<dyn Transport> {
        (self.0)(way)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}
