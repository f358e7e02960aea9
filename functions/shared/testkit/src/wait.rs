//! Waiting for what was caused. This is the one place of the tests that polls, always with a deadline; what can be
//! watched is watched instead.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::{Error, Result};

const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Asks `probe` until it answers `Ok(Some(_))`, and gives that answer.
///
/// An error of the probe does not end the waiting (a server that is still starting refuses connections); it is quoted
/// when the deadline passes.
///
/// # Errors
/// [`Error::Timeout`] when nothing came within `deadline`.
pub async fn eventually<T, E, F, R>(what: &str, deadline: Duration, mut probe: F) -> Result<T>
where
    E: Display,
    F: FnMut() -> R,
    R: Future<Output = Result<Option<T>, E>>,
{
    let start = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let last = match tokio::time::timeout(deadline.saturating_sub(start.elapsed()), probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => "not yet so".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the question itself got no answer".to_owned(),
        };
        if start.elapsed() + pause > deadline {
            return Err(Error::Timeout { what: what.to_owned(), waited_ms: start.elapsed().as_millis(), last });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_first_answer() {
        let mut asked = 0;
        let answer = eventually("three questions", Duration::from_secs(5), || {
            asked += 1;
            let answer = (asked == 3).then_some(asked);
            async move { Ok::<_, Error>(answer) }
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn names_what_it_waited_for_and_the_last_error() {
        let waited = eventually::<(), _, _, _>("rain", Duration::from_millis(30), || async { Err("dry") }).await;
        let text = waited.unwrap_err().to_string();
        assert!(text.contains("rain") && text.contains("dry"), "{text}");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_does_not_hang_the_waiting() {
        let waited = eventually::<(), Error, _, _>("ever", Duration::from_millis(30), std::future::pending).await;
        assert!(matches!(waited, Err(Error::Timeout { .. })));
    }
}
