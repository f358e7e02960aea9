//! The tick of a minute, and once a day the sweep of blobs. It touches the table, the bucket and the queue.

use boot::function::{Error, Function, main as start};
use lambda_http::{LambdaEvent, lambda_runtime, service_fn};
use queue::sqs::{self, Sqs};
use std::process::ExitCode;
use store::{dynamodb, dynamodb::Dynamo, s3_blobs, s3_blobs::S3Blobs};
use triggers::tick::{Task, Tick};

fn main() -> ExitCode {
    start(serve)
}

async fn serve(function: Function) -> Result<(), Error> {
    let Function { sdk, clock, entropy, .. } = &function;
    let table = Dynamo::new(sdk, dynamodb::Options::new(function.table()?, clock.clone(), entropy.clone()));
    let blobs = S3Blobs::new(sdk, s3_blobs::Options::new(function.bucket()?, clock.clone(), entropy.clone()));
    let queue = Sqs::new(sdk, sqs::Options { url: function.queue()?, clock: clock.clone(), entropy: entropy.clone() });
    let tick = &Tick { table, blobs, queue, clock: clock.clone() };
    let answer = |event: LambdaEvent<Task>| async move { tick.answer(event.payload, event.context.deadline).await.map_err(Error::from) };
    lambda_runtime::run(service_fn(answer)).await
}
