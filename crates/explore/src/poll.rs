//! Polls until a condition holds. The crate sleeps nowhere else.

use std::time::{Duration, Instant};

/// The pause after the first attempt; grows to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// Calls `poll` until it returns a value, and returns none after `time_limit`.
///
/// # Errors
/// Returns the first error of `poll`.
#[expect(clippy::disallowed_methods, reason = "waits between two polls of the system under test")]
pub async fn until_some<T, E>(
    time_limit: Duration,
    mut poll: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + time_limit;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = poll().await? {
            return Ok(Some(value));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(MAX_PAUSE);
    }
}
