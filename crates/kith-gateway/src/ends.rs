//! How the gateway's tasks end.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How tasks learn of the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    /// End in order.
    pub(crate) stop: CancellationToken,
    /// End now.
    pub(crate) kill: CancellationToken,
    /// Who must have ended.
    pub(crate) tasks: TaskTracker,
}
