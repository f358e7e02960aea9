//! The handler: durable steps that do nothing, one after the other, and what each of them took.

use restate_sdk::prelude::*;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What steps took since it was last taken.
static STEPS: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

struct Reference;

#[service]
impl Reference {
    /// Runs `steps` durable steps that do nothing.
    #[handler]
    async fn chain(&self, ctx: Context<'_>, steps: u32) -> Result<(), HandlerError> {
        let mut took = Vec::new();
        for _ in 0..steps {
            let began = Instant::now();
            ctx.run(|| async { Ok(()) }).await?;
            took.push(began.elapsed());
        }
        // Reached once an invocation: a replay ends before it.
        STEPS.lock().unwrap_or_else(PoisonError::into_inner).extend(took);
        Ok(())
    }
}

/// Hosts it for ever.
pub(crate) async fn serve(address: SocketAddr) {
    HttpServer::new(Endpoint::builder().bind(Reference).build()).listen_and_serve(address).await;
}

/// Takes what steps took.
pub(crate) fn take() -> Vec<Duration> {
    std::mem::take(&mut *STEPS.lock().unwrap_or_else(PoisonError::into_inner))
}
