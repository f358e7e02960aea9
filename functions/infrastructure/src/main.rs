//! Accounts of clusters and registries behind an HTTP API. It touches the table, the queue, the key, clusters and registries.

use boot::function::{self, Function};
use edge::{About, Edge, assemble};
use queue::sqs::{self, Sqs};
use std::{process::ExitCode, sync::Arc};
use store::{dynamodb, dynamodb::Dynamo, key_file::KeyFile};

fn main() -> ExitCode {
    function::main(serve)
}

async fn serve(function: Function) -> Result<(), function::Error> {
    let (clock, entropy) = (function.clock.clone(), function.entropy.clone());
    let options = dynamodb::Options::new(function.table()?, clock.clone(), entropy.clone());
    let table = Arc::new(Dynamo::new(&function.sdk, options));
    let options = sqs::Options { url: function.queue()?, clock: clock.clone(), entropy: entropy.clone() };
    let queue = Arc::new(Sqs::new(&function.sdk, options));
    let sealer = Arc::new(KeyFile::existing(function.key_file()?)?);
    let (cluster, registry) = (Arc::new(cluster::KubeCluster::new()), Arc::new(outbound::HttpRegistry::default()));
    let edge = Edge { table, clock, entropy, changes: function.changes(), public_url: function.public_url() };
    let ports = infrastructure::Ports { edge: edge.clone(), sealer, queue, cluster, registry };
    lambda_http::run(assemble(edge, About::this_build(), [infrastructure::router(ports)])).await
}
