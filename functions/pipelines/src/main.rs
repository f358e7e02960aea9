//! Applications, projects and pipelines behind an HTTP API. It touches the table and the key.

use boot::function::{self, Function};
use edge::{About, Edge, assemble};
use std::process::ExitCode;
use std::sync::Arc;
use store::dynamodb::{Dynamo, Options};
use store::key_file::KeyFile;

fn main() -> ExitCode {
    function::main(serve)
}

async fn serve(function: Function) -> Result<(), function::Error> {
    let Function { sdk, clock, entropy, .. } = &function;
    let table = Arc::new(Dynamo::new(sdk, Options::new(function.table()?, clock.clone(), entropy.clone())));
    let (changes, public_url) = (function.changes(), function.public_url());
    let edge = Edge { table, clock: clock.clone(), entropy: entropy.clone(), changes, public_url };
    let ports = pipelines::Ports { edge: edge.clone(), sealer: Arc::new(KeyFile::existing(function.key_file()?)?) };
    lambda_http::run(assemble(edge, About::this_build(), [pipelines::router(ports)])).await
}
