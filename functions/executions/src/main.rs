//! Executions behind an HTTP API. It touches the table, the bucket, the queue, the key, and registries.

use boot::function::{self, Function};
use edge::{About, Edge, assemble};
use queue::sqs::{self, Sqs};
use std::{process::ExitCode, sync::Arc};
use store::{dynamodb, dynamodb::Dynamo, key_file::KeyFile, s3_blobs, s3_blobs::S3Blobs};

fn main() -> ExitCode {
    function::main(serve)
}

async fn serve(function: Function) -> Result<(), function::Error> {
    let (sdk, limits) = (&function.sdk, function.limits()?);
    let (clock, entropy) = (function.clock.clone(), function.entropy.clone());
    let table = Arc::new(Dynamo::new(sdk, dynamodb::Options::new(function.table()?, clock.clone(), entropy.clone())));
    let blobs = Arc::new(S3Blobs::new(sdk, s3_blobs::Options::new(function.bucket()?, clock.clone(), entropy.clone())));
    let queue = Arc::new(Sqs::new(sdk, sqs::Options { url: function.queue()?, clock: clock.clone(), entropy: entropy.clone() }));
    let (sealer, registry) = (Arc::new(KeyFile::existing(function.key_file()?)?), Arc::new(outbound::HttpRegistry::default()));
    let edge = Edge { table, clock, entropy, changes: function.changes(), public_url: function.public_url() };
    let ports = executions::Ports { edge: edge.clone(), blobs, queue, sealer, registry, limits };
    lambda_http::run(assemble(edge, About::this_build(), [executions::router(ports)])).await
}
