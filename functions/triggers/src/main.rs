//! The hooks that registries tell of pushes, behind an HTTP API. It touches the table and the queue, and opens no secret.

use app::pushes::StoredSources;
use boot::function::{self, Function};
use edge::{About, Edge, assemble};
use queue::sqs::{self, Sqs};
use std::{process::ExitCode, sync::Arc};
use store::dynamodb::{self, Dynamo};

fn main() -> ExitCode {
    function::main(serve)
}

async fn serve(function: Function) -> Result<(), function::Error> {
    let (clock, entropy) = (function.clock.clone(), function.entropy.clone());
    let options = dynamodb::Options::new(function.table()?, clock.clone(), entropy.clone());
    let table = Arc::new(Dynamo::new(&function.sdk, options));
    let options = sqs::Options { url: function.queue()?, clock: clock.clone(), entropy: entropy.clone() };
    let queue = Arc::new(Sqs::new(&function.sdk, options));
    let sources = Arc::new(StoredSources::without_secrets(table.clone()));
    let edge = Edge { table, clock, entropy, changes: function.changes(), public_url: function.public_url() };
    let ports = triggers::Ports { edge: edge.clone(), sources, queue };
    lambda_http::run(assemble(edge, About::this_build(), [triggers::router(ports)])).await
}
