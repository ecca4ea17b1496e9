//! Waiting for something that others do: the only sleep of the explorer.

use std::time::{Duration, Instant};

/// Between the first looks; grows to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(400);

/// Looks again and again until there is something to see; none when `patience` is over before.
///
/// # Errors
/// When a look fails.
pub async fn until<T, E>(
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + patience;
    let mut pause = SHORTEST;
    loop {
        if let Some(seen) = look().await? {
            return Ok(Some(seen));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}
