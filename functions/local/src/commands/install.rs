//! `waybill install`: what an installation on AWS needs before its functions are asked for the first time. It speaks to the
//! table and the bucket themselves, with the credentials of whoever installs; again is fine.

use crate::failure::Failure;
use crate::serve::components;
use crate::{files, out};
use app::ports::{Blobs, Clock, Entropy};
use app::{identity, stage_types};
use boot::aws::Aws;
use clap::Args;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use store::dynamodb::{self, Dynamo};
use store::key_file::KeyFile;
use store::s3_blobs::{self, S3Blobs};

/// How it is installed. Region and credentials are found as AWS's own tools find them; WAYBILL_TABLE and WAYBILL_BUCKET name
/// what is made ready.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder with the stage components and their index, as `cargo dev plugins` makes it; otherwise `components` beside
    /// this program or one folder above it.
    #[arg(long, value_name = "DIR", env = "WAYBILL_COMPONENTS")]
    components: Option<PathBuf>,
    /// Where the first administrator's token is put; it is made once.
    #[arg(long, value_name = "FILE", default_value = "admin-token")]
    token_file: PathBuf,
    /// Makes the key that secrets are sealed with, unless the file is there.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

fn failed<E: Display>(what: &str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Server(format!("{what}: {error}"))
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let (from, rows) = components::built(options.components.as_deref())?;
    let aws = Aws::from_environment().await.map_err(|error| Failure::Usage(error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(boot::SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(boot::SystemEntropy::new().map_err(failed("no randomness"))?);
    let table = Dynamo::new(&aws.sdk, dynamodb::Options::new(aws.table, clock.clone(), entropy.clone()));
    let found = table.verify().await.map_err(failed("the table cannot be used"))?;
    for warning in found.warnings {
        out::note(&warning);
    }
    let blobs = S3Blobs::new(&aws.sdk, s3_blobs::Options::new(aws.bucket, clock.clone(), entropy.clone()));
    blobs.verify().await.map_err(failed("the bucket cannot be used"))?;
    if let Some(path) = &options.key_file {
        KeyFile::open(path).map_err(failed("the key cannot be used"))?;
    }
    // The code first: whoever reads a row finds what it names.
    for row in &rows {
        let stored = blobs.put(&components::code(&from, &row.cwasm_sha256)?).await.map_err(failed("a component cannot be stored"))?;
        if stored != row.cwasm_sha256 {
            return Err(Failure::Server(format!("{} in {} is damaged: build the components again", row.name, from.display())));
        }
    }
    stage_types::install(&table, &rows).await.map_err(failed("the stage types cannot be installed"))?;
    out::note(&format!("{} stage types are installed", rows.len()));
    token(&table, clock.as_ref(), entropy.as_ref(), &options).await
}

async fn token(table: &Dynamo, clock: &dyn Clock, entropy: &dyn Entropy, options: &Options) -> Result<(), Failure> {
    // A file that cannot be written is found before the token is made, which happens once and is shown once.
    let path = &options.token_file;
    let temporary = path.with_extension("new");
    files::write_private(&temporary, "")?;
    let made = identity::bootstrap(table, entropy, clock).await;
    match made.map_err(failed("the administrator's token cannot be made")) {
        Ok(Some(token)) => files::fill(&temporary, &format!("{token}\n")).and_then(|()| {
            std::fs::rename(&temporary, path).map_err(Failure::file(path))?;
            out::note(&format!("the administrator's token is in {}", path.display()));
            Ok(())
        }),
        Ok(None) => {
            out::note("there is an administrator already");
            std::fs::remove_file(&temporary).map_err(Failure::file(&temporary))
        }
        Err(error) => {
            std::fs::remove_file(&temporary).map_err(Failure::file(&temporary))?;
            Err(error)
        }
    }
}
