//! From tasks to work that blocks.

use super::{ErrorKind, RunError};

/// Does what waits for the lake without holding up the tasks of others.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?
}
