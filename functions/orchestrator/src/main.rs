//! Moves executions, at hints from the queue. It touches the table, the bucket, the queue, the key, clusters and registries.

use boot::function::{Error, Function, main as start};
use lambda_http::{LambdaEvent, lambda_runtime, service_fn};
use queue::{sqs, sqs::Sqs};
use std::{process::ExitCode, sync::Arc};
use store::{dynamodb, dynamodb::Dynamo, key_file::KeyFile, s3_blobs, s3_blobs::S3Blobs};

fn main() -> ExitCode {
    start(serve)
}

async fn serve(function: Function) -> Result<(), Error> {
    let Function { sdk, clock, entropy, .. } = &function;
    let table = Arc::new(Dynamo::new(sdk, dynamodb::Options::new(function.table()?, clock.clone(), entropy.clone())));
    let blobs = Arc::new(S3Blobs::new(sdk, s3_blobs::Options::new(function.bucket()?, clock.clone(), entropy.clone())));
    let queue = Arc::new(Sqs::new(sdk, sqs::Options { url: function.queue()?, clock: clock.clone(), entropy: entropy.clone() }));
    let sealer = Arc::new(KeyFile::existing(function.key_file()?)?);
    let host = stage_host::WasmHost::new(stage_host::HostOptions::new(orchestrator::components_folder()))?;
    let (cluster, registry) = (Arc::new(cluster::KubeCluster::new()), Arc::new(outbound::HttpRegistry::default()));
    let outside = orchestrator::Outside { table, archive: blobs.clone(), blobs, queue, sealer, host, cluster, registry };
    let invoked = &outside.invoked(clock.clone(), entropy.clone(), function.changes(), function.limits()?);
    let look = |LambdaEvent { payload, context }| invoked.batch(payload, context.deadline);
    lambda_runtime::run(service_fn(look)).await
}
